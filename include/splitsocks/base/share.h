/* SPDX-License-Identifier: MIT */
/*
 * What one thread uses of the places of one user (places.h). A share takes places in steps,
 * and keeps what it has not used yet, so that threads that work for the same users rarely
 * meet at their counts. A share that uses nothing keeps nothing.
 */
#ifndef SPLITSOCKS_SHARE_H
#define SPLITSOCKS_SHARE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/places.h>

#include <stdbool.h>
#include <stdint.h>

/* Of so many parts of the common bound, and of the user's own one, a share keeps one at
 * most. */
#define SHARE_STEPS 1024

struct share {
    struct places *places; /* borrowed; outlives this. NULL: there is no bound */
    uint64_t used;
    uint64_t spare; /* taken from `places`, and not used */
};

void share_init(struct share *share, struct places *places);

/* How many may be taken now, one after the other. */
uint64_t share_room(const struct share *share);
/* The bound that keeps the share from so many more; PLACES_FREE where none does. */
enum places_bound share_bound(const struct share *share, uint64_t amount);
/* Takes so many, or none where that meets a bound. */
bool share_take(struct share *share, uint64_t amount) MUST_CHECK;
/* Takes them without asking: they are there already. */
void share_add(struct share *share, uint64_t amount);
void share_give(struct share *share, uint64_t amount);

#endif
