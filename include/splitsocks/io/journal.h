/* SPDX-License-Identifier: MIT */
/*
 * A file of lines that are only appended, each by one call and at once, so that what was
 * written outlives the process however it ends. Now and then its owner writes it anew,
 * without the lines that are of no use any more. It does not wait for the disk: a loss of
 * power may undo the last seconds.
 */
#ifndef SPLITSOCKS_JOURNAL_H
#define SPLITSOCKS_JOURNAL_H

#include <splitsocks/base/attributes.h>

#include <stddef.h>

/* Zero-initialised: there is no file, and nothing is written. */
struct journal {
    char *path;  /* owned; NULL: none */
    char *other; /* owned: where it is written anew */
    int fd;
};

/* One line, without its newline. */
typedef void journal_line(void *context, const char *line);

/* Opens or makes the file, and its folder, for this user alone; locks it against other
 * processes; and passes each line to `take`. Returns OK; ERROR_DENIED: another process has
 * it; ERROR_SYSTEM with errno set; or ERROR_MEMORY. After an error the journal is zero. */
int journal_open(struct journal *journal, const char *path, journal_line *take,
                 void *context) MUST_CHECK;
/* Safe on a zeroed journal, and twice. */
void journal_close(struct journal *journal);

/* The text is one line or several, each with its newline. Both return OK, or ERROR_SYSTEM
 * with errno set, and do nothing without a file. There always is a whole file, the old one
 * or the new one. */
int journal_append(struct journal *journal, const char *text, size_t length) MUST_CHECK;
int journal_rewrite(struct journal *journal, const char *text, size_t length) MUST_CHECK;

#endif
