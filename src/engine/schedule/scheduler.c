/* SPDX-License-Identifier: MIT */
/*
 * Which data goes on which subflow. This file has the order in which streams, owed data,
 * copies and reinjections are considered, and the rules for all modes: no bulk on the
 * interactive lane, and no data on a path that the stream may not use, that is to be
 * spared, or whose ceiling is met. The modes decide the rest for each stream:
 * scheduler_split.c, scheduler_redundant.c.
 */
#include <splitsocks/engine/schedule/schedule.h>

/* ---- the interactive lane ---- */

static bool fit_as_lane(const struct subflow *subflow)
{
    /* In the tight regime each subflow is used up by one burst: there is no lane. */
    return subflow_usable(subflow) && subflow->begun &&
           subflow->budget_out > INITIAL_WINDOW;
}

static void set_paths(struct schedule *schedule, uint16_t live)
{
    uint16_t doubtful = 0;

    for (unsigned i = 0; live >> i != 0; i++)
        doubtful |= (uint16_t)((live >> i & 1u && path_doubtful(schedule->paths, i)) << i);
    if (schedule->paths->live == live && schedule->paths->doubtful == doubtful)
        return;
    if (schedule->paths->live != live)
        schedule->context->pool_dirty = true; /* a backup may be needed now */
    schedule->paths->live = live;
    schedule->paths->doubtful = doubtful;
    /* Other paths must carry the copies now. */
    list_foreach(&schedule->streams->all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        if (stream->copies != NULL)
            stream_update_ready(schedule->streams, stream);
    }
}

static void look_whether_late(struct schedule *schedule, struct subflow *subflow)
{
    uint64_t late_at_ns = reinjection_late_at_ns(schedule, subflow);
    uint16_t path = (uint16_t)(1u << subflow->path);

    subflow->late = late_at_ns <= schedule->context->now;
    if (!subflow->late)
        return; /* a subflow is late before its path is doubtful or silent */
    schedule->paths->late |= path;
    path_note_late(&schedule->paths->items[subflow->path],
                   reinjection_oldest_at_ns(subflow), late_at_ns, schedule->context->now);
    if (reinjection_silent_at_ns(schedule, subflow) <= schedule->context->now)
        schedule->paths->items[subflow->path].silent_at_ns = schedule->context->now;
}

/* The path stays silent until something comes on it. It may have subflows that do not
 * await an answer, for example after those that did were closed; these prove nothing. */
static bool still_silent(const struct path *path)
{
    return path->silent_at_ns > MAX(path->acked_at_ns, path->heard_at_ns);
}

/* With two or more subflows on the path of least latency, one of them carries no bulk. It
 * stays the lane until it is used up; its successor is the one that has carried the least
 * bulk. */
void scheduler_update(struct schedule *schedule)
{
    unsigned usable[SESSION_PATHS_MAX] = {0};
    struct carriers carriers[SESSION_PATHS_MAX] = {0};
    struct subflow *best = NULL;
    uint16_t live = 0;

    schedule->paths->late = schedule->paths->silent = 0;

    list_foreach(&schedule->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        uint64_t rtt_ns, best_rtt_ns;

        look_whether_late(schedule, subflow);
        if (subflow_usable(subflow)) {
            carriers_consider(schedule, &carriers[subflow->path], subflow);
            live |= (uint16_t)(1u << subflow->path);
        }
        if (!fit_as_lane(subflow))
            continue;
        usable[subflow->path]++;
        rtt_ns = path_rtt_ns(&schedule->paths->items[subflow->path]);
        best_rtt_ns =
            best == NULL ? TIME_NEVER : path_rtt_ns(&schedule->paths->items[best->path]);
        if (best == NULL || rtt_ns < best_rtt_ns ||
            (rtt_ns == best_rtt_ns && best->bulk && !subflow->bulk))
            best = subflow;
    }
    for (unsigned i = 0; live >> i != 0; i++) {
        carriers_appoint(&carriers[i]);
        schedule->paths->silent |=
            (uint16_t)((live >> i & 1u && still_silent(&schedule->paths->items[i])) << i);
    }
    set_paths(schedule, live);
    /* The path itself must not be lost for bulk. */
    if (best == NULL || usable[best->path] < 2)
        schedule->subflows->lane = NULL;
    else if (schedule->subflows->lane == NULL || !fit_as_lane(schedule->subflows->lane) ||
             usable[schedule->subflows->lane->path] < 2 ||
             path_rtt_ns(&schedule->paths->items[schedule->subflows->lane->path]) >
                 2 * path_rtt_ns(&schedule->paths->items[best->path]))
        schedule->subflows->lane = best;
    sparing_update(schedule);
    restraint_update(schedule);
    flows_update(schedule);
}

