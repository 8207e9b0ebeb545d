/*
 * Which data goes on which subflow: the order in which streams, what is owed, copies and
 * reinjections are looked at, and what no mode may do: bulk on the interactive lane, data
 * on a path that the stream may not use, that is to be spared, or whose ceiling is met.
 * The modes decide the rest, each stream by its own: scheduler_split.c, _redundant.c.
 */
#include "../session/session_internal.h"

/* ---- the interactive lane ---- */

bool lane_is(const struct session *session, const struct subflow *subflow)
{
    return session->lane == subflow;
}

static bool fit_as_lane(const struct subflow *subflow)
{
    /* In the tight regime each subflow is used up by one burst: there is no lane. */
    return subflow_usable(subflow) && subflow->begun && subflow->budget_out > TIGHT_BUDGET;
}

static void set_paths(struct session *session, uint16_t live)
{
    uint16_t doubtful = 0;

    for (unsigned i = 0; live >> i != 0; i++)
        doubtful |= (uint16_t)((live >> i & 1u && path_doubtful(session, i)) << i);
    if (session->live_paths == live && session->doubtful_paths == doubtful)
        return;
    if (session->live_paths != live)
        session->pool_dirty = true; /* a backup may be wanted, or not any more */
    session->live_paths = live;
    session->doubtful_paths = doubtful;
    /* Other paths have to carry the copies now. */
    list_foreach(&session->streams, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        if (stream->copies != NULL)
            stream_update_ready(session, stream);
    }
}

static void look_whether_late(struct session *session, struct subflow *subflow)
{
    uint64_t late_ns = subflow_late_ns(session, subflow);
    uint16_t path = (uint16_t)(1u << subflow->path);

    subflow->late = late_ns <= session->now;
    if (!subflow->late)
        return; /* it is late before its path is doubtful, or silent */
    session->late_paths |= path;
    path_note_late(&session->paths[subflow->path], subflow_oldest_ns(subflow), late_ns,
                   session->now);
    if (subflow_silence_ns(session, subflow) <= session->now)
        session->paths[subflow->path].silent_ns = session->now;
}

/* Until something comes on the path again: that what waited for it was given up, and the
 * rest waits for nothing, proves nothing. */
static bool still_silent(const struct path *path)
{
    return path->silent_ns > MAX(path->acked_ns, path->heard_ns);
}

/* With two or more subflows on the path of least latency, one carries no bulk. It stays the
 * lane until it is used up; a successor has carried as little bulk as can be had. */
void scheduler_update(struct session *session)
{
    unsigned usable[SESSION_PATHS_MAX] = {0};
    struct carriers carriers[SESSION_PATHS_MAX] = {0};
    struct subflow *best = NULL;
    uint16_t live = 0;

    session->late_paths = session->silent_paths = 0;

    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        uint64_t rtt_ns, best_ns;

        look_whether_late(session, subflow);
        if (subflow_usable(subflow)) {
            carriers_consider(session, &carriers[subflow->path], subflow);
            live |= (uint16_t)(1u << subflow->path);
        }
        if (!fit_as_lane(subflow))
            continue;
        usable[subflow->path]++;
        rtt_ns = path_rtt_ns(&session->paths[subflow->path]);
        best_ns = best == NULL ? TIME_NEVER : path_rtt_ns(&session->paths[best->path]);
        if (best == NULL || rtt_ns < best_ns ||
            (rtt_ns == best_ns && best->bulk && !subflow->bulk))
            best = subflow;
    }
    for (unsigned i = 0; live >> i != 0; i++) {
        carriers_appoint(&carriers[i]);
        session->silent_paths |=
            (uint16_t)((live >> i & 1u && still_silent(&session->paths[i])) << i);
    }
    set_paths(session, live);
    /* The path itself must not be lost to bulk. */
    if (best == NULL || usable[best->path] < 2)
        session->lane = NULL;
    else if (session->lane == NULL || !fit_as_lane(session->lane) ||
             usable[session->lane->path] < 2 ||
             path_rtt_ns(&session->paths[session->lane->path]) >
                 2 * path_rtt_ns(&session->paths[best->path]))
        session->lane = best;
    sparing_update(session);
    restraint_update(session);
}

/* ---- paths in reserve ---- */

/* The path is one of them, and another that lives is not. */
static bool is_worse(const struct session *session, uint16_t paths, unsigned index)
{
    return paths >> index & 1 && (session->live_paths & ~paths) != 0;
}

bool path_silent(const struct session *session, unsigned index)
{
    return is_worse(session, session->silent_paths, index);
}

bool path_uncertain(const struct session *session, unsigned index)
{
    return is_worse(session, session->doubtful_paths, index);
}

