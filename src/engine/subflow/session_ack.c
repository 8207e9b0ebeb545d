#include "../session/session_internal.h"

#include <assert.h>

#define FINALS_MAX 64

/* ---- what we sent ---- */

static void control_acked(struct session *session, struct stream *stream, unsigned kind)
{
    if (kind == SENT_RESET && stream->reset_sent)
        stream->send_done = true;
    (void)session;
}

static void control_lost(struct session *session, struct stream *stream, unsigned kind)
{
    switch (kind) {
    case SENT_OPEN:
        if (stream->target != NULL && !stream->opened && !stream->reset_sent)
            stream_queue_control(session, stream, STREAM_SEND_OPEN);
        break;
    case SENT_OPENED:
        if (!stream->reset_sent)
            stream_queue_control(session, stream, STREAM_SEND_OPENED);
        break;
    case SENT_RESET:
        if (!stream->send_done)
            stream_queue_control(session, stream, STREAM_SEND_RESET);
        break;
    case SENT_POLICY:
        if (!stream->reset_sent && !stream->send_done)
            stream_queue_control(session, stream, STREAM_SEND_POLICY);
        break;
    case SENT_STREAM_WINDOW: /* the latest value, whatever was lost */
        if (stream->in_final == OFFSET_UNKNOWN && !stream->reset_sent)
            stream_queue_control(session, stream, STREAM_SEND_WINDOW);
        break;
    default:
        assert(!"a kind of a stream");
    }
}

/* The peer does not wait long for a final count. Where none came through for a while, the
 * newest are of use, and they must not fill small budgets. */
static void drop_old_finals(struct session *session)
{
    while (session->finals.count >= FINALS_MAX)
        ring_pop(&session->finals);
}

static void session_item_lost(struct session *session, const struct sent_item *item)
{
    struct final_ack *final;

    switch (item->kind) {
    case SENT_SESSION_WINDOW: session->send_session_window = true; break;
    case SENT_STREAM_LIMIT: session->send_stream_limit = true; break;
    case SENT_DEMAND: session->send_demand = true; break;
    case SENT_RATE: session->send_rate = true; break;
    case SENT_PATH: session->send_paths |= (uint16_t)(1u << item->number); break;
    case SENT_FINAL:
        drop_old_finals(session);
        final = ring_push(&session->finals);
        if (final == NULL) {
            outbox_fail(session, ERROR_MEMORY, "out of memory");
            return;
        }
        *final = (struct final_ack){
            .order = item->length, .number = item->number, .chunks = item->offset};
        session->ack_deadline_ns = MIN(session->ack_deadline_ns, session->now + ACK_DELAY_NS);
        session->pool_dirty = true;
        break;
    default: assert(!"a kind of the session");
    }
}

void ack_hedge(struct session *session, struct subflow *subflow)
{
    struct sent_chunk *chunk = ring_at(&subflow->chunks, 0);
    size_t item_index = 0;

    for (size_t i = 1; !chunk->eliciting; i++) {
        item_index += chunk->items;
        chunk = ring_at(&subflow->chunks, i);
    }
    if (chunk->hedged)
        return;
    chunk->hedged = session->hedging = true;
    for (unsigned i = 0; i < chunk->items; i++) {
        const struct sent_item *item = ring_at(&subflow->items, item_index + i);

        if (item->kind < SENT_SESSION_WINDOW && item->kind != SENT_DATA)
            control_lost(session, item->stream, item->kind);
        else if (item->kind >= SENT_SESSION_WINDOW && item->kind != SENT_FINAL)
            session_item_lost(session, item);
    }
}

/* Adds to `covered` what of the stream is on its way on the subflows of `list`. */
static int collect_outstanding(const struct list *list, const struct stream *stream,
                               struct ranges *covered)
{
    list_foreach_const(list, node) {
        const struct subflow *subflow =
            (const struct subflow *)((const char *)node - offsetof(struct subflow, node));

        for (size_t i = 0; i < subflow->items.count; i++) {
            const struct sent_item *item = ring_at(&subflow->items, i);

            if (item->kind == SENT_DATA && item->stream == stream &&
                ranges_add(covered, item->offset, item->offset + item->length) != OK)
                return ERROR_MEMORY;
        }
    }
    return OK;
}

/* With copies about, a range is owed only when no other copy is on its way. */
static void data_lost(struct session *session, unsigned path, const struct sent_item *item)
{
    struct stream *stream = item->stream;
    struct ranges covered;
    int result = OK;

    ranges_init(&covered);
    if (stream->extra_copies > 0) {
        result = collect_outstanding(&session->subflows, stream, &covered);
        if (result == OK)
            result = collect_outstanding(&session->limbo, stream, &covered);
    }
    if (result == OK)
        stream_range_lost(session, stream, path, item->offset, item->length, &covered);
    else
        outbox_fail(session, ERROR_MEMORY, "out of memory");
    ranges_deinit(&covered);
}

enum fate { FATE_ACKED, FATE_LOST, FATE_FORGOTTEN };

