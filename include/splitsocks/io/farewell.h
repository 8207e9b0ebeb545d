/* SPDX-License-Identifier: MIT */
/*
 * Closes a connection after a last message while the peer may still be sending. If bytes
 * were unread at the close, the kernel would send a reset, which could destroy the message
 * before the peer reads it. So received bytes are read and discarded until the peer closes
 * too, or for FAREWELL_SECONDS.
 */
#ifndef SPLITSOCKS_FAREWELL_H
#define SPLITSOCKS_FAREWELL_H

#include <stddef.h>
#include <stdint.h>

#define FAREWELL_SECONDS 2.

struct worker;

/* Takes over the socket and writes the message, which must fit in the socket's buffer;
 * `length` may be 0. */
void farewell(struct worker *worker, int fd, const uint8_t *message, size_t length);
/* Takes over the socket: reads and discards for `seconds`, then closes with nothing
 * unread, and never writes. */
void farewell_silent(struct worker *worker, int fd, double seconds);
/* Closes all waiting sockets at once. */
void farewell_cut(struct worker *worker);

#endif
