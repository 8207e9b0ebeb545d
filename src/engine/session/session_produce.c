/* SPDX-License-Identifier: MIT */
#include "composer.h"

/* Largest rest of a budget that the relay still uses after local has ended the subflow. */
#define LEFTOVER_MAX (1024 * 1024)
/* How long the bytes of one session_produce() may take to leave. More are better kept
 * back, where the scheduler can still choose. */
#define BURST_NS (2 * NS_PER_MS)

/* ---- the chunk ---- */

static bool anything_to_send(struct session *session, struct subflow *subflow)
{
    bool controls = session->context.send_session_window ||
                    session->context.send_stream_limit || session->context.send_demand ||
                    session->context.send_paths != 0 || session->context.send_rate ||
                    !list_empty(&session->streams.control) ||
                    (session->context.large_lost != 0 &&
                     session->context.config.role == SESSION_RELAY) ||
                    session->flows.send_limit || !list_empty(&session->flows.control) ||
                    session->flows.closing.count > 0;
    struct piece piece;

    return subflow->ping || subflow->retire ||
           (controls && !scheduler_avoids(&session->schedule, subflow)) ||
           flows_need(&session->schedule, subflow) > 0 ||
           scheduler_next(&session->schedule, subflow, &piece);
}

/* An OPEN must go in one chunk, even if chunks are configured to be smaller: the size that
 * the next chunk needs for it, or 0. */
static uint64_t open_size(const struct session *session)
{
    const struct stream *stream =
        list_first(&session->streams.control, struct stream, control);
    size_t length;

    if (stream == NULL || !(stream->control_pending & STREAM_SEND_OPEN))
        return 0;
    length = CHUNK_OVERHEAD + frame_open_length(stream->id, stream->target);
    return length > session->context.config.chunk_size ? length + FRAME_SUBFLOW_MAX + 1 : 0;
}

/* Whether the subflow's next chunk must fit a packet that passes on every path, and be
 * sent by itself. */
static bool goes_small(const struct session *session, const struct subflow *subflow)
{
    return packets_begin_small(&session->subflows, subflow) ||
           packets_hold(&session->subflows, subflow);
}

/* Finds how much plaintext the budget allows in this chunk, and whether the chunk is the
 * last. */
static bool set_limit(struct composer *c, size_t header, size_t capacity)
{
    struct session *session = c->session;
    uint64_t left = subflow_budget_left(c->subflow);
    uint64_t size =
        MIN(MAX(session->context.config.chunk_size, open_size(session)), capacity - header);

    if (!c->subflow->begun && session->context.config.role == SESSION_LOCAL)
        size = MIN(size, FIRST_CHUNK_MAX);
    if (goes_small(session, c->subflow))
        size = MIN(size, PACKET_SMALL);
    /* A connection that is frozen within a chunk has carried that chunk in vain. */
    size = MIN(size, MAX(c->subflow->bytes_sent, CHUNK_FIRST));
    /* Frames of control may exceed a ceiling, and count against it later, and so may a
     * datagram, which cannot be cut; data waits. */
    size =
        MIN(size, MAX(path_room(&session->paths, c->subflow->path),
                      MAX(RATE_LIMIT_PIECE, flows_need(&session->schedule, c->subflow))));
    left -= MIN(left, header);
    c->last = c->subflow->retire || c->subflow->chunks_sent + 1 >= SEAL_CHUNKS_MAX;
    if (left < size + BUDGET_RESERVE) {
        /* The last chunk may use all of the budget; any other must leave the reserve. It
         * is the last if data would fill it, or if nothing would fit behind it. */
        struct piece piece;

        if (left < 2 * BUDGET_RESERVE + CHUNK_OVERHEAD + COMPOSER_DATA_MIN ||
            (session->streams.waiting_bytes + CHUNK_OVERHEAD + BUDGET_RESERVE >= left &&
             scheduler_next(&session->schedule, c->subflow, &piece)))
            c->last = true;
        size = MIN(size, c->last ? left : left - BUDGET_RESERVE);
    }
    if (size <= CHUNK_OVERHEAD)
        return false;
    c->limit = (size_t)size - CHUNK_OVERHEAD;
    return true;
}

static bool must_be_proven(const struct session *session, const struct subflow *subflow)
{
    return session->context.now - MAX(subflow->proven_at_ns, subflow->up_at_ns) >= PROBE_NS;
}

