/* SPDX-License-Identifier: MIT */
/*
 * How many subflows local's pool should have, in all and on each path.
 *
 * K slots with budget payload p and round trip R carry at most K p / ((1 + n) R) in each
 * direction. n = ceil(log2(1 + budget / 14600)) is the number of flights in which slow
 * start sends a budget, and 1 stands for the round trip of the handshake.
 */
#include "pool_internal.h"

#define INITIAL_WINDOW 14600 /* bytes: 10 segments (RFC 6928) */
/* Slots beyond what the formula asks for, so that recycling leaves no gap. While a path
 * shows no queue, the slots limit its rate, and more of them may raise it. */
#define SLOTS_SPARE 1.25
#define SLOTS_PROBING 1.75
/* One bulk subflow may lose its window to a lost segment while a second goes on. When
 * budgets are used up, one subflow is young at nearly every moment, and two others go
 * on. */
#define BULK_MIN 2
#define BULK_MIN_RECYCLED 3
/* With so many bytes waiting, more are likely to follow. */
#define BULK_QUEUE (64 * 1024)
#define QUEUE_WINDOW_NS (250 * NS_PER_MS)
#define RATE_WINDOW_NS (5 * NS_PER_S)
/* How long a new stream is treated as bulk: it takes two round trips until its first
 * bytes, and the bytes waiting behind them, can be seen. */
#define BEGINNING_NS (250 * NS_PER_MS)
/* Two subflows for the copies of a lonely path, and two that may wait for a lost
 * segment. */
#define ASKED_MAX 4

/* ---- how many ---- */

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

static uint64_t ceil_divide(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* n of the formula above. */
static unsigned flights(uint64_t budget)
{
    unsigned n = 0;

    for (uint64_t reach = INITIAL_WINDOW; reach < budget + INITIAL_WINDOW; reach *= 2)
        n++;
    return n;
}

/* Slots with which a path carries, in one direction, the rate at which it was seen. R is
 * the least round trip: a longer one, with a queue in it, would ask for more slots, and
 * these would make the queue longer. */
static uint64_t slots(const struct path *path, uint64_t rate, uint64_t budget)
{
    bool full = path_rtt_ns(path) > path_least_rtt_ns(path) / 4 * 5;
    double in_flight;

    if (budget == SESSION_UNLIMITED)
        return BULK_MIN;
    in_flight =
        (double)rate * (double)path_least_rtt_ns(path) / 1e9 * (1 + flights(budget));
    return (uint64_t)(in_flight * (full ? SLOTS_SPARE : SLOTS_PROBING) / (double)budget) +
           1;
}

/* Bytes that a subflow of the path carries: the configuration's bound, or less if the
 * network lets it carry less. */
static uint64_t path_budget(const struct pool *pool, unsigned index,
                            enum profile_coordinate direction)
{
    const struct session_config *config = &pool->context->config;

    return MIN(direction == PROFILE_UP ? config->budget_up : config->budget_down,
               path_limits_budget(&pool->paths->items[index].limits, direction));
}

bool pool_recycles(const struct pool *pool, unsigned index)
{
    return MIN(path_budget(pool, index, PROFILE_UP),
               path_budget(pool, index, PROFILE_DOWN)) != SESSION_UNLIMITED;
}

/* The largest budget of a usable path. */
static uint64_t largest_budget(const struct pool *pool, enum profile_coordinate direction)
{
    uint64_t largest = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        if (pool->paths->items[i].properties.usable)
            largest = MAX(largest, path_budget(pool, i, direction));
    return largest == 0 ? SESSION_UNLIMITED : largest;
}

static uint64_t bulk_min(const struct pool *pool, unsigned index)
{
    return pool_recycles(pool, index) ? BULK_MIN_RECYCLED : BULK_MIN;
}

/* The rate for which slots are counted. A loss that many subflows share lowers the rate
 * for seconds, and only new subflows raise it again; slots for the momentary rate would
 * leave none for that. Four fifths of the highest rate, since that was measured in a
 * burst. */
static uint64_t slots_rate(const struct pool *pool, struct peak *peak, uint64_t rate)
{
    note(peak, pool->context->now, RATE_WINDOW_NS, rate);
    return MAX(rate, recent(peak, pool->context->now, RATE_WINDOW_NS) / 5 * 4);
}

static uint64_t path_slots(const struct pool *pool, unsigned index)
{
    struct path *path = &pool->paths->items[index];
    uint64_t in = slots_rate(pool, &path->peak_in, path->rate_in);
    uint64_t acked = slots_rate(pool, &path->peak_acked, path->rate_acked);

    uint64_t known = MAX(slots(path, in, path_budget(pool, index, PROFILE_DOWN)),
                         slots(path, acked, path_budget(pool, index, PROFILE_UP)));

    return MIN(MAX(known, slots_wanted(&path->limits.slots)) + path->limits.asked,
               path_limits_open(&path->limits, pool->context->now));
}

/* How many subflows a queue of this length keeps busy. */
static uint64_t queue_slots(uint64_t queue, uint64_t budget)
{
    return budget == SESSION_UNLIMITED ? queue > 0 : ceil_divide(queue, budget);
}

static bool tight(const struct pool *pool)
{
    return MIN(largest_budget(pool, PROFILE_UP), largest_budget(pool, PROFILE_DOWN)) <=
           TIGHT_BUDGET;
}

/* ---- paths that streams ask for, and paths in reserve ---- */

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

/* Not all configured paths need be there now. */
static unsigned usable_paths(const struct pool *pool)
{
    unsigned count = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        count += pool->paths->items[i].properties.usable;
    return count;
}

/* Whether the path works, as far as is known. With small budgets there may be no subflow
 * on it for a moment. */
static bool path_works(const struct pool *pool, unsigned index)
{
    const struct path *path = &pool->paths->items[index];

    return path->properties.usable && path->reason == PATH_REASON_WORKS &&
           (pool->paths->live >> index & 1 ||
            (pool->subflows->suspects == 0 && path->failures == 0 && path->timeouts == 0));
}

/* Whether the path was not tried long enough to be given up. */
static bool path_hopeful(const struct pool *pool, unsigned index)
{
    const struct path *path = &pool->paths->items[index];

    if (!path->properties.usable || path->failures > 0 ||
        path->reason != PATH_REASON_UNTRIED)
        return false;
    list_foreach_const(&pool->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->path == index &&
            pool->context->now - subflow->dialled_at_ns >= HOPE_NS)
            return false;
    }
    return true;
}

