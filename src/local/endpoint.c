/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/endpoint.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>

#include <stdio.h>
#include <string.h>

/* The index of an address, whatever its port; `count` when it is not in the list. */
static size_t find(const struct endpoint *endpoint, const struct address *address)
{
    struct address without_port = *address;
    size_t i = 0;

    without_port.port = 0;
    while (i < endpoint->count && !address_equal(&endpoint->addresses[i], &without_port))
        i++;
    return i;
}

/* ---- NAT64 ---- */

static void put(struct endpoint *endpoint, const struct address *address)
{
    if (find(endpoint, address) < endpoint->count ||
        endpoint->count == ENDPOINT_ADDRESSES_MAX)
        return;
    endpoint->proven_at_ns[endpoint->count] = 0;
    endpoint->addresses[endpoint->count++] = *address;
}

/* Puts the synthesised addresses right behind the IPv4 address that they stand for, so
 * that a path which cannot use one tries the other next. A network that shows no prefix
 * has no NAT64: no prefix is guessed. */
static void put_with_synthesised(struct endpoint *endpoint, const struct address *address)
{
    struct address embedded[NAT64_PREFIXES_MAX];
    size_t count = nat64_embed_all(&endpoint->finder->prefixes, address, 1, embedded,
                                   NAT64_PREFIXES_MAX);

    put(endpoint, address);
    for (size_t i = 0; endpoint->synthesise && i < count; i++)
        put(endpoint, &embedded[i]);
}

/* Replaces the addresses. Addresses that stay keep their places, since the order of
 * answers often changes. True when there are new ones. */
static bool replace(struct endpoint *endpoint, const struct address *addresses,
                    size_t count)
{
    const struct endpoint old = *endpoint;
    bool moved = false;

    endpoint->count = 0;
    memset(endpoint->choice, 0, sizeof(endpoint->choice));
    for (size_t i = 0; i < count; i++)
        put_with_synthesised(endpoint, &addresses[i]);
    for (size_t i = 0; i < endpoint->count; i++) {
        size_t before = find(&old, &endpoint->addresses[i]);

        moved |= before == old.count;
        endpoint->proven_at_ns[i] = before < old.count ? old.proven_at_ns[before] : 0;
        for (unsigned path = 0; path < SESSION_PATHS_MAX; path++)
            if (before < old.count && old.choice[path] == before)
                endpoint->choice[path] = (uint8_t)i;
    }
    return moved;
}

/* True when an address was added. */
static bool add_synthesised(struct endpoint *endpoint)
{
    const struct endpoint old = *endpoint;

    return replace(endpoint, old.addresses, old.count);
}

static void on_prefixes(struct nat64_waiter *waiter)
{
    struct endpoint *endpoint = container_of(waiter, struct endpoint, waiter);

    endpoint->resolved(endpoint, add_synthesised(endpoint), endpoint->context);
}

/* IPv4 cannot be used here: adds synthesised addresses, now or when the network's prefix
 * is known. */
static void go_by_nat64(struct endpoint *endpoint)
{
    bool ipv4 = false;

    for (size_t i = 0; i < endpoint->count; i++)
        ipv4 |= endpoint->addresses[i].family == ADDRESS_IPV4;
    endpoint->synthesise |= ipv4;
    if (ipv4 && nat64_finder_ask(endpoint->finder, &endpoint->waiter))
        (void)add_synthesised(endpoint);
}

/* ---- lookups ---- */

/* Logs an error only once while it lasts. */
static void note_error(struct endpoint *endpoint, int error)
{
    static struct log_limit limit;
    bool told = endpoint->error == error;

    endpoint->error = error;
    if (error == OK)
        return;
    snprintf(endpoint->why, sizeof(endpoint->why), "cannot resolve the relay's name %s: %s",
             endpoint->host, error_string((enum error)error));
    if (told)
        log_debug("%s", endpoint->why);
    else
        log_write_limited(&limit, clock_now(), LOG_WARNING, "%s", endpoint->why);
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    struct endpoint *endpoint = context;
    bool moved = false, known = endpoint->count > 0;

    endpoint->query = NULL;
    note_error(endpoint, error);
    /* After an error the old addresses may still be right. */
    if (error == OK)
        moved = replace(endpoint, addresses, count) && known;
    if (moved)
        log_info("the relay's name %s has other addresses now", endpoint->host);
    endpoint->resolved(endpoint, moved, endpoint->context);
}

