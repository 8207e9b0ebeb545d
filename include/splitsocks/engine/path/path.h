/* SPDX-License-Identifier: MIT */
/* What is known of the paths: estimates, whether they work, whether they may be dead. */
#ifndef SPLITSOCKS_ENGINE_PATH_H
#define SPLITSOCKS_ENGINE_PATH_H

#include <splitsocks/base/meter.h>
#include <splitsocks/base/rate_limit.h>
#include <splitsocks/engine/outbox/context.h>
#include <splitsocks/engine/path/packet_size.h>
#include <splitsocks/engine/path/port_chooser.h>

#define ACK_DELAY_NS (25 * NS_PER_MS)
#define STALL_MIN_NS (200 * NS_PER_MS)
#define RTT_UNKNOWN_NS (100 * NS_PER_MS)

/* The highest of a quantity in the window that runs and the one before. */
struct peak {
    uint64_t window_ns, highest, before; /* begin of the window; in it and before */
};

struct path {
    struct path_properties properties;
    struct rate_limit rate_limit; /* on what this side sends */
    uint64_t sequence;            /* of the last PATH frame, sent or received */
    enum path_reason reason;      /* why it does not work, or PATH_REASON_WORKS */
    uint64_t heard_ns;            /* when something last came of the peer on it */
    uint64_t heard_since_ns;      /* since when it did so without a pause */
    uint64_t received_ns;         /* when bytes last came on it */
    uint64_t acked_ns;            /* when anything last came of the peer's TCP */
    uint64_t proven_ns;           /* the newest chunk acknowledged on it was sent then */
    uint64_t doubted_ns; /* when something was last late, and nothing newer proven */
    uint64_t awaited_ns; /* since when copies of what came elsewhere are awaited */
    uint64_t probed_ns;  /* when a sign of life was last asked for */
    uint64_t silent_ns;  /* when it last seemed silent, see scheduler_update() */
    uint64_t stalled_ns; /* a subflow died that had made no progress since; 0 = none did */
    uint64_t srtt_ns;    /* smoothed; 0 = unknown */
    uint64_t least_ns,
        least_before_ns;       /* least round trip of the running time, and before */
    uint64_t least_since_ns;   /* when that began */
    struct port_chooser ports; /* local */
    uint64_t rate_out;         /* bytes a second: sum of its subflows' measures */
    uint64_t queued_out;       /* bytes: sum of its subflows' queues */
    uint64_t rate_in;          /* bytes a second received, highest of the recent windows */
    uint64_t rate_acked;       /* bytes a second acknowledged, likewise */
    struct peak peak_in, peak_acked; /* local: of these rates, over some seconds */
    uint64_t window_start_ns, window_in, window_acked; /* the running window */
    /* Local: what was learned of how long its connections may be idle; see keepalive.c. */
    uint64_t keepalive_ns, keepalive_since_ns; /* between PINGs; 0: nothing. Since when */
    unsigned keepalive_trials;                 /* longer ones that failed */
    uint64_t lived_idle_ns;                    /* the longest after which one was alive */
    uint64_t died_idle_ns, died_ns; /* one has died of that (0: none), perhaps; then */
    bool small_only;                /* it carries no bulk now; see sparing.c */
    uint64_t spent_bytes, spent_ns; /* of its allowance then, while it carries no bulk */
    uint64_t gone_ns; /* local: since when no path that comes before it is in order; or 0 */
    unsigned subflows;  /* open or dialling */
    unsigned streams;   /* local: those that ask for the path */
    unsigned failures;  /* dials failed in a row, HELLOs and JOINs that nothing of the
                           relay came for among them */
    unsigned unproven;  /* of them: connections that were established */
    unsigned unreached; /* dials failed since one was established */
    unsigned timeouts;  /* dials given up since the path was heard */
    unsigned stalls;    /* deaths of a stall since something was acknowledged */
    uint64_t failed_ns; /* when the last of the failures was */
    uint64_t retry_ns;  /* not to be dialled before */
    struct path_counters counters;
    struct meter goodput_in, goodput_out;
    bool held;                  /* bulk was held back just now; see path_hold() */
    uint64_t rate_seen;         /* bytes a second: the highest of late, as restraint says */
    struct large_packets large; /* what this side sends */
    struct packet_ladder ladder; /* local */
};

