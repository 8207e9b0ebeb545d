/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/stream/stream_state.h>

#include <splitsocks/engine/stream/stream.h>

#include <assert.h>

void stream_set_out_state(struct stream *stream, enum stream_out_state state)
{
    static const unsigned allowed[] = {
        [STREAM_OUT_READY] =
            1 << STREAM_OUT_SEND | 1 << STREAM_OUT_RESET_SENT | 1 << STREAM_OUT_ABANDONED,
        [STREAM_OUT_SEND] = 1 << STREAM_OUT_DATA_SENT | 1 << STREAM_OUT_RESET_SENT |
                            1 << STREAM_OUT_ABANDONED,
        [STREAM_OUT_DATA_SENT] = 1 << STREAM_OUT_DATA_RECEIVED |
                                 1 << STREAM_OUT_RESET_SENT | 1 << STREAM_OUT_ABANDONED,
        [STREAM_OUT_DATA_RECEIVED] = 1 << STREAM_OUT_RESET_SENT,
        [STREAM_OUT_RESET_SENT] =
            1 << STREAM_OUT_RESET_RECEIVED | 1 << STREAM_OUT_ABANDONED,
        [STREAM_OUT_RESET_RECEIVED] = 0,
        [STREAM_OUT_ABANDONED] = 0,
    };

    assert(allowed[stream->out_state] >> state & 1);
    (void)allowed;
    stream->out_state = (uint8_t)state;
}

void stream_set_in_state(struct stream *stream, enum stream_in_state state)
{
    static const unsigned allowed[] = {
        [STREAM_IN_RECV] = 1 << STREAM_IN_SIZE_KNOWN | 1 << STREAM_IN_ABANDONED,
        [STREAM_IN_SIZE_KNOWN] =
            1 << STREAM_IN_DATA_RECEIVED | 1 << STREAM_IN_RESET_RECEIVED,
        [STREAM_IN_DATA_RECEIVED] =
            1 << STREAM_IN_DATA_READ | 1 << STREAM_IN_RESET_COMPLETE,
        [STREAM_IN_DATA_READ] = 1 << STREAM_IN_RESET_COMPLETE,
        [STREAM_IN_RESET_RECEIVED] = 0,
        [STREAM_IN_RESET_COMPLETE] = 0,
        [STREAM_IN_ABANDONED] = 0,
    };

    assert(allowed[stream->in_state] >> state & 1);
    (void)allowed;
    stream->in_state = (uint8_t)state;
}

void stream_update_in_state(struct stream *stream)
{
    if (stream->in_state == STREAM_IN_SIZE_KNOWN && stream->in_next == stream->in_final)
        stream_set_in_state(stream, STREAM_IN_DATA_RECEIVED);
    if (stream->in_state == STREAM_IN_DATA_RECEIVED && stream->in_read == stream->in_final)
        stream_set_in_state(stream, STREAM_IN_DATA_READ);
}

/* The questions rely on the order of the states. */

bool stream_is_sending(const struct stream *stream)
{
    return stream->out_state <= STREAM_OUT_DATA_SENT;
}

bool stream_send_is_cut(const struct stream *stream)
{
    return stream->out_state >= STREAM_OUT_RESET_SENT;
}

bool stream_send_done(const struct stream *stream)
{
    return !stream_is_sending(stream) && stream->out_state != STREAM_OUT_RESET_SENT;
}

bool stream_was_reset(const struct stream *stream)
{
    return stream->in_state == STREAM_IN_RESET_RECEIVED ||
           stream->in_state == STREAM_IN_RESET_COMPLETE;
}

bool stream_receive_done(const struct stream *stream)
{
    return stream->in_state >= STREAM_IN_DATA_READ;
}

void stream_abandon(struct stream *stream)
{
    if (!stream_send_done(stream))
        stream_set_out_state(stream, STREAM_OUT_ABANDONED);
    if (stream->in_state == STREAM_IN_RECV)
        stream_set_in_state(stream, STREAM_IN_ABANDONED);
}
