/* The listeners of a local: SOCKS5, and forward to one target. */
#include "local_internal.h"

#include "local_rules.h"

#include <splitsocks/log.h>
#include <splitsocks/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whose connection it is. Where the kernel cannot keep the two apart, a listener on ::
 * gets those of 0.0.0.0 too, and its terms are not theirs. NULL: nobody's. */
static struct local_listener *find_listener(struct local_listener *listener,
                                            const struct address *peer)
{
    struct local *local = listener->local;

    if (peer->family != ADDRESS_IPV4 || !address_is_any_ipv6(&listener->config->address))
        return listener;
    for (size_t i = 0; i < local->config->listen.count; i++)
        if (socket_listener_covers(&listener->config->address,
                                   &local->listeners[i].config->address))
            return &local->listeners[i];
    return NULL;
}

static void on_accept(void *context, int fd, const struct address *peer)
{
    struct local_listener *listener = find_listener(context, peer);

    if (listener != NULL)
        socket_keepalive(fd, listener->local->worker.keepalive_ns);
    if (listener == NULL) {
        close(fd);
    } else if (listener->config->protocol == CONFIG_PROTOCOL_FORWARD) {
        const struct inbound_request request = {
            .fd = fd,
            .listener = listener->terms.listener,
            .max_per_target = listener->terms.max_per_target,
            .target = &listener->to,
            .otherwise = &listener->terms.policy,
        };

        inbound_start(&listener->local->inbound, &request);
    } else {
        socks_connection_new(&listener->local->socks, fd, peer, &listener->terms);
    }
}

void local_adopt(struct local *local, int fd)
{
    const struct address nobody = {.family = ADDRESS_NONE};
    const struct socks_terms terms = {
        .listener = RULES_NO_LISTENER,
        .max_per_target = UINT32_MAX,
        .policy = local_listener_policy(local->config, NULL),
    };

    socks_connection_new(&local->socks, fd, &nobody, &terms);
}

/* The socket of `previous` that was opened for the same address. */
static struct local_listener *find_previous(struct local *previous,
                                            const struct address *address)
{
    if (previous == NULL)
        return NULL;
    for (size_t i = 0; i < previous->config->listen.count; i++) {
        struct local_listener *listener = &previous->listeners[i];

        if (listener->fd >= 0 && address_equal(&listener->config->address, address))
            return listener;
    }
    return NULL;
}

/* Whether the address is in use by a listener of ours that takes its connections, or
 * leaves no room for them; the log says which. */
static bool is_covered(const struct local *local, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < local->config->listen.count; i++) {
        const struct local_listener *other = &local->listeners[i];

        if (other->fd < 0 || !socket_listener_covers(&other->config->address, address))
            continue;
        if (address->family == ADDRESS_IPV6)
            log_warning("cannot listen on %s beside 0.0.0.0: IPv6 is not served there",
                        address_format(address, text));
        return true;
    }
    return false;
}

static int open_listener(struct local_listener *listener)
{
    const struct socket_listen_options options = {
        .at_once = listener->config->protocol == CONFIG_PROTOCOL_FORWARD,
    };
    char text[LISTEN_FAILURE_SIZE];
    int error = socket_listen(&listener->config->address, &options, &listener->fd);
    int failure = errno;

    if (error == OK ||
        (failure == EADDRINUSE && is_covered(listener->local, &listener->config->address)))
        return OK;
    log_error("%s", listen_failure(&listener->config->address, failure, text));
    return error;
}

/* Opens what `previous` does not have: :: alone, or all the others. */
static int open_listeners(struct local *local, struct local *previous, bool any_ipv6)
{
    for (size_t i = 0; i < local->config->listen.count; i++) {
        struct local_listener *listener = &local->listeners[i];
        const struct address *address = &listener->config->address;

        if (address_is_any_ipv6(address) == any_ipv6 &&
            find_previous(previous, address) == NULL) {
            int error = open_listener(listener);

            if (error != OK)
                return error;
        }
    }
    return OK;
}

