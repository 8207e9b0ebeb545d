/* SPDX-License-Identifier: MIT */
/*
 * Networks that limit connections: bulk over one path, down, up, or both ways at once, with
 * the default pool. The bytes that arrive in windows of time are compared with those that
 * the limits let through.
 */
#ifndef TEST_SIM_LIMITS_H
#define TEST_SIM_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The seed of the rows whose floors are checked. */
#define LIMITS_SEED 7

struct limits_options {
    uint64_t seed;    /* for the jitter of the network and the engines' random choices */
    const char *name; /* of the only network wanted, or NULL */
    bool by_hand;     /* budgets and pool of somebody who knows the limits */
    bool longer;      /* the last window as well, which begins after half a minute */
    bool trace;
};

/* Prints what was measured of each network and direction. False when a run has broken an
 * invariant, or there is no network of the name. */
bool limits_print(const struct limits_options *options);

/* Networks and directions that have floors and ceilings. */
size_t limits_count(void);
/* True when they are kept; `verdict` says what was measured. */
bool limits_check(size_t index, char *verdict, size_t size);

#endif
