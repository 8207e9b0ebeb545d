/* SPDX-License-Identifier: MIT */
/* Subflows: their life, keys, acknowledgements, and the ledger of sent chunks. */
#ifndef SPLITSOCKS_ENGINE_SUBFLOW_H
#define SPLITSOCKS_ENGINE_SUBFLOW_H

#include <splitsocks/base/number_window.h>
#include <splitsocks/crypto/noise.h>
#include <splitsocks/engine/flow/flow.h>
#include <splitsocks/engine/stream/stream.h>
#include <splitsocks/wire/handshake.h>

/* The JOIN header, and a SUBFLOW frame, at their longest. */
#define JOIN_HEADER_MAX 17
/* Length and tag of a chunk. */
#define CHUNK_OVERHEAD (2 + SEAL_TAG_SIZE)
/* Largest first chunk of a subflow, header aside. The relay buffers no more of an arrival
 * that it does not know. */
#define FIRST_CHUNK_MAX 1200
/* The first chunks of a subflow, bytes; later ones are at most what was sent before. */
#define CHUNK_FIRST 4096
/* Kept back of each budget for a last ACK + DEMAND + END and their overhead. */
#define BUDGET_RESERVE 40
#define FRAME_SUBFLOW_MAX 18
/* After so many bytes an ACK is sent without delay, so that the sender of bulk need not
 * keep more. */
#define ACK_BYTES (256 * 1024)
#define STALL_DOUBLINGS 4u
#define ANSWER_MIN_NS (2 * NS_PER_S)
#define KEEPALIVE_NS (45 * NS_PER_S)
#define ORDERLY_GRACE_MIN_NS (1 * NS_PER_S)
/* Bytes of TCP's first window: 10 segments (RFC 6928). Budgets up to here fit it: the
 * tight regime. */
#define INITIAL_WINDOW 14600
/* ---- generations ---- */

/* Six bits that tell the generations of one session apart. No two live generations have
 * the same tag: the relay draws ids accordingly, and local refuses others. The relay also
 * avoids the tags of the last few generations, since final counts for them may come
 * late. */
#define GENERATION_TAG(id) ((id)&0x3f)
#define TAGS_RESTED 32

/* The keys and numbers of one HELLO. A resume adds a generation to the session; an old one
 * is freed with its last subflow. */
struct generation {
    struct list node; /* in subflows.generations, oldest first */
    uint64_t id;      /* session id */
    uint64_t tag;     /* GENERATION_TAG(id); travels in ACK */
    uint64_t order;   /* order of birth; the newest has the highest */
    struct session_keys keys;
    uint64_t next_number;      /* local: number of the next JOIN */
    bool confirmed;            /* local: the relay has answered in it */
    struct number_window used; /* relay: numbers whose first chunk has opened */
    unsigned subflows;         /* subflows of this generation */
};

/* ---- subflows ---- */

enum subflow_state {
    SUBFLOW_STATE_DIALLING, /* local: SESSION_DIAL given, no answer yet */
    SUBFLOW_STATE_HELLO,    /* local: connected; message 2 has not come yet */
    SUBFLOW_STATE_OPEN,     /* carries chunks */
    SUBFLOW_STATE_LIMBO,    /* the socket is gone; the ledger is not settled yet */
};

/* Why a subflow that had something to carry was given up; travels in GONE. */
enum subflow_cause {
    SUBFLOW_CAUSE_OTHER,  /* the path was out, or any other reason */
    SUBFLOW_CAUSE_FROZEN, /* no progress, while the path carried what was sent later */
    SUBFLOW_CAUSE_RESET,  /* a reset that neither side sent */
    SUBFLOW_CAUSE_UNTOLD, /* local: a reset that may be the relay's; GONE tells */
};

/* Which of its path's small data the subflow carries; see carriers.c. */
enum carrier { CARRIER_FIRST, CARRIER_TWIN, CARRIER_SPARE };

