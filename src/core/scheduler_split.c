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

/* With two or more subflows on the path of least latency, one carries no bulk. It stays the
 * lane until it is used up; a successor has carried as little bulk as can be had. */
void lane_update(struct session *session)
{
    unsigned usable[SESSION_PATHS_MAX] = {0};
    struct subflow *best = NULL;

    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        uint64_t rtt_ns, best_ns;

        if (!fit_as_lane(subflow))
            continue;
        usable[subflow->path]++;
        rtt_ns = path_rtt_ns(&session->paths[subflow->path]);
        best_ns = best == NULL ? TIME_NEVER : path_rtt_ns(&session->paths[best->path]);
        if (best == NULL || rtt_ns < best_ns ||
            (rtt_ns == best_ns && best->bulk && !subflow->bulk))
            best = subflow;
    }
    /* The path itself must not be lost to bulk. */
    if (best == NULL || usable[best->path] < 2)
        session->lane = NULL;
    else if (session->lane == NULL || !fit_as_lane(session->lane) ||
             usable[session->lane->path] < 2 ||
             path_rtt_ns(&session->paths[session->lane->path]) >
                 2 * path_rtt_ns(&session->paths[best->path]))
        session->lane = best;
}

/* ---- earliest completion ---- */

static uint64_t arrival_ns(const struct path *path)
{
    return path_arrival_ns(path, path->queued_out);
}

/* Some subflow of the path will take this data, now or when it is writable again. */
static bool path_can_send(const struct session *session, unsigned index, bool bulk)
{
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
                     bool bulk, uint64_t left)
{
    const struct path *own = &session->paths[subflow->path];
    uint64_t own_ns = arrival_ns(own);

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct path *other = &session->paths[i];

        if (i == subflow->path || other->subflows == 0 || arrival_ns(other) >= own_ns ||
            !path_can_send(session, i, bulk))
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
    uint64_t credit = MIN(session->out_window - session->out_sum,
                          stream->out_window - MIN(stream->out_window, stream->out_next));

    return MAX(waiting < STREAM_WAIT_MAX / 2 ? MIN(credit, waiting) : credit / 2, at_least);
}

static bool next_of_stream(struct session *session, struct subflow *subflow,
                           struct stream *stream, struct piece *piece)
{
    uint64_t sendable = stream_sendable(session, stream);

    if (stream->owed.count > 0)
        *piece = (struct piece){.stream = stream,
                                .offset = stream->owed.items[0].start,
                                .length = stream->owed.items[0].end -
                                          stream->owed.items[0].start};
    else if (sendable > 0)
        *piece = (struct piece){
            .stream = stream, .offset = stream->out_next, .length = sendable};
    else
        return false;
    return worth_it(session, subflow, stream->class != STREAM_INTERACTIVE,
                    bytes_left(session, stream, piece->length));
}

static bool next_waiting(struct session *session, struct subflow *subflow,
                         struct piece *piece)
{
    if (session->waiting_bytes == 0)
        return false;
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

/* What of the item has neither been acknowledged nor copied. */
static bool still_missing(struct sent_item *item, struct piece *piece)
{
    const struct stream *stream = item->stream;
    uint64_t from = MAX(item->offset + item->copied, stream->out_acked);
    uint64_t end = item->offset + item->length;

    if (item->copy || stream->reset_sent || stream->send_done || from >= end ||
        ranges_contains(&stream->acked, from, end))
        return false;
    *piece = (struct piece){
        .stream = item->stream, .offset = from, .length = end - from, .copy_of = item};
    return true;
}

static bool oldest_missing(const struct subflow *subflow, struct piece *piece)
{
    for (size_t i = 0; i < subflow->items.count; i++) {
        struct sent_item *item = ring_at(&subflow->items, i);

        if (item->kind == SENT_DATA && still_missing(item, piece))
            return true;
    }
    return false;
}

/* When what the other subflow sent last should be acknowledged, counted from now. */
static uint64_t expected_ns(const struct session *session, const struct subflow *other)
{
    const struct path *path = &session->paths[other->path];
    const struct sent_chunk *oldest = ring_at(&other->chunks, 0);
    uint64_t whole_ns = path_rtt_ns(path) + ACK_DELAY_NS +
                        path_drain_ns(path->queued_out, path->rate_out);
    uint64_t waited_ns = session->now - oldest->sent_ns;

    /* Overdue: the estimate was wrong, and nobody knows when it will arrive. */
    return waited_ns >= whole_ns ? TIME_NEVER : whole_ns - waited_ns;
}

static bool next_copy(struct session *session, struct subflow *subflow, bool suspects_only,
                      struct piece *piece)
{
    uint64_t own_ns = arrival_ns(&session->paths[subflow->path]);

    list_foreach(&session->subflows, node, after) {
        struct subflow *other = list_entry(node, struct subflow, node);

        if (other == subflow || other->chunks.count == 0 ||
            (!other->suspect &&
             (suspects_only || other->path == subflow->path ||
              expected_ns(session, other) <= own_ns)))
            continue;
        if (oldest_missing(other, piece))
            return true;
    }
    return false;
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
           (session->owed_bytes == 0 && session->out_window == session->out_sum);
}

static bool split_next(struct session *session, struct subflow *subflow, struct piece *piece)
{
    if (subflow->state != SUBFLOW_STATE_OPEN || subflow->end_sent || subflow->suspect)
        return false;
    /* What a suspect holds may block a stream's head: it goes first, new data behind. */
    if (session->suspects > 0 && next_copy(session, subflow, true, piece))
        return true;
    if (next_waiting(session, subflow, piece))
        return true;
    return exhausted(session) && active_paths(session) > 1 &&
           next_copy(session, subflow, false, piece);
}

const struct scheduler scheduler_split = {.name = "split", .next = split_next};
