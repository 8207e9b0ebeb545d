/* SPDX-License-Identifier: MIT */
/*
 * The file of a state document (state.h). All processes that are given the same name share
 * it, and so do the old and the new local during a reload: each reads the file again
 * before it changes its section.
 */
#ifndef SPLITSOCKS_STATE_FILE_H
#define SPLITSOCKS_STATE_FILE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/base/log.h>

#include <stdbool.h>

struct json_t;

/* Zero-initialised: there is no file, and nothing is read or written. */
struct state_file {
    const char *path;     /* borrowed; NULL: there is none */
    enum log_level level; /* for errors */
    bool troubled;        /* the log has reported that the file cannot be written */
};

/* Reads the file for the first time, and logs why it cannot be used. */
void state_file_init(struct state_file *file, const char *path, enum log_level level);

/* Makes the file's folder when it is missing, as far as that is possible. */
void state_file_make_folder(const char *path);

/* The present document, or an empty one: a new reference, NULL when memory is out. */
struct json_t *state_file_read(const struct state_file *file) MUST_CHECK;

/* Reads the document under the lock, calls `change` on it, and writes it anew. There
 * always is a whole file, the old one or the new one. `change` may refuse (false); then
 * nothing is written. A damaged file is begun anew. Missing folders are made, for this
 * user alone. Returns OK; ERROR_DENIED: another process has the lock, and `must` is not
 * set; or another error, which was logged. With `must` set it waits a tenth of a second
 * for the lock, and then goes on without. */
int state_file_change(struct state_file *file, bool must,
                      bool (*change)(struct json_t *document, void *context),
                      void *context) MUST_CHECK;

#endif
