/*
 * The session engine's own structures, shared by the session_*.c files, pool.c,
 * scheduler_*.c and admission.c. Nobody else includes this.
 *
 * The engine by concern:
 *   session.c            the object, its events, its end
 *   session_handshake.c  local's HELLO, resume, generations
 *   session_receive.c    bytes to chunks to frames, and what each frame does
 *   session_produce.c    what a subflow carries now: composing and sealing chunks
 *   session_ack.c        acknowledgement, final counts, requeueing
 *   session_subflow.c    a subflow's life: dialled, open, ended, in limbo
 *   session_stream.c     the face for streams, and flow control
 *   session_timers.c     what happens when nothing arrives
 *   keepalive.c          how often idle subflows are asked for a sign of life
 *   stream_send.c, stream_receive.c   one direction of one stream
 *   pool.c, pool_size.c  local: when to dial, and how many subflows there should be
 *   pool_proof.c         local: what takes connections, and is not the relay
 *   scheduler.c          which data goes on which subflow
 *   scheduler_split.c    on which path it arrives earliest
 *   scheduler_redundant.c  which copies of it go on which paths
 *   reinjection.c        what is late, and sent again elsewhere
 *   carriers.c, path_doubt.c   which subflows small data goes on, which paths may be dead
 *   sparing.c            which paths carry no bulk now, since a better one is expected back
 *   restraint.c          how much bulk may be on its way on a path
 *   path.c               what is known of a path
 *   path_packets.c       whether it lets large packets through, and what follows
 *   session_status.c, path_status.c   snapshots of it all, for people
 */
#ifndef SPLITSOCKS_SESSION_INTERNAL_H
#define SPLITSOCKS_SESSION_INTERNAL_H

#include "../schedule/restraint.h"

#include <splitsocks/base/list.h>
#include <splitsocks/base/meter.h>
#include <splitsocks/base/number_window.h>
#include <splitsocks/base/pages.h>
#include <splitsocks/base/ranges.h>
#include <splitsocks/base/rate_limit.h>
#include <splitsocks/base/ring.h>
#include <splitsocks/crypto/noise.h>
#include <splitsocks/crypto/seal.h>
#include <splitsocks/engine/path/packet_size.h>
#include <splitsocks/engine/path/port_chooser.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/engine/session/session_status.h>
#include <splitsocks/wire/frame.h>
#include <splitsocks/wire/handshake.h>

/* ---- constants (doc/TUNING.md has what each is derived from) ---- */

#define CHUNK_OVERHEAD (2 + SEAL_TAG_SIZE)
/* The first chunk of a subflow, header aside; a stranger makes the relay buffer no more. */
#define FIRST_CHUNK_MAX 1200
/* Kept back in each direction for a last ACK + DEMAND + END with its overhead. */
#define BUDGET_RESERVE 40
/* The JOIN header, and a SUBFLOW frame, at their longest. */
#define JOIN_HEADER_MAX 17
#define FRAME_SUBFLOW_MAX 18
#define ACK_DELAY_NS (25 * NS_PER_MS)
/* Bulk is acknowledged sooner than that, so that the sender need not retain more. */
#define ACK_BYTES (256 * 1024)
#define STALL_MIN_NS (200 * NS_PER_MS)
#define STALL_DOUBLINGS 4u
#define MEASURE_ENDED_NS (1 * NS_PER_MS)
#define ANSWER_MIN_NS (2 * NS_PER_S)
#define DIAL_TIMEOUT_MIN_NS (250 * NS_PER_MS)
#define DIAL_TIMEOUT_MAX_NS (3 * NS_PER_S)
#define HELLO_RACE_NS (250 * NS_PER_MS)
#define BACKOFF_MIN_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (1 * NS_PER_S)
#define BACKOFF_IDLE_NS (15 * NS_PER_S)
#define KEEPALIVE_NS (45 * NS_PER_S)
/* Less would end sessions between two PINGs; it travels in whole seconds. */
#define LINGER_MIN_NS (2 * NS_PER_S)
#define SUBFLOW_AGE_NS (3600 * NS_PER_S)
#define REKEY_NS (3600 * NS_PER_S)
#define ORDERLY_GRACE_MIN_NS (1 * NS_PER_S)
#define DEATH_GRACE_NS (25 * NS_PER_MS)
#define CLOSED_BOTH_NS (5 * NS_PER_S)
#define OPEN_WAIT_NS (10 * NS_PER_S)
#define CLOSE_WAIT_NS (1 * NS_PER_S)
#define RTT_UNKNOWN_NS (100 * NS_PER_MS)
/* How long a path that was never heard on may be tried before a backup is. */
#define HOPE_NS (1 * NS_PER_S)
/* A subflow that has nothing to do beyond the idle number is retired after this. */
#define SPARE_LIFE_NS (5 * NS_PER_S)

#define STREAM_WINDOW_INITIAL (1024 * 1024)
#define STREAM_WINDOW_MIN (1024 * 1024)
#define STREAM_WINDOW_MIN_PATHS (4 * 1024 * 1024)
#define STREAM_WINDOW_MAX (16 * 1024 * 1024)
#define SESSION_WINDOW_INITIAL (16 * 1024 * 1024)
#define SESSION_WINDOW_MAX (64 * 1024 * 1024)
/* A hole in what was received costs at least this much credit. */
#define FRAGMENT_CHARGE 256
/* What was sent in smaller pieces than that holds up new data by their number. */
#define ITEMS_HELD_MAX (SESSION_WINDOW_MAX / FRAGMENT_CHARGE)
/* Plaintext waiting in a stream beyond what is in flight. */
#define STREAM_WAIT_MAX (1024 * 1024)
/* Below this much waiting a stream is interactive; above, bulk. */
#define INTERACTIVE_MAX (16 * 1024)
/* A stream that has sent less than this is young. */
#define YOUNG_MAX (64 * 1024)
/* Budgets up to here fit one initial window (10 segments): the tight regime. */
#define TIGHT_BUDGET 14600
#define PARKED_AFTER_NS (250 * NS_PER_MS)

#define OFFSET_UNKNOWN UINT64_MAX

/* ---- generations ---- */

