/* SPDX-License-Identifier: MIT */
/* The paths: estimates, whether each works, whether it may be dead. */
#ifndef SPLITSOCKS_ENGINE_PATH_H
#define SPLITSOCKS_ENGINE_PATH_H

#include <splitsocks/base/meter.h>
#include <splitsocks/base/rate_limit.h>
#include <splitsocks/engine/outbox/context.h>
#include <splitsocks/engine/path/packet_size.h>
#include <splitsocks/engine/path/path_limits.h>
#include <splitsocks/engine/path/port_chooser.h>

#define ACK_DELAY_NS (25 * NS_PER_MS)
#define STALL_MIN_NS (200 * NS_PER_MS)
/* A difference of round trips that means nothing: jitter, or a queue of a few packets that
 * nobody feels. Where round trips are long, a part of them takes its place. */
#define JITTER_NS (5 * NS_PER_MS)
/* How long a path's best figures count, at least: its least round trip and its highest
 * rates. After 5 to 10 s a path that has become longer or slower is believed. */
#define PATH_MEMORY_NS (5 * NS_PER_S)
#define RTT_UNKNOWN_NS (100 * NS_PER_MS)

/* The highest value of a quantity in the running window and in the one before. */
struct peak {
    /* Begin of the window; highest in it; before it. */
    uint64_t window_began_at_ns, highest, before;
};

struct path {
    struct path_properties properties;
    struct rate_limit rate_limit; /* on what this side sends */
    uint64_t sequence;            /* of the last PATH frame, sent or received */
    enum path_reason reason;      /* why it does not work, or PATH_REASON_WORKS */
    uint64_t heard_at_ns;         /* when the peer was last heard on the path */
    uint64_t heard_since_ns;      /* since when it was heard without a pause */
    uint64_t received_at_ns;      /* when bytes last came */
    uint64_t acked_at_ns;         /* when the peer's TCP last sent anything */
    uint64_t proven_sent_at_ns;   /* when the newest acknowledged chunk was sent */
    uint64_t doubted_at_ns; /* when a subflow was last late, with nothing newer proven */
    /* Since when copies of data that came elsewhere are awaited. */
    uint64_t awaited_since_ns;
    uint64_t probed_at_ns; /* when a PING was last sent to probe the path */
    /* When the path was last found silent, see scheduler_update(). */
    uint64_t silent_at_ns;
    uint64_t stalled_since_ns; /* last progress of a subflow that stalled to death; or 0 */
    uint64_t srtt_ns;          /* smoothed; 0 = unknown */
    /* The least round trip in the window since least_since_ns, and in the one before. */
    uint64_t least_rtt_ns, least_rtt_before_ns;
    uint64_t least_since_ns;
    struct port_chooser ports; /* local */
    uint64_t rate_out;         /* bytes a second: sum of what its subflows' TCP reports */
    uint64_t queued_out;       /* bytes: sum of its subflows' queues */
    uint64_t rate_in;          /* bytes a second received, highest of the recent windows */
    uint64_t rate_acked;       /* bytes a second acknowledged, in the same way */
    struct peak peak_in, peak_acked; /* local: highest rates over some seconds */
    uint64_t window_began_at_ns, window_in, window_acked; /* the running window */
    /* Local: how long this path's connections may be idle, as learned; see keepalive.c. The
     * time between PINGs (0: nothing was learned), and when it was set. */
    uint64_t keepalive_ns, keepalive_since_ns;
    unsigned keepalive_trials;  /* longer times that were tried and failed */
    uint64_t lived_idle_for_ns; /* longest idle time that one survived */
    /* The idle time of which a connection may have died (0: none), and when. */
    uint64_t died_idle_for_ns, died_at_ns;
    bool small_only; /* the path carries no bulk now; see sparing.c */
    /* Used part of its allowance at the time spent_at_ns. */
    uint64_t spent_bytes, spent_at_ns;
    uint64_t gone_since_ns; /* local: when all better paths failed; 0: one is in order */
    unsigned subflows;      /* open or dialling */
    unsigned streams;       /* local: streams that ask for the path */
    unsigned failures;  /* dials that failed in a row, including HELLOs and JOINs to which
                           the relay did not answer */
    unsigned unproven;  /* the part of `failures` whose connections were established */
    unsigned unreached; /* dials that failed since a connection was last established */
    unsigned timeouts;  /* dials that timed out since the path was last heard */
    unsigned stalls;    /* subflows that died of a stall since the last acknowledgement */
    uint64_t failed_at_ns; /* time of the last failure */
    uint64_t retry_at_ns;  /* no dial before this time */
    struct path_counters counters;
    struct meter goodput_in, goodput_out;
    bool held;                   /* restraint holds bulk back now; see path_hold() */
    uint64_t rate_seen;          /* bytes a second: recent highest, by restraint */
    struct large_packets large;  /* for the direction in which this side sends */
    struct path_limits limits;   /* local: what was learned of its connections */
    struct packet_ladder ladder; /* local */
};

