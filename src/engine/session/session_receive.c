/* SPDX-License-Identifier: MIT */
/* Received bytes: chunks are opened, and their frames taken. */
#include "session_parts.h"

#include <limits.h>

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

/* Takes `*most` frames of an opened chunk at most, and lowers that by those that it took.
 * Returns whether it took the last one. */
static bool take_frames(struct session *session, struct subflow *subflow,
                        const uint8_t *plaintext, size_t length, unsigned *most)
{
    struct opened_chunk *opened = &subflow->opened;
    struct wire_reader r;

    wire_reader_init(&r, plaintext + opened->next, length - opened->next);
    while (wire_remaining(&r) > 0 && session->context.state < SESSION_STATE_CLOSING) {
        struct frame frame;
        int result;

        /* A subflow that has ended gets no further call. */
        if (*most == 0 && subflow->state == SUBFLOW_STATE_OPEN) {
            opened->next = (uint16_t)(length - wire_remaining(&r));
            return false;
        }
        *most -= MIN(*most, 1u);
        result = frame_read(&r, &frame);
        if (result != OK) {
            session_fail(session, ERROR_PROTOCOL,
                         result == ERROR_UNSUPPORTED ? "unknown frame" : "malformed frame");
            break;
        }
        /* SUBFLOW must come first, since nothing can be judged without it. */
        if (!subflow->begun && session->context.config.role == SESSION_RELAY &&
            frame.type != FRAME_SUBFLOW) {
            session_fail(session, ERROR_PROTOCOL,
                         "first chunk does not begin with SUBFLOW");
            break;
        }
        if (session->refused && frame.type != FRAME_SUBFLOW)
            continue;
        opened->eliciting |= frame.type != FRAME_ACK && frame.type != FRAME_PADDING;
        session->subflows.ack_wanted |= is_kept(frame.type);
        if (is_of_data(frame.type))
            subflow->used_at_ns = session->context.now;
        session_take_frame(session, subflow, &frame);
    }
    return true;
}

/* All frames of the opened chunk were taken. */
static void finish_chunk(struct session *session, struct subflow *subflow, size_t length)
{
    bool eliciting = subflow->opened.eliciting;

    subflow->opened = (struct opened_chunk){0};
    if (session->context.state >= SESSION_STATE_CLOSING)
        return;
    ack_note_received(&session->subflows, subflow, eliciting, length + CHUNK_OVERHEAD);
    if (subflow->end_received)
        session->context.pool_dirty = true;
}

void session_take_chunk(struct session *session, struct subflow *subflow,
                        const uint8_t *plaintext, size_t length)
{
    unsigned most = UINT_MAX;

    (void)take_frames(session, subflow, plaintext, length, &most);
    finish_chunk(session, subflow, length);
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

/* Takes one chunk, or as many of its frames as `*most` allows; returns its length, or 0
 * when it is incomplete, frames of it are left, or the subflow ended. */
static size_t take_one(struct session *session, struct subflow *subflow, uint8_t *bytes,
                       size_t length, unsigned *most)
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
    if (subflow->opened.size == 0) {
        --*most; /* a chunk without frames takes time, too */
        if (seal_open(&subflow->opener, bytes, 2, bytes + 2, sealed - SEAL_TAG_SIZE,
                      bytes + 2 + sealed - SEAL_TAG_SIZE) != OK) {
            reject(session, subflow);
            return 0;
        }
        note_contact(session, subflow, 2 + sealed);
        subflow->opened.size = (uint16_t)(2 + sealed);
    }
    /* A chunk counts, and is acknowledged, while its last frames are taken and from then
     * on: if the subflow ends before, the peer sends all of it again. */
    subflow->chunks_received++;
    if (!take_frames(session, subflow, bytes + 2, sealed - SEAL_TAG_SIZE, most)) {
        subflow->chunks_received--;
        return 0;
    }
    finish_chunk(session, subflow, sealed - SEAL_TAG_SIZE);
    return 2 + sealed;
}

void session_take_first(struct session *session, struct subflow *subflow,
                        size_t wire_length, const uint8_t *plaintext, size_t length)
{
    subflow->held = true;
    note_contact(session, subflow, wire_length);
    subflow->chunks_received++;
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

static enum session_received outcome(const struct session *session,
                                     const struct subflow *subflow, bool part)
{
    if (subflow->state == SUBFLOW_STATE_LIMBO ||
        session->context.state >= SESSION_STATE_CLOSING)
        return SESSION_RECEIVED_CLOSED;
    return part ? SESSION_RECEIVED_PART : SESSION_RECEIVED_ALL;
}

size_t session_receive(struct session *session, struct subflow *subflow, uint8_t *bytes,
                       size_t length, enum session_received *received, uint64_t now)
{
    unsigned most = SESSION_FRAMES_AT_ONCE;
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
    while (most > 0 && subflow->state == SUBFLOW_STATE_OPEN &&
           session->context.state < SESSION_STATE_CLOSING) {
        size_t taken = take_one(session, subflow, bytes + used, length - used, &most);

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
        subflow->bytes_arrived =
            subflow->bytes_received + length - used - subflow->opened.size;
        if (session->context.config.role == SESSION_LOCAL)
            lessons_progress(&session->subflows, subflow);
        subflow_close_if_done(&session->subflows, subflow);
    }
    *received = outcome(session, subflow, most == 0 && used < length);
    subflow_unhold(&session->subflows, subflow);
    return used;
}