enum sent_kind {
    SENT_DATA,
    SENT_OPEN,
    SENT_OPENED,
    SENT_RESET,
    SENT_STREAM_WINDOW,
    SENT_POLICY,
    SENT_SESSION_WINDOW, /* from here on: of the session, not of a stream */
    SENT_STREAM_LIMIT,
    SENT_DEMAND,
    SENT_PATH,
    SENT_RATE,
    SENT_FINAL,
    SENT_DATAGRAM,
    SENT_FLOW_OPEN,
    SENT_FLOW_CLOSE,
    SENT_FLOW_LIMIT,
};

/* One frame of a sent chunk, to be settled when the chunk is acknowledged or lost. */
struct sent_item {
    union {
        struct stream *stream;     /* referenced */
        struct datagram *datagram; /* DATAGRAM: referenced */
        uint64_t number; /* FINAL: subflow number; PATH: path; FLOW_OPEN and _CLOSE:
                            id */
    };
    uint64_t offset; /* DATA; FINAL: chunks received; FLOW_CLOSE: code */
    uint32_t length; /* DATA: bytes, the FIN counted as one; FINAL: generation's order */
    uint32_t copied; /* DATA: bytes of it that were sent elsewhere, too */
    uint8_t kind;    /* enum sent_kind */
    bool copy;       /* DATA: sent as a copy of bytes sent elsewhere */
};

struct sent_chunk {
    uint64_t sent_at_ns;
    uint64_t end;          /* the subflow's bytes_sent after the chunk */
    uint32_t unkept_bytes; /* of datagrams that have no item */
    uint16_t items;
    bool eliciting;
    bool hedged; /* the chunk was late, and its frames of control were queued again */
};

/* A HELLO under way: the bytes to write, and the state that reads the answer. */
struct hello_state {
    struct noise noise;
    struct hello_offer offer;
    uint8_t bytes[HELLO_MAX];
    size_t length;        /* 0 once written */
    uint64_t association; /* the association that the HELLO wants to resume */
};

struct copies;

/* A received chunk that was opened, and of which frames are left. */
struct opened_chunk {
    uint16_t size;  /* bytes on the wire; 0: there is none */
    uint16_t next;  /* where the next frame begins in its plaintext */
    bool eliciting; /* the frames before asked for an ACK */
};

struct subflow {
    struct list node;          /* in subflows.all, or in subflows.limbo */
    struct list ack_node;      /* in subflows.ack_queue while an ACK is owed for it */
    struct subflow *hash_next; /* in subflows.by_number, once it has a number */
    void *user;
    struct generation *generation; /* NULL before it has a number */
    uint64_t number;
    uint8_t path, port;
    uint8_t state; /* enum subflow_state */
    bool hello;    /* opened by HELLO, not JOIN */
    bool writable;
    bool begun;     /* local: header and first chunk produced */
    bool confirmed; /* an authentic byte has come on it */
    bool heard;     /* HELLO: a part of the answer has come */
    bool end_sent, end_received;
    bool waits_for_end;     /* END was sent, and the peer's has not come */
    bool retire;            /* send END with the next chunk */
    bool suspect;           /* makes no progress: gets no new data */
    uint8_t carrier;        /* enum carrier; for usable subflows */
    uint8_t unproven;       /* enum unproven: why it was given up */
    bool late;              /* its oldest unacknowledged chunk is overdue: perhaps a lost
                               segment holds up all that was sent behind it */
    bool ping;              /* send a PING */
    bool bulk;              /* has carried bulk: unfit as the interactive lane */
    bool event_pending;     /* a SESSION_CLOSE_SUBFLOW or SESSION_DIAL is queued */
    bool held;              /* session_receive() is working on it */
    bool driver_done;       /* the driver has let go: drop the queued event */
    bool trial;             /* local: a trial of packets larger than known to pass */
    uint8_t passed;         /* trial: PACKET_UP, PACKET_DOWN: where they passed */
    uint16_t packet_size;   /* local: bound of the dial; 0: the link's own */
    uint32_t payload_bytes; /* payload of its largest packets; 0: unknown */
    uint32_t passed_bytes;  /* largest payload that the peer's TCP has acknowledged */
    uint32_t large_bytes;   /* a larger one that is not acknowledged: packets.c */
    uint64_t large_at_ns;   /* when large_bytes were sent; 0: there are none */
    uint64_t large_end;     /* `bytes_sent` after them */
    struct hello_state *handshake; /* owned; HELLO under way */
    struct seal seal, opener;

