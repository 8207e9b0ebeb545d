/* SPDX-License-Identifier: MIT */
/*
 * The session: the composition of the engine's rooms. Only the files of engine/session
 * include this.
 *
 *   session.c            the object, its events, its end
 *   session_accept.c     how a relay's session begins, and takes in connections
 *   session_handshake.c  local's HELLO, resume
 *   session_receive.c    bytes to chunks to frames, and what each frame does
 *   session_produce.c    what a subflow carries now: which one, how much, sealed
 *   composer.c, compose_*.c   the frames of one chunk, by kind; see composer.h
 *   session_paths.c, session_subflows.c, session_streams.c   the faces
 *   session_timers.c     what happens when nothing arrives
 *   session_limit.c      how many sessions a client may have
 *   session_status.c, path_status.c   snapshots of it all, for people
 */
#ifndef ENGINE_SESSION_PARTS_H
#define ENGINE_SESSION_PARTS_H

#include <splitsocks/engine/pool/pool.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/engine/session/session_status.h>

#define CHUNK_OVERHEAD (2 + SEAL_TAG_SIZE)
/* The first chunk of a subflow, header aside; a stranger makes the relay buffer no more. */
#define FIRST_CHUNK_MAX 1200
/* Kept back in each direction for a last ACK + DEMAND + END with its overhead. */
#define BUDGET_RESERVE 40
#define FRAME_SUBFLOW_MAX 18
/* Less would end sessions between two PINGs; it travels in whole seconds. */
#define LINGER_MIN_NS (2 * NS_PER_S)
#define SUBFLOW_AGE_NS (3600 * NS_PER_S)
#define REKEY_NS (3600 * NS_PER_S)
#define CLOSED_BOTH_NS (5 * NS_PER_S)
#define OPEN_WAIT_NS (10 * NS_PER_S)
#define CLOSE_WAIT_NS (1 * NS_PER_S)

struct session {
    struct context context;
    struct paths paths;
    struct streams streams;
    struct subflows subflows;
    struct schedule schedule;
    struct pool pool;
    void *user;
    struct list admitted; /* relay: the worker's sessions */
    unsigned client;      /* relay: index of the client */
    /* Local: what a HELLO names. Only a generation that the relay has answered in is sure
     * to be known there: message 2 alone makes none. */
    uint64_t resume_id, resume_order;
    uint64_t
        association; /* local: counts the sessions at relays that know nothing of before */
    bool heard;      /* local: the relay has answered in this association */
    bool send_close; /* a SESSION_CLOSE is to be sent */
    bool refused;    /* relay: it is only there to tell that it is not to be */
    enum error end_error;
    enum close_code end_code;
    char end_reason[FRAME_REASON_MAX + 1];
    uint64_t close_deadline_ns;
    uint64_t left_up_ns;  /* local: when the session was last UP */
    bool openings_failed; /* local: since then, those that were being opened */
    uint64_t contact_ns;  /* last authenticated chunk */
    uint64_t data_ns;     /* data of a stream was last sent, or received */
    uint64_t checked_ns;
    uint64_t last_stamp; /* sent in a HELLO */
    uint64_t stamp;      /* the newest that was answered */
    struct target event_target;
    struct stream *event_stream;   /* referenced by the event last given */
    struct subflow *event_subflow; /* to be freed after the event last given */
};

/* session.c */
/* What is common to both sides. NULL when memory is out. */
struct session *session_make(const struct session_config *config, uint64_t now) MUST_CHECK;
/* The peer broke a rule, or this side cannot go on: everything ends. */
void session_fail(struct session *session, enum error error, const char *reason);
/* The peer has closed the session. */
void session_closed_by_peer(struct session *session, enum close_code code,
                            const char *reason);
void session_set_state(struct session *session, enum session_state state);
/* SESSION_CLOSE was sent, or will never be. */
void session_finish_closing(struct session *session);

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
/* Local: the relay knows the generation: it has sent a chunk in it, or an ACK for one. */
void handshake_confirmed(struct session *session, struct generation *generation);
/* Local: a chunk of the relay has opened on `subflow`. */
void handshake_contact(struct session *session, const struct subflow *subflow);
/* Local: the relay knows nothing any more of what was before: all streams that it had heard
 * of fail with `code`, all subflows but `keep` (or NULL) are closed. */
void session_reset_association(struct session *session, enum reset_code code,
                               struct subflow *keep);

/* session_paths.c */
/* Marks whatever of the paths' properties a new relay does not know, to be told. */
void session_tell_paths(struct session *session);
/* A PATH frame; false when it breaks a rule. */
bool session_take_path(struct session *session, const struct frame *frame);

/* session_receive.c */
/* Processes an opened chunk. */
void session_take_chunk(struct session *session, struct subflow *subflow,
                        const uint8_t *plaintext, size_t length);

/* Relay: the chunk that proved a new subflow; `wire_length` counts its header and its
 * sealed length. */
void session_take_first(struct session *session, struct subflow *subflow,
                        size_t wire_length, const uint8_t *plaintext, size_t length);

/* session_streams.c */
void session_fail_streams(struct session *session, enum reset_code code);
/* Local: the relay has not answered in this association. Streams that have sent nothing but
 * their OPEN are opened in the next one; it does no harm if the relay had dialled for them
 * before it was restarted. Data could be delivered twice, and is not sent again. */
void session_reopen_streams(struct session *session);
/* Local: gives ids to waiting streams, as STREAM_LIMIT allows. */
void session_assign_ids(struct session *session);

#endif
