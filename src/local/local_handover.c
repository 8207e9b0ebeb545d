/* SPDX-License-Identifier: MIT */
/*
 * The sockets that a local and its replacement hand to each other. A listener has one
 * socket for each network that it serves. The replacement takes the sockets that both have;
 * the local that goes closes those that are in the way.
 */
#include "local_internal.h"

#include <splitsocks/io/socket.h>

#include <string.h>

bool local_listener_serves(const struct local_listener *listener,
                           enum config_network network)
{
    return (listener->config->network & network) != 0;
}

/* -1: the listener does not listen on the network. */
static int socket_of(const struct local_listener *listener, enum config_network network)
{
    return network == CONFIG_NETWORK_TCP ? listener->fd : listener->datagrams.fd;
}

struct local_listener *local_find_previous(struct local *previous,
                                           enum config_network network,
                                           const struct address *address)
{
    if (previous == NULL)
        return NULL;
    for (size_t i = 0; i < previous->config->listen.count; i++) {
        struct local_listener *listener = &previous->listeners[i];

        if (socket_of(listener, network) >= 0 &&
            address_equal(&listener->config->address, address))
            return listener;
    }
    return NULL;
}

/* Whether the local listens on the network at the address, too. */
static bool is_kept(const struct local *local, enum config_network network,
                    const struct address *address)
{
    for (size_t i = 0; i < local->config->listen.count; i++)
        if (local_listener_serves(&local->listeners[i], network) &&
            address_equal(&local->config->listen.items[i].address, address))
            return true;
    return false;
}

static void stop(struct local_listener *listener, enum config_network network)
{
    if (network == CONFIG_NETWORK_UDP) {
        local_stop_forward(listener);
        return;
    }
    listener_drain(&listener->listener);
    local_listener_stop(listener);
}

bool local_make_way(struct local *local, struct local *previous,
                    enum config_network network, const struct address *address)
{
    bool made = false;

    for (size_t i = 0; previous != NULL && i < previous->config->listen.count; i++) {
        struct local_listener *old = &previous->listeners[i];
        const int fd = socket_of(old, network);
        struct address bound;

        if (fd < 0 || is_kept(local, network, &old->config->address))
            continue;
        bound = socket_local_address(fd);
        if (!listen_excludes(&bound, address))
            continue;
        stop(old, network);
        old->made_way |= network;
        made = true;
    }
    return made;
}

bool local_wants_back(struct local_listener *listener, enum config_network network)
{
    const bool made_way = (listener->made_way & network) != 0;

    listener->made_way &= ~(unsigned)network;
    return made_way;
}

static bool same_users(const struct config_users *a, const struct config_users *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->items[i].name, b->items[i].name) == 0 &&
               strcmp(a->items[i].password, b->items[i].password) == 0;
    return same;
}

/* Whether the users of a listener are good in the local too: at the same address, or
 * anywhere if the local does not listen there. */
static bool are_kept(const struct local *local, const struct config_listener *old)
{
    bool listens = is_kept(local, CONFIG_NETWORK_TCP, &old->address);

    for (size_t i = 0; i < local->config->listen.count; i++) {
        const struct config_listener *new = &local->config->listen.items[i];

        if (new->protocol == CONFIG_PROTOCOL_SOCKS5 &&
            (!listens || address_equal(&new->address, &old->address)) &&
            same_users(&new->users, &old->users))
            return true;
    }
    return false;
}

void local_end_negotiations(const struct local *local, struct local *previous)
{
    for (size_t i = 0; previous != NULL && i < previous->config->listen.count; i++)
        if (!are_kept(local, previous->listeners[i].config))
            socks_service_close(&previous->socks, (uint32_t)i);
}
