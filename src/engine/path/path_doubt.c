/* SPDX-License-Identifier: MIT */
/*
 * Which paths may be dead. A path is doubtful when a subflow of it is late and nothing
 * sent on the path since has been acknowledged; or when redundant data came on another
 * path, and the copy does not come on this one. A copy sent on a doubtful path no longer
 * counts as a copy, but the path still gets its own, by which it can show that it lives.
 */
#include <splitsocks/engine/path/path.h>

/* How much later than on another path a copy may come: an eighth of the round trip for
 * jitter, and this for a queue of a few packets. */
#define COPY_MARGIN_NS (5 * NS_PER_MS)

void path_proven(struct path *path, uint64_t sent_ns)
{
    path->proven_ns = MAX(path->proven_ns, sent_ns);
}

/* A chunk that was sent up to a round trip later on another subflow may still prove the
 * path. */
uint64_t path_patience_ns(const struct path *path)
{
    return path_rtt_ns(path) / 4 * 3;
}

void path_note_late(struct path *path, uint64_t oldest_ns, uint64_t late_ns, uint64_t now)
{
    if (path->proven_ns <= oldest_ns && late_ns + path_patience_ns(path) <= now)
        path->doubted_ns = now;
}

/* When the copies that the path should bring count as missing; TIME_NEVER: none are
 * awaited. */
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
