/* SPDX-License-Identifier: MIT */
/*
 * Flows of datagrams: their queues, their peers, and which datagrams have come already.
 *
 * A datagram that is too large for one chunk travels as several `struct datagram`, its
 * parts, which follow each other in the queue. Each of them is in one list of its flow:
 *
 *     waiting --> copying --> sent --> freed: acknowledged, or lost for good
 *                    ^          |
 *                    +----------+  its only subflow is late or dead: one further copy
 *
 * `waiting` was never put on a subflow, `copying` was and still wants copies, `sent` only
 * waits for what becomes of its copies: the ledgers of the subflows refer to it.
 */
#ifndef SPLITSOCKS_ENGINE_FLOW_H
#define SPLITSOCKS_ENGINE_FLOW_H

#include <splitsocks/base/account.h>
#include <splitsocks/base/list.h>
#include <splitsocks/base/named_ids.h>
#include <splitsocks/base/number_window.h>
#include <splitsocks/engine/path/path.h>
#include <splitsocks/wire/frame.h>

/* What a flow may queue to be sent. Beyond it the oldest go. */
#define FLOW_QUEUE_BYTES (64 * 1024)
#define FLOW_QUEUE_MAX 256
/* Datagrams that want further copies. Beyond it the oldest get none. */
#define FLOW_COPYING_MAX 256
/* What a flow may hold for its driver: more than one read of a subflow brings. */
#define FLOW_READ_BYTES (512 * 1024)
/* What all flows of a session may hold in memory, in each direction. */
#define FLOWS_BYTES_MAX (4 * 1024 * 1024)
/* A flow that has more than this on its way keeps no more of it for a further copy. */
#define FLOW_KEPT_BYTES (64 * 1024)
/* Bindings that are kept, newest first, and known to both sides. */
#define FLOW_PEERS 64
/* How many flows local may open before the first FLOW_LIMIT, and less than it grants beyond
 * those that have ended. */
#define FLOW_LIMIT_INITIAL 1024
/* Datagrams of which only some parts have come, and how long they are kept. */
#define FLOW_ASSEMBLIES 8
#define FLOW_ASSEMBLY_NS (1 * NS_PER_S)
/* How long after it was sent a datagram may come; its window covers that. */
#define FLOW_LATENESS_NS (2 * NS_PER_S)
#define FLOW_WINDOW_MAX 65536
/* Bytes a second. Below the first, copies go on four ways, below the second on two. */
#define FLOW_RATE_TINY (128 * 1000 / 8)
#define FLOW_RATE_SMALL (256 * 1000 / 8)
#define FLOW_RATE_WINDOW_NS (500 * NS_PER_MS)
/* Subflows on which one datagram is remembered to have gone. */
#define DATAGRAM_WAYS 4

/* A binding: an index that stands for an address or a name. */
struct flow_peer {
    uint64_t index;
    uint32_t references; /* from the flow, and from datagrams */
    bool confirmed;      /* sending: the other side has it */
    bool forgotten;      /* a newer one has its place in the table */
    uint16_t port;
    uint16_t length;
    uint8_t target[]; /* as frame_write_peer() has it */
};

/* The newest FLOW_PEERS bindings of one direction. The table grows as they come. */
struct flow_peers {
    struct flow_peer **slots; /* owned; by index modulo capacity; NULL while that is 0 */
    uint32_t capacity;        /* 0, or a power of two up to FLOW_PEERS */
    struct flow_peer *last;   /* the last one that was used, or NULL */
};

enum datagram_state { DATAGRAM_WAITING, DATAGRAM_COPYING, DATAGRAM_SENT };

/* One DATAGRAM frame to be sent. */
struct datagram {
    struct list node;       /* flow.waiting, .copying or .sent */
    struct flow *flow;      /* NULL: the flow has ended; only ledgers refer to it */
    struct flow_peer *peer; /* referenced */
    uint64_t queued_at_ns;
    uint64_t sequence; /* once it is not waiting */
    /* The subflows on which it went; compared, never followed. */
    const void *ways[DATAGRAM_WAYS];
    uint32_t references; /* from the ledgers of subflows */
    uint16_t paths;      /* bit i: it went on path i, ... */
    uint16_t twice;      /* ... and on two subflows of it */
    uint8_t copies;      /* sent so far */
    uint8_t part, parts;
    uint8_t state;  /* enum datagram_state */
    bool numbered;  /* `sequence` is set: a part of it was sent */
    bool delivered; /* a copy was acknowledged */
    bool again;     /* the further copy was asked for */
    uint16_t length;
    uint8_t bytes[];
};

/* A datagram that has come, whole. */
struct received {
    struct list node;
    struct flow_peer *peer; /* referenced */
    size_t length;
    uint8_t bytes[];
};

/* A datagram of which not all parts have come. */
struct assembly {
    uint64_t sequence;
    uint64_t began_at_ns;
    struct flow_peer *peer; /* referenced; NULL: the slot is free */
    uint8_t parts, missing;
    size_t length;
    struct assembly_part {
        uint8_t *bytes; /* owned; NULL: missing */
        uint16_t length;
    } * items; /* owned; `parts` of them */
};

