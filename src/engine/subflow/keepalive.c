/* SPDX-License-Identifier: MIT */
/*
 * Keepalive: how often an idle subflow is asked for a sign of life.
 *
 * NATs forget connections on which nothing goes for a while; RFC 5382 (REQ-5) wants that to
 * be more than two hours, many take minutes, some 30 s, and most do not say so. What the
 * relay sends on such a connection vanishes, and it cannot dial: what an origin sends first
 * would wait for local's next PING. So local learns from idle connections that turn out to
 * be dead when they are used again, while others of their path live: the PINGs of the path
 * come in half of that time, or as late as was seen to work. Now and then, and more rarely
 * each time that it was a mistake, the time is made a little longer. Only PINGs depend on
 * it, and only while streams are open: without any nobody waits for what could get lost.
 */
#include <splitsocks/engine/subflow/subflow.h>

/* No NAT that is known forgets sooner than after some 20 s. */
#define LEAST_NS (10 * NS_PER_S)
/* A path on which something comes so soon after a death was not dead itself. */
#define WITNESS_NS (3 * NS_PER_S)
/* How long an interval stands before a longer one is tried, at first and at most. */
#define TRIAL_NS (3600 * NS_PER_S)
#define TRIAL_DOUBLINGS 5u

uint64_t keepalive_longest_ns(const struct subflows *subflows)
{
    uint64_t most_ns = subflows->context->config.keepalive_ns == 0
                           ? KEEPALIVE_NS
                           : MIN(subflows->context->config.keepalive_ns, KEEPALIVE_NS);

    /* The peer forgets the session a linger time after the last chunk. */
    return MIN(most_ns, MAX(subflows->context->config.linger_ns / 3, NS_PER_S / 2));
}

/* Another path holds the session, and this one is to be spared. */
static bool is_spared(const struct subflows *subflows, unsigned index)
{
    return subflows->paths->items[index].small_only &&
           (subflows->paths->live & ~(1u << index)) != 0;
}

uint64_t keepalive_ns(const struct subflows *subflows, unsigned index)
{
    const struct path *path = &subflows->paths->items[index];
    uint64_t most_ns = keepalive_longest_ns(subflows);

    if (path->keepalive_ns == 0 || subflows->streams->count == 0 ||
        is_spared(subflows, index))
        return most_ns;
    return MIN(most_ns, path->keepalive_ns);
}

void keepalive_forget(struct path *path)
{
    path->keepalive_ns = path->lived_idle_ns = path->died_idle_ns = 0;
    path->keepalive_trials = 0;
}

void keepalive_note_used(struct subflows *subflows, struct subflow *subflow)
{
    uint64_t idle_ns = subflows->context->now - MAX(subflow->sent_ns, subflow->received_ns);

    /* What follows at once does not hide it. */
    if (idle_ns < subflow->idle_ns && subflow->received_ns <= subflow->asked_ns)
        return;
    subflow->asked_ns = subflows->context->now;
    subflow->idle_ns = idle_ns;
}

/* A connection of the path has died of being idle for so long. */
static void shorten(struct subflows *subflows, struct path *path, uint64_t idle_ns)
{
    /* It lay idle while nobody cared: nothing is new. */
    if (path->keepalive_ns != 0 && idle_ns > path->keepalive_ns / 4 * 5)
        return;
    /* Some live longer than others: they prove nothing any more. */
    if (path->lived_idle_ns >= idle_ns)
        path->lived_idle_ns = 0;
    if (path->keepalive_ns != 0)
        path->keepalive_trials = MIN(path->keepalive_trials + 1, TRIAL_DOUBLINGS);
    path->keepalive_ns =
        MAX(MAX(idle_ns / 2, path->lived_idle_ns / 8 * 7), (uint64_t)LEAST_NS);
    path->keepalive_since_ns = subflows->context->now;
}

void keepalive_note_heard(struct subflows *subflows, const struct subflow *subflow)
{
    struct path *path = &subflows->paths->items[subflow->path];
    uint64_t idle_ns =
        subflow->eliciting_unacked > 0
            ? subflow->idle_ns
            : subflows->context->now - MAX(subflow->sent_ns, subflow->received_ns);

    path->lived_idle_ns = MAX(path->lived_idle_ns, idle_ns);
    if (path->died_idle_ns == 0)
        return;
    if (subflows->context->now - path->died_ns < WITNESS_NS)
        shorten(subflows, path, path->died_idle_ns);
    path->died_idle_ns = 0;
}

void keepalive_note_died(struct subflows *subflows, const struct subflow *subflow)
{
    struct path *path = &subflows->paths->items[subflow->path];

    /* Of one that never worked, or has brought something since, or was in use, it is no
     * news.
     */
    if (subflows->context->config.role != SESSION_LOCAL ||
        (!subflow->confirmed && subflow->chunks_acked == 0) ||
        subflow->received_ns > subflow->asked_ns || subflow->idle_ns < LEAST_NS)
        return;
    /* Of those that die together the one that was idle for the shortest time counts. */
    if (path->died_idle_ns == 0 || subflows->context->now - path->died_ns >= WITNESS_NS ||
        subflow->idle_ns < path->died_idle_ns) {
        path->died_idle_ns = subflow->idle_ns;
        path->died_ns = subflows->context->now;
    }
    if (path->heard_ns > subflow->asked_ns) {
        shorten(subflows, path, path->died_idle_ns);
        path->died_idle_ns = 0;
    }
}

void keepalive_note_asked(struct subflows *subflows, unsigned index)
{
    struct path *path = &subflows->paths->items[index];

    if (path->keepalive_ns == 0 || keepalive_ns(subflows, index) != path->keepalive_ns ||
        subflows->context->now - path->keepalive_since_ns < (uint64_t)TRIAL_NS
                                                                << path->keepalive_trials)
        return;
    path->keepalive_ns += path->keepalive_ns / 4;
    path->keepalive_since_ns = subflows->context->now;
    if (path->keepalive_ns >= keepalive_longest_ns(subflows))
        keepalive_forget(path);
}
