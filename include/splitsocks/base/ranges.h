/* SPDX-License-Identifier: MIT */
/*
 * A sorted set of disjoint half-open ranges [start, end) of stream offsets, for example
 * those received, acknowledged or owed. Ranges that touch or overlap are merged, so that
 * the set has the least number of items.
 *
 * A balanced tree: a peer that chooses the offsets and their order cannot make a call cost
 * more than O(log count), if one ignores items that the call merges or removes. An empty
 * set has no heap. A set grows by one item per hole, so a caller that adds offsets sent by
 * a peer must bound `count`, or give the set a share of what the peer may use.
 */
#ifndef SPLITSOCKS_RANGES_H
#define SPLITSOCKS_RANGES_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/share.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of memory that an item takes, and that the set's share is charged. */
#define RANGES_ITEM_SIZE 48

struct range {
    uint64_t start;
    uint64_t end; /* one past the last offset; start < end inside a set */
};

struct ranges_item;

struct ranges {
    struct ranges_item *root; /* owned; NULL while the set is empty */
    size_t count;             /* items */
    uint64_t total;           /* offsets */
    struct share *share;      /* borrowed; NULL: nobody is charged */
};

void ranges_init(struct ranges *set, struct share *share);
/* Frees all items; the set is empty and ready for use. */
void ranges_clear(struct ranges *set);

/* Adds or removes every offset of [start, end), start <= end. Returns OK; or ERROR_MEMORY,
 * or ERROR_LIMIT when the share gives no more, with the set unchanged. Removing needs an
 * item only to cut one in two. */
int ranges_add(struct ranges *set, uint64_t start, uint64_t end) MUST_CHECK;
int ranges_remove(struct ranges *set, uint64_t start, uint64_t end) MUST_CHECK;
/* Removes every offset below `end`; cannot fail. */
void ranges_remove_before(struct ranges *set, uint64_t end);
/* Everything below `from` is there by other means, so that it is removed, and so is the
 * item that goes on from there. Returns the offset up to which there is no gap. */
uint64_t ranges_advance(struct ranges *set, uint64_t from);

/* Whether all of [start, end) is in the set; an empty range always is. */
bool ranges_contains(const struct ranges *set, uint64_t start, uint64_t end);

/* The longest first part of [from, limit) that lies in the set (`next`) or outside it
 * (`gap`); false when there is none. To walk over all parts, go on from the end of
 * each. */
bool ranges_next(const struct ranges *set, uint64_t from, uint64_t limit,
                 struct range *hit);
bool ranges_next_gap(const struct ranges *set, uint64_t from, uint64_t limit,
                     struct range *gap);

#endif
