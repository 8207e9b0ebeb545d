/* SPDX-License-Identifier: MIT */
/*
 * The plan: how many subflows local's pool should have, in all and on each path. It is
 * computed once for each pool_update(), before the pool dials and retires, and only read
 * there.
 *
 * K slots with budget payload p and round trip R carry at most K p / ((1 + n) R) in each
 * direction. n = ceil(log2(1 + budget / 14600)) is the number of flights in which slow
 * start sends a budget, and 1 stands for the round trip of the handshake.
 */
#include "pool_internal.h"

/* Slots beyond what the formula asks for, so that recycling leaves no gap. While a path
 * shows no queue, the slots limit its rate, and more of them may raise it. */
#define SLOTS_SPARE 1.25
#define SLOTS_PROBING 1.75
/* One bulk subflow may lose its window to a lost segment while a second goes on. When
 * budgets are used up, one subflow is young at nearly every moment, and two others go
 * on. */
#define BULK_MIN 2
#define BULK_MIN_RECYCLED 3
/* Two subflows for the copies of a lonely path, and two that may wait for a lost
 * segment. */
#define ASKED_MAX 4

/* ---- slots ---- */

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

/* The largest budget of a usable path. */
static uint64_t largest_budget(const struct pool *pool, enum profile_coordinate direction)
{
    uint64_t largest = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        if (pool->paths->items[i].properties.usable)
            largest = MAX(largest, pool_path_budget(pool, i, direction));
    return largest == 0 ? SESSION_UNLIMITED : largest;
}

static uint64_t bulk_min(const struct pool *pool, unsigned index)
{
    return pool_recycles(pool, index) ? BULK_MIN_RECYCLED : BULK_MIN;
}

static uint64_t path_slots(const struct pool *pool, unsigned index)
{
    const struct path *path = &pool->paths->items[index];
    uint64_t in = pool_path_rate(pool, index, PROFILE_DOWN);
    uint64_t acked = pool_path_rate(pool, index, PROFILE_UP);
    uint64_t known = MAX(slots(path, in, pool_path_budget(pool, index, PROFILE_DOWN)),
                         slots(path, acked, pool_path_budget(pool, index, PROFILE_UP)));

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
           INITIAL_WINDOW;
}

/* ---- paths in reserve ---- */

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
static bool held_back(const struct pool *pool, unsigned index)
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
static unsigned path_asked(const struct pool *pool, unsigned index)
{
    const struct path *path = &pool->paths->items[index];

    if (path->streams == 0 || !path->properties.usable ||
        path->retry_at_ns > pool->context->now)
        return 0;
    return MIN(MAX(pool->context->config.pool_size / pool->plan.usable_paths, 1),
               ASKED_MAX);
}

/* Whether data waits that the path should carry: the path does not work, and the paths that
 * work are to be spared for it, so that they may take little of the data. */
static bool missed(const struct pool *pool, unsigned index)
{
    const struct path *path = &pool->paths->items[index];

    if (!path->properties.usable || path_works(pool, index) || !pool_data_waits(pool))
        return false;
    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        if (in_front(pool, i))
            return path_comes_before(path, &pool->paths->items[i]);
    return false;
}

/* Whether bulk waits or may soon: subflows that are dialled only when bulk is seen to wait
 * come too late for the beginning of a transfer. */
static bool bulk_expected(const struct pool *pool)
{
    return pool_bulk_waits(pool) ||
           (pool->stream_begun_at_ns != 0 &&
            pool->context->now - pool->stream_begun_at_ns < QUEUE_WINDOW_NS);
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
uint64_t pool_share(const struct pool *pool, unsigned index)
{
    const struct path_plan *own = &pool->plan.paths[index];
    uint64_t share = path_slots(pool, index);

    if (!pool->paths->items[index].properties.usable)
        return 0;
    if (pool->paths->items[index].small_only)
        return MAX(1, own->asked);
    if (pool->plan.bulk_expected)
        share = MAX(share, bulk_min(pool, index)) + (index == lane_path(pool));
    return MAX(share, own->asked);
}

/* Slots for bulk on all paths together. */
static uint64_t bulk_slots(const struct pool *pool)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++)
        total += pool->plan.paths[i].share;
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

static void plan_paths(struct pool *pool)
{
    struct pool_plan *plan = &pool->plan;
    unsigned kept = kept_open(pool), least = 0;
    int shortest = kept > 0 ? short_path(pool) : -1;

    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        struct path_plan *own = &plan->paths[i];
        bool now = pool->paths->items[i].retry_at_ns <= pool->context->now;

        own->held_back = held_back(pool, i);
        own->missed = missed(pool, i);
        own->asked = path_asked(pool, i);
        own->minimum =
            MAX(own->asked, (unsigned)(now && (own->missed || shortest == (int)i)));
        own->share = pool_share(pool, i);
        least += own->minimum;
    }
    plan->needed = MIN(MAX(kept, least), pool->context->config.pool_burst);
}

static void plan_pool(struct pool *pool)
{
    const struct session_config *config = &pool->context->config;
    struct pool_plan *plan = &pool->plan;
    uint64_t queue =
        MAX(queue_slots(pool_queue_up(pool), largest_budget(pool, PROFILE_UP)),
            queue_slots(pool_queue_down(pool), largest_budget(pool, PROFILE_DOWN)));
    /* With large budgets much waiting data makes a queue of few slots. */
    bool much = queue > config->pool_size || pool_bulk_waits(pool);
    uint64_t busy = queue;

    /* Exceed `size` only while much data waits, and only as far as the paths can use
     * it. */
    plan->bound = MIN(much ? config->pool_burst : config->pool_size, open_most(pool));
    if (busy > 0)
        busy += tight(pool) ? 0 : 1; /* the interactive lane */
    if (plan->bulk_expected)
        busy = MAX(busy, bulk_slots(pool));
    if (busy > config->pool_size)
        busy = much ? MAX(bulk_slots(pool), config->pool_size) : config->pool_size;
    plan->wanted = MIN(MAX(busy, plan->needed), MIN(config->pool_burst, open_most(pool)));
}

void pool_make_plan(struct pool *pool)
{
    struct pool_plan *plan = &pool->plan;

    plan->usable_paths = usable_paths(pool);
    plan->bulk_expected = bulk_expected(pool);
    plan->shares_hold = plan->usable_paths > 1 && plan->bulk_expected;
    plan_paths(pool);
    plan_pool(pool);
}
