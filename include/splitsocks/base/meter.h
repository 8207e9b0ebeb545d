/* SPDX-License-Identifier: MIT */
/*
 * Bytes a second over the last few seconds, for people to read. The meter counts in slots
 * of half a second and forgets the oldest slot when the next one begins. It needs no
 * timer.
 */
#ifndef SPLITSOCKS_METER_H
#define SPLITSOCKS_METER_H

#include <splitsocks/base/attributes.h>

#include <stdint.h>

#define METER_SLOTS 10
#define METER_SLOT_NS (NS_PER_S / 2)

/* All zero: a meter that has counted nothing. */
struct meter {
    uint64_t slot;               /* the newest: its time / METER_SLOT_NS */
    uint64_t bytes[METER_SLOTS]; /* of slot s at s % METER_SLOTS */
};

/* The average since the first remembered slot that has bytes, over at least one slot. So a
 * transfer that has just begun shows neither a twentieth of its rate, nor one burst as its
 * rate. */
void meter_add(struct meter *meter, uint64_t bytes, uint64_t now);
/* Counted from the first slot in memory that has bytes, and over no less than one slot, so
 * that what has just begun is neither a twentieth of what it is, nor a burst its rate. */
uint64_t meter_bytes_per_second(const struct meter *meter, uint64_t now);

#endif
