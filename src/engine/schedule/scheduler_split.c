/* SPDX-License-Identifier: MIT */
/*
 * `split`: each range of data travels once, on the subflow that completes it earliest.
 *
 * A subflow of path p gets data only if no faster path q would have finished the rest of
 * the stream before p delivers its first byte:
 *
 *     arrival_p  <=  arrival_q + left / rate_q,    arrival = max(srtt, queued / rate)
 *
 * `left` is the smaller of the stream's waiting bytes and its credit. `queued` is
 * everything that the path has not acknowledged, including the bytes under way, which take
 * the round trip. So a slow path helps with a long transfer, and keeps out of a short one
 * and of every tail. While the stream's buffer is at least half full, its end is not in
 * sight, and half of the credit counts: a path that is as late as the whole credit would
 * stall the others whenever it is later than estimated.
 */
#include <splitsocks/engine/schedule/schedule.h>

static bool earliest(const struct schedule *schedule, const struct subflow *subflow,
                     const struct stream *stream, uint64_t left)
{
    const struct path *own = &schedule->paths->items[subflow->path];
    uint64_t own_delivery_ns = path_delivery_ns(own, own->queued_out);

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct path *other = &schedule->paths->items[i];

        /* Do not wait for a path that should be spared. */
        if (i == subflow->path || other->subflows == 0 ||
            other->properties.cost > own->properties.cost ||
            path_in_reserve(schedule->paths, i, &stream->policy) ||
            path_delivery_ns(other, other->queued_out) >= own_delivery_ns ||
            !scheduler_path_takes(schedule, i, stream, false))
            continue;
        /* The faster path's rate is unknown until that path is used: leave the data to it.
         */
        if (other->rate_out == 0 ||
            own_delivery_ns > path_delivery_ns(other, other->queued_out) +
                                  path_drain_ns(left, other->rate_out))
            return false;
    }
    return true;
}

static uint64_t bytes_left(const struct schedule *schedule, const struct stream *stream,
                           uint64_t at_least)
{
    uint64_t waiting = stream_waiting(stream);
    uint64_t end = stream_credit_end(stream);
    uint64_t credit =
        MIN(streams_credit(schedule->streams), end - MIN(end, stream->out_next));

    return MAX(waiting < STREAM_WAIT_MAX / 2 ? MIN(credit, waiting) : credit / 2, at_least);
}

bool split_may_carry(const struct schedule *schedule, const struct subflow *subflow,
                     const struct stream *stream, uint64_t length)
{
    return !scheduler_path_silent(schedule, subflow->path) &&
           earliest(schedule, subflow, stream, bytes_left(schedule, stream, length));
}
