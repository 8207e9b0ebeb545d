/* SPDX-License-Identifier: MIT */
/* Where time and randomness come from; the pure layers get both as arguments. */
#ifndef SPLITSOCKS_CLOCK_H
#define SPLITSOCKS_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* CLOCK_MONOTONIC in nanoseconds: never goes back, does not count time asleep. */
uint64_t clock_now(void);
/* CLOCK_BOOTTIME in nanoseconds: never goes back, counts time asleep too. */
uint64_t clock_boot(void);
/* Nanoseconds since 1970, as the machine believes. */
uint64_t clock_wall(void);

/* Fills the buffer from the kernel's generator, waiting at boot until that is seeded. A
 * kernel without one ends the process, since nothing here is safe without it. */
void random_fill(void *buffer, size_t length);

#endif