/* Tells the generations of one session apart in a byte. Both sides see to it that no two
 * that are alive have the same: the relay when it draws the id, local by refusing it. The
 * relay also leaves those alone that were used last, since counts for them may come late. */
#define GENERATION_TAG(id) ((id) & 0x3f)
#define TAGS_RESTED 32

/* The keys and numbers of one HELLO. A resume adds a generation to the session; an old
 * one lives until its last subflow is forgotten. */
struct generation {
    struct list node; /* session->generations, oldest first */
    uint64_t id;      /* session id */
    uint64_t tag;     /* GENERATION_TAG() of it; travels in ACK */
    uint64_t order;   /* of its birth; the newest has the highest */
    struct session_keys keys;
    uint64_t next_number;       /* local: of the next JOIN */
    bool confirmed;             /* local: the relay has answered in it */
    struct number_window used;  /* relay: numbers whose first chunk has opened */
    unsigned subflows;          /* that refer to it */
    uint64_t born_ns;
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
        struct stream *stream;     /* referenced */
        uint64_t number;           /* SENT_FINAL: subflow number; SENT_PATH: path */
    };
    uint64_t offset;     /* DATA; FINAL: chunks received */
    uint32_t length;     /* DATA: bytes, the FIN counted as one; FINAL: generation's order */
    uint32_t copied;     /* DATA: as many of them were sent elsewhere, too */
    uint8_t kind;        /* enum sent_kind */
    bool copy;           /* DATA: this is such a copy */
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
    size_t length; /* 0 once written */
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
    uint8_t state;      /* enum subflow_state */
    bool hello;         /* opened by HELLO, not JOIN */
    bool writable;
    bool begun;         /* local: header and first chunk produced */
    bool confirmed;     /* an authenticated byte was received on it */
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
    uint32_t large_bytes;   /* and of a larger one that it has not: path_packets.c */
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

/* ---- streams ---- */

enum stream_class { STREAM_INTERACTIVE, STREAM_YOUNG, STREAM_BULK, STREAM_CLASSES };

/* Frames that wait to be sent for a stream. */
enum stream_control {
    STREAM_SEND_OPEN = 1,
    STREAM_SEND_OPENED = 2,
    STREAM_SEND_RESET = 4,
    STREAM_SEND_WINDOW = 8,
    STREAM_SEND_POLICY = 16,
};

/* Data in the driver's read buffer, in order, until session_settle(). */
struct borrowed {
    struct stream *stream;
    struct borrowed *next; /* of the same stream */
    uint64_t offset;
    const uint8_t *bytes;
    size_t length;
};

struct stream {
    struct list node;         /* session->streams */
    struct list ready;        /* session->ready[class] while it has data to send */
    struct list control;      /* session->control while control_pending */
    struct stream *hash_next; /* session->by_id */
    uint64_t id;              /* local: 0 while the STREAM_LIMIT does not allow it */
    void *user;
    struct target *target;    /* owned; local: until OPEN is acknowledged */
    char *destination;        /* owned; the target in words, or NULL */
    uint32_t references;      /* from sent items and queued events */
    uint8_t control_pending;  /* enum stream_control, or-ed */
    struct stream_policy policy;
    uint16_t asks;            /* local: paths it is counted at, see pool_stream_begins() */
    uint8_t class;            /* enum stream_class, while `ready` is linked */
    uint8_t reset_code;       /* ours */
    uint8_t peer_code;        /* of the peer's STREAM_RESET */

    bool incoming;       /* relay: announced by a frame, STREAM_OPEN not yet seen */
    bool opened;         /* both: STREAM_OPENED received or sent */
    bool released;       /* the driver has let go */
    bool discard;        /* what arrives is counted and dropped */
    bool reset_sent;     /* we end the stream by STREAM_RESET */
    bool reset_received;
    bool in_complete;    /* ... after all that the peer had to say */
    bool failed;         /* SESSION_STREAM_RESET was given, or the driver reset it */
    bool send_done;      /* all of ours is acknowledged, or moot */
    bool readable_told, writable_wanted;

    /* Sending. [out_acked, out_end) is retained in `out`; the FIN counts as one byte at
     * out_final, so that it is acknowledged and owed like data. */
    struct pages out;
    struct ranges acked;  /* above out_acked */
    struct ranges owed;   /* sent once, lost since */
    struct copies *copies; /* owned; NULL before the first, and for `split` */
    uint64_t out_acked, out_next, out_end;
    uint64_t out_final;   /* OFFSET_UNKNOWN before session_stream_finish() or a reset */
    uint64_t out_window;  /* the peer's credit */
    uint64_t owed_bytes;   /* total of `owed` */
    uint64_t counted;      /* its share of session->waiting_bytes */
    uint64_t held;         /* its share of session->out_held */
    uint32_t extra_copies; /* outstanding items that are copies */
    int32_t deficit;       /* bytes it may still send in its round */
    uint8_t exchanges;     /* how often it sent little with nothing on its way, since it
                              last sent much; see restraint.c */

    /* Receiving. [in_read, in_next) is readable, in `in` or borrowed. */
    struct pages in;
    struct ranges received; /* above in_next */
    struct borrowed *borrowed, *borrowed_last;
    uint64_t in_read, in_next, in_highest;
    uint64_t in_final;      /* OFFSET_UNKNOWN before FIN or RESET */
    uint64_t in_window;     /* credit granted */
    uint64_t in_parked;     /* bytes above in_read whose session credit was returned */
    uint64_t read_ns;       /* when the reader last took something, or had nothing to take */
    uint64_t read_rate;     /* bytes a second it took, highest of the recent windows */
    uint64_t window_start_ns, window_read; /* the running window */
};

/* ---- paths ---- */

/* The highest of a quantity in the window that runs and the one before. */
struct peak {
    uint64_t window_ns, highest, before; /* begin of the window; in it and before */
};

