/* SPDX-License-Identifier: MIT */
/*
 * Limits costly failures: a token bucket for each source (an IPv4 address, or the /64 of
 * an IPv6 one) and one for all of them. Only failures take tokens; a client that succeeds
 * is never limited. Memory is fixed: when several sources share a place in the table, the
 * one that has used least of its bucket is forgotten. The common bucket makes that
 * harmless.
 */
#ifndef SPLITSOCKS_FAILURE_LIMIT_H
#define SPLITSOCKS_FAILURE_LIMIT_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stdint.h>

struct failure_rate {
    uint32_t burst;      /* failures at once; at least 1 */
    uint32_t per_minute; /* failures that come back; at least 1 */
};

struct failure_limit;

/* `seed` is random and secret: it places sources in the table. NULL when memory is out. */
struct failure_limit *failure_limit_new(struct failure_rate source,
                                        struct failure_rate total,
                                        uint64_t seed) MUST_CHECK;
void failure_limit_free(struct failure_limit *limit);

/* False when `peer`, or all sources together, have no token left. */
bool failure_limit_allows(const struct failure_limit *limit, const struct address *peer,
                          uint64_t now);
/* One more failure of `peer`. */
void failure_limit_charge(struct failure_limit *limit, const struct address *peer,
                          uint64_t now);

#endif
