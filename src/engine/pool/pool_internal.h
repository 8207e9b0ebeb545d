/* SPDX-License-Identifier: MIT */
/* What pool.c asks of pool_size.c. Both are local's alone. */
#ifndef SPLITSOCKS_POOL_INTERNAL_H
#define SPLITSOCKS_POOL_INTERNAL_H

#include <splitsocks/engine/pool/pool.h>

/* Subflows to be kept while nothing waits. */
unsigned pool_needed(const struct pool *pool);
/* How many there should be that last; `bound` becomes what may be open with those that are
 * about to end. */
uint64_t pool_wanted(struct pool *pool, uint64_t *bound);
/* Counts as long as it will not be used up before a replacement is there. */
bool pool_lasting(const struct subflow *subflow);
uint64_t pool_lasting_on(struct pool *pool, unsigned path);
/* What a path should have of the pool, when shares hold. */
uint64_t pool_path_share(struct pool *pool, unsigned path);
bool pool_shares_hold(struct pool *pool);
/* What is kept open on the path, while it does not fail, for streams that ask for it. */
unsigned pool_path_asked(const struct pool *pool, unsigned path);
/* And for small data, if it is the shortest. */
unsigned pool_path_minimum(const struct pool *pool, unsigned path);
/* Nothing is dialled on the path as things are: another comes before it. */
bool pool_held_back(struct pool *pool, unsigned path);
/* A dial of the path, or what it led to, has failed: the next has to wait. */
void pool_back_off(struct pool *pool, struct path *path);

#endif
