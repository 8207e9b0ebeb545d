/* SPDX-License-Identifier: MIT */
/*
 * One simulated run: two processes with the real engine, the network between them, the
 * applications on both ends, and what goes wrong meanwhile.
 *
 *   scenario.h   what is to happen: drawn from a seed, or written by hand
 *   world.c      begins, runs and ends it
 *   process.c    what io does: wires, sessions, timers (local.c and relay.c: who dials,
 *                who accepts)
 *   app.c        streams: what applications and destinations write and read
 *   flow.c       flows: what they send in datagrams, and what arrives
 *   flow_watch.c flows: the age and the memory of what they send and hold
 *   fault.c      what goes wrong, when
 *
 * The first broken invariant is kept in `failure`, and ends the run.
 */
#ifndef TEST_SIM_WORLD_H
#define TEST_SIM_WORLD_H

#include "meter.h"
#include "net.h"
#include "scenario.h"

#include <splitsocks/base/account.h>
#include <splitsocks/base/pages.h>
#include <splitsocks/crypto/key.h>
#include <splitsocks/engine/session/session_flow.h>
#include <splitsocks/gate/admission.h>

struct sim_world;
struct sim_process;
struct sim_session;

/* One end of a subflow's connection, as io holds it. */
struct sim_wire {
    struct list link; /* process->wires, or ->dead_wires */
    struct sim_process *process;
    struct sim_session *owner; /* NULL: an arrival, or silent */
    struct sim_tcp *tcp;       /* NULL once given up */
    struct subflow *subflow;
    struct arrival *arrival; /* relay, until its first chunk has opened */
    uint64_t deadline_ns;    /* of an arrival, or of silence */
    bool silent;             /* is read and discarded */
    bool hello;              /* local: HELLO goes first */
    bool up;                 /* local: the connection is established */
    bool dirty;              /* the network said that something changed */
    bool blocked;
    uint8_t *tail; /* produced, not yet written */
    size_t tail_length;
    uint8_t *part; /* read, less than a chunk */
    size_t part_length;
};

struct sim_session {
    struct list link;
    struct sim_process *process;
    struct session *session;
    struct list ends; /* of struct sim_end: the streams it carries */
    bool ended;
};

struct sim_process {
    struct sim_world *world;
    enum sim_side side;
    struct sim_timer timer;
    struct page_pool pages;
    size_t pages_most;
    struct list sessions; /* local has one */
    struct list wires;
    struct list dead_wires; /* freed when the run of the process is over */
    uint64_t runs;          /* wake-ups */
    uint64_t last_run_at_ns;
    unsigned runs_at_once; /* without time going on: a busy loop */
    /* Relay. */
    struct admission *admission;
    struct door *door;
    struct client_table *clients;
    struct admission_client limits;
    struct client_pools pools;
    struct client_account account;
    unsigned starts;
};

enum sim_outcome {
    SIM_RUNNING,
    SIM_COMPLETE,  /* both directions ended, every byte seen */
    SIM_RESET,     /* the engine said so */
    SIM_CANCELLED, /* by this application */
    SIM_KILLED,    /* its process was */
};

#define SIM_LATE_NS NS_PER_S
#define SIM_EXCHANGES_MAX 512

/* One end of a stream: the application at local, the destination at the relay. */
struct sim_end {
    struct list link;
    struct sim_timer timer;
    struct sim_stream *of;
    enum sim_side side;
    struct sim_session *owner;
    struct stream *stream; /* NULL before it is there and after it was released */
    bool connected;        /* may write and read */
    bool finish_sent, finish_received;
    bool stopped; /* reads no more */
    bool resumed; /* had stopped */
    uint64_t sent, received;
    uint64_t began_at_ns, ended_at_ns;
    uint64_t progress_at_ns; /* last byte received */
    uint64_t pause_ns;       /* the longest between two arrivals */
    uint64_t late_ns;        /* of parts that were pushed: the longest time on the way, */
    unsigned late_count;  /* and how many were longer than SIM_LATE_NS */
    uint32_t exchanges;   /* of request and response that are complete, */
    uint64_t exchanged_at_ns; /* and when the last of them was */
    enum sim_outcome outcome;
    enum reset_code code; /* SIM_RESET */
};

