/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/crowd.h>

#include <ctype.h>
#include <stdlib.h>

struct crowd_place {
    struct list node;
    uint64_t key;
    uint32_t count;
};

/* FNV-1a, 64 bits. If two targets ever have the same key, they share a bound. */
static uint64_t mix(uint64_t hash, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t key_of(uint32_t listener, const struct target *target)
{
    const uint8_t head[] = {(uint8_t)(target->port >> 8), (uint8_t)target->port,
                            (uint8_t)(listener >> 8), (uint8_t)listener};
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), head, sizeof(head));

    if (target->address_count > 0) {
        struct address address = address_unmap(&target->addresses[0]);

        hash = mix(hash, &address.family, 1);
        return mix(hash, address.bytes, sizeof(address.bytes));
    }
    for (const char *c = target->name; *c != '\0'; c++) {
        uint8_t lower = (uint8_t)tolower((unsigned char)*c);

        hash = mix(hash, &lower, 1);
    }
    return hash;
}

void crowd_init(struct crowd *crowd)
{
    for (size_t i = 0; i < CROWD_BUCKETS; i++)
        list_init(&crowd->buckets[i]);
}

struct crowd_place *crowd_enter(struct crowd *crowd, uint32_t listener,
                                const struct target *target, uint32_t bound)
{
    uint64_t key = key_of(listener, target);
    struct list *bucket = &crowd->buckets[key % CROWD_BUCKETS];
    struct crowd_place *place;

    list_foreach(bucket, node, after) {
        place = list_entry(node, struct crowd_place, node);
        if (place->key != key)
            continue;
        if (place->count >= bound)
            return NULL;
        place->count++;
        return place;
    }
    place = bound > 0 ? calloc(1, sizeof(*place)) : NULL;
    if (place == NULL)
        return NULL;
    place->key = key;
    place->count = 1;
    list_init(&place->node);
    list_append(bucket, &place->node);
    return place;
}

void crowd_leave(struct crowd_place *place)
{
    if (place == NULL || --place->count > 0)
        return;
    list_remove(&place->node);
    free(place);
}
