/* SPDX-License-Identifier: MIT */
/*
 * Paces the dials to one relay port. Some networks drop or refuse connections that are
 * opened too fast; the recycled pool must find the rate that they accept and stay near it.
 *
 * There is no ceiling until dials fail. Then the ceiling is half of the rate at which the
 * pool dialled, and follows additive increase, multiplicative decrease from there. Times
 * are in nanoseconds, given by the caller; rates are in dials per 1000 seconds, so that
 * integers suffice.
 *
 *     dial when governor_next(g, now) <= now, then governor_dialled(g, now);
 *     later governor_result(g, result, when it was dialled, now)
 *
 * Only the far side's reaction to a SYN is a result. A dial that fails inside this machine
 * (no route, no free port, link down) says nothing about the rate and is not reported.
 */
#ifndef SPLITSOCKS_GOVERNOR_H
#define SPLITSOCKS_GOVERNOR_H

#include <splitsocks/base/attributes.h>
#include <stdbool.h>
#include <stdint.h>

#define GOVERNOR_UNLIMITED UINT64_MAX

/* No result cuts the rate below two dials a second: a dial may not wait for more than 2 s
 * while streams wait, and this leaves a quarter of that. */
#define GOVERNOR_FLOOR UINT64_C(2000)

/* A cut needs this many failures among this many results, since SYNs are lost for other
 * reasons, too. At 1% of random loss one in 10,000 dials completes such a pattern: a pool
 * that recycles 40 times a second is cut by mistake once in some four minutes. A cut at
 * each loss would halve the rate every 2.5 s. A network that stops every fifth dial
 * completes the pattern at once. */
#define GOVERNOR_FAILURES 3
#define GOVERNOR_RESULTS 16

/* Dials that began within this time of a failed one, and fail too, count as the same
 * failure: a queue that overflows takes several SYNs at once, whatever their rate. A rate
 * limit shows all the same, since the dials beyond it fail all the time. */
#define GOVERNOR_SAME_NS (20 * NS_PER_MS)

/* Time to climb from half of the rate that failed back to it. */
#define GOVERNOR_CLIMB_NS (8 * NS_PER_S)

/* From 100 dials a second on, dials may bunch within this time, because timers come late;
 * below, the distance between two dials is always kept. */
#define GOVERNOR_SLACK_NS (10 * NS_PER_MS)

enum dial_result {
    DIAL_SUCCESS,
    DIAL_TIMEOUT, /* the SYN was not answered */
    DIAL_REFUSED, /* the SYN was answered with a reset */
    DIAL_UNHEARD, /* the SYN was not answered, and nothing else came on the path meanwhile:
                     a sign of a dead path, not of the rate */
};

struct governor {
    uint64_t configured; /* dials per 1000 s; GOVERNOR_UNLIMITED: none */
    uint64_t rate;       /* the found ceiling; GOVERNOR_UNLIMITED: none */
    uint64_t threshold;  /* rate set by the first cut after a success */
    uint64_t cut_at_ns;  /* time of the last cut; failures of older dials belong to it */
    uint64_t failed_dial_at_ns;  /* dial time of the last failure that counted */
    uint64_t next_at_ns;         /* when the next dial may go, apart from the slack */
    uint64_t window_began_at_ns; /* begin of the second in which dials are counted */
    uint32_t window_dials, previous_dials; /* in that second and in the one before */
    uint16_t failures; /* one bit per result since the last cut, newest lowest */
    bool outage;       /* no dial made since the last cut has succeeded */
    bool proven;       /* some dial has succeeded */
};

/* `dials_per_second` is the configured ceiling, 0 for none. It may be below
 * GOVERNOR_FLOOR. */
void governor_init(struct governor *governor, double dials_per_second);

/* When the next dial may go; `now` or earlier means at once. With ceiling r, the dials in
 * any time T are at most 1 + r x T, and 1 + r x (T + GOVERNOR_SLACK_NS) from 100/s on. */
uint64_t governor_next(const struct governor *governor, uint64_t now);
/* A dial was begun, allowed or not. */
void governor_dialled(struct governor *governor, uint64_t now);
/* Reports the result of a dial that began at `dialled_at_ns`. */
void governor_result(struct governor *governor, enum dial_result result,
                     uint64_t dialled_at_ns, uint64_t now);

/* The ceiling in force, in dials per 1000 s, or GOVERNOR_UNLIMITED; for status. */
uint64_t governor_ceiling(const struct governor *governor);

#endif
