/* SPDX-License-Identifier: MIT */
/* The effects of the peer's frames. */
#include "session_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* Why there is no record for a further stream. */
static const char *no_record(const struct session *session)
{
    switch (share_bound(&session->streams.account->records, ACCOUNT_STREAM_BYTES)) {
    case PLACES_OWN:
        return "its streams need more memory than the client may have "
               "(max_memory of clients[] or limits)";
    case PLACES_COMMON:
        return "its streams need more memory than the client leaves to the "
               "others (limits.buffered_bytes)";
    default: return "no memory for so many streams";
    }
}

/* Relay: a stream of which data or another frame may come before its OPEN. NULL when it has
 * ended, or memory is out. */
static struct stream *new_incoming(struct session *session, uint64_t id)
{
    struct stream *stream;
    bool first;
    int error = named_ids_add(&session->streams.named, id, &first);

    if (error == OK && !first)
        return NULL;
    stream = error == OK ? stream_new(&session->streams, id) : NULL;
    if (stream == NULL) {
        session_fail(session, ERROR_MEMORY, no_record(session));
        return NULL;
    }
    restraint_note_opened(&session->schedule);
    /* The driver gets the stream with its OPEN. */
    stream->incoming = true;
    stream->released = true;
    session->streams.count--;
    return stream;
}

/* The stream that a frame names. NULL: the stream has ended and the frame is to be
 * ignored, or the session has failed. */
static struct stream *stream_of_frame(struct session *session, uint64_t id)
{
    struct stream *stream = stream_find(&session->streams, id);

    if (stream != NULL)
        return stream;
    if (session->context.config.role == SESSION_LOCAL) {
        if (id == 0 || id >= session->streams.next_id)
            session_fail(session, ERROR_PROTOCOL, "frame for a stream never opened");
        return NULL;
    }
    if (id == 0 || id > session->streams.limit) {
        session_fail(session, ERROR_PROTOCOL, "stream id above the limit");
        return NULL;
    }
    return new_incoming(session, id);
}

static void take_subflow(struct session *session, struct subflow *subflow,
                         const struct frame *frame)
{
    if (session->context.config.role != SESSION_RELAY || subflow->begun ||
        frame->subflow.path >= SESSION_PATHS_MAX) {
        session_fail(session, ERROR_PROTOCOL, "SUBFLOW out of place");
        return;
    }
    subflow->begun = true;
    session->paths.items[subflow->path].subflows--;
    subflow->path = (uint8_t)frame->subflow.path;
    session->paths.items[subflow->path].subflows++;
    session->paths.items[subflow->path].counters.wire_bytes_received +=
        subflow->bytes_received;
    if (frame->subflow.budget_up != 0)
        subflow->budget_in = frame->subflow.budget_up;
    if (frame->subflow.budget_down != 0)
        subflow->budget_out = frame->subflow.budget_down;
    /* Message 2 may be larger than a budget that local's configuration would refuse. */
    if (subflow->budget_out < BUDGET_MIN || subflow->bytes_sent > subflow->budget_out)
        session_fail(session, ERROR_PROTOCOL, "budget too small");
}

static void take_open(struct session *session, const struct frame *frame)
{
    struct stream *stream;
    struct target target;

    if (session->context.config.role != SESSION_RELAY ||
        frame_target_read(frame, &target) != OK) {
        session_fail(session, ERROR_PROTOCOL, "STREAM_OPEN malformed or out of place");
        return;
    }
    stream = stream_of_frame(session, frame->open.id);
    /* A late copy of an OPEN never dials again, nor does an OPEN of a stream that has
     * ended. */
    if (stream == NULL || !stream->incoming || stream->out_state != STREAM_OUT_READY)
        return;
    if (!stream_set_target(stream, &target)) {
        session_fail(session, ERROR_MEMORY, "out of memory");
        return;
    }
    stream->incoming = false;
    stream->released = false;
    session->streams.count++;
    stream_tell(&session->streams, stream, SESSION_STREAM_INCOMING);
    stream_tell_readable(&session->streams, stream);
}

/* Local: the relay has connected. */
static void set_opened(struct session *session, struct stream *stream)
{
    if (stream->opened)
        return;
    stream->opened = true;
    free(stream->target);
    stream->target = NULL;
    /* An OPEN that was taken for lost need not be sent again. */
    stream->control_pending &= (uint8_t)~STREAM_SEND_OPEN;
    if (!stream->released && !stream->failed)
        stream_tell(&session->streams, stream, SESSION_STREAM_OPENED);
}

static void take_opened(struct session *session, const struct frame *frame)
{
    struct stream *stream;

    if (session->context.config.role != SESSION_LOCAL) {
        session_fail(session, ERROR_PROTOCOL, "STREAM_OPENED out of place");
        return;
    }
    stream = stream_of_frame(session, frame->opened.id);
    if (stream != NULL)
        set_opened(session, stream);
}

