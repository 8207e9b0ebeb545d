/* SPDX-License-Identifier: MIT */
/* Functions that the files of the pool share. All are for local only. */
#ifndef SPLITSOCKS_POOL_INTERNAL_H
#define SPLITSOCKS_POOL_INTERNAL_H

#include <splitsocks/engine/pool/pool.h>

/* What waited so lately counts as waiting: a moment with an empty queue is no end. A new
 * stream counts as bulk for as long, since it takes two round trips until its first bytes,
 * and the bytes waiting behind them, can be seen. */
#define QUEUE_WINDOW_NS (250 * NS_PER_MS)

/* pool_size.c */
/* The paths that should be open for streams or flows of this policy, bit i for path i. */
uint16_t pool_asks_for(const struct pool *pool, const struct stream_policy *policy);
/* Notes how fast the paths are, for pool_path_rate(). */
void pool_note_rates(struct pool *pool);
/* The rate for which slots are counted, bytes a second. */
uint64_t pool_path_rate(const struct pool *pool, unsigned path,
                        enum profile_coordinate direction);
/* Bytes that waited lately, at most. */
uint64_t pool_queue_up(const struct pool *pool);
uint64_t pool_queue_down(const struct pool *pool);
/* Whether data waits now, here or at the relay. */
bool pool_data_waits(const struct pool *pool);
/* Bytes that a subflow of the path carries. */
uint64_t pool_path_budget(const struct pool *pool, unsigned path,
                          enum profile_coordinate direction);
/* Budgets use up the path's subflows. */
bool pool_recycles(const struct pool *pool, unsigned path);
/* Whether the subflow will last until a replacement is there. */
bool pool_lasting(const struct subflow *subflow);
uint64_t pool_count_lasting(const struct pool *pool, unsigned path);
uint64_t pool_lasting_on(const struct pool *pool, unsigned path);

/* pool_plan.c */
/* Computes pool->plan. */
void pool_make_plan(struct pool *pool);
/* The path's share as it is now; the plan has that of its own time. */
uint64_t pool_share(const struct pool *pool, unsigned path);

/* pool.c */
/* A dial on the path, or its connection, has failed: delay the next one. */
void pool_back_off(struct pool *pool, struct path *path);

/* pool_canary.c */
/* When a canary is due; TIME_NEVER: nothing is awaited. */
uint64_t pool_canary_due_at_ns(const struct pool *pool);
/* The subflow of which nothing was heard for longest, and for long enough to be suspect.
 * Those that await an answer are left to their own time-out. NULL: there is none. */
struct subflow *pool_longest_silent(const struct pool *pool);

/* pool_limits.c */
/* Gives a new subflow its budgets: as the configuration allows, and as was learned. */
void pool_give_budget(struct pool *pool, struct subflow *subflow);
/* When a port may be dialled next, as SYNs are limited. */
uint64_t pool_dial_next(struct pool *pool, struct path *path, unsigned port);
void pool_note_dialled(struct pool *pool, struct subflow *subflow);
/* Takes a dial's result. True: the limits explain the failure, so that neither the path nor
 * the port is to blame. */
bool pool_dial_limited(struct pool *pool, struct subflow *subflow, bool passed);
/* A trial of more slots that brought nothing leaves more subflows than the path has use
 * for. Where budgets do not use them up, they are retired one by one. */
void pool_retire_surplus(struct pool *pool);
/* Reports the limits that were found, have changed or were lifted. */
void pool_tell_limits(struct pool *pool);
/* Looks at the number of slots when it is time to; returns when it is the next time. */
uint64_t pool_tick_limits(struct pool *pool);

#endif
