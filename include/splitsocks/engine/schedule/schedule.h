/* SPDX-License-Identifier: MIT */
/* Decides which data goes on which subflow: split, redundant, reinjection, restraint,
 * sparing. */
#ifndef SPLITSOCKS_ENGINE_SCHEDULE_H
#define SPLITSOCKS_ENGINE_SCHEDULE_H

#include <splitsocks/engine/subflow/subflow.h>

/* How long a path that was never heard may be tried before a backup is used. */
#define HOPE_NS (1 * NS_PER_S)
/* A pause that is no end: what goes to and fro counts as interactive for so long after it
 * has sent something, a path is watched for so long after bulk has stopped waiting, and
 * transfers that follow each other within this time count as one. */
#define PAUSE_NS (1 * NS_PER_S)

/* How much bulk a path may have on its way; see restraint.c. */
struct restraint {
    bool bounded;                /* `room` is a bound */
    uint64_t room;               /* bytes of bulk that may go now */
    bool held, spare;            /* in the window: bulk was held back; room was left */
    uint64_t window_began_at_ns; /* begin of the window; 0 = there is none */
    uint64_t window_bytes;       /* bytes that the path had delivered at that time */
    uint64_t window_received;    /* ... and had brought */
    uint64_t rate_seen;          /* bytes a second: highest of the windows */
    /* No bound until lifted_until_ns; length of that pause. */
    uint64_t lifted_until_ns, lifted_for_ns;
    /* When a drain ends; least round trip before it. */
    uint64_t drain_until_ns, least_rtt_ns;
    uint64_t next_drain_at_ns; /* when the next drain is due */
};

/* A datagram, and the subflow that carries it; both NULL for none. */
struct flow_pick {
    struct datagram *datagram;
    struct subflow *subflow;
};

/* The schedule of a session. */
struct schedule {
    struct context *context;
    struct paths *paths;
    struct streams *streams;
    struct flows *flows;
    struct subflows *subflows;
    struct restraint restraints[SESSION_PATHS_MAX];
    uint64_t interactive_at_ns; /* when an interactive stream last waited; 0 = never */
    uint64_t bulk_at_ns;        /* when bulk last waited; 0 = never */
    uint64_t full_since_ns,
        full_at_ns; /* local: bulk waited from full_since_ns to full_at_ns; see sparing.c */
    bool picked;    /* `small` and `large` are what goes next */
    bool flows_wait; /* a subflow with too much unsent might carry a datagram soon */
    struct flow_pick small, large;
    uint64_t stream_share; /* bytes that each stream with bulk has sent while flows had much
                              to send */
    const struct subflow *composing; /* the subflow whose chunk is being composed, ... */
    uint64_t composed_bytes;         /* ... and the bytes that are in it */
};

/* restraint.c */
/* A stream begins. */
void restraint_note_opened(struct schedule *schedule);
/* New data of the stream is about to count as sent. */
void restraint_note_sent(struct schedule *schedule, struct stream *stream);
/* How often subflows should be measured; without restraint it is `usual_ns`. */
uint64_t restraint_measure_ns(const struct schedule *schedule, uint64_t usual_ns);
/* Computes the room for bulk, once before subflows are asked what to carry. */
void restraint_update(struct schedule *schedule);
void restraint_spend(struct schedule *schedule, unsigned path, uint64_t bytes);
/* Whether the path may take no bulk now. */
bool restraint_holds(const struct schedule *schedule, unsigned path);
uint64_t restraint_timeout(const struct schedule *schedule);

/* sparing.c */
/* Local: bulk waits, in one of the directions. */
void sparing_note_bulk(struct schedule *schedule);
/* Local: decides which paths carry no bulk now. */
void sparing_update(struct schedule *schedule);
/* Local: when that changes if nothing else happens. */
uint64_t sparing_timeout(const struct schedule *schedule);
/* Whether the path must not carry this data of the stream, waiting or on its way. */
bool sparing_holds(const struct schedule *schedule, unsigned index,
                   const struct stream *stream);
/* Whether all paths that are left are to be spared. */
bool sparing_everywhere(const struct schedule *schedule);
/* Charges stream bytes that the path carries to its allowance. */
void sparing_spend(struct schedule *schedule, unsigned index, uint64_t bytes);

/* carriers.c */
struct carriers {
    struct subflow *first, *twin;
    uint64_t first_drawback, twin_drawback;
};

/* Compares one usable subflow of the path after the other; then appoints the best. */
void carriers_consider(const struct schedule *schedule, struct carriers *carriers,
                       struct subflow *subflow);
void carriers_appoint(const struct carriers *carriers);
/* Whether the subflow is for data: another of its path can take chunks with only ACKs. */
bool carriers_spare(const struct schedule *schedule, const struct subflow *subflow);

/* scheduler.c */
struct piece {
    struct stream *stream;
    uint64_t offset;
    uint64_t length;           /* at most; the FIN counts as one byte; 0 = nothing */
    bool copy;                 /* the data is on its way elsewhere, too */
    struct sent_item *copy_of; /* reinjection: the item that is copied; else NULL */
};

/* Chooses the lane, and finds which paths live and which subflows are late: once before
 * subflows are asked what to carry. */
