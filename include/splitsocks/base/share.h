/* SPDX-License-Identifier: MIT */
/*
 * Something of which there is a limited number, such as descriptors, and that several users
 * take from: no user may have more than are free. So one greedy user gets at most half of
 * them, n of them leave an (n + 1)th part free, and a user with few always gets some
 * (dynamic thresholds: Choudhury and Hahne 1998).
 */
#ifndef SPLITSOCKS_SHARE_H
#define SPLITSOCKS_SHARE_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

#define SHARE_UNLIMITED ((uint64_t)INT64_MAX)

struct share_pool {
    uint64_t most; /* in all, SHARE_UNLIMITED at most; may fall below `used` */
    uint64_t used;
};

struct share {
    struct share_pool *pool; /* borrowed; outlives this. NULL: there is no bound */
    uint64_t used;
};

/* How many one user that has `used` may take, one after the other, where `free` are
 * free. */
uint64_t share_fair(uint64_t used, uint64_t free);

/* Whether the user may have `amount` more. */
bool share_may_take(const struct share *share, uint64_t amount);
/* The same, and takes them. */
bool share_take(struct share *share, uint64_t amount) MUST_CHECK;
/* Takes them without asking: they are there already. */
void share_add(struct share *share, uint64_t amount);
void share_give(struct share *share, uint64_t amount);

#endif
