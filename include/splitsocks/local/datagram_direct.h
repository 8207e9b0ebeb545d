/* SPDX-License-Identifier: MIT */
/* The sockets from which one client's datagrams leave this machine past the relay: one for
 * each family, opened on use. */
#ifndef SPLITSOCKS_DATAGRAM_DIRECT_H
#define SPLITSOCKS_DATAGRAM_DIRECT_H

#include <splitsocks/io/datagram_socket.h>
#include <splitsocks/io/worker.h>

#include <ev.h>

/* A datagram has come from `from`. */
typedef void datagram_direct_answer(void *context, const struct address *from,
                                    const uint8_t *bytes, size_t length);
/* All datagrams of a batch were passed on. */
typedef void datagram_direct_settle(void *context);

struct datagram_direct;

/* NULL when memory is out. */
struct datagram_direct *datagram_direct_new(struct worker *worker,
                                            datagram_direct_answer *answer,
                                            datagram_direct_settle *settle,
                                            void *context) MUST_CHECK;
void datagram_direct_free(struct datagram_direct *direct); /* NULL is allowed */

/* Puts a datagram into the worker's batch. False: there is no socket for it. */
bool datagram_direct_send(struct datagram_direct *direct, const struct address *to,
                          const uint8_t *bytes, size_t length);
/* Sends it at once, and tells as datagram_socket_send() does whether that can be. */
int datagram_direct_try(struct datagram_direct *direct, const struct address *to,
                        const uint8_t *bytes, size_t length);

#endif
