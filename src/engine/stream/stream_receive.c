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

static void advance_next(struct stream *stream, uint64_t end)
{
    stream->in_next = end;
    while (stream->received.count > 0 && stream->received.items[0].start <= stream->in_next) {
        stream->in_next = MAX(stream->in_next, stream->received.items[0].end);
        ranges_remove_before(&stream->received, stream->in_next);
    }
}

/* Data has arrived, or was read or discarded. */
static void update_state(struct stream *stream)
{
    if (stream->in_state == STREAM_IN_SIZE_KNOWN && stream->in_next == stream->in_final)
        stream_set_in_state(stream, STREAM_IN_DATA_RECEIVED);
    if (stream->in_state == STREAM_IN_DATA_RECEIVED && stream->in_read == stream->in_final)
        stream_set_in_state(stream, STREAM_IN_DATA_READ);
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
            advance_next(stream, gap->end);
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
    update_state(stream);
    stream_tell_readable(streams, stream);
    stream_forget_if_done(streams, stream);
    return OK;
}

void stream_receive_discard(struct streams *streams, struct stream *stream)
{
    stream->discard = true;
    streams->in_consumed += stream->in_highest - stream->in_read - stream->in_parked;
    stream->in_parked = 0;
    stream->in_read = stream->in_next = stream->in_highest;
    update_state(stream);
    pages_release_all(&stream->in);
    ranges_deinit(&stream->received);
    ranges_init(&stream->received);
    streams_window_update(streams);
}

/* Of the paths in use on which data came. */
static uint64_t longest_rtt_ns(const struct streams *streams)
{
    uint64_t rtt_ns = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct path *path = &streams->paths->items[i];

        if (path->subflows > 0 && path->rate_in > 0)
            rtt_ns = MAX(rtt_ns, path_rtt_ns(path));
    }
    return rtt_ns;
}

/* How fast the reader takes data. */
static void note_read(const struct streams *streams, struct stream *stream, uint64_t length)
{
    uint64_t window_ns = rate_window_ns(longest_rtt_ns(streams));
    uint64_t elapsed_ns = streams->context->now - stream->window_began_at_ns;

    if (elapsed_ns >= window_ns) {
        stream->read_rate =
            rate_next(stream->read_rate, stream->window_read, elapsed_ns, window_ns);
        stream->window_began_at_ns = streams->context->now;
        stream->window_read = 0;
    }
    stream->window_read += length;
}

void stream_consumed(struct streams *streams, struct stream *stream, uint64_t length)
{
    uint64_t parked = MIN(stream->in_parked, length);

    stream->in_read += length;
    stream->in_parked -= parked;
    update_state(stream);
    stream->read_at_ns = streams->context->now;
    note_read(streams, stream, length);
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

/* ---- credit ---- */

uint64_t streams_peer_demand(const struct streams *streams)
{
    return streams->demand_maximum - MIN(streams->demand_maximum, streams->in_sum);
}

static uint64_t in_flight(uint64_t rate, uint64_t ns)
{
    /* In units that cannot overflow: bytes per ms x us. */
    return rate / 1000 * (ns / 1000) / 1000;
}

/* Six times the data that the reader takes in a round trip. Twice would do for one
 * connection: a lost segment takes a round trip to be made good, and credit one to come.
 * Here the other subflows, and new ones in place of used up ones, go on beyond the gap; and
 * since credit is granted when half of it is used, three to six times are there.
 * (test/bench: over 150 Mbit/s, 100 ms with budgets of 1 MiB four times bring 0.66 of the
 * rate under cubic and 0.74 under BBR, six 0.74 and 0.79.) A reader that takes little needs
 * no more. */
uint64_t stream_window_target(const struct streams *streams, const struct stream *stream)
{
    uint64_t target = in_flight(stream->read_rate, 6 * longest_rtt_ns(streams));
    unsigned active = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        active += streams->paths->items[i].subflows > 0;
    return MIN(MAX(target, active >= 2 ? STREAM_WINDOW_MIN_PATHS : STREAM_WINDOW_MIN),
               STREAM_WINDOW_MAX);
}

/* 24 times the data that comes in a round trip, for all streams together. */
static uint64_t streams_window_target(const struct streams *streams)
{
    uint64_t rate = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        rate +=
            streams->paths->items[i].subflows > 0 ? streams->paths->items[i].rate_in : 0;
    return MIN(MAX(in_flight(rate, 24 * longest_rtt_ns(streams)), SESSION_WINDOW_INITIAL),
               SESSION_WINDOW_MAX);
}

uint64_t streams_window_next(const struct streams *streams)
{
    return MAX(streams->in_consumed + streams_window_target(streams), streams->in_window);
}

void streams_window_update(struct streams *streams)
{
    uint64_t target = streams_window_target(streams);

    if (streams->in_consumed + target >= streams->in_window + target / 2)
        streams->context->send_session_window = true;
}

/* Data parked for a reader that does not read must not take the session's credit from the
 * other streams: from then on only the page pool's bound counts that data. The same holds
 * for the data that the peer may still send on such a stream: else many such streams would
 * use up the session's credit together. */
void streams_return_parked(struct streams *streams)
{
    list_foreach(&streams->all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);
        uint64_t granted = stream->in_window - stream->in_read;

        if (stream->in_highest > stream->in_read && granted > stream->in_parked &&
            !stream->discard &&
            streams->context->now - stream->read_at_ns > PARKED_AFTER_NS) {
            streams->in_consumed += granted - stream->in_parked;
            stream->in_parked = granted;
        }
    }
    streams_window_update(streams);
}
