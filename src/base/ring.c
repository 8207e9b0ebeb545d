/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/ring.h>

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define INITIAL_CAPACITY 8

void ring_init(struct ring *ring, size_t element_size)
{
    *ring = (struct ring){.element_size = element_size};
}

void ring_deinit(struct ring *ring)
{
    free(ring->elements);
    ring_init(ring, ring->element_size);
}

static bool grow(struct ring *ring)
{
    size_t capacity = ring->capacity == 0 ? INITIAL_CAPACITY : ring->capacity * 2;
    uint8_t *elements = calloc(capacity, ring->element_size);
    size_t first = MIN(ring->count, ring->capacity - ring->head);

    if (elements == NULL)
        return false;
    if (ring->count > 0) {
        memcpy(elements, ring->elements + ring->head * ring->element_size,
               first * ring->element_size);
        memcpy(elements + first * ring->element_size, ring->elements,
               (ring->count - first) * ring->element_size);
    }
    free(ring->elements);
    ring->elements = elements;
    ring->capacity = capacity;
    ring->head = 0;
    return true;
}

void *ring_push(struct ring *ring)
{
    if (ring->count == ring->capacity && !grow(ring))
        return NULL;
    return ring_at(ring, ring->count++);
}

static void release_if_empty(struct ring *ring)
{
    /* A small array is kept: a busy ring empties often. */
    if (ring->count == 0 && ring->capacity > INITIAL_CAPACITY)
        ring_deinit(ring);
}

void ring_pop(struct ring *ring)
{
    assert(ring->count > 0);
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
    release_if_empty(ring);
}

void *ring_at(const struct ring *ring, size_t index)
{
    return ring->elements +
           ((ring->head + index) & (ring->capacity - 1)) * ring->element_size;
}
