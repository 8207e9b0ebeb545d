/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/places.h>

#include <assert.h>
#include <stddef.h>

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

static uint64_t rest(uint64_t most, uint64_t used)
{
    return most - MIN(used, most);
}

/* How many one user that has `used` may take, one after the other, where `free` are
 * free. */
static uint64_t fair(uint64_t used, uint64_t free)
{
    /* Each one that is taken brings the used and the free ones closer by two. */
    return used < free ? (free - used + 1) / 2 : 0;
}

uint64_t places_room(const struct places *places)
{
    const struct places_pool *pool = places->pool;
    uint64_t used = atomic_load(&places->used);
    uint64_t room = rest(atomic_load(&places->most), used);

    if (pool == NULL)
        return room;
    return MIN(room, fair(used, rest(atomic_load(&pool->most), atomic_load(&pool->used))));
}

enum places_bound places_bound(const struct places *places, uint64_t amount)
{
    if (rest(atomic_load(&places->most), atomic_load(&places->used)) < amount)
        return PLACES_OWN;
    return places_room(places) < amount ? PLACES_COMMON : PLACES_FREE;
}

bool places_are_over(const struct places *places)
{
    const struct places_pool *pool = places->pool;
    uint64_t used = atomic_load(&places->used);

    return used > atomic_load(&places->most) ||
           (pool != NULL &&
            used > rest(atomic_load(&pool->most), atomic_load(&pool->used)) + 1);
}

enum places_bound places_take(struct places *places, uint64_t amount)
{
    struct places_pool *pool = places->pool;
    uint64_t used = atomic_fetch_add(&places->used, amount), all = 0;
    enum places_bound bound = PLACES_FREE;

    if (pool != NULL)
        all = atomic_fetch_add(&pool->used, amount);
    if (rest(atomic_load(&places->most), used) < amount)
        bound = PLACES_OWN;
    else if (pool != NULL && fair(used, rest(atomic_load(&pool->most), all)) < amount)
        bound = PLACES_COMMON;
    if (bound != PLACES_FREE)
        places_give(places, amount);
    return bound;
}

void places_add(struct places *places, uint64_t amount)
{
    atomic_fetch_add(&places->used, amount);
    if (places->pool != NULL)
        atomic_fetch_add(&places->pool->used, amount);
}

void places_give(struct places *places, uint64_t amount)
{
    uint64_t used = atomic_fetch_sub(&places->used, amount);

    assert(used >= amount);
    (void)used;
    if (places->pool != NULL)
        atomic_fetch_sub(&places->pool->used, amount);
}