/* The paths of a session. */
struct paths {
    struct context *context;
    /* Sets of paths, bit i for path i. live: has a usable subflow. doubtful: live, but may
     * be dead (path_doubt.c). late: has a late subflow. silent: not even the peer's TCP
     * sends anything. See scheduler_update(). */
    uint16_t live, doubtful, late, silent;
    struct path items[SESSION_PATHS_MAX];
    struct rate_limit rate_limit; /* on all that this side sends */
};

/* path.c */
/* The peer has answered on the path: it works. */
void path_heard(struct paths *paths, unsigned path);
/* Bytes came on the path; they may be a part of a chunk that is not authentic. */
void path_note_received(struct path *path, uint64_t now);
/* The peer's TCP sent something on the path at `when`. */
void path_acked(struct path *path, uint64_t when);
/* Whether the path has brought nothing for a while in which another live path has. */
bool path_quiet(const struct paths *paths, unsigned index);
/* The path has failed for this reason, unless it was heard after `since_ns`. */
void path_failed(struct paths *paths, unsigned path, enum path_reason reason,
                 uint64_t since_ns);
/* The path has failed for this reason, whenever it was heard. */
void path_set_down(struct paths *paths, unsigned path, enum path_reason reason);
void path_sample_rtt(struct path *path, uint64_t rtt_ns, uint64_t now);
void path_count(struct paths *paths, unsigned path, uint64_t received, uint64_t acked);
/* Counts stream bytes that the path delivered first. */
void path_count_goodput(struct paths *paths, unsigned path, uint64_t received,
                        uint64_t acked);
uint64_t path_rtt_ns(const struct path *path); /* RTT_UNKNOWN_NS while unknown */
/* An answer that takes longer than this is late. */
uint64_t path_late_ns(const struct path *path);
/* The least round trip of the last seconds: it has no queue in it. */
uint64_t path_least_rtt_ns(const struct path *path);
/* Forgets the least round trip, because the path may have changed. */
void path_forget_least(struct path *path);
/* How long so many bytes take at a rate in bytes a second; 0 when the rate is unknown. */
uint64_t path_drain_ns(uint64_t bytes, uint64_t rate);
/* Bytes a second that the path is known to carry. Acknowledgements come in lumps, so a
 * rate seen over a short time is bounded by the rate seen over a longer one. */
uint64_t path_known_rate(const struct path *path);
/* Tells whether restraint holds bulk back on the path now. `rate_seen`: the recent rate,
 * 0: none. */
void path_hold(struct path *path, bool held, uint64_t rate_seen);
/* The known rate of a path on which bulk is held back; 0: it is not. */
uint64_t path_held_rate(const struct path *path);
/* A rate is the highest of recent windows. This is the length of a window, ... */
uint64_t rate_window_ns(uint64_t rtt_ns);
/* ... and this the new rate at the end of a window in which `bytes` came. */
uint64_t rate_next(uint64_t rate, uint64_t bytes, uint64_t elapsed_ns, uint64_t window_ns);
/* How long a byte takes to arrive that is sent now, behind `queued` unacknowledged
 * bytes. */
uint64_t path_delivery_ns(const struct path *path, uint64_t queued);
uint64_t paths_best_rtt_ns(const struct paths *paths);
/* Whether a stream of this policy may use the path. */
bool path_allows(const struct paths *paths, unsigned path,
                 const struct stream_policy *policy);
/* Whether the path is a backup while another path works that streams of the policy (NULL:
 * of any) may use. */
bool path_in_reserve(const struct paths *paths, unsigned path,
                     const struct stream_policy *policy);
/* Whether the path carries copies of such streams beside other paths. A backup does not
 * while another path works. A dearer path does not while a cheaper one works, unless the
 * policy is `redundant`. */
bool path_takes_copies(const struct paths *paths, unsigned path,
                       const struct stream_policy *policy);
/* Whether `b` is dearer than `a`, or a backup for it. */
bool path_comes_before(const struct path *a, const struct path *b);
/* Bytes of data that the ceilings of the path and the session allow now. */
uint64_t path_room(const struct paths *paths, unsigned path);

/* path_doubt.c */
/* A chunk that was sent at `sent_at_ns` has been acknowledged. */
void path_proven(struct path *path, uint64_t sent_at_ns);
/* How long a subflow is late before its path is doubtful. */
uint64_t path_patience_ns(const struct path *path);
/* A subflow of the path is late since `late_at_ns`; its oldest chunk was sent at
 * `oldest_at_ns`. */
void path_note_late(struct path *path, uint64_t oldest_at_ns, uint64_t late_at_ns,
                    uint64_t now);
bool path_doubtful(const struct paths *paths, unsigned index);
/* When the path becomes doubtful if nothing comes on it. */
uint64_t path_doubt_timeout(const struct paths *paths, unsigned index);

#endif
