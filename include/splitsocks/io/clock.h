/* SPDX-License-Identifier: MIT */
/* The sources of time and randomness; the pure rooms get both as arguments. */
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

/* Fills the buffer from the kernel's generator, and waits at boot until that is seeded. On
 * a kernel without one the process ends, since nothing here is safe without random
 * numbers. */
void random_fill(void *buffer, size_t length);

#endif