/* Data that the peer sent in order is still delivered; the rest will never come. */
static void cut_receiving(struct session *session, struct stream *stream)
{
    uint64_t unread = stream->in_next - stream->in_read;

    session->streams.in_consumed += stream->in_highest - stream->in_next;
    if (stream->in_parked > unread) {
        session->streams.in_consumed -= stream->in_parked - unread;
        stream->in_parked = unread;
    }
    stream->in_highest = stream->in_next;
    ranges_clear(&stream->received);
    pages_release_from(&stream->in, stream->in_next);
    streams_window_update(&session->streams);
}

static void take_reset(struct session *session, const struct frame *frame)
{
    struct stream *stream = stream_of_frame(session, frame->reset.id);

    if (stream == NULL || stream_was_reset(stream))
        return;
    stream_reference(stream);
    if (stream_receive_final(&session->streams, stream, frame->reset.final_offset) != OK) {
        session_fail(session, ERROR_PROTOCOL,
                     "STREAM_RESET against the final offset or credit");
    } else {
        stream_set_in_state(stream, stream->in_state == STREAM_IN_SIZE_KNOWN
                                        ? STREAM_IN_RESET_RECEIVED
                                        : STREAM_IN_RESET_COMPLETE);
        /* Codes of later versions, and codes that never travel, count as a plain
         * failure. */
        stream->peer_code =
            (uint8_t)(frame->reset.code <= RESET_HALF_CLOSED ? frame->reset.code
                                                             : RESET_FAILURE);
        if (!stream->discard)
            cut_receiving(session, stream);
        stream_reset_send(&session->streams, stream, RESET_CANCELLED);
        if (stream->in_state == STREAM_IN_RESET_COMPLETE)
            stream_end_complete(&session->streams, stream,
                                (enum reset_code)stream->peer_code);
        stream_tell_reset(&session->streams, stream);
    }
    stream_unreference(&session->streams, stream);
}

static void take_data(struct session *session, const struct subflow *subflow,
                      const struct frame *frame)
{
    struct stream *stream = stream_of_frame(session, frame->data.id);
    uint64_t received = session->context.counters.stream_bytes_received;
    uint64_t duplicate = session->context.counters.bytes_duplicate;

    if (stream == NULL)
        return;
    stream_reference(stream);
    session->data_at_ns = session->context.now;
    /* Data implies STREAM_OPENED, which it may have overtaken. If the relay has reset the
     * stream, that frame never comes. */
    if (session->context.config.role == SESSION_LOCAL)
        set_opened(session, stream);
    if (stream_receive(&session->streams, stream, frame) != OK)
        session_fail(session, ERROR_PROTOCOL, "STREAM_DATA beyond credit or final offset");
    received = session->context.counters.stream_bytes_received - received;
    path_count_goodput(&session->paths, subflow->path, received, 0);
    if (received > 0)
        redundant_await_copies(&session->schedule, stream, subflow->path);
    session->paths.items[subflow->path].counters.bytes_duplicate +=
        session->context.counters.bytes_duplicate - duplicate;
    stream_unreference(&session->streams, stream);
}

static void take_stream_window(struct session *session, const struct frame *frame)
{
    struct stream *stream = stream_of_frame(session, frame->window.id);

    if (stream == NULL || frame->window.maximum <= stream->out_window)
        return;
    stream->out_window = frame->window.maximum;
    stream_update_ready(&session->streams, stream);
}

static void take_policy(struct session *session, const struct frame *frame)
{
    struct stream *stream;

    if (session->context.config.role != SESSION_RELAY) {
        session_fail(session, ERROR_PROTOCOL, "STREAM_POLICY out of place");
        return;
    }
    stream = stream_of_frame(session, frame->policy.id);
    if (stream != NULL)
        stream->policy = frame->policy.policy;
}

static void take_large_lost(struct session *session, const struct frame *frame)
{
    if (session->context.config.role != SESSION_LOCAL ||
        !(session->context.features & WIRE_FEATURE_LARGE_LOST) ||
        frame->large_lost.path >= SESSION_PATHS_MAX)
        session_fail(session, ERROR_PROTOCOL, "LARGE_LOST out of place");
    else
        packets_note_told(&session->subflows, (unsigned)frame->large_lost.path,
                          frame->large_lost.bytes);
}

/* The final count that follows ends the subflow, if it is still open. */
static void take_gone(struct session *session, const struct frame *frame)
{
    struct subflow *subflow;

    if (session->context.config.role != SESSION_LOCAL ||
        !(session->context.features & WIRE_FEATURE_GONE)) {
        session_fail(session, ERROR_PROTOCOL, "GONE out of place");
        return;
    }
    subflow = subflow_find(&session->subflows, frame->gone.tag, frame->gone.number);
    /* Causes of later versions say no more than that it is gone. */
    if (subflow == NULL || frame->gone.cause > SUBFLOW_CAUSE_RESET)
        return;
    subflow->cause = (uint8_t)frame->gone.cause;
    if (subflow->state == SUBFLOW_STATE_LIMBO)
        lessons_end(&session->subflows, subflow, SUBFLOW_ABANDONED);
}

