/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/session/session_status.h>

#include "session_parts.h"

static enum session_phase phase_of(const struct session *session)
{
    switch (session->context.state) {
    case SESSION_STATE_CONNECTING: return SESSION_PHASE_CONNECTING;
    case SESSION_STATE_UP: return SESSION_PHASE_UP;
    case SESSION_STATE_LOST: return SESSION_PHASE_LOST;
    case SESSION_STATE_CLOSING:
    case SESSION_STATE_ENDED: break;
    }
    return SESSION_PHASE_CLOSING;
}

void session_status(const struct session *session, struct session_status *status)
{
    *status = (struct session_status){
        .phase = phase_of(session),
        .id = session_id(session),
        .contact_at_ns = session->contact_at_ns,
        .linger_ns = session->context.config.linger_ns,
        .waiting_out = session->streams.waiting_bytes,
        .waiting_in = streams_peer_demand(&session->streams),
        .counters = session->context.counters,
    };
}

/* ---- streams ---- */

const struct stream *session_next_stream(const struct session *session,
                                         const struct stream *stream)
{
    const struct list *node =
        stream == NULL ? session->streams.all.next : stream->node.next;

    /* The node is its first member. */
    return node == &session->streams.all ? NULL : (const struct stream *)node;
}

/* Bytes that were sent and not acknowledged, without the FIN. */
static uint64_t flying_bytes(const struct stream *stream)
{
    uint64_t sent = MIN(stream->out_next, stream->out_end);
    uint64_t settled =
        MIN(stream->out_acked, sent) + stream->acked.total + stream->owed_bytes;

    return sent - MIN(settled, sent);
}

static unsigned sending_waits(const struct session *session, const struct stream *stream,
                              const struct stream_status *status)
{
    bool nothing_new = stream->out_next >= stream_send_limit(stream);
    bool flying = stream->out_acked < stream->out_next;
    unsigned waits = flying ? STREAM_WAITS_ACK : 0;

    if (!stream_is_sending(stream))
        return 0;
    if (nothing_new && stream->owed_bytes == 0)
        return waits;
    if (session->context.state != SESSION_STATE_UP)
        return STREAM_WAITS_SESSION;
    if (stream->owed_bytes > 0 || stream_sendable(&session->streams, stream) > 0)
        return waits | STREAM_WAITS_SUBFLOW;
    if (stream->out_next < stream->out_window)
        return waits | STREAM_WAITS_SESSION_CREDIT;
    return waits | (status->flying_bytes > 0 ? STREAM_WAITS_STREAM_CREDIT
                                             : STREAM_WAITS_PEER_READER);
}

static unsigned receiving_waits(const struct stream *stream)
{
    if (stream->discard)
        return 0;
    return (stream->in_next > stream->in_read ? STREAM_WAITS_READER : 0u) |
           (stream->in_highest > stream->in_next ? STREAM_WAITS_MISSING : 0u);
}

static unsigned waits_of(const struct session *session, const struct stream *stream,
                         const struct stream_status *status)
{
    unsigned waits;

    if (status->ended)
        return 0;
    if (stream->id == 0)
        return session->context.state == SESSION_STATE_UP ? STREAM_WAITS_STREAM_LIMIT
                                                          : STREAM_WAITS_SESSION;
    waits = sending_waits(session, stream, status) | receiving_waits(stream);
    if (session->context.config.role == SESSION_LOCAL && !stream->opened)
        waits |= session->context.state == SESSION_STATE_UP ? STREAM_WAITS_CONNECT
                                                            : STREAM_WAITS_SESSION;
    return waits;
}

/* Whether nothing more can be delivered in either direction. */
static bool has_ended(const struct stream *stream)
{
    return stream->failed || stream->incoming || stream_send_is_cut(stream) ||
           (stream_send_done(stream) && stream->released);
}

void session_stream_status(const struct session *session, const struct stream *stream,
                           struct stream_status *status)
{
    *status = (struct stream_status){
        .id = stream->id,
        .policy = stream->policy,
        .destination = stream->destination,
        .opened = stream->opened,
        .released = stream->released,
        .ended = has_ended(stream),
        .peer_finished = stream->in_state != STREAM_IN_RECV,
        .bytes_acked =
            MIN(stream->out_acked, stream->out_end) + stream->acked.total,
        .bytes_read = stream->in_read,
        .flying_bytes = flying_bytes(stream),
        .unread_bytes = stream->in_highest - stream->in_read,
        .read_at_ns = stream->read_at_ns,
    };
    if (stream_is_sending(stream))
        status->queued_bytes =
            stream->out_end - MIN(stream->out_next, stream->out_end) + stream->owed_bytes;
    status->waits = waits_of(session, stream, status);
}
