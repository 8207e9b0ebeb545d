/* SPDX-License-Identifier: MIT */
/*
 * Which subflows of a path carry small data. A subflow that waits for a lost segment
 * delays everything sent on it by a round trip or more, and this shows only afterwards. So
 * small data goes on the subflow that has had the least on its way for the shortest time.
 * If the path must carry a second copy, that goes on the next one. Chunks with only ACKs
 * go on the others: when such a chunk is lost, nothing waits for it until something behind
 * it is missed. Where the network freezes connections, they go on the surest one.
 */
#include <splitsocks/engine/schedule/schedule.h>

/* The higher the worse: a late subflow waits for certain, and one with bulk has a queue of
 * its own. Data that was sent a moment ago does not count; else both copies of the same
 * data would go on the same subflow. */
static uint64_t drawback(const struct schedule *schedule, const struct subflow *subflow)
{
    uint64_t waited_ns = 0;

    if (subflow->chunks.count > 0)
        waited_ns = schedule->context->now -
                    ((struct sent_chunk *)ring_at(&subflow->chunks, 0))->sent_at_ns;
    if (waited_ns < path_rtt_ns(&schedule->paths->items[subflow->path]) / 8)
        waited_ns = 0;
    return (uint64_t)subflow->late << 63 | (uint64_t)subflow->bulk << 62 | waited_ns;
}

void carriers_consider(const struct schedule *schedule, struct carriers *carriers,
                       struct subflow *subflow)
{
    uint64_t own = drawback(schedule, subflow);

    subflow->carrier = CARRIER_SPARE;
    if (!subflow->writable)
        return;
    if (carriers->first == NULL || own < carriers->first_drawback) {
        carriers->twin = carriers->first;
        carriers->twin_drawback = carriers->first_drawback;
        carriers->first = subflow;
        carriers->first_drawback = own;
    } else if (carriers->twin == NULL || own < carriers->twin_drawback) {
        carriers->twin = subflow;
        carriers->twin_drawback = own;
    }
}

void carriers_appoint(const struct carriers *carriers)
{
    if (carriers->first != NULL)
        carriers->first->carrier = CARRIER_FIRST;
    if (carriers->twin != NULL)
        carriers->twin->carrier = CARRIER_TWIN;
}

/* Small budgets are used up one after the other: these have no carriers of data. */
static bool for_data(const struct subflow *subflow)
{
    return subflow->carrier != CARRIER_SPARE && subflow->budget_out > TIGHT_BUDGET;
}

static bool heard_of_late(const struct schedule *schedule, const struct subflow *subflow)
{
    return schedule->context->now - subflow->received_at_ns <
           path_late_ns(&schedule->paths->items[subflow->path]);
}

/* Whether ACKs rather go on `a` than on `b`, either of which the network may have frozen.
 * One that was heard of late lives; and the less it has carried, the longer it will. */
static bool surer(const struct schedule *schedule, const struct subflow *a,
                  const struct subflow *b)
{
    bool heard_a = heard_of_late(schedule, a);

    if (a->late != b->late)
        return b->late;
    if (heard_a != heard_of_late(schedule, b))
        return heard_a;
    if (for_data(a) != for_data(b))
        return for_data(b);
    if (!heard_a && a->received_at_ns != b->received_at_ns)
        return a->received_at_ns > b->received_at_ns;
    return a->bytes_sent + a->bytes_received < b->bytes_sent + b->bytes_received;
}

/* Nobody misses a chunk with only ACKs. So a connection that is frozen may swallow many of
 * them before this side learns of it, unless it sends much data too, whose ACKs it misses.
 * At rest the answer to a PING says most on the connection that is asked about. */
static bool must_be_sure(const struct schedule *schedule, const struct subflow *subflow)
{
    const struct path *path = &schedule->paths->items[subflow->path];

    return path_freezes(path, schedule->context->now) && path->rate_in > path->rate_acked &&
           schedule->subflows->ack_bytes >= PACKET_SMALL;
}

/* Whether the other subflow is better for ACKs. */
static bool prefers(const struct schedule *schedule, const struct subflow *subflow,
                    const struct subflow *other, bool sure)
{
    if (!sure)
        return other->carrier == CARRIER_SPARE;
    /* The first chunk of local's has all ACKs anyway. */
    return (other->begun || schedule->context->config.role == SESSION_RELAY) &&
           surer(schedule, other, subflow);
}

bool carriers_take_acks(const struct schedule *schedule, const struct subflow *subflow)
{
    bool sure = must_be_sure(schedule, subflow);

    if (sure ? !subflow_usable(subflow) : !for_data(subflow))
        return !sure;
    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        if (other->path == subflow->path && subflow_usable(other) && other->writable &&
            prefers(schedule, subflow, other, sure))
            return false;
    }
    return true;
}
