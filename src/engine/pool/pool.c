/* SPDX-License-Identifier: MIT */
/* Local's pool: when to dial the next subflow, by which path, and which subflows to
 * retire. */
#include "pool_internal.h"

#include <splitsocks/base/backoff.h>

#include <limits.h>

#define HELLOS_MAX 3
#define PATH_BACKOFF_MIN_NS (50 * NS_PER_MS)
#define DIALS_TO_LONGEST 6

/* Makes pool_update() run at `when` at the latest. */
static void look_again(struct pool *pool, uint64_t when)
{
    pool->wake_at_ns = MIN(pool->wake_at_ns, when);
}

/* ---- dialling ---- */

static unsigned hellos_on(const struct pool *pool, unsigned index)
{
    unsigned count = 0;

    list_foreach_const(&pool->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        count += subflow->path == index && subflow->hello &&
                 subflow->state != SUBFLOW_STATE_OPEN;
    }
    return count;
}

/* A HELLO goes to the path with the fewest HELLOs under way, and among those to the one
 * with the fewest failed dials: a dead path must not keep the session from beginning on
 * another. A JOIN goes to the path that lacks most of its share. */
static double dial_cost(const struct pool *pool, unsigned index, bool hello)
{
    const struct path *path = &pool->paths->items[index];

    if (hello)
        return hellos_on(pool, index) * 1e6 + path->failures;
    if (pool_lasting_on(pool, index) < pool->plan.paths[index].minimum)
        return -1; /* preferred to all others */
    return (double)path->subflows / (double)pool->plan.paths[index].share;
}

/* Whether the path has fewer subflows than streams ask for there. */
static bool lacking(const struct pool *pool, unsigned index)
{
    return pool_lasting_on(pool, index) < pool->plan.paths[index].asked;
}

/* The path to dial next, or -1. A path that fails, or may not be dialled so fast, waits
 * for its time while others are dialled. */
static int choose_path(struct pool *pool, bool hello)
{
    double best_cost = 0;
    bool held = false;
    uint64_t when;
    int best = -1;

    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        struct path *path = &pool->paths->items[i];
        double cost;

        if (!path->properties.usable)
            continue;
        if (pool->plan.paths[i].held_back) {
            held = true;
            continue;
        }
        if (path->retry_at_ns > pool->context->now) {
            look_again(pool, path->retry_at_ns);
            continue;
        }
        if (path->subflows >= path_limits_open(&path->limits, pool->context->now))
            continue;
        port_chooser_pick(&path->ports, 0, pool->context->now, &when);
        if (when > pool->context->now) {
            look_again(pool, when);
            continue;
        }
        if (!hello && lacking(pool, i))
            return (int)i;
        /* With shares, a path gets no JOINs beyond its own. */
        if (!hello && pool->plan.shares_hold &&
            pool_lasting_on(pool, i) >= pool->plan.paths[i].share)
            continue;
        cost = dial_cost(pool, i, hello);
        if (best < 0 || cost < best_cost) {
            best = (int)i;
            best_cost = cost;
        }
    }
    /* A HELLO must not wait long for a held-back path: ask again soon, and keep the last
     * HELLO for that path. */
    if (!hello || !held)
        return best;
    look_again(pool, pool->context->now + DIAL_TIMEOUT_MIN_NS);
    return best >= 0 && hellos_on(pool, (unsigned)best) + 1 < HELLOS_MAX ? best : -1;
}

/* How long a SYN may stay unanswered. As in RFC 6298 the time doubles whenever it was too
 * short, because the path may have become slower than anything known of it. It stays below
 * a second, so that a path which is back is soon found; now and then the longest time is
 * tried. */
static uint64_t dial_timeout_ns(const struct path *path)
{
    uint64_t usual_ns = MAX(3 * path->srtt_ns, DIAL_TIMEOUT_MIN_NS);

    if (path->srtt_ns == 0 || path->timeouts % DIALS_TO_LONGEST == DIALS_TO_LONGEST - 1)
        return DIAL_TIMEOUT_MAX_NS;
    return MIN(MAX(usual_ns, backoff_ns(usual_ns, MIN(path->timeouts, 2u), NS_PER_S)),
               DIAL_TIMEOUT_MAX_NS);
}

