/*
 * Local: where a host of the relay is. Its name is resolved when the first dial asks, and
 * again when connecting fails, since it may have moved.
 */
#ifndef SPLITSOCKS_ENDPOINT_H
#define SPLITSOCKS_ENDPOINT_H

#include <splitsocks/resolver.h>
#include <splitsocks/session.h>

#include <stdbool.h>
#include <stdint.h>

/* Dials that fail in a row ask no more often than this. */
#define ENDPOINT_REFRESH_NS (5 * NS_PER_S)

struct endpoint {
    struct resolver *resolver;    /* borrowed */
    const char *host;             /* borrowed: a name or a literal */
    struct resolver_query *query; /* NULL: none is under way */
    uint64_t asked;               /* when the last query began */
    int error;                    /* of the last one */
    size_t count;
    struct address addresses[TARGET_ADDRESSES_MAX];
    /* Which address each path uses: the first that works. */
    uint8_t choice[SESSION_PATHS_MAX];
    void (*resolved)(struct endpoint *endpoint, void *context);
    void *context;
};

/* `resolved` is called from the loop when a query has ended, either way. */
void endpoint_init(struct endpoint *endpoint, struct resolver *resolver, const char *host,
                   void (*resolved)(struct endpoint *endpoint, void *context),
                   void *context);
void endpoint_deinit(struct endpoint *endpoint);

/* The address a path should connect to, without port, of one of the `families`. NULL while
 * it is not known; when endpoint_waiting(), a query was begun and `resolved` follows. */
const struct address *endpoint_address(struct endpoint *endpoint, unsigned path,
                                       uint8_t families);
static inline bool endpoint_waiting(const struct endpoint *endpoint)
{
    return endpoint->query != NULL;
}

/* Connecting from `path` to `address` has failed: the path uses another next time. */
void endpoint_failed(struct endpoint *endpoint, unsigned path,
                     const struct address *address);

#endif
