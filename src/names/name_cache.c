/* SPDX-License-Identifier: MIT */
#include <splitsocks/names/name_cache.h>

#include <splitsocks/base/keyed_hash.h>
#include <splitsocks/base/list.h>

#include <stdlib.h>
#include <string.h>

struct node {
    struct list order;  /* in cache.order */
    struct list bucket; /* in one of cache.buckets */
    uint64_t expires_at_ns;
    uint8_t family;
    struct name_entry entry;
    char name[];
};

struct name_cache {
    size_t bound, count;
    size_t bucket_count; /* a power of two */
    struct hash_secret secret;
    struct list order;   /* of nodes, the most recently used first */
    struct list buckets[];
};

struct name_cache *name_cache_new(size_t bound, const struct hash_secret *secret)
{
    struct name_cache *cache;
    size_t buckets = 1;

    while (buckets < bound)
        buckets *= 2;
    cache = calloc(1, sizeof(*cache) + buckets * sizeof(cache->buckets[0]));
    if (cache == NULL)
        return NULL;
    cache->bound = bound;
    cache->bucket_count = buckets;
    cache->secret = *secret;
    list_init(&cache->order);
    for (size_t i = 0; i < buckets; i++)
        list_init(&cache->buckets[i]);
    return cache;
}

/* Clients choose the names. */
static struct list *bucket_of(struct name_cache *cache, const char *name)
{
    return &cache->buckets[keyed_hash(&cache->secret, name, strlen(name)) &
                           (cache->bucket_count - 1)];
}

static void drop(struct name_cache *cache, struct node *node)
{
    list_remove(&node->order);
    list_remove(&node->bucket);
    cache->count--;
    free(node);
}

static struct node *find(struct name_cache *cache, const char *name,
                         enum address_family family)
{
    list_foreach(bucket_of(cache, name), link, after) {
        struct node *node = list_entry(link, struct node, bucket);

        if (node->family == family && strcmp(node->name, name) == 0)
            return node;
    }
    return NULL;
}

const struct name_entry *name_cache_find(struct name_cache *cache, const char *name,
                                         enum address_family family, uint64_t now)
{
    struct node *node = find(cache, name, family);

    if (node == NULL)
        return NULL;
    if (now >= node->expires_at_ns) {
        drop(cache, node);
        return NULL;
    }
    list_remove(&node->order);
    list_prepend(&cache->order, &node->order);
    return &node->entry;
}

void name_cache_put(struct name_cache *cache, const char *name, enum address_family family,
                    const struct name_entry *entry, uint64_t expires_at_ns)
{
    struct node *node = find(cache, name, family);

    if (node != NULL)
        drop(cache, node);
    if (cache->bound == 0 || expires_at_ns <= entry->learned_at_ns)
        return;
    if (cache->count == cache->bound)
        drop(cache, list_entry(cache->order.prev, struct node, order));
    node = calloc(1, sizeof(*node) + strlen(name) + 1);
    if (node == NULL)
        return;
    strcpy(node->name, name);
    node->family = (uint8_t)family;
    node->entry = *entry;
    node->expires_at_ns = expires_at_ns;
    list_init(&node->order);
    list_init(&node->bucket);
    list_prepend(&cache->order, &node->order);
    list_prepend(bucket_of(cache, name), &node->bucket);
    cache->count++;
}

void name_cache_forget(struct name_cache *cache, const char *name)
{
    static const enum address_family families[] = {ADDRESS_IPV4, ADDRESS_IPV6};

    for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
        struct node *node = find(cache, name, families[i]);

        if (node != NULL)
            drop(cache, node);
    }
}

void name_cache_clear(struct name_cache *cache)
{
    while (!list_empty(&cache->order))
        drop(cache, list_first(&cache->order, struct node, order));
}

size_t name_cache_count(const struct name_cache *cache)
{
    return cache->count;
}

void name_cache_free(struct name_cache *cache)
{
    if (cache == NULL)
        return;
    name_cache_clear(cache);
    free(cache);
}