/* Datagrams of flows that send little come first; a chunk that has some carries no bulk,
 * which would delay them. Those of other flows take turns with the streams. */
static void compose_data(struct composer *c)
{
    size_t before = c->length;

    while (compose_datagram(c, false))
        continue;
    if (c->length > before && c->subflow->budget_out > INITIAL_WINDOW)
        return;
    while (compose_turn(c))
        continue;
    while (compose_piece(c))
        continue;
    while (compose_datagram(c, true))
        continue;
}

static void compose_chunk(struct composer *c)
{
    struct session *session = c->session;
    struct subflow *subflow = c->subflow;
    bool wanted = session->subflows.ack_wanted;

    if (!subflow->begun && session->context.config.role == SESSION_LOCAL)
        compose_subflow(c);
    if (c->last)
        compose_type(c, FRAME_END);
    if (session->context.state == SESSION_STATE_CLOSING) {
        compose_close(c);
        return;
    }
    /* In a small budget the other frames must leave room for a datagram. */
    if (subflow->budget_out <= INITIAL_WINDOW)
        compose_datagram(c, false);
    if (!scheduler_path_silent(&session->schedule, subflow->path))
        compose_acks(c, c->last ? 10 : 0);
    if (subflow->ping)
        compose_type(c, FRAME_PING);
    subflow->ping = false;
    if (!scheduler_avoids(&session->schedule, subflow)) {
        compose_session_controls(c);
        compose_stream_controls(c);
        compose_flow_controls(c);
        compose_demand(c, c->last);
    }
    compose_data(c);
    if (c->redundant)
        compose_acks_again(c);
    /* Only if the peer keeps state until it gets the ACKs: else two sides at rest would
     * keep each other awake. */
    if (c->length > 0 && !c->eliciting && wanted && must_be_proven(session, subflow)) {
        compose_type(c, FRAME_PING);
        subflow->proven_at_ns = session->context.now;
    }
}

/* Seals the parts into `out`; `header` bytes of JOIN stand in front of it. */
static bool seal_chunk(struct composer *c, uint8_t *out, size_t header)
{
    struct seal *seal = &c->subflow->seal;
    size_t sealed = c->length + SEAL_TAG_SIZE;
    uint8_t *chunk = out + header;
    uint8_t *at = chunk + 2;

    chunk[0] = (uint8_t)(sealed >> 8);
    chunk[1] = (uint8_t)sealed;
    /* Additional data of the first chunk includes the JOIN header, if there is one. */
    if (seal_begin(seal, out, header + 2) != OK)
        return false;
    for (size_t i = 0; i < c->part_count; i++) {
        if (seal_update(seal, at, c->parts[i].iov_base, c->parts[i].iov_len) != OK)
            return false;
        at += c->parts[i].iov_len;
    }
    return seal_finish(seal, at) == OK;
}

/* Enters the chunk into the ledger. `length`: bytes on the wire. */
static bool record_chunk(struct composer *c, size_t length)
{
    struct subflow *subflow = c->subflow;
    struct sent_chunk *chunk = ring_push(&subflow->chunks);

    if (chunk == NULL)
        return false;
    *chunk = (struct sent_chunk){.sent_at_ns = c->session->context.now,
                                 .end = subflow->bytes_sent + length,
                                 .unkept_bytes = c->unkept_bytes,
                                 .items = c->items,
                                 .eliciting = c->eliciting,
                                 .hedged = c->session->subflows.hedging && c->items > 0};
    c->session->subflows.hedging &= c->items == 0;
    c->session->streams.records_held += 1 + c->items;
    subflow->chunks_sent++;
    if (subflow->eliciting_unacked == 0)
        keepalive_note_used(&c->session->subflows, subflow);
    if (c->eliciting && subflow->eliciting_unacked++ == 0) /* the wait begins */
        subflow->progress_at_ns = subflow->answer_at_ns = c->session->context.now;
    return true;
}

