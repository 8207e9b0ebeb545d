/* SPDX-License-Identifier: MIT */
/* The sockets of forward listeners for datagrams. A local that replaces another takes over
 * those that both have, but not their clients: these go on with flows of the new session.
 */
#include "local_internal.h"

#include <splitsocks/base/log.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <stdlib.h>

/* Where the kernel chooses the port, that of the listener for streams, if there is one. */
static struct address address_for(const struct local_listener *listener)
{
    struct address address = listener->config->address;

    if (address.port == 0 && listener->fd >= 0)
        address.port = socket_local_address(listener->fd).port;
    return address;
}

static int open_one(struct local_listener *listener, struct local *previous)
{
    const struct datagram_socket_options options = {
        .destinations = address_is_any(&listener->config->address),
        .absent = true,
        .class = DESCRIPTOR_OWN,
    };
    const struct address address = address_for(listener);
    char text[LISTEN_FAILURE_SIZE];

    int error = datagram_socket_open(&listener->datagrams, &address, &options);

    if (error != OK && errno == EADDRINUSE &&
        local_make_way(listener->local, previous, CONFIG_NETWORK_UDP, &address))
        error = datagram_socket_open(&listener->datagrams, &address, &options);
    if (error != OK) {
        log_error("%s (UDP)", listen_failure(&address, errno, NULL, text));
        return ERROR_SYSTEM;
    }
    if (listener->fd < 0 && listen_is_absent(&address))
        listen_tell_absent(&address);
    return OK;
}

int local_open_forwards(struct local *local, struct local *previous)
{
    for (size_t i = 0; i < local->config->listen.count; i++) {
        struct local_listener *listener = &local->listeners[i];

        if (local_listener_serves(listener, CONFIG_NETWORK_UDP) &&
            local_find_previous(previous, CONFIG_NETWORK_UDP, &listener->config->address) ==
                NULL &&
            open_one(listener, previous) != OK)
            return ERROR_SYSTEM;
    }
    return OK;
}

void local_begin_forward(struct local_listener *listener, struct local *previous)
{
    struct local_listener *old;

    if (!local_listener_serves(listener, CONFIG_NETWORK_UDP))
        return;
    old = local_find_previous(previous, CONFIG_NETWORK_UDP, &listener->config->address);
    if (listener->datagrams.fd < 0 && old != NULL) {
        listener->datagrams = old->datagrams;
        old->datagrams.fd = -1;
        datagram_forward_deinit(&old->forward);
    }
    datagram_forward_init(&listener->forward, &listener->local->datagrams,
                          &listener->datagrams, &listener->to, &listener->terms.datagrams);
}

void local_give_back_forwards(struct local *previous)
{
    for (size_t i = 0; i < previous->config->listen.count; i++) {
        struct local_listener *old = &previous->listeners[i];

        if (local_wants_back(old, CONFIG_NETWORK_UDP) && open_one(old, NULL) == OK)
            local_begin_forward(old, NULL);
    }
}
