/*
 * One connection of a SOCKS client, from accept until its stream has begun: negotiates,
 * resolves the name, opens the stream and makes a plain of the socket. It frees itself.
 */
#ifndef SPLITSOCKS_SOCKS_CONNECTION_H
#define SPLITSOCKS_SOCKS_CONNECTION_H

#include <splitsocks/driver.h>
#include <splitsocks/resolver.h>
#include <splitsocks/socks5.h>

/* A client that has not finished its request after this is closed. */
#define SOCKS_CONNECTION_SECONDS 30.

/* What all connections to one local share. */
struct socks_service {
    struct driver *driver;     /* borrowed */
    struct resolver *resolver; /* borrowed; NULL: names go to the relay */
    struct list connections;
    struct list plains;
};

void socks_service_init(struct socks_service *service, struct driver *driver,
                        struct resolver *resolver);
/* Closes and frees all its connections and plains. */
void socks_service_deinit(struct socks_service *service);

/* Takes over the socket. `users` are borrowed for the connection's life. */
void socks_connection_new(struct socks_service *service, int fd, const struct address *peer,
                          const struct socks5_user *users, size_t user_count);

#endif
