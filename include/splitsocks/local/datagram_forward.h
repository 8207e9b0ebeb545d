/* SPDX-License-Identifier: MIT */
/*
 * A forward listener's socket for datagrams: each address and port that sends to it is a
 * client with a flow of its own, until it was idle for too long.
 */
#ifndef SPLITSOCKS_DATAGRAM_FORWARD_H
#define SPLITSOCKS_DATAGRAM_FORWARD_H

#include <splitsocks/local/datagram_client.h>

#define DATAGRAM_FORWARD_BUCKETS 256

struct datagram_forward {
    struct datagram_service *service; /* borrowed; NULL: it serves nobody */
    const struct target *to;          /* borrowed */
    struct datagram_terms terms;
    const struct datagram_socket *socket; /* borrowed */
    ev_io io;
    struct list buckets[DATAGRAM_FORWARD_BUCKETS]; /* of clients, by their addresses */
};

/* Serves the clients of `socket`, which is borrowed. If it is bound to no address, it must
 * tell its datagrams' destinations. */
void datagram_forward_init(struct datagram_forward *forward,
                           struct datagram_service *service,
                           const struct datagram_socket *socket, const struct target *to,
                           const struct datagram_terms *terms);
/* Ends all clients. Safe on a zeroed one, and twice. */
void datagram_forward_deinit(struct datagram_forward *forward);

#endif
