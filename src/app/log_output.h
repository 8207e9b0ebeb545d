/* SPDX-License-Identifier: MIT */
/*
 * The outputs of a daemon: the log on standard error, and its messages on standard output.
 * Neither can block the daemon. See outlet.h.
 */
#ifndef APP_LOG_OUTPUT_H
#define APP_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* From now on a separate thread writes the log; without a thread, it is written as before.
 * `with_time`: lines begin with the local time, unless they go to the journal. */
void log_output_start(bool with_time);
/* Writes to standard output, in the same way. */
void log_output_print(const char *text, size_t length);
/* Call before the process ends: writes the rest, if anybody reads it. Safe without a
 * start. */
void log_output_finish(void);

#endif
