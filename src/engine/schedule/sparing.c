/* SPDX-License-Identifier: MIT */
/*
 * Sparing: which paths carry no bulk now, because a better path is expected back.
 *
 * A backup is used when the better paths do not work, even for a moment; a dear path, when
 * the cheaper ones take nothing more. Most of these moments are over within a second, and
 * most of the data waiting meanwhile is bulk that can wait. So such a path carries bulk
 * only when all better paths have been gone for `bulk_after_ns` (or have been full for so
 * long, where only their cost makes them better), or at once when the driver says that
 * none of them is usable. Until then it carries small data, out of an allowance.
 *
 * Local decides, and tells the relay by PATH frames.
 */
#include <splitsocks/engine/schedule/schedule.h>

/* How much a path to be spared may carry in one moment without better paths, in each
 * direction: some screens of text, or the small objects of a page. */
#define ALLOWANCE_BYTES (2 * INTERACTIVE_MAX)
/* The allowance grows by so many bytes a second. A person who browses for three hours a
 * day, while the better path stalls every few seconds, uses 2.8 MB in each direction. */
#define ALLOWANCE_RATE 256
/* A stream may have this part of the remaining allowance waiting or on its way: 8 KiB of a
 * full one. When little is left, key strokes still go, which need some hundred bytes. */
#define STREAM_PART 4

/* ---- what local decides ---- */

void sparing_note_bulk(struct schedule *schedule)
{
    if (schedule->full_at_ns == 0 ||
        schedule->context->now - schedule->full_at_ns > PAUSE_NS)
        schedule->full_since_ns = schedule->context->now;
    schedule->full_at_ns = schedule->context->now;
}

/* The usable better paths of a path, taken together. */
struct betters {
    bool any;          /* there is one */
    bool in_order;     /* one has a subflow and does not seem dead */
    uint64_t heard_at_ns; /* when one was last heard; 0 = never */
    uint64_t worked_at_ns; /* when one last carried something that arrived */
};

static struct betters look_at_betters(const struct schedule *schedule, unsigned index)
{
    struct betters betters = {0};

    for (unsigned i = 0; i < schedule->context->config.path_count; i++) {
        const struct path *other = &schedule->paths->items[i];

        if (!other->properties.usable ||
            !path_comes_before(other, &schedule->paths->items[index]))
            continue;
        betters.any = true;
        betters.in_order |= (schedule->paths->live & ~schedule->paths->silent) >> i & 1;
        betters.heard_at_ns = MAX(betters.heard_at_ns, other->heard_at_ns);
        betters.worked_at_ns =
            MAX(betters.worked_at_ns, MAX(other->received_at_ns, other->proven_sent_at_ns));
    }
    return betters;
}

/* Whether the better paths have been full for so long. A path that takes nothing more
 * because it has just died is not full: one of them must have worked until then. An ACK
 * that comes late, on another path, does not show that. */
static bool long_full(const struct schedule *schedule, const struct betters *betters,
                      uint64_t after_ns)
{
    return schedule->full_at_ns != 0 &&
           schedule->context->now - schedule->full_at_ns <= PAUSE_NS &&
           MIN(schedule->full_at_ns, betters->worked_at_ns) >=
               schedule->full_since_ns + after_ns;
}

/* A connection alone does not bring a path back: the relay must be heard on it. */
static void note_gone(struct schedule *schedule, struct path *path,
                      const struct betters *betters)
{
    if (path->gone_since_ns != 0 && betters->heard_at_ns > path->gone_since_ns)
        path->gone_since_ns = 0;
    if (path->gone_since_ns == 0 && !betters->in_order)
        path->gone_since_ns = schedule->context->now;
}

/* When the path may carry bulk because the better paths are gone. A path that was never
 * heard may never come, so it is not waited for as long. */
static uint64_t gone_until(const struct path *path, const struct betters *betters)
{
    uint64_t after_ns = path->properties.bulk_after_ns;

    return path->gone_since_ns +
           (betters->heard_at_ns == 0 ? MIN(after_ns, HOPE_NS) : after_ns);
}

static bool is_small_only(const struct schedule *schedule, unsigned index,
                          const struct betters *betters)
{
    const struct path *path = &schedule->paths->items[index];
    uint64_t after_ns = path->properties.bulk_after_ns;

    if (!betters->any || after_ns == 0)
        return false;
    /* Bulk goes on until a better path is back. */
    if (path->gone_since_ns != 0)
        return path->small_only && gone_until(path, betters) > schedule->context->now;
    return path_in_reserve(schedule->paths, index, NULL) ||
           !long_full(schedule, betters, after_ns);
}

void sparing_update(struct schedule *schedule)
{
    if (schedule->context->config.role != SESSION_LOCAL)
        return;
    for (unsigned i = 0; i < schedule->context->config.path_count; i++) {
        struct path *path = &schedule->paths->items[i];
        struct betters betters;
        bool small_only;

        if (!path->properties.backup && path->properties.cost == 0 && !path->small_only)
            continue;
        betters = look_at_betters(schedule, i);
        note_gone(schedule, path, &betters);
        small_only = is_small_only(schedule, i, &betters);
        if (path->small_only == small_only)
            continue;
        path->small_only = small_only;
        schedule->context->send_paths |= (uint16_t)(1u << i);
        schedule->context->pool_dirty = true;
    }
}

uint64_t sparing_timeout(const struct schedule *schedule)
{
    uint64_t when = TIME_NEVER;

    if (schedule->context->config.role != SESSION_LOCAL)
        return when;
    for (unsigned i = 0; i < schedule->context->config.path_count; i++) {
        const struct path *path = &schedule->paths->items[i];

        if (path->small_only && path->gone_since_ns != 0) {
            const struct betters betters = look_at_betters(schedule, i);

            when = MIN(when, gone_until(path, &betters));
        }
    }
    return when;
}

/* ---- rules for both sides ---- */

/* How much of the allowance is used up now. */
static uint64_t spent(const struct path *path, uint64_t now)
{
    uint64_t again = (now - path->spent_at_ns) / NS_PER_MS * ALLOWANCE_RATE / 1000;

    return path->spent_bytes - MIN(path->spent_bytes, again);
}

bool sparing_holds(const struct schedule *schedule, unsigned index,
                   const struct stream *stream)
{
    const struct path *path = &schedule->paths->items[index];
    uint64_t used;

    if (!path->small_only)
        return false;
    /* The user who asks for copies pays for them; but backups carry none. */
    if (stream->policy.mode == STREAM_MODE_REDUNDANT && !path->properties.backup)
        return false;
    used = spent(path, schedule->context->now);
    return (stream_send_limit(stream) - stream->out_acked) * STREAM_PART >
           ALLOWANCE_BYTES - MIN(used, ALLOWANCE_BYTES);
}

bool sparing_everywhere(const struct schedule *schedule)
{
    for (unsigned i = 0; schedule->paths->live >> i != 0; i++)
        if (schedule->paths->live >> i & 1 && !schedule->paths->items[i].small_only)
            return false;
    return schedule->paths->live != 0;
}

void sparing_spend(struct schedule *schedule, unsigned index, uint64_t bytes)
{
    struct path *path = &schedule->paths->items[index];

    if (!path->small_only)
        return;
    path->spent_bytes = spent(path, schedule->context->now) + bytes;
    path->spent_at_ns = schedule->context->now;
}
