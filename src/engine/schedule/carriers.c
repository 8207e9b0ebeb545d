/* SPDX-License-Identifier: MIT */
/*
 * Which subflows of a path carry small data. One that waits for a lost segment holds up all
 * that is sent on it for a round trip or more, and nobody knows before that is over. So
 * small data goes on the subflow with the least on its way for the shortest time; its
 * second copy, where one path has to carry two, on the next; and chunks of nothing but
 * ACKs, whose loss goes unnoticed until something behind them is missed, on the others.
 */
#include <splitsocks/engine/schedule/schedule.h>

/* The worse the higher: what is late waits for certain, bulk has a queue of its own. What
 * was sent a moment ago does not count, or the two copies of one thing would go together.
 */
static uint64_t drawback(const struct schedule *schedule, const struct subflow *subflow)
{
    uint64_t waits_ns = 0;

    if (subflow->chunks.count > 0)
        waits_ns = schedule->context->now -
                   ((struct sent_chunk *)ring_at(&subflow->chunks, 0))->sent_ns;
    if (waits_ns < path_rtt_ns(&schedule->paths->items[subflow->path]) / 8)
        waits_ns = 0;
    return (uint64_t)subflow->late << 63 | (uint64_t)subflow->bulk << 62 | waits_ns;
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
    if (subflow->carrier == CARRIER_SPARE || subflow->budget_out <= TIGHT_BUDGET)
        return false;
    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        if (other->path == subflow->path && other->carrier == CARRIER_SPARE &&
            subflow_usable(other) && other->writable)
            return true;
    }
    return false;
}
