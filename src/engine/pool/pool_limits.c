/* SPDX-License-Identifier: MIT */
/* How the pool keeps to what the network lets its connections do. */
#include "pool_internal.h"

/* How often the number of slots is looked at while data waits. */
#define TICK_NS (100 * NS_PER_MS)

/* ---- budgets ---- */

/* Whether the new subflow is to find out if its path's connections may carry more. The last
 * usable one never does. */
static bool explores(const struct pool *pool, const struct subflow *subflow)
{
    const struct path *path = &pool->paths->items[subflow->path];
    const struct port_limits *limits = lessons_limits(pool->subflows, subflow);

    return limits != NULL && path->subflows > 2 &&
           profile_explore_at_ns(&limits->profile, path->subflows) <= pool->context->now;
}

/* Whether the new subflow goes beyond what others have carried. Before the first death on a
 * port all do; then one of eight, so that not all are frozen at once. */
static bool leads(const struct pool *pool, const struct subflow *subflow,
                  const struct profile *profile)
{
    unsigned open = 0, leaders = 0;

    if (profile->died_at_ns == 0)
        return true;
    list_foreach_const(&pool->subflows->all, node) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        if (other->path != subflow->path || other->port != subflow->port)
            continue;
        open++;
        leaders += other->lesson.leads && other != subflow;
    }
    return leaders < MAX(1, open / LEAD_PART);
}

/* Subflows that all end at the same byte are easy to recognise. Without a spread the random
 * state is left alone. */
static uint64_t draw_budget(struct pool *pool, uint64_t most, uint64_t spread)
{
    return spread == 0 ? most : most - context_random(pool->context) % (spread + 1);
}

/* The smaller one of the bound of the configuration and the learned budget. */
void pool_give_budget(struct pool *pool, struct subflow *subflow)
{
    struct port_limits *limits = lessons_limits(pool->subflows, subflow);
    const struct session_config *config = &pool->context->config;
    uint64_t up = SESSION_UNLIMITED, down = SESSION_UNLIMITED;

    if (limits != NULL) {
        lessons_begin(pool->subflows, subflow, explores(pool, subflow));
        subflow->lesson.leads = leads(pool, subflow, &limits->profile);
        up = profile_connection_limit(&limits->profile, &subflow->lesson, PROFILE_UP);
        down = profile_connection_limit(&limits->profile, &subflow->lesson, PROFILE_DOWN);
    }
    subflow->budget_out =
        MIN(MAX(up, PROFILE_BUDGET_MIN),
            draw_budget(pool, config->budget_up, config->budget_up_spread));
    subflow->budget_in =
        MIN(MAX(down, PROFILE_BUDGET_MIN),
            draw_budget(pool, config->budget_down, config->budget_down_spread));
}

uint64_t pool_port_budget(const struct pool *pool, const struct port_limits *port,
                          enum profile_coordinate direction)
{
    const struct session_config *config = &pool->context->config;

    return MIN(profile_budget(&port->profile, direction),
               direction == PROFILE_UP ? config->budget_up : config->budget_down);
}

/* ---- what people are told ---- */

static void set_budget(const struct pool *pool, const struct port_limits *port,
                       struct profile_finding *finding)
{
    if (finding->coordinate == PROFILE_UP || finding->coordinate == PROFILE_DOWN)
        finding->budget = pool_port_budget(pool, port, finding->coordinate);
}

bool pool_port_finding(const struct pool *pool, const struct port_limits *port,
                       struct profile_finding *finding)
{
    if (!profile_finding(&port->profile, finding) || finding->confidence < PROFILE_CERTAIN)
        return false;
    set_budget(pool, port, finding);
    return true;
}

void pool_tell_limits(struct pool *pool)
{
    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        const struct path_limits *limits = &pool->paths->items[i].limits;

        for (unsigned port = 0; port < limits->count; port++) {
            struct session_limit limit;
            struct session_event *event;

            if (limits->ports[port] == NULL ||
                !path_limits_news(limits->ports[port], &limit, pool->context->now))
                continue;
            set_budget(pool, limits->ports[port], &limit.finding);
            event = outbox_push(pool->context, SESSION_LIMIT);
            event->path = i;
            event->port = port;
            event->limit = limit;
        }
    }
}

/* ---- dials ---- */

