/* SPDX-License-Identifier: MIT */
/*
 * Remembers which family of addresses fails at present. Where IPv6 is broken and IPv4 is
 * not, or the reverse, each race of eyeballs.h would give the broken family a head start
 * and lose that time. A family counts as broken when the other one overtakes it several
 * times in a row. The other one then goes first, and the broken one is tried first again
 * now and then.
 */
#ifndef SPLITSOCKS_FAMILY_MEMORY_H
#define SPLITSOCKS_FAMILY_MEMORY_H

#include <splitsocks/base/address.h>

/* A single one may be a lost SYN, or a destination of which only one address works. */
#define FAMILY_MEMORY_LOSSES 2
/* Time until the family goes first again; doubled each time that it is overtaken then. At
 * the longest, one connection in ten minutes waits 250 ms. */
#define FAMILY_MEMORY_RETRY_NS (60 * NS_PER_S)
#define FAMILY_MEMORY_RETRY_MAX_NS (600 * NS_PER_S)

/* Zeroed at first, and when the network changes. */
struct family_memory {
    uint8_t suspect;  /* enum address_family: the one overtaken last */
    uint8_t losses;   /* how often in a row */
    bool trying;      /* the family went first again, and the result is open */
    uint64_t retry_after_ns; /* time between two tries */
    uint64_t retry_at_ns;
};

/* The family that a race should not begin with, if it has a choice; ADDRESS_NONE: none.
 * When a try is due, one caller gets ADDRESS_NONE. */
enum address_family family_memory_avoid(struct family_memory *memory, uint64_t now);
/* A connection of the family was established. */
void family_memory_won(struct family_memory *memory, enum address_family family);
/* The other family won although this one had its head start. True when this family is
 * avoided from now on. */
bool family_memory_overtaken(struct family_memory *memory, enum address_family family,
                             uint64_t now);

#endif
