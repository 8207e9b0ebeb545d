/* SPDX-License-Identifier: MIT */
/*
 * Finds two limits of a network for one path and port: how many connections may be open
 * (K), and how many SYNs a second may pass (S). Both show as dials that fail; the
 * circumstances of the failures tell them apart.
 *
 *     dial when dial_limit_next() <= now and fewer than dial_limit_connections() are open;
 *     then dial_limit_dialled(), and later dial_limit_result()
 *
 * Times are nanoseconds, given by the caller.
 */
#ifndef SPLITSOCKS_DIAL_LIMIT_H
#define SPLITSOCKS_DIAL_LIMIT_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

#define DIAL_LIMIT_NONE UINT32_MAX
/* How long a death is fresh: the network may count a dead connection so long. */
#define DEATH_FRESH_NS (15 * NS_PER_S)
/* Dials whose results are kept. */
#define DIAL_LIMIT_RESULTS 64

/* Belongs to a connection from its dial to the result. */
struct dial_attempt {
    uint64_t dialled_at_ns;
    uint64_t number;      /* number of the dial */
    uint32_t established; /* other connections that were established then */
    uint32_t recent;      /* dials of the last second, this one included */
};

struct dial_result_kept {
    uint64_t dialled_at_ns, ended_at_ns, number;
    uint32_t open;   /* other connections, which the network had let pass */
    uint32_t dead;   /* connections that died recently */
    uint32_t recent; /* as in struct dial_attempt */
    bool passed;
};

enum dial_limit_news {
    DIAL_LIMIT_NO_NEWS,
    DIAL_LIMIT_CONNECTIONS, /* the limit of open connections was found, or has changed */
    DIAL_LIMIT_SYNS,
    DIAL_LIMIT_CONNECTIONS_LIFTED,
    DIAL_LIMIT_SYNS_LIFTED,
};

struct dial_limit {
    struct dial_result_kept results[DIAL_LIMIT_RESULTS]; /* newest at `newest` */
    /* Times of the newest dials. */
    uint64_t dialled_at_ns[DIAL_LIMIT_RESULTS];
    uint64_t died_at_ns[DIAL_LIMIT_RESULTS]; /* times of the newest deaths */
    uint64_t dials;                          /* number of all dials */
    uint8_t result_count, result_next, dial_next, death_next;
    uint32_t connections;      /* K, or DIAL_LIMIT_NONE */
    uint32_t told_connections; /* K as last reported; DIAL_LIMIT_NONE: none */
    double syns, told_syns;    /* S a second; 0: none */
    double syns_found;         /* S as it was found, before probes raised it */
    uint64_t probe_at_ns;      /* when one more connection is tried */
    uint64_t probe_after_ns;
    uint64_t syn_probe_at_ns; /* when a higher rate is tried */
    uint64_t syn_probe_after_ns;
    uint64_t next_at_ns;    /* when the next dial may go */
    uint64_t first_at_ns;   /* time of the first dial */
    uint64_t cleared_at_ns; /* earlier results have been used for a limit */
    double syn_step;        /* a probe dials faster by this factor */
    uint32_t syn_passed;    /* dials in a row that passed above `syns` */
    bool no_zombies;        /* dials passed that dead entries would have stopped */
};

void dial_limit_init(struct dial_limit *limit);
/* A dial begins while `established` other connections of the path and port are
 * established. */
void dial_limit_dialled(struct dial_limit *limit, struct dial_attempt *attempt,
                        unsigned established, uint64_t now);
/* The dial was answered, or the far side dropped or refused it. Dials that fail inside
 * this machine or in an outage are no results. True: the limits explain the failure, so
 * the governor need not know of it. */
bool dial_limit_result(struct dial_limit *limit, const struct dial_attempt *attempt,
                       bool passed, uint64_t now);
/* A connection was given up as frozen: the network may keep its entry. */
void dial_limit_died(struct dial_limit *limit, uint64_t now);

/* How many connections may be open, including one more when it is time to try that;
 * DIAL_LIMIT_NONE: no limit is known. */
uint32_t dial_limit_connections(const struct dial_limit *limit, uint64_t now);
/* When the next dial may go. */
uint64_t dial_limit_next(const struct dial_limit *limit, uint64_t now);
/* How long a dead connection keeps its place in the network's table, for a pool that wants
 * `wanted` connections. */
uint64_t dial_limit_zombie_ns(const struct dial_limit *limit, unsigned wanted);
/* The least time between two dials in one place of the pool, with `open` places; 0: no
 * limit is known. */
uint64_t dial_limit_cycle_ns(const struct dial_limit *limit, unsigned open);
/* The pool wants at most `bound` connections, so a higher number is no limit. Call it now
 * and then. */
void dial_limit_forget(struct dial_limit *limit, unsigned bound);
/* The limits that are known, for dial_limit_load(); 0: none. */
void dial_limit_save(const struct dial_limit *limit, unsigned *connections, double *syns);
/* Begins with what an earlier run has found, before the first dial. This is a guess, since
 * the network may be another one: probes begin early. */
void dial_limit_load(struct dial_limit *limit, unsigned connections, double syns,
                     uint64_t now);
/* The changes to report since the last call; each is returned once. */
enum dial_limit_news dial_limit_take_news(struct dial_limit *limit);

#endif
