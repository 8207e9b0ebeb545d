/*
 * `split`: each range of data travels once, on the subflow that completes it earliest.
 *
 * A subflow of path p is given data only if no faster path q would have finished what is
 * left of the stream before p delivers its first byte:
 *
 *     srtt_p + queued_p / rate_p  <=  srtt_q + (queued_q + left) / rate_q
 *
 * where left is the smaller of what waits in the stream and what credit allows. So a slow
 * path helps with a long transfer, and keeps out of a short one and of every tail. While
 * the stream's buffer is at least half full its end is not in sight, and half of the credit
 * counts: a path that is as late as all of it would stall the others whenever it is later
 * than was estimated.
 */
#include "session_internal.h"

/* The least that an acknowledgement may be later than expected. */
#define LATE_MARGIN_NS (5 * NS_PER_MS)
#define STALL_MARGIN_NS (25 * NS_PER_MS)

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

/* Streams whose copies another set of paths has to carry now. */
static void set_live_paths(struct session *session, uint16_t live)
{
    if (session->live_paths == live)
        return;
    session->live_paths = live;
    session->pool_dirty = true; /* a backup may be wanted, or not any more */
    list_foreach(&session->streams, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        if (stream->copies != NULL)
            stream_update_ready(session, stream);
    }
}

/* When what was sent longest ago, and asks to be acknowledged, was sent. */
static uint64_t oldest_ns(const struct subflow *subflow)
{
    const struct sent_chunk *chunk;
    size_t i = 0;

    do
        chunk = ring_at(&subflow->chunks, i++);
    while (!chunk->eliciting);
    return chunk->sent_ns;
}

static void look_whether_late(struct session *session, struct subflow *subflow)
{
    subflow->late = subflow_late_ns(session, subflow) <= session->now;
    session->any_late |= subflow->late;
    if (subflow->late && session->paths[subflow->path].heard_ns <= oldest_ns(subflow))
        session->doubtful_paths |= (uint16_t)(1u << subflow->path);
}

/* With two or more subflows on the path of least latency, one carries no bulk. It stays the
 * lane until it is used up; a successor has carried as little bulk as can be had. */
void scheduler_update(struct session *session)
{
    unsigned usable[SESSION_PATHS_MAX] = {0};
    struct subflow *best = NULL;
    uint16_t live = 0;

    session->doubtful_paths = 0;
    session->any_late = false;

    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        uint64_t rtt_ns, best_ns;

        look_whether_late(session, subflow);
        if (subflow_usable(subflow)) {
            subflow->twin = live >> subflow->path & 1;
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
    set_live_paths(session, live);
    /* The path itself must not be lost to bulk. */
    if (best == NULL || usable[best->path] < 2)
        session->lane = NULL;
    else if (session->lane == NULL || !fit_as_lane(session->lane) ||
             usable[session->lane->path] < 2 ||
             path_rtt_ns(&session->paths[session->lane->path]) >
                 2 * path_rtt_ns(&session->paths[best->path]))
        session->lane = best;
}

/* ---- paths in reserve ---- */

/* Some subflow of the path takes data of the stream at this moment. */
static bool has_room(const struct session *session, unsigned index,
                     const struct stream *stream)
{
    for (const struct list *node = session->subflows.next; node != &session->subflows;
         node = node->next) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->path == index && subflow_usable(subflow) && subflow->writable &&
            (stream->class == STREAM_INTERACTIVE || !lane_is(session, subflow)))
            return true;
    }
    return false;
}

/* The path is to be spared: it is a backup, and another works; or it is dearer than one
 * that has room. */
static bool spared(const struct session *session, unsigned index,
                   const struct stream *stream)
{
    const struct path_properties *own = &session->paths[index].properties;

    if (path_in_reserve(session, index, stream))
        return true;
    /* Who wants copies pays for them. */
    if (stream_is_redundant(stream))
        return false;
    for (unsigned i = 0; own->cost > 0 && session->live_paths >> i != 0; i++)
        if (session->live_paths >> i & 1 && session->paths[i].properties.cost < own->cost &&
            !path_in_reserve(session, i, stream) && path_allows(session, i, stream) &&
            has_room(session, i, stream))
            return true;
    return false;
}

/* ---- earliest completion ---- */

static uint64_t arrival_ns(const struct path *path)
{
    return path_arrival_ns(path, path->queued_out);
}