struct path {
    struct path_properties properties;
    struct rate_limit rate_limit; /* on what this side sends */
    uint64_t sequence;       /* of the last PATH frame, sent or received */
    enum path_reason reason; /* why it does not work, or PATH_REASON_WORKS */
    uint64_t heard_ns;       /* when something last came of the peer on it */
    uint64_t heard_since_ns; /* since when it did so without a pause */
    uint64_t received_ns;    /* when bytes last came on it */
    uint64_t acked_ns;       /* when anything last came of the peer's TCP */
    uint64_t proven_ns;      /* the newest chunk acknowledged on it was sent then */
    uint64_t doubted_ns;     /* when something was last late, and nothing newer proven */
    uint64_t awaited_ns;     /* since when copies of what came elsewhere are awaited */
    uint64_t probed_ns;      /* when a sign of life was last asked for */
    uint64_t silent_ns;      /* when it last seemed silent, see scheduler_update() */
    uint64_t stalled_ns; /* a subflow died that had made no progress since; 0 = none did */
    uint64_t srtt_ns;    /* smoothed; 0 = unknown */
    uint64_t least_ns, least_before_ns; /* least round trip of the running time, and before */
    uint64_t least_since_ns;            /* when that began */
    struct port_chooser ports; /* local */
    uint64_t rate_out;   /* bytes a second: sum of its subflows' measures */
    uint64_t queued_out; /* bytes: sum of its subflows' queues */
    uint64_t rate_in;    /* bytes a second received, highest of the recent windows */
    uint64_t rate_acked; /* bytes a second acknowledged, likewise */
    struct peak peak_in, peak_acked; /* local: of these rates, over some seconds */
    uint64_t window_start_ns, window_in, window_acked; /* the running window */
    /* Local: what was learned of how long its connections may be idle; see keepalive.c. */
    uint64_t keepalive_ns, keepalive_since_ns; /* between PINGs; 0: nothing. Since when */
    unsigned keepalive_trials;   /* longer ones that failed */
    uint64_t lived_idle_ns;      /* the longest after which one was alive */
    uint64_t died_idle_ns, died_ns; /* one has died of that (0: none), perhaps; then */
    bool small_only;     /* it carries no bulk now; see sparing.c */
    uint64_t spent_bytes, spent_ns; /* of its allowance then, while it carries no bulk */
    uint64_t gone_ns; /* local: since when no path that comes before it is in order; or 0 */
    unsigned subflows;   /* open or dialling */
    unsigned streams;    /* local: those that ask for the path */
    unsigned failures;   /* dials failed in a row, HELLOs and JOINs that nothing of the
                            relay came for among them */
    unsigned unproven;   /* of them: connections that were established */
    unsigned timeouts;   /* dials given up since the path was heard */
    unsigned stalls;     /* deaths of a stall since something was acknowledged */
    uint64_t failed_ns;  /* when the last of the failures was */
    uint64_t retry_ns;   /* not to be dialled before */
    struct path_counters counters;
    struct meter goodput_in, goodput_out;
    bool held;          /* bulk was held back just now; see path_hold() */
    uint64_t rate_seen; /* bytes a second: the highest of late, as restraint says */
    struct large_packets large;  /* what this side sends */
    struct packet_ladder ladder; /* local */
};

/* ---- the session ---- */

enum session_state {
    SESSION_STATE_CONNECTING, /* local: no session at the relay yet, or no more */
    SESSION_STATE_UP,
    SESSION_STATE_LOST,       /* local: nothing makes progress; the next dial is a HELLO */
    SESSION_STATE_CLOSING,    /* SESSION_CLOSE is on its way */
    SESSION_STATE_ENDED,
};

struct final_ack {
    uint64_t order; /* of the subflow's generation */
    uint64_t number, chunks;
};

#define BY_NUMBER_BUCKETS 256
/* One read of the driver holds 16 of the largest chunks. */
#define BORROWED_MAX 32

struct session {
    struct session_config config;
    struct page_account account; /* of its streams' pages */
    void *user;
    struct list admitted; /* relay: admission's list */
    unsigned client;      /* relay: index of the client */
    enum session_state state;
    uint64_t now; /* of the call under way, or the last */
    uint64_t random_state;

    struct list generations; /* of generation */
    uint64_t next_generation; /* order of the next */
    uint64_t tags_used[TAGS_RESTED]; /* of the newest generations, by their order */
    /* Local: what a HELLO names. Only a generation that the relay has answered in is sure
     * to be known there: message 2 alone makes none. */
    uint64_t resume_id, resume_order;
    uint64_t association; /* local: counts the sessions at relays that know nothing of before */
    bool heard;           /* local: the relay has answered in this association */

    struct list subflows; /* DIALLING, HELLO and OPEN */
    struct list limbo;
    uint64_t limbo_wake_ns; /* no limbo deadline is earlier */
    struct subflow *by_number[BY_NUMBER_BUCKETS];
    struct subflow *lane;
    struct restraint restraints[SESSION_PATHS_MAX];
    /* Bit i: path i has a usable subflow; it has, and may be dead (path_doubt.c); has one
     * that is late; nothing at all comes on it, not even of the peer's TCP. See
     * scheduler_update(). */
    uint16_t live_paths, doubtful_paths, late_paths, silent_paths;
    unsigned suspects;   /* subflows marked so */
    unsigned open_count; /* members of `subflows` */
    struct path paths[SESSION_PATHS_MAX];

    struct list streams;
    unsigned stream_count;  /* not released */
    struct stream **by_id;  /* hash table, `by_id_size` buckets, a power of two */
    size_t by_id_size, by_id_count;
    struct list ready[STREAM_CLASSES];
    /* Whether some path has a copy of the stream to carry: what keeps a stream ready that
     * has no data of its own to send. The schedule's answer. */
    bool (*copies_wait)(const struct session *session, struct stream *stream);
    struct list control;
    struct list unassigned; /* local: streams without id, linked by `control` */
    unsigned bulk_skipped;  /* chunks of higher classes since the last of bulk */
    uint64_t next_stream_id;    /* local: of the next to open */
    uint64_t highest_stream_id; /* relay: seen */
    uint64_t stream_limit;      /* granted: to us (local), by us (relay) */
    uint64_t streams_ended;     /* relay: forgotten, for the next STREAM_LIMIT */

    /* Flow control: sums over all streams, ended ones too. */
    uint64_t out_sum, out_window;
    uint64_t out_held;   /* of all streams: sent, not acknowledged, and not moot */
    uint64_t items_held; /* of all subflows: records of what was sent */
    uint64_t in_sum, in_consumed, in_window;
    uint64_t peer_stream_window; /* initial credit of a stream, agreed */

