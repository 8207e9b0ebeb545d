/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/rate_limit.h>

#include <splitsocks/base/attributes.h>

/* Far above any link: in an hour so many bytes fit in 63 bits. */
#define RATE_MAX (UINT64_C(1) << 50)

/* What the rate gives in the time, of at most an hour. Seconds and billions of bytes are
 * counted apart, since the plain product does not fit in 64 bits. */
static int64_t bytes_in(uint64_t rate, uint64_t ns)
{
    uint64_t rest_ns = ns % NS_PER_S;

    return (int64_t)(rate * (ns / NS_PER_S) + rate / NS_PER_S * rest_ns +
                     rate % NS_PER_S * rest_ns / NS_PER_S);
}

/* How long the rate takes for so many bytes, rounded up by less than a microsecond. */
static uint64_t time_for(uint64_t rate, uint64_t bytes)
{
    uint64_t rest = bytes % rate;
    unsigned shift = 0;

    /* Without this the product would not fit in 64 bits. */
    while (rate >> shift >= UINT64_C(1) << 33)
        shift++;
    rest = (rest >> shift) + (shift > 0);
    return bytes / rate * NS_PER_S + rest * NS_PER_S / (rate >> shift) + 1;
}

/* Tokens beyond the burst are lost. */
static int64_t tokens_at(const struct rate_limit *limit, uint64_t now)
{
    uint64_t passed_ns = MIN(now - limit->filled_at_ns, 3600 * NS_PER_S);
    int64_t full = bytes_in(limit->rate, RATE_LIMIT_BURST_NS);

    return MIN(limit->tokens + bytes_in(limit->rate, passed_ns),
               MAX(full, 2 * RATE_LIMIT_PIECE));
}

void rate_limit_set(struct rate_limit *limit, uint64_t rate, uint64_t now)
{
    int64_t tokens = limit->rate == 0 ? RATE_LIMIT_PIECE : tokens_at(limit, now);

    *limit = (struct rate_limit){
        .rate = MIN(rate, RATE_MAX), .filled_at_ns = now, .tokens = tokens};
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

void rate_limit_give_back(struct rate_limit *limit, uint64_t bytes)
{
    if (limit->rate != 0)
        limit->tokens += (int64_t)bytes;
}

uint64_t rate_limit_next(const struct rate_limit *limit, uint64_t now)
{
    if (rate_limit_room(limit, now) > 0)
        return now;
    return limit->filled_at_ns +
           time_for(limit->rate, (uint64_t)(RATE_LIMIT_PIECE - limit->tokens));
}
