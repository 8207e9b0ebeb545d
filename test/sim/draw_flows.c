/* SPDX-License-Identifier: MIT */
/* Random flows of datagrams beside the random streams. */
#include "scenario.h"

#define FLOWS_MIX UINT64_C(0x666c6f7773)

static void draw_side(struct sim_flow_plan *plan, enum sim_side side,
                      struct sim_random *random)
{
    plan->every_ns[side] = sim_random_log(random, NS_PER_MS, 200 * NS_PER_MS);
    plan->shortest[side] = (uint32_t)sim_random_log(random, 1, 1200);
    plan->longest[side] = plan->shortest[side];
    if (sim_random_chance(random, 500000))
        plan->longest[side] = (uint32_t)sim_random_log(random, plan->shortest[side], 20000);
}

static void draw_flow(struct sim_flow_plan *plan, struct sim_random *random)
{
    plan->seed = sim_random_next(random);
    plan->start_at_ns = sim_random_range(random, 0, 2000) * NS_PER_MS;
    plan->lasts_for_ns = sim_random_log(random, 500, 20000) * NS_PER_MS;
    draw_side(plan, SIM_LOCAL, random);
    draw_side(plan, SIM_RELAY, random);
    plan->echo = sim_random_chance(random, 300000);
    if (plan->echo || sim_random_chance(random, 200000))
        plan->every_ns[SIM_RELAY] = 0;
    plan->peers = (uint32_t)sim_random_log(random, 1, 200);
    plan->policy.mode = (uint8_t)sim_random_range(random, 0, FLOW_MODES - 1);
    plan->policy.copies = (uint8_t)sim_random_range(random, 0, 3);
    if (sim_random_chance(random, 300000))
        plan->policy.max_age_ns = sim_random_log(random, 10, 5000) * NS_PER_MS;
}

void sim_scenario_draw_flows(struct sim_scenario *scenario, uint64_t seed)
{
    struct sim_random random;

    sim_scenario_draw(scenario, seed);
    sim_random_init(&random, sim_mix(seed ^ FLOWS_MIX));
    scenario->flow_count = sim_random_range(&random, 1, 4);
    for (size_t i = 0; i < scenario->flow_count; i++)
        draw_flow(&scenario->flows[i], &random);
    scenario->limit_ns += 60 * NS_PER_S;
}
