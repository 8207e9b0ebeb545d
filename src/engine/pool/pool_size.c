/* SPDX-License-Identifier: MIT */
/* What the pool's plan is made from: how much waits, how fast the paths were, and how many
 * subflows there are. */
#include "pool_internal.h"

/* With so many bytes waiting, more are likely to follow. */
#define BULK_QUEUE (64 * 1024)

bool pool_active(const struct pool *pool)
{
    return pool->streams->count > 0 || pool->flows->count > 0 ||
           pool->streams->waiting_bytes > 0 || !list_empty(&pool->streams->all) ||
           pool->subflows->ack_wanted || !list_empty(&pool->subflows->limbo) ||
           pool->context->send_session_window;
}

/* The highest value of the running window and of the one before. */
static uint64_t recent(const struct peak *peak, uint64_t now, uint64_t window_ns)
{
    uint64_t elapsed_ns = now - peak->window_began_at_ns;

    if (elapsed_ns >= window_ns)
        return elapsed_ns < 2 * window_ns ? peak->highest : 0;
    return MAX(peak->highest, peak->before);
}

static void note(struct peak *peak, uint64_t now, uint64_t window_ns, uint64_t value)
{
    if (now - peak->window_began_at_ns >= window_ns) {
        peak->before = recent(peak, now, window_ns);
        peak->highest = 0;
        peak->window_began_at_ns = now;
    }
    peak->highest = MAX(peak->highest, value);
}

void pool_note_queues(struct pool *pool)
{
    uint64_t credit = streams_credit(pool->streams) + pool->streams->owed_bytes;

    note(&pool->queue_up, pool->context->now, QUEUE_WINDOW_NS,
         MIN(pool->streams->waiting_bytes, credit) + pool->flows->waiting_bytes);
    note(&pool->queue_down, pool->context->now, QUEUE_WINDOW_NS,
         streams_peer_demand(pool->streams));
}

void pool_note_rates(struct pool *pool)
{
    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        struct path *path = &pool->paths->items[i];

        note(&path->peak_in, pool->context->now, PATH_MEMORY_NS, path->rate_in);
        note(&path->peak_acked, pool->context->now, PATH_MEMORY_NS, path->rate_acked);
    }
}

/* A loss that many subflows share lowers the rate for seconds, and only new subflows raise
 * it again; slots for the momentary rate would leave none for that. Four fifths of the
 * highest rate, since that was measured in a burst. */
uint64_t pool_path_rate(const struct pool *pool, unsigned index,
                        enum profile_coordinate direction)
{
    const struct path *path = &pool->paths->items[index];
    bool up = direction == PROFILE_UP;

    return MAX(up ? path->rate_acked : path->rate_in,
               recent(up ? &path->peak_acked : &path->peak_in, pool->context->now,
                      PATH_MEMORY_NS) /
                   5 * 4);
}

/* Bytes that a subflow of the path carries: the configuration's bound, or less if the
 * network lets it carry less. */
uint64_t pool_path_budget(const struct pool *pool, unsigned index,
                          enum profile_coordinate direction)
{
    const struct session_config *config = &pool->context->config;

    return MIN(direction == PROFILE_UP ? config->budget_up : config->budget_down,
               path_limits_budget(&pool->paths->items[index].limits, direction));
}

bool pool_recycles(const struct pool *pool, unsigned index)
{
    return MIN(pool_path_budget(pool, index, PROFILE_UP),
               pool_path_budget(pool, index, PROFILE_DOWN)) != SESSION_UNLIMITED;
}

/* ---- paths that streams ask for ---- */

static bool allowed_before(const struct pool *pool, const struct stream_policy *policy,
                           unsigned index)
{
    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        if (path_allows(pool->paths, i, policy) &&
            path_comes_before(&pool->paths->items[i], &pool->paths->items[index]))
            return true;
    return false;
}

/* The paths that should be open for a stream, whatever else the pool holds. For a
 * redundant stream: all but backups. For a stream that may not use every path, or is
 * redundant only where that costs nothing: the first one in order. */
uint16_t pool_asks_for(const struct pool *pool, const struct stream_policy *policy)
{
    bool redundant = policy->mode == STREAM_MODE_REDUNDANT;
    bool bound = policy->mode != STREAM_MODE_SPLIT;
    uint16_t asks = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        bound |= !path_allows(pool->paths, i, policy);
    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        if (bound && path_allows(pool->paths, i, policy) &&
            ((redundant && !pool->paths->items[i].properties.backup) ||
             !allowed_before(pool, policy, i)))
            asks |= (uint16_t)(1u << i);
    return asks;
}

void pool_stream_begins(struct pool *pool, struct stream *stream)
{
    stream_set_asks(pool->streams, stream, pool_asks_for(pool, &stream->policy));
}

void pool_recount_streams(struct pool *pool)
{
    list_foreach(&pool->streams->all, node, after) {
        pool_stream_begins(pool, list_entry(node, struct stream, node));
    }
}

uint64_t pool_count_lasting(const struct pool *pool, unsigned index)
{
    uint64_t count = 0;

    list_foreach_const(&pool->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        count += subflow->path == index && pool_lasting(subflow);
    }
    return count;
}

/* The longest recent queue: when subflows take all of the queue at once, they are needed
 * all the same. */
uint64_t pool_queue_up(const struct pool *pool)
{
    return recent(&pool->queue_up, pool->context->now, QUEUE_WINDOW_NS);
}

uint64_t pool_queue_down(const struct pool *pool)
{
    return recent(&pool->queue_down, pool->context->now, QUEUE_WINDOW_NS);
}

bool pool_data_waits(const struct pool *pool)
{
    return pool->streams->waiting_bytes > 0 || pool->flows->waiting_bytes > 0 ||
           streams_peer_demand(pool->streams) > 0;
}

bool pool_bulk_waits(const struct pool *pool)
{
    return MAX(pool_queue_up(pool), pool_queue_down(pool)) >= BULK_QUEUE;
}

/* Whether the subflow will last until a replacement is there. */
bool pool_lasting(const struct subflow *subflow)
{
    if (subflow->state != SUBFLOW_STATE_OPEN)
        return !subflow->canary;
    if (!subflow_usable(subflow) || subflow->retire)
        return false;
    /* A replacement takes a round trip, and the last flight of a budget carries half of
     * it. The count of received bytes is half a round trip old; most of the sent bytes
     * have yet to leave. */
    return subflow->bytes_sent <= subflow->budget_out / 8 * 7 &&
           subflow->bytes_received <= subflow->budget_in / 8 * 3;
}

void pool_count_bytes(struct pool *pool, struct subflow *subflow, uint64_t sent,
                      uint64_t received)
{
    bool lasted = pool_lasting(subflow);

    subflow->bytes_sent += sent;
    subflow->bytes_received += received;
    /* With large budgets nothing else may call pool_update() before it is used up. */
    if (lasted && !pool_lasting(subflow))
        pool->context->pool_dirty = true;
}

/* The path's lasting subflows. While bulk waits only up to its share: surplus on one path
 * does not make up for what another lacks. */
uint64_t pool_lasting_on(const struct pool *pool, unsigned index)
{
    uint64_t count = pool_count_lasting(pool, index);

    return pool->plan.shares_hold ? MIN(count, pool->plan.paths[index].share) : count;
}
