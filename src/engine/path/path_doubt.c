/* SPDX-License-Identifier: MIT */
/*
 * Which paths may be dead: a subflow of the path is late, and nothing that was sent on it
 * since has been acknowledged; or redundant data came on another path, and its copy does
 * not come on this one. What a path in doubt carries counts as a copy no more; it still
 * gets its own, which is how it shows that it lives.
 */
#include <splitsocks/engine/path/path.h>

/* How much later than another path's a copy may come: jitter of an eighth of the round
 * trip, and what a queue of a few packets takes. */
#define COPY_MARGIN_NS (5 * NS_PER_MS)

void path_proven(struct path *path, uint64_t sent_ns)
{
    path->proven_ns = MAX(path->proven_ns, sent_ns);
}

/* What was sent a round trip later on another subflow of the path may just be about to
 * prove it. */
uint64_t path_patience_ns(const struct path *path)
{
    return path_rtt_ns(path) / 4 * 3;
}

void path_note_late(struct path *path, uint64_t oldest_ns, uint64_t late_ns, uint64_t now)
{
    if (path->proven_ns <= oldest_ns && late_ns + path_patience_ns(path) <= now)
        path->doubted_ns = now;
}

/* When the copies that are awaited on the path are missing; TIME_NEVER when none are. */
static uint64_t missed_ns(const struct paths *paths, const struct path *path)
{
    if (path->awaited_ns <= path->received_ns)
        return TIME_NEVER;
    return path->awaited_ns + (path_rtt_ns(path) - paths_best_rtt_ns(paths)) / 2 +
           path_rtt_ns(path) / 8 + COPY_MARGIN_NS;
}

bool path_doubtful(const struct paths *paths, unsigned index)
{
    const struct path *path = &paths->items[index];

    return path->doubted_ns > path->proven_ns ||
           missed_ns(paths, path) <= paths->context->now;
}

uint64_t path_doubt_timeout(const struct paths *paths, unsigned index)
{
    uint64_t when = missed_ns(paths, &paths->items[index]);

    return when > paths->context->now ? when : TIME_NEVER;
}
