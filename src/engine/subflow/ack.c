/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/subflow/subflow.h>

#include <assert.h>

#define FINALS_MAX 64

/* ---- chunks that this side sent ---- */

static void control_acked(struct stream *stream, unsigned kind)
{
    if (kind == SENT_RESET && stream->out_state == STREAM_OUT_RESET_SENT)
        stream_set_out_state(stream, STREAM_OUT_RESET_RECEIVED);
}

static void control_lost(struct subflows *subflows, struct stream *stream, unsigned kind)
{
    switch (kind) {
    case SENT_OPEN:
        if (stream->target != NULL && !stream->opened && !stream_send_is_cut(stream))
            stream_queue_control(subflows->streams, stream, STREAM_SEND_OPEN);
        break;
    case SENT_OPENED:
        if (!stream_send_is_cut(stream))
            stream_queue_control(subflows->streams, stream, STREAM_SEND_OPENED);
        break;
    case SENT_RESET:
        if (stream->out_state == STREAM_OUT_RESET_SENT)
            stream_queue_control(subflows->streams, stream, STREAM_SEND_RESET);
        break;
    case SENT_POLICY:
        if (stream_is_sending(stream))
            stream_queue_control(subflows->streams, stream, STREAM_SEND_POLICY);
        break;
    case SENT_STREAM_WINDOW: /* the latest value, whichever was lost */
        if (stream->in_state == STREAM_IN_RECV && !stream_send_is_cut(stream))
            stream_queue_control(subflows->streams, stream, STREAM_SEND_WINDOW);
        break;
    default: assert(!"a kind of a stream");
    }
}

/* An ACK goes after this delay at the latest, if need be on a subflow that the pool has to
 * dial. */
static void owe_ack(struct subflows *subflows, uint64_t delay_ns)
{
    subflows->ack_deadline_ns =
        MIN(subflows->ack_deadline_ns, subflows->context->now + delay_ns);
    subflows->context->pool_dirty = true;
}

/* The peer does not wait long for a final count. If none got through for a while, only the
 * newest are of use, and small budgets have no room for old ones. */
static void queue_final(struct subflows *subflows, const struct final_ack *final)
{
    struct final_ack *kept;

    while (subflows->finals.count >= FINALS_MAX)
        ring_pop(&subflows->finals);
    kept = ring_push(&subflows->finals);
    if (kept == NULL) {
        outbox_fail(subflows->context, ERROR_MEMORY, "out of memory");
        return;
    }
    *kept = *final;
    owe_ack(subflows, ACK_DELAY_NS);
}

static void item_lost(struct subflows *subflows, const struct sent_item *item)
{
    switch (item->kind) {
    case SENT_SESSION_WINDOW: subflows->context->send_session_window = true; break;
    case SENT_STREAM_LIMIT: subflows->context->send_stream_limit = true; break;
    case SENT_DEMAND: subflows->context->send_demand = true; break;
    case SENT_RATE: subflows->context->send_rate = true; break;
    case SENT_PATH: subflows->context->send_paths |= (uint16_t)(1u << item->number); break;
    case SENT_FINAL:
        queue_final(subflows,
                    &(struct final_ack){.order = item->length,
                                        .number = item->number,
                                        .chunks = item->offset,
                                        .cause = (enum subflow_cause)item->copied});
        break;
    case SENT_DATAGRAM: datagram_lost(subflows->flows, item->datagram); break;
    case SENT_FLOW_OPEN: flow_queue_open(subflows->flows, item->number); break;
    case SENT_FLOW_CLOSE:
        flows_queue_close(subflows->flows, item->number, (uint32_t)item->offset);
        break;
    case SENT_FLOW_LIMIT: subflows->flows->send_limit = true; break;
    default: assert(!"a kind of the session");
    }
}