/* Dials once; NULL when it has to wait. */
static struct subflow *dial(struct pool *pool, bool hello)
{
    struct session_event *event;
    struct subflow *subflow;
    uint64_t when;
    int index = choose_path(pool, hello);
    unsigned port;

    if (index < 0)
        return NULL;
    struct path *path = &pool->paths->items[index];

    port = port_chooser_pick(&path->ports, context_random(pool->context),
                             pool->context->now, &when);
    when = MAX(when, pool_dial_next(pool, path, port));
    if (when > pool->context->now) {
        look_again(pool, when);
        return NULL;
    }
    subflow = subflow_new(pool->subflows, (unsigned)index);
    if (subflow == NULL)
        return NULL;
    port_chooser_dialled(&path->ports, port, pool->context->now);
    subflow->hello = hello;
    subflow->port = (uint8_t)port;
    subflow->dialled_at_ns = pool->context->now;
    subflow->deadline_ns = pool->context->now + dial_timeout_ns(path);
    packets_choose(pool->subflows, subflow);
    pool_give_budget(pool, subflow);
    pool_note_dialled(pool, subflow);
    pool->context->counters.subflows_opened++;
    event = subflow_tell(pool->subflows, subflow, SESSION_DIAL);
    event->path = (unsigned)index;
    event->port = port;
    event->hello = hello;
    event->packet_size = subflow->packet_size;
    if (pool->silent_since_ns == TIME_NEVER && !subflows_in_touch(pool->subflows))
        pool->silent_since_ns = pool->context->now;
    return subflow;
}

/* A lost session does not need its subflows: the one that was heard longest ago makes room
 * for a HELLO. */
static void make_room(struct pool *pool)
{
    struct subflow *oldest = NULL;

    list_foreach(&pool->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state == SUBFLOW_STATE_OPEN &&
            (oldest == NULL || subflow->received_at_ns < oldest->received_at_ns))
            oldest = subflow;
    }
    if (oldest != NULL)
        subflow_close(pool->subflows, oldest, SUBFLOW_ABANDONED);
}

static void dial_hello(struct pool *pool)
{
    unsigned hellos = 0;

    list_foreach(&pool->subflows->all, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        hellos += subflow->hello && subflow->state != SUBFLOW_STATE_OPEN;
    }
    uint64_t when = hellos == 0 ? pool->next_hello_at_ns : pool->hello_race_at_ns;

    if (hellos >= HELLOS_MAX)
        return;
    if (when > pool->context->now) {
        look_again(pool, when);
        return;
    }
    if (hellos == 0 && pool->context->state == SESSION_STATE_LOST &&
        pool->subflows->open_count >= pool->context->config.pool_burst)
        make_room(pool);
    if (pool->subflows->open_count >= pool->context->config.pool_burst)
        return;
    if (dial(pool, true) != NULL) {
        pool->hello_race_at_ns = pool->context->now + DIAL_TIMEOUT_MIN_NS;
        look_again(pool, pool->hello_race_at_ns);
    }
}

/* All subflows that may be open have had the relay's END and wait for the ACK of our last
 * chunks, but none of them can bring it. One of them makes room for a JOIN, on which the
 * relay acknowledges the chunks of all; its own chunks are not owed before that. It is
 * reset only when the relay's TCP has all of its bytes: the reset would destroy the
 * rest. */
static void give_way(struct pool *pool)
{
    struct subflow *oldest = NULL;

    list_foreach(&pool->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state != SUBFLOW_STATE_OPEN || !subflow->end_received)
            return;
        if (subflow_drained(subflow) &&
            (oldest == NULL || subflow->received_at_ns < oldest->received_at_ns))
            oldest = subflow;
    }
    if (oldest != NULL)
        subflow_close(pool->subflows, oldest, SUBFLOW_ORDERLY);
    else
        look_again(pool, pool->context->now + MEASURE_ENDED_NS);
}

/* Streams ask for a path that has no place in the full pool: a subflow that no stream asks
 * for makes room. */
