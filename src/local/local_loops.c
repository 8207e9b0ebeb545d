/* SPDX-License-Identifier: MIT */
/* Connections that would come back to this local. */
#include "local_internal.h"

#include <splitsocks/io/socket.h>

#include <string.h>

/* Whether the kernel connects `to` to this machine: then it is its own source, whatever
 * addresses may be bound. */
static bool is_here(const struct address *to)
{
    struct address source = socket_source_to(to);

    return source.family == to->family &&
           memcmp(source.bytes, to->bytes, sizeof(to->bytes)) == 0;
}

static bool is_this_host(const struct address *to)
{
    return address_is_loopback(to) || address_is_any(to);
}

/* Whether a listener on `bound` takes connections of this machine to `to`. */
static bool answers(const struct address *bound, const struct address *to)
{
    struct address plain = address_unmap(to);
    bool both = address_is_any_ipv6(bound) && socket_listener_is_dual();

    if (bound->port != to->port || (bound->family != plain.family && !both))
        return false;
    if (address_is_any(bound))
        return is_this_host(&plain) || is_here(&plain);
    /* connect(2) treats the unspecified address as loopback. */
    if (address_is_any(&plain))
        return address_is_loopback(bound);
    return memcmp(bound->bytes, plain.bytes, sizeof(plain.bytes)) == 0;
}

static bool relay_is_here(const struct path_dialer *dialer)
{
    for (size_t i = 0; i < dialer->config->relay.hosts.count; i++)
        for (size_t j = 0; j < dialer->endpoints[i].count; j++) {
            const struct address *address = &dialer->endpoints[i].addresses[j];

            if (address_is_loopback(address) || is_here(address))
                return true;
        }
    return false;
}

bool local_comes_back(const struct local *local, enum rule_network network,
                      const struct address *to, bool direct)
{
    struct address plain = address_unmap(to);

    /* For the relay such an address is its own host, which may be another one. */
    if (!direct && is_this_host(&plain) && !relay_is_here(&local->dialer))
        return false;
    if (network == RULE_UDP && association_service_has(&local->associations, &plain))
        return true;
    for (size_t i = 0; i < local->config->listen.count; i++) {
        const struct local_listener *listener = &local->listeners[i];
        int fd = network == RULE_UDP ? listener->datagrams.fd : listener->fd;
        uint16_t port = listener->config->address.port; /* 0: any */
        struct address bound;

        if (fd < 0 || (port != 0 && port != to->port))
            continue;
        bound = socket_local_address(fd);
        if (answers(&bound, to))
            return true;
    }
    return false;
}
