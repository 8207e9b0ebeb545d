/* SPDX-License-Identifier: MIT */
/*
 * The state that every room of the engine shares: the configuration, the time of the
 * current call, and the outbox. A room puts messages for the rooms above it into the
 * outbox, and the session reads them.
 */
#ifndef SPLITSOCKS_ENGINE_CONTEXT_H
#define SPLITSOCKS_ENGINE_CONTEXT_H

#include <splitsocks/base/ring.h>
#include <splitsocks/crypto/seal.h>
#include <splitsocks/engine/outbox/types.h>

enum session_state {
    SESSION_STATE_CONNECTING, /* local: the relay has no session for it, or has lost it */
    SESSION_STATE_UP,
    SESSION_STATE_LOST,    /* local: nothing makes progress; the next dial is a HELLO */
    SESSION_STATE_CLOSING, /* SESSION_CLOSE is on its way */
    SESSION_STATE_ENDED,
};

/* One for each session. Only the session changes `config`, `now` and `state`. */
struct context {
    struct session_config config;
    enum session_state state;
    uint64_t now; /* time of the current call, or of the last one */
    uint64_t random_state;
    bool send_session_window, send_stream_limit, send_demand;
    bool send_rate;      /* local: send a RATE */
    uint16_t send_paths; /* local: bit i: send a PATH for path i */
    uint64_t features;   /* agreed in HELLO: WIRE_FEATURE_... */
    uint16_t large_lost; /* bit i: path i loses large packets. Relay: send a LARGE_LOST;
                            local: lower the path's packet size */
    bool pool_dirty;     /* something has changed: call pool_update() */
    struct ring events;  /* of session_event */
    bool hello_failed;   /* a session's first chunk did not arrive: the pool backs off */
    enum error failure;  /* why the session must end; OK: it need not */
    const char *failure_reason;
    struct session_counters counters;
};

/* outbox.c */
/* Appends an event of the type, with everything else 0, for the caller to fill in. The
 * pointer is valid until the next push. */
struct session_event *outbox_push(struct context *context, enum session_event_type type);
/* This side cannot go on: the session ends when its driver asks for events. Only the first
 * failure counts. `reason` is static text. */
void outbox_fail(struct context *context, enum error error, const char *reason);
uint64_t context_random(struct context *context);

#endif