static void yield_place(struct pool *pool)
{
    list_foreach(&pool->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->retire || subflow->end_sent)
            return; /* one is ending already */
        /* A subflow that is nearly used up does not count for its path, and may be idle
         * for long. */
        if (subflow_usable(subflow) &&
            (!pool_lasting(subflow) || pool_lasting_on(pool, subflow->path) >
                                           pool->plan.paths[subflow->path].asked)) {
            subflow->retire = true;
            return;
        }
    }
    /* All subflows are needed or suspect. No event may tell when that changes. */
    look_again(pool, pool->context->now + DIAL_TIMEOUT_MIN_NS);
}

/* A canary goes beside the others, or in the place of one that is silent. */
static void dial_canary(struct pool *pool, uint64_t bound)
{
    uint64_t due_at_ns = pool_canary_due_at_ns(pool);
    struct subflow *canary;

    if (due_at_ns > pool->context->now) {
        look_again(pool, due_at_ns);
        return;
    }
    if (pool->subflows->open_count >= bound) {
        struct subflow *silent = pool_longest_silent(pool);

        if (silent != NULL)
            subflow_close(pool->subflows, silent, SUBFLOW_ABANDONED);
    }
    if (pool->subflows->open_count >= bound)
        return;
    canary = dial(pool, false);
    if (canary != NULL) {
        canary->canary = true;
        pool->canary_at_ns = pool->context->now;
    }
}

static void dial_joins(struct pool *pool)
{
    uint64_t bound = pool->plan.bound, want = pool->plan.wanted;
    uint64_t count = 0, missing = 0, asked = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        uint64_t lasting = pool_lasting_on(pool, i);
        uint64_t least = pool->plan.paths[i].minimum;

        count += lasting;
        missing += least - MIN(least, lasting);
        asked += lacking(pool, i);
        /* Streams that may use only this path need it as soon as it may be dialled,
         * however full the pool is; so does data that others may not carry for it. */
        if ((pool->paths->items[i].streams > 0 || pool->plan.paths[i].missed) &&
            pool->paths->items[i].retry_at_ns > pool->context->now)
            look_again(pool, pool->paths->items[i].retry_at_ns);
    }
    bound = MAX(
        bound, MIN(pool->subflows->open_count + missing, pool->context->config.pool_burst));
    want = MAX(want, MIN(count + missing, bound));
    if (asked > 0 && pool->subflows->open_count >= bound)
        yield_place(pool);
    if (count < want && pool->subflows->open_count >= bound)
        give_way(pool);
    while (count < want && pool->subflows->open_count < bound && dial(pool, false) != NULL)
        count++;
    dial_canary(pool, pool->context->config.pool_burst);
}

/* How willingly the path gives up spares: first a path that would not be dialled now, then
 * the one with most subflows, so that the rest is spread over the paths. 0: it gives
 * none. */
static uint64_t to_spare(const struct pool *pool, unsigned index)
{
    uint64_t count = pool_lasting_on(pool, index);

    if (count <= pool->plan.paths[index].minimum)
        return 0;
    return pool->plan.paths[index].held_back ? UINT64_MAX : count;
}

/* Bit i: the next spare to go may be one of path i. */
static uint16_t giving_paths(const struct pool *pool)
{
    uint64_t most = 1;
    uint16_t giving = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        uint64_t own = to_spare(pool, i);

        if (own > most)
            giving = 0;
        if (own >= most)
            giving |= (uint16_t)(1u << i);
        most = MAX(most, own);
    }
    return giving;
}

/* Retires subflows beyond the idle number that have carried no stream data for a while;
 * PINGs and ACKs do not count. Subflows that are nearly used up have been replaced
 * already, so they do not count either, and are retired too. Busy subflows are looked at
 * again later, since no event tells when they come to rest. */
static void retire_spares(struct pool *pool)
{
    unsigned spares = 0, needed = pool->plan.needed;
    uint16_t giving;

    if (pool_data_waits(pool)) {
        look_again(pool, pool->context->now + SPARE_LIFE_NS);
        return;
    }
    list_foreach(&pool->subflows->all, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        spares += subflow->state == SUBFLOW_STATE_OPEN && pool_lasting(subflow);
    }
    giving = spares > needed ? giving_paths(pool) : 0;
    list_foreach(&pool->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        bool busy = subflow->items.count > 0;
        uint64_t until_ns =
            (busy ? pool->context->now : subflow->used_at_ns) + SPARE_LIFE_NS;

        if (!subflow_usable(subflow) || subflow->retire ||
            (pool_lasting(subflow) && !(giving >> subflow->path & 1)))
            continue;
        if (until_ns > pool->context->now) {
            look_again(pool, until_ns);
            continue;
        }
        spares -= pool_lasting(subflow);
        subflow->retire = true;
        giving = spares > needed ? giving_paths(pool) : 0;
    }
}