void scheduler_update(struct schedule *schedule);
/* The data that `subflow` should carry now; false when there is none. No side effects. */
bool scheduler_next(struct schedule *schedule, struct subflow *subflow,
                    struct piece *piece);
/* Whether frames of control should avoid the subflow: its path is uncertain, or it may
 * wait for a lost segment, and another subflow is better. */
bool scheduler_avoids(const struct schedule *schedule, const struct subflow *subflow);

/* scheduler_paths.c */
bool scheduler_is_lane(const struct schedule *schedule, const struct subflow *subflow);
/* Whether the path is silent while another live path is not: it gets nothing that another
 * can carry. */
bool scheduler_path_silent(const struct schedule *schedule, unsigned index);
/* Whether the path is doubtful (path_doubt.c) while another live path is not. */
bool scheduler_path_uncertain(const struct schedule *schedule, unsigned index);
/* Whether some subflow of the path takes data of the stream, now or when it is writable
 * again. */
bool scheduler_path_takes(const struct schedule *schedule, unsigned path,
                          const struct stream *stream, bool at_once);
/* Whether the path leaves the stream's data to another: it is a backup while another
 * works, it is dearer than one that has room, or the data is bulk and the path is to be
 * spared. */
bool scheduler_spares(const struct schedule *schedule, unsigned index,
                      const struct stream *stream);

/* scheduler_split.c */
/* Whether no other path would complete the rest of the stream, at least `length` bytes,
 * before the first byte arrives on this one. */
bool split_may_carry(const struct schedule *schedule, const struct subflow *subflow,
                     const struct stream *stream, uint64_t length);

/* scheduler_redundant.c */
/* [start, end) of a stream that may be redundant is on its way on the subflow. OK or
 * ERROR_MEMORY. */
int redundant_note_sent(const struct schedule *schedule, struct stream *stream,
                        const struct subflow *subflow, uint64_t start,
                        uint64_t end) MUST_CHECK;
/* Data of the stream came first on the path `index`: the other paths should bring
 * copies. */
void redundant_await_copies(struct schedule *schedule, const struct stream *stream,
                            unsigned index);
/* Whether the path is one of those that carry the stream. */
bool redundant_may_carry(const struct schedule *schedule, unsigned path,
                         const struct stream *stream);
/* The same, and it is this subflow's turn among the path's subflows. */
bool redundant_takes(const struct schedule *schedule, const struct subflow *subflow,
                     const struct stream *stream);
/* Whether another path that is not late has taken all of the range. */
bool redundant_covered(const struct schedule *schedule, unsigned path,
                       const struct stream *stream, uint64_t start, uint64_t end);
/* The copy that the subflow should carry of data that others carry already; no side
 * effects. */
bool redundant_next(const struct schedule *schedule, const struct subflow *subflow,
                    struct stream *stream, struct piece *piece);
/* Whether some working path has such a copy to carry. */
bool redundant_waits(const struct schedule *schedule, struct stream *stream);

/* scheduler_flows.c */
/* Chooses for flows: once before subflows are asked what to carry, after all else is known
 * of them. */
void flows_update(struct schedule *schedule);
/* The datagram that the subflow should carry now, of a flow that sends little or much;
 * NULL: none. */
struct datagram *flows_next(struct schedule *schedule, const struct subflow *subflow,
                            bool large);
/* The size of a chunk for that datagram; 0: none. */
uint64_t flows_need(struct schedule *schedule, const struct subflow *subflow);
/* Whether the datagram of a flow that sends much goes before the streams. */
bool flows_turn(const struct schedule *schedule, const struct datagram *datagram);
/* A stream has sent bulk. */
void flows_note_stream(struct schedule *schedule, uint64_t bytes);
/* The datagram is in a chunk of the subflow. True: the ledger must refer to it. False: it
 * may be gone. */
bool flows_sent(struct schedule *schedule, struct datagram *datagram,
                struct subflow *subflow) MUST_CHECK;
/* Bytes of plaintext that any fresh subflow has room for. */
uint64_t flows_part_room(const struct schedule *schedule);
/* In how many copies the flow's datagrams travel now. */
unsigned flows_copies(const struct schedule *schedule, const struct flow *flow);
/* The subflow is late: what it carries goes once more elsewhere. */
void flows_note_late(struct schedule *schedule, const struct subflow *subflow);
/* Whether subflows should be measured often, since datagrams wait for them. */
bool flows_wait(const struct schedule *schedule);
uint64_t flows_timeout(const struct schedule *schedule);

/* reinjection.c */
/* When the oldest chunk that asks for an ACK was sent; there must be one. */
uint64_t reinjection_oldest_at_ns(const struct subflow *subflow);
/* When the subflow's path becomes silent if nothing comes on it, and when the subflow
 * becomes late if nothing is acknowledged; TIME_NEVER when no answer is due. */
uint64_t reinjection_silent_at_ns(const struct schedule *schedule,
                                  const struct subflow *subflow);
uint64_t reinjection_late_at_ns(const struct schedule *schedule,
                                const struct subflow *subflow);
/* Of all data that the subflow may copy, the piece nearest to its stream's head. `idle`:
 * there is nothing new to send. */
bool reinjection_next(struct schedule *schedule, struct subflow *subflow, bool idle,
                      struct piece *piece);

#endif
