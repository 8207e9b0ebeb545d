/* SPDX-License-Identifier: MIT */
/*
 * The file with a state document (state.h). All processes that are given the same name, and
 * what a reload has replaced, share it: each reads it again before it changes its section.
 */
#ifndef SPLITSOCKS_STATE_FILE_H
#define SPLITSOCKS_STATE_FILE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/base/log.h>

#include <stdbool.h>

struct json_t;

/* Zero-initialised there is none: then nothing is read or written. */
struct state_file {
    const char *path;     /* borrowed; NULL: there is none */
    enum log_level level; /* of what goes wrong */
    bool troubled;        /* the log was told that it cannot be written */
};

/* Reads it for the first time, and tells the log when it cannot be used. */
void state_file_init(struct state_file *file, const char *path, enum log_level level);

/* The document as it is now, or an empty one: a new reference, NULL when memory is out. */
struct json_t *state_file_read(const struct state_file *file) MUST_CHECK;

/* Reads the document under the lock, has `change` change it, and writes it anew, so that
 * there always is a whole file, the old one or the new one; `change` may refuse (false), and
 * then nothing is written. A file that is damaged is begun anew. Folders that are missing are
 * made, for this user alone. Returns OK; ERROR_DENIED: another has the lock, and `must` is
 * not set; or what went wrong, of which the log was told. With `must` set it waits for the
 * lock for a tenth of a second, and then goes on without. */
int state_file_change(struct state_file *file, bool must,
                      bool (*change)(struct json_t *document, void *context),
                      void *context) MUST_CHECK;

#endif
