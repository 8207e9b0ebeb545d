/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/share.h>

#include <assert.h>
#include <stddef.h>

uint64_t share_fair(uint64_t used, uint64_t free)
{
    /* Each one that is taken brings the used and the free ones closer by two. */
    return used < free ? (free - used + 1) / 2 : 0;
}

bool share_may_take(const struct share *share, uint64_t amount)
{
    const struct share_pool *pool = share->pool;

    return pool == NULL ||
           share_fair(share->used, pool->most - MIN(pool->used, pool->most)) >= amount;
}

bool share_take(struct share *share, uint64_t amount)
{
    if (!share_may_take(share, amount))
        return false;
    share_add(share, amount);
    return true;
}

void share_add(struct share *share, uint64_t amount)
{
    share->used += amount;
    if (share->pool != NULL)
        share->pool->used += amount;
}

void share_give(struct share *share, uint64_t amount)
{
    assert(share->used >= amount);
    share->used -= amount;
    if (share->pool != NULL)
        share->pool->used -= amount;
}
