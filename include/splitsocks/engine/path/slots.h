/* SPDX-License-Identifier: MIT */
/*
 * Decides how many connections of a path should be open while data waits. Many connections
 * fill a network that limits each of them; elsewhere more connections only fill queues.
 *
 * The number doubles while the rate of arriving bytes grows by a good part of the increase
 * and no queue shows. After that, trials of more and of fewer connections follow, more
 * rarely as they fail.
 *
 * Times are nanoseconds, given by the caller.
 */
#ifndef SPLITSOCKS_SLOTS_H
#define SPLITSOCKS_SLOTS_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

/* How long to wait after a trial that failed, of other numbers of connections or of larger
 * budgets: at first, and at most, so that a limit that is lifted is found within a
 * minute. */
#define EXPLORE_WAIT_NS (2 * NS_PER_S)
#define EXPLORE_WAIT_MAX_NS (30 * NS_PER_S)

/* The path since the last call of slots_tick(). */
struct slots_view {
    uint64_t round_trip_ns; /* least round trip */
    uint64_t cycle_ns;      /* how long a connection keeps its place */
    uint64_t cycle_bytes;   /* bytes that it carries in that time */
    unsigned ceiling;       /* connections that may be open */
    bool queue;             /* a queue shows in the round trip */
    bool waits;             /* data waited all the time */
    bool tightened;         /* profile_judge() returned true */
};

enum slots_state {
    SLOTS_KEEP, /* nothing is tried */
    SLOTS_MORE, /* more are tried */
    SLOTS_LESS, /* fewer are tried */
};

struct slots {
    enum slots_state state;
    unsigned wanted;
    unsigned before;    /* number of connections before the trial */
    double before_rate; /* their rate, in bytes a second */
    double peak;        /* recent highest rate */
    double bytes;       /* since the epoch began */
    uint64_t epoch_began_at_ns;
    uint64_t wait_until_ns; /* no trial before this time */
    uint64_t wait_for_ns;   /* how long to wait after the next trial that fails */
    bool quick;             /* the first climb has not ended */
    bool settle;   /* the number has changed: wait until connections from before end */
    bool less_due; /* try fewer next */
};

void slots_init(struct slots *slots, unsigned first, uint64_t now);
/* So many bytes were received or acknowledged for the first time. */
void slots_delivered(struct slots *slots, uint64_t bytes);
/* Call it some ten times a second. True: an epoch has ended. */
bool slots_tick(struct slots *slots, const struct slots_view *view, uint64_t now);
/* At least so many are open for other reasons: a trial of more begins there. */
void slots_raise(struct slots *slots, unsigned least);
unsigned slots_wanted(const struct slots *slots);

#endif
