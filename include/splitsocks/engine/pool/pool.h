/* SPDX-License-Identifier: MIT */
/* The pool of subflows, at local only: how many there are on each path, and when to
 * dial. */
#ifndef SPLITSOCKS_ENGINE_POOL_H
#define SPLITSOCKS_ENGINE_POOL_H

#include <splitsocks/engine/schedule/schedule.h>

#define MEASURE_ENDED_NS (1 * NS_PER_MS)
/* How long a dial is waited for, at least: until it is given up, until another HELLO is
 * sent, and until it is looked again for a subflow that gives up its place. */
#define DIAL_TIMEOUT_MIN_NS (250 * NS_PER_MS)
#define DIAL_TIMEOUT_MAX_NS (3 * NS_PER_S)
#define BACKOFF_MIN_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (1 * NS_PER_S)
#define BACKOFF_IDLE_NS (15 * NS_PER_S)
/* A subflow beyond the idle number that has nothing to do is retired after this time. */
#define SPARE_LIFE_NS (5 * NS_PER_S)

/* What the pool aims at on one path, in subflows. */
struct path_plan {
    uint64_t share; /* lasting ones, where shares hold */
    unsigned asked; /* what a working path keeps for streams that ask for it, ... */
    /* ... and including those for small data, on the shortest path, and for missed data */
    unsigned minimum;
    bool held_back; /* the path is not dialled now, because a better one is there */
    bool missed;    /* data waits for it that others may not carry */
};

/* What the pool aims at; see pool_plan.c. */
struct pool_plan {
    unsigned usable_paths;
    bool bulk_expected; /* bulk waits, or may soon */
    /* With several paths, each has its share. When one fails, the share of the others does
     * not grow: their extra subflows would be in the way when it is back. */
    bool shares_hold;
    unsigned needed; /* subflows to keep while nothing waits */
    uint64_t wanted; /* how many lasting ones there should be */
    uint64_t bound;  /* how many may be open, including those that are about to end */
    struct path_plan paths[SESSION_PATHS_MAX];
};

/* The pool of a session. */
struct pool {
    struct context *context;
    struct paths *paths;
    struct streams *streams;
    struct flows *flows;
    struct subflows *subflows;
    struct schedule *schedule;
    uint64_t rekey_at_ns;        /* local: when the hourly resume is due */
    uint64_t silent_since_ns;    /* first dial without contact since; or TIME_NEVER */
    uint64_t backoff_ns;         /* time between HELLOs that fail */
    uint64_t hello_failed_at_ns; /* time of the last failed HELLO */
    uint64_t next_hello_at_ns, hello_race_at_ns;
    struct pool_plan plan;            /* local: of the last pool_update() */
    struct peak queue_up, queue_down; /* local: most bytes that waited recently */
    /* Local: when a STREAM_OPEN last became ready; 0 = never. */
    uint64_t stream_begun_at_ns;
    uint64_t canary_at_ns;      /* local: when a canary was last dialled */
    uint64_t ticked_at_ns;      /* local: when the slots were last looked at */
    uint64_t wake_at_ns;        /* when pool_update() must be called again */
    unsigned explicit_failures; /* dials refused or unreachable, in a row */
    unsigned hellos_unanswered; /* HELLOs without an answer, in a row */
    unsigned hellos_unproven;   /* unanswered or answered wrongly, in a row */
};

/* pool.c */
void pool_update(struct pool *pool);
/* Counts bytes that the subflow sent or received; it may need a replacement. */
void pool_count_bytes(struct pool *pool, struct subflow *subflow, uint64_t sent,
                      uint64_t received);
/* Local: a stream begins, which may ask for paths of its own. */
void pool_stream_begins(struct pool *pool, struct stream *stream);
/* The paths' properties have changed. */
void pool_recount_streams(struct pool *pool);
/* A live subflow ended, or a dial did. */
void pool_dial_timed_out(struct pool *pool, struct subflow *subflow);
/* A HELLO did not lead to a session. */
void pool_hello_failed(struct pool *pool);
void pool_dial_ended(struct pool *pool, struct subflow *subflow, enum subflow_end end);
void pool_dial_succeeded(struct pool *pool, struct subflow *subflow);
uint64_t pool_next_timeout(const struct pool *pool);

/* pool_flows.c */
/* Local: a flow of this policy was used. It asks for paths of its own until it has been
 * idle for a while. */
void pool_flow_used(struct pool *pool, const struct flow *flow);
/* Whether flows ask for paths, and no flow was used for so long that they need not. */
uint64_t pool_flows_timeout(const struct pool *pool);
void pool_tick_flows(struct pool *pool);

/* pool_proof.c; local: an established connection has proved that it leads to the relay, or
 * is given up because it has not. */
void pool_proven(struct pool *pool, struct subflow *subflow);
void pool_unproven(struct pool *pool, struct subflow *subflow, enum unproven how);
/* A stream is opened: no back-off lasts longer than BACKOFF_MAX_NS from now on. */
void pool_hurry(struct pool *pool);
/* Local: notes how much waits now. The longest queue of the last moments counts. */
void pool_note_queues(struct pool *pool);
/* Local: whether a transfer waits, in either direction, whose end is not in sight. */
bool pool_bulk_waits(const struct pool *pool);
bool pool_active(const struct pool *pool);

/* pool_limits.c */
/* What a new subflow of a port that was dialled may carry in a direction, without the
 * configuration's spread. */
uint64_t pool_port_budget(const struct pool *pool, const struct port_limits *port,
                          enum profile_coordinate direction);
/* The most certain limit of what the port's connections carry, with the budget in force.
 * False: none is certain. */
bool pool_port_finding(const struct pool *pool, const struct port_limits *port,
                       struct profile_finding *finding);

#endif
