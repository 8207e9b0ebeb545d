/* SPDX-License-Identifier: MIT */
/*
 * A session engine and, played by a fuzz input, both of its neighbours: the application
 * above, which keeps the rules of session.h, and the peer below, which has the keys and
 * keeps no rule at all. The input is a script: one byte chooses an operation, the bytes
 * behind it are its arguments.
 */
#ifndef TEST_FUZZ_ENGINE_H
#define TEST_FUZZ_ENGINE_H

#include <splitsocks/base/pages.h>
#include <splitsocks/base/wire.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/engine/session/session_flow.h>
#include <splitsocks/wire/handshake.h>

#define ENGINE_SUBFLOWS 32
#define ENGINE_STREAMS 32
#define ENGINE_FLOWS 8
#define ENGINE_OPERATIONS_MAX 200 /* short sessions: many of them a second */

struct engine_subflow {
    struct subflow *subflow; /* NULL: the place is free */
    bool dialling;           /* the engine waits for the outcome of its dial */
    bool hello;
    bool waits_answer; /* `noise` has read a HELLO */
    bool greeted;      /* the header the engine begins with was seen */
    struct noise noise;
    struct seal seal;  /* of the peer's direction; unset: it cannot send */
    uint64_t produced; /* bytes the engine has sent */
};

struct engine_stream {
    struct stream *stream; /* NULL: the place is free */
    bool accepted;
    bool finished;
};

struct engine {
    struct wire_reader script;
    uint64_t now;
    struct page_pool pages;
    struct session *session; /* NULL before the first and after the last */
    struct session_keys keys;
    uint64_t session_id; /* as the peer knows it */
    struct engine_subflow subflows[ENGINE_SUBFLOWS];
    struct engine_stream streams[ENGINE_STREAMS];
    struct flow *flows[ENGINE_FLOWS]; /* NULL: the place is free */
    const struct engine_role *role;
    void *context; /* the role's */
};

/* The differences between an engine at local and one at a relay. */
struct engine_role {
    enum direction peer_direction;
    /* SESSION_DIAL; NULL at a relay. */
    void (*dial)(struct engine *engine, const struct session_event *event);
    /* The engine sent these bytes. */
    void (*produced)(struct engine *engine, struct engine_subflow *subflow,
                     const uint8_t *bytes, size_t length);
    /* SESSION_ENDED: frees engine->session. */
    void (*ended)(struct engine *engine);
};

typedef void engine_operation(struct engine *engine);

void engine_init(struct engine *engine, const struct engine_role *role,
                 const uint8_t *script, size_t length);
/* The session has been freed. Asserts that nothing of it is left. */
void engine_deinit(struct engine *engine);

/* Performs the script until its end, or that of the session. */
void engine_run(struct engine *engine, engine_operation *const operations[], size_t count);
/* Does the work of a driver after every call: events, measures, all that is to be sent. */
void engine_work(struct engine *engine);

/* At most 255 bytes of the script: their count first. Never NULL. */
const uint8_t *engine_bytes(struct engine *engine, size_t *length);

/* A free place, or NULL. */
struct engine_subflow *engine_attach(struct engine *engine, struct subflow *subflow);
/* Keys the peer's direction of a subflow. */
void engine_key(struct engine *engine, struct engine_subflow *subflow, uint64_t number);
/* Seals one chunk into `out`; `header` is what goes in front of a first chunk, and is
 * copied there. Returns the length of both. `out` has room for `length` and 64 more. */
size_t engine_seal(struct engine_subflow *subflow, uint8_t *out, const uint8_t *header,
                   size_t header_length, const uint8_t *frames, size_t length);
/* Gives bytes to the engine as if received on the subflow. */
void engine_deliver(struct engine *engine, struct engine_subflow *subflow,
                    const uint8_t *bytes, size_t length);
/* The place is free again. */
void engine_forget(struct engine_subflow *subflow);

/* ---- operations that both roles have ---- */

/* A target has a list of rows, each an operation and the layout of its arguments (see
 * layout.h), and makes two tables of it. */
#define ENGINE_RUN(run, layout) run,
#define ENGINE_LAYOUT(run, layout) layout,
#define ENGINE_OPERATIONS(row) \
    row(engine_peer_chunk, "bf") row(engine_peer_garbage, "bf") \
        row(engine_peer_down, "bb") row(engine_time, "b") row(engine_write, "bb") \
            row(engine_consume, "bb") row(engine_finish, "b") row(engine_reset, "bb") \
                row(engine_release, "b")

engine_operation engine_peer_chunk;   /* frames from the script */
engine_operation engine_peer_garbage; /* a chunk that does not open */
engine_operation engine_peer_down;    /* the connection ends */
engine_operation engine_time;         /* time passes */
engine_operation engine_send_datagram, engine_close_flow;
engine_operation engine_write, engine_consume, engine_finish, engine_reset, engine_release;

#endif
