/* SPDX-License-Identifier: MIT */
/*
 * A ceiling on bytes a second: a token bucket that may go into debt by one piece.
 *
 *     while (rate_limit_room(&limit, now) > 0) send something, rate_limit_spend() it
 *     else ask again at rate_limit_next()
 *
 * In any time t at most rate x t + RATE_LIMIT_BURST_NS x rate + one piece is spent, where
 * a piece is what was sent on the last room. Times are monotonic nanoseconds.
 */
#ifndef SPLITSOCKS_RATE_LIMIT_H
#define SPLITSOCKS_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* The longest time whose tokens a pause may save up: enough for a timer that comes
 * late. */
#define RATE_LIMIT_BURST_NS (20 * NS_PER_MS)
/* The least room that is given, so that a low ceiling does not lead to tiny chunks: at 64
 * kbit/s one such piece takes 64 ms. */
#define RATE_LIMIT_PIECE 512

#define RATE_LIMIT_NO_CEILING UINT64_MAX

struct rate_limit {
    uint64_t rate;         /* bytes a second; 0: no ceiling */
    uint64_t filled_at_ns; /* when `tokens` was last computed */
    int64_t tokens;        /* bytes; negative: in debt */
};

/* The new rate applies from now on; a debt stays. 0: no ceiling, as in a zeroed struct. */
void rate_limit_set(struct rate_limit *limit, uint64_t rate, uint64_t now);
/* Bytes that may be sent now; 0, or RATE_LIMIT_PIECE at least. */
uint64_t rate_limit_room(const struct rate_limit *limit, uint64_t now);
void rate_limit_spend(struct rate_limit *limit, uint64_t bytes, uint64_t now);
/* Bytes that were spent have not been sent. */
void rate_limit_give_back(struct rate_limit *limit, uint64_t bytes);
/* When there will be room; `now` or earlier if there is room already. */
uint64_t rate_limit_next(const struct rate_limit *limit, uint64_t now);

#endif
