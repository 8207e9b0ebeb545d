/* SPDX-License-Identifier: MIT */
/*
 * Keepalive: how often an idle subflow gets a PING.
 *
 * NATs forget connections that are idle for a while. RFC 5382 (REQ-5) asks for more than
 * two hours; many allow minutes, some 30 s, and most do not say so. Data that the relay
 * sends on such a connection vanishes, and the relay cannot dial: data that begins at the
 * relay's side would wait for local's next PING. So local learns from idle connections
 * that turn out to be dead on their next use, while others of their path live: the PINGs
 * of the path then come after half of that time, or as late as was seen to work. Now and
 * then, and more rarely after each mistake, local tries a little longer time. The time
 * bounds only PINGs, and only while streams are open: without streams, nothing can be
 * lost.
 */
#include <splitsocks/base/backoff.h>
#include <splitsocks/engine/subflow/subflow.h>

/* All known NATs remember connections for some 20 s at least. */
#define LEAST_NS (10 * NS_PER_S)
/* If something comes on the path this soon after a death, the path itself was not dead. */
#define WITNESS_NS (3 * NS_PER_S)
/* How long the time stands before a longer one is tried, at first and at most. */
#define TRIAL_NS (3600 * NS_PER_S)
#define TRIAL_MAX_NS (32 * TRIAL_NS)

uint64_t keepalive_longest_ns(const struct subflows *subflows)
{
    uint64_t longest_ns = subflows->context->config.keepalive_ns == 0
                              ? KEEPALIVE_NS
                              : MIN(subflows->context->config.keepalive_ns, KEEPALIVE_NS);

    /* The peer forgets the session a linger time after the last chunk. */
    return MIN(longest_ns, MAX(subflows->context->config.linger_ns / 3, NS_PER_S / 2));
}

/* Another path holds the session, and this one should be spared. */
static bool is_spared(const struct subflows *subflows, unsigned index)
{
    return subflows->paths->items[index].small_only &&
           (subflows->paths->live & ~(1u << index)) != 0;
}

uint64_t keepalive_ns(const struct subflows *subflows, unsigned index)
{
    const struct path *path = &subflows->paths->items[index];
    uint64_t longest_ns = keepalive_longest_ns(subflows);

    if (path->keepalive_ns == 0 || subflows->streams->count == 0 ||
        is_spared(subflows, index))
        return longest_ns;
    return MIN(longest_ns, path->keepalive_ns);
}

void keepalive_forget(struct path *path)
{
    path->keepalive_ns = path->lived_idle_for_ns = path->died_idle_for_ns = 0;
    path->keepalive_trials = 0;
}

void keepalive_note_used(struct subflows *subflows, struct subflow *subflow)
{
    uint64_t idle_for_ns =
        subflows->context->now - MAX(subflow->sent_at_ns, subflow->received_at_ns);

    /* Later sends in the same burst must not hide the pause before it. */
    if (idle_for_ns < subflow->idle_for_ns &&
        subflow->received_at_ns <= subflow->asked_at_ns)
        return;
    subflow->asked_at_ns = subflows->context->now;
    subflow->idle_for_ns = idle_for_ns;
}

/* A connection of the path has died after it was idle for `idle_for_ns`. */
static void shorten(struct subflows *subflows, struct path *path, uint64_t idle_for_ns)
{
    /* It was idle for longer than our PINGs allow, since no stream needed it: nothing
     * new. */
    if (path->keepalive_ns != 0 && idle_for_ns > path->keepalive_ns / 4 * 5)
        return;
    /* Connections that survived such a pause were lucky: they prove nothing any more. */
    if (path->lived_idle_for_ns >= idle_for_ns)
        path->lived_idle_for_ns = 0;
    if (path->keepalive_ns != 0)
        path->keepalive_trials++;
    path->keepalive_ns =
        MAX(MAX(idle_for_ns / 2, path->lived_idle_for_ns / 8 * 7), (uint64_t)LEAST_NS);
    path->keepalive_since_ns = subflows->context->now;
}

void keepalive_note_heard(struct subflows *subflows, const struct subflow *subflow)
{
    struct path *path = &subflows->paths->items[subflow->path];
    uint64_t idle_for_ns =
        subflow->eliciting_unacked > 0
            ? subflow->idle_for_ns
            : subflows->context->now - MAX(subflow->sent_at_ns, subflow->received_at_ns);

    path->lived_idle_for_ns = MAX(path->lived_idle_for_ns, idle_for_ns);
    if (path->died_idle_for_ns == 0)
        return;
    if (subflows->context->now - path->died_at_ns < WITNESS_NS)
        shorten(subflows, path, path->died_idle_for_ns);
    path->died_idle_for_ns = 0;
}

void keepalive_note_died(struct subflows *subflows, const struct subflow *subflow)
{
    struct path *path = &subflows->paths->items[subflow->path];

    /* The death says nothing if the subflow never worked, has brought something since it
     * was used again, or was not idle before. */
    if (subflows->context->config.role != SESSION_LOCAL ||
        (!subflow->confirmed && subflow->chunks_acked == 0) ||
        subflow->received_at_ns > subflow->asked_at_ns || subflow->idle_for_ns < LEAST_NS)
        return;
    /* Of several that die together, the one with the shortest pause counts. */
    if (path->died_idle_for_ns == 0 ||
        subflows->context->now - path->died_at_ns >= WITNESS_NS ||
        subflow->idle_for_ns < path->died_idle_for_ns) {
        path->died_idle_for_ns = subflow->idle_for_ns;
        path->died_at_ns = subflows->context->now;
    }
    if (path->heard_at_ns > subflow->asked_at_ns) {
        shorten(subflows, path, path->died_idle_for_ns);
        path->died_idle_for_ns = 0;
    }
}

void keepalive_note_asked(struct subflows *subflows, unsigned index)
{
    struct path *path = &subflows->paths->items[index];

    if (path->keepalive_ns == 0 || keepalive_ns(subflows, index) != path->keepalive_ns ||
        subflows->context->now - path->keepalive_since_ns <
            backoff_ns(TRIAL_NS, path->keepalive_trials, TRIAL_MAX_NS))
        return;
    path->keepalive_ns += path->keepalive_ns / 4;
    path->keepalive_since_ns = subflows->context->now;
    if (path->keepalive_ns >= keepalive_longest_ns(subflows))
        keepalive_forget(path);
}