struct sim_stream {
    struct sim_world *world;
    struct sim_plan plan;
    size_t index;
    struct sim_timer start;
    struct sim_end end[2];
    bool announced; /* the relay was asked to dial: at most once */
};

/* A datagram of a call is of no use when it takes longer. */
#define SIM_CALL_LATE_US 60000

/* One end of a flow: the application at local, the destinations at the relay. */
struct sim_flow_end {
    struct sim_timer timer;
    struct sim_flow *of;
    enum sim_side side;
    struct sim_session *owner;
    struct flow *flow; /* NULL: it is not open here */
    bool stops;        /* it has sent its last datagram */
    bool over;
    uint64_t sent, received;
    uint64_t next;                   /* above the highest number received */
    uint64_t reordered;              /* came after one of a higher number */
    uint64_t received_at_ns, gap_ns; /* the last one; the longest time between two */
    uint64_t most;                   /* datagrams that may come */
    uint32_t *delays_us;             /* of those that came */
    bool *seen;                      /* by number */
    uint64_t most_sent;              /* datagrams that it may send */
    uint64_t *sent_at_ns;            /* by number: when the engine was given it */
    uint64_t *numbers;               /* by the engine's sequence */
};

struct sim_flow {
    struct sim_world *world;
    struct sim_flow_plan plan;
    size_t index;
    struct sim_flow_end end[2];
};

struct sim_world {
    struct sim_clock clock;
    struct sim_net net;
    struct sim_scenario scenario;
    struct sim_random random; /* of the hosts: segment sizes, wake-ups, keys */
    struct sim_process process[2];
    struct key_pair local_key, relay_key;
    struct sim_stream *streams;
    struct sim_flow *flows;
    size_t flows_running; /* that are not over */
    struct sim_fault_state *faults;
    struct sim_timer heal;
    size_t streams_running; /* ends that are not over */
    uint64_t began_at_ns;
    uint64_t wall_ns;    /* the wall clock is this plus the time that has passed */
    uint64_t over_at_ns; /* when the last stream ended */
    bool restarted;
    bool no_descriptors;        /* local's dials fail at once */
    struct sim_meter meters[2]; /* what the applications of a side have received */
    size_t exchange_count;
    uint64_t exchange_ns[SIM_EXCHANGES_MAX]; /* as local sees them, of all streams */
    unsigned sheds;     /* streams that were reset for want of memory */
    bool sessions_lost; /* a relay restart was noticed, or linger passed */
    uint8_t *input, *output;
    char failure[512];
};

/* Keeps the first failure. */
void sim_fail(struct sim_world *world, const char *format, ...) PRINTF_LIKE(2, 3);

static inline bool sim_failed(const struct sim_world *world)
{
    return world->failure[0] != '\0';
}

/* ---- process.c ---- */

#define SIM_INPUT_BYTES (256 * 1024)

void sim_process_init(struct sim_process *process, struct sim_world *world,
                      enum sim_side side);
/* To be called last by all that the engine did not ask for, e.g. an application's timer. */
void sim_process_touch(struct sim_process *process);
struct sim_session *sim_session_new(struct sim_process *process, struct session *session);
/* Forgets the wires and the ends; the caller frees the engine's session. */
void sim_session_free(struct sim_session *owner);
struct sim_wire *sim_wire_new(struct sim_process *process, struct sim_tcp *tcp);
/* The wire goes; its connection was dealt with. */
void sim_wire_free(struct sim_wire *wire);
/* Reset of the connection, and the wire goes. */
void sim_wire_reset(struct sim_wire *wire);
/* Passes bytes, in world->input behind the part kept, to the session. */
void sim_wire_deliver(struct sim_wire *wire, size_t length);

/* ---- local.c, relay.c ---- */