    uint64_t budget_out, budget_in; /* bytes */
    uint64_t bytes_sent, bytes_received;
    uint64_t bytes_arrived; /* bytes_received, and of a chunk that is incomplete */
    struct profile_connection lesson; /* local */
    struct dial_attempt attempt;      /* local */
    uint8_t cause;                    /* enum subflow_cause */
    bool lingers;                     /* LIMBO: settled, but why it ended is not told yet */
    bool canary; /* local: dialled because nothing came; counts once it is established */

    struct ring chunks; /* of sent_chunk: unacknowledged, oldest first */
    struct ring items;  /* of sent_item: the chunks' contents */
    uint64_t chunks_sent, chunks_acked;
    unsigned eliciting_unacked;
    uint64_t chunks_received;
    struct opened_chunk opened;

    struct subflow_measure measure;
    uint64_t measured_at_ns;
    uint64_t measured_bytes; /* bytes_sent at the last measure */
    uint64_t dialled_at_ns, up_at_ns;
    uint64_t progress_at_ns; /* last progress while an answer is due */
    /* The same, but once the peer's TCP has the whole chunk that is due first, its further
     * acknowledgements do not count. */
    uint64_t answer_at_ns;
    uint64_t sent_at_ns, received_at_ns;
    uint64_t asked_at_ns;    /* when it was last used after a pause */
    uint64_t idle_for_ns;    /* length of that pause, in both directions */
    uint64_t used_at_ns;     /* when stream frames were last sent or received */
    uint64_t proven_at_ns;   /* when the peer last acknowledged a chunk */
    uint64_t told_at_ns;     /* when an ACK for it was last sent */
    struct subflow *told_on; /* that carried that ACK; NULL: none, or it has ended */
    struct list told_node;   /* in `told` of that subflow */
    struct list told;        /* subflows for which the last ACK went on this one */
    uint64_t deadline_ns;    /* DIALLING: when the dial is given up; LIMBO: when unsettled
                                chunks are requeued */
};

struct final_ack {
    uint64_t order; /* order of the subflow's generation */
    uint64_t number, chunks;
    enum subflow_cause cause; /* relay: why it was given up */
};

#define BY_NUMBER_BUCKETS 256

/* The subflows of a session, and its generations of keys. */
struct subflows {
    struct context *context;
    struct paths *paths;
    struct streams *streams;
    struct flows *flows;
    struct list generations;         /* of generation */
    uint64_t next_generation;        /* order of the next generation */
    uint64_t tags_used[TAGS_RESTED]; /* tags of the newest generations, by order */
    struct list all;                 /* DIALLING, HELLO and OPEN */
    struct list limbo;
    uint64_t limbo_wake_at_ns; /* the earliest deadline in limbo, or before it */
    struct subflow *by_number[BY_NUMBER_BUCKETS];
    struct subflow *lane;
    unsigned suspects;        /* number of suspect subflows */
    unsigned open_count;      /* members of `all` */
    struct list ack_queue;    /* subflows for whose chunks an ACK is owed */
    struct ring finals;       /* of final_ack, to be sent */
    uint64_t ack_deadline_ns; /* when an ACK must be sent; TIME_NEVER = none is owed */
    uint64_t ack_bytes;       /* received since the last ACK */
    bool hedging;             /* the next chunk repeats frames: do not hedge it again */
    bool ack_wanted;          /* the peer keeps state until it gets an ACK */
    uint64_t doubt_since_ns;  /* local: signs of life before it prove nothing */
};