/* Composes and seals one chunk. Returns its length with the header, 0 for nothing. */
static size_t produce_chunk(struct session *session, struct subflow *subflow, uint8_t *out,
                            size_t capacity)
{
    struct composer c;
    size_t header = 0, length;

    c.session = session;
    session->schedule.composing = c.subflow = subflow;
    session->schedule.composed_bytes = 0;
    c.length = c.part_count = c.part_start = 0;
    c.items = 0;
    c.unkept_bytes = 0;
    c.eliciting = c.redundant = false;
    c.writer.at = c.scratch;
    if (!subflow->begun && !subflow->hello &&
        session->context.config.role == SESSION_LOCAL) {
        struct wire_writer w;

        wire_writer_init(&w, out, capacity);
        join_write(&w, subflow->generation->id, subflow->number);
        header = wire_length(&w);
    }
    if (!set_limit(&c, header, capacity))
        return 0;
    if (subflow->chunks_sent == 0)
        ack_repeat_unheard(&session->subflows);
    compose_chunk(&c);
    composer_close_part(&c);
    if (c.length == 0)
        return 0;
    length = header + c.length + CHUNK_OVERHEAD;
    /* Items without their chunk would be settled with another chunk: give the subflow
     * up. */
    session->schedule.composing = NULL;
    if (!record_chunk(&c, length) || !seal_chunk(&c, out, header)) {
        session_fail(session, ERROR_MEMORY, "out of memory");
        return 0;
    }
    if (session->streams.records_held >= RECORDS_HELD_END) {
        session_fail(session, ERROR_PROTOCOL, "nothing was acknowledged for too long");
        return 0;
    }
    subflow->begun = true;
    if (c.last) {
        subflow->end_sent = true;
        /* The relay does not wait: local may close without sending an END. */
        subflow->waits_for_end =
            session->context.config.role == SESSION_LOCAL && !subflow->end_received;
        subflow->retire = false;
        session->context.pool_dirty = true;
    }
    return length;
}

/* Relay: whether our END is due, since local has ended the subflow and waits for it. If
 * the rest of the budget is small enough, the relay first uses it up, as long as there is
 * data for this subflow. */
static bool local_has_ended(struct session *session, struct subflow *subflow)
{
    struct piece piece;

    return session->context.config.role == SESSION_RELAY && subflow->end_received &&
           (subflow_budget_left(subflow) > LEFTOVER_MAX ||
            !scheduler_next(&session->schedule, subflow, &piece));
}

static size_t burst_limit(const struct session *session, const struct subflow *subflow,
                          size_t capacity)
{
    /* Most subflows of a pool are too young to have been measured: use the path's rate. */
    uint64_t rate = subflow->measure.rate != 0
                        ? subflow->measure.rate
                        : session->paths.items[subflow->path].rate_acked;
    uint64_t burst = rate == 0 ? 4 * CHUNK_SIZE_MAX : rate / (NS_PER_S / BURST_NS);

    return (size_t)MIN(MAX(burst, CHUNK_SIZE_MAX), MIN(capacity, PRODUCE_MAX));
}

/* Whether the subflow must send something now, apart from data that others may carry. */
static bool wants(struct session *session, struct subflow *subflow)
{
    if (!subflow->writable)
        return false;
    if (subflow->state == SUBFLOW_STATE_HELLO)
        return handshake_unwritten(subflow);
    if (subflow->state != SUBFLOW_STATE_OPEN || subflow->end_sent)
        return false;
    if (session->context.state == SESSION_STATE_CLOSING)
        return session->send_close;
    if (!subflow->begun && session->context.config.role == SESSION_LOCAL)
        return subflow_may_begin(&session->subflows, subflow);
    /* The relay has data for the subflow, or answers with its own END. */
    if (session->context.config.role == SESSION_RELAY && subflow->end_received)
        return true;
    if (subflow->end_received)
        return false;
    if (subflow->suspect && !subflow->ping)
        return false;
    return (ack_due(&session->subflows) && !path_quiet(&session->paths, subflow->path) &&
            !scheduler_path_silent(&session->schedule, subflow->path) &&
            !carriers_spare(&session->schedule, subflow)) ||
           anything_to_send(session, subflow);
}

/* Whether `a` is asked before `b`. First come new subflows, except on the slower path,
 * where frames that open or answer a stream would be late; then the lane; then the
 * shortest round trip; among equals, the subflow that is nearest to its end of budget. */
