/* SPDX-License-Identifier: MIT */
/*
 * The stamps of accepted HELLOs in a file, so that a recorded HELLO is not answered after a
 * restart either. Each line has the public key of a client and a stamp. Clients that are no
 * longer listed keep theirs.
 */
#ifndef STAMP_FILE_H
#define STAMP_FILE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/io/journal.h>

#include <stdbool.h>
#include <stdint.h>

struct relay_clients;

/* Zero-initialised: there is no file. */
struct stamp_file {
    struct journal journal;
    size_t lines, lines_max; /* at lines_max the file is written anew */
    bool troubled;           /* the log has reported that the file cannot be written */
    uint64_t tried_at_ns;    /* when it was last written, or could not be */
};

/* Reads what the file has into new clients, none of which is listed. Errors are logged, and
 * then nothing is kept. `path` may be NULL. Returns NULL when memory is out. */
struct relay_clients *stamp_file_open(struct stamp_file *file, const char *path) MUST_CHECK;
void stamp_file_close(struct stamp_file *file);
/* The same, and writes before what the file lacks of the clients' stamps. */
void stamp_file_end(struct stamp_file *file, const struct relay_clients *clients);

/* A HELLO of this client was accepted; `clients` has its stamp already. After an error all
 * stamps are written with one of the next HELLOs. */
void stamp_file_add(struct stamp_file *file, const struct relay_clients *clients,
                    unsigned client, uint64_t stamp);

#endif
