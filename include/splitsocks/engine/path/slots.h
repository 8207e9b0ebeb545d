/* SPDX-License-Identifier: MIT */
/*
 * How many connections of a path should be open while data waits. A network that limits
 * each connection is filled by many of them; where it does not, more of them only fill
 * queues.
 *
 * The number doubles while the bytes that arrive grow by a good part of the increase and no
 * queue shows. After that, trials of more and of fewer are made, rarer as they fail.
 *
 * Times are nanoseconds, given by the caller.
 */
#ifndef SPLITSOCKS_SLOTS_H
#define SPLITSOCKS_SLOTS_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

/* What the path was like since the last call of slots_tick(). */
struct slots_view {
    uint64_t round_trip_ns; /* the least */
    uint64_t cycle_ns;      /* how long a connection keeps its place */
    uint64_t cycle_bytes;   /* what it carries in that time */
    unsigned ceiling;       /* connections that may be open */
    bool ceiling_found;     /* the network sets the ceiling, not the configuration */
    bool queue;             /* a queue shows in the round trip */
    bool waits;             /* data waited all the time */
    bool died;              /* a connection has died */
    bool tightened;         /* profile_judge() said so */
};

enum slots_state {
    SLOTS_KEEP, /* nothing is tried */
    SLOTS_MORE, /* more are tried */
    SLOTS_LESS, /* fewer are tried */
};

struct slots {
    enum slots_state state;
    unsigned wanted;
    unsigned before;    /* as many as there were before the trial */
    double before_rate; /* and what they brought, in bytes a second */
    double peak;        /* the highest rate of late */
    double bytes;       /* since the epoch began */
    uint64_t epoch_ns;
    uint64_t wait_ns;     /* no trial before this time */
    uint64_t wait_for_ns; /* how long to wait after the next trial that fails */
    uint64_t died_ns;
    bool quick;    /* the first climb has not ended */
    bool settle;   /* the number has changed: those of before end first */
    bool less_due; /* fewer are tried next */
    bool flat;     /* the last trial of more brought nothing */
};

void slots_init(struct slots *slots, unsigned first, uint64_t now);
/* So many bytes that had not arrived before were received or acknowledged. */
void slots_delivered(struct slots *slots, uint64_t bytes);
/* To be called some ten times a second. */
void slots_tick(struct slots *slots, const struct slots_view *view, uint64_t now);
unsigned slots_wanted(const struct slots *slots);

#endif