/* generations.c */
/* Appends a generation that takes over `keys`. NULL when memory is out. */
struct generation *generation_new(struct subflows *subflows, uint64_t id,
                                  const struct session_keys *keys) MUST_CHECK;
struct generation *generation_current(const struct subflows *subflows);
struct generation *generation_by_tag(const struct subflows *subflows, uint64_t tag);
/* Finds the tag for a final count; false when so many generations have followed that the
 * tag may mean another. */
bool generation_final_tag(const struct subflows *subflows, uint64_t order, uint64_t *tag);
/* Whether a live or a recent generation has the tag. */
bool generation_tag_used(const struct subflows *subflows, uint64_t tag);
/* Frees all generations without subflows, except the current one. */
void generation_release(struct subflows *subflows, struct generation *generation);
void generation_free(struct subflows *subflows, struct generation *generation);
/* Keys both directions of the subflow; OK or an error of the crypto room. */
int generation_key_subflow(struct subflows *subflows, struct generation *generation,
                           struct subflow *subflow) MUST_CHECK;

/* subflow.c */
struct subflow *subflow_new(struct subflows *subflows, unsigned path) MUST_CHECK;
void subflow_free(struct subflows *subflows, struct subflow *subflow);
void hello_free(struct hello_state *hello);
void subflow_set_number(struct subflows *subflows, struct subflow *subflow,
                        struct generation *generation, uint64_t number);
struct subflow *subflow_find(const struct subflows *subflows, uint64_t tag,
                             uint64_t number);
/* The connection is established: the times of the subflow begin now. */
void subflow_connected(struct subflows *subflows, struct subflow *subflow);
/* The only way to change the state: asserts that the edge is legal. */
void subflow_set_state(struct subflow *subflow, enum subflow_state state);
/* Appends an event of the subflow, which stays in memory until the event is taken. */
struct session_event *subflow_tell(struct subflows *subflows, struct subflow *subflow,
                                   enum session_event_type type);
void subflow_unhold(struct subflows *subflows, struct subflow *subflow);
uint64_t subflow_budget_left(const struct subflow *subflow);
/* Whether the subflow is open and retired by neither side, so that new data may go on
 * it. */
bool subflow_usable(const struct subflow *subflow);
/* Whether the subflow may send its first chunk: local's JOINs may not before the session
 * is confirmed. */
bool subflow_may_begin(const struct subflows *subflows, const struct subflow *subflow);
uint64_t subflow_rtt_ns(const struct subflows *subflows, const struct subflow *subflow);
uint64_t subflow_stall_ns(const struct subflows *subflows, const struct subflow *subflow);
/* The first chunk that awaits an ACK; NULL: none does. Valid until the ledger changes. */
const struct sent_chunk *subflow_oldest_asking(const struct subflow *subflow);
/* A chunk that was sent on the path later than the oldest unacknowledged one of the subflow
 * has been acknowledged: the path works, and this connection alone does not. */
bool subflow_witnessed(const struct subflows *subflows, const struct subflow *subflow);
/* After how long without progress a connection is frozen, once a witness shows that its
 * path works. */
uint64_t subflow_freeze_ns(uint64_t round_trip_ns);
/* After how long without progress the subflow is closed. */
uint64_t subflow_death_ns(const struct subflows *subflows, const struct subflow *subflow);
/* It gets an END as soon as it may, and the pool looks for another in its place. */
void subflow_retire(struct subflows *subflows, struct subflow *subflow);
/* Sends a PING, which the peer must acknowledge. */
void subflow_ask(struct subflows *subflows, struct subflow *subflow);
/* The last ACK for the subflow goes on `carrier`, now. */
void subflow_note_told(struct subflow *subflow, struct subflow *carrier, uint64_t now);
/* Whether the subflow is open, and an eliciting chunk of it is not acknowledged. */
bool subflow_awaits_ack(const struct subflow *subflow);
/* Whether the peer owes an answer on the subflow. */
bool subflow_outstanding(const struct subflow *subflow);

