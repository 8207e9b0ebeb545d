/* SPDX-License-Identifier: MIT */
/*
 * Closes a connection after a last message while the peer may still be sending: closing
 * with bytes unread would make the kernel send a reset, which destroys the message before
 * the peer has read it. So what comes is read and discarded until the peer closes too, or
 * for FAREWELL_SECONDS.
 */
#ifndef SPLITSOCKS_FAREWELL_H
#define SPLITSOCKS_FAREWELL_H

#include <stddef.h>
#include <stdint.h>

#define FAREWELL_SECONDS 2.

struct worker;

/* Takes over the socket and writes the message, of which it is assumed that it fits in
 * the socket's buffer; `length` may be 0. */
void farewell(struct worker *worker, int fd, const uint8_t *message, size_t length);
/* Takes over the socket: reads and discards for `seconds`, then closes with nothing unread
 * and nothing said. */
void farewell_silent(struct worker *worker, int fd, double seconds);
/* Closes all that still wait. */
void farewell_cut(struct worker *worker);

#endif