/* Retires the subflows of a backup that is no longer needed. */
static void retire_reserve(struct pool *pool)
{
    list_foreach(&pool->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow_usable(subflow) && !subflow->retire &&
            pool->paths->items[subflow->path].streams == 0 &&
            path_in_reserve(pool->paths, subflow->path, NULL))
            subflow->retire = true;
    }
}

/* Whether the HELLO's subflow died before an answer to its first chunk: then no JOIN may
 * begin, and only another HELLO helps. */
static bool confirmation_lost(struct pool *pool)
{
    const struct generation *generation = generation_current(pool->subflows);

    if (generation->confirmed)
        return false;
    list_foreach(&pool->subflows->all, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->hello && subflow->generation == generation)
            return false;
    }
    return true;
}

/* Closes JOINs whose confirmation will not come, to make room for a HELLO. */
static void close_orphans(struct pool *pool)
{
    list_foreach(&pool->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (!subflow->hello && !subflow->begun)
            subflow_close(pool->subflows, subflow, SUBFLOW_ABANDONED);
    }
}

void pool_update(struct pool *pool)
{
    if (pool->context->hello_failed)
        pool_hello_failed(pool);
    pool->context->hello_failed = false;
    pool->context->pool_dirty = false;
    pool->wake_at_ns = TIME_NEVER;
    if (pool->context->config.role != SESSION_LOCAL ||
        pool->context->state >= SESSION_STATE_CLOSING)
        return;
    pool_note_queues(pool);
    pool_note_rates(pool);
    subflows_shrink_packets(pool->subflows);
    lessons_judge(pool->subflows);
    pool_tell_limits(pool);
    look_again(pool, pool_tick_limits(pool));
    pool_make_plan(pool);
    if (pool->context->state != SESSION_STATE_UP) {
        if (pool->plan.needed > 0)
            dial_hello(pool);
        return;
    }
    bool orphaned = confirmation_lost(pool);

    if (orphaned)
        close_orphans(pool);
    if ((pool->rekey_at_ns <= pool->context->now || orphaned) && pool->plan.needed > 0)
        dial_hello(pool);
    if (!orphaned)
        dial_joins(pool);
    retire_reserve(pool);
    pool_retire_surplus(pool);
    retire_spares(pool);
}

/* ---- results ---- */

void pool_back_off(struct pool *pool, struct path *path)
{
    uint64_t cap_ns = pool_active(pool) ? BACKOFF_MAX_NS : BACKOFF_IDLE_NS;

    path->failures++;
    path->failed_at_ns = pool->context->now;
    /* A single failure may be chance. */
    if (path->failures > 1)
        path->retry_at_ns =
            pool->context->now + backoff_ns(PATH_BACKOFF_MIN_NS, path->failures, cap_ns);
    pool->context->pool_dirty = true;
}

/* One address of a host may refuse connections, while another accepts them and does not
 * answer. The second fact matters to people, so it stays the path's reason until so many
 * dials in a row, enough for all addresses, were not even established. */
#define UNREACHED_TOLD 4

static void dial_failed(struct pool *pool, const struct subflow *subflow,
                        enum path_reason reason)
{
    struct path *path = &pool->paths->items[subflow->path];
    bool unproven =
        path->reason == PATH_REASON_UNANSWERED || path->reason == PATH_REASON_STRANGER;

    if (!unproven || path->unreached >= UNREACHED_TOLD)
        path_failed(pool->paths, subflow->path, reason, subflow->dialled_at_ns);
}