static void ask(struct endpoint *endpoint)
{
    if (endpoint->query != NULL)
        return;
    ev_timer_stop(endpoint->loop, &endpoint->refresh);
    endpoint->asked = clock_now();
    /* The relay may have moved: ask the servers, since a cached answer is what has
     * failed. */
    if (endpoint->count > 0)
        resolver_forget(endpoint->resolver, endpoint->host);
    if (resolver_query(endpoint->resolver, endpoint->host, on_resolved, endpoint,
                       &endpoint->query) != OK)
        endpoint->query = NULL;
}

static void on_refresh(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;

    ask(timer->data);
}

/* Looks up the name, now or as soon as another lookup is allowed. */
static void ask_again(struct endpoint *endpoint)
{
    uint64_t now = clock_now(), when = endpoint->asked + ENDPOINT_REFRESH_NS;

    if (endpoint->query != NULL || ev_is_active(&endpoint->refresh))
        return;
    if (when <= now) {
        ask(endpoint);
        return;
    }
    io_watch_until(endpoint->loop, &endpoint->refresh, when, now);
}

/* ---- the room's calls ---- */

void endpoint_init(struct endpoint *endpoint, struct ev_loop *loop,
                   struct resolver *resolver, struct nat64_finder *finder, const char *host,
                   void (*resolved)(struct endpoint *endpoint, bool moved, void *context),
                   void *context)
{
    *endpoint = (struct endpoint){
        .loop = loop,
        .resolver = resolver,
        .finder = finder,
        .waiter.done = on_prefixes,
        .host = host,
        .resolved = resolved,
        .context = context,
    };
    list_init(&endpoint->waiter.node);
    ev_init(&endpoint->refresh, on_refresh);
    endpoint->refresh.data = endpoint;
}

void endpoint_deinit(struct endpoint *endpoint)
{
    if (endpoint->loop == NULL)
        return;
    list_remove(&endpoint->waiter.node);
    ev_timer_stop(endpoint->loop, &endpoint->refresh);
    if (endpoint->query != NULL)
        resolver_cancel(endpoint->query);
    endpoint->query = NULL;
}

static bool is_busy(const struct endpoint *endpoint, size_t index,
                    const struct address *busy, size_t busy_count)
{
    for (size_t i = 0; i < busy_count; i++)
        if (find(endpoint, &busy[i]) == index)
            return true;
    return false;
}

/* The path's choice, or the next suitable address behind it. */
static const struct address *choose(struct endpoint *endpoint, unsigned path,
                                    uint8_t families, const struct address *busy,
                                    size_t busy_count)
{
    const struct address *first = NULL;
    const size_t begin = endpoint->choice[path];

    for (size_t i = 0; i < endpoint->count; i++) {
        size_t index = (begin + i) % endpoint->count;

        if (!(families & FAMILY_BIT(endpoint->addresses[index].family)))
            continue;
        if (first == NULL) {
            endpoint->choice[path] = (uint8_t)index;
            first = &endpoint->addresses[index];
        }
        if (!is_busy(endpoint, index, busy, busy_count))
            return &endpoint->addresses[index];
    }
    return first;
}

const struct address *endpoint_address(struct endpoint *endpoint, unsigned path,
                                       uint8_t families, const struct address *busy,
                                       size_t busy_count)
{
    const struct address *found = choose(endpoint, path, families, busy, busy_count);

    if (endpoint->count == 0)
        ask(endpoint);
    if (found != NULL || !(families & FAMILY_BIT(ADDRESS_IPV6)))
        return found;
    go_by_nat64(endpoint);
    return choose(endpoint, path, families, busy, busy_count);
}

void endpoint_proven(struct endpoint *endpoint, unsigned path,
                     const struct address *address, bool prefer)
{
    size_t index = find(endpoint, address);

    if (index == endpoint->count)
        return;
    endpoint->proven_at_ns[index] = clock_now();
    ev_timer_stop(endpoint->loop, &endpoint->refresh);
    if (prefer)
        endpoint->choice[path] = (uint8_t)index;
}

void endpoint_failed(struct endpoint *endpoint, unsigned path,
                     const struct address *address, uint64_t dialled_at_ns, bool no_way)
{
    size_t index = find(endpoint, address);

    if (no_way && address->family == ADDRESS_IPV4)
        go_by_nat64(endpoint);
    if (index < endpoint->count && endpoint->proven_at_ns[index] > dialled_at_ns)
        return;
    /* Several dials to one address often fail together: count them once. */
    if (index < endpoint->count && endpoint->choice[path] == index)
        endpoint->choice[path] = (uint8_t)((index + 1) % endpoint->count);
    ask_again(endpoint);
}
