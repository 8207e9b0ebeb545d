/* SPDX-License-Identifier: MIT */
/* The calls on streams: the driver opens, writes, reads and ends them. */
#include "session_parts.h"

#include <assert.h>
#include <string.h>

struct stream *session_stream_open(struct session *session, const struct target *target,
                                   const struct stream_policy *policy, uint64_t now)
{
    struct stream *stream;

    session->context.now = now;
    session_begin_anew_if_stale(session);
    stream = stream_new(&session->streams, 0);
    if (stream == NULL)
        return NULL;
    restraint_note_opened(&session->schedule);
    if (!stream_set_target(stream, target)) {
        stream->released = true;
        stream_abandon(stream);
        session->streams.count--;
        stream_forget_if_done(&session->streams, stream);
        return NULL;
    }
    if (policy != NULL)
        stream->policy = *policy;
    pool_stream_begins(&session->pool, stream);
    pool_hurry(&session->pool);
    list_append(&session->streams.unassigned, &stream->control);
    session_assign_ids(session);
    /* The driver has not acted on the end yet. */
    if (session->context.state == SESSION_STATE_ENDED)
        session_fail_stream(session, stream, session_end_reset(session));
    return stream;
}

void session_stream_accept(struct session *session, struct stream *stream, uint64_t now)
{
    session->context.now = now;
    stream->opened = true;
    stream_queue_control(&session->streams, stream, STREAM_SEND_OPENED);
}

void session_stream_reset(struct session *session, struct stream *stream,
                          enum reset_code code, uint64_t now)
{
    session->context.now = now;
    stream_reference(stream);
    stream->failed = true; /* the driver gets no event */
    stream_reset_send(&session->streams, stream, code);
    stream_discard(&session->streams, stream);
    stream_unreference(&session->streams, stream);
}

void session_stream_release(struct session *session, struct stream *stream, uint64_t now)
{
    session->context.now = now;
    assert(!stream->released);
    stream_reference(stream);
    stream->released = true;
    session->streams.count--;
    session->context.pool_dirty = true;
    if (!stream_receive_done(stream) || stream->out_final == OFFSET_UNKNOWN) {
        stream_reset_send(&session->streams, stream, RESET_CANCELLED);
        stream_discard(&session->streams, stream);
    }
    stream_unreference(&session->streams, stream);
}

size_t session_stream_reserve(struct session *session, struct stream *stream, size_t length,
                              struct iovec *parts, size_t max)
{
    uint64_t waiting = stream->out_end - MIN(stream->out_next, stream->out_end);
    size_t count = 0;

    /* A caller that asks for no room does not wait for room. */
    if (length == 0 || stream->out_final != OFFSET_UNKNOWN)
        return 0;
    if (waiting < STREAM_WAIT_MAX)
        count = pages_reserve(&stream->out, stream->out_end,
                              MIN(length, STREAM_WAIT_MAX - (size_t)waiting), parts, max);
    if (count > 0) {
        session->streams.starved_since_ns = 0;
        return count;
    }
    if (waiting == 0)
        streams_starve(&session->streams);
    stream->writable_wanted = true;
    return 0;
}

void session_stream_commit(struct session *session, struct stream *stream, size_t length,
                           uint64_t now)
{
    session->context.now = now;
    stream->out_end += length;
    if (stream->out_acked == stream->out_end)
        pages_release_all(&stream->out);
    else
        pages_release_from(&stream->out, stream->out_end);
    stream_update_ready(&session->streams, stream);
}

size_t session_stream_write(struct session *session, struct stream *stream,
                            const void *data, size_t length, uint64_t now)
{
    struct iovec parts[8];
    size_t count =
        session_stream_reserve(session, stream, length, parts, ARRAY_LENGTH(parts));
    size_t taken = 0;

    for (size_t i = 0; i < count && taken < length; i++) {
        size_t part = MIN(parts[i].iov_len, length - taken);

        memcpy(parts[i].iov_base, (const uint8_t *)data + taken, part);
        taken += part;
    }
    session_stream_commit(session, stream, taken, now);
    return taken;
}

void session_stream_finish(struct session *session, struct stream *stream, uint64_t now)
{
    session->context.now = now;
    if (stream->out_final != OFFSET_UNKNOWN)
        return;
    stream->out_final = stream->out_end;
    stream_update_ready(&session->streams, stream);
}

size_t session_stream_peek(struct session *session, struct stream *stream,
                           struct iovec *parts, size_t max, bool *finished)
{
    const struct borrowed *borrowed = stream->borrowed;
    uint64_t offset = stream->in_read;
    size_t count = 0;

    (void)session;
    while (!stream->discard && count < max && offset < stream->in_next) {
        if (borrowed != NULL && borrowed->offset <= offset) {
            size_t skip = (size_t)(offset - borrowed->offset);

            parts[count].iov_base = (uint8_t *)(uintptr_t)borrowed->bytes + skip;
            parts[count].iov_len = borrowed->length - skip;
            offset += parts[count++].iov_len;
            borrowed = borrowed->next;
            continue;
        }
        uint64_t end = borrowed == NULL ? stream->in_next : borrowed->offset;
        size_t viewed = pages_view(&stream->in, offset, (size_t)(end - offset),
                                   parts + count, max - count);

        assert(viewed > 0);
        for (; viewed > 0; viewed--)
            offset += parts[count++].iov_len;
    }
    /* A discarded direction did not end properly, wherever it ended. */
    *finished = offset == stream->in_final && !stream_was_reset(stream) && !stream->discard;
    if (count == 0)
        stream->readable_told = false;
    return count;
}

void session_stream_consume(struct session *session, struct stream *stream, size_t length,
                            uint64_t now)
{
    session->context.now = now;
    stream_reference(stream);
    assert(length <= stream->in_next - stream->in_read);
    stream_consumed(&session->streams, stream, length);
    if (stream->in_read == stream->in_next)
        stream->readable_told = stream->in_state == STREAM_IN_DATA_READ;
    stream_tell_reset(&session->streams, stream);
    stream_unreference(&session->streams, stream);
}

bool session_stream_take(struct session *session, struct stream *stream,
                         struct pages *pages, struct range *unread)
{
    const struct borrowed *borrowed;

    if (!stream->failed || !stream_is_complete(stream))
        return false;
    for (borrowed = stream->borrowed; borrowed != NULL; borrowed = borrowed->next) {
        uint64_t from = MAX(borrowed->offset, stream->in_read);
        const uint8_t *bytes = borrowed->bytes + (from - borrowed->offset);
        uint64_t end = borrowed->offset + borrowed->length;

        if (pages_write(&stream->in, from, bytes, (size_t)(end - from)) != OK)
            return false;
    }
    stream->borrowed = NULL;
    *unread = (struct range){.start = stream->in_read, .end = stream->in_next};
    pages_move(pages, &stream->in);
    stream_discard(&session->streams, stream);
    return true;
}

void session_settle(struct session *session, uint64_t now)
{
    session->context.now = now;
    streams_settle(&session->streams);
}
