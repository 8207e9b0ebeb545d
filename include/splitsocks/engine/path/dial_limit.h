/* SPDX-License-Identifier: MIT */
/*
 * How many connections a network lets one path and port have open (K), and how many SYNs a
 * second it lets pass (S). Both limits show as dials that fail; they are told apart by what
 * the failures go with.
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
/* Dials whose results are kept. */
#define DIAL_LIMIT_RESULTS 64

/* What a connection holds from its dial to the result. */
struct dial_attempt {
    uint64_t dialled_ns;
    uint64_t number;      /* of the dial */
    uint32_t established; /* others, when it was dialled */
    uint32_t recent;      /* dials of the last second, with this one */
};

struct dial_result_kept {
    uint64_t dialled_ns, ended_ns, number;
    uint32_t open;   /* others that the network had let pass before */
    uint32_t dead;   /* connections that died of late */
    uint32_t recent; /* as the attempt has it */
    bool passed;
};

enum dial_limit_news {
    DIAL_LIMIT_NO_NEWS,
    DIAL_LIMIT_CONNECTIONS, /* how many may be open was found, or has changed */
    DIAL_LIMIT_SYNS,
    DIAL_LIMIT_CONNECTIONS_LIFTED,
    DIAL_LIMIT_SYNS_LIFTED,
};

struct dial_limit {
    struct dial_result_kept results[DIAL_LIMIT_RESULTS]; /* newest at `newest` */
    uint64_t dials_ns[DIAL_LIMIT_RESULTS];  /* when the newest dials were made */
    uint64_t deaths_ns[DIAL_LIMIT_RESULTS]; /* when the newest deaths were seen */
    uint64_t dials;                         /* in all */
    uint8_t result_count, result_next, dial_next, death_next;
    uint32_t connections;      /* K, or DIAL_LIMIT_NONE */
    uint32_t told_connections; /* what was told last; DIAL_LIMIT_NONE: none */
    double syns, told_syns;    /* S a second; 0: none */
    double syns_found;         /* S as it was found, before probes raised it */
    uint64_t probe_ns;         /* when one connection more is tried */
    uint64_t probe_wait_ns;
    uint64_t syn_probe_ns; /* when a higher rate is tried */
    uint64_t syn_probe_wait_ns;
    uint64_t next_ns;    /* when the next dial may go */
    uint64_t first_ns;   /* the first dial */
    uint64_t cleared_ns; /* when the results before were used for a limit */
    uint32_t syn_passed; /* dials in a row that passed above `syns` */
    bool no_zombies;     /* dials have passed that dead entries would have stopped */
};

void dial_limit_init(struct dial_limit *limit);
/* A dial is begun while so many other connections of the path and port are established. */
void dial_limit_dialled(struct dial_limit *limit, struct dial_attempt *attempt,
                        unsigned established, uint64_t now);
/* The dial was answered, or was dropped or refused by the far side. Dials that fail inside
 * this machine or in an outage are no results. True: a failure that the limits explain,
 * which the governor need not know. */
bool dial_limit_result(struct dial_limit *limit, const struct dial_attempt *attempt,
                       bool passed, uint64_t now);
/* A connection was given up for frozen: the network may keep its entry. */
void dial_limit_died(struct dial_limit *limit, uint64_t now);

/* How many may be open, with one more when it is time to try that; DIAL_LIMIT_NONE: no
 * limit is known. */
uint32_t dial_limit_connections(const struct dial_limit *limit, uint64_t now);
/* When the next dial may go. */
uint64_t dial_limit_next(const struct dial_limit *limit, uint64_t now);
/* How long a dead connection keeps its place in the network's table, for a pool that wants
 * so many connections. */
uint64_t dial_limit_zombie_ns(const struct dial_limit *limit, unsigned wanted);
/* The least time between two dials of one place when so many are open; 0: no limit is
 * known. */
uint64_t dial_limit_cycle_ns(const struct dial_limit *limit, unsigned open);
/* The pool wants at most `bound` connections: what is higher is no limit. To be called now
 * and then. */
void dial_limit_forget(struct dial_limit *limit, unsigned bound);
/* What has to be told since the last call, once for each change. */
enum dial_limit_news dial_limit_take_news(struct dial_limit *limit);

#endif
