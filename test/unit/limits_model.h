/* SPDX-License-Identifier: MIT */
/*
 * A network that limits connections, in virtual time: one path, one port, bulk down. It
 * counts in flights of a connection and not in packets, so that a minute takes
 * milliseconds. The pool beside it is as small as can be: all decisions are those of
 * profile, slots and dial_limit.
 */
#ifndef TEST_LIMITS_MODEL_H
#define TEST_LIMITS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/* The limits of the box on the way; 0: no such limit. Bytes and seconds. */
struct model_box {
    double freeze, reset; /* after so many bytes */
    double jitter; /* share by which that, and the age, differs between connections */
    double police; /* bytes a second of each connection */
    double slow_from, slow_rate;
    double age;        /* frozen so long after the dial */
    unsigned open_max; /* connections */
    double syns_max;   /* a second */
    double zombie;     /* a frozen connection keeps its entry so long */
    double loss;       /* of packets */
};

struct model_network {
    struct model_box box, later; /* `later` holds from `change` on, where that is not 0 */
    double change;
    double rate, round_trip;
    double duration;
};

#define MODEL_BINS 400

struct model_result {
    double bin[MODEL_BINS]; /* bytes in each quarter of a second */
    double pause;           /* the longest time without anything new, from the change on */
    double exploring;       /* share of the connections' time */
    unsigned deaths, dials, failed;
    unsigned wanted;      /* slots at the end */
    uint64_t budget;      /* at the end */
    uint32_t connections; /* as found */
    double syns;
    unsigned news; /* of the profile and of the dials */
};

void model_run(const struct model_network *network, uint64_t seed,
               struct model_result *result);

#endif
