/* SPDX-License-Identifier: MIT */
/*
 * How a local gets its listening sockets: it opens them, or takes over those of the local
 * that it replaces.
 */
#include "local_internal.h"

#include <splitsocks/base/log.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Whether a listener of ours uses the address, and takes its connections or excludes them;
 * the log says which. That listener may still belong to `previous`. */
static bool is_covered(const struct local *local, struct local *previous,
                       const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < local->config->listen.count; i++) {
        const struct local_listener *other = &local->listeners[i];

        if (!socket_listener_covers(&other->config->address, address) ||
            (other->fd < 0 && local_find_previous(previous, CONFIG_NETWORK_TCP,
                                                  &other->config->address) == NULL))
            continue;
        if (address->family == ADDRESS_IPV6)
            log_warning("cannot listen on %s beside 0.0.0.0: IPv6 is not served there",
                        address_format(address, text));
        return true;
    }
    return false;
}

/* Another listener of the same configuration that keeps this address from being listened
 * on. */
static const struct address *find_rival(const struct local_listener *listener)
{
    const struct local *local = listener->local;

    for (size_t i = 0; i < local->config->listen.count; i++) {
        const struct local_listener *other = &local->listeners[i];

        if (other != listener && local_listener_serves(other, CONFIG_NETWORK_TCP) &&
            listen_excludes(&other->config->address, &listener->config->address))
            return &other->config->address;
    }
    return NULL;
}

static int open_listener(struct local_listener *listener, struct local *previous)
{
    const struct address *address = &listener->config->address;
    const struct socket_listen_options options = {
        .at_once = listener->config->protocol == CONFIG_PROTOCOL_FORWARD,
    };
    char text[LISTEN_FAILURE_SIZE];
    int error = socket_listen(address, &options, &listener->fd);

    if (error != OK && errno == EADDRINUSE &&
        local_make_way(listener->local, previous, CONFIG_NETWORK_TCP, address))
        error = socket_listen(address, &options, &listener->fd);
    if (error == OK) {
        listener->absent = listen_is_absent(address);
        if (listener->absent)
            listen_tell_absent(address);
        return OK;
    }
    if (errno == EADDRINUSE && is_covered(listener->local, previous, address))
        return OK;
    log_error("%s", listen_failure(address, errno, find_rival(listener), text));
    return error;
}

/* The new local cannot have all of its sockets: `previous` gets back those that it
 * closed. */
static void give_back(struct local *local, struct local *previous)
{
    local_stop_listening(local);
    for (size_t i = 0; previous != NULL && i < previous->config->listen.count; i++) {
        struct local_listener *old = &previous->listeners[i];

        if (local_wants_back(old, CONFIG_NETWORK_TCP) && open_listener(old, NULL) == OK &&
            old->fd >= 0)
            local_listener_begin(old);
    }
    if (previous != NULL)
        local_give_back_forwards(previous);
}

/* Opens the listeners that `previous` does not have: only ::, or all the others. */
static int open_listeners(struct local *local, struct local *previous, bool any_ipv6)
{
    for (size_t i = 0; i < local->config->listen.count; i++) {
        struct local_listener *listener = &local->listeners[i];
        const struct address *address = &listener->config->address;

        if (local_listener_serves(listener, CONFIG_NETWORK_TCP) &&
            address_is_any_ipv6(address) == any_ipv6 &&
            local_find_previous(previous, CONFIG_NETWORK_TCP, address) == NULL) {
            int error = open_listener(listener, previous);

            if (error != OK)
                return error;
        }
    }
    return OK;
}

/* Takes over the socket of `previous`, if it has one. */
static void take_over(struct local_listener *listener, struct local *previous)
{
    struct local_listener *old =
        local_find_previous(previous, CONFIG_NETWORK_TCP, &listener->config->address);

    if (old == NULL)
        return; /* another listener of ours covers the address */
    listener_deinit(&old->listener);
    listener->fd = old->fd;
    listener->absent = old->absent;
    old->fd = -1;
    socket_listen_at_once(listener->fd,
                          listener->config->protocol == CONFIG_PROTOCOL_FORWARD);
}

int local_listen(struct local *local, struct local *previous)
{
    /* First open sockets, which may fail, so that `previous` can go on then. Open ::
     * before 0.0.0.0, since it serves both where the kernel cannot confine it to IPv6. */
    int error = open_listeners(local, previous, true);

    if (error == OK)
        error = open_listeners(local, previous, false);
    if (error == OK)
        error = local_open_forwards(local, previous);
    if (error != OK) {
        give_back(local, previous);
        return error;
    }
    for (size_t i = 0; i < local->config->listen.count; i++) {
        struct local_listener *listener = &local->listeners[i];

        if (listener->fd < 0 && local_listener_serves(listener, CONFIG_NETWORK_TCP))
            take_over(listener, previous);
        if (listener->fd >= 0)
            local_listener_begin(listener);
        local_begin_forward(listener, previous);
    }
    local_end_negotiations(local, previous);
    return OK;
}
