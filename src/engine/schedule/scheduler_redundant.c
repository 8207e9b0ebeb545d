/* SPDX-License-Identifier: MIT */
/*
 * `redundant`: each byte travels on several paths, and the first copy to arrive counts.
 *
 * For every stream whose mode is not `split`, struct copies keeps which of its
 * unacknowledged bytes each path has taken. A path gets, oldest first, the bytes that it
 * has not taken and that fewer than `copies` paths have. So each path goes at its own
 * pace, and when one of them has delivered bytes, the ACK removes them from the queues of
 * the others. When a subflow is lost, its bytes count as not taken, and are owed only if
 * no other copy is on its way.
 */
#include <splitsocks/engine/schedule/schedule.h>

/* The path may carry the stream, and copies of it. */
static bool takes_copies(const struct schedule *schedule, unsigned path,
                         const struct stream *stream)
{
    return path_allows(schedule->paths, path, &stream->policy) &&
           path_takes_copies(schedule->paths, path, &stream->policy);
}

/* Whether the stream may use no other path that works beyond doubt. */
static bool alone(const struct schedule *schedule, unsigned path,
                  const struct stream *stream)
{
    unsigned certain = schedule->paths->live & ~schedule->paths->doubtful;

    for (unsigned i = 0; certain >> i != 0; i++)
        if (certain >> i & 1 && i != path && takes_copies(schedule, i, stream))
            return false;
    return true;
}

/* Whether the path must carry two copies. */
static bool twofold(const struct schedule *schedule, unsigned path,
                    const struct stream *stream)
{
    return stream->policy.copies != 1 && stream_is_small(stream) &&
           !schedule->paths->items[path].small_only && alone(schedule, path, stream);
}

/* The index in struct copies for data of the stream on this subflow. */
static unsigned way_of(const struct schedule *schedule, const struct subflow *subflow,
                       const struct stream *stream)
{
    return subflow->carrier != CARRIER_FIRST && twofold(schedule, subflow->path, stream)
               ? COPIES_TWIN(subflow->path)
               : subflow->path;
}

int redundant_note_sent(const struct schedule *schedule, struct stream *stream,
                        const struct subflow *subflow, uint64_t start, uint64_t end)
{
    if (stream->policy.mode == STREAM_MODE_SPLIT)
        return OK;
    return copies_sent(stream, way_of(schedule, subflow, stream), start, end);
}

/* How many of the stream's paths work and have less latency than this one. A path that
 * carries no copies does not count, since it must not keep another from carrying one. */
static unsigned rank(const struct schedule *schedule, const struct stream *stream,
                     unsigned index)
{
    uint64_t own_rtt_ns = path_rtt_ns(&schedule->paths->items[index]);
    unsigned before = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        uint64_t rtt_ns = path_rtt_ns(&schedule->paths->items[i]);

        before += i != index && schedule->paths->live >> i & 1 &&
                  takes_copies(schedule, i, stream) &&
                  (rtt_ns < own_rtt_ns || (rtt_ns == own_rtt_ns && i < index));
    }
    return before;
}

static unsigned copies_wanted(const struct stream *stream)
{
    return stream->policy.copies == 0 ? SESSION_PATHS_MAX : stream->policy.copies;
}

/* The first part of [from, end) that fewer than `most` paths have taken. */
static bool find_lacking(const struct copies *copies, unsigned most, uint64_t from,
                         uint64_t end, struct range *found)
{
    while (from < end) {
        uint64_t until = end;
        unsigned taken = 0;

        for (unsigned i = 0; i < COPIES_WAYS; i++) {
            struct range own;

            if (!ranges_next(&copies->taken[i], from, until, &own))
                continue;
            taken += own.start == from;
            until = own.start == from ? own.end : own.start;
        }
        if (taken < most) {
            *found = (struct range){from, until};
            return true;
        }
        from = until;
    }
    return false;
}

/* The end of the sent bytes that should travel on several paths. */
static uint64_t redundant_end(const struct stream *stream)
{
    if (stream_is_redundant(stream))
        return stream->out_next;
    return stream->policy.mode == STREAM_MODE_AUTO ? MIN(stream->out_next, YOUNG_MAX) : 0;
}

/* The oldest bytes that are sent, not acknowledged, and not taken by enough paths. */
static bool next_copy(const struct stream *stream, unsigned way, struct range *found)
{
    const struct ranges *own = &stream->copies->taken[way];
    uint64_t end = redundant_end(stream);
    uint64_t at = stream->out_acked;
    struct range gap, unacked;

    while (ranges_next_gap(own, at, end, &gap)) {
        while (ranges_next_gap(&stream->acked, gap.start, gap.end, &unacked)) {
            if (find_lacking(stream->copies, copies_wanted(stream), unacked.start,
                             unacked.end, found))
                return true;
            gap.start = unacked.end;
        }
        at = gap.end;
    }
    return false;
}

bool redundant_may_carry(const struct schedule *schedule, unsigned path,
                         const struct stream *stream)
{
    return rank(schedule, stream, path) < copies_wanted(stream);
}

bool redundant_takes(const struct schedule *schedule, const struct subflow *subflow,
                     const struct stream *stream)
{
    unsigned last = twofold(schedule, subflow->path, stream) ? CARRIER_TWIN : CARRIER_FIRST;

    return redundant_may_carry(schedule, subflow->path, stream) &&
           (subflow->carrier <= last || !stream_is_small(stream));
}

bool redundant_covered(const struct schedule *schedule, unsigned path,
                       const struct stream *stream, uint64_t start, uint64_t end)
{
    unsigned timely =
        schedule->paths->live & ~schedule->paths->doubtful & ~schedule->paths->late;

    if (stream->copies == NULL || !stream_is_redundant(stream))
        return false;
    for (unsigned i = 0; timely >> i != 0; i++)
        if (i != path && timely >> i & 1 &&
            ranges_contains(&stream->copies->taken[i], start, end))
            return true;
    return false;
}

bool redundant_next(const struct schedule *schedule, const struct subflow *subflow,
                    struct stream *stream, struct piece *piece)
{
    struct range range;

    if (stream->copies == NULL || !redundant_may_carry(schedule, subflow->path, stream) ||
        !next_copy(stream, way_of(schedule, subflow, stream), &range))
        return false;
    *piece = (struct piece){.stream = stream,
                            .offset = range.start,
                            .length = range.end - range.start,
                            .copy = true};
    return true;
}

bool redundant_waits(const struct schedule *schedule, struct stream *stream)
{
    struct piece piece;

    if (stream->copies == NULL || !stream_is_sending(stream))
        return false;
    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow_usable(subflow) &&
            path_allows(schedule->paths, subflow->path, &stream->policy) &&
            redundant_next(schedule, subflow, stream, &piece))
            return true;
    }
    return false;
}

void redundant_await_copies(struct schedule *schedule, const struct stream *stream,
                            unsigned index)
{
    if (stream->policy.mode == STREAM_MODE_SPLIT)
        return;
    for (unsigned i = 0; schedule->paths->live >> i != 0; i++) {
        struct path *path = &schedule->paths->items[i];

        if (i != index && schedule->paths->live >> i & 1 &&
            path->awaited_since_ns <= path->received_at_ns &&
            takes_copies(schedule, i, stream) && redundant_may_carry(schedule, i, stream))
            path->awaited_since_ns = schedule->context->now;
    }
}