int local_listen(struct local *local, struct local *previous)
{
    size_t count = local->config->listen.count;
    /* First what may fail, so that `previous` can go on when it does; and :: before
     * 0.0.0.0, since it serves both where the kernel cannot confine it to IPv6. */
    int error = open_listeners(local, previous, true);

    if (error == OK)
        error = open_listeners(local, previous, false);
    if (error != OK)
        return error;
    for (size_t i = 0; i < count; i++) {
        struct local_listener *listener = &local->listeners[i];
        struct local_listener *old;

        if (listener->fd < 0) {
            old = find_previous(previous, &listener->config->address);
            if (old == NULL)
                continue; /* another listener of ours covers it */
            listener_deinit(&old->listener);
            listener->fd = old->fd;
            old->fd = -1;
            socket_listen_at_once(listener->fd,
                                  listener->config->protocol == CONFIG_PROTOCOL_FORWARD);
        }
        listener_init(&listener->listener, local->worker.loop, listener->fd,
                      DESCRIPTOR_CLIENT, on_accept, listener);
    }
    return OK;
}

bool local_listener_address(const struct local *local, size_t index,
                            struct address *address)
{
    if (index >= local->config->listen.count)
        return false;
    *address = local->listeners[index].fd >= 0
                   ? socket_local_address(local->listeners[index].fd)
                   : local->config->listen.items[index].address;
    return true;
}

static void stop(struct local_listener *listener)
{
    if (listener->fd < 0)
        return;
    listener_deinit(&listener->listener);
    close(listener->fd);
    listener->fd = -1;
}

void local_stop_listening(struct local *local)
{
    for (size_t i = 0; i < local->config->listen.count; i++)
        stop(&local->listeners[i]);
}

/* ---- life ---- */

/* Where a forward listener leads to; nothing for others. */
static void set_target(struct target *target, const struct config_host_port *to)
{
    if (to->host == NULL)
        return;
    target->port = to->port;
    snprintf(target->name, sizeof(target->name), "%s", to->host);
}

/* A loop that goes past the relay takes two descriptors a connection: it must end before
 * there are none left for others. */
static uint32_t max_per_target(const struct config_listener *listener)
{
    return (uint32_t)MIN((unsigned long)listener->max_per_target,
                         MAX(descriptors_for_clients() / 3, 1ul));
}

int local_init_listeners(struct local *local)
{
    const struct config_listeners *listen = &local->config->listen;

    local->listeners = calloc(MAX(listen->count, (size_t)1), sizeof(*local->listeners));
    if (local->listeners == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < listen->count; i++) {
        struct local_listener *listener = &local->listeners[i];
        const struct config_users *users = &listen->items[i].users;

        listener->local = local;
        listener->config = &listen->items[i];
        set_target(&listener->to, &listen->items[i].to);
        listener->fd = -1;
        listener->users = calloc(MAX(users->count, (size_t)1), sizeof(*listener->users));
        if (listener->users == NULL)
            return ERROR_MEMORY;
        for (size_t j = 0; j < users->count; j++)
            listener->users[j] = (struct socks5_user){
                .name = users->items[j].name,
                .password = users->items[j].password,
            };
        listener->terms = (struct socks_terms){
            .users = listener->users,
            .user_count = users->count,
            .listener = (uint32_t)i,
            .max_per_target = max_per_target(&listen->items[i]),
            .policy = local_listener_policy(local->config, listener->config),
        };
    }
    return OK;
}

void local_free_listeners(struct local *local)
{
    for (size_t i = 0; local->listeners != NULL && i < local->config->listen.count; i++) {
        if (local->listeners[i].local != NULL)
            stop(&local->listeners[i]);
        free(local->listeners[i].users);
    }
    free(local->listeners);
    local->listeners = NULL;
}
