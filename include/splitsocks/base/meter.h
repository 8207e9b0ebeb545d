/* SPDX-License-Identifier: MIT */
/*
 * Bytes a second over the last few seconds, for people to read: in slots of half a second,
 * of which the oldest is forgotten as the next one begins. Costs no timer.
 */
#ifndef SPLITSOCKS_METER_H
#define SPLITSOCKS_METER_H

#include <splitsocks/base/attributes.h>

#include <stdint.h>

#define METER_SLOTS 10
#define METER_SLOT_NS (NS_PER_S / 2)

/* All zero is a meter that has counted nothing. */
struct meter {
    uint64_t slot;               /* the newest: its time / METER_SLOT_NS */
    uint64_t bytes[METER_SLOTS]; /* of slot s at s % METER_SLOTS */
};

/* `now` never goes back. */
void meter_add(struct meter *meter, uint64_t bytes, uint64_t now);
/* Counted from the first slot in memory that has bytes, and over no less than one slot, so
 * that what has just begun is neither a twentieth of what it is, nor a burst its rate. */
uint64_t meter_bytes_per_second(const struct meter *meter, uint64_t now);

#endif