static void take_ack(struct session *session, struct frame *frame)
{
    struct frame_ack_entry entry;

    while (session->context.state < SESSION_STATE_CLOSING &&
           frame_ack_next(frame, &entry)) {
        struct subflow *subflow =
            subflow_find(&session->subflows, frame->ack.tag, entry.number);

        if (subflow == NULL)
            continue; /* settled before */
        if (entry.chunks > subflow->chunks_sent) {
            session_fail(session, ERROR_PROTOCOL, "acknowledged more than was sent");
            return;
        }
        if (entry.chunks > subflow->chunks_acked) {
            subflow->proven_at_ns = session->context.now;
            path_heard(&session->paths, subflow->path);
            session->paths.items[subflow->path].stalls = 0;
            subflow_note_progress(&session->subflows, subflow);
            if (session->context.config.role == SESSION_LOCAL)
                handshake_confirmed(session, subflow->generation);
        }
        ack_settle(&session->subflows, subflow, entry.chunks);
        if (entry.final)
            subflow_take_final(&session->subflows, subflow);
        else if (subflow->state == SUBFLOW_STATE_LIMBO && subflow->chunks.count == 0)
            subflow_free(&session->subflows, subflow);
        else
            subflow_close_if_done(&session->subflows, subflow);
    }
}

static void take_close(struct session *session, const struct frame *frame)
{
    char reason[FRAME_REASON_MAX + 1];
    size_t length = frame->close.reason_length;
    /* Codes of later versions count as CLOSE_ASKED. */
    enum close_code code = frame->close.code <= CLOSE_FAILURE
                               ? (enum close_code)frame->close.code
                               : CLOSE_ASKED;

    /* People and documents get this text unchanged: no control characters. */
    for (size_t i = 0; i < length; i++)
        reason[i] = (char)(frame->close.reason[i] >= 0x20 && frame->close.reason[i] < 0x7f
                               ? frame->close.reason[i]
                               : '?');
    reason[length] = '\0';
    session_closed_by_peer(session, code, length > 0 ? reason : close_code_string(code));
}

void session_take_frame(struct session *session, struct subflow *subflow,
                        struct frame *frame)
{
    switch (frame->type) {
    case FRAME_PADDING:
    case FRAME_PING: break; /* its ACK is the answer */
    case FRAME_SUBFLOW: take_subflow(session, subflow, frame); break;
    case FRAME_END:
        subflow->end_received = true;
        subflow->waits_for_end = false;
        break;
    case FRAME_ACK: take_ack(session, frame); break;
    case FRAME_STREAM_OPEN: take_open(session, frame); break;
    case FRAME_STREAM_OPENED: take_opened(session, frame); break;
    case FRAME_STREAM_RESET: take_reset(session, frame); break;
    case FRAME_STREAM_WINDOW: take_stream_window(session, frame); break;
    case FRAME_SESSION_WINDOW:
        streams_take_window(&session->streams, frame->window.maximum);
        break;
    case FRAME_STREAM_LIMIT:
        if (session->context.config.role != SESSION_LOCAL) {
            session_fail(session, ERROR_PROTOCOL, "STREAM_LIMIT out of place");
            break;
        }
        session->streams.limit = MAX(session->streams.limit, frame->window.maximum);
        session_assign_ids(session);
        break;
    case FRAME_DEMAND:
        if (session->context.config.role != SESSION_LOCAL) {
            session_fail(session, ERROR_PROTOCOL, "DEMAND out of place");
            break;
        }
        streams_take_demand(&session->streams, frame->demand.sequence,
                            frame->demand.maximum);
        break;
    case FRAME_PATH:
        if (!session_take_path(session, frame))
            session_fail(session, ERROR_PROTOCOL, "PATH out of place");
        break;
    case FRAME_RATE:
        if (session->context.config.role != SESSION_RELAY)
            session_fail(session, ERROR_PROTOCOL, "RATE out of place");
        else
            rate_limit_set(&session->paths.rate_limit, frame->window.maximum,
                           session->context.now);
        break;
    case FRAME_STREAM_POLICY: take_policy(session, frame); break;
    case FRAME_LARGE_LOST: take_large_lost(session, frame); break;
    case FRAME_GONE: take_gone(session, frame); break;
    case FRAME_SESSION_CLOSE: take_close(session, frame); break;
    case FRAME_STREAM_DATA: take_data(session, subflow, frame); break;
    case FRAME_FLOW_OPEN:
    case FRAME_FLOW_CLOSE:
    case FRAME_FLOW_LIMIT:
    case FRAME_DATAGRAM: session_take_flow_frame(session, subflow, frame); break;
    }
}