/* ---- new and owed data ---- */

/* Whether another subflow is better for small data, or for control (`stream` NULL),
 * because this one may wait for a lost segment and the other does not. */
static bool better_elsewhere(const struct schedule *schedule, const struct subflow *subflow,
                             const struct stream *stream)
{
    if (!subflow->late)
        return false;
    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        if (subflow_usable(other) && other->writable && !other->late &&
            subflow_may_begin(schedule->subflows, other) &&
            !scheduler_path_silent(schedule, other->path) &&
            (stream == NULL || path_allows(schedule->paths, other->path, &stream->policy)))
            return true;
    }
    return false;
}

bool scheduler_avoids(const struct schedule *schedule, const struct subflow *subflow)
{
    return scheduler_path_silent(schedule, subflow->path) ||
           better_elsewhere(schedule, subflow, NULL);
}

static bool next_of_stream(struct schedule *schedule, struct subflow *subflow,
                           struct stream *stream, struct piece *piece)
{
    uint64_t sendable = stream_sendable(schedule->streams, stream);
    struct range owed;

    if (!path_allows(schedule->paths, subflow->path, &stream->policy) ||
        scheduler_spares(schedule, subflow->path, stream))
        return false;
    if (stream_is_redundant(stream) ? !redundant_takes(schedule, subflow, stream)
                                    : stream->class == STREAM_INTERACTIVE &&
                                          better_elsewhere(schedule, subflow, stream))
        return false;
    if (ranges_next(&stream->owed, 0, UINT64_MAX, &owed))
        *piece = (struct piece){
            .stream = stream, .offset = owed.start, .length = owed.end - owed.start};
    else if (redundant_next(schedule, subflow, stream, piece))
        return true;
    else if (sendable > 0)
        *piece = (struct piece){
            .stream = stream, .offset = stream->out_next, .length = sendable};
    else
        return false;
    return stream_is_redundant(stream) ||
           split_may_carry(schedule, subflow, stream, piece->length);
}

static bool next_waiting(struct schedule *schedule, struct subflow *subflow,
                         struct piece *piece)
{
    bool held = packets_hold(schedule->subflows, subflow);

    if (held && subflow->eliciting_unacked >= SMALL_CHUNKS_MAX)
        return false;
    for (unsigned position = 0; position < STREAM_CLASSES; position++) {
        enum stream_class class = stream_class_turn(schedule->streams, position);

        if (((held || scheduler_is_lane(schedule, subflow)) &&
             class != STREAM_INTERACTIVE) ||
            (class == STREAM_BULK && restraint_holds(schedule, subflow->path)))
            continue;
        list_foreach(&schedule->streams->ready[class], node, after) {
            if (next_of_stream(schedule, subflow, list_entry(node, struct stream, ready),
                               piece))
                return true;
        }
    }
    return false;
}

/* ---- all of it ---- */

static unsigned active_paths(const struct schedule *schedule)
{
    unsigned active = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        active += schedule->paths->items[i].subflows > 0;
    return active;
}

/* No new data may go anywhere: there is none, or no credit for it. */
static bool exhausted(const struct schedule *schedule)
{
    return schedule->streams->waiting_bytes == 0 ||
           (schedule->streams->owed_bytes == 0 && streams_credit(schedule->streams) == 0);
}

bool scheduler_next(struct schedule *schedule, struct subflow *subflow, struct piece *piece)
{
    if (subflow->state != SUBFLOW_STATE_OPEN || subflow->end_sent || subflow->suspect ||
        path_room(schedule->paths, subflow->path) == 0)
        return false;
    /* Data on a suspect subflow, or of a small stream on a late one, may block a stream's
     * head: it goes first. */
    if ((schedule->subflows->suspects > 0 || schedule->paths->late != 0) &&
        reinjection_next(schedule, subflow, false, piece))
        return true;
    if (next_waiting(schedule, subflow, piece))
        return true;
    return exhausted(schedule) && active_paths(schedule) > 1 &&
           reinjection_next(schedule, subflow, true, piece);
}
