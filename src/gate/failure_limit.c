/* SPDX-License-Identifier: MIT */
#include <splitsocks/gate/failure_limit.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A power of two. With 8192 places hardly any of 1,000 sources has to share its own. */
#define SETS 2048
#define WAYS 4

/*
 * A token bucket in one number: the time until which the taken tokens are paid back. A
 * token comes back after 1/rate, so (owed_until_ns - now) x rate tokens are missing. It
 * needs no refilling, and a bucket whose time has passed equals an unused one.
 */
struct bucket {
    uint64_t source;        /* key_of() the address */
    uint64_t owed_until_ns; /* monotonic ns */
    uint64_t failed_at_ns;  /* of a source: the last time; 0: never */
};

struct price {
    uint64_t token_ns; /* for one to come back */
    uint64_t burst_ns; /* for all of them */
};

struct failure_limit {
    struct bucket buckets[SETS][WAYS];
    struct bucket repeaters, newcomers; /* together */
    struct price source_price, total_price;
    uint64_t seed;
};

static struct price price_of(struct failure_rate rate)
{
    uint64_t token_ns = 60 * NS_PER_S / rate.per_minute;

    return (struct price){.token_ns = token_ns, .burst_ns = token_ns * rate.burst};
}

struct failure_limit *failure_limit_new(struct failure_rate source,
                                        struct failure_rate total, uint64_t seed)
{
    struct failure_limit *limit = calloc(1, sizeof(*limit));

    if (limit == NULL)
        return NULL;
    limit->source_price = price_of(source);
    limit->total_price = price_of(total);
    limit->seed = seed;
    return limit;
}

void failure_limit_free(struct failure_limit *limit)
{
    free(limit);
}

/* The key of a source: an IPv4 address, or the /64 that one IPv6 host may own. IPv4
 * addresses lie in ::/64, where no host is. */
static uint64_t key_of(const struct address *peer)
{
    struct address plain = address_unmap(peer);
    size_t length = plain.family == ADDRESS_IPV4 ? 4 : 8;
    uint64_t key = 0;

    for (size_t i = 0; i < length; i++)
        key = key << 8 | plain.bytes[i];
    return key;
}

/* The finalizer of MurmurHash3: each bit of the key changes half of the result's bits. */
static size_t set_of(const struct failure_limit *limit, uint64_t key)
{
    uint64_t hash = key ^ limit->seed;

    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (size_t)(hash >> 33) & (SETS - 1);
}

static bool has_token(const struct bucket *bucket, const struct price *price, uint64_t now)
{
    return bucket->owed_until_ns <= now ||
           bucket->owed_until_ns - now <= price->burst_ns - price->token_ns;
}

static void take_token(struct bucket *bucket, const struct price *price, uint64_t now)
{
    uint64_t owed_until_ns = MAX(bucket->owed_until_ns, now) + price->token_ns;

    bucket->owed_until_ns = MIN(owed_until_ns, now + price->burst_ns);
}

/* The common bucket of a source; `own` may be NULL. */
static const struct bucket *common_of(const struct failure_limit *limit,
                                      const struct bucket *own, uint64_t now)
{
    bool repeats = own != NULL && own->failed_at_ns != 0 &&
                   now - own->failed_at_ns < FAILURE_REMEMBERED_NS;

    return repeats ? &limit->repeaters : &limit->newcomers;
}

bool failure_limit_allows(const struct failure_limit *limit, const struct address *peer,
                          uint64_t now)
{
    uint64_t key = key_of(peer);
    const struct bucket *set = limit->buckets[set_of(limit, key)], *own = NULL;

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].source == key)
            own = &set[i];
    return has_token(common_of(limit, own, now), &limit->total_price, now) &&
           (own == NULL || has_token(own, &limit->source_price, now));
}

/* The source's bucket. If it has none, the least used one in its set, emptied. */
static struct bucket *bucket_for(struct failure_limit *limit, uint64_t key)
{
    struct bucket *set = limit->buckets[set_of(limit, key)];
    struct bucket *least = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].source == key)
            return &set[i];
        if (set[i].owed_until_ns < least->owed_until_ns)
            least = &set[i];
    }
    *least = (struct bucket){.source = key};
    return least;
}

void failure_limit_charge(struct failure_limit *limit, const struct address *peer,
                          uint64_t now)
{
    struct bucket *own = bucket_for(limit, key_of(peer));
    bool repeats = common_of(limit, own, now) == &limit->repeaters;

    take_token(repeats ? &limit->repeaters : &limit->newcomers, &limit->total_price, now);
    take_token(own, &limit->source_price, now);
    own->failed_at_ns = now;
}
