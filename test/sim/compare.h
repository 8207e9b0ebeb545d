/* SPDX-License-Identifier: MIT */
/* Several paths beside the best of them alone: never worse. */
#ifndef TEST_SIM_COMPARE_H
#define TEST_SIM_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct comparison {
    uint64_t best_ns; /* the best path alone */
    uint64_t all_ns;  /* all of them */
    uint64_t sum_ns;  /* the time at the sum of the rates */
    char failure[512];
};

/* Draws two or three calm paths and one transfer from the seed. False when it took more
 * than it may with all of them, or an invariant was broken. */
bool compare_paths(uint64_t seed, struct comparison *result);

#endif