    uint64_t waiting_bytes;  /* ours to send, as far as streams' credit allows */
    uint64_t owed_bytes;     /* the part of it that was sent before */
    uint64_t demand_maximum;  /* of the last DEMAND sent, or received */
    uint64_t demand_sequence; /* of the same */
    bool send_session_window, send_stream_limit, send_demand;
    bool send_rate;               /* local: the ceiling down is to be told */
    struct rate_limit rate_limit; /* on what this side sends */
    uint16_t send_paths; /* local: bit i: properties of path i are to be told */
    uint64_t features;   /* agreed: WIRE_FEATURE_... */
    uint16_t large_lost; /* bit i: path i loses large packets. Relay: to be told; local: its
                            size is to be lowered */
    bool send_close;   /* a SESSION_CLOSE is to be sent */
    bool refused;      /* relay: it is only there to tell that it is not to be */
    enum error end_error;
    enum close_code end_code;
    char end_reason[FRAME_REASON_MAX + 1];
    uint64_t close_deadline_ns;

    struct list ack_queue;    /* subflows with chunks to acknowledge */
    struct ring finals;       /* of final_ack, to be sent */
    uint64_t ack_deadline_ns; /* TIME_NEVER = none waits */
    uint64_t ack_bytes;       /* received since the last ACK */
    bool hedging;             /* the next chunk has copies, of which none are to be made */
    bool ack_wanted;          /* the peer keeps something until one of them comes */

    uint64_t left_up_ns;  /* local: when the session was last UP */
    uint64_t contact_ns;  /* last authenticated chunk */
    uint64_t data_ns;     /* data of a stream was last sent, or received */
    uint64_t interactive_ns; /* somebody last waited for little; 0 = never */
    uint64_t bulk_ns;        /* bulk last waited; 0 = never */
    uint64_t doubt_ns;    /* local: what was heard before proves nothing any more */
    uint64_t rekey_ns;    /* local: when the hourly resume is due */
    uint64_t silent_ns;   /* local: dialled since then without contact; or TIME_NEVER */
    uint64_t backoff_ns;  /* between HELLOs that fail */
    uint64_t hello_failed_ns; /* when the last has failed */
    uint64_t next_hello_ns, hello_race_ns;
    struct peak queue_up, queue_down; /* local: bytes that waited lately */
    uint64_t full_since_ns, full_ns;  /* local: bulk waited from then to then; see sparing.c */
    uint64_t stream_begun_ns; /* local: the last OPEN became ready to be sent; 0 = never */
    uint64_t pool_wake_ns; /* when pool_update() wants to be called again */
    uint64_t checked_ns;
    unsigned explicit_failures; /* dials refused or unreachable, in a row */
    uint64_t last_stamp; /* sent in a HELLO */
    uint64_t stamp;      /* the newest that was answered */
    unsigned hellos_unanswered; /* in a row */
    unsigned hellos_unproven;   /* the same, those with a wrong answer too */
    bool starved;         /* a stream got no memory: the next check tells it to try again */
    uint64_t starved_ns;  /* since when there is no room for any stream; 0 = there is */
    bool pool_dirty;      /* pool_update() has something to look at */

    struct ring events; /* of session_event */
    bool hello_failed;  /* a session's first chunk did not arrive: the pool backs off */
    enum error failure; /* OK while there is none */
    const char *failure_reason;
    struct target event_target;
    struct stream *event_stream;   /* referenced by the event last given */
    struct subflow *event_subflow; /* to be freed after the event last given */

    struct borrowed borrowed[BORROWED_MAX]; /* from session_receive() to _settle() */
    size_t borrowed_count;

    struct session_counters counters;
};

/* outbox.c */
/* Appends an event of the type, with everything else 0, for the caller to fill in. It
 * stays valid until the next is pushed. */
struct session_event *outbox_push(struct session *session, enum session_event_type type);
/* This side cannot go on: the session ends when its driver asks for events. The first
 * failure counts. `reason` is static text. */
void outbox_fail(struct session *session, enum error error, const char *reason);
uint64_t context_random(struct session *session);

/* session.c */
struct session *session_new_relay(const struct session_config *config, uint64_t now) MUST_CHECK;
/* The peer broke a rule, or this side cannot go on: everything ends. */
void session_fail(struct session *session, enum error error, const char *reason);
/* The peer has closed the session. */
void session_closed_by_peer(struct session *session, enum close_code code,
                            const char *reason);
void session_set_state(struct session *session, enum session_state state);
/* SESSION_CLOSE was sent, or will never be. */
void session_finish_closing(struct session *session);

/* session_handshake.c */
/* Local: the connection for a HELLO is up. Returns false when it cannot be written. */
bool handshake_begin(struct session *session, struct subflow *subflow,
                     const struct session_fresh *fresh);
bool handshake_unwritten(const struct subflow *subflow);
/* The HELLO's raw bytes; `capacity` must hold HELLO_MAX. */
size_t handshake_produce(struct subflow *subflow, uint8_t *buffer, size_t capacity);
/* Takes message 2; returns bytes used, 0 = more needed; sets *failed. */
size_t handshake_receive(struct session *session, struct subflow *subflow,
                         const uint8_t *bytes, size_t length, bool *failed);
/* Local: the relay knows the generation: it has sent a chunk in it, or an ACK for one. */
void handshake_confirmed(struct session *session, struct generation *generation);
/* Local: a chunk of the relay has opened on `subflow`. */
void handshake_contact(struct session *session, const struct subflow *subflow);
/* Local: the relay knows nothing any more of what was before: all streams that it had heard
 * of fail with `code`, all subflows but `keep` (or NULL) are closed. */
void session_reset_association(struct session *session, enum reset_code code,
                               struct subflow *keep);

/* generations.c */
/* Appends a generation that takes over `keys`. NULL when memory is out. */
struct generation *generation_new(struct session *session, uint64_t id,
                                  const struct session_keys *keys) MUST_CHECK;
