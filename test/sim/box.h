/* SPDX-License-Identifier: MIT */
/*
 * Middleboxes that limit connections. A box stands in front of the relay: what local sends
 * has crossed the path's link when the box sees it, and what the relay sends has yet to
 * cross it. A box serves some ports of the relay on one path. Only one box serves a port of
 * a path, and all kinds of limits of a box hold at once.
 *
 * Written by hand, a box is {.path = 0, .ports = 1, .limits = {{...}}}: plain data. Several
 * limits with rising `from_ns` follow one another, while the box keeps its table of
 * connections. A limit of 0 is none.
 */
#ifndef TEST_SIM_BOX_H
#define TEST_SIM_BOX_H

#include <splitsocks/base/list.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_BOXES_MAX 8
#define SIM_LIMITS_MAX 4
#define SIM_ALL_PORTS UINT32_MAX

/* The bytes of a connection that count. */
enum sim_counted { SIM_COUNTED_SUM, SIM_COUNTED_UP, SIM_COUNTED_DOWN };

struct sim_limits {
    uint64_t begins_at_ns; /* after the beginning of the run; 0 for the first */
    bool blocked;          /* no SYN passes */

    /* One connection. `jitter_percent` moves its byte limits and its age up or down by one
     * share, drawn for each connection. */
    uint32_t jitter_percent;
    enum sim_counted counted;
    bool payload;         /* TCP payload counts; else IP packets with their headers */
    uint64_t cut_bytes;   /* a packet that goes beyond is dropped, and the connection cut */
    bool cut_resets;      /* cut: both ends are reset; else it is frozen */
    uint64_t slow_bytes;  /* beyond so many bytes, each direction has the rate */
    uint64_t slow_rate;   /* ... of so many IP bytes per second */
    uint64_t police_rate; /* each direction, IP bytes per second, from the beginning */
    uint64_t age_ns;      /* an older connection is cut when its next packet comes */
    bool age_resets;      /* as cut_resets */
    bool frozen_ends_pass; /* FINs and resets of a frozen connection still pass */

    /* All connections. A connection has an entry from its SYN until an end of it (a reset,
     * or both FINs) passes. Where the box drops the end, because the connection is frozen,
     * or never sees one, the entry stays for `zombie_ns` more. */
    unsigned open_most; /* entries; further SYNs are dropped */
    uint64_t zombie_ns;
    unsigned
        syns_per_second; /* a token bucket of one second's worth; the rest is dropped */
    bool syns_refused;   /* ... or answered by a reset */
};

/* The deeds of a box. */
struct sim_box_counts {
    uint64_t frozen, reset; /* connections, by bytes or age */
    uint64_t syns_dropped;  /* or refused */
    uint64_t policed;       /* packets dropped by a rate */
    size_t open_most;       /* entries at once */
};

struct sim_box {
    size_t path;
    uint32_t ports; /* bit mask of the relay's ports */
    struct sim_limits limits[SIM_LIMITS_MAX];
    size_t limit_count;

    /* The rest belongs to the network. */
    struct list entries; /* struct box_entry */
    size_t open;         /* entries */
    double tokens;       /* SYNs that may pass now, as of `filled_at_ns` */
    uint64_t filled_at_ns;
    struct sim_box_counts counts;
};

struct box_entry;

/* A connection as the box that serves it knows it. */
struct sim_boxed {
    struct box_entry *entry; /* NULL: no SYN has passed yet, or an end has */
    double jitter;           /* -1 to 1, drawn when its SYN passed */
    uint64_t began_at_ns;
    uint64_t bytes;         /* that counted and passed */
    uint64_t free_at_ns[2]; /* when a direction's rate has carried all that was accepted */
    bool frozen, reset;
    bool finished[2]; /* the FIN of a side has passed */
};

#endif
