/* SPDX-License-Identifier: MIT */
/*
 * What is known of names for a while: their addresses of a family, or that there are none,
 * or that nobody could say. Bounded: the entry that was used least recently makes room.
 *
 * Times are nanoseconds of a clock that counts the time a machine sleeps, since a TTL does.
 */
#ifndef SPLITSOCKS_NAME_CACHE_H
#define SPLITSOCKS_NAME_CACHE_H

#include <splitsocks/names/dns_answer.h>

struct name_cache;

struct name_entry {
    enum dns_outcome outcome;
    int error;           /* of DNS_FAILED: ERROR_SYSTEM or ERROR_TIMEOUT */
    uint64_t learned_ns; /* when it came */
    uint8_t count;
    struct address addresses[TARGET_ADDRESSES_MAX];
};

/* Up to `bound` entries, of which each name takes one or two; with 0 nothing is kept. NULL
 * when memory is out. */
struct name_cache *name_cache_new(size_t bound) MUST_CHECK;
void name_cache_free(struct name_cache *cache);

/* Names are compared as they are: lower case, without final dot. The entry is good until
 * the next call; NULL: nothing is known. */
const struct name_entry *name_cache_find(struct name_cache *cache, const char *name,
                                         enum address_family family, uint64_t now);
/* Takes the place of what was known. Without memory, nothing is kept. */
void name_cache_put(struct name_cache *cache, const char *name, enum address_family family,
                    const struct name_entry *entry, uint64_t expires_ns);
/* Forgets what is known of a name. */
void name_cache_forget(struct name_cache *cache, const char *name);
void name_cache_clear(struct name_cache *cache);
size_t name_cache_count(const struct name_cache *cache);

#endif
