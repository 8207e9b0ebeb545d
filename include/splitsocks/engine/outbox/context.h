/* SPDX-License-Identifier: MIT */
/*
 * What every room of the engine shares: the configuration, the time of the call under way,
 * and the outbox, in which a room puts what concerns those above it. The session reads
 * that.
 */
#ifndef SPLITSOCKS_ENGINE_CONTEXT_H
#define SPLITSOCKS_ENGINE_CONTEXT_H

#include <splitsocks/base/ring.h>
#include <splitsocks/crypto/seal.h>
#include <splitsocks/engine/outbox/types.h>

enum session_state {
    SESSION_STATE_CONNECTING, /* local: no session at the relay yet, or no more */
    SESSION_STATE_UP,
    SESSION_STATE_LOST,    /* local: nothing makes progress; the next dial is a HELLO */
    SESSION_STATE_CLOSING, /* SESSION_CLOSE is on its way */
    SESSION_STATE_ENDED,
};

/* One for each session. The session alone changes `config`, `now` and `state`. */
struct context {
    struct session_config config;
    enum session_state state;
    uint64_t now; /* of the call under way, or the last */
    uint64_t random_state;
    bool send_session_window, send_stream_limit, send_demand;
    bool send_rate;      /* local: the ceiling down is to be told */
    uint16_t send_paths; /* local: bit i: properties of path i are to be told */
    uint64_t features;   /* agreed: WIRE_FEATURE_... */
    uint16_t large_lost; /* bit i: path i loses large packets. Relay: to be told; local: its
                            size is to be lowered */
    bool pool_dirty;     /* pool_update() has something to look at */
    struct ring events;  /* of session_event */
    bool hello_failed;   /* a session's first chunk did not arrive: the pool backs off */
    enum error failure;  /* OK while there is none */
    const char *failure_reason;
    struct session_counters counters;
};

/* outbox.c */
/* Appends an event of the type, with everything else 0, for the caller to fill in. It
 * stays valid until the next is pushed. */
struct session_event *outbox_push(struct context *context, enum session_event_type type);
/* This side cannot go on: the session ends when its driver asks for events. The first
 * failure counts. `reason` is static text. */
void outbox_fail(struct context *context, enum error error, const char *reason);
uint64_t context_random(struct context *context);

#endif
