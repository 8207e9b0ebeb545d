/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/nat64_finder.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>

/* A network's prefix rarely changes. If no answer came, one may come later. */
#define KNOWN_NS (600 * NS_PER_S)
#define FAILED_NS (30 * NS_PER_S)
/* Ten round trips to the DNS server of a mobile network: a silent server must not hold up
 * waiting connections for long. */
#define PATIENCE_SECONDS 0.5

static void wake(struct nat64_finder *finder)
{
    struct list batch;

    ev_timer_stop(finder->loop, &finder->patience);
    list_init(&batch);
    list_append_all(&batch, &finder->waiters);
    /* A callback may remove other waiters. */
    while (!list_empty(&batch)) {
        struct nat64_waiter *waiter = list_first(&batch, struct nat64_waiter, node);

        list_remove(&waiter->node);
        waiter->done(waiter);
    }
}

/* A late answer serves later callers, which do not wait before it comes. */
static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct nat64_finder *finder = timer->data;
    (void)loop;
    (void)events;

    finder->known_until_ns = clock_now() + FAILED_NS;
    wake(finder);
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    struct nat64_finder *finder = context;
    bool answered = error == OK || error == ERROR_NOT_FOUND;
    char text[ADDRESS_TEXT_SIZE];

    finder->query = NULL;
    finder->known_until_ns = clock_now() + (answered ? KNOWN_NS : FAILED_NS);
    nat64_learn(&finder->prefixes, addresses, error == OK ? count : 0);
    for (size_t i = 0; i < finder->prefixes.count; i++)
        log_info("this network has NAT64 by %s/%u",
                 address_format(&finder->prefixes.items[i].address, text),
                 finder->prefixes.items[i].bits);
    wake(finder);
}

void nat64_finder_init(struct nat64_finder *finder, struct ev_loop *loop,
                       struct resolver *resolver)
{
    *finder = (struct nat64_finder){.loop = loop, .resolver = resolver};
    list_init(&finder->waiters);
    ev_timer_init(&finder->patience, on_patience, PATIENCE_SECONDS, 0.);
    finder->patience.data = finder;
}

static void cancel(struct nat64_finder *finder)
{
    if (finder->query != NULL)
        resolver_cancel(finder->query);
    finder->query = NULL;
}

void nat64_finder_deinit(struct nat64_finder *finder)
{
    if (finder->loop == NULL)
        return;
    cancel(finder);
    ev_timer_stop(finder->loop, &finder->patience);
    while (!list_empty(&finder->waiters))
        list_remove(finder->waiters.next);
}

/* Starts a query; true when one is under way. */
static bool ask(struct nat64_finder *finder)
{
    if (finder->query == NULL && resolver_query(finder->resolver, NAT64_NAME, on_resolved,
                                                finder, &finder->query) != OK)
        finder->query = NULL;
    return finder->query != NULL;
}

void nat64_finder_forget(struct nat64_finder *finder)
{
    cancel(finder);
    finder->prefixes.count = 0;
    finder->known_until_ns = 0;
    if (!list_empty(&finder->waiters))
        (void)ask(finder); /* without a query, the patience of the waiters ends */
}

bool nat64_finder_ask(struct nat64_finder *finder, struct nat64_waiter *waiter)
{
    if (clock_now() < finder->known_until_ns || !ask(finder))
        return true;
    if (!list_linked(&waiter->node))
        list_append(&finder->waiters, &waiter->node);
    if (!ev_is_active(&finder->patience)) {
        ev_now_update(finder->loop);
        ev_timer_set(&finder->patience, PATIENCE_SECONDS, 0.);
        ev_timer_start(finder->loop, &finder->patience);
    }
    return false;
}
