/* SPDX-License-Identifier: MIT */
/*
 * Which subflows of a path carry small data. A subflow that waits for a lost segment
 * delays everything sent on it by a round trip or more, and this shows only afterwards. So
 * small data goes on the subflow that has had the least on its way for the shortest time.
 * If the path must carry a second copy, that goes on the next one. Chunks with only ACKs
 * go on the others: when such a chunk is lost, nothing waits for it until something behind
 * it is missed.
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

bool carriers_spare(const struct schedule *schedule, const struct subflow *subflow)
{
    /* Small budgets are used up one after the other. */
    if (subflow->carrier == CARRIER_SPARE || subflow->budget_out <= INITIAL_WINDOW)
        return false;
    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        if (other->path == subflow->path && other->carrier == CARRIER_SPARE &&
            subflow_usable(other) && other->writable)
            return true;
    }
    return false;
}
