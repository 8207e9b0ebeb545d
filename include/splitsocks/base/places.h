/* SPDX-License-Identifier: MIT */
/*
 * Something of which there is a limited number, such as descriptors, and that several users
 * take from, in all threads of the process: each user has a bound of its own, and no user
 * takes more of the common bound than are free. So one greedy user gets at most half of
 * them, n of them leave an (n + 1)th part free, and a user with few always gets some
 * (dynamic thresholds: Choudhury and Hahne 1998).
 *
 * Without a lock: a call counts first and looks then, so that neither the user's bound nor
 * the common one is ever exceeded. Calls of two threads that meet at the last place may
 * both be refused, and those of one user may together pass its fair part a little. Where
 * places are taken often, each thread has a share of its user's (share.h).
 */
#ifndef SPLITSOCKS_PLACES_H
#define SPLITSOCKS_PLACES_H

#include <splitsocks/base/attributes.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PLACES_UNLIMITED ((uint64_t)INT64_MAX)

struct places_pool {
    atomic_uint_least64_t most; /* PLACES_UNLIMITED at most; may fall below `used` */
    atomic_uint_least64_t used;
};

struct places {
    struct places_pool *pool;   /* borrowed; outlives this. NULL: there is one user alone */
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

/* How many the user may take now, one after the other. */
uint64_t places_room(const struct places *places);
/* The bound that keeps the user from so many more; PLACES_FREE where none does. */
enum places_bound places_bound(const struct places *places, uint64_t amount);
/* Whether the user has more than a bound allows, because that fell, or by places_add(). */
bool places_are_over(const struct places *places);

/* Takes so many, or none where that meets a bound. */
enum places_bound places_take(struct places *places, uint64_t amount) MUST_CHECK;
/* Takes them without asking: they are there already. */
void places_add(struct places *places, uint64_t amount);
void places_give(struct places *places, uint64_t amount);

#endif
