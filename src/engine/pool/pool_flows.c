/* SPDX-License-Identifier: MIT */
/* The paths that flows ask for, so that the copies of their datagrams have somewhere to
 * go. Flows ask together, and as long as one of them is used. */
#include "pool_internal.h"

/* A flow that was used asks for so long. */
#define FLOW_ASKS_NS (10 * NS_PER_S)

static void set_asks(struct pool *pool, uint16_t asks)
{
    uint16_t before = pool->flows->asks;

    if (asks == before)
        return;
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        pool->paths->items[i].streams += (asks >> i & 1u) - (before >> i & 1u);
    pool->flows->asks = asks;
    pool->context->pool_dirty = true;
}

void pool_flow_used(struct pool *pool, const struct flow *flow)
{
    struct stream_policy policy = flow_path_policy(flow);

    if (pool->context->config.role == SESSION_LOCAL)
        set_asks(pool, pool->flows->asks | pool_asks_for(pool, &policy));
}

uint64_t pool_flows_timeout(const struct pool *pool)
{
    return pool->flows->asks == 0 ? TIME_NEVER : pool->flows->used_at_ns + FLOW_ASKS_NS;
}

void pool_tick_flows(struct pool *pool)
{
    if (pool_flows_timeout(pool) <= pool->context->now)
        set_asks(pool, 0);
}