/* Whether the path is not dialled now: it is a backup while another works, or a dear path
 * while a cheaper one works and no bulk waits. If streams ask for the path it is dialled
 * all the same. */
bool pool_held_back(const struct pool *pool, unsigned index)
{
    const struct path *own = &pool->paths->items[index];

    if (own->streams > 0 || (!own->properties.backup && own->properties.cost == 0))
        return false;
    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        const struct path *other = &pool->paths->items[i];

        if (path_comes_before(other, own) &&
            (own->properties.backup != other->properties.backup ||
             !pool_bulk_waits(pool)) &&
            (path_works(pool, i) || path_hopeful(pool, i)))
            return true;
    }
    return false;
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

/* Whether the path works, and no other working path is cheaper. */
static bool in_front(const struct pool *pool, unsigned index)
{
    if (!path_works(pool, index))
        return false;
    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        if (path_comes_before(&pool->paths->items[i], &pool->paths->items[index]) &&
            path_works(pool, i))
            return false;
    return true;
}

/* How long small data may take on the path; a path that may be dead comes last. */
static uint64_t shortness_ns(const struct pool *pool, unsigned index)
{
    const struct path *path = &pool->paths->items[index];
    bool doubtful = path->timeouts > 0 || scheduler_path_silent(pool->schedule, index);

    return MAX(path_rtt_ns(path), doubtful ? DIAL_TIMEOUT_MAX_NS : 0);
}

/* The path that should be open for small data: the one of least latency. An open one is
 * kept until another has less than half of its latency. -1: none works. */
static int short_path(const struct pool *pool)
{
    int best = -1, open = -1;

    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        uint64_t own_ns = shortness_ns(pool, i);

        if (!in_front(pool, i))
            continue;
        if (best < 0 || own_ns < shortness_ns(pool, (unsigned)best))
            best = (int)i;
        if ((open < 0 || own_ns < shortness_ns(pool, (unsigned)open)) &&
            pool_count_lasting(pool, i) > 0)
            open = (int)i;
    }
    return open >= 0 && shortness_ns(pool, (unsigned)open) <=
                            2 * shortness_ns(pool, (unsigned)best)
               ? open
               : best;
}

/* Subflows that are kept open for any reason. */
static unsigned kept_open(const struct pool *pool)
{
    return MAX((unsigned)pool_active(pool), pool->context->config.pool_idle);
}

/* How many subflows streams ask for on the path: several, so that a lost segment on one
 * does not hold all streams up; fewer in a small pool. */
unsigned pool_path_asked(const struct pool *pool, unsigned index)
{
    const struct path *path = &pool->paths->items[index];

    if (path->streams == 0 || !path->properties.usable ||
        path->retry_at_ns > pool->context->now)
        return 0;
    return MIN(MAX(pool->context->config.pool_size / usable_paths(pool), 1), ASKED_MAX);
}

