/* SPDX-License-Identifier: MIT */
/* Functions of pool_size.c that pool.c calls. Both files are for local only. */
#ifndef SPLITSOCKS_POOL_INTERNAL_H
#define SPLITSOCKS_POOL_INTERNAL_H

#include <splitsocks/engine/pool/pool.h>

/* How many subflows to keep while nothing waits. */
unsigned pool_needed(const struct pool *pool);
/* How many lasting subflows there should be; `bound` becomes how many may be open,
 * including those that are about to end. */
uint64_t pool_wanted(struct pool *pool, uint64_t *bound);
/* Whether the subflow will last until a replacement is there. */
bool pool_lasting(const struct subflow *subflow);
uint64_t pool_lasting_on(struct pool *pool, unsigned path);
/* The path's share of the pool, when shares apply. */
uint64_t pool_path_share(struct pool *pool, unsigned path);
bool pool_shares_hold(struct pool *pool);
/* How many subflows a working path keeps for streams that ask for it, ... */
unsigned pool_path_asked(const struct pool *pool, unsigned path);
/* ... and including those for small data, on the shortest path. */
unsigned pool_path_minimum(const struct pool *pool, unsigned path);
/* Whether the path is not dialled now, because a better one is there. */
bool pool_held_back(struct pool *pool, unsigned path);
/* A dial on the path, or its connection, has failed: delay the next one. */
void pool_back_off(struct pool *pool, struct path *path);

#endif