/* The paths of a session. */
struct paths {
    struct context *context;
    /* Bit i: path i has a usable subflow; it has, and may be dead (path_doubt.c); has one
     * that is late; nothing at all comes on it, not even of the peer's TCP. See
     * scheduler_update(). */
    uint16_t live, doubtful, late, silent;
    struct path items[SESSION_PATHS_MAX];
    struct rate_limit rate_limit; /* on what this side sends */
};

/* path.c */
/* The peer has answered to something on the path: it works. */
void path_heard(struct paths *paths, unsigned path);
/* Bytes came on it, be they a part of a chunk that may yet prove false. */
void path_note_received(struct path *path, uint64_t now);
/* Something came of the peer's TCP on it then. */
void path_acked(struct path *path, uint64_t when);
/* Nothing has come on the path for a while in which something came on another that works.
 */
bool path_quiet(const struct paths *paths, unsigned index);
/* It works no more, unless it was heard of since `since_ns`. */
void path_failed(struct paths *paths, unsigned path, enum path_reason reason,
                 uint64_t since_ns);
/* It works no more, whatever was heard of it. */
void path_set_down(struct paths *paths, unsigned path, enum path_reason reason);
void path_sample_rtt(struct path *path, uint64_t rtt_ns, uint64_t now);
void path_count(struct paths *paths, unsigned path, uint64_t received, uint64_t acked);
/* Bytes of streams that it delivered first. */
void path_count_goodput(struct paths *paths, unsigned path, uint64_t received,
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
/* Bulk on the path is held back now, or not; `rate_seen` is the rate seen of late, 0: none.
 */
void path_hold(struct path *path, bool held, uint64_t rate_seen);
/* The known rate of a path whose bulk was held back just now; 0: it was not. */
uint64_t path_held_rate(const struct path *path);
/* A rate is the highest of recent windows, each of so long, */
uint64_t rate_window_ns(uint64_t rtt_ns);
/* and this at the end of one in which `bytes` came. */
uint64_t rate_next(uint64_t rate, uint64_t bytes, uint64_t elapsed_ns, uint64_t window_ns);
/* Until what is sent now, behind `queued` bytes that are not acknowledged, arrives. */
uint64_t path_arrival_ns(const struct path *path, uint64_t queued);
uint64_t paths_best_rtt_ns(const struct paths *paths);
/* A stream's policy and the path's properties go together. */
bool path_allows(const struct paths *paths, unsigned path,
                 const struct stream_policy *policy);
/* The path is a backup, and another path works that streams of the policy (NULL: of any)
 * may use. */
bool path_in_reserve(const struct paths *paths, unsigned path,
                     const struct stream_policy *policy);
/* Copies of streams of the policy travel on the path beside those on others: it is no
 * backup while another works, nor, unless the policy is to be redundant at any cost, dearer
 * than one. */
bool path_takes_copies(const struct paths *paths, unsigned path,
                       const struct stream_policy *policy);
/* `b` is dearer than `a`, or a backup for it. */
bool path_comes_before(const struct path *a, const struct path *b);
/* Bytes of data that may go on the path now, by its ceiling and the session's. */
uint64_t path_room(const struct paths *paths, unsigned path);

/* path_doubt.c */
/* A chunk that was sent then has been acknowledged. */
void path_proven(struct path *path, uint64_t sent_ns);
/* From when a subflow is late until its path is doubtful. */
uint64_t path_patience_ns(const struct path *path);
/* A subflow is late since `late_ns`; its oldest chunk was sent at `oldest_ns`. */
void path_note_late(struct path *path, uint64_t oldest_ns, uint64_t late_ns, uint64_t now);
bool path_doubtful(const struct paths *paths, unsigned index);
/* When it may become so if nothing comes on it. */
uint64_t path_doubt_timeout(const struct paths *paths, unsigned index);

#endif
