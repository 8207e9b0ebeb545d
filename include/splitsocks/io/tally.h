/* SPDX-License-Identifier: MIT */
/* Counts what all subflows of a relay's client carry, in whatever threads they run, and
 * calls when the count reaches a bound. */
#ifndef SPLITSOCKS_TALLY_H
#define SPLITSOCKS_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TALLY_NEVER UINT64_MAX

struct tally {
    atomic_uint_least64_t bytes;
    atomic_uint_least64_t due; /* calls once when `bytes` reach this; at least 1 */
    void (*reached)(void *context); /* in any thread */
    void *context;
};

static inline void tally_add(struct tally *tally, uint64_t bytes)
{
    uint64_t before = atomic_fetch_add(&tally->bytes, bytes), due = atomic_load(&tally->due);

    if (before < due && before + bytes >= due)
        tally->reached(tally->context);
}

/* What was counted since the last call. */
static inline uint64_t tally_take(struct tally *tally)
{
    return atomic_exchange(&tally->bytes, 0);
}

/* True when the bound is reached already: then it does not call. */
static inline bool tally_set_due(struct tally *tally, uint64_t due)
{
    atomic_store(&tally->due, due);
    return atomic_load(&tally->bytes) >= due;
}

#endif
