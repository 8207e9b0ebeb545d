/* SPDX-License-Identifier: MIT */
/*
 * Local: the addresses of a host of the relay. Its name is resolved when the first dial
 * asks, and again while the machine at these addresses does not prove to be the relay,
 * which may have moved. Where IPv4 cannot be used, the host's IPv4 addresses are reached
 * through the network's NAT64 (RFC 8305 section 7).
 */
#ifndef SPLITSOCKS_ENDPOINT_H
#define SPLITSOCKS_ENDPOINT_H

#include <splitsocks/engine/session/session.h>
#include <splitsocks/io/nat64_finder.h>
#include <splitsocks/io/resolver.h>

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

/* A failure leads to a lookup, but lookups are at least this far apart. */
#define ENDPOINT_REFRESH_NS (5 * NS_PER_S)
/* The addresses of an answer, and as many synthesised ones. */
#define ENDPOINT_ADDRESSES_MAX (2 * TARGET_ADDRESSES_MAX)

#define ENDPOINT_WHY_SIZE 400 /* a name has at most 255 bytes */

struct endpoint {
    struct ev_loop *loop;        /* borrowed */
    struct resolver *resolver;   /* borrowed */
    struct nat64_finder *finder; /* borrowed */
    struct nat64_waiter waiter;
    bool synthesise;              /* use NAT64 addresses in place of IPv4, too */
    const char *host;             /* borrowed: a name or a literal */
    struct resolver_query *query; /* NULL: none is under way */
    uint64_t asked;               /* when the last query began */
    ev_timer refresh;             /* begins the next query, when it has to wait */
    int error;                    /* of the last query */
    char why[ENDPOINT_WHY_SIZE];  /* that error, in words */
    size_t count;
    struct address addresses[ENDPOINT_ADDRESSES_MAX];
    uint64_t proven_at_ns[ENDPOINT_ADDRESSES_MAX]; /* relay last heard there; or 0 */
    /* The address that each path uses: the first that works. */
    uint8_t choice[SESSION_PATHS_MAX];
    void (*resolved)(struct endpoint *endpoint, bool moved, void *context);
    void *context;
};

/* `resolved` is called from the loop when a query has ended, with or without success;
 * `moved`: the addresses differ from earlier ones. */
void endpoint_init(struct endpoint *endpoint, struct ev_loop *loop,
                   struct resolver *resolver, struct nat64_finder *finder, const char *host,
                   void (*resolved)(struct endpoint *endpoint, bool moved, void *context),
                   void *context);
/* Not needed for a zeroed one. */
void endpoint_deinit(struct endpoint *endpoint);

/* The address that a path should connect to, without port, of one of the `families`, and
 * if possible not one of those in `busy`. NULL while it is unknown; when
 * endpoint_waiting(), a query was begun and `resolved` follows. */
const struct address *endpoint_address(struct endpoint *endpoint, unsigned path,
                                       uint8_t families, const struct address *busy,
                                       size_t busy_count);
static inline bool endpoint_waiting(const struct endpoint *endpoint)
{
    return endpoint->query != NULL || list_linked(&endpoint->waiter.node);
}

/* The relay was heard at `address`, over a connection of `path`. `prefer`: the path uses
 * the address from now on. */
void endpoint_proven(struct endpoint *endpoint, unsigned path,
                     const struct address *address, bool prefer);
/* Connecting from `path` to `address` at `dialled_at_ns` has failed, or the other side is
 * not the relay: the path uses another address next time, unless the relay was heard there
 * since. `no_way`: this machine has no route there. */
void endpoint_failed(struct endpoint *endpoint, unsigned path,
                     const struct address *address, uint64_t dialled_at_ns, bool no_way);

#endif
