/* SPDX-License-Identifier: MIT */
/*
 * All that is to happen in a run. A scenario is plain data: all of it is drawn from the
 * seed, or written by hand, before the run begins.
 */
#ifndef TEST_SIM_SCENARIO_H
#define TEST_SIM_SCENARIO_H

#include "net.h"

#include <splitsocks/engine/session/session.h>

#define SIM_STREAMS_MAX 512
#define SIM_FLOWS_MAX 512
#define SIM_FAULTS_MAX 48

/* How the destination of a stream reacts when the relay dials it. */
enum sim_destination { SIM_DESTINATION_ANSWERS, SIM_DESTINATION_FAILS };

/* One stream: what both ends write, and how they read and end it. */
struct sim_plan {
    uint64_t seed;               /* of its content */
    uint64_t start_at_ns;        /* after the beginning of the run */
    uint64_t total[2];           /* bytes each side writes */
    uint32_t turns;              /* 0: both write at once; else request and response */
    const uint32_t *answers;     /* bytes of each response; NULL: all are equal */
    uint64_t push_every_ns;      /* the relay writes a part of its own, `turns` in all, each
                                    time that so long has passed */
    bool hurried;                /* local writes before the stream is opened */
    bool finish_last[2];         /* ends its direction only after the peer has */
    uint64_t reset_after[2];     /* resets when it has moved so many bytes; or UINT64_MAX */
    uint64_t stop_reading_at[2]; /* reads no further; or UINT64_MAX */
    /* An end that stopped reading resets after this long. */
    uint64_t give_up_after_ns;
    bool resumes;     /* ... or reads on then */
    bool silent[2];   /* never ends its direction; resets give_up_after_ns after the peer
                         has ended the other, as what is half-closed is ended */
    bool hangs_up[2]; /* resets half of give_up_after_ns after it has ended its own */
    uint64_t read_rate[2]; /* bytes per second; 0 = as they come */
    enum sim_destination destination;
    uint64_t destination_ns; /* until it answers or fails */
    enum reset_code failure;
    struct stream_policy policy;
};

/* One flow of datagrams, sent at a steady rate by each side. */
struct sim_flow_plan {
    uint64_t seed;        /* of its content */
    uint64_t start_at_ns; /* after the beginning of the run */
    uint64_t lasts_for_ns;
    uint64_t every_ns[2]; /* time between two datagrams; relay: 0: it sends none */
    uint32_t shortest[2], longest[2]; /* their lengths, without a header of 24 bytes */
    uint32_t peers;                   /* addresses that they go to in turn */
    bool echo;                        /* the relay's end sends back all that it receives */
    struct flow_policy policy;
};

enum sim_fault_kind {
    SIM_FAULT_CUT,         /* a connection is reset by something in the middle */
    SIM_FAULT_STALL,       /* a connection carries nothing more, for a while or for ever */
    SIM_FAULT_BLACKHOLE,   /* a path swallows all, in one direction or both */
    SIM_FAULT_OFF,         /* a path's interface is gone */
    SIM_FAULT_OUTAGE,      /* all paths at once */
    SIM_FAULT_REFUSE,      /* a port of the relay refuses */
    SIM_FAULT_HANG,        /* a port of the relay does not answer */
    SIM_FAULT_SLOW,        /* a path's rate falls to a tenth */
    SIM_FAULT_FAR,         /* a path's delay grows by `amount` */
    SIM_FAULT_LOSS,        /* a path loses `amount` millionths */
    SIM_FAULT_FLIP,        /* a bit of a connection is flipped */
    SIM_FAULT_REPLAY,      /* a stranger sends the beginning of a connection again */
    SIM_FAULT_GARBAGE,     /* a stranger sends something else */
    SIM_FAULT_RESTART,     /* the relay is killed and started again */
    SIM_FAULT_DESCRIPTORS, /* local has none left for a connection to the relay */
};

struct sim_fault {
    enum sim_fault_kind kind;
    uint64_t at_ns;        /* after the beginning of the run */
    uint64_t lasts_for_ns; /* then all is as before; TIME_NEVER: until all is healed */
    size_t which;          /* path or port; for one connection: a random number */
    unsigned sides;        /* bit mask of sides, where that matters */
    uint64_t amount;
};

struct sim_scenario {
    const char *name;
    uint64_t seed;
    struct session_config config; /* local's; keys and pages are filled in by the run */
    uint64_t relay_linger_ns;
    uint32_t relay_streams; /* streams at once */
    size_t pages;           /* of each process */
    struct sim_path paths[SIM_PATHS_MAX];
    size_t path_count, port_count;
    struct sim_box boxes[SIM_BOXES_MAX]; /* they limit connections, see box.h */
    size_t box_count;
    struct path_properties properties[SIM_PATHS_MAX]; /* what local wants of the paths */
    bool told; /* local hears at once of an interface that is gone, or back */
    struct sim_plan plans[SIM_STREAMS_MAX];
    size_t plan_count;
    struct sim_flow_plan flows[SIM_FLOWS_MAX];
    size_t flow_count;
    struct sim_fault faults[SIM_FAULTS_MAX];
    size_t fault_count;
    uint64_t heal_at_ns;  /* all faults are over; then all must end */
    uint64_t limit_ns;    /* ... within this */
    uint64_t idle_for_ns; /* afterwards nobody does anything for so long */
    uint64_t bound_ns; /* what the streams take at least in the network, or 0: not known */
    uint64_t stop_ns;  /* if not 0, the run stops then, whatever is under way */
    bool reset_discards;
    /* Resets that may befall a stream without its own doing. */
    bool may_lose_session;   /* restart */
    bool may_be_unreachable; /* outages that an opening does not survive */
    bool may_linger;         /* outages longer than linger */
    bool may_starve;         /* few pages */
};

/* Draws everything from the seed. */
void sim_scenario_draw(struct sim_scenario *scenario, uint64_t seed);
/* The same, and boxes that limit connections, by a generator of their own. */
void sim_scenario_draw_limits(struct sim_scenario *scenario, uint64_t seed);
/* The first again, with flows beside the streams, by a generator of their own. */
void sim_scenario_draw_flows(struct sim_scenario *scenario, uint64_t seed);
/* A calm beginning for those written by hand: one path, the default pool, no faults. */
void sim_scenario_init(struct sim_scenario *scenario, const char *name, uint64_t seed);
/* A stream that both sides write to at once. */
struct sim_plan *sim_scenario_stream(struct sim_scenario *scenario, uint64_t up,
                                     uint64_t down);
/* A call: 50 datagrams of 200 bytes a second each way. */
struct sim_flow_plan *sim_scenario_call(struct sim_scenario *scenario,
                                        uint64_t lasts_for_ns);
/* Everything is healed when the last fault is over. */
void sim_scenario_fault(struct sim_scenario *scenario, struct sim_fault fault);
/* A box on the path, for the ports of the mask. Further limits, of a later time, may be
 * added to what is returned. */
struct sim_box *sim_scenario_box(struct sim_scenario *scenario, size_t path, uint32_t ports,
                                 struct sim_limits limits);
struct sim_path sim_path_make(uint64_t bits_per_second, unsigned round_trip_ms,
                              unsigned queue_ms);

#endif
