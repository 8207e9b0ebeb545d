/* SPDX-License-Identifier: MIT */
/* The listeners of a local: SOCKS5, and forward to one target. */
#include "local_internal.h"

#include "local_rules.h"

#include <splitsocks/base/log.h>
#include <splitsocks/io/socket.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The listener that a connection belongs to. Where the kernel cannot confine :: to IPv6, a
 * listener on :: also gets the connections to 0.0.0.0, whose terms may differ. NULL:
 * none. */
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

/* A client has reached an address that was missing before. */
static void note_presence(struct local_listener *listener)
{
    char text[ADDRESS_TEXT_SIZE];

    if (!listener->absent)
        return;
    listener->absent = false;
    log_info("%s is there now; listening on it",
             address_format(&listener->config->address, text));
}

static bool on_accept(void *context, int fd, const struct address *peer)
{
    struct local_listener *listener = context;

    note_presence(listener);
    listener = find_listener(listener, peer);
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
    return true;
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

void local_listener_begin(struct local_listener *listener)
{
    listener_init(&listener->listener, listener->local->worker.loop, listener->fd,
                  DESCRIPTOR_CLIENT, on_accept, listener);
}

bool local_listener_address(const struct local *local, size_t index,
                            struct address *address)
{
    if (index >= local->config->listen.count)
        return false;
    const struct local_listener *listener = &local->listeners[index];

    *address = listener->fd >= 0             ? socket_local_address(listener->fd)
               : listener->datagrams.fd >= 0 ? socket_local_address(listener->datagrams.fd)
                                             : listener->config->address;
    return true;
}

void local_listener_stop(struct local_listener *listener)
{
    if (listener->fd < 0)
        return;
    listener_deinit(&listener->listener);
    close(listener->fd);
    listener->fd = -1;
}

void local_stop_forward(struct local_listener *listener)
{
    datagram_forward_deinit(&listener->forward);
    datagram_socket_close(&listener->datagrams);
}

void local_stop_listening(struct local *local)
{
    for (size_t i = 0; i < local->config->listen.count; i++) {
        local_listener_stop(&local->listeners[i]);
        local_stop_forward(&local->listeners[i]);
    }
}

static const char *network_string(const struct local_listener *listener)
{
    if (listener->datagrams.fd < 0)
        return "tcp";
    return listener->fd < 0 ? "udp" : "both";
}

struct json_t *local_describe_listeners(const struct local *local)
{
    json_t *list = json_array();
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; local_listener_address(local, i, &address); i++)
        if (local->listeners[i].fd >= 0 || local->listeners[i].datagrams.fd >= 0)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:b}", "address",
                                            address_format(&address, text), "network",
                                            network_string(&local->listeners[i]), "absent",
                                            (int)listen_is_absent(&address)));
    return list;
}

/* ---- life ---- */

/* Sets the target of a forward listener; other listeners have none. */
static void set_target(struct target *target, const struct config_host_port *to)
{
    if (to->host == NULL)
        return;
    target->port = to->port;
    snprintf(target->name, sizeof(target->name), "%s", to->host);
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
        listener->fd = listener->datagrams.fd = -1;
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
            .max_per_target = listen->items[i].max_per_target,
            .policy = local_listener_policy(local->config, listener->config),
            .datagrams = local_datagram_terms(local->config, listener->config, (uint32_t)i),
        };
    }
    return OK;
}

void local_free_listeners(struct local *local)
{
    for (size_t i = 0; local->listeners != NULL && i < local->config->listen.count; i++) {
        if (local->listeners[i].local != NULL) {
            local_listener_stop(&local->listeners[i]);
            local_stop_forward(&local->listeners[i]);
        }
        free(local->listeners[i].users);
    }
    free(local->listeners);
    local->listeners = NULL;
}