struct generation *generation_current(const struct session *session);
struct generation *generation_by_tag(const struct session *session, uint64_t tag);
/* Whether a final count for a subflow of this generation can still be told by its tag. */
bool generation_final_tag(const struct session *session, uint64_t order, uint64_t *tag);
/* Alive, or among the last. */
bool generation_tag_used(const struct session *session, uint64_t tag);
/* Frees every generation but the current whose last subflow is gone. */
void generation_release(struct session *session, struct generation *generation);
void generation_free(struct session *session, struct generation *generation);
/* One direction's key of a subflow; OK or an error of the crypto layer. */
int generation_key(struct generation *generation, enum direction direction, uint64_t number,
                   bool encrypt, struct seal *seal) MUST_CHECK;
/* Both of the subflow's; OK or an error of the crypto layer. */
int generation_key_subflow(struct session *session, struct generation *generation,
                           struct subflow *subflow) MUST_CHECK;

/* session_subflow.c */
struct subflow *subflow_new(struct session *session, unsigned path) MUST_CHECK;
void subflow_free(struct session *session, struct subflow *subflow);
void hello_free(struct hello_state *hello);
void subflow_set_number(struct session *session, struct subflow *subflow,
                        struct generation *generation, uint64_t number);
struct subflow *subflow_find(const struct session *session, uint64_t tag, uint64_t number);
/* An event of the subflow, which outlives it. */
struct session_event *subflow_tell(struct session *session, struct subflow *subflow,
                                   enum session_event_type type);
/* How a subflow ended decides how long what it owes is waited for. */
enum subflow_manner { SUBFLOW_ORDERLY, SUBFLOW_ABANDONED };
/* Ends a live subflow: tells the driver to reset it unless it is gone already. */
void subflow_close(struct session *session, struct subflow *subflow,
                   enum subflow_manner manner);
/* The same for one whose socket is gone, or whose close event is queued already. */
void subflow_end(struct session *session, struct subflow *subflow,
                 enum subflow_manner manner);
void subflow_unhold(struct session *session, struct subflow *subflow);
/* Local: resets a subflow that is finished both ways; true when it did. */
bool subflow_close_if_done(struct session *session, struct subflow *subflow);
uint64_t subflow_budget_left(const struct subflow *subflow);
/* Open, not retired by either side: new data may go on it. */
bool subflow_usable(const struct subflow *subflow);
/* False for local's JOINs until the session is confirmed: they may not send anything. */
bool subflow_may_begin(const struct session *session, const struct subflow *subflow);
uint64_t subflow_rtt_ns(const struct session *session, const struct subflow *subflow);
uint64_t subflow_stall_ns(const struct session *session, const struct subflow *subflow);
/* What the kernel knows of the connection now. */
void subflow_take_measure(struct session *session, struct subflow *subflow,
                          const struct subflow_measure *measure);
/* The peer's TCP was seen to have all that was sent. */
bool subflow_drained(const struct subflow *subflow);
/* It is alive. */
void subflow_note_progress(struct session *session, struct subflow *subflow);
void subflow_set_suspect(struct session *session, struct subflow *subflow, bool suspect);
/* Sends a PING, which has to be answered like anything else. */
void subflow_ask(struct session *session, struct subflow *subflow);
/* Something on it waits for an answer of the peer. */
bool subflow_outstanding(const struct subflow *subflow);

/* subflows.c */
/* Sums up what the subflows of the path were measured to do. */
void subflows_refresh_path(struct session *session, unsigned path);
/* Some subflow is known to work. */
bool subflows_in_touch(const struct session *session);
/* All that is open or being dialled on the path is abandoned. */
void subflows_abandon_path(struct session *session, unsigned path);
/* Judges the paths on which a subflow has died of a stall. */
void subflows_judge_stalled(struct session *session);

/* session_ack.c */
/* The peer has received `chunks` of the subflow's chunks. */
void ack_settle(struct session *session, struct subflow *subflow, uint64_t chunks);
/* The peer has closed the subflow and takes nothing more of it. */
void ack_take_final(struct session *session, struct subflow *subflow);
/* A chunk was received: an ACK is owed, in time if it asks for one. */
void ack_note_received(struct session *session, struct subflow *subflow, bool eliciting,
                       size_t length);
/* The subflow is closed here: its final count travels reliably. */
void ack_note_final(struct session *session, struct subflow *subflow);
/* Tells once more what was received on every open subflow. */
void ack_repeat(struct session *session);
bool ack_due(const struct session *session);
bool ack_waiting(const struct session *session);
/* Queues the frames of control again, once, of the chunk that has waited longest to be
 * acknowledged; there is one. */
void ack_hedge(struct session *session, struct subflow *subflow);
/* Everything not acknowledged goes back into the queues. */
void ack_requeue(struct session *session, struct subflow *subflow);
/* Drops everything not acknowledged, without sending it again. */
void ack_forget(struct session *session, struct subflow *subflow);

/* session_paths.c */
/* Marks whatever of the paths' properties a new relay does not know, to be told. */
void session_tell_paths(struct session *session);
/* A PATH frame; false when it breaks a rule. */
bool session_take_path(struct session *session, const struct frame *frame);

/* session_receive.c */
/* Processes an opened chunk. */
void session_take_chunk(struct session *session, struct subflow *subflow,
                        const uint8_t *plaintext, size_t length);

/* Relay: the chunk that proved a new subflow; `wire_length` counts its header and its
 * sealed length. */
void session_take_first(struct session *session, struct subflow *subflow, size_t wire_length,
                        const uint8_t *plaintext, size_t length);

/* session_streams.c */
void session_fail_streams(struct session *session, enum reset_code code);
/* Local: the relay has not answered in this association. Streams that have sent nothing but
 * their OPEN are opened in the next one; it does no harm if the relay had dialled for them
 * before it was restarted. Data could be delivered twice, and is not sent again. */
void session_reopen_streams(struct session *session);
/* Local: gives ids to waiting streams, as STREAM_LIMIT allows. */
void session_assign_ids(struct session *session);

/* session_stream.c */
struct stream *stream_new(struct session *session, uint64_t id) MUST_CHECK;
struct stream *stream_find(const struct session *session, uint64_t id);
/* The stream has no id any more, and waits to send no frame of control. */
void stream_lose_id(struct session *session, struct stream *stream);
/* Nothing more will be given to the reader. */
bool stream_receive_done(const struct stream *stream);
/* Both sides have said all that they had to say, and it has arrived here. */
bool stream_is_complete(const struct stream *stream);
/* Such a stream ends, or one that the peer takes no more of: what is unread is between the
 * driver and its reader. */
