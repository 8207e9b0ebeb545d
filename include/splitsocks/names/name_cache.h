/* SPDX-License-Identifier: MIT */
/*
 * Answers about names, kept for a while: the addresses of one family, or that there are
 * none, or that no server could say. Bounded: the least recently used entry makes room.
 *
 * Times are nanoseconds of a clock that goes on while the machine sleeps, as TTLs do.
 */
#ifndef SPLITSOCKS_NAME_CACHE_H
#define SPLITSOCKS_NAME_CACHE_H

#include <splitsocks/base/keyed_hash.h>
#include <splitsocks/names/dns_answer.h>

struct name_cache;

struct name_entry {
    enum dns_outcome outcome;
    int error;              /* for DNS_FAILED: ERROR_SYSTEM or ERROR_TIMEOUT */
    uint64_t learned_at_ns; /* when the answer came */
    uint8_t count;
    struct address addresses[TARGET_ADDRESSES_MAX];
};

/* Keeps up to `bound` entries, of which each name takes one or two; with 0 none. NULL when
 * memory is out. */
struct name_cache *name_cache_new(size_t bound,
                                  const struct hash_secret *secret) MUST_CHECK;
void name_cache_free(struct name_cache *cache);

/* Names are compared byte by byte: lower case, without final dot. The entry is valid until
 * the next call; NULL: nothing is known. */
const struct name_entry *name_cache_find(struct name_cache *cache, const char *name,
                                         enum address_family family, uint64_t now);
/* Replaces the entry of this name and family. Without memory, nothing is kept. */
void name_cache_put(struct name_cache *cache, const char *name, enum address_family family,
                    const struct name_entry *entry, uint64_t expires_at_ns);
/* Forgets both entries of a name. */
void name_cache_forget(struct name_cache *cache, const char *name);
void name_cache_clear(struct name_cache *cache);
size_t name_cache_count(const struct name_cache *cache);

#endif
