/* SPDX-License-Identifier: MIT */
/*
 * Why a stream was not opened or has broken, in words for people at local: the log, and
 * the user of `splitsocks connect`.
 */
#ifndef SPLITSOCKS_STREAM_FAILURE_H
#define SPLITSOCKS_STREAM_FAILURE_H

#include <splitsocks/engine/session/session.h>
#include <splitsocks/proxy/destination.h>

#define STREAM_FAILURE_TEXT_SIZE (DESTINATION_TEXT_SIZE + 96)

/* `address` is the destination's address, if local knows it (family ADDRESS_NONE: only a
 * name). A relay's refusal travels as a bare code: if the relay's defaults refuse the
 * address, the text names the block and the line of configuration that would allow it.
 * Returns `text`. */
const char *stream_failure_format(enum reset_code code, const struct address *address,
                                  char text[STREAM_FAILURE_TEXT_SIZE]);

/* Logs that the stream of the application at the other end of socket `fd` has failed. */
void stream_failure_log(int fd, const char *destination, const char *reason);

#endif
