/* SPDX-License-Identifier: MIT */
/*
 * As share.h, for things that all threads of the process count together: each user has a
 * bound of its own, and no user takes more of the common bound than are free.
 *
 * Without a lock: a call counts first and looks then, so that no bound is ever exceeded.
 * Calls of two threads that meet at the last place may both be refused.
 */
#ifndef SPLITSOCKS_PLACES_H
#define SPLITSOCKS_PLACES_H

#include <splitsocks/base/attributes.h>

#include <stdatomic.h>
#include <stdint.h>

struct places_pool {
    atomic_uint_least64_t most; /* in all; may fall below `used` */
    atomic_uint_least64_t used;
};

struct places {
    struct places_pool *pool;   /* borrowed; outlives this */
    atomic_uint_least64_t most; /* the user's own bound; may fall below `used` */
    atomic_uint_least64_t used;
};

/* Which bound a user has met. */
enum places_bound {
    PLACES_FREE, /* none */
    PLACES_OWN,
    PLACES_COMMON, /* the user has as many as it leaves to the others */
};

void places_pool_init(struct places_pool *pool, uint64_t most);
void places_init(struct places *places, struct places_pool *pool, uint64_t most);

/* Takes one, unless a bound is met. */
enum places_bound places_take(struct places *places) MUST_CHECK;
void places_give(struct places *places);

#endif