void sim_local_start(struct sim_process *local);
/* The path's interface is gone, or back; when the scenario says that it is told. */
void sim_local_hears(struct sim_process *local, unsigned path, bool usable);
void sim_local_stop(struct sim_process *local);
void sim_local_dial(struct sim_session *owner, const struct session_event *event);
/* Looks at the connection before a wire is read. False when the wire is no more. */
bool sim_local_look(struct sim_wire *wire);

void sim_relay_start(struct sim_process *relay);
/* As if killed: every connection is reset, or left without a word (`vanish`). */
void sim_relay_stop(struct sim_process *relay, bool vanish);
void sim_relay_look(struct sim_wire *wire);
void sim_relay_incoming(struct sim_session *owner, const struct session_event *event);

/* ---- app.c ---- */

void sim_streams_init(struct sim_world *world);
void sim_streams_deinit(struct sim_world *world);
void sim_end_init(struct sim_stream *stream, enum sim_side side);
void sim_end_event(const struct session_event *event);
void sim_end_begin(struct sim_end *end, struct sim_session *owner, struct stream *stream);
/* Its process was killed. */
void sim_end_killed(struct sim_end *end);
/* The byte that `side` sends at `offset`. */
uint64_t sim_content_word(const struct sim_plan *plan, enum sim_side side, uint64_t word);

/* ---- flow.c ---- */

void sim_flows_init(struct sim_world *world);
void sim_flows_deinit(struct sim_world *world);
void sim_flow_event(struct sim_session *owner, const struct session_event *event);
/* The session is gone, and its flows with it. */
void sim_flows_lost(struct sim_session *owner);
struct sim_report;
void sim_flows_report(const struct sim_world *world, struct sim_report *report);

/* ---- flow_watch.c ---- */

/* Adds up what the flows of all sessions hold. */
void sim_watch_flows(struct sim_process *process);

/* ---- fault.c ---- */

void sim_faults_init(struct sim_world *world);
void sim_faults_deinit(struct sim_world *world);

/* ---- world.c ---- */

/* Runs the scenario; false when an invariant was broken (world->failure). The world is
 * deinitialised in any case; what it counted stays in `report`. */
#define SIM_LIVES 8

/* What has come to one side of a flow. */
struct sim_flow_report {
    uint64_t expected, received, reordered;
    uint64_t late;                            /* later than SIM_CALL_LATE_US */
    uint64_t p50_ns, p99_ns, most_ns, gap_ns; /* delays, and time without a datagram */
};

struct sim_report {
    uint64_t hash;
    uint64_t events;
    uint64_t virtual_ns; /* from the beginning until the last stream ended */
    /* From the first streams' opening at local to the last byte that came there, and to
     * the relay. */
    uint64_t life_ns[2][SIM_LIVES];
    uint64_t pause_ns[2][SIM_LIVES]; /* the longest between two arrivals */
    uint64_t late_ns; /* of the first stream's parts that were pushed, see struct sim_end */
    unsigned late_count;
    /* How long exchanges of request and response took at local, the shortest first. */
    size_t exchange_count;
    uint64_t exchange_ns[SIM_EXCHANGES_MAX];
    uint64_t arrived[2][SIM_LIVES]; /* bytes */
    uint64_t received[2];           /* application bytes that arrived at the side */
    uint64_t carried[SIM_PATHS_MAX]; /* TCP payload on the path, both ways, all sendings */
    uint64_t oversize; /* packets that were too large for their path */
    uint64_t dials;
    uint64_t dialled[SIM_PATHS_MAX];
    size_t open_most;
    uint64_t complete, reset, cancelled;
    struct session_counters counters; /* local's, at the end */
    struct sim_meter meters[2];       /* by the side that receives */
    struct sim_box_counts boxes[SIM_BOXES_MAX];
    struct sim_flow_report flows[2][SIM_FLOWS_MAX]; /* by the side that receives */
    char failure[512];
};

bool sim_run(const struct sim_scenario *scenario, bool print, struct sim_report *report);

#endif
