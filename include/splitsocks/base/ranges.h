/* SPDX-License-Identifier: MIT */
/*
 * A sorted set of disjoint half-open ranges [start, end) of stream offsets, for example
 * those received, acknowledged or owed. Ranges that touch or overlap are merged, so that
 * the set has the least number of items.
 *
 * One growable array with binary search; an empty set has no heap. Callers may read
 * `items` and `count`; pointers into it are valid until the next change. A set grows by
 * one item per hole, so a caller that adds offsets sent by a peer must bound `count`.
 */
#ifndef SPLITSOCKS_RANGES_H
#define SPLITSOCKS_RANGES_H

#include <splitsocks/base/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t start;
    uint64_t end; /* one past the last offset; start < end inside a set */
};

struct ranges {
    struct range *items; /* owned; NULL while the set is empty */
    size_t count;
    size_t capacity; /* items allocated */
};

void ranges_init(struct ranges *set);
void ranges_deinit(struct ranges *set);

/* Adds or removes every offset of [start, end), start <= end. Returns OK, or ERROR_MEMORY
 * with the set unchanged. Removing needs memory only to cut one item in two. */
int ranges_add(struct ranges *set, uint64_t start, uint64_t end) MUST_CHECK;
int ranges_remove(struct ranges *set, uint64_t start, uint64_t end) MUST_CHECK;
/* Removes every offset below `end`; cannot fail. */
void ranges_remove_before(struct ranges *set, uint64_t end);

/* Whether all of [start, end) is in the set; an empty range always is. */
bool ranges_contains(const struct ranges *set, uint64_t start, uint64_t end);
/* The index of the first item whose end lies above `offset`, or `count`. */
size_t ranges_find(const struct ranges *set, uint64_t offset);
/* How many offsets are in the set; looks at every item. */
uint64_t ranges_total(const struct ranges *set);

/* The longest first part of [from, limit) that lies in the set (`next`) or outside it
 * (`gap`); false when there is none. To walk over all parts, go on from the end of
 * each. */
bool ranges_next(const struct ranges *set, uint64_t from, uint64_t limit,
                 struct range *hit);
bool ranges_next_gap(const struct ranges *set, uint64_t from, uint64_t limit,
                     struct range *gap);

#endif
