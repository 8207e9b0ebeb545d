/* SPDX-License-Identifier: MIT */
/*
 * How often costly failures may happen: a token bucket for each source (an IPv4 address,
 * or the /64 of an IPv6 one) and one for all of them. Only failures take tokens; who
 * succeeds is never counted. Memory is fixed: of the sources that share a place in the
 * table, the one with the least on its account is forgotten, which the common bucket
 * makes harmless.
 */
#ifndef SPLITSOCKS_FAILURE_LIMIT_H
#define SPLITSOCKS_FAILURE_LIMIT_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stdint.h>

struct failure_rate {
    uint32_t burst;      /* failures that may come at once; at least 1 */
    uint32_t per_minute; /* and go on at this rate; at least 1 */
};

struct failure_limit;

/* `seed` is random and secret: it places sources in the table. NULL when memory is out. */
struct failure_limit *failure_limit_new(struct failure_rate source,
                                        struct failure_rate total,
                                        uint64_t seed) MUST_CHECK;
void failure_limit_free(struct failure_limit *limit);

/* False when `peer`, or all together, have no token left. */
bool failure_limit_allows(const struct failure_limit *limit, const struct address *peer,
                          uint64_t now);
/* One more failure of `peer`. */
void failure_limit_charge(struct failure_limit *limit, const struct address *peer,
                          uint64_t now);

#endif
