/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/rate_limit.h>

#include <splitsocks/base/attributes.h>

/* Tokens beyond the burst are lost. Even the greatest rate does not overflow within an
 * hour. */
static int64_t tokens_at(const struct rate_limit *limit, uint64_t now)
{
    uint64_t passed_ns = MIN(now - limit->filled_at_ns, 3600 * NS_PER_S);
    int64_t full =
        (int64_t)((double)limit->rate * ((double)RATE_LIMIT_BURST_NS / NS_PER_S));
    int64_t gained = (int64_t)((double)limit->rate * ((double)passed_ns / NS_PER_S));

    return MIN(limit->tokens + gained, MAX(full, 2 * RATE_LIMIT_PIECE));
}

void rate_limit_set(struct rate_limit *limit, uint64_t rate, uint64_t now)
{
    int64_t tokens = limit->rate == 0 ? RATE_LIMIT_PIECE : tokens_at(limit, now);

    /* Far above any link, and far below overflow. */
    *limit = (struct rate_limit){
        .rate = MIN(rate, UINT64_C(1) << 50), .filled_at_ns = now, .tokens = tokens};
}

uint64_t rate_limit_room(const struct rate_limit *limit, uint64_t now)
{
    int64_t tokens;

    if (limit->rate == 0)
        return RATE_LIMIT_NO_CEILING;
    tokens = tokens_at(limit, now);
    return tokens >= RATE_LIMIT_PIECE ? (uint64_t)tokens : 0;
}

void rate_limit_spend(struct rate_limit *limit, uint64_t bytes, uint64_t now)
{
    if (limit->rate == 0)
        return;
    limit->tokens = tokens_at(limit, now) - (int64_t)bytes;
    limit->filled_at_ns = now;
}

uint64_t rate_limit_next(const struct rate_limit *limit, uint64_t now)
{
    int64_t lacking;

    if (rate_limit_room(limit, now) > 0)
        return now;
    lacking = RATE_LIMIT_PIECE - limit->tokens;
    /* Add one nanosecond to the truncated time, so that the piece is there by then. */
    return limit->filled_at_ns +
           (uint64_t)((double)lacking / (double)limit->rate * NS_PER_S) + 1;
}