/* subflow_measure.c */
/* Takes the kernel's new figures about the connection. */
void subflow_take_measure(struct subflows *subflows, struct subflow *subflow,
                          const struct subflow_measure *measure);
/* Whether the peer's TCP has everything that was sent, as far as was measured. */
bool subflow_drained(const struct subflow *subflow);
/* The subflow has made progress. */
void subflow_note_progress(struct subflows *subflows, struct subflow *subflow);
void subflow_set_suspect(struct subflows *subflows, struct subflow *subflow, bool suspect);

/* subflow_end.c */
/* The way in which a subflow ended decides how long its unsettled chunks may wait for the
 * peer's final count. */
enum subflow_manner { SUBFLOW_ORDERLY, SUBFLOW_ABANDONED };
/* Why it is given up; OTHER when it had nothing to carry. */
enum subflow_cause subflow_cause(const struct subflow *subflow);
/* Ends a live subflow, and tells the driver to reset its socket unless that is gone. */
void subflow_close(struct subflows *subflows, struct subflow *subflow,
                   enum subflow_manner manner);
/* Ends a subflow whose socket is gone, or whose close event is queued already. */
void subflow_end(struct subflows *subflows, struct subflow *subflow,
                 enum subflow_manner manner);
/* Local: resets a subflow that both sides have finished; true when it did. */
bool subflow_close_if_done(struct subflows *subflows, struct subflow *subflow);
/* The peer has closed the subflow: its count of received chunks is final. */
void subflow_take_final(struct subflows *subflows, struct subflow *subflow);

/* subflows.c */
/* Sums up the measures of the path's subflows. */
void subflows_refresh_path(struct subflows *subflows, unsigned path);
/* Whether some subflow is known to work. */
bool subflows_in_touch(const struct subflows *subflows);

/* ack.c */
/* The peer has received the first `chunks` chunks of the subflow. */
void ack_settle(struct subflows *subflows, struct subflow *subflow, uint64_t chunks);
/* A chunk was received: an ACK is owed; in time if the chunk is eliciting. */
void ack_note_received(struct subflows *subflows, struct subflow *subflow, bool eliciting,
                       size_t length);
/* This side has closed the subflow: its final count is sent reliably. */
void ack_note_final(struct subflows *subflows, struct subflow *subflow);
/* Sends the counts of all open subflows once more. */
void ack_repeat(struct subflows *subflows);
/* Tells once more what was told on the subflow, which has died and may have lost it. */
void ack_repeat_of(struct subflows *subflows, const struct subflow *carrier);
/* Tells once more what was told on subflows of which nothing was heard since, for longer
 * than an answer takes: a fresh subflow carries it. */
void ack_repeat_unheard(struct subflows *subflows);
bool ack_due(const struct subflows *subflows);
bool ack_waiting(const struct subflows *subflows);
/* Queues the frames of control of the oldest unacknowledged chunk again, once for each
 * chunk; there must be one. */
void ack_hedge(struct subflows *subflows, struct subflow *subflow);
/* Puts the contents of all unacknowledged chunks back into the queues. */
void ack_requeue(struct subflows *subflows, struct subflow *subflow);
/* Drops all unacknowledged chunks, without sending their contents again. */
void ack_forget(struct subflows *subflows, struct subflow *subflow);

/* lessons.c; local: what subflows teach of the limits of their path's connections. */
/* The learned limits of the subflow's path and port; NULL: at a relay, or out of memory. */
struct port_limits *lessons_limits(const struct subflows *subflows,
                                   const struct subflow *subflow);