unsigned pool_path_minimum(const struct pool *pool, unsigned index)
{
    bool is_short = kept_open(pool) > 0 && short_path(pool) == (int)index &&
                    pool->paths->items[index].retry_at_ns <= pool->context->now;

    return MAX(pool_path_asked(pool, index), (unsigned)is_short);
}

unsigned pool_needed(const struct pool *pool)
{
    unsigned least = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        least += pool_path_minimum(pool, i);
    return MIN(MAX(kept_open(pool), least), pool->context->config.pool_burst);
}

/* The longest recent queue: when subflows take all of the queue at once, they are needed
 * all the same. */
static uint64_t queue_up(const struct pool *pool)
{
    return recent(&pool->queue_up, pool->context->now, QUEUE_WINDOW_NS);
}

static uint64_t queue_down(const struct pool *pool)
{
    return recent(&pool->queue_down, pool->context->now, QUEUE_WINDOW_NS);
}

bool pool_bulk_waits(const struct pool *pool)
{
    return MAX(queue_up(pool), queue_down(pool)) >= BULK_QUEUE;
}

/* Whether bulk waits or may soon: subflows that are dialled only when bulk is seen to wait
 * come too late for the beginning of a transfer. */
static bool bulk_expected(const struct pool *pool)
{
    return pool_bulk_waits(pool) ||
           (pool->stream_begun_at_ns != 0 &&
            pool->context->now - pool->stream_begun_at_ns < BEGINNING_NS);
}

/* With several paths, each has its share. When one fails, the share of the others does not
 * grow: their extra subflows would be in the way when it is back. */
bool pool_shares_hold(const struct pool *pool)
{
    return usable_paths(pool) > 1 && bulk_expected(pool);
}

/* The working path of least latency. */
static unsigned lane_path(const struct pool *pool)
{
    uint64_t least_rtt_ns = TIME_NEVER;
    unsigned found = 0;

    list_foreach_const(&pool->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */
        uint64_t rtt_ns = path_rtt_ns(&pool->paths->items[subflow->path]);

        if (!subflow_usable(subflow) || rtt_ns >= least_rtt_ns)
            continue;
        least_rtt_ns = rtt_ns;
        found = subflow->path;
    }
    return found;
}

/* The path's share of the pool; the lane's path gets one more. */
uint64_t pool_path_share(struct pool *pool, unsigned index)
{
    uint64_t share = path_slots(pool, index);

    if (!pool->paths->items[index].properties.usable)
        return 0;
    if (pool->paths->items[index].small_only)
        return MAX(1, pool_path_asked(pool, index));
    if (bulk_expected(pool))
        share = MAX(share, bulk_min(pool, index)) + (index == lane_path(pool));
    return MAX(share, pool_path_asked(pool, index));
}

/* Slots for bulk on all paths together. */
static uint64_t bulk_slots(struct pool *pool)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        total += pool_path_share(pool, i);
    return total;
}

/* How many subflows the networks let the usable paths have open together. */
static unsigned open_most(const struct pool *pool)
{
    unsigned most = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        const struct path *path = &pool->paths->items[i];

        if (path->properties.usable)
            most += MIN(path_limits_open(&path->limits, pool->context->now),
                        pool->context->config.pool_burst);
    }
    return most == 0 ? pool->context->config.pool_burst : most;
}

/* How many lasting subflows there should be; `bound` becomes how many may be open,
 * including those that are about to end. */
uint64_t pool_wanted(struct pool *pool, uint64_t *bound)
{
    const struct session_config *config = &pool->context->config;
    uint64_t queue = MAX(queue_slots(queue_up(pool), largest_budget(pool, PROFILE_UP)),
                         queue_slots(queue_down(pool), largest_budget(pool, PROFILE_DOWN)));
    /* With large budgets much waiting data makes a queue of few slots. */
    bool much = queue > config->pool_size || pool_bulk_waits(pool);
    uint64_t busy = queue;

    /* Exceed `size` only while much data waits, and only as far as the paths can use
     * it. */
    *bound = MIN(much ? config->pool_burst : config->pool_size, open_most(pool));
    if (busy > 0)
        busy += tight(pool) ? 0 : 1; /* the interactive lane */
    if (bulk_expected(pool))
        busy = MAX(busy, bulk_slots(pool));
    if (busy > config->pool_size)
        busy = much ? MAX(bulk_slots(pool), config->pool_size) : config->pool_size;
    return MIN(MAX(busy, pool_needed(pool)), MIN(config->pool_burst, open_most(pool)));
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
uint64_t pool_lasting_on(struct pool *pool, unsigned index)
{
    uint64_t count = pool_count_lasting(pool, index);

    return pool_shares_hold(pool) ? MIN(count, pool_path_share(pool, index)) : count;
}
