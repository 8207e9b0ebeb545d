/* SPDX-License-Identifier: MIT */
/*
 * The stamps that a client's accepted HELLOs had, so that none passes twice.
 *
 * The newest STAMPS_KEPT are kept, and a stamp below all of them is refused: a client may
 * have that many HELLOs under way out of order. Stamps that are further ahead of the
 * relay's clock than STAMP_AHEAD_NS are kept apart, in the same way: a client whose clock
 * was ahead by years is not refused once the clock is right. Of those that were forgotten
 * there, the range is known, and stays refused.
 */
#ifndef SPLITSOCKS_STAMP_MEMORY_H
#define SPLITSOCKS_STAMP_MEMORY_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stddef.h>
#include <stdint.h>

#define STAMPS_KEPT 64
/* More than any time zone: a clock that is wrong by one is still an ordinary one. Until
 * such a clock is right, local's stamps go on from the last one. */
#define STAMP_AHEAD_NS (24 * 3600 * NS_PER_S)
/* Most stamps of stamp_memory_list(). */
#define STAMPS_LISTED (2 * STAMPS_KEPT + 1)

/* Zero-initialised: no stamp was accepted yet. */
struct stamp_memory {
    struct stamp_list {
        unsigned count;
        uint64_t stamps[STAMPS_KEPT]; /* ascending */
    } usual, ahead;
    /* The least stamp that `ahead` has forgotten; all from there to the first one that is
     * kept are refused. 0: none was forgotten. */
    uint64_t forgotten_from;
};

/* `clock_ns` is the relay's clock in ns since 1970; 0: unknown, and no stamp counts as
 * ahead. Returns OK, or ERROR_REPLAY for a stamp that was accepted before or may have
 * been. */
int stamp_memory_check(const struct stamp_memory *memory, uint64_t stamp,
                       uint64_t clock_ns) MUST_CHECK;
/* The same, and keeps an accepted stamp. */
int stamp_memory_accept(struct stamp_memory *memory, uint64_t stamp,
                        uint64_t clock_ns) MUST_CHECK;

/* What has to be accepted by an empty memory, in this order, so that it refuses what this
 * one refuses. Returns the number. */
size_t stamp_memory_list(const struct stamp_memory *memory, uint64_t stamps[STAMPS_LISTED]);

#endif