void pool_dial_ended(struct pool *pool, struct subflow *subflow, enum subflow_end end)
{
    struct path *path = &pool->paths->items[subflow->path];

    pool->context->counters.dials_failed++;
    path->counters.dials_failed++;
    if (pool->context->config.role != SESSION_LOCAL)
        return;
    if (end == SUBFLOW_REFUSED) {
        if (!subflow->hello && pool_dial_limited(pool, subflow, false))
            return;
        port_chooser_result(&path->ports, subflow->port, DIAL_REFUSED,
                            subflow->dialled_at_ns, pool->context->now);
    }
    pool->explicit_failures++;
    pool_back_off(pool, path);
    path->unreached++;
    if (path->subflows <= 1)
        dial_failed(pool, subflow,
                    end == SUBFLOW_REFUSED ? PATH_REASON_REFUSED : PATH_REASON_UNREACHABLE);
    if (subflow->hello)
        pool_hello_failed(pool);
}

/* Interprets a dial that was not answered. If the path was heard all the time until the
 * answer was due, something drops dials; else the path was dead for a while. A path that
 * was never heard may have a limit on dials from the first. */
static enum dial_result unanswered(const struct path *path, uint64_t dialled_at_ns)
{
    uint64_t due_at_ns = dialled_at_ns + path_rtt_ns(path) + ACK_DELAY_NS;

    return path->heard_at_ns == 0 ||
                   (path->heard_since_ns <= dialled_at_ns && path->heard_at_ns >= due_at_ns)
               ? DIAL_TIMEOUT
               : DIAL_UNHEARD;
}

void pool_dial_timed_out(struct pool *pool, struct subflow *subflow)
{
    struct path *path = &pool->paths->items[subflow->path];
    enum dial_result result = unanswered(path, subflow->dialled_at_ns);

    pool->context->counters.dials_failed++;
    path->counters.dials_failed++;

    if (result == DIAL_TIMEOUT && !subflow->hello &&
        pool_dial_limited(pool, subflow, false))
        return;
    port_chooser_result(&path->ports, subflow->port, result, subflow->dialled_at_ns,
                        pool->context->now);
    /* The governor slows down when the network drops some dials; the path waits only when
     * it drops all. */
    if (path->subflows <= 1)
        pool_back_off(pool, path);
    path->unreached++;
    if (++path->timeouts >= DIALS_IN_VAIN)
        dial_failed(pool, subflow, PATH_REASON_TIMED_OUT);
    if (subflow->hello)
        pool_hello_failed(pool);
}

/* Whether some path has failed less often: it is tried before the round counts as
 * failed. */
static bool path_left_to_try(const struct pool *pool)
{
    unsigned least = UINT_MAX, most = 0;

    for (unsigned i = 0; i < pool->context->config.path_count; i++) {
        const struct path *path = &pool->paths->items[i];

        if (!path->properties.usable)
            continue;
        least = MIN(least, path->failures);
        most = MAX(most, path->failures);
    }
    return least < most;
}

void pool_hello_failed(struct pool *pool)
{
    uint64_t cap_ns = pool_active(pool) ? BACKOFF_MAX_NS : BACKOFF_IDLE_NS;

    pool->context->pool_dirty = true;
    pool->hello_failed_at_ns = pool->context->now;
    if (path_left_to_try(pool)) {
        pool->next_hello_at_ns = pool->context->now;
        return;
    }
    pool->backoff_ns = backoff_next_ns(pool->backoff_ns, BACKOFF_MIN_NS, cap_ns);
    pool->next_hello_at_ns = pool->context->now + pool->backoff_ns;
}

void pool_dial_succeeded(struct pool *pool, struct subflow *subflow)
{
    struct path *path = &pool->paths->items[subflow->path];

    pool->explicit_failures = path->unreached = 0;
    pool->context->pool_dirty = true; /* the new subflow may turn out to be one too many */
    pool_dial_limited(pool, subflow, true);
    path_limits_fresh(&path->limits,
                      pool->context->now - MIN(pool->context->now, subflow->dialled_at_ns),
                      path_least_rtt_ns(path), path_rtt_ns(path), pool->context->now);
    port_chooser_result(&path->ports, subflow->port, DIAL_SUCCESS, subflow->dialled_at_ns,
                        pool->context->now);
}

uint64_t pool_next_timeout(const struct pool *pool)
{
    return pool->context->pool_dirty ? pool->context->now : pool->wake_at_ns;
}