struct flow {
    struct list node;       /* flows.all: the longest unused first */
    struct list ready;      /* flows.small or flows.large while it has something to send */
    struct list control;    /* flows.control while its FLOW_OPEN waits; local: or
                               flows.unassigned while it has no id */
    struct flow *hash_next; /* flows.by_id */
    uint64_t id;            /* local: 0 while there is none to be had */
    void *user;
    struct flow_policy policy;
    struct flow_counters counters;
    uint32_t events; /* queued ones that name the flow */
    bool opened;     /* local: the relay has its FLOW_OPEN */
    bool incoming;   /* relay: its FLOW_OPEN has not come; the driver does not know it */
    bool known; /* local: always; relay: the driver has had its SESSION_FLOW_INCOMING */
    bool ended;      /* not in `all` any more; freed with its last event */
    bool left;       /* the driver has closed it, and wants no event */
    bool told;       /* the driver has SESSION_FLOW_READABLE, and has not read all */
    uint64_t used_at_ns;

    bool large; /* it is in flows.large, or was when it was last ready */
    struct list waiting, copying, sent;
    uint32_t waiting_count, copying_count;
    uint64_t waiting_bytes, kept_bytes; /* the latter of `copying` and `sent` */
    uint64_t next_sequence, next_peer;
    struct flow_peers peers_out, peers_in;
    const void *last_way; /* the subflow that it used last; compared, never followed */
    uint64_t spent;       /* bytes sent as one of the round robin, see scheduler_flows.c */
    /* Offered to be sent: bytes a second, in the last window and in the running one. */
    uint64_t rate, window_began_at_ns, window_bytes;

    struct list readable; /* of received */
    uint64_t readable_bytes;
    struct received *given;             /* owned; what session_flow_receive() gave last */
    struct number_window seen;          /* `used` is NULL before the first datagram */
    uint64_t seen_since, seen_since_ns; /* `seen.end` at that time */
    struct assembly *assemblies;        /* owned; FLOW_ASSEMBLIES of them, or NULL */
};

/* A FLOW_CLOSE that waits to be sent. */
struct flow_closing {
    uint64_t id;
    uint32_t code;
};

#define FLOW_BUCKETS 256

/* The flows of a session. */
struct flows {
    struct context *context;
    struct paths *paths;
    struct account *account; /* borrowed: the client's */
    struct list all;
    unsigned count;
    struct flow *by_id[FLOW_BUCKETS];
    struct list small, large; /* those that have something to send, by their rates */
    struct list control, unassigned;
    struct ring closing;    /* of flow_closing */
    uint64_t next_id;       /* local: of the next to open */
    struct named_ids named; /* relay: those that frames have named */
    uint64_t limit;         /* granted: to us (local), by us (relay) */
    uint64_t ended;         /* relay: flows that are gone */
    bool send_limit;        /* relay: send a FLOW_LIMIT */
    uint64_t waiting_bytes; /* of all flows, never sent */
    /* Memory, each bounded by FLOWS_BYTES_MAX, and all by the client's account. */
    uint64_t bytes_out, bytes_in, bytes_peers;
    uint64_t used_at_ns; /* when a datagram was last sent or received */
    uint64_t
        parts_old_at_ns; /* when to look at the assemblies; TIME_NEVER: there are none */
    uint16_t asks;       /* local: paths that active flows ask for; see pool_flows.c */
    struct target peer;  /* of the last datagram given to the driver */
};

/* flow_use.c */
/* The policy as the rules for paths know it. */
struct stream_policy flow_path_policy(const struct flow *flow);
/* A datagram was sent or received. */
void flow_note_used(struct flows *flows, struct flow *flow);
void flow_count_drop(struct flows *flows, struct flow *flow, enum flow_drop reason);
/* Takes memory for `bytes`: flows.bytes_out, bytes_in or bytes_peers. */
bool flows_take_bytes(struct flows *flows, uint64_t *bytes, size_t size) MUST_CHECK;
void flows_give_bytes(struct flows *flows, uint64_t *bytes, size_t size);

/* flow.c */
void flows_init(struct flows *flows, struct account *account);
/* Frees all flows. No ledger refers to their datagrams any more. */
void flows_deinit(struct flows *flows);
/* Whether the client's account has room for one more. */
bool flows_have_room(const struct flows *flows);
/* `id` 0: none yet. NULL when memory is out, or the account has no room. */
struct flow *flow_new(struct flows *flows, uint64_t id) MUST_CHECK;
struct flow *flow_find(const struct flows *flows, uint64_t id);
void flow_set_id(struct flows *flows, struct flow *flow, uint64_t id);
/* Ends the flow. Its driver hears of it if `tell`, the peer if it knows the flow. */
void flow_end(struct flows *flows, struct flow *flow, enum flow_close_code code, bool tell);
/* An event that names the flow was taken or dropped: frees an ended one. */
void flow_event_done(struct flow *flow);
/* Ends all flows, with an event for each that a driver knows; tells no peer. */
void flows_end_all(struct flows *flows, enum flow_close_code code);
/* Local: the relay has forgotten all: every flow waits for a new id, and its numbers begin
 * anew. */
