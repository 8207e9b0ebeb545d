/* SPDX-License-Identifier: MIT */
/*
 * The goodput that a network which limits connections lets through, and how somebody who
 * knows the limits would set budgets and pool by hand. With K slots, payload p and round
 * trip R it is K p / ((1 + n) R), where p takes n flights of a window that begins with ten
 * segments and doubles; at most what SYNs and the link allow.
 */
#ifndef TEST_SIM_BOUND_H
#define TEST_SIM_BOUND_H

#include "net.h"

/* Bulk from one side, or from both at once. */
struct sim_bulk {
    enum sim_side from;
    bool both;
};

struct sim_bound {
    double rate;     /* application bytes per second */
    uint64_t budget; /* TCP payload of each connection in the direction, or UINT64_MAX */
    unsigned slots;
};

/* Budgets above `budget_most` are not allowed. */
struct sim_bound sim_bound_of(const struct sim_path *path, const struct sim_limits *limits,
                              uint64_t budget_most, struct sim_bulk bulk);

#endif
