/* SPDX-License-Identifier: MIT */
/* NATs that forget connections on which nothing goes: what the origin sends first after a
 * while has to find one that lives. */
#include "directed_internal.h"

#include <stdio.h>
#include <string.h>

#define PUSH_BYTES 100

/* The origin sends something every so often; local, never. */
static void push(struct sim_scenario *scenario, uint64_t nat_idle_ns, bool resets,
                 uint64_t every_ns, unsigned times)
{
    struct sim_plan *plan;

    sim_scenario_init(scenario, "a NAT that forgets", 7);
    scenario->paths[0] = sim_path_make(20000000, 40, 50);
    scenario->paths[0].nat_idle_ns = nat_idle_ns;
    scenario->paths[0].nat_resets = resets;
    scenario->config.linger_ns = scenario->relay_linger_ns = 600 * NS_PER_S;
    plan = sim_scenario_stream(scenario, 0, (uint64_t)times * PUSH_BYTES);
    plan->turns = times;
    plan->push_every_ns = every_ns;
    scenario->limit_ns = (times + 2) * every_ns + 300 * NS_PER_S;
}

static bool few_late(struct outcome *outcome, const char *what, unsigned most)
{
    size_t used = strlen(outcome->verdict);

    snprintf(outcome->verdict + used, outcome->size - used,
             "%s%s %u late (at most %u), the longest %llu ms", used > 0 ? "; " : "", what,
             outcome->report.late_count, most,
             (unsigned long long)(outcome->report.late_ns / NS_PER_MS));
    return outcome->report.late_count <= most;
}

/* Only the data that shows that the NAT forgets may be late. */
static bool nat(struct outcome *outcome, bool resets)
{
    static const struct {
        unsigned idle_s, every_s, most;
    } cases[] = {{30, 40, 1}, {30, 33, 1}, {30, 300, 1},
                 {60, 75, 0}, {15, 40, 2}, {25, 100, 1}};
    static struct sim_scenario scenario;
    bool good = true;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char what[32];

        push(&scenario, cases[i].idle_s * NS_PER_S, resets, cases[i].every_s * NS_PER_S,
             50);
        if (!directed_once(outcome, &scenario))
            return false;
        snprintf(what, sizeof what, "%u s", cases[i].idle_s);
        good = few_late(outcome, what, cases[i].most) && good;
    }
    return good;
}

static bool nat_silent(struct outcome *outcome)
{
    return nat(outcome, false);
}

static bool nat_resets(struct outcome *outcome)
{
    return nat(outcome, true);
}

/* Local tries, but rarely, whether the NAT forgets later now: in twelve hours little is
 * late for that. */
static bool nat_tried(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    push(&scenario, 30 * NS_PER_S, false, 100 * NS_PER_S, 12 * 36);
    return directed_once(outcome, &scenario) && few_late(outcome, "in 12 h", 5);
}

/* ---- the list ---- */

const struct directed_scenario forgetful_scenarios[] = {
    {"nat-silent", nat_silent},
    {"nat-resets", nat_resets},
    {"nat-tried", nat_tried},
};

const size_t forgetful_scenario_count = ARRAY_LENGTH(forgetful_scenarios);
