/* SPDX-License-Identifier: MIT */
/*
 * The session: the composition of the engine's rooms. Only the files of engine/session
 * include this.
 *
 *   session.c            the object, its events, its end
 *   session_accept.c     how a relay's session begins, and takes in connections
 *   session_handshake.c  local's HELLO, resume
 *   session_association.c  the state, and what becomes of streams when it changes
 *   session_receive.c    bytes to chunks to frames
 *   session_produce.c    what a subflow carries now: which one, how much, sealed
 *   composer.c, compose_*.c   the frames of one chunk, by kind; see composer.h
 *   session_paths.c, session_subflows.c, session_streams.c, session_flows.c   the faces
 *   take_frames.c, take_flows.c   what each frame does
 *   session_timers.c     what happens when nothing arrives
 *   session_limit.c      how many sessions a client may have
 *   session_status.c, path_status.c   snapshots of it all, for people
 */
#ifndef ENGINE_SESSION_PARTS_H
#define ENGINE_SESSION_PARTS_H

#include <splitsocks/engine/pool/pool.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/engine/session/session_flow.h>
#include <splitsocks/engine/session/session_status.h>

/* A shorter linger would end sessions between two PINGs. It travels in whole seconds. */
#define LINGER_MIN_NS (2 * NS_PER_S)
/* Old secrets are wiped hourly: those of a subflow, and those of the session. */
#define KEY_LIFE_NS (3600 * NS_PER_S)
/* What has proved nothing for so long gets a PING: an idle path while data moves on
 * another, so that its round trip stays known and its death is noticed before it is needed;
 * and a subflow that carries only ACKs, since nobody would notice a path that swallows
 * them. */
#define PROBE_NS (1 * NS_PER_S)
#define CLOSED_BOTH_NS (5 * NS_PER_S)
#define OPEN_WAIT_NS (10 * NS_PER_S)
#define CLOSE_WAIT_NS (1 * NS_PER_S)

struct session {
    struct context context;
    struct paths paths;
    struct streams streams;
    struct flows flows;
    struct subflows subflows;
    struct schedule schedule;
    struct pool pool;
    void *user;
    struct list admitted; /* relay: the worker's sessions */
    unsigned client;      /* relay: index of the client */
    /* Local: the session that a HELLO names for a resume. Only a generation in which the
     * relay has answered is known there for certain: message 2 alone does not make one. */
    uint64_t resume_id, resume_order;
    uint64_t association; /* local: counts the relay's new beginnings */
    bool heard;           /* local: the relay has answered in this association */
    bool send_close;      /* send a SESSION_CLOSE */
    bool refused;         /* relay: beyond the client's limit; exists only to say so */
    enum error end_error;
    enum close_code end_code;
    char end_reason[FRAME_REASON_MAX + 1];
    uint64_t close_deadline_ns;
    uint64_t left_up_at_ns; /* local: when the session was last UP */
    bool openings_failed;   /* local: failed those waiting for STREAM_OPENED */
    uint64_t contact_at_ns; /* last authenticated chunk */
    uint64_t data_at_ns;    /* when stream data was last sent or received */
    uint64_t checked_at_ns;
    uint64_t last_stamp; /* of the last HELLO that was sent */
    uint64_t stamp;      /* of the newest HELLO that was answered */
    struct target event_target;
    struct stream *event_stream;   /* referenced by the last event */
    struct flow *event_flow;       /* the same */
    struct subflow *event_subflow; /* freed after the last event */
};

/* session.c */
/* The parts that are common to both sides. NULL when memory is out. */
struct session *session_make(const struct session_config *config, uint64_t now) MUST_CHECK;
/* The peer broke a rule, or this side cannot go on: the session and all its streams
 * end. */
void session_fail(struct session *session, enum error error, const char *reason);
/* The peer has closed the session. */
void session_closed_by_peer(struct session *session, enum close_code code,
                            const char *reason);
/* The code that the streams of a session get which is ending, or has ended. */
enum reset_code session_end_reset(const struct session *session);
/* SESSION_CLOSE was sent, or will never be. */
void session_finish_closing(struct session *session);

/* session_association.c */
void session_set_state(struct session *session, enum session_state state);
/* Ends streams without the peer. */
void session_fail_stream(struct session *session, struct stream *stream,
                         enum reset_code code);
void session_fail_streams(struct session *session, enum reset_code code);
/* Local: the relay has not answered in this association. Streams that have sent only their
 * OPEN are opened in the next one; it does no harm if the relay dialled for them before it
 * was restarted. A stream that has sent data fails, because its data could be delivered
 * twice. */
void session_reopen_streams(struct session *session);
/* Local: gives ids to waiting streams, as STREAM_LIMIT allows. */
void session_assign_ids(struct session *session);
/* Local: the relay has lost the earlier state: all streams that it had heard of fail with
 * `code`, and all subflows but `keep` (or NULL) are closed. */
void session_reset_association(struct session *session, enum reset_code code,
                               struct subflow *keep);
/* Local: a stream or a flow begins. If the pool kept no subflow while nothing was open, the
 * relay may forget the session before it hears of it. Nothing else is lost by beginning a
 * new one. */
void session_begin_anew_if_stale(struct session *session);

/* session_flows.c */
/* Local: gives ids to waiting flows, as FLOW_LIMIT allows; ends them where the relay
 * carries none. */
void session_assign_flows(struct session *session);
/* When the flows need session_tick(). */
uint64_t session_flows_timeout(const struct session *session);
void session_tick_flows(struct session *session);

/* take_flows.c */
/* A frame of flows; a broken rule ends the session. */
void session_take_flow_frame(struct session *session, struct subflow *subflow,
                             const struct frame *frame);

/* session_handshake.c */
/* Local: the connection for a HELLO is up. Returns false when it cannot be written. */
bool handshake_begin(struct session *session, struct subflow *subflow,
                     const struct session_fresh *fresh);
bool handshake_unwritten(const struct subflow *subflow);
/* The HELLO's raw bytes; `capacity` must hold HELLO_MAX. */
size_t handshake_produce(struct subflow *subflow, uint8_t *buffer, size_t capacity);
/* Takes message 2; returns bytes used, 0 = more needed; sets *failed. */
size_t handshake_receive(struct session *session, struct subflow *subflow,
                         const uint8_t *bytes, size_t length, bool *failed);
/* Local: the relay knows the generation, since it has sent a chunk in it, or an ACK for
 * one. */
void handshake_confirmed(struct session *session, struct generation *generation);
/* Local: a chunk of the relay has opened on `subflow`. */
void handshake_contact(struct session *session, const struct subflow *subflow);

/* session_paths.c */
/* Marks all paths whose properties a new relay must be told. */
void session_tell_paths(struct session *session);
/* A PATH frame; false when it breaks a rule. */
bool session_take_path(struct session *session, const struct frame *frame);

/* take_frames.c */
void session_take_frame(struct session *session, struct subflow *subflow,
                        struct frame *frame);

/* session_receive.c */
/* Processes an opened chunk. */
void session_take_chunk(struct session *session, struct subflow *subflow,
                        const uint8_t *plaintext, size_t length);

/* Relay: the chunk that proved a new subflow; `wire_length` is its header and its sealed
 * length. */
void session_take_first(struct session *session, struct subflow *subflow,
                        size_t wire_length, const uint8_t *plaintext, size_t length);

#endif