uint64_t pool_dial_next(struct pool *pool, struct path *path, unsigned port)
{
    const struct port_limits *limits = path_limits_of(&path->limits, port);

    return limits == NULL ? 0 : dial_limit_next(&limits->dials, pool->context->now);
}

static unsigned count_established(const struct pool *pool, const struct subflow *subflow)
{
    unsigned count = 0;

    list_foreach_const(&pool->subflows->all, node) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        count += other != subflow && other->path == subflow->path &&
                 other->port == subflow->port && other->state != SUBFLOW_STATE_DIALLING;
    }
    return count;
}

void pool_note_dialled(struct pool *pool, struct subflow *subflow)
{
    struct port_limits *limits = lessons_limits(pool->subflows, subflow);

    if (limits != NULL)
        dial_limit_dialled(&limits->dials, &subflow->attempt,
                           count_established(pool, subflow), pool->context->now);
}

bool pool_dial_limited(struct pool *pool, struct subflow *subflow, bool passed)
{
    struct port_limits *limits = lessons_limits(pool->subflows, subflow);

    return limits != NULL &&
           dial_limit_result(&limits->dials, &subflow->attempt, passed, pool->context->now);
}

/* ---- slots ---- */

/* Whether single connections are limited, as far as can be seen. Only then is it worth
 * while to try more of them than their rate asks for. */
static bool singly_limited(const struct path_limits *limits)
{
    return path_limits_singly(limits) ||
           path_limits_budget(limits, PROFILE_UP) != PROFILE_UNLIMITED ||
           path_limits_budget(limits, PROFILE_DOWN) != PROFILE_UNLIMITED;
}

/* A limit above what the pool may have is none, and is told to be lifted. */
static void forget_limits(struct path_limits *limits, unsigned burst)
{
    for (unsigned port = 0; port < limits->count; port++)
        if (limits->ports[port] != NULL)
            dial_limit_forget(&limits->ports[port]->dials, burst);
}

static void tick_path(struct pool *pool, unsigned index)
{
    struct path *path = &pool->paths->items[index];
    struct path_limits *limits = &path->limits;
    unsigned burst = pool->context->config.pool_burst;
    unsigned open = path_limits_open(limits, pool->context->now);
    struct slots_view view = {
        .round_trip_ns = path_least_rtt_ns(path),
        .cycle_ns = path_limits_cycle_ns(limits),
        .cycle_bytes = path_limits_cycle_bytes(limits),
        .ceiling = MIN(burst, open),
        .queue = path_limits_queue(limits),
        .waits = singly_limited(limits),
        .tightened = limits->tightened,
    };

    forget_limits(limits, burst);
    if (view.cycle_ns == 0)
        view.cycle_ns = 4 * view.round_trip_ns;
    if (path_limits_ask(limits, view.round_trip_ns, path_rtt_ns(path), pool->context->now))
        pool->context->pool_dirty = true;
    /* The share has room for one more than the slots ask for, so that they also rise by one
     * with each tick between trials. */
    if (view.waits)
        slots_raise(&limits->slots, (unsigned)pool_share(pool, index));
    if (slots_tick(&limits->slots, &view, pool->context->now))
        path_limits_next_epoch(limits);
    limits->tightened = false;
}

uint64_t pool_tick_limits(struct pool *pool)
{
    uint64_t now = pool->context->now;

    if (!pool_bulk_waits(pool))
        return TIME_NEVER;
    if (now >= pool->ticked_at_ns + TICK_NS) {
        pool->ticked_at_ns = now;
        for (unsigned i = 0; i < pool->context->config.path_count; i++)
            tick_path(pool, i);
    }
    return pool->ticked_at_ns + TICK_NS;
}

void pool_retire_surplus(struct pool *pool)
{
    if (!pool_bulk_waits(pool))
        return; /* spares go by their own rule then */
    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        const struct slots *slots = &pool->paths->items[i].limits.slots;
        struct subflow *newest = NULL;

        if (slots->state != SLOTS_KEEP || pool_recycles(pool, i) ||
            pool_count_lasting(pool, i) <= pool->plan.paths[i].share)
            continue;
        list_foreach(&pool->subflows->all, node, after) {
            struct subflow *subflow = list_entry(node, struct subflow, node);

            if (subflow->path == i && subflow_usable(subflow) && !subflow->retire &&
                subflow->begun)
                newest = subflow;
        }
        if (newest != NULL)
            newest->retire = true;
    }
}