void stream_end_complete(struct session *session, struct stream *stream,
                         enum reset_code code);
void stream_reference(struct stream *stream);
void stream_unreference(struct session *session, struct stream *stream);
void stream_queue_control(struct session *session, struct stream *stream, unsigned control);
/* Frees the stream when both directions are settled and nobody holds it. */
void stream_forget_if_done(struct session *session, struct stream *stream);
/* An event of the stream; its driver hears of it. */
struct session_event *stream_tell(struct session *session, struct stream *stream,
                                  enum session_event_type type);
void stream_tell_readable(struct session *session, struct stream *stream);
/* After a RESET of the peer: the application hears of it once it has read the rest. */
void stream_tell_reset(struct session *session, struct stream *stream);
/* The application hears `code`, and nothing of the stream is sent any more. */
void stream_fail(struct session *session, struct stream *stream, enum reset_code code);
void stream_insert(struct session *session, struct stream *stream, uint64_t id);
/* Counts the stream at the paths `asks`, bit i for path i, and no others. */
void stream_set_asks(struct session *session, struct stream *stream, uint16_t asks);
/* Copies `target` into the stream; false when memory is out. */
bool stream_set_target(struct stream *stream, const struct target *target) MUST_CHECK;
void stream_reset_send(struct session *session, struct stream *stream, enum reset_code code);
void session_return_parked(struct session *session);

/* stream_shed.c: who gives way when a bound on memory is met; the driver is told */

/* A stream wanted memory to write to, and got none. */
void session_starves(struct session *session);
/* While there is no room for any stream, the one goes that has most parked for a reader,
 * here or at the peer, that does not read; and all that want some try again. */
void session_tick_starved(struct session *session);
/* There is no room for `pages` that have arrived for `wanting`: the stream goes that has
 * most parked, or else most of what has arrived. */
void stream_shed_for(struct session *session, struct stream *wanting, size_t pages);
/* This stream goes, as it needs `pages` more. */
void stream_shed(struct session *session, struct stream *stream, enum session_bound bound,
                 size_t pages);

/* stream_send.c */
void stream_send_init(struct session *session, struct stream *stream);
void stream_send_deinit(struct session *session, struct stream *stream);
/* Puts the stream in the queue it belongs to, or in none. */
void stream_update_ready(struct session *session, struct stream *stream);
/* New data of all streams that the peer's credit, and our bound on what is not
 * acknowledged, allow now. */
uint64_t session_credit(const struct session *session);
/* The offset that the stream's own credit, and our bound, reach to. */
uint64_t stream_credit_end(const struct stream *stream);
/* Bytes that wait: never sent, or owed; the FIN counts as one. */
uint64_t stream_waiting(const struct stream *stream);
/* Bytes (FIN included) of new data that credit allows now. */
uint64_t stream_sendable(const struct session *session, const struct stream *stream);
/* [offset, offset + length) is on its way. */
void stream_sent(struct session *session, struct stream *stream, uint64_t offset,
                 uint64_t length);
/* `length` bytes of a redundant stream went on a further path. */
void stream_copied(struct session *session, struct stream *stream, uint64_t length);
void stream_range_acked(struct session *session, struct stream *stream, uint64_t offset,
                        uint64_t length);
/* The same of what `path` carried: it will not arrive there. `covered` is what of the
 * stream is on its way elsewhere, and so not owed. */
void stream_range_lost(struct session *session, struct stream *stream, unsigned path,
                       uint64_t offset, uint64_t length, const struct ranges *covered);
void stream_send_abort(struct session *session, struct stream *stream);
uint64_t stream_send_limit(const struct stream *stream); /* out_end, FIN counted */
/* The class to be served at `position` (0 first) of the order that holds now. */
enum stream_class stream_class_turn(const struct session *session, unsigned position);

/* copies.c */
/* Where the bytes of a redundant stream are on their way, or were acknowledged. While a
 * single path works, small data takes two subflows of that path: the second, its twin, is
 * told apart as if it were a path of its own. */
#define COPIES_TWIN(path) (SESSION_PATHS_MAX + (path))
#define COPIES_WAYS (2 * SESSION_PATHS_MAX)

struct copies {
    struct ranges taken[COPIES_WAYS];
};

void copies_free(struct copies *copies);
/* [start, end) is on its way by `way`, a path or its twin. OK or ERROR_MEMORY. */
int copies_sent(struct stream *stream, unsigned way, uint64_t start, uint64_t end) MUST_CHECK;
/* [start, end) is on the path no more. OK or ERROR_MEMORY. */
int copies_lost(struct stream *stream, unsigned path, uint64_t start,
                uint64_t end) MUST_CHECK;
/* out_acked has risen. */
void copies_acked(struct stream *stream);

/* stream_receive.c */
/* OK, or an error that ends the session. */
int stream_receive(struct session *session, struct stream *stream,
                   const struct frame *frame);
/* The peer will send nothing beyond `final`. */
int stream_receive_final(struct session *session, struct stream *stream, uint64_t final);
void stream_receive_discard(struct session *session, struct stream *stream);
void stream_consumed(struct session *session, struct stream *stream, uint64_t length);
/* Local: bytes that wait at the relay and have not arrived since it said so. */
uint64_t session_peer_demand(const struct session *session);
uint64_t stream_window_target(const struct session *session, const struct stream *stream);
uint64_t session_window_next(const struct session *session);
void session_window_update(struct session *session);

/* keepalive.c */
/* Between the PINGs of local on a subflow with nothing else to say, at most; */
uint64_t session_keepalive_ns(const struct session *session);
/* and on one of this path, as far as is known. */
uint64_t keepalive_ns(const struct session *session, unsigned path);
/* What was learned holds no more. */
void keepalive_forget(struct path *path);
/* Local: an idle subflow of the path is about to be asked for a sign of life. */
void keepalive_note_asked(struct session *session, unsigned path);
/* Something is sent on the subflow, on which nothing waited for an answer; it does not yet
 * count as sent. */
