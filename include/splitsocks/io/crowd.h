/* SPDX-License-Identifier: MIT */
/*
 * Counts the connections to each target through each listener, and bounds them. A loop
 * that cannot be seen in addresses, for example through another program's forwarding,
 * makes one connection after the other to the same target. When one of them is refused,
 * all of them end in turn.
 */
#ifndef SPLITSOCKS_CROWD_H
#define SPLITSOCKS_CROWD_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/list.h>
#include <splitsocks/base/target.h>

#include <stdint.h>

#define CROWD_BUCKETS 256

struct crowd_place;

struct crowd {
    struct list buckets[CROWD_BUCKETS]; /* of struct crowd_place, by its key */
};

void crowd_init(struct crowd *crowd);

/* Counts one more connection, for crowd_leave(). NULL when there are `bound` already, or
 * memory is out. Targets that are spelled differently count separately. */
struct crowd_place *crowd_enter(struct crowd *crowd, uint32_t listener,
                                const struct target *target, uint32_t bound) MUST_CHECK;
/* NULL is allowed. */
void crowd_leave(struct crowd_place *place);

#endif
