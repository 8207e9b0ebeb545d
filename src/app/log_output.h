/* SPDX-License-Identifier: MIT */
/*
 * Where a daemon's lines go: the log to standard error, and what it says of itself to
 * standard output, neither of which may stop it. See outlet.h.
 */
#ifndef APP_LOG_OUTPUT_H
#define APP_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* From here on the log is written by a thread of its own. Where there is none to be had it
 * is written as before. `with_time`: lines begin with the local time, unless they go to the
 * journal. */
void log_output_start(bool with_time);
/* Writes to standard output, in the same way. */
void log_output_print(const char *text, size_t length);
/* Before the process ends: what was said last comes out, if anybody reads it. Safe without
 * a start. */
void log_output_finish(void);

#endif