void keepalive_note_used(struct session *session, struct subflow *subflow);
/* Local: something of the relay has come on it, before that counts as received. */
void keepalive_note_heard(struct session *session, const struct subflow *subflow);
/* It is to be closed, since it gives no answer or was reset. */
void keepalive_note_died(struct session *session, const struct subflow *subflow);

/* pool.c */
void pool_update(struct session *session);
/* Bytes of the subflow that were sent or received: it may want a replacement. */
void pool_count_bytes(struct session *session, struct subflow *subflow, uint64_t sent,
                      uint64_t received);
/* Local: a stream begins that may ask for paths of its own. */
void pool_stream_begins(struct session *session, struct stream *stream);
/* The paths' properties have changed. */
void pool_recount_streams(struct session *session);
/* A live subflow ended, or a dial did. */
void pool_dial_timed_out(struct session *session, struct subflow *subflow);
/* A HELLO has led to no session. */
void pool_hello_failed(struct session *session);
void pool_dial_ended(struct session *session, struct subflow *subflow,
                     enum subflow_end end);
void pool_dial_succeeded(struct session *session, struct subflow *subflow);
uint64_t pool_next_timeout(const struct session *session);
/* pool_proof.c; local: an established connection has shown that it leads to the relay, or
 * is given up since it has not. */
void pool_proven(struct session *session, struct subflow *subflow);
void pool_unproven(struct session *session, struct subflow *subflow, enum unproven how);
/* Somebody waits for the relay now. */
void pool_hurry(struct session *session);
/* Local: a transfer whose end is not in sight waits, in either direction. */
bool pool_bulk_waits(struct session *session);
bool session_active(const struct session *session);

/* path.c */
/* The peer has answered to something on the path: it works. */
void path_heard(struct session *session, unsigned path);
/* Bytes came on it, be they a part of a chunk that may yet prove false. */
void path_note_received(struct path *path, uint64_t now);
/* Something came of the peer's TCP on it then. */
void path_acked(struct path *path, uint64_t when);
/* Nothing has come on the path for a while in which something came on another that works.
 */
bool path_quiet(const struct session *session, unsigned index);
/* It works no more, unless it was heard of since `since_ns`. */
void path_failed(struct session *session, unsigned path, enum path_reason reason,
                 uint64_t since_ns);
/* It works no more, whatever was heard of it. */
void path_set_down(struct session *session, unsigned path, enum path_reason reason);
void path_sample_rtt(struct path *path, uint64_t rtt_ns, uint64_t now);
void path_count(struct session *session, unsigned path, uint64_t received,
                uint64_t acked);
/* Bytes of streams that it delivered first. */
void path_count_goodput(struct session *session, unsigned path, uint64_t received,
                        uint64_t acked);
uint64_t path_rtt_ns(const struct path *path); /* RTT_UNKNOWN_NS while unknown */
/* The least of the last seconds, which no queue has made longer. */
uint64_t path_least_rtt_ns(const struct path *path);
/* It holds no more. */
void path_forget_least(struct path *path);
/* How long so many bytes take at a rate in bytes a second; 0 when that is not known. */
uint64_t path_drain_ns(uint64_t bytes, uint64_t rate);
/* Bytes a second that the path is known to take: over a short time acknowledgements come in
 * lumps, so that what was seen over a longer one bounds it. */
uint64_t path_known_rate(const struct path *path);
/* Bulk on the path is held back now, or not; `rate_seen` is the rate seen of late, 0: none. */
void path_hold(struct path *path, bool held, uint64_t rate_seen);
/* The known rate of a path whose bulk was held back just now; 0: it was not. */
uint64_t path_held_rate(const struct path *path);
/* A rate is the highest of recent windows, each of so long, */
uint64_t rate_window_ns(uint64_t rtt_ns);
/* and this at the end of one in which `bytes` came. */
uint64_t rate_next(uint64_t rate, uint64_t bytes, uint64_t elapsed_ns, uint64_t window_ns);
/* Until what is sent now, behind `queued` bytes that are not acknowledged, arrives. */
uint64_t path_arrival_ns(const struct path *path, uint64_t queued);
uint64_t session_best_rtt_ns(const struct session *session);
/* A stream's policy and the path's properties go together. */
bool path_allows(const struct session *session, unsigned path,
                 const struct stream_policy *policy);
/* The path is a backup, and another path works that streams of the policy (NULL: of any)
 * may use. */
bool path_in_reserve(const struct session *session, unsigned path,
                     const struct stream_policy *policy);
/* Copies of streams of the policy travel on the path beside those on others: it is no
 * backup while another works, nor, unless the policy is to be redundant at any cost, dearer
 * than one. */
bool path_takes_copies(const struct session *session, unsigned path,
                       const struct stream_policy *policy);
/* `b` is dearer than `a`, or a backup for it. */
bool path_comes_before(const struct path *a, const struct path *b);
/* Bytes of data that may go on the path now, by its ceiling and the session's. */
uint64_t path_room(const struct session *session, unsigned path);

/* path_packets.c */
/* Small chunks on a subflow that may carry nothing else: fewer than the initial window of
 * TCP has packets (RFC 6928), else they would be joined into large ones. */
#define SMALL_CHUNKS_MAX 8
/* Local: what is known of the path's packets does not hold any more, or is given. */
void path_packets_reset(const struct session *session, struct path *path);
/* So many bytes were produced for the subflow at once. */
void packets_note_sent(struct session *session, struct subflow *subflow, uint64_t length);
/* The peer has all before that offset of what was sent on the subflow. */
void packets_note_taken(struct session *session, struct subflow *subflow, uint64_t end);
/* Something was received on it. */
void packets_note_received(struct session *session, struct subflow *subflow);
/* A chunk that was sent then on the path has arrived. */
void packets_note_proven(struct session *session, unsigned path, uint64_t sent_ns);
/* An open subflow has ended. */
void packets_note_ended(struct session *session, const struct subflow *subflow,
                        enum subflow_manner manner);
/* The relay says that packets of so much payload do not arrive here on the path. */
void packets_note_told(struct session *session, unsigned path, uint64_t bytes);
/* Nothing large may go on the subflow: what was sent like that has not arrived, another
 * subflow of the path is trying, or it is too early to try again. */