void flows_reopen(struct flows *flows);
/* A FLOW_OPEN was lost: queues it again, unless the relay has another, or the flow is
 * gone. */
void flow_queue_open(struct flows *flows, uint64_t id);
/* A FLOW_OPEN has come to the relay. */
void flow_opened(struct flows *flows, uint64_t id);
/* Relay: the limit that holds now, ... */
uint64_t flows_limit_next(const struct flows *flows);
/* ... and whether it is worth a FLOW_LIMIT. */
void flows_grant(struct flows *flows);
/* Queues a FLOW_CLOSE, also for a flow that is gone. */
void flows_queue_close(struct flows *flows, uint64_t id, uint32_t code);

/* flow_peer.c */
/* The binding of a target to which the flow sends; a new one if need be. Not referenced
 * for the caller. NULL: the target is not valid, or there is no room. */
struct flow_peer *flow_peer_out(struct flows *flows, struct flow *flow,
                                const struct target *target);
/* The binding that a received frame names, referenced for the caller. NULL: unknown, or no
 * room. */
struct flow_peer *flow_peer_in(struct flows *flows, struct flow *flow,
                               const struct frame *frame);
void flow_peer_reference(struct flow_peer *peer);
void flow_peer_unreference(struct flows *flows, struct flow_peer *peer);
/* Frees both tables. */
void flow_peers_clear(struct flows *flows, struct flow *flow);
/* What the binding stands for. */
void flow_peer_target(const struct flow_peer *peer, struct target *target);

/* flow_send.c */
/* Queues a datagram, in parts whose frames take at most `room` bytes each, or drops it. */
void flow_queue(struct flows *flows, struct flow *flow, const struct target *target,
                const void *bytes, size_t length, size_t room);
uint64_t flow_age_ns(const struct flow *flow, const struct datagram *datagram);
/* Puts the flow among those that have something to send, by its rate, or takes it out. */
void flow_update_ready(struct flows *flows, struct flow *flow);
/* Drops what has waited too long, and forgets copies that came to nothing. */
void flow_drop_old(struct flows *flows, struct flow *flow);
/* The same for all flows that have something to send. */
void flows_drop_old(struct flows *flows);
/* When the oldest datagram becomes too old; TIME_NEVER: nothing waits. */
uint64_t flows_next_age(const struct flows *flows);
/* Bytes a second that the flow is given to send. */
uint64_t flow_rate(const struct flow *flow, uint64_t now);
/* Whether the flow sends so little that it goes before bulk. */
bool flow_is_small(const struct flow *flow, uint64_t now);
/* Fills in the members of a DATAGRAM frame; it borrows from the datagram. */
void datagram_frame(const struct datagram *datagram, struct frame *frame);
/* The datagram goes on a subflow. `finished`: it wants no further copy. True: the caller's
 * ledger refers to it now, and calls datagram_acked(), _lost() or _forget() once. */
bool datagram_sent(struct flows *flows, struct datagram *datagram, const void *way,
                   unsigned path, bool finished);
void datagram_acked(struct flows *flows, struct datagram *datagram);
void datagram_lost(struct flows *flows, struct datagram *datagram);
void datagram_forget(struct flows *flows, struct datagram *datagram);
/* The subflow that carries it is late: a further copy, if no other carries it. */
void datagram_late(struct flows *flows, struct datagram *datagram);
/* Frees all that the flow has to send, and forgets its numbers. */
void flow_clear_out(struct flows *flows, struct flow *flow);

/* flow_receive.c */
/* Takes a DATAGRAM frame of the flow. */
void flow_receive(struct flows *flows, struct flow *flow, const struct frame *frame);
/* Gives the next one, which stays valid until the next call; NULL: there is none. */
struct received *flow_read(struct flows *flows, struct flow *flow);
/* Relay: the FLOW_OPEN has come; the driver hears of the flow, and of what came before. */
void flow_tell_incoming(struct flows *flows, struct flow *flow);
/* Frees all that has come, and forgets which numbers have. */
void flow_clear_in(struct flows *flows, struct flow *flow);

/* flow_parts.c */
/* Takes a part. Returns the whole datagram, which the caller owns, when this was the last
 * one; NULL before. */
struct received *flow_take_part(struct flows *flows, struct flow *flow,
                                struct flow_peer *peer, const struct frame *frame);
/* Drops what has waited too long for its parts, in all flows. */
void flows_tick_parts(struct flows *flows);
void flow_clear_parts(struct flows *flows, struct flow *flow);

/* received.c: memory for what has come */
struct received *received_new(struct flows *flows, struct flow_peer *peer, size_t length);
void received_free(struct flows *flows, struct received *received);

#endif
