/* SPDX-License-Identifier: MIT */
/*
 * Shared by the directed scenarios: one run, its verdict, and the ceilings that decide it.
 */
#ifndef TEST_SIM_DIRECTED_INTERNAL_H
#define TEST_SIM_DIRECTED_INTERNAL_H

#include "world.h"

struct outcome {
    struct sim_report report;
    char *verdict;
    size_t size;
    bool trace;
};

struct directed_scenario {
    const char *name;
    bool (*run)(struct outcome *outcome);
};

/* What users feel on bonded paths, beside what it should be: aims.c. */
extern const struct directed_scenario aim_scenarios[];
extern const size_t aim_scenario_count;
/* Several paths: bonding.c. */
extern const struct directed_scenario bonding_scenarios[];
extern const size_t bonding_scenario_count;
/* Flows of datagrams: calls.c. */
extern const struct directed_scenario call_scenarios[];
extern const size_t call_scenario_count;
/* NATs that forget: forgetful.c. */
extern const struct directed_scenario forgetful_scenarios[];
extern const size_t forgetful_scenario_count;
/* Paths that are to be spared: sparing.c. */
extern const struct directed_scenario sparing_scenarios[];
extern const size_t sparing_scenario_count;

/* Runs the scenario; false, with the failure as the verdict, when it broke an invariant. */
bool directed_once(struct outcome *outcome, const struct sim_scenario *scenario);
/* When the last byte of the first stream had come to `side`. */
uint64_t directed_done_ns(const struct outcome *outcome, enum sim_side side);
/* Adds the time to the verdict; whether it is at most `most_ns`. */
bool directed_within(struct outcome *outcome, const char *what, uint64_t ns,
                     uint64_t most_ns);
/* The time that `bytes` take at `share` percent of a rate in Mbit/s, and a start. */
uint64_t directed_transfer_ns(uint64_t bytes, unsigned mbit, unsigned share);

#endif
