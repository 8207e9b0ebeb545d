/* SPDX-License-Identifier: MIT */
/* Subflows: their lives, their keys, the ledger of what was sent, and acknowledgements. */
#ifndef SPLITSOCKS_ENGINE_SUBFLOW_H
#define SPLITSOCKS_ENGINE_SUBFLOW_H

#include <splitsocks/base/number_window.h>
#include <splitsocks/crypto/noise.h>
#include <splitsocks/engine/stream/stream.h>
#include <splitsocks/wire/handshake.h>

/* The JOIN header, and a SUBFLOW frame, at their longest. */
#define JOIN_HEADER_MAX 17
/* Bulk is acknowledged sooner than that, so that the sender need not retain more. */
#define ACK_BYTES (256 * 1024)
#define STALL_DOUBLINGS 4u
#define ANSWER_MIN_NS (2 * NS_PER_S)
#define KEEPALIVE_NS (45 * NS_PER_S)
#define ORDERLY_GRACE_MIN_NS (1 * NS_PER_S)
#define DEATH_GRACE_NS (25 * NS_PER_MS)
/* Budgets up to here fit one initial window (10 segments): the tight regime. */
#define TIGHT_BUDGET 14600
/* ---- generations ---- */

/* Tells the generations of one session apart in a byte. Both sides see to it that no two
 * that are alive have the same: the relay when it draws the id, local by refusing it. The
 * relay also leaves those alone that were used last, since counts for them may come late.
 */
#define GENERATION_TAG(id) ((id)&0x3f)
#define TAGS_RESTED 32

/* The keys and numbers of one HELLO. A resume adds a generation to the session; an old
 * one lives until its last subflow is forgotten. */
struct generation {
    struct list node; /* session->generations, oldest first */
    uint64_t id;      /* session id */
    uint64_t tag;     /* GENERATION_TAG() of it; travels in ACK */
    uint64_t order;   /* of its birth; the newest has the highest */
    struct session_keys keys;
    uint64_t next_number;      /* local: of the next JOIN */
    bool confirmed;            /* local: the relay has answered in it */
    struct number_window used; /* relay: numbers whose first chunk has opened */
    unsigned subflows;         /* that refer to it */
};

/* ---- subflows ---- */

enum subflow_state {
    SUBFLOW_STATE_DIALLING, /* local: SESSION_DIAL given, no answer yet */
    SUBFLOW_STATE_HELLO,    /* local: HELLO to be written or written, no message 2 yet */
    SUBFLOW_STATE_OPEN,     /* carries chunks */
    SUBFLOW_STATE_LIMBO,    /* the socket is gone; what it carried is not yet settled */
};

/* What small data of its path it takes; see carriers.c. */
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
};

/* One frame of a sent chunk, to be settled when the chunk is acknowledged or lost. */
struct sent_item {
    union {
        struct stream *stream; /* referenced */
        uint64_t number;       /* SENT_FINAL: subflow number; SENT_PATH: path */
    };
    uint64_t offset; /* DATA; FINAL: chunks received */
    uint32_t length; /* DATA: bytes, the FIN counted as one; FINAL: generation's order */
    uint32_t copied; /* DATA: as many of them were sent elsewhere, too */
    uint8_t kind;    /* enum sent_kind */
    bool copy;       /* DATA: this is such a copy */
};

struct sent_chunk {
    uint64_t sent_ns;
    uint64_t end; /* the subflow's bytes_sent behind it */
    uint16_t items;
    bool eliciting;
    bool hedged; /* it was late, and its frames of control were queued again */
};

/* A HELLO on its way: what is still to be written, and what reads the answer. */
struct hello_state {
    struct noise noise;
    struct hello_offer offer;
    uint8_t bytes[HELLO_MAX];
    size_t length;        /* 0 once written */
    uint64_t association; /* that it wants to go on with */
};

struct copies;

