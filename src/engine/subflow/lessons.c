/* SPDX-License-Identifier: MIT */
/*
 * Subflows teach how the network limits the connections of their path. Local alone learns:
 * of what it receives and of what is acknowledged by itself, and of the relay's deaths by
 * GONE.
 */
#include <splitsocks/engine/subflow/subflow.h>

struct port_limits *lessons_limits(const struct subflows *subflows,
                                   const struct subflow *subflow)
{
    return path_limits_of(&subflows->paths->items[subflow->path].limits, subflow->port);
}

/* A connection on which less often something comes carries nothing that waits: the relay
 * may prefer another path. */
#define TRICKLE_NS (500 * NS_PER_MS)

/* In which directions data waits for the subflow: not while its path is spared, or others
 * are preferred. */
static unsigned waiting(const struct subflows *subflows, const struct subflow *subflow)
{
    const struct path *path = &subflows->paths->items[subflow->path];
    uint64_t trickle_ns = MAX(TRICKLE_NS, 4 * path_rtt_ns(path));
    bool spared = path->small_only || path_in_reserve(subflows->paths, subflow->path, NULL);
    bool comes = streams_peer_demand(subflows->streams) > 0 &&
                 subflows->context->now - subflow->received_at_ns < trickle_ns;

    if (spared)
        return 0;
    return (unsigned)(subflow->items.count > 0) << PROFILE_UP | (unsigned)comes
                                                                    << PROFILE_DOWN;
}

void lessons_begin(struct subflows *subflows, struct subflow *subflow, bool explorer)
{
    struct port_limits *limits = lessons_limits(subflows, subflow);

    if (limits != NULL)
        profile_connection_begin(&limits->profile, &subflow->lesson, explorer,
                                 subflows->context->now);
}

void lessons_progress(struct subflows *subflows, struct subflow *subflow)
{
    struct port_limits *limits = lessons_limits(subflows, subflow);
    uint64_t queued = subflow->measure.queued_bytes;
    uint64_t up = subflow->measured_bytes - MIN(subflow->measured_bytes, queued);

    if (limits == NULL || subflow->state != SUBFLOW_STATE_OPEN)
        return;
    if (subflow->chunks.count == 0)
        up = subflow->bytes_sent;
    profile_progress(&limits->profile, &subflow->lesson, up, subflow->bytes_arrived,
                     waiting(subflows, subflow), subflows->context->now);
}

/* A subflow that had nothing to carry has died of being idle. */
static enum profile_end end_of(const struct subflows *subflows,
                               const struct subflow *subflow, enum subflow_manner manner)
{
    bool busy = subflow->items.count > 0 || streams_peer_demand(subflows->streams) > 0;

    /* One that both sides have ended may die while it waits for the last ACK, too. */
    switch ((enum subflow_cause)subflow->cause) {
    case SUBFLOW_CAUSE_FROZEN: return busy ? PROFILE_FROZEN : PROFILE_IDLE;
    case SUBFLOW_CAUSE_RESET: return busy ? PROFILE_RESET : PROFILE_IDLE;
    case SUBFLOW_CAUSE_UNTOLD:
    case SUBFLOW_CAUSE_OTHER: break;
    }
    return manner == SUBFLOW_ORDERLY || subflow->end_sent || subflow->end_received
               ? PROFILE_WORN_OUT
               : PROFILE_NO_EVIDENCE;
}

void lessons_end(struct subflows *subflows, struct subflow *subflow,
                 enum subflow_manner manner)
{
    struct port_limits *limits = lessons_limits(subflows, subflow);
    enum profile_end end = end_of(subflows, subflow, manner);

    if (limits == NULL || !subflow->lesson.begun)
        return;
    profile_ended(&limits->profile, &subflow->lesson, end, subflows->context->now);
    if (end == PROFILE_FROZEN)
        dial_limit_died(&limits->dials, subflows->context->now);
}
