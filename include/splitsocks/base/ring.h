/* SPDX-License-Identifier: MIT */
/*
 * A growable first-in first-out queue of fixed-size elements in one power-of-two array: no
 * allocation per element. A ring that empties keeps only a small array.
 */
#ifndef SPLITSOCKS_RING_H
#define SPLITSOCKS_RING_H

#include <splitsocks/base/attributes.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *elements;   /* owned; NULL while capacity is 0 */
    size_t element_size; /* bytes */
    size_t capacity;     /* elements; 0 or a power of two */
    size_t head;         /* index of the oldest element */
    size_t count;
};

void ring_init(struct ring *ring, size_t element_size);
void ring_deinit(struct ring *ring);

/* Appends an uninitialised element and returns it, or NULL when memory is out. Pointers
 * to elements are valid until the next push or pop. */
void *ring_push(struct ring *ring) MUST_CHECK;
/* Removes the oldest element; the ring must not be empty. */
void ring_pop(struct ring *ring);
/* The element at position `index` from the oldest; index < count. */
void *ring_at(const struct ring *ring, size_t index);

#endif
