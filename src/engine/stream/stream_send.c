/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/stream/stream.h>

#include <assert.h>

/* The share of bulk among chunks while higher classes never run out: one in 8. */
#define BULK_TURN 8

uint64_t stream_send_limit(const struct stream *stream)
{
    return stream->out_final == OFFSET_UNKNOWN ? stream->out_end : stream->out_final + 1;
}

uint64_t stream_waiting(const struct stream *stream)
{
    return stream_send_limit(stream) - stream->out_next + stream->owed_bytes;
}

/* A peer grants no more than this beyond the data that it has. A late acknowledgement, or a
 * larger credit, must not make us retain more. */
uint64_t stream_credit_end(const struct stream *stream)
{
    return MIN(stream->out_window, stream->out_acked + STREAM_WINDOW_MAX);
}

uint64_t streams_credit(const struct streams *streams)
{
    uint64_t held = streams->out_held;

    /* The record of a small frame is memory, too. */
    if (held >= SESSION_WINDOW_MAX || streams->records_held >= RECORDS_HELD_MAX)
        return 0;
    return MIN(streams->out_window - streams->out_sum, SESSION_WINDOW_MAX - held);
}

/* Counts the data that was sent and is retained, since it is not acknowledged. */
static void update_held(struct streams *streams, struct stream *stream)
{
    uint64_t sent = MIN(stream->out_next, stream->out_end);
    uint64_t held = sent - MIN(stream->out_acked, sent);

    if (!stream_is_sending(stream))
        held = 0;
    streams->out_held += held - stream->held;
    stream->held = held;
}

/* New data that the stream's own credit allows, FIN included. */
static uint64_t allowed_by_window(const struct stream *stream)
{
    uint64_t end = MIN(stream->out_end, stream_credit_end(stream));
    uint64_t length = end > stream->out_next ? end - stream->out_next : 0;

    return length + (stream->out_next + length == stream->out_final ? 1 : 0);
}

uint64_t stream_sendable(const struct streams *streams, const struct stream *stream)
{
    uint64_t length = allowed_by_window(stream);
    uint64_t credit = streams_credit(streams);

    /* The FIN alone costs no credit. */
    if (length > credit)
        return credit == 0 && stream->out_next == stream->out_final ? 1 : credit;
    return length;
}

static enum stream_class class_of(const struct stream *stream)
{
    if (stream_waiting(stream) < INTERACTIVE_MAX)
        return STREAM_INTERACTIVE;
    return stream->out_next < YOUNG_MAX ? STREAM_YOUNG : STREAM_BULK;
}

void stream_update_ready(struct streams *streams, struct stream *stream)
{
    bool may_send = stream->id != 0 && stream_is_sending(stream);
    uint64_t counted = may_send ? stream->owed_bytes + allowed_by_window(stream) : 0;

    streams->waiting_bytes += counted - stream->counted;
    if ((counted == 0) != (stream->counted == 0))
        streams->context->pool_dirty = true;
    stream->counted = counted;
    if (counted == 0 && !streams->copies_wait(streams->schedule, stream)) {
        list_remove(&stream->ready);
        return;
    }
    enum stream_class class = class_of(stream);

    if (list_linked(&stream->ready) && stream->class == class)
        return;
    list_remove(&stream->ready);
    stream->class = (uint8_t)class;
    list_append(&streams->ready[class], &stream->ready);
}

/* Deficit round robin (Shreedhar and Varghese 1995) with a quantum of one large chunk. */
static void charge_turn(struct streams *streams, struct stream *stream, uint64_t length)
{
    if (stream->class == STREAM_BULK)
        streams->bulk_skipped = 0;
    else if (!list_empty(&streams->ready[STREAM_BULK]))
        streams->bulk_skipped++;
    stream->deficit -= (int32_t)length;
    if (stream->deficit > 0)
        return;
    stream->deficit += CHUNK_SIZE_MAX;
    if (list_linked(&stream->ready)) {
        list_remove(&stream->ready);
        list_append(&streams->ready[stream->class], &stream->ready);
    }
}

static void owed_changed(struct streams *streams, struct stream *stream)
{
    streams->owed_bytes += stream->owed.total - stream->owed_bytes;
    stream->owed_bytes = stream->owed.total;
}

void stream_sent(struct streams *streams, struct stream *stream, uint64_t offset,
                 uint64_t length)
{
    uint64_t end = offset + length;

    if (offset == stream->out_next) {
        uint64_t data = MIN(end, stream->out_end) - MIN(offset, stream->out_end);

        streams->out_sum += data;
        streams->context->counters.stream_bytes_sent += data;
        stream->out_next = end;
        if (stream->out_state == STREAM_OUT_READY)
            stream_set_out_state(stream, STREAM_OUT_SEND);
        if (end > stream->out_final)
            stream_set_out_state(stream, STREAM_OUT_DATA_SENT);
        update_held(streams, stream);
    } else if (stream->owed.count > 0) {
        if (ranges_remove(&stream->owed, offset, end) != OK)
            outbox_fail(streams->context, ERROR_MEMORY, "out of memory");
        owed_changed(streams, stream);
    }
    charge_turn(streams, stream, length);
    stream_update_ready(streams, stream);
    if (stream->writable_wanted && !stream->released &&
        stream->out_end - MIN(stream->out_next, stream->out_end) <= STREAM_WAIT_MAX / 2) {
        stream->writable_wanted = false;
        stream_tell(streams, stream, SESSION_STREAM_WRITABLE);
    }
}