/* It is dialled, perhaps to find out whether its path's connections may carry more. */
void lessons_begin(struct subflows *subflows, struct subflow *subflow, bool explorer);
/* It has carried something, or time has passed. */
void lessons_progress(struct subflows *subflows, struct subflow *subflow);
void lessons_end(struct subflows *subflows, struct subflow *subflow,
                 enum subflow_manner manner);
/* budgets.c */
/* Computes the budgets again, and retires the subflows that are beyond them. */
void lessons_judge(struct subflows *subflows);

/* keepalive.c */
/* Longest time between local's PINGs on an idle subflow, ... */
uint64_t keepalive_longest_ns(const struct subflows *subflows);
/* ... and the time for a subflow of this path, as far as learned. */
uint64_t keepalive_ns(const struct subflows *subflows, unsigned path);
/* Forgets what was learned, because the path may have changed. */
void keepalive_forget(struct path *path);
/* Local: an idle subflow of the path is about to get a PING. */
void keepalive_note_asked(struct subflows *subflows, unsigned path);
/* Call before sent_at_ns changes: something is sent on the subflow while no answer is due
 * there. */
void keepalive_note_used(struct subflows *subflows, struct subflow *subflow);
/* Local; call before received_at_ns changes: bytes of the relay have come on the subflow.
 */
void keepalive_note_heard(struct subflows *subflows, const struct subflow *subflow);
/* The subflow is about to be closed, since it does not answer or was reset. */
void keepalive_note_died(struct subflows *subflows, const struct subflow *subflow);

/* packets.c */
/* How many small chunks may go on a subflow that may not send large packets: fewer than
 * TCP's initial window has packets (RFC 6928). TCP would join further ones into large
 * packets. */
#define SMALL_CHUNKS_MAX 8
/* Local: forgets the path's packet size, or takes it from the configuration. */
void packets_reset(const struct subflows *subflows, struct path *path);
/* Local: tells the driver the path's packet size. */
void packets_tell(struct subflows *subflows, unsigned path);
/* So many bytes were produced for the subflow in one go. */
void packets_note_sent(struct subflows *subflows, struct subflow *subflow, uint64_t length);
/* The peer's TCP has the first `end` bytes of the subflow. */
void packets_note_taken(struct subflows *subflows, struct subflow *subflow, uint64_t end);
/* Bytes were received on the subflow. */
void packets_note_received(struct subflows *subflows, struct subflow *subflow);
/* A chunk that was sent on the path at `sent_at_ns` has arrived. */
void packets_note_proven(struct subflows *subflows, unsigned path, uint64_t sent_at_ns);
/* An open subflow has ended. */
void packets_note_ended(struct subflows *subflows, const struct subflow *subflow,
                        enum subflow_manner manner);
/* The relay reports that packets with so much payload do not arrive here on the path. */
void packets_note_told(struct subflows *subflows, unsigned path, uint64_t bytes);
/* Whether the subflow may send nothing large: large packets fail on the path, and it is
 * too early to try again, or another subflow is trying. */
bool packets_hold(const struct subflows *subflows, const struct subflow *subflow);
/* When such a pause ends; TIME_NEVER where there is none. */
uint64_t packets_timeout(const struct subflows *subflows, unsigned path);
/* Whether the subflow's first chunk must be small and go alone, so that it arrives. */
bool packets_begin_small(const struct subflows *subflows, const struct subflow *subflow);
/* Local: chooses the packet size of the next dial: subflow->packet_size and ->trial. */
void packets_choose(struct subflows *subflows, struct subflow *subflow);

/* subflows_end.c */
/* Abandons all open and dialling subflows of the path. */
void subflows_abandon_path(struct subflows *subflows, unsigned path);
/* Judges the paths on which a subflow has died of a stall. */
void subflows_judge_stalled(struct subflows *subflows);
/* Local: lowers packet sizes where that is due. */
void subflows_shrink_packets(struct subflows *subflows);

#endif
