/* SPDX-License-Identifier: MIT */
/*
 * Reinjection: sending data again, on another subflow, that the first one has not
 * delivered. Copied are: everything on a suspect subflow, or on one that stands still on
 * another path; when there is nothing new to send, data that another path would deliver
 * sooner; and the little data of small streams on a late subflow.
 */
#include <splitsocks/engine/schedule/schedule.h>

/* How late the first acknowledgement of a path's TCP may be: TCP may delay it by 40 ms
 * (Linux: TCP_DELACK_MIN), and the kernel's clock may tick every 4 ms. */
#define SILENCE_MARGIN_NS (50 * NS_PER_MS)

/* ---- which subflows are late ---- */

uint64_t reinjection_oldest_at_ns(const struct subflow *subflow)
{
    const struct sent_chunk *chunk;
    size_t i = 0;

    do
        chunk = ring_at(&subflow->chunks, i++);
    while (!chunk->eliciting);
    return chunk->sent_at_ns;
}

/* The longest time until data sent on the path is acknowledged. Bytes under way count
 * twice, in the round trip and in the queue. path_delivery_ns() counts them once, because
 * it predicts the arrival; this function tells when to act if there was none. With that
 * prediction subflows behind a growing queue would be late, and the hedging for them would
 * delay the copies that help (test/sim: the longest of 40 failovers had a gap of 235 ms
 * instead of 188). */
static uint64_t at_most_ns(const struct path *path)
{
    return path_rtt_ns(path) + ACK_DELAY_NS +
           path_drain_ns(path->queued_out, path->rate_out);
}

/* When even the peer's TCP has said nothing on the path for longer than an answer takes. A
 * lossy path is not silent, because TCP acknowledges what arrives out of order. */
uint64_t reinjection_silent_at_ns(const struct schedule *schedule,
                                  const struct subflow *subflow)
{
    const struct path *path = &schedule->paths->items[subflow->path];
    uint64_t rtt_ns = path_rtt_ns(path);

    if (!subflow_awaits_ack(subflow))
        return TIME_NEVER;

    return MAX(MAX(path->acked_at_ns, path->heard_at_ns),
               reinjection_oldest_at_ns(subflow) + rtt_ns) +
           MAX(SILENCE_MARGIN_NS, rtt_ns / 2);
}

/* When the subflow may be on a dead path: nothing comes on the path, or the wait for an
 * ACK in order is longer than a lost segment explains, which takes one round trip to
 * repair. */
static uint64_t stall_begins_at_ns(const struct schedule *schedule,
                                   const struct subflow *subflow)
{
    const struct path *path = &schedule->paths->items[subflow->path];
    uint64_t rtt_ns = MAX(subflow_rtt_ns(schedule->subflows, subflow), path_rtt_ns(path));

    return MIN(reinjection_silent_at_ns(schedule, subflow),
               subflow->progress_at_ns + rtt_ns + rtt_ns / 2 + ACK_DELAY_NS);
}

uint64_t reinjection_late_at_ns(const struct schedule *schedule,
                                const struct subflow *subflow)
{
    const struct path *path = &schedule->paths->items[subflow->path];

    if (!subflow_awaits_ack(subflow))
        return TIME_NEVER;
    /* A quarter more than usual, so that jitter alone does not make a subflow late. */
    return MIN(stall_begins_at_ns(schedule, subflow),
               reinjection_oldest_at_ns(subflow) + at_most_ns(path) +
                   path_rtt_ns(path) / 4 + JITTER_NS);
}

/* ---- what may be copied ---- */

/* Which data of a subflow another may copy: that of small streams; all data that is not a
 * copy itself; copies too, since the subflow that carries them may be dead. */
enum reinject { REINJECT_NOTHING, REINJECT_SMALL, REINJECT_ORIGINALS, REINJECT_ALL };

/* Finds the part of the item that is neither acknowledged nor copied, and may go on the
 * path; false when there is none. */
static bool still_missing(const struct schedule *schedule, unsigned path,
                          unsigned from_path, struct sent_item *item, struct piece *piece)
{
    const struct stream *stream = item->stream;
    uint64_t from = MAX(item->offset + item->copied, stream->out_acked);
    uint64_t end = item->offset + item->length;

    if (!path_allows(schedule->paths, path, &stream->policy) ||
        !stream_is_sending(stream) || from >= end ||
        ranges_contains(&stream->acked, from, end) ||
        redundant_covered(schedule, from_path, stream, from, end) ||
        (path != from_path && scheduler_spares(schedule, path, stream)))
        return false;
    *piece = (struct piece){.stream = item->stream,
                            .offset = from,
                            .length = end - from,
                            .copy = true,
                            .copy_of = item};
    return true;
}

