/* SPDX-License-Identifier: MIT */
/*
 * Which paths may be dead. A path is doubtful when a subflow of it is late and nothing
 * sent on the path since has been acknowledged; or when redundant data came on another
 * path, and the copy does not come on this one. A copy sent on a doubtful path no longer
 * counts as a copy, but the path still gets its own, by which it can show that it lives.
 */
#include <splitsocks/engine/path/path.h>

void path_proven(struct path *path, uint64_t sent_at_ns)
{
    path->proven_sent_at_ns = MAX(path->proven_sent_at_ns, sent_at_ns);
}

/* A chunk that was sent up to a round trip later on another subflow may still prove the
 * path. */
uint64_t path_patience_ns(const struct path *path)
{
    return path_rtt_ns(path) / 4 * 3;
}

void path_note_late(struct path *path, uint64_t oldest_at_ns, uint64_t late_at_ns,
                    uint64_t now)
{
    if (path->proven_sent_at_ns <= oldest_at_ns &&
        late_at_ns + path_patience_ns(path) <= now)
        path->doubted_at_ns = now;
}

/* When the copies that the path should bring count as missing; TIME_NEVER: none are
 * awaited. A copy may come later than on another path by the difference of their lengths,
 * and by an eighth of the round trip and JITTER_NS. */
static uint64_t missed_at_ns(const struct paths *paths, const struct path *path)
{
    if (path->awaited_since_ns <= path->received_at_ns)
        return TIME_NEVER;
    return path->awaited_since_ns + (path_rtt_ns(path) - paths_best_rtt_ns(paths)) / 2 +
           path_rtt_ns(path) / 8 + JITTER_NS;
}

bool path_doubtful(const struct paths *paths, unsigned index)
{
    const struct path *path = &paths->items[index];

    return path->doubted_at_ns > path->proven_sent_at_ns ||
           missed_at_ns(paths, path) <= paths->context->now;
}

uint64_t path_doubt_timeout(const struct paths *paths, unsigned index)
{
    uint64_t when = missed_at_ns(paths, &paths->items[index]);

    return when > paths->context->now ? when : TIME_NEVER;
}
