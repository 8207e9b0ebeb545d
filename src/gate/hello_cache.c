/* SPDX-License-Identifier: MIT */
#include <splitsocks/gate/hello_cache.h>

#include <splitsocks/base/error.h>

#include <stddef.h>
#include <string.h>

_Static_assert((HELLO_CACHE_SETS & (HELLO_CACHE_SETS - 1)) == 0, "a mask finds the set");

/* By bytes that are not compared. Keys are random; whoever makes them alike on purpose only
 * pushes others of the same set out. */
static size_t set_of(const uint8_t ephemeral[KEY_SIZE])
{
    return ((size_t)ephemeral[HELLO_CACHE_KEY] << 8 | ephemeral[HELLO_CACHE_KEY + 1]) &
           (HELLO_CACHE_SETS - 1);
}

void hello_cache_add(struct hello_cache *cache, const uint8_t ephemeral[KEY_SIZE],
                     unsigned client)
{
    struct hello_cache_set *set = &cache->sets[set_of(ephemeral)];
    struct hello_cache_entry *entry = &set->entries[set->next++ % HELLO_CACHE_WAYS];

    memcpy(entry->key, ephemeral, sizeof(entry->key));
    entry->client = client + 1;
}

int hello_cache_find(const struct hello_cache *cache, const uint8_t ephemeral[KEY_SIZE])
{
    const struct hello_cache_set *set = &cache->sets[set_of(ephemeral)];

    for (size_t i = 0; i < HELLO_CACHE_WAYS; i++)
        if (set->entries[i].client != 0 &&
            memcmp(set->entries[i].key, ephemeral, HELLO_CACHE_KEY) == 0)
            return (int)set->entries[i].client - 1;
    return ERROR_NOT_FOUND;
}
