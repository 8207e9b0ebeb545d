/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/share.h>

#include <assert.h>
#include <stddef.h>

void share_init(struct share *share, struct places *places)
{
    *share = (struct share){.places = places};
}

/* Places without a pool belong to one thread, which meets nobody. */
static uint64_t step_of(const struct share *share)
{
    const struct places *places = share->places;

    if (places->pool == NULL)
        return 0;
    return MIN(atomic_load(&places->pool->most), atomic_load(&places->most)) / SHARE_STEPS;
}

uint64_t share_room(const struct share *share)
{
    return share->places != NULL ? share->spare + places_room(share->places)
                                 : PLACES_UNLIMITED;
}

enum places_bound share_bound(const struct share *share, uint64_t amount)
{
    if (share->places == NULL || amount <= share->spare)
        return PLACES_FREE;
    return places_bound(share->places, amount - share->spare);
}

/* Takes what is missing, and more where there is more. */
static bool refill(struct share *share, uint64_t missing)
{
    uint64_t amount = MAX(missing, step_of(share));

    if (places_take(share->places, amount) != PLACES_FREE) {
        if (amount == missing || places_take(share->places, missing) != PLACES_FREE)
            return false;
        amount = missing;
    }
    share->spare += amount;
    return true;
}

static void use(struct share *share, uint64_t amount)
{
    share->used += amount;
    if (share->places != NULL)
        share->spare -= amount;
}

bool share_take(struct share *share, uint64_t amount)
{
    if (share->places != NULL && amount > share->spare &&
        !refill(share, amount - share->spare))
        return false;
    use(share, amount);
    return true;
}

void share_add(struct share *share, uint64_t amount)
{
    if (share->places != NULL && amount > share->spare) {
        places_add(share->places, amount - share->spare);
        share->spare = amount;
    }
    use(share, amount);
}

void share_give(struct share *share, uint64_t amount)
{
    uint64_t keep;

    assert(share->used >= amount);
    share->used -= amount;
    if (share->places == NULL)
        return;
    share->spare += amount;
    keep = share->used > 0 ? step_of(share) : 0;
    if (share->spare > keep) {
        /* Half, so that the next few calls neither give nor take. */
        places_give(share->places, share->spare - keep / 2);
        share->spare = keep / 2;
    }
}