bool path_takes(const struct session *session, unsigned index, const struct stream *stream,
                bool at_once)
{
    if (!path_allows(session, index, &stream->policy) || path_silent(session, index))
        return false;
    list_foreach_const(&session->subflows, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->path == index && subflow_usable(subflow) &&
            (subflow->writable || !at_once) &&
            (stream->class == STREAM_INTERACTIVE ||
             (!lane_is(session, subflow) && !packets_hold(session, subflow))))
            return true;
    }
    return false;
}

bool scheduler_spares(const struct session *session, unsigned index,
                      const struct stream *stream)
{
    const struct path_properties *own = &session->paths[index].properties;

    if (path_in_reserve(session, index, &stream->policy) ||
        sparing_holds(session, index, stream))
        return true;
    /* Who wants copies pays for them. */
    if (stream->policy.mode == STREAM_MODE_REDUNDANT)
        return false;
    for (unsigned i = 0; own->cost > 0 && session->live_paths >> i != 0; i++)
        if (session->live_paths >> i & 1 && session->paths[i].properties.cost < own->cost &&
            !path_in_reserve(session, i, &stream->policy) && path_takes(session, i, stream, true))
            return true;
    return false;
}

/* ---- new and owed data ---- */

/* The subflow may be waiting for a lost segment, and another is free of that: for small
 * data, and for control (`stream` NULL), the other is the better one. */
static bool better_elsewhere(const struct session *session, const struct subflow *subflow,
                             const struct stream *stream)
{
    if (!subflow->late)
        return false;
    list_foreach_const(&session->subflows, node) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        if (subflow_usable(other) && other->writable && !other->late &&
            subflow_may_begin(session, other) && !path_silent(session, other->path) &&
            (stream == NULL || path_allows(session, other->path, &stream->policy)))
            return true;
    }
    return false;
}

bool scheduler_avoids(const struct session *session, const struct subflow *subflow)
{
    return path_silent(session, subflow->path) || better_elsewhere(session, subflow, NULL);
}

static bool next_of_stream(struct session *session, struct subflow *subflow,
                           struct stream *stream, struct piece *piece)
{
    uint64_t sendable = stream_sendable(session, stream);

    if (!path_allows(session, subflow->path, &stream->policy) ||
        scheduler_spares(session, subflow->path, stream))
        return false;
    if (stream_is_redundant(stream) ? !redundant_takes(session, subflow, stream)
                                    : stream->class == STREAM_INTERACTIVE &&
                                          better_elsewhere(session, subflow, stream))
        return false;
    if (stream->owed.count > 0)
        *piece = (struct piece){.stream = stream,
                                .offset = stream->owed.items[0].start,
                                .length = stream->owed.items[0].end -
                                          stream->owed.items[0].start};
    else if (redundant_next(session, subflow, stream, piece))
        return true;
    else if (sendable > 0)
        *piece = (struct piece){
            .stream = stream, .offset = stream->out_next, .length = sendable};
    else
        return false;
    return stream_is_redundant(stream) ||
           split_may_carry(session, subflow, stream, piece->length);
}

static bool next_waiting(struct session *session, struct subflow *subflow,
                         struct piece *piece)
{
    bool held = packets_hold(session, subflow);

    if (held && subflow->eliciting_unacked >= SMALL_CHUNKS_MAX)
        return false;
    for (unsigned position = 0; position < STREAM_CLASSES; position++) {
        enum stream_class class = stream_class_turn(session, position);

        if (((held || lane_is(session, subflow)) && class != STREAM_INTERACTIVE) ||
            (class == STREAM_BULK && restraint_holds(session, subflow->path)))
            continue;
        list_foreach(&session->ready[class], node, after) {
            if (next_of_stream(session, subflow, list_entry(node, struct stream, ready),
                               piece))
                return true;
        }
    }
    return false;
}

/* ---- all of it ---- */

static unsigned active_paths(const struct session *session)
{
    unsigned active = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        active += session->paths[i].subflows > 0;
    return active;
}

/* No new data may go anywhere: there is none, or credit forbids it. */
static bool exhausted(const struct session *session)
{
    return session->waiting_bytes == 0 ||
           (session->owed_bytes == 0 && session_credit(session) == 0);
}

bool scheduler_next(struct session *session, struct subflow *subflow, struct piece *piece)
{
    if (subflow->state != SUBFLOW_STATE_OPEN || subflow->end_sent || subflow->suspect ||
        path_room(session, subflow->path) == 0)
        return false;
    /* What a suspect holds, or a small stream waits for, may block a head: it goes first.
     */
    if ((session->suspects > 0 || session->late_paths != 0) &&
        reinjection_next(session, subflow, false, piece))
        return true;
    if (next_waiting(session, subflow, piece))
        return true;
    return exhausted(session) && active_paths(session) > 1 &&
           reinjection_next(session, subflow, true, piece);
}