void ack_hedge(struct subflows *subflows, struct subflow *subflow)
{
    struct sent_chunk *chunk = ring_at(&subflow->chunks, 0);
    size_t item_index = 0;

    for (size_t i = 1; !chunk->eliciting; i++) {
        item_index += chunk->items;
        chunk = ring_at(&subflow->chunks, i);
    }
    if (chunk->hedged)
        return;
    chunk->hedged = subflows->hedging = true;
    for (unsigned i = 0; i < chunk->items; i++) {
        const struct sent_item *item = ring_at(&subflow->items, item_index + i);

        if (item->kind < SENT_SESSION_WINDOW && item->kind != SENT_DATA)
            control_lost(subflows, item->stream, item->kind);
        else if (item->kind >= SENT_SESSION_WINDOW && item->kind != SENT_FINAL &&
                 item->kind != SENT_DATAGRAM)
            item_lost(subflows, item);
    }
}

/* Adds the stream's bytes that are on their way on the subflows of `list` to `covered`. */
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

/* If there may be copies, a lost range is owed only where no other copy is on its way. */
static void data_lost(struct subflows *subflows, unsigned path,
                      const struct sent_item *item)
{
    struct stream *stream = item->stream;
    struct ranges covered;
    int result = OK;

    ranges_init(&covered, NULL);
    if (stream->extra_copies > 0) {
        result = collect_outstanding(&subflows->all, stream, &covered);
        if (result == OK)
            result = collect_outstanding(&subflows->limbo, stream, &covered);
    }
    if (result == OK)
        stream_range_lost(subflows->streams, stream, path, item->offset, item->length,
                          &covered);
    else
        outbox_fail(subflows->context, ERROR_MEMORY, "out of memory");
    ranges_clear(&covered);
}

enum fate { FATE_ACKED, FATE_LOST, FATE_FORGOTTEN };

static void settle_item(struct subflows *subflows, unsigned path,
                        const struct sent_item *item, enum fate fate)
{
    struct stream *stream;

    if (item->kind >= SENT_SESSION_WINDOW) {
        if (fate == FATE_LOST)
            item_lost(subflows, item);
        else if (item->kind == SENT_DATAGRAM && fate == FATE_ACKED)
            datagram_acked(subflows->flows, item->datagram);
        else if (item->kind == SENT_FLOW_OPEN && fate == FATE_ACKED)
            flow_opened(subflows->flows, item->number);
        else if (item->kind == SENT_DATAGRAM)
            datagram_forget(subflows->flows, item->datagram);
        return;
    }
    stream = item->stream;
    if (fate == FATE_ACKED && item->kind == SENT_DATA)
        stream_range_acked(subflows->streams, stream, item->offset, item->length);
    else if (fate == FATE_ACKED)
        control_acked(stream, item->kind);
    else if (fate == FATE_LOST && item->kind == SENT_DATA)
        data_lost(subflows, path, item);
    else if (fate == FATE_LOST)
        control_lost(subflows, stream, item->kind);
    if (item->copy)
        stream->extra_copies--;
    stream_unreference(subflows->streams, stream);
}

/* Bytes of datagrams that the path has carried; those that came first elsewhere are of no
 * use. */
static void count_datagrams(struct subflows *subflows, unsigned path, uint64_t bytes,
                            bool first)
{
    if (bytes == 0)
        return;
    path_count(subflows->paths, path, 0, bytes);
    if (first)
        path_count_goodput(subflows->paths, path, 0, bytes);
}

static void count_item(struct subflows *subflows, unsigned path,
                       const struct sent_item *item)
{
    if (item->kind == SENT_DATA)
        path_count(subflows->paths, path, 0, item->length);
    else if (item->kind == SENT_DATAGRAM)
        count_datagrams(subflows, path, item->length, !item->datagram->delivered);
}

/* Settles the oldest chunk. Its items leave the ring first, so that a search for other
 * copies does not find them. */
static void settle_chunk(struct subflows *subflows, struct subflow *subflow, enum fate fate)
{
    struct sent_chunk chunk = *(struct sent_chunk *)ring_at(&subflow->chunks, 0);
    uint64_t acked = subflows->context->counters.stream_bytes_acked;
    uint64_t requeued = subflows->context->counters.bytes_requeued;

    ring_pop(&subflow->chunks);
    subflows->streams->records_held -= 1 + chunk.items;
    subflow->chunks_acked++;
    if (chunk.eliciting)
        subflow->eliciting_unacked--;
    if (fate == FATE_ACKED) {
        path_proven(&subflows->paths->items[subflow->path], chunk.sent_at_ns);
        packets_note_taken(subflows, subflow, chunk.end);
        packets_note_proven(subflows, subflow->path, chunk.sent_at_ns);
        count_datagrams(subflows, subflow->path, chunk.unkept_bytes, true);
    }
    for (unsigned i = 0; i < chunk.items; i++) {
        struct sent_item item = *(struct sent_item *)ring_at(&subflow->items, 0);

        ring_pop(&subflow->items);
        if (fate == FATE_ACKED)
            count_item(subflows, subflow->path, &item);
        settle_item(subflows, subflow->path, &item, fate);
    }
    path_count_goodput(subflows->paths, subflow->path, 0,
                       subflows->context->counters.stream_bytes_acked - acked);
    subflows->paths->items[subflow->path].counters.bytes_requeued +=
        subflows->context->counters.bytes_requeued - requeued;
}

