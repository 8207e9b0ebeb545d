/* SPDX-License-Identifier: MIT */
/* What goes on which subflow: split, redundant, reinjection, restraint, sparing. */
#ifndef SPLITSOCKS_ENGINE_SCHEDULE_H
#define SPLITSOCKS_ENGINE_SCHEDULE_H

#include <splitsocks/engine/subflow/subflow.h>

/* How long a path that was never heard on may be tried before a backup is. */
#define HOPE_NS (1 * NS_PER_S)

/* What bulk may keep on its way on a path; see restraint.c. */
struct restraint {
    bool bounded;       /* `room` holds */
    uint64_t room;      /* bytes of bulk that may go now */
    bool held, spare;   /* in the running window bulk was held back; it lacked, with room */
    uint64_t window_ns; /* when that began; 0 = there is none */
    uint64_t window_bytes;         /* what the path had delivered then */
    uint64_t rate_seen;            /* bytes a second: the highest of the windows */
    uint64_t lifted_ns, lift_ns;   /* lifted until then; for how long */
    uint64_t drained_ns, least_ns; /* when a drain ends; the least round trip before it */
    uint64_t drain_ns;             /* when the next is due */
};

/* The schedule of a session. */
struct schedule {
    struct context *context;
    struct paths *paths;
    struct streams *streams;
    struct subflows *subflows;
    struct restraint restraints[SESSION_PATHS_MAX];
    uint64_t interactive_ns; /* somebody last waited for little; 0 = never */
    uint64_t bulk_ns;        /* bulk last waited; 0 = never */
    uint64_t full_since_ns,
        full_ns; /* local: bulk waited from then to then; see sparing.c */
};

/* restraint.c */
/* A stream begins. */
void restraint_note_opened(struct schedule *schedule);
/* New data of the stream is about to count as sent. */
void restraint_note_sent(struct schedule *schedule, struct stream *stream);
/* How often subflows are to be measured, where `usual_ns` does without restraint. */
uint64_t restraint_measure_ns(const struct schedule *schedule, uint64_t usual_ns);
/* Looks how much bulk may go, once before subflows are asked for what they should carry. */
void restraint_update(struct schedule *schedule);
void restraint_spend(struct schedule *schedule, unsigned path, uint64_t bytes);
/* No bulk is to go on the path now. */
bool restraint_holds(const struct schedule *schedule, unsigned path);
uint64_t restraint_timeout(const struct schedule *schedule);

/* sparing.c */
/* Local: bulk waits, in either direction. */
void sparing_note_bulk(struct schedule *schedule);
/* Local: looks which paths are to carry no bulk now. */
void sparing_update(struct schedule *schedule);
/* Local: when that changes if nothing else does. */
uint64_t sparing_timeout(const struct schedule *schedule);
/* The path is not to carry what waits, or is on its way, of the stream. */
bool sparing_holds(const struct schedule *schedule, unsigned index,
                   const struct stream *stream);
/* So much of streams goes on the path. */
void sparing_spend(struct schedule *schedule, unsigned index, uint64_t bytes);

/* carriers.c */
struct carriers {
    struct subflow *first, *twin;
    uint64_t first_drawback, twin_drawback;
};

/* Looks at one usable subflow of their path after the other; then appoints the best. */
void carriers_consider(const struct schedule *schedule, struct carriers *carriers,
                       struct subflow *subflow);
void carriers_appoint(const struct carriers *carriers);
/* The subflow is for data: another of its path can take a chunk that has only ACKs. */
bool carriers_spare(const struct schedule *schedule, const struct subflow *subflow);

/* scheduler.c */
struct piece {
    struct stream *stream;
    uint64_t offset;
    uint64_t length;           /* at most; the FIN counts as one; 0 = nothing to send */
    bool copy;                 /* it is on its way elsewhere, too */
    struct sent_item *copy_of; /* reinjection: as this item; else NULL */
};

/* Chooses the lane, and looks which paths live and which subflows are late: once before
 * subflows are asked for what they should carry. */
void scheduler_update(struct schedule *schedule);
/* What data `subflow` should carry now; false when none. No side effects. */
bool scheduler_next(struct schedule *schedule, struct subflow *subflow,
                    struct piece *piece);
bool scheduler_is_lane(const struct schedule *schedule, const struct subflow *subflow);
/* The path may be dead, while another works: it gets nothing that another can carry. */
bool scheduler_path_silent(const struct schedule *schedule, unsigned index);
/* The path leaves the stream's data to another: it is a backup, and another works; it is
 * dearer than one that has room; or the data is bulk that it is to be spared. */
bool scheduler_spares(const struct schedule *schedule, unsigned index,
                      const struct stream *stream);
/* It is in doubt (path_doubt.c), and another that works is not. */
bool scheduler_path_uncertain(const struct schedule *schedule, unsigned index);
/* So may the subflow's, or it waits for a lost segment, and another is free of that: it
 * gets no frames of control. */
bool scheduler_avoids(const struct schedule *schedule, const struct subflow *subflow);
/* Some subflow of the path takes data of the stream: at once, or when it is writable again.
 */
bool scheduler_path_takes(const struct schedule *schedule, unsigned path,
                          const struct stream *stream, bool at_once);

/* scheduler_split.c */
/* No other path would complete what is left of the stream, `length` bytes at least, before
 * the first byte arrives on this one. */
bool split_may_carry(const struct schedule *schedule, const struct subflow *subflow,
                     const struct stream *stream, uint64_t length);

/* scheduler_redundant.c */
/* [start, end) is on its way on the subflow: for redundant streams. OK or ERROR_MEMORY. */
int redundant_note_sent(const struct schedule *schedule, struct stream *stream,
                        const struct subflow *subflow, uint64_t start,
                        uint64_t end) MUST_CHECK;
/* Data of the stream came on the path `index` before it came on any other. */
void redundant_await_copies(struct schedule *schedule, const struct stream *stream,
                            unsigned index);
/* It is among the paths that are to carry the stream. */
bool redundant_may_carry(const struct schedule *schedule, unsigned path,
                         const struct stream *stream);
/* So it is, and of the path's subflows it is this one's turn. */
bool redundant_takes(const struct schedule *schedule, const struct subflow *subflow,
                     const struct stream *stream);
/* Another path that is not late has taken all of it. */
bool redundant_covered(const struct schedule *schedule, unsigned path,
                       const struct stream *stream, uint64_t start, uint64_t end);
/* What the subflow should carry that others carry already; no side effects. */
bool redundant_next(const struct schedule *schedule, const struct subflow *subflow,
                    struct stream *stream, struct piece *piece);
/* Some path that works has something of that to carry. */
bool redundant_waits(const struct schedule *schedule, struct stream *stream);

/* reinjection.c */
/* When what was sent longest ago, and asks to be acknowledged, was sent; there is some. */
uint64_t reinjection_oldest_ns(const struct subflow *subflow);
/* When its path becomes silent if nothing comes on it, and when the subflow becomes late if
 * nothing is acknowledged; TIME_NEVER when nothing is waited for. */
uint64_t reinjection_silence_ns(const struct schedule *schedule,
                                const struct subflow *subflow);
uint64_t reinjection_late_ns(const struct schedule *schedule,
                             const struct subflow *subflow);
/* Of all that the subflow may copy, what is nearest to its stream's head. `idle`: there is
 * nothing new to send. */
bool reinjection_next(struct schedule *schedule, struct subflow *subflow, bool idle,
                      struct piece *piece);

#endif