struct subflow {
    struct list node;          /* session->subflows, or session->limbo */
    struct list ack_node;      /* session->ack_queue while an ACK for it waits */
    struct subflow *hash_next; /* session->by_number, once it has a number */
    void *user;
    struct generation *generation; /* NULL before it has a number */
    uint64_t number;
    uint8_t path, port;
    uint8_t state; /* enum subflow_state */
    bool hello;    /* opened by HELLO, not JOIN */
    bool writable;
    bool begun;     /* local: header and first chunk produced */
    bool confirmed; /* an authenticated byte was received on it */
    bool heard;     /* HELLO: something came, and not all of an answer */
    bool end_sent, end_received;
    bool waits_for_end; /* END was sent, the peer's is yet to come */
    bool retire;        /* END is to be sent with the next chunk */
    bool suspect;       /* makes no progress: gets nothing new */
    uint8_t carrier;    /* enum carrier, while it is usable */
    uint8_t unproven;   /* enum unproven, once it was given up for that */
    bool late;          /* what was sent longest ago should have been acknowledged by now:
                           it may wait for a lost segment, and all behind it waits too */
    bool ping;          /* a PING is to be sent */
    bool bulk;          /* has carried bulk: not fit as the interactive lane */
    bool event_pending; /* a SESSION_CLOSE_SUBFLOW or SESSION_DIAL for it is queued */
    bool held;          /* session_receive() is at work on it */
    bool driver_done;   /* the driver has let go: drop that event */
    bool trial;         /* local: of packets larger than its path is known to let through */
    uint8_t passed;     /* a trial: PACKET_UP, PACKET_DOWN: they have got through there */
    uint16_t packet_size;   /* local: as its dial asked; 0: the link's own */
    uint32_t payload_bytes; /* of its largest packets; 0: unknown */
    uint32_t passed_bytes;  /* payload of the largest packet that the peer's TCP has */
    uint32_t large_bytes;   /* and of a larger one that it has not: packets.c */
    uint64_t large_ns;      /* when that was sent; 0: there is none */
    uint64_t large_end;     /* `bytes_sent` behind it */
    struct hello_state *handshake; /* owned; HELLO under way */
    struct seal seal, opener;

    uint64_t budget_out, budget_in; /* bytes */
    uint64_t bytes_sent, bytes_received;

    struct ring chunks; /* of sent_chunk: sent, not acknowledged; oldest first */
    struct ring items;  /* of sent_item: theirs */
    uint64_t chunks_sent, chunks_acked;
    unsigned eliciting_unacked;
    uint64_t chunks_received;

    struct subflow_measure measure;
    uint64_t measured_ns;
    uint64_t measured_bytes; /* bytes_sent at that time */
    uint64_t dialled_ns, up_ns;
    uint64_t progress_ns; /* last sign of life while something is outstanding */
    uint64_t answer_ns;   /* the same, without what only the peer's TCP has said since it
                             has all of the chunk that is to be acknowledged first */
    uint64_t sent_ns, received_ns;
    uint64_t asked_ns;    /* when it was last used after a pause, */
    uint64_t idle_ns;     /* and for how long nothing had gone either way before */
    uint64_t used_ns;     /* frames of streams were last sent or received on it */
    uint64_t proven_ns;   /* the peer last acknowledged something on it */
    uint64_t told_ns;     /* an ACK for it was last sent, */
    uint64_t told_on;     /* on the subflow of that number */
    uint64_t deadline_ns; /* DIALLING: when it is given up; LIMBO: when what is left is
                             requeued */
};

struct final_ack {
    uint64_t order; /* of the subflow's generation */
    uint64_t number, chunks;
};

#define BY_NUMBER_BUCKETS 256

/* The subflows of a session, and its generations of keys. */
struct subflows {
    struct context *context;
    struct paths *paths;
    struct streams *streams;
    struct list generations;         /* of generation */
    uint64_t next_generation;        /* order of the next */
    uint64_t tags_used[TAGS_RESTED]; /* of the newest generations, by their order */
    struct list all;                 /* DIALLING, HELLO and OPEN */
    struct list limbo;
    uint64_t limbo_wake_ns; /* no limbo deadline is earlier */
    struct subflow *by_number[BY_NUMBER_BUCKETS];
    struct subflow *lane;
    unsigned suspects;        /* subflows marked so */
    unsigned open_count;      /* members of `subflows` */
    struct list ack_queue;    /* subflows with chunks to acknowledge */
    struct ring finals;       /* of final_ack, to be sent */
    uint64_t ack_deadline_ns; /* TIME_NEVER = none waits */
    uint64_t ack_bytes;       /* received since the last ACK */
    bool hedging;             /* the next chunk has copies, of which none are to be made */
    bool ack_wanted;          /* the peer keeps something until one of them comes */
    uint64_t doubt_ns;        /* local: what was heard before proves nothing any more */
};

