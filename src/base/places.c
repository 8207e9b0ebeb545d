/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/places.h>

#include <splitsocks/base/share.h>

#include <assert.h>

void places_pool_init(struct places_pool *pool, uint64_t most)
{
    atomic_init(&pool->most, most);
    atomic_init(&pool->used, 0);
}

void places_init(struct places *places, struct places_pool *pool, uint64_t most)
{
    places->pool = pool;
    atomic_init(&places->most, most);
    atomic_init(&places->used, 0);
}

enum places_bound places_take(struct places *places)
{
    struct places_pool *pool = places->pool;
    uint64_t used = atomic_fetch_add(&places->used, 1);
    uint64_t all = atomic_fetch_add(&pool->used, 1), most = atomic_load(&pool->most);
    enum places_bound bound = PLACES_FREE;

    if (used >= atomic_load(&places->most))
        bound = PLACES_OWN;
    else if (share_fair(used, most - MIN(all, most)) == 0)
        bound = PLACES_COMMON;
    if (bound != PLACES_FREE)
        places_give(places);
    return bound;
}

void places_give(struct places *places)
{
    uint64_t used = atomic_fetch_sub(&places->used, 1);

    assert(used > 0);
    (void)used;
    atomic_fetch_sub(&places->pool->used, 1);
}
