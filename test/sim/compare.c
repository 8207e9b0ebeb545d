/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* More than this beside the best path alone is a failure. A start, when nothing is known of
 * the paths, and a tail may cost something. */
#define PERCENT_MOST 120
#define SLACK_NS (300 * NS_PER_MS)
#define TRANSFER_S 4

static uint64_t draw_budget(struct sim_random *random)
{
    switch (sim_random_range(random, 0, 2)) {
    case 0: return SESSION_UNLIMITED;
    case 1: return 1024 * 1024;
    default: return 65536;
    }
}

/* Returns the rate. */
static uint64_t draw_path(struct sim_path *path, struct sim_random *random)
{
    uint64_t rate = sim_random_log(random, 250000, 6000000);
    unsigned round_trip_ms = (unsigned)sim_random_log(random, 8, 250);
    unsigned queue_ms = (unsigned)sim_random_range(random, 40, 200);
    uint32_t loss =
        sim_random_chance(random, 300000) ? (uint32_t)sim_random_log(random, 100, 5000) : 0;

    *path = sim_path_make(rate * 8, round_trip_ms, queue_ms);
    path->link[SIM_LOCAL].loss_millionths = path->link[SIM_RELAY].loss_millionths = loss;
    return rate;
}

static void draw(struct sim_scenario *scenario, uint64_t seed, uint64_t *rates)
{
    struct sim_random random;
    uint64_t total = 0;
    bool up;

    sim_random_init(&random, seed);
    sim_scenario_init(scenario, "compare", seed);
    scenario->config.budget_up = scenario->config.budget_down = draw_budget(&random);
    scenario->path_count = (size_t)sim_random_range(&random, 2, 3);
    *rates = 0;
    for (size_t i = 0; i < scenario->path_count; i++)
        *rates += draw_path(&scenario->paths[i], &random);
    total = *rates * TRANSFER_S;
    up = sim_random_chance(&random, 500000);
    sim_scenario_stream(scenario, up ? total : 0, up ? 0 : total);
}

static uint64_t run(const struct sim_scenario *scenario, struct comparison *result)
{
    static struct sim_report report;

    if (!sim_run(scenario, false, &report)) {
        snprintf(result->failure, sizeof result->failure, "%s", report.failure);
        return 0;
    }
    return MAX(report.life_ns[SIM_LOCAL][0], report.life_ns[SIM_RELAY][0]);
}

bool compare_paths(uint64_t seed, struct comparison *result)
{
    static struct sim_scenario scenario, alone;
    uint64_t rates;

    memset(result, 0, sizeof *result);
    draw(&scenario, seed, &rates);
    result->sum_ns = TRANSFER_S * NS_PER_S;
    result->best_ns = TIME_NEVER;
    for (size_t i = 0; i < scenario.path_count; i++) {
        alone = scenario;
        alone.paths[0] = scenario.paths[i];
        alone.path_count = 1;
        result->best_ns = MIN(result->best_ns, run(&alone, result));
    }
    result->all_ns = run(&scenario, result);
    return result->failure[0] == '\0' &&
           result->all_ns <= result->best_ns / 100 * PERCENT_MOST + SLACK_NS;
}