/* Some subflow of the path will take this data, now or when it is writable again. */
static bool path_can_send(const struct session *session, unsigned index,
                          const struct stream *stream, bool bulk)
{
    if (!path_allows(session, index, stream))
        return false;
    for (const struct list *node = session->subflows.next; node != &session->subflows;
         node = node->next) {
        const struct subflow *subflow =
            (const struct subflow *)((const char *)node - offsetof(struct subflow, node));

        if (subflow->path == index && subflow_usable(subflow) &&
            !(bulk && lane_is(session, subflow)))
            return true;
    }
    return false;
}

static bool worth_it(const struct session *session, const struct subflow *subflow,
                     const struct stream *stream, uint64_t left)
{
    bool bulk = stream->class != STREAM_INTERACTIVE;
    const struct path *own = &session->paths[subflow->path];
    uint64_t own_ns = arrival_ns(own);

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct path *other = &session->paths[i];

        /* Nobody waits for a path that is to be spared. */
        if (i == subflow->path || other->subflows == 0 ||
            other->properties.cost > own->properties.cost ||
            path_in_reserve(session, i, stream) || arrival_ns(other) >= own_ns ||
            !path_can_send(session, i, stream, bulk))
            continue;
        /* Nothing is known of the faster path's rate before it was used: use it. */
        if (other->rate_out == 0 ||
            own_ns > arrival_ns(other) + path_drain_ns(left, other->rate_out))
            return false;
    }
    return true;
}

/* ---- new and owed data ---- */

static uint64_t bytes_left(const struct session *session, const struct stream *stream,
                           uint64_t at_least)
{
    uint64_t waiting = stream_waiting(stream);
    uint64_t end = stream_credit_end(stream);
    uint64_t credit = MIN(session_credit(session), end - MIN(end, stream->out_next));

    return MAX(waiting < STREAM_WAIT_MAX / 2 ? MIN(credit, waiting) : credit / 2, at_least);
}

/* The subflow may be waiting for a lost segment, and another is free of that: for small
 * data the other is the better one. A redundant stream wants it on the same path. */
static bool better_elsewhere(const struct session *session, const struct subflow *subflow,
                             const struct stream *stream)
{
    if (stream->class != STREAM_INTERACTIVE || !subflow->late)
        return false;
    for (const struct list *node = session->subflows.next; node != &session->subflows;
         node = node->next) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        if (subflow_usable(other) && other->writable && !other->late &&
            (other->path == subflow->path || !stream_is_redundant(stream)) &&
            path_allows(session, other->path, stream))
            return true;
    }
    return false;
}

static bool next_of_stream(struct session *session, struct subflow *subflow,
                           struct stream *stream, struct piece *piece)
{
    uint64_t sendable = stream_sendable(session, stream);

    if (!path_allows(session, subflow->path, stream) ||
        spared(session, subflow->path, stream) ||
        better_elsewhere(session, subflow, stream))
        return false;
    if (stream_is_redundant(stream) && !redundant_may_carry(session, subflow->path, stream))
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
           worth_it(session, subflow, stream, bytes_left(session, stream, piece->length));
}

static bool next_waiting(struct session *session, struct subflow *subflow,
                         struct piece *piece)
{
    for (unsigned position = 0; position < STREAM_CLASSES; position++) {
        enum stream_class class = stream_class_turn(session, position);

        if (lane_is(session, subflow) && class != STREAM_INTERACTIVE)
            continue;
        list_foreach(&session->ready[class], node, after) {
            if (next_of_stream(session, subflow, list_entry(node, struct stream, ready),
                               piece))
                return true;
        }
    }
    return false;
}

/* ---- reinjection ---- */

/* How much of a subflow may be copied by another. */
enum reinject { REINJECT_NOTHING, REINJECT_SMALL, REINJECT_ALL };

bool stream_is_small(const struct stream *stream)
{
    return stream->out_next - stream->out_acked < INTERACTIVE_MAX;
}

/* What of the item has neither been acknowledged nor copied, and may go on the path. */
static bool still_missing(const struct session *session, unsigned path, unsigned from_path,
                          struct sent_item *item, struct piece *piece)
{
    const struct stream *stream = item->stream;
    uint64_t from = MAX(item->offset + item->copied, stream->out_acked);
    uint64_t end = item->offset + item->length;

    if (item->copy || !path_allows(session, path, stream) || stream->reset_sent ||
        stream->send_done || from >= end || ranges_contains(&stream->acked, from, end) ||
        redundant_covered(session, from_path, stream, from, end))
        return false;
    *piece = (struct piece){.stream = item->stream,
                            .offset = from,
                            .length = end - from,
                            .copy = true,
                            .copy_of = item};
    return true;
}

