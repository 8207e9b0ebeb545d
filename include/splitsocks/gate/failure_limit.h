/* SPDX-License-Identifier: MIT */
/*
 * Limits costly failures: a token bucket for each source (an IPv4 address, or the /64 of
 * an IPv6 one), and two common ones: for sources that have failed within
 * FAILURE_REMEMBERED_NS, and for all others. So sources that fail again and again, however
 * many, do not keep out a client that comes for the first time. Only failures take tokens;
 * a client that succeeds is never limited. Memory is fixed: when several sources share a
 * place in the table, the one that has used least of its bucket is forgotten. The common
 * buckets make that harmless.
 */
#ifndef SPLITSOCKS_FAILURE_LIMIT_H
#define SPLITSOCKS_FAILURE_LIMIT_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stdint.h>

/* A source that sends one replay in a quarter of an hour needs 900 times as many addresses
 * for the same harm as one that sends a replay each second. */
#define FAILURE_REMEMBERED_NS (15 * 60 * NS_PER_S)

struct failure_rate {
    uint32_t burst;      /* failures at once; at least 1 */
    uint32_t per_minute; /* failures that come back; at least 1 */
};

struct failure_limit;

/* Each common bucket has the rate `total`. `seed` is random and secret: it places sources
 * in the table. NULL when memory is out. */
struct failure_limit *failure_limit_new(struct failure_rate source,
                                        struct failure_rate total,
                                        uint64_t seed) MUST_CHECK;
void failure_limit_free(struct failure_limit *limit);

/* False when `peer`, or all sources of its kind together, have no token left. */
bool failure_limit_allows(const struct failure_limit *limit, const struct address *peer,
                          uint64_t now);
/* One more failure of `peer`. */
void failure_limit_charge(struct failure_limit *limit, const struct address *peer,
                          uint64_t now);

#endif
