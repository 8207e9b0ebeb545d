/* SPDX-License-Identifier: MIT */
/*
 * Local: where a host of the relay is. Its name is resolved when the first dial asks, and
 * again while what is there does not turn out to be the relay, which may have moved. Where
 * IPv4 cannot be used, its IPv4 addresses are reached through the network's NAT64 (RFC 8305
 * section 7).
 */
#ifndef SPLITSOCKS_ENDPOINT_H
#define SPLITSOCKS_ENDPOINT_H

#include <splitsocks/engine/session/session.h>
#include <splitsocks/io/nat64_finder.h>
#include <splitsocks/io/resolver.h>

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

/* A failure is followed by a lookup, but lookups are this far apart. */
#define ENDPOINT_REFRESH_NS (5 * NS_PER_S)
/* Those of an answer, and as many that stand for them. */
#define ENDPOINT_ADDRESSES_MAX (2 * TARGET_ADDRESSES_MAX)

#define ENDPOINT_WHY_SIZE 400 /* a name has at most 255 bytes */

struct endpoint {
    struct ev_loop *loop;        /* borrowed */
    struct resolver *resolver;   /* borrowed */
    struct nat64_finder *finder; /* borrowed */
    struct nat64_waiter waiter;
    bool synthesise;              /* addresses of NAT64 stand for those of IPv4, too */
    const char *host;             /* borrowed: a name or a literal */
    struct resolver_query *query; /* NULL: none is under way */
    uint64_t asked;               /* when the last query began */
    ev_timer refresh;             /* the next one, when it has to wait */
    int error;                    /* of the last one */
    char why[ENDPOINT_WHY_SIZE];  /* that error, in words */
    size_t count;
    struct address addresses[ENDPOINT_ADDRESSES_MAX];
    uint64_t
        proven_ns[ENDPOINT_ADDRESSES_MAX]; /* when the relay last was there; 0: never */
    /* Which address each path uses: the first that works. */
    uint8_t choice[SESSION_PATHS_MAX];
    void (*resolved)(struct endpoint *endpoint, bool moved, void *context);
    void *context;
};

/* `resolved` is called from the loop when a query has ended, either way; `moved`: with
 * other addresses than before, of which there were some. */
void endpoint_init(struct endpoint *endpoint, struct ev_loop *loop,
                   struct resolver *resolver, struct nat64_finder *finder, const char *host,
                   void (*resolved)(struct endpoint *endpoint, bool moved, void *context),
                   void *context);
/* Not needed for one that is all zero. */
void endpoint_deinit(struct endpoint *endpoint);

/* The address a path should connect to, without port, of one of the `families`: one that
 * is not among those in `busy` if there is such. NULL while it is not known; when
 * endpoint_waiting(), a query was begun and `resolved` follows. */
const struct address *endpoint_address(struct endpoint *endpoint, unsigned path,
                                       uint8_t families, const struct address *busy,
                                       size_t busy_count);
static inline bool endpoint_waiting(const struct endpoint *endpoint)
{
    return endpoint->query != NULL || list_linked(&endpoint->waiter.node);
}

/* The relay was heard at `address`, to which `path` has connected. `prefer`: the path uses
 * it from now on. */
void endpoint_proven(struct endpoint *endpoint, unsigned path,
                     const struct address *address, bool prefer);
/* Connecting from `path` to `address` at `dialled_ns` has failed, or what was connected is
 * not the relay: the path uses another next time, unless the relay was heard there since.
 * `no_way`: this machine has no way there. */
void endpoint_failed(struct endpoint *endpoint, unsigned path,
                     const struct address *address, uint64_t dialled_ns, bool no_way);

#endif