/* generations.c */
/* Appends a generation that takes over `keys`. NULL when memory is out. */
struct generation *generation_new(struct subflows *subflows, uint64_t id,
                                  const struct session_keys *keys) MUST_CHECK;
struct generation *generation_current(const struct subflows *subflows);
struct generation *generation_by_tag(const struct subflows *subflows, uint64_t tag);
/* Whether a final count for a subflow of this generation can still be told by its tag. */
bool generation_final_tag(const struct subflows *subflows, uint64_t order, uint64_t *tag);
/* Alive, or among the last. */
bool generation_tag_used(const struct subflows *subflows, uint64_t tag);
/* Frees every generation but the current whose last subflow is gone. */
void generation_release(struct subflows *subflows, struct generation *generation);
void generation_free(struct subflows *subflows, struct generation *generation);
/* Both keys of the subflow; OK or an error of the crypto layer. */
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
/* Its connection is established: all that is to be timed begins now. */
void subflow_connected(struct subflows *subflows, struct subflow *subflow);
/* The one way to another state: asserts that it is a legal one. */
void subflow_set_state(struct subflow *subflow, enum subflow_state state);
/* An event of the subflow, which outlives it. */
struct session_event *subflow_tell(struct subflows *subflows, struct subflow *subflow,
                                   enum session_event_type type);
/* How a subflow ended decides how long what it owes is waited for. */
enum subflow_manner { SUBFLOW_ORDERLY, SUBFLOW_ABANDONED };
/* Ends a live subflow: tells the driver to reset it unless it is gone already. */
void subflow_close(struct subflows *subflows, struct subflow *subflow,
                   enum subflow_manner manner);
/* The same for one whose socket is gone, or whose close event is queued already. */
void subflow_end(struct subflows *subflows, struct subflow *subflow,
                 enum subflow_manner manner);
void subflow_unhold(struct subflows *subflows, struct subflow *subflow);
/* Local: resets a subflow that is finished both ways; true when it did. */
bool subflow_close_if_done(struct subflows *subflows, struct subflow *subflow);
uint64_t subflow_budget_left(const struct subflow *subflow);
/* Open, not retired by either side: new data may go on it. */
bool subflow_usable(const struct subflow *subflow);
/* False for local's JOINs until the session is confirmed: they may not send anything. */
bool subflow_may_begin(const struct subflows *subflows, const struct subflow *subflow);
uint64_t subflow_rtt_ns(const struct subflows *subflows, const struct subflow *subflow);
uint64_t subflow_stall_ns(const struct subflows *subflows, const struct subflow *subflow);
/* What the kernel knows of the connection now. */
void subflow_take_measure(struct subflows *subflows, struct subflow *subflow,
                          const struct subflow_measure *measure);
/* The peer's TCP was seen to have all that was sent. */
bool subflow_drained(const struct subflow *subflow);
/* It is alive. */
void subflow_note_progress(struct subflows *subflows, struct subflow *subflow);
void subflow_set_suspect(struct subflows *subflows, struct subflow *subflow, bool suspect);
/* Sends a PING, which has to be answered like anything else. */
void subflow_ask(struct subflows *subflows, struct subflow *subflow);
/* Something on it waits for an answer of the peer. */
bool subflow_outstanding(const struct subflow *subflow);

/* subflows.c */
/* Sums up what the subflows of the path were measured to do. */
void subflows_refresh_path(struct subflows *subflows, unsigned path);
/* Some subflow is known to work. */
bool subflows_in_touch(const struct subflows *subflows);
/* All that is open or being dialled on the path is abandoned. */
void subflows_abandon_path(struct subflows *subflows, unsigned path);
/* Judges the paths on which a subflow has died of a stall. */
void subflows_judge_stalled(struct subflows *subflows);