static bool better(const struct session *session, const struct subflow *a,
                   const struct subflow *b)
{
    uint64_t rtt_a = path_rtt_ns(&session->paths.items[a->path]);
    uint64_t rtt_b = path_rtt_ns(&session->paths.items[b->path]);

    if (!a->begun && b->begun && rtt_a <= rtt_b)
        return true;
    if (a->begun && !b->begun && rtt_b <= rtt_a)
        return false;
    if (scheduler_is_lane(&session->schedule, a) !=
        scheduler_is_lane(&session->schedule, b))
        return scheduler_is_lane(&session->schedule, a);
    if (path_in_reserve(&session->paths, a->path, NULL) !=
        path_in_reserve(&session->paths, b->path, NULL))
        return path_in_reserve(&session->paths, b->path, NULL);
    if (session->paths.items[a->path].small_only !=
        session->paths.items[b->path].small_only)
        return session->paths.items[b->path].small_only;
    if (a->path != b->path && rtt_a != rtt_b)
        return rtt_a < rtt_b;
    return a->bytes_sent > b->bytes_sent;
}

static struct subflow *best_sender(struct session *session)
{
    struct subflow *best = NULL;

    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if ((best == NULL || better(session, subflow, best)) && wants(session, subflow))
            best = subflow;
    }
    return best;
}

/* Relay: usually a DEMAND goes along with data. Where all paths that are left are to be
 * spared, and may not carry the data that waits, local hears of that data by a DEMAND
 * alone. Then local dials the good path until it is back. */
static bool must_tell_demand(const struct session *session)
{
    const struct streams *streams = &session->streams;

    return session->context.config.role == SESSION_RELAY && !session->context.send_demand &&
           MIN(streams->waiting_bytes, streams_credit(streams) + streams->owed_bytes) > 0 &&
           streams->demand_maximum <= streams->out_sum &&
           sparing_everywhere(&session->schedule);
}

struct subflow *session_next_sender(struct session *session, uint64_t now)
{
    struct subflow *best;

    session->context.now = now;
    if (session->context.state == SESSION_STATE_ENDED)
        return NULL;
    if (session->context.config.role == SESSION_LOCAL) {
        pool_note_queues(&session->pool);
        if (pool_bulk_waits(&session->pool))
            sparing_note_bulk(&session->schedule);
    }
    scheduler_update(&session->schedule);
    best = best_sender(session);
    if (best == NULL && must_tell_demand(session)) {
        session->context.send_demand = true;
        best = best_sender(session);
    }
    return best;
}

size_t session_produce(struct session *session, struct subflow *subflow, uint8_t *buffer,
                       size_t capacity, uint64_t now)
{
    size_t length = 0;
    size_t limit = burst_limit(session, subflow, capacity);

    session->context.now = now;
    session->schedule.picked = false;
    if (subflow->state == SUBFLOW_STATE_HELLO) {
        length = handshake_produce(subflow, buffer, capacity);
        subflow->bytes_sent += length;
    } else {
        bool alone = goes_small(session, subflow);

        do {
            size_t produced;

            if (local_has_ended(session, subflow))
                subflow->retire = true;
            produced = produce_chunk(session, subflow, buffer + length, capacity - length);
            /* The due frames do not fit the rest of the budget, but an END does. */
            if (produced == 0 && length == 0 && wants(session, subflow)) {
                subflow->retire = true;
                produced = produce_chunk(session, subflow, buffer, capacity);
            }
            if (produced == 0)
                break;
            length += produced;
            pool_count_bytes(&session->pool, subflow, produced, 0);
            rate_limit_spend(&session->paths.items[subflow->path].rate_limit, produced,
                             now);
            rate_limit_spend(&session->paths.rate_limit, produced, now);
            restraint_spend(&session->schedule, subflow->path, produced);
            session->context.counters.chunks_sent++;
        } while (!alone && length < limit &&
                 capacity - length >= session->context.config.chunk_size &&
                 wants(session, subflow));
    }
    if (length > 0) {
        if (subflow->state == SUBFLOW_STATE_OPEN)
            packets_note_sent(&session->subflows, subflow, length);
        subflow->sent_at_ns = now;
        session->context.counters.wire_bytes_sent += length;
        session->paths.items[subflow->path].counters.wire_bytes_sent += length;
    } else if (subflow->state == SUBFLOW_STATE_OPEN && wants(session, subflow)) {
        /* Nothing fits the rest of the budget: the subflow has ended in effect. */
        subflow->end_sent = true;
        session->context.pool_dirty = true;
    }
    return length;
}
