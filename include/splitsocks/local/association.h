/* SPDX-License-Identifier: MIT */
/*
 * An association of SOCKS5 (RFC 1928 section 7): a socket of its own for one client's
 * datagrams, for as long as the client's connection is open. It is bound to the address at
 * which the client has reached us, so that clients behind 0.0.0.0 and :: get one that they
 * can use. It takes datagrams only from the client's address. It frees itself.
 */
#ifndef SPLITSOCKS_ASSOCIATION_H
#define SPLITSOCKS_ASSOCIATION_H

#include <splitsocks/local/datagram_client.h>
#include <splitsocks/local/inbound.h>

#include <stdint.h>

/* State that all associations of one local share. */
struct association_service {
    struct inbound_service *inbound;    /* borrowed */
    struct datagram_service *datagrams; /* borrowed */
    bool enabled;
    struct address advertise; /* as in struct config_udp */
    struct port_range ports;
    struct list associations;
};

void association_service_init(struct association_service *service);
/* Closes and frees all its associations. */
void association_service_deinit(struct association_service *service);
/* The relay has answered, or the session has ended: answers the clients that wait for
 * that. */
void association_service_note_session(struct association_service *service);

/* Whether a socket of an association takes datagrams that are sent to the address. */
bool association_service_has(const struct association_service *service,
                             const struct address *address);

/* Takes over the connection of the client at `peer`, which has asked to send from `port`
 * (0: it does not know yet), and answers it. */
void association_new(struct association_service *service, int fd,
                     const struct address *peer, uint16_t port,
                     const struct datagram_terms *terms);

#endif
