/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/stream/stream.h>

#include <string.h>

/* The highest offset of a stream rises. That uses credit of the stream and the session. */
static int raise_highest(struct streams *streams, struct stream *stream, uint64_t end)
{
    uint64_t rise;

    if (end <= stream->in_highest)
        return OK;
    rise = end - stream->in_highest;
    if (end > stream->in_window || rise > streams->in_window - streams->in_sum)
        return ERROR_PROTOCOL;
    streams->in_sum += rise;
    stream->in_highest = end;
    if (stream->discard) {
        streams->in_consumed += rise;
        stream->in_read = stream->in_next = end;
    }
    return OK;
}

int stream_receive_final(struct streams *streams, struct stream *stream, uint64_t final)
{
    if (stream->in_state != STREAM_IN_RECV)
        return stream->in_final == final ? OK : ERROR_PROTOCOL;
    if (final < stream->in_highest || raise_highest(streams, stream, final) != OK)
        return ERROR_PROTOCOL;
    stream->in_final = final;
    stream_set_in_state(stream, STREAM_IN_SIZE_KNOWN);
    return OK;
}

/* Takes in-order data without copying, while there is room to note it. */
static bool borrow(struct streams *streams, struct stream *stream, uint64_t offset,
                   const uint8_t *bytes, size_t length)
{
    struct borrowed *entry;

    if (streams->borrowed_count == BORROWED_MAX)
        return false;
    entry = &streams->borrowed[streams->borrowed_count++];
    *entry = (struct borrowed){
        .stream = stream, .offset = offset, .bytes = bytes, .length = length};
    if (stream->borrowed == NULL)
        stream->borrowed = entry;
    else
        stream->borrowed_last->next = entry;
    stream->borrowed_last = entry;
    stream_reference(stream);
    return true;
}

/* Copies; when the bound on memory is met, another stream gives way first. False: this
 * stream itself was reset. */
static bool store(struct streams *streams, struct stream *stream, uint64_t offset,
                  const uint8_t *bytes, size_t length)
{
    int result = pages_write(&stream->in, offset, bytes, length);
    size_t pages = (offset + length - 1) / PAGE_SIZE - offset / PAGE_SIZE + 1;

    if (result == ERROR_LIMIT) {
        stream_shed_for(streams, stream, pages);
        if (stream->discard)
            return true;
        result = pages_write(&stream->in, offset, bytes, length);
    }
    if (result == OK)
        return true;
    stream_shed(streams, stream,
                result == ERROR_LIMIT ? SESSION_BOUND_BUFFERED : SESSION_BOUND_MEMORY,
                pages);
    return false;
}

/* Takes one range of which nothing was received before. */
static bool take_gap(struct streams *streams, struct stream *stream,
                     const struct range *gap, const uint8_t *bytes)
{
    size_t length = (size_t)(gap->end - gap->start);

    streams->context->counters.stream_bytes_received += length;
    if (gap->start == stream->in_next) {
        if (!borrow(streams, stream, gap->start, bytes, length) &&
            !store(streams, stream, gap->start, bytes, length))
            return false;
        if (!stream->discard)
            stream->in_next = ranges_advance(&stream->received, gap->end);
        return true;
    }
    if (!store(streams, stream, gap->start, bytes, length))
        return false;
    if (stream->discard)
        return true;
    /* Holes are memory too: a stream with more than its credit pays for is reset. */
    if (ranges_add(&stream->received, gap->start, gap->end) != OK ||
        stream->received.count * FRAGMENT_CHARGE > STREAM_WINDOW_MAX) {
        stream_shed(streams, stream, SESSION_BOUND_HOLES, 0);
        return false;
    }
    return true;
}

int stream_receive(struct streams *streams, struct stream *stream,
                   const struct frame *frame)
{
    uint64_t from = frame->data.offset;
    uint64_t end = from + frame->data.length;
    uint64_t received = 0;
    bool was_empty = stream->in_read == stream->in_next;
    struct range gap;

    if (stream_was_reset(stream))
        return OK; /* all below its final offset is counted already */
    if (end > stream->in_final)
        return ERROR_PROTOCOL;
    if (frame->data.fin && stream_receive_final(streams, stream, end) != OK)
        return ERROR_PROTOCOL;
    if (raise_highest(streams, stream, end) != OK)
        return ERROR_PROTOCOL;
    from = MAX(from, stream->in_next);
    while (!stream->discard && ranges_next_gap(&stream->received, from, end, &gap)) {
        if (!take_gap(streams, stream, &gap,
                      frame->data.bytes + (gap.start - frame->data.offset)))
            break;
        received += gap.end - gap.start;
        /* The gap may have joined the range behind it. */
        from = MAX(gap.end, stream->in_next);
    }
    if (!stream->discard)
        streams->context->counters.bytes_duplicate += frame->data.length - received;
    if (was_empty && stream->in_next > stream->in_read)
        stream->read_at_ns = streams->context->now;
    stream_update_in_state(stream);
    stream_tell_readable(streams, stream);
    stream_forget_if_done(streams, stream);
    return OK;
}

void stream_consumed(struct streams *streams, struct stream *stream, uint64_t length)
{
    uint64_t parked = MIN(stream->in_parked, length);

    stream->in_read += length;
    stream->in_parked -= parked;
    stream_update_in_state(stream);
    stream->read_at_ns = streams->context->now;
    stream_note_read(streams, stream, length);
    streams->in_consumed += length - parked;
    while (stream->borrowed != NULL &&
           stream->borrowed->offset + stream->borrowed->length <= stream->in_read)
        stream->borrowed = stream->borrowed->next;
    if (stream->in_read == stream->in_next && stream->received.count == 0)
        pages_release_all(&stream->in);
    else
        pages_release_before(&stream->in, stream->in_read);
    if (stream->in_state == STREAM_IN_RECV && !stream->discard) {
        uint64_t target = stream_window_target(streams, stream);

        if (stream->in_read + target >= stream->in_window + target / 2)
            stream_queue_control(streams, stream, STREAM_SEND_WINDOW);
    }
    streams_window_update(streams);
}

void streams_settle(struct streams *streams)
{
    for (size_t i = 0; i < streams->borrowed_count; i++) {
        struct borrowed *entry = &streams->borrowed[i];
        struct stream *stream = entry->stream;
        uint64_t from = MAX(entry->offset, stream->in_read);
        uint64_t end = entry->offset + entry->length;

        if (stream->borrowed != NULL && stream->borrowed->offset <= entry->offset)
            stream->borrowed = entry->next;
        if (from < end && !stream->discard)
            store(streams, stream, from, entry->bytes + (from - entry->offset),
                  (size_t)(end - from));
        stream_unreference(streams, stream);
    }
    streams->borrowed_count = 0;
}