void stream_copied(struct streams *streams, struct stream *stream, uint64_t length)
{
    if (stream->copies == NULL)
        return;
    charge_turn(streams, stream, length);
    stream_update_ready(streams, stream);
}

static void advance_acked(struct stream *stream)
{
    stream->out_acked = ranges_advance(&stream->acked, stream->out_acked);
    if (stream->out_acked >= stream->out_end)
        pages_release_all(&stream->out);
    else
        pages_release_before(&stream->out, stream->out_acked);
}

/* Bytes of [from, end) that were not acknowledged before. */
static uint64_t count_unacked(const struct stream *stream, uint64_t from, uint64_t end)
{
    uint64_t count = 0;
    struct range gap;

    from = MAX(from, stream->out_acked);
    end = MIN(end, stream->out_end); /* the FIN is no byte */
    while (ranges_next_gap(&stream->acked, from, end, &gap)) {
        count += gap.end - gap.start;
        from = gap.end;
    }
    return count;
}

void stream_range_acked(struct streams *streams, struct stream *stream, uint64_t offset,
                        uint64_t length)
{
    uint64_t end = offset + length;

    if (!stream_is_sending(stream) || end <= stream->out_acked)
        return;
    /* Waiting copies of the range are moot, and the acknowledgement may allow new data. */
    bool moot = stream->copies != NULL || stream_credit_end(stream) < stream->out_window;

    streams->context->counters.stream_bytes_acked += count_unacked(stream, offset, end);
    if (offset <= stream->out_acked) {
        stream->out_acked = end;
        advance_acked(stream);
        update_held(streams, stream);
    } else if (ranges_add(&stream->acked, offset, end) != OK) {
        outbox_fail(streams->context, ERROR_MEMORY, "out of memory");
        return;
    }
    if (stream->owed.count > 0) {
        if (ranges_remove(&stream->owed, offset, end) != OK)
            outbox_fail(streams->context, ERROR_MEMORY, "out of memory");
        owed_changed(streams, stream);
        moot = true;
    }
    copies_acked(stream);
    if (moot)
        stream_update_ready(streams, stream);
    if (stream->out_acked > stream->out_final) {
        stream_set_out_state(stream, STREAM_OUT_DATA_RECEIVED);
        stream_update_ready(streams, stream);
        stream_forget_if_done(streams, stream);
    }
}

static int add_owed(struct streams *streams, struct stream *stream,
                    const struct ranges *covered, uint64_t from, uint64_t end)
{
    struct range gap, lost;

    while (ranges_next_gap(&stream->acked, from, end, &gap)) {
        uint64_t at = gap.start;

        while (ranges_next_gap(covered, at, gap.end, &lost)) {
            if (ranges_add(&stream->owed, lost.start, lost.end) != OK)
                return ERROR_MEMORY;
            streams->context->counters.bytes_requeued += lost.end - lost.start;
            at = lost.end;
        }
        from = gap.end;
    }
    return OK;
}

void stream_range_lost(struct streams *streams, struct stream *stream, unsigned path,
                       uint64_t offset, uint64_t length, const struct ranges *covered)
{
    int result;

    if (!stream_is_sending(stream))
        return;
    result = copies_lost(stream, path, offset, offset + length);
    if (result == OK)
        result = add_owed(streams, stream, covered, MAX(offset, stream->out_acked),
                          offset + length);
    if (result != OK) {
        outbox_fail(streams->context, ERROR_MEMORY, "out of memory");
        return;
    }
    owed_changed(streams, stream);
    stream_update_ready(streams, stream);
}

void stream_send_abort(struct streams *streams, struct stream *stream)
{
    /* The waiting data, of which DEMAND has told the peer, will never come. */
    if (streams->context->config.role == SESSION_RELAY &&
        streams->demand_maximum > streams->out_sum)
        streams->context->send_demand = true;
    pages_release_all(&stream->out);
    ranges_clear(&stream->acked);
    ranges_clear(&stream->owed);
    update_held(streams, stream);
    owed_changed(streams, stream);
    stream_update_ready(streams, stream);
}

/* The class whose turn it is comes first, then the others in order. */
static const enum stream_class turns[2][STREAM_CLASSES] = {
    {STREAM_INTERACTIVE, STREAM_YOUNG, STREAM_BULK},
    {STREAM_BULK, STREAM_INTERACTIVE, STREAM_YOUNG},
};

enum stream_class stream_class_turn(const struct streams *streams, unsigned position)
{
    bool bulk_turn = streams->bulk_skipped >= BULK_TURN - 1;

    assert(position < STREAM_CLASSES);
    return turns[bulk_turn][position];
}

bool stream_is_small(const struct stream *stream)
{
    return stream->out_next - stream->out_acked < INTERACTIVE_MAX;
}

bool stream_is_redundant(const struct stream *stream)
{
    switch (stream->policy.mode) {
    case STREAM_MODE_REDUNDANT: return true;
    case STREAM_MODE_AUTO:
        return stream->out_next < YOUNG_MAX ||
               stream->out_next - stream->out_acked + stream_waiting(stream) <
                   INTERACTIVE_MAX;
    default: return false;
    }
}
