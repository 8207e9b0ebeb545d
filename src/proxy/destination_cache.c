/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/destination_cache.h>

#include <splitsocks/base/error.h>

/* FNV-1a, 32 bits. */
static uint32_t place_of(const struct destination_rules *rules,
                         const struct address *address)
{
    uint32_t hash = 2166136261u ^ (uint32_t)((uintptr_t)rules >> 4);

    for (size_t i = 0; i < sizeof(address->bytes); i++)
        hash = (hash ^ address->bytes[i]) * 16777619u;
    hash = (hash ^ (address->port & 0xff)) * 16777619u;
    hash = (hash ^ (address->port >> 8)) * 16777619u;
    return hash % DESTINATION_CACHE_PLACES;
}

int destination_cache_check(struct destination_cache *cache,
                            const struct destination_rules *rules,
                            const struct address *address, uint64_t now)
{
    uint32_t place = place_of(rules, address);

    if (cache->places[place].until_ns <= now || cache->places[place].rules != rules ||
        !address_equal(&cache->places[place].address, address)) {
        cache->places[place].rules = rules;
        cache->places[place].address = *address;
        cache->places[place].until_ns = now + DESTINATION_CACHE_NS;
        cache->places[place].allowed = destination_check(rules, address) == OK;
    }
    return cache->places[place].allowed ? OK : ERROR_DENIED;
}
