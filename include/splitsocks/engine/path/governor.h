/* SPDX-License-Identifier: MIT */
/*
 * How fast one relay port may be dialled. Some networks drop or refuse connections that
 * are opened too fast; the recycled pool must find the rate they carry and stay near it.
 *
 * There is no ceiling until dials fail. Then it is half of the rate that was dialled, and
 * from there additive increase, multiplicative decrease. Times are in nanoseconds, given by
 * the caller; rates are in dials per 1000 seconds, so that all of it is integer arithmetic.
 *
 *     dial when governor_next(g, now) <= now, then governor_dialled(g, now);
 *     later governor_result(g, result, when it was dialled, now)
 *
 * Only what the far side does to a SYN is a result. A dial that fails inside this machine
 * (no route, no free port, link down) says nothing about the rate and is not reported.
 */
#ifndef SPLITSOCKS_GOVERNOR_H
#define SPLITSOCKS_GOVERNOR_H

#include <splitsocks/base/attributes.h>
#include <stdbool.h>
#include <stdint.h>

#define GOVERNOR_UNLIMITED UINT64_MAX

/* No result cuts the rate below two dials a second: back-off may not exceed 2 s while
 * streams wait, and this leaves a quarter of that. */
#define GOVERNOR_FLOOR UINT64_C(2000)

/* A cut needs this many failures among this many results. Lost SYNs are not all the
 * governor's business: at 1% of random loss one in 10,000 dials completes such a pattern,
 * so a pool that recycles 40 times a second is cut wrongly once in some four minutes,
 * where a cut at each loss would halve it every 2.5 s. A network that stops every fifth
 * dial completes it at once. */
#define GOVERNOR_FAILURES 3
#define GOVERNOR_RESULTS 16

/* Dials that were begun within this time of one that failed, and fail too, are the same
 * failure: a queue that overflows takes several SYNs at once, and is no matter of their
 * rate. A limit shows all the same: what exceeds it fails all the time. */
#define GOVERNOR_SAME_NS (20 * NS_PER_MS)

/* Time to climb from half of the rate that failed back to it. */
#define GOVERNOR_CLIMB_NS (8 * NS_PER_S)

/* From 100 dials a second on, dials may bunch within this time, for the sake of timers
 * that come late; below, the distance of two dials is always kept. */
#define GOVERNOR_SLACK_NS (10 * NS_PER_MS)

enum dial_result {
    DIAL_SUCCESS,
    DIAL_TIMEOUT, /* the SYN was not answered */
    DIAL_REFUSED, /* it was answered with a reset */
    DIAL_UNHEARD, /* it was not answered, and nothing else was heard meanwhile: that tells of
                     the path, and nothing of the rate */
};

struct governor {
    uint64_t configured; /* dials per 1000 s; GOVERNOR_UNLIMITED: none */
    uint64_t rate;       /* the found ceiling; GOVERNOR_UNLIMITED: none */
    uint64_t threshold;  /* rate set by the first cut after a success */
    uint64_t cut_ns;  /* when the last cut was made; failures of older dials are its own */
    uint64_t failed_ns; /* when the last was dialled that failed on its own account */
    uint64_t next_ns; /* when the next dial may go, but for the slack */
    uint64_t window_ns; /* begin of the second in which dials are counted */
    uint32_t window_dials, previous_dials; /* in that second and in the one before */
    uint16_t failures; /* one bit per result since the last cut, newest lowest */
    bool outage;       /* no dial made since the last cut has succeeded */
    bool proven;       /* some dial has succeeded */
};

/* `dials_per_second` is the configured ceiling, 0 for none; one below GOVERNOR_FLOOR holds
 * too. */
void governor_init(struct governor *governor, double dials_per_second);

/* When the next dial may go; not later than `now` means at once. With ceiling r, the dials
 * in any time T are at most 1 + r x T, and 1 + r x (T + GOVERNOR_SLACK_NS) from 100/s on.
 */
uint64_t governor_next(const struct governor *governor, uint64_t now);
/* A dial was begun, allowed or not. */
void governor_dialled(struct governor *governor, uint64_t now);
/* What became of a dial begun at `dialled_ns`. */
void governor_result(struct governor *governor, enum dial_result result,
                     uint64_t dialled_ns, uint64_t now);

/* The ceiling in force, in dials per 1000 s, or GOVERNOR_UNLIMITED; for status. */
uint64_t governor_ceiling(const struct governor *governor);

#endif