static void settle_item(struct session *session, unsigned path,
                        const struct sent_item *item, enum fate fate)
{
    struct stream *stream;

    if (item->kind >= SENT_SESSION_WINDOW) {
        if (fate == FATE_LOST)
            session_item_lost(session, item);
        return;
    }
    stream = item->stream;
    if (fate == FATE_ACKED && item->kind == SENT_DATA)
        stream_range_acked(session, stream, item->offset, item->length);
    else if (fate == FATE_ACKED)
        control_acked(session, stream, item->kind);
    else if (fate == FATE_LOST && item->kind == SENT_DATA)
        data_lost(session, path, item);
    else if (fate == FATE_LOST)
        control_lost(session, stream, item->kind);
    if (item->copy)
        stream->extra_copies--;
    stream_unreference(session, stream);
}

/* Settles the oldest chunk. Items leave the ring first, so that what looks for other
 * copies does not find this one. */
static void settle_chunk(struct session *session, struct subflow *subflow, enum fate fate)
{
    struct sent_chunk chunk = *(struct sent_chunk *)ring_at(&subflow->chunks, 0);
    uint64_t acked = session->counters.stream_bytes_acked;
    uint64_t requeued = session->counters.bytes_requeued;

    ring_pop(&subflow->chunks);
    session->items_held -= chunk.items;
    subflow->chunks_acked++;
    if (chunk.eliciting)
        subflow->eliciting_unacked--;
    if (fate == FATE_ACKED) {
        path_proven(&session->paths[subflow->path], chunk.sent_ns);
        packets_note_taken(session, subflow, chunk.end);
        packets_note_proven(session, subflow->path, chunk.sent_ns);
    }
    for (unsigned i = 0; i < chunk.items; i++) {
        struct sent_item item = *(struct sent_item *)ring_at(&subflow->items, 0);

        ring_pop(&subflow->items);
        if (fate == FATE_ACKED && item.kind == SENT_DATA)
            path_count(session, subflow->path, 0, item.length);
        settle_item(session, subflow->path, &item, fate);
    }
    path_count_goodput(session, subflow->path, 0,
                       session->counters.stream_bytes_acked - acked);
    session->paths[subflow->path].counters.bytes_requeued +=
        session->counters.bytes_requeued - requeued;
}

void ack_requeue(struct session *session, struct subflow *subflow)
{
    while (subflow->chunks.count > 0)
        settle_chunk(session, subflow, FATE_LOST);
}

void ack_forget(struct session *session, struct subflow *subflow)
{
    while (subflow->chunks.count > 0)
        settle_chunk(session, subflow, FATE_FORGOTTEN);
}

void ack_take_final(struct session *session, struct subflow *subflow)
{
    if (subflow->state == SUBFLOW_STATE_OPEN && !subflow->end_sent)
        keepalive_note_died(session, subflow);
    ack_requeue(session, subflow);
    if (subflow->state == SUBFLOW_STATE_LIMBO)
        subflow_free(session, subflow);
    else
        subflow_close(session, subflow,
                      subflow->end_sent ? SUBFLOW_ORDERLY : SUBFLOW_ABANDONED);
}

void ack_settle(struct session *session, struct subflow *subflow, uint64_t chunks)
{
    while (subflow->chunks_acked < chunks)
        settle_chunk(session, subflow, FATE_ACKED);
}

/* ---- what we received ---- */

void ack_note_received(struct session *session, struct subflow *subflow, bool eliciting,
                       size_t length)
{
    session->ack_bytes += length;
    if (!list_linked(&subflow->ack_node) && subflow->state == SUBFLOW_STATE_OPEN)
        list_append(&session->ack_queue, &subflow->ack_node);
    if (!eliciting)
        return;
    /* Local has ended the subflow and waits for this to let it go; or it waits for it to
     * begin further ones. */
    if ((session->config.role == SESSION_RELAY &&
         (subflow->end_received || (subflow->hello && subflow->chunks_received == 1))) ||
        session->ack_bytes >= ACK_BYTES)
        session->ack_deadline_ns = session->now;
    else
        session->ack_deadline_ns = MIN(session->ack_deadline_ns, session->now + ACK_DELAY_NS);
    session->pool_dirty = true;
}

void ack_note_final(struct session *session, struct subflow *subflow)
{
    struct final_ack *final;

    if (subflow->generation == NULL || session->state >= SESSION_STATE_CLOSING)
        return;
    drop_old_finals(session);
    final = ring_push(&session->finals);
    if (final == NULL) {
        outbox_fail(session, ERROR_MEMORY, "out of memory");
        return;
    }
    *final = (struct final_ack){.order = subflow->generation->order,
                                .number = subflow->number,
                                .chunks = subflow->chunks_received};
    session->ack_deadline_ns = MIN(session->ack_deadline_ns, session->now + ACK_DELAY_NS);
    session->pool_dirty = true;
}

void ack_repeat(struct session *session)
{
    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state != SUBFLOW_STATE_OPEN || subflow->chunks_received == 0 ||
            list_linked(&subflow->ack_node))
            continue;
        list_append(&session->ack_queue, &subflow->ack_node);
        session->ack_deadline_ns = session->now;
    }
}

bool ack_due(const struct session *session)
{
    return session->ack_deadline_ns <= session->now;
}

bool ack_waiting(const struct session *session)
{
    return session->ack_deadline_ns != TIME_NEVER;
}
