/* SPDX-License-Identifier: MIT */
/*
 * A ceiling on bytes a second: a token bucket, in debt for what was more than it held.
 *
 *     while (rate_limit_room(&limit, now) > 0) send something, rate_limit_spend() it
 *     else ask again at rate_limit_next()
 *
 * In any time t no more than rate x t + RATE_LIMIT_BURST_NS x rate + one piece is spent,
 * where a piece is what was sent on the last room. Times are monotonic nanoseconds.
 */
#ifndef SPLITSOCKS_RATE_LIMIT_H
#define SPLITSOCKS_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* What a pause may save up: enough to bridge a timer that comes late. */
#define RATE_LIMIT_BURST_NS (20 * NS_PER_MS)
/* Room is given in no smaller pieces, so that slow ceilings do not cut chunks to shreds:
 * at 64 kbit/s one such piece takes 64 ms. */
#define RATE_LIMIT_PIECE 512

#define RATE_LIMIT_NO_CEILING UINT64_MAX

struct rate_limit {
    uint64_t rate;      /* bytes a second; 0: no ceiling */
    uint64_t filled_ns; /* tokens were counted then */
    int64_t tokens;     /* bytes; negative: in debt */
};

/* Another rate counts from now on; a debt stays. 0: no ceiling. All zero is none, too. */
void rate_limit_set(struct rate_limit *limit, uint64_t rate, uint64_t now);
/* Bytes that may be sent now; 0, or RATE_LIMIT_PIECE at least. */
uint64_t rate_limit_room(const struct rate_limit *limit, uint64_t now);
void rate_limit_spend(struct rate_limit *limit, uint64_t bytes, uint64_t now);
/* When there is room; not later than `now` where there is some already. */
uint64_t rate_limit_next(const struct rate_limit *limit, uint64_t now);

#endif
