/* SPDX-License-Identifier: MIT */
/*
 * A local session and a relay with admission, joined by lossless in-memory connections of
 * a fixed delay: enough to test the engine's rules one at a time. The simulator in
 * test/sim has the harder networks.
 */
#ifndef TEST_SESSION_PAIR_H
#define TEST_SESSION_PAIR_H

#include "unit.h"

#include <splitsocks/base/pages.h>
#include <splitsocks/engine/session/session_flow.h>
#include <splitsocks/gate/admission.h>

#include <stdlib.h>

#define PAIR_CONNECTIONS 4096
#define PAIR_BUFFER (512 * 1024)
#define PAIR_STREAMS 512
#define PAIR_STEP_NS NS_PER_MS

#define MIB (1024 * 1024)

/* Bytes on their way in one direction, each batch with its time of arrival. */
struct pair_pipe {
    struct pair_batch {
        struct pair_batch *next;
        uint64_t arrives_at_ns;
        size_t length;
        uint8_t bytes[];
    } * first, *last;
    uint8_t *pending; /* arrived, not taken by the engine: less than a chunk */
    size_t pending_length;
    uint64_t total; /* bytes ever written */
};

/* A stranger in the place of the relay reacts to bytes in one of these ways. */
enum pair_stranger {
    STRANGER_CLOSES,
    STRANGER_RESETS,
    STRANGER_ANSWERS, /* with bytes that do not open */
    STRANGER_BEGINS,  /* with bytes that seem to begin a chunk */
    STRANGER_MUMBLES, /* with a byte, and no more */
    STRANGER_IS_SILENT,
};

struct pair_connection {
    bool dialling, open, reset;
    bool strange; /* leads to somebody else */
    bool stalled; /* as if its first segment were lost: nothing comes any more */
    uint64_t ready_at_ns, reset_at_ns;
    bool hello;
    unsigned path;
    struct subflow *local, *relay;
    struct session *relay_session;
    struct arrival *arrival;
    struct pair_pipe up, down;
};

struct pair {
    uint64_t now, delay_ns;
    struct page_pool local_pages, relay_pages;
    struct client_pools own_pools;
    struct client_account account; /* of own_pools, or those of another pair */
    struct session *local;
    struct admission *admission;
    struct door *door;
    struct client_table *clients;
    struct key_pair relay_key, local_key;
    struct admission_client limits;
    struct session *relay; /* the session last created there */
    struct pair_connection connections[PAIR_CONNECTIONS];
    unsigned connection_count, open, open_max;
    unsigned refuse, blackhole; /* bit i: path i does so */
    bool answers_only;          /* connections are reset as soon as the relay has a chunk */
    uint64_t
        freeze_down;  /* what a connection carries down beyond it is lost; 0: no limit */
    unsigned strange; /* bit i: new connections of path i lead to somebody else */
    enum pair_stranger stranger;
    /* Counted from events. */
    struct stream *incoming[PAIR_STREAMS];
    unsigned incoming_count, opened_count, up_count, resumed_count, lost_count;
    unsigned path_up_count, path_down_count;
    enum path_reason path_reason; /* of the last path that went down */
    struct {
        struct stream *stream;
        enum reset_code code;
    } resets[PAIR_STREAMS];
    unsigned reset_count;
    /* Flows: those of the relay, and what its and local's drivers have received. */
    struct flow *incoming_flows[PAIR_STREAMS];
    unsigned incoming_flow_count, flow_readable_count, flow_closed_count;
    enum flow_close_code flow_code; /* of the last one that was closed, here or there */
    unsigned limit_count;
    struct session_limit limit; /* the last one */
    unsigned shed_count;
    struct session_shed shed; /* the last one */
    enum error ended;
    enum close_code ended_code;
    char ended_reason[256];
    bool accept; /* accept incoming streams at once */
};

struct pair *pair_new(const struct session_config *config);
/* Its relay uses the memory of the other one's. */
struct pair *pair_new_beside(const struct session_config *config, struct pair *other);
void pair_free(struct pair *pair);
/* The usual configuration; each test changes the members that it is about. */
struct session_config pair_config(void);
void pair_step(struct pair *pair);
void pair_run_ms(struct pair *pair, unsigned ms);
/* Local is killed, and started again with the same key; the relay sees nothing of that. */
void pair_restart_local(struct pair *pair, const struct session_config *config);
/* The relay loses everything, as if killed and started again. */
void pair_restart_relay(struct pair *pair);
/* From now on somebody else is in the relay's place: open connections get no answer. */
void pair_replace_relay(struct pair *pair, enum pair_stranger stranger);

/* ---- streams: session_pair_streams.c ---- */

uint8_t pair_byte(uint64_t offset);
struct target pair_target(void);
struct stream *pair_open(struct pair *pair, const struct stream_policy *policy);
/* A new pair with one stream that is open; the relay's end of it is pair->incoming[0]. */
struct pair *pair_connected(const struct session_config *config, struct stream **stream);
/* Local's end of one stream, and whatever the relay has. */
void pair_release_all(struct pair *pair, struct stream *stream);
/* Writes as much as the stream takes, `most` at most; returns how many bytes that were. */
uint64_t pair_feed(struct pair *pair, struct session *session, struct stream *stream,
                   uint64_t most);
/* Takes all that can be read now, whatever it is; returns how many bytes that were. */
uint64_t pair_read_all(struct pair *pair, struct session *session, struct stream *stream);
/* Runs until `length` bytes have come through, at most `ms`; true when they did, with the
 * content of pair_byte(). */
bool pair_transfer(struct pair *pair, struct session *from, struct stream *out,
                   struct session *to, struct stream *in, uint64_t length, unsigned ms);
/* The same for the stream whose other end is pair->incoming[0]. */
bool pair_upload(struct pair *pair, struct stream *stream, uint64_t length, unsigned ms);
bool pair_download(struct pair *pair, struct stream *stream, uint64_t length, unsigned ms);

/* ---- paths: session_pair_paths.c ---- */

/* Some paths, and one stream that is open. `second` are the properties of the second path.
 */
struct pair *pair_over(unsigned paths, const struct path_properties *second,
                       const struct stream_policy *policy, struct stream **stream);
/* Bytes that have gone down a path. */
uint64_t pair_down_on(const struct pair *pair, unsigned path);
/* Connections of a path: those that are open, and all that were ever dialled. */
unsigned pair_open_on(const struct pair *pair, unsigned path);
unsigned pair_dials_on(const struct pair *pair, unsigned path);
/* Gives local the same measure for each subflow whose TCP it asks about. */
void pair_measure(struct pair *pair, const struct subflow_measure *measure);

#endif