/* A redundant stream's mode replaces its lost copies. */
static bool may_copy(const struct sent_item *item, enum reinject how)
{
    if (item->copy)
        return how == REINJECT_ALL && !stream_is_redundant(item->stream);
    return how >= REINJECT_ORIGINALS || stream_is_small(item->stream);
}

/* Small data goes on the path's first carrier, or on the next one if the first has it
 * already. */
static bool takes_small(const struct subflow *subflow, const struct subflow *other)
{
    return subflow->carrier <=
           (other->path == subflow->path && other->carrier == CARRIER_FIRST
                ? CARRIER_TWIN
                : CARRIER_FIRST);
}

static bool oldest_missing(const struct schedule *schedule, const struct subflow *subflow,
                           const struct subflow *other, enum reinject how,
                           struct piece *piece)
{
    for (size_t i = 0; i < other->items.count; i++) {
        struct sent_item *item = ring_at(&other->items, i);

        if (item->kind == SENT_DATA && may_copy(item, how) &&
            (!stream_is_small(item->stream) || takes_small(subflow, other)) &&
            still_missing(schedule, subflow->path, other->path, item, piece))
            return true;
    }
    return false;
}

/* Time from now until the oldest unacknowledged data of the other subflow should
 * arrive. */
static uint64_t expected_ns(const struct schedule *schedule, const struct subflow *other)
{
    const struct path *path = &schedule->paths->items[other->path];
    uint64_t waited_ns = schedule->context->now - reinjection_oldest_at_ns(other);
    uint64_t delivery_ns = path_delivery_ns(path, path->queued_out);

    /* Overdue: the estimate was wrong, and the arrival is unknown. */
    if (waited_ns >= delivery_ns + ACK_DELAY_NS + path_rtt_ns(path) / 4)
        return TIME_NEVER;
    /* The data may have arrived, with its ACK on the way back. */
    return delivery_ns - MIN(delivery_ns, waited_ns);
}

/* `idle`: there is nothing new to send. */
static enum reinject reinject_from(const struct schedule *schedule,
                                   const struct subflow *subflow,
                                   const struct subflow *other, bool idle)
{
    const struct path *own = &schedule->paths->items[subflow->path];

    if (other == subflow || other->eliciting_unacked == 0)
        return REINJECT_NOTHING;
    /* Copy copies only if this subflow is certainly better: two that stand still would
     * copy each other's data without end. */
    if (other->suspect || scheduler_path_silent(schedule, other->path))
        return REINJECT_ALL;
    if (other->path != subflow->path &&
        stall_begins_at_ns(schedule, other) <= schedule->context->now)
        return REINJECT_ORIGINALS;
    /* Earlier arrival alone is no reason to use a path that should be spared. */
    if (idle && !subflow->late && other->path != subflow->path &&
        !path_in_reserve(schedule->paths, subflow->path, NULL) &&
        own->properties.cost <= schedule->paths->items[other->path].properties.cost &&
        expected_ns(schedule, other) > path_delivery_ns(own, own->queued_out))
        return REINJECT_ORIGINALS;
    return other->late && !subflow->late ? REINJECT_SMALL : REINJECT_NOTHING;
}

/* Of all data that may be copied, takes the piece nearest to its stream's head: readers
 * wait for that. */
bool reinjection_next(struct schedule *schedule, struct subflow *subflow, bool idle,
                      struct piece *piece)
{
    uint64_t least = UINT64_MAX;

    /* A copy must help at once. */
    if (scheduler_path_silent(schedule, subflow->path) ||
        scheduler_path_uncertain(schedule, subflow->path))
        return false;
    list_foreach(&schedule->subflows->all, node, after) {
        struct subflow *other = list_entry(node, struct subflow, node);
        enum reinject how = reinject_from(schedule, subflow, other, idle);
        struct piece found;

        if (scheduler_is_lane(schedule, subflow) ||
            restraint_holds(schedule, subflow->path) ||
            packets_hold(schedule->subflows, subflow))
            how = MIN(how, REINJECT_SMALL);
        if (how == REINJECT_NOTHING ||
            !oldest_missing(schedule, subflow, other, how, &found) ||
            found.offset - found.stream->out_acked >= least)
            continue;
        least = found.offset - found.stream->out_acked;
        *piece = found;
    }
    return least < UINT64_MAX;
}
