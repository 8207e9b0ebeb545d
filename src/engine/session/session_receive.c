/* SPDX-License-Identifier: MIT */
#include "session_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- frames ---- */

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

static void take_frame(struct session *session, struct subflow *subflow,
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

static bool is_of_data(enum frame_type type)
{
    switch (type) {
    case FRAME_STREAM_OPEN:
    case FRAME_STREAM_OPENED:
    case FRAME_STREAM_RESET:
    case FRAME_STREAM_WINDOW:
    case FRAME_STREAM_POLICY:
    case FRAME_STREAM_DATA:
    case FRAME_DATAGRAM: return true;
    default: return false;
    }
}

/* Whether the sender keeps the frame's contents until it is acknowledged, to send them
 * again. */
static bool is_kept(enum frame_type type)
{
    switch (type) {
    case FRAME_PADDING:
    case FRAME_PING:
    case FRAME_SUBFLOW:
    case FRAME_END:
    case FRAME_ACK:
    case FRAME_LARGE_LOST:
    case FRAME_DEMAND: return false;
    default: return true;
    }
}

void session_take_chunk(struct session *session, struct subflow *subflow,
                        const uint8_t *plaintext, size_t length)
{
    struct wire_reader r;
    bool eliciting = false;

    wire_reader_init(&r, plaintext, length);
    while (wire_remaining(&r) > 0 && session->context.state < SESSION_STATE_CLOSING) {
        struct frame frame;
        int result = frame_read(&r, &frame);

        if (result != OK) {
            session_fail(session, ERROR_PROTOCOL,
                         result == ERROR_UNSUPPORTED ? "unknown frame" : "malformed frame");
            return;
        }
        /* SUBFLOW must come first, since nothing can be judged without it. */
        if (!subflow->begun && session->context.config.role == SESSION_RELAY &&
            frame.type != FRAME_SUBFLOW) {
            session_fail(session, ERROR_PROTOCOL,
                         "first chunk does not begin with SUBFLOW");
            return;
        }
        if (session->refused && frame.type != FRAME_SUBFLOW)
            continue;
        eliciting |= frame.type != FRAME_ACK && frame.type != FRAME_PADDING;
        session->subflows.ack_wanted |= is_kept(frame.type);
        if (is_of_data(frame.type))
            subflow->used_at_ns = session->context.now;
        take_frame(session, subflow, &frame);
    }
    if (session->context.state >= SESSION_STATE_CLOSING)
        return;
    ack_note_received(&session->subflows, subflow, eliciting, length + CHUNK_OVERHEAD);
    if (subflow->end_received)
        session->context.pool_dirty = true;
}

/* ---- bytes ---- */

/* Received bytes show that the peer lives, but not that it gets what this side sends:
 * while an ACK is due, only that is progress. */
static void sign_of_life(struct session *session, struct subflow *subflow)
{
    if (subflow->eliciting_unacked > 0)
        return;
    subflow_note_progress(&session->subflows, subflow);
}

static void note_contact(struct session *session, struct subflow *subflow, size_t length)
{
    pool_count_bytes(&session->pool, subflow, 0, length);
    subflow->chunks_received++;
    if (!subflow->confirmed && session->context.config.role == SESSION_LOCAL)
        pool_proven(&session->pool, subflow);
    subflow->confirmed = true;
    if (session->context.config.role == SESSION_LOCAL)
        keepalive_note_heard(&session->subflows, subflow);
    subflow->received_at_ns = session->context.now;
    sign_of_life(session, subflow);
    packets_note_received(&session->subflows, subflow);
    session->contact_at_ns = session->context.now;
    session->pool.silent_since_ns = TIME_NEVER;
    if (session->context.config.role == SESSION_LOCAL)
        handshake_contact(session, subflow);
    session->context.counters.chunks_received++;
    session->context.counters.wire_bytes_received += length;
    /* A relay does not know the path before it has seen SUBFLOW. */
    if (subflow->begun || session->context.config.role == SESSION_LOCAL)
        session->paths.items[subflow->path].counters.wire_bytes_received += length;
    path_count(&session->paths, subflow->path, length, 0);
    path_note_received(&session->paths.items[subflow->path], session->context.now);
    path_heard(&session->paths, subflow->path);
}

/* Bytes are not authentic: somebody changed them, or they are not the peer's. */
static void reject(struct session *session, struct subflow *subflow)
{
    if (session->context.config.role == SESSION_LOCAL && !subflow->confirmed)
        pool_unproven(&session->pool, subflow, UNPROVEN_STRANGE);
    subflow_tell(&session->subflows, subflow, SESSION_CLOSE_SUBFLOW)->silent =
        session->context.config.role == SESSION_RELAY;
    subflow_end(&session->subflows, subflow, SUBFLOW_ABANDONED);
}

/* Takes one chunk; returns its length, or 0 when it is incomplete or the subflow ended. */
static size_t take_one(struct session *session, struct subflow *subflow, uint8_t *bytes,
                       size_t length)
{
    size_t sealed;

    if (length < 2)
        return 0;
    sealed = (size_t)bytes[0] << 8 | bytes[1];
    if (sealed < SEAL_TAG_SIZE || sealed + 2 > CHUNK_SIZE_MAX) {
        reject(session, subflow);
        return 0;
    }
    if (length < 2 + sealed)
        return 0;
    if (seal_open(&subflow->opener, bytes, 2, bytes + 2, sealed - SEAL_TAG_SIZE,
                  bytes + 2 + sealed - SEAL_TAG_SIZE) != OK) {
        reject(session, subflow);
        return 0;
    }
    note_contact(session, subflow, 2 + sealed);
    session_take_chunk(session, subflow, bytes + 2, sealed - SEAL_TAG_SIZE);
    return 2 + sealed;
}

void session_take_first(struct session *session, struct subflow *subflow,
                        size_t wire_length, const uint8_t *plaintext, size_t length)
{
    subflow->held = true;
    note_contact(session, subflow, wire_length);
    session_take_chunk(session, subflow, plaintext, length);
    if (!subflow->begun)
        session_fail(session, ERROR_PROTOCOL, "first chunk is empty");
    subflow_unhold(&session->subflows, subflow);
}

/* Whether bytes of an incomplete chunk may be the relay's. If another machine has answered
 * on the path before, they may be anybody's until a chunk has opened. */
static bool may_be_of_relay(const struct session *session, const struct subflow *subflow)
{
    return subflow->confirmed || (subflow->state == SUBFLOW_STATE_OPEN &&
                                  session->paths.items[subflow->path].unproven == 0);
}

size_t session_receive(struct session *session, struct subflow *subflow, uint8_t *bytes,
                       size_t length, bool *closed, uint64_t now)
{
    size_t used = 0;
    bool failed = false;

    session->context.now = now;
    /* Hold the subflow as an event does, so that it outlives the ACKs in its own
     * chunks. */
    subflow->held = true;
    if (subflow->state == SUBFLOW_STATE_HELLO &&
        session->context.state < SESSION_STATE_CLOSING) {
        subflow->progress_at_ns = subflow->answer_at_ns = now;
        subflow->heard = length > 0;
        used = handshake_receive(session, subflow, bytes, length, &failed);
        if (failed)
            reject(session, subflow);
    }
    while (subflow->state == SUBFLOW_STATE_OPEN &&
           session->context.state < SESSION_STATE_CLOSING) {
        size_t taken = take_one(session, subflow, bytes + used, length - used);

        if (taken == 0)
            break;
        used += taken;
    }
    /* Bytes of an incomplete chunk are progress too: the ACK may be among them. A relay
     * that does not know the session sends nothing; another machine in its place may. */
    if (length > used && may_be_of_relay(session, subflow)) {
        session->pool.silent_since_ns = TIME_NEVER;
        subflow->received_at_ns = now;
        subflow_note_progress(&session->subflows, subflow);
        path_note_received(&session->paths.items[subflow->path], now);
    }
    if (subflow->state == SUBFLOW_STATE_OPEN) {
        subflow->bytes_arrived = subflow->bytes_received + length - used;
        if (session->context.config.role == SESSION_LOCAL)
            lessons_progress(&session->subflows, subflow);
        subflow_close_if_done(&session->subflows, subflow);
    }
    *closed = subflow->state == SUBFLOW_STATE_LIMBO ||
              session->context.state >= SESSION_STATE_CLOSING;
    subflow_unhold(&session->subflows, subflow);
    return used;
}
