/* SPDX-License-Identifier: MIT */
/*
 * Which ids a peer has named. The peer gives its ids in order, but its frames overtake each
 * other, so the id of a frame may be new although higher ones were named before. A frame
 * for a high id costs no more than one for the next: the ids that were passed over are
 * kept as ranges.
 */
#ifndef SPLITSOCKS_NAMED_IDS_H
#define SPLITSOCKS_NAMED_IDS_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/ranges.h>

/* All zero: no id was named. */
struct named_ids {
    uint64_t highest;
    struct ranges passed; /* ids from 1 to `highest` that were not named */
};

/* Names an id of 1 or more. `*first`: this was its first time. Returns OK or
 * ERROR_MEMORY. */
int named_ids_add(struct named_ids *ids, uint64_t id, bool *first) MUST_CHECK;
/* `share` is charged for the ranges, or NULL. A zeroed set has none. */
void named_ids_init(struct named_ids *ids, struct share *share);
void named_ids_deinit(struct named_ids *ids);

#endif
