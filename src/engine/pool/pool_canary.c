/* SPDX-License-Identifier: MIT */
/*
 * When nothing comes any more, each open subflow may be one that the network has frozen.
 * Only a fresh subflow tells whether the path works: a canary. It also brings the ACKs and
 * the credit that may be stuck in the others.
 */
#include "pool_internal.h"

/* Since when an answer is awaited: something was sent that the relay has not answered yet,
 * or the relay has data. TIME_NEVER: nothing is awaited. */
static uint64_t awaited_since(const struct pool *pool)
{
    uint64_t since_ns = streams_peer_demand(pool->streams) > 0 ? 0 : TIME_NEVER;

    list_foreach_const(&pool->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->state == SUBFLOW_STATE_OPEN && subflow_outstanding(subflow))
            since_ns = MIN(since_ns, subflow->progress_at_ns);
    }
    return since_ns;
}

uint64_t pool_canary_due_at_ns(const struct pool *pool)
{
    uint64_t since_ns = awaited_since(pool), late_ns = 0;

    if (since_ns == TIME_NEVER)
        return TIME_NEVER;
    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        const struct path *path = &pool->paths->items[i];

        if (path->subflows == 0)
            continue;
        since_ns = MAX(since_ns, path->received_at_ns);
        late_ns = MAX(late_ns, path_late_ns(path));
    }
    /* One that is under way may bring the answer. */
    list_foreach_const(&pool->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        since_ns =
            MAX(since_ns, subflow->state == SUBFLOW_STATE_OPEN ? subflow->up_at_ns
                                                               : subflow->dialled_at_ns);
    }
    return MAX(since_ns, pool->canary_at_ns) + late_ns;
}

struct subflow *pool_longest_silent(const struct pool *pool)
{
    struct subflow *found = NULL;

    list_foreach(&pool->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state == SUBFLOW_STATE_OPEN && !subflow_outstanding(subflow) &&
            pool->context->now - MAX(subflow->received_at_ns, subflow->up_at_ns) >=
                subflow_stall_ns(pool->subflows, subflow) &&
            (found == NULL || subflow->received_at_ns < found->received_at_ns))
            found = subflow;
    }
    return found;
}
