/* SPDX-License-Identifier: MIT */
/* How a stream ends before its time, and what its application is told. */
#include <splitsocks/engine/stream/stream.h>

void stream_discard(struct streams *streams, struct stream *stream)
{
    stream->discard = true;
    streams->in_consumed += stream->in_highest - stream->in_read - stream->in_parked;
    stream->in_parked = 0;
    stream->in_read = stream->in_next = stream->in_highest;
    stream_update_in_state(stream);
    pages_release_all(&stream->in);
    ranges_clear(&stream->received);
    streams_window_update(streams);
}

/* Both sides have said all they had to say, and all data of the peer has arrived here: only
 * the driver and its reader have work left. Our own end need not be acknowledged: the peer
 * ended after it had answered our end, or without waiting for it. */
bool stream_is_complete(const struct stream *stream)
{
    bool has_all = stream->in_state == STREAM_IN_DATA_RECEIVED ||
                   stream->in_state == STREAM_IN_DATA_READ ||
                   stream->in_state == STREAM_IN_RESET_COMPLETE;

    return has_all && stream->out_final != OFFSET_UNKNOWN && !stream->released &&
           !stream->discard;
}

/* Ends our direction, and asks the peer to end its own. Data that is not delivered yet may
 * never be. */
void stream_reset_send(struct streams *streams, struct stream *stream, enum reset_code code)
{
    if (stream_send_is_cut(stream) ||
        (stream_send_done(stream) && stream->in_state != STREAM_IN_RECV))
        return;
    stream_set_out_state(stream, STREAM_OUT_RESET_SENT);
    stream->reset_code = (uint8_t)code;
    /* Data that was never sent does not count; nor does a FIN. */
    stream->out_final = MIN(stream->out_next, stream->out_end);
    stream_send_abort(streams, stream);
    /* Without its OPEN the relay still learns that the id is used up. */
    stream->control_pending = 0;
    if (stream->id != 0) {
        stream_queue_control(streams, stream, STREAM_SEND_RESET);
        return;
    }
    list_remove(&stream->control);
    stream_abandon(stream);
}

static void tell_failed(struct streams *streams, struct stream *stream,
                        enum reset_code code)
{
    if (stream->released || stream->failed)
        return;
    stream->failed = true;
    stream_tell(streams, stream, SESSION_STREAM_RESET)->code = code;
}

/* The peer hears a cancellation where the code is for the application only. */
void stream_fail(struct streams *streams, struct stream *stream, enum reset_code code)
{
    stream_reference(stream);
    stream_reset_send(streams, stream, code < RESET_SESSION_LOST ? code : RESET_CANCELLED);
    stream_discard(streams, stream);
    tell_failed(streams, stream, code);
    stream_unreference(streams, stream);
}

/* Unread data stays for session_stream_take(), and no longer uses the session's credit. */
void stream_end_complete(struct streams *streams, struct stream *stream,
                         enum reset_code code)
{
    uint64_t unread = stream->in_highest - stream->in_read;

    streams->in_consumed += unread - stream->in_parked;
    stream->in_parked = unread;
    tell_failed(streams, stream, code);
}

void stream_tell_reset(struct streams *streams, struct stream *stream)
{
    if (stream_was_reset(stream) && !stream->failed && stream->in_read == stream->in_next)
        stream_fail(streams, stream, (enum reset_code)stream->peer_code);
}