static bool oldest_missing(const struct session *session, unsigned path,
                           const struct subflow *subflow, enum reinject how,
                           struct piece *piece)
{
    for (size_t i = 0; i < subflow->items.count; i++) {
        struct sent_item *item = ring_at(&subflow->items, i);

        if (item->kind == SENT_DATA &&
            (how == REINJECT_ALL || stream_is_small(item->stream)) &&
            still_missing(session, path, subflow->path, item, piece))
            return true;
    }
    return false;
}

/* How long the newest on the path takes to be acknowledged. */
static uint64_t whole_ns(const struct path *path)
{
    return path_rtt_ns(path) + ACK_DELAY_NS +
           path_drain_ns(path->queued_out, path->rate_out);
}

/* When what the other subflow sent last should be acknowledged, counted from now. */
static uint64_t expected_ns(const struct session *session, const struct subflow *other)
{
    uint64_t waited_ns = session->now - oldest_ns(other);
    uint64_t all_ns = whole_ns(&session->paths[other->path]);

    /* Overdue: the estimate was wrong, and nobody knows when it will arrive. */
    return waited_ns >= all_ns ? TIME_NEVER : all_ns - waited_ns;
}

/* When not even the peer's TCP will have acknowledged anything for longer than a lost
 * segment explains, which takes one round trip to be made good: the path may be dead. */
static uint64_t stall_begins_ns(const struct session *session,
                                const struct subflow *subflow)
{
    uint64_t rtt_ns =
        MAX(subflow_rtt_ns(session, subflow), path_rtt_ns(&session->paths[subflow->path]));

    return subflow->progress_ns + rtt_ns + rtt_ns / 2 + STALL_MARGIN_NS;
}

uint64_t subflow_late_ns(const struct session *session, const struct subflow *subflow)
{
    const struct path *path = &session->paths[subflow->path];

    if (subflow->state != SUBFLOW_STATE_OPEN || subflow->eliciting_unacked == 0)
        return TIME_NEVER;
    /* A quarter more than usual, so that jitter alone does not count. */
    return MIN(stall_begins_ns(session, subflow), oldest_ns(subflow) + whole_ns(path) +
                                                      path_rtt_ns(path) / 4 +
                                                      LATE_MARGIN_NS);
}

/* `idle`: there is nothing new to send. */
static enum reinject reinject_from(const struct session *session,
                                   const struct subflow *subflow,
                                   const struct subflow *other, bool idle)
{
    if (other == subflow || other->eliciting_unacked == 0)
        return REINJECT_NOTHING;
    if (other->suspect ||
        (other->path != subflow->path && stall_begins_ns(session, other) <= session->now))
        return REINJECT_ALL;
    /* To be sooner is no reason to use a path that is to be spared. */
    if (idle && other->path != subflow->path &&
        !path_in_reserve(session, subflow->path, NULL) &&
        session->paths[subflow->path].properties.cost <=
            session->paths[other->path].properties.cost &&
        expected_ns(session, other) > arrival_ns(&session->paths[subflow->path]))
        return REINJECT_ALL;
    return other->late && !subflow->late ? REINJECT_SMALL : REINJECT_NOTHING;
}

/* Of all that may be copied, what is nearest to its stream's head: that is waited for. */
static bool next_reinjection(struct session *session, struct subflow *subflow, bool idle,
                             struct piece *piece)
{
    uint64_t least = UINT64_MAX;

    list_foreach(&session->subflows, node, after) {
        struct subflow *other = list_entry(node, struct subflow, node);
        enum reinject how = reinject_from(session, subflow, other, idle);
        struct piece found;

        if (lane_is(session, subflow))
            how = MIN(how, REINJECT_SMALL);
        if (how == REINJECT_NOTHING ||
            !oldest_missing(session, subflow->path, other, how, &found) ||
            found.offset - found.stream->out_acked >= least)
            continue;
        least = found.offset - found.stream->out_acked;
        *piece = found;
    }
    return least < UINT64_MAX;
}

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

static bool split_next(struct session *session, struct subflow *subflow,
                       struct piece *piece)
{
    if (subflow->state != SUBFLOW_STATE_OPEN || subflow->end_sent || subflow->suspect ||
        path_room(session, subflow->path) == 0)
        return false;
    /* What a suspect holds, or a small stream waits for, may block a head: it goes first.
     */
    if ((session->suspects > 0 || session->any_late) &&
        next_reinjection(session, subflow, false, piece))
        return true;
    if (next_waiting(session, subflow, piece))
        return true;
    return exhausted(session) && active_paths(session) > 1 &&
           next_reinjection(session, subflow, true, piece);
}

const struct scheduler scheduler_split = {.name = "split", .next = split_next};