bool packets_hold(const struct session *session, const struct subflow *subflow);
/* When that ends for a path, TIME_NEVER where it does not. */
uint64_t packets_timeout(const struct session *session, unsigned path);
/* The first chunk of the subflow goes alone, and is small: it must arrive. */
bool packets_begin_small(const struct session *session, const struct subflow *subflow);
/* Local: what the next dial on the path asks for; sets subflow->packet_size and ->trial. */
void packets_choose(struct session *session, struct subflow *subflow);
/* Local: goes on with smaller packets where that is due. */
void packets_update(struct session *session);

/* path_doubt.c */
/* A chunk that was sent then has been acknowledged. */
void path_proven(struct path *path, uint64_t sent_ns);
/* From when a subflow is late until its path is doubtful. */
uint64_t path_patience_ns(const struct path *path);
/* A subflow is late since `late_ns`; its oldest chunk was sent at `oldest_ns`. */
void path_note_late(struct path *path, uint64_t oldest_ns, uint64_t late_ns, uint64_t now);
bool path_doubtful(const struct session *session, unsigned index);
/* When it may become so if nothing comes on it. */
uint64_t path_doubt_timeout(const struct session *session, unsigned index);

/* sparing.c */
/* Local: bulk waits, in either direction. */
void sparing_note_bulk(struct session *session);
/* Local: looks which paths are to carry no bulk now. */
void sparing_update(struct session *session);
/* Local: when that changes if nothing else does. */
uint64_t sparing_timeout(const struct session *session);
/* The path is not to carry what waits, or is on its way, of the stream. */
bool sparing_holds(const struct session *session, unsigned index,
                   const struct stream *stream);
/* So much of streams goes on the path. */
void sparing_spend(struct session *session, unsigned index, uint64_t bytes);

/* carriers.c */
struct carriers {
    struct subflow *first, *twin;
    uint64_t first_drawback, twin_drawback;
};

/* Looks at one usable subflow of their path after the other; then appoints the best. */
void carriers_consider(const struct session *session, struct carriers *carriers,
                       struct subflow *subflow);
void carriers_appoint(const struct carriers *carriers);
/* The subflow is for data: another of its path can take a chunk that has only ACKs. */
bool carriers_spare(const struct session *session, const struct subflow *subflow);

/* scheduler.c */
struct piece {
    struct stream *stream;
    uint64_t offset;
    uint64_t length; /* at most; the FIN counts as one; 0 = nothing to send */
    bool copy;       /* it is on its way elsewhere, too */
    struct sent_item *copy_of; /* reinjection: as this item; else NULL */
};

/* Chooses the lane, and looks which paths live and which subflows are late: once before
 * subflows are asked for what they should carry. */
void scheduler_update(struct session *session);
/* What data `subflow` should carry now; false when none. No side effects. */
bool scheduler_next(struct session *session, struct subflow *subflow, struct piece *piece);
bool lane_is(const struct session *session, const struct subflow *subflow);
/* The path may be dead, while another works: it gets nothing that another can carry. */
bool path_silent(const struct session *session, unsigned index);
/* The path leaves the stream's data to another: it is a backup, and another works; it is
 * dearer than one that has room; or the data is bulk that it is to be spared. */
bool scheduler_spares(const struct session *session, unsigned index,
                      const struct stream *stream);
/* It is in doubt (path_doubt.c), and another that works is not. */
bool path_uncertain(const struct session *session, unsigned index);
/* So may the subflow's, or it waits for a lost segment, and another is free of that: it
 * gets no frames of control. */
bool scheduler_avoids(const struct session *session, const struct subflow *subflow);
/* Some subflow of the path takes data of the stream: at once, or when it is writable again.
 */
bool path_takes(const struct session *session, unsigned path, const struct stream *stream,
                bool at_once);

/* scheduler_split.c */
/* No other path would complete what is left of the stream, `length` bytes at least, before
 * the first byte arrives on this one. */
bool split_may_carry(const struct session *session, const struct subflow *subflow,
                     const struct stream *stream, uint64_t length);

/* scheduler_redundant.c */
/* Each byte is to travel on several paths, at this moment. */
bool stream_is_redundant(const struct stream *stream);
/* [start, end) is on its way on the subflow: for redundant streams. OK or ERROR_MEMORY. */
int redundant_note_sent(const struct session *session, struct stream *stream,
                        const struct subflow *subflow, uint64_t start,
                        uint64_t end) MUST_CHECK;
/* Data of the stream came on the path `index` before it came on any other. */
void redundant_await_copies(struct session *session, const struct stream *stream,
                            unsigned index);
/* It is among the paths that are to carry the stream. */
bool redundant_may_carry(const struct session *session, unsigned path,
                         const struct stream *stream);
/* So it is, and of the path's subflows it is this one's turn. */
bool redundant_takes(const struct session *session, const struct subflow *subflow,
                     const struct stream *stream);
/* Another path that is not late has taken all of it. */
bool redundant_covered(const struct session *session, unsigned path,
                       const struct stream *stream, uint64_t start, uint64_t end);
/* What the subflow should carry that others carry already; no side effects. */
bool redundant_next(const struct session *session, const struct subflow *subflow,
                    struct stream *stream, struct piece *piece);
/* Some path that works has something of that to carry. */
bool redundant_waits(const struct session *session, struct stream *stream);

/* reinjection.c */
/* Little of the stream is on its way: a copy costs little, and its head is what waits. */
bool stream_is_small(const struct stream *stream);
/* When what was sent longest ago, and asks to be acknowledged, was sent; there is some. */
uint64_t subflow_oldest_ns(const struct subflow *subflow);
/* When its path becomes silent if nothing comes on it, and when the subflow becomes late if
 * nothing is acknowledged; TIME_NEVER when nothing is waited for. */
uint64_t subflow_silence_ns(const struct session *session, const struct subflow *subflow);
uint64_t subflow_late_ns(const struct session *session, const struct subflow *subflow);
/* Of all that the subflow may copy, what is nearest to its stream's head. `idle`: there is
 * nothing new to send. */
bool reinjection_next(struct session *session, struct subflow *subflow, bool idle,
                      struct piece *piece);

#endif