void ack_requeue(struct subflows *subflows, struct subflow *subflow)
{
    while (subflow->chunks.count > 0)
        settle_chunk(subflows, subflow, FATE_LOST);
}

void ack_forget(struct subflows *subflows, struct subflow *subflow)
{
    while (subflow->chunks.count > 0)
        settle_chunk(subflows, subflow, FATE_FORGOTTEN);
}

void ack_settle(struct subflows *subflows, struct subflow *subflow, uint64_t chunks)
{
    while (subflow->chunks_acked < chunks)
        settle_chunk(subflows, subflow, FATE_ACKED);
}

/* ---- chunks that this side received ---- */

void ack_note_received(struct subflows *subflows, struct subflow *subflow, bool eliciting,
                       size_t length)
{
    subflows->ack_bytes += length;
    if (!list_linked(&subflow->ack_node) && subflow->state == SUBFLOW_STATE_OPEN)
        list_append(&subflows->ack_queue, &subflow->ack_node);
    if (!eliciting)
        return;
    /* ACK at once: local has ended the subflow and waits for this ACK to close it, or
     * waits for it before it begins further subflows. */
    if ((subflows->context->config.role == SESSION_RELAY &&
         (subflow->end_received || (subflow->hello && subflow->chunks_received == 1))) ||
        subflows->ack_bytes >= ACK_BYTES)
        owe_ack(subflows, 0);
    else
        owe_ack(subflows, ACK_DELAY_NS);
}

void ack_note_final(struct subflows *subflows, struct subflow *subflow)
{
    if (subflow->generation == NULL || subflows->context->state >= SESSION_STATE_CLOSING)
        return;
    queue_final(subflows, &(struct final_ack){.order = subflow->generation->order,
                                              .number = subflow->number,
                                              .chunks = subflow->chunks_received,
                                              .cause = subflow_cause(subflow)});
}

void ack_repeat(struct subflows *subflows)
{
    list_foreach(&subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state != SUBFLOW_STATE_OPEN || subflow->chunks_received == 0 ||
            list_linked(&subflow->ack_node))
            continue;
        list_append(&subflows->ack_queue, &subflow->ack_node);
        subflows->ack_deadline_ns = subflows->context->now;
    }
}

static void tell_again(struct subflows *subflows, struct subflow *subflow)
{
    if (subflow->state != SUBFLOW_STATE_OPEN || list_linked(&subflow->ack_node))
        return;
    list_append(&subflows->ack_queue, &subflow->ack_node);
    subflows->ack_deadline_ns = subflows->context->now;
}

void ack_repeat_of(struct subflows *subflows, const struct subflow *carrier)
{
    list_foreach(&subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->told_on == carrier)
            tell_again(subflows, subflow);
    }
}

void ack_repeat_unheard(struct subflows *subflows)
{
    list_foreach(&subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        const struct subflow *carrier = subflow->told_on;

        if (carrier != NULL && carrier->state == SUBFLOW_STATE_OPEN &&
            carrier->received_at_ns < subflow->told_at_ns &&
            subflow->told_at_ns + path_late_ns(&subflows->paths->items[carrier->path]) <=
                subflows->context->now)
            tell_again(subflows, subflow);
    }
}

bool ack_due(const struct subflows *subflows)
{
    return subflows->ack_deadline_ns <= subflows->context->now;
}

bool ack_waiting(const struct subflows *subflows)
{
    return subflows->ack_deadline_ns != TIME_NEVER;
}
