/* SPDX-License-Identifier: MIT */
/*
 * Local: connections that were established, but did not prove that they lead to the relay.
 * A captive portal, another machine or a middlebox has accepted them, or the relay does
 * not know the client's key or session. Each counts as a failure of its path and port, as
 * if it had not been established.
 */
#include "pool_internal.h"

void pool_proven(struct pool *pool, struct subflow *subflow)
{
    port_chooser_proven(&pool->paths->items[subflow->path].ports, subflow->port);
}

static enum path_reason reason_of(enum unproven how)
{
    return how == UNPROVEN_SILENT ? PATH_REASON_UNANSWERED : PATH_REASON_STRANGER;
}

void pool_unproven(struct pool *pool, struct subflow *subflow, enum unproven how)
{
    struct path *path = &pool->paths->items[subflow->path];

    subflow->unproven = (uint8_t)how;
    path->unproven++;
    port_chooser_unproven(&path->ports, subflow->port, pool->context->now);
    pool_back_off(pool, path);
    /* A JOIN without an answer may have lost its path: subflows_judge_stalled() finds
     * out. */
    if (subflow->hello || (how != UNPROVEN_SILENT && path->subflows <= 1))
        path_failed(pool->paths, subflow->path, reason_of(how), subflow->dialled_at_ns);
    if (!subflow->hello)
        return;
    pool->hellos_unproven++;
    pool->hellos_unanswered += how == UNPROVEN_SILENT;
    pool->context->counters.dials_failed++;
    path->counters.dials_failed++;
    pool_hello_failed(pool);
}

/* Nobody needed the relay, so the back-off may have grown long: shorten it. */
void pool_hurry(struct pool *pool)
{
    pool->next_hello_at_ns =
        MIN(pool->next_hello_at_ns, pool->hello_failed_at_ns + BACKOFF_MAX_NS);
    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        struct path *path = &pool->paths->items[i];

        path->retry_at_ns = MIN(path->retry_at_ns, path->failed_at_ns + BACKOFF_MAX_NS);
    }
}