/* ack.c */
/* The peer has received `chunks` of the subflow's chunks. */
void ack_settle(struct subflows *subflows, struct subflow *subflow, uint64_t chunks);
/* The peer has closed the subflow and takes nothing more of it. */
void ack_take_final(struct subflows *subflows, struct subflow *subflow);
/* A chunk was received: an ACK is owed, in time if it asks for one. */
void ack_note_received(struct subflows *subflows, struct subflow *subflow, bool eliciting,
                       size_t length);
/* The subflow is closed here: its final count travels reliably. */
void ack_note_final(struct subflows *subflows, struct subflow *subflow);
/* Tells once more what was received on every open subflow. */
void ack_repeat(struct subflows *subflows);
bool ack_due(const struct subflows *subflows);
bool ack_waiting(const struct subflows *subflows);
/* Queues the frames of control again, once, of the chunk that has waited longest to be
 * acknowledged; there is one. */
void ack_hedge(struct subflows *subflows, struct subflow *subflow);
/* Everything not acknowledged goes back into the queues. */
void ack_requeue(struct subflows *subflows, struct subflow *subflow);
/* Drops everything not acknowledged, without sending it again. */
void ack_forget(struct subflows *subflows, struct subflow *subflow);

/* keepalive.c */
/* Between the PINGs of local on a subflow with nothing else to say, at most; */
uint64_t keepalive_longest_ns(const struct subflows *subflows);
/* and on one of this path, as far as is known. */
uint64_t keepalive_ns(const struct subflows *subflows, unsigned path);
/* What was learned holds no more. */
void keepalive_forget(struct path *path);
/* Local: an idle subflow of the path is about to be asked for a sign of life. */
void keepalive_note_asked(struct subflows *subflows, unsigned path);
/* Something is sent on the subflow, on which nothing waited for an answer; it does not yet
 * count as sent. */
void keepalive_note_used(struct subflows *subflows, struct subflow *subflow);
/* Local: something of the relay has come on it, before that counts as received. */
void keepalive_note_heard(struct subflows *subflows, const struct subflow *subflow);
/* It is to be closed, since it gives no answer or was reset. */
void keepalive_note_died(struct subflows *subflows, const struct subflow *subflow);

/* packets.c */
/* Small chunks on a subflow that may carry nothing else: fewer than the initial window of
 * TCP has packets (RFC 6928), else they would be joined into large ones. */
#define SMALL_CHUNKS_MAX 8
/* Local: what is known of the path's packets does not hold any more, or is given. */
void packets_reset(const struct subflows *subflows, struct path *path);
/* So many bytes were produced for the subflow at once. */
void packets_note_sent(struct subflows *subflows, struct subflow *subflow, uint64_t length);
/* The peer has all before that offset of what was sent on the subflow. */
void packets_note_taken(struct subflows *subflows, struct subflow *subflow, uint64_t end);
/* Something was received on it. */
void packets_note_received(struct subflows *subflows, struct subflow *subflow);
/* A chunk that was sent then on the path has arrived. */
void packets_note_proven(struct subflows *subflows, unsigned path, uint64_t sent_ns);
/* An open subflow has ended. */
void packets_note_ended(struct subflows *subflows, const struct subflow *subflow,
                        enum subflow_manner manner);
/* The relay says that packets of so much payload do not arrive here on the path. */
void packets_note_told(struct subflows *subflows, unsigned path, uint64_t bytes);
/* Nothing large may go on the subflow: what was sent like that has not arrived, another
 * subflow of the path is trying, or it is too early to try again. */
bool packets_hold(const struct subflows *subflows, const struct subflow *subflow);
/* When that ends for a path, TIME_NEVER where it does not. */
uint64_t packets_timeout(const struct subflows *subflows, unsigned path);
/* The first chunk of the subflow goes alone, and is small: it must arrive. */
bool packets_begin_small(const struct subflows *subflows, const struct subflow *subflow);
/* Local: what the next dial on the path asks for; sets subflow->packet_size and ->trial. */
void packets_choose(struct subflows *subflows, struct subflow *subflow);
/* Local: goes on with smaller packets where that is due. */
void packets_update(struct subflows *subflows);

#endif
