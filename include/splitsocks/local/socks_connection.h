/* SPDX-License-Identifier: MIT */
/*
 * One connection of a SOCKS client, from accept until its request is complete; an inbound
 * or an association takes the request over then. It frees itself.
 */
#ifndef SPLITSOCKS_SOCKS_CONNECTION_H
#define SPLITSOCKS_SOCKS_CONNECTION_H

#include <splitsocks/local/association.h>
#include <splitsocks/local/inbound.h>
#include <splitsocks/proxy/socks5.h>

/* A client that has not finished its request after this time is closed. */
#define SOCKS_CONNECTION_SECONDS 30.

/* State that all connections to one local share. */
struct socks_service {
    struct inbound_service *inbound;          /* borrowed */
    struct association_service *associations; /* borrowed */
    struct list connections;
};

/* Settings of one listener for its connections. */
struct socks_terms {
    const struct socks5_user *users; /* borrowed for the connection's life */
    size_t user_count;
    uint32_t listener;       /* as in struct rules_query */
    uint32_t max_per_target; /* as in struct inbound_request */
    struct stream_policy policy;
    struct datagram_terms datagrams;
};

void socks_service_init(struct socks_service *service, struct inbound_service *inbound,
                        struct association_service *associations);
/* Closes and frees all its connections. */
void socks_service_deinit(struct socks_service *service);

/* Closes the connections of one listener whose request is not complete. */
void socks_service_close(struct socks_service *service, uint32_t listener);

/* Takes over the socket. */
void socks_connection_new(struct socks_service *service, int fd, const struct address *peer,
                          const struct socks_terms *terms);

#endif
