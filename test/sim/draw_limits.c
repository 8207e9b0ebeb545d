/* SPDX-License-Identifier: MIT */
/* Random networks that limit connections. */
#include "bound.h"
#include "scenario.h"

#define TRANSFER_S 15 /* what all streams together take at the bound, at most */
#define LIMITS_MIX UINT64_C(0x6c696d697473)

static void draw_cut(struct sim_limits *limits, struct sim_random *random)
{
    limits->cut_bytes = sim_random_log(random, 6000, 1000000);
    limits->counted = (enum sim_counted)sim_random_range(random, 0, 2);
    limits->cut_resets = sim_random_chance(random, 300000);
}

static void draw_kind(struct sim_limits *limits, struct sim_random *random)
{
    static const unsigned open_most[] = {1, 2, 3, 4, 8, 12, 24};
    static const unsigned syns[] = {3, 5, 10, 20, 50};

    switch (sim_random_range(random, 0, 7)) {
    case 0: limits->police_rate = sim_random_log(random, 37500, 625000); break;
    case 1:
        limits->slow_bytes = sim_random_log(random, 50000, 2000000);
        limits->slow_rate = sim_random_log(random, 6250, 62500);
        break;
    case 2:
        limits->age_ns = sim_random_log(random, 1000, 20000) * NS_PER_MS;
        limits->age_resets = sim_random_chance(random, 500000);
        break;
    case 3:
        limits->open_most =
            open_most[sim_random_range(random, 0, ARRAY_LENGTH(open_most) - 1)];
        break;
    case 4:
        limits->syns_per_second = syns[sim_random_range(random, 0, ARRAY_LENGTH(syns) - 1)];
        limits->syns_refused = sim_random_chance(random, 300000);
        break;
    default: draw_cut(limits, random); break;
    }
}

/* One kind, or several together. */
static struct sim_limits draw_one(struct sim_random *random)
{
    struct sim_limits limits = {0};

    do
        draw_kind(&limits, random);
    while (sim_random_chance(random, 500000));
    if (sim_random_chance(random, 500000))
        limits.jitter_percent = 30;
    if (sim_random_chance(random, 200000))
        limits.zombie_ns = 10 * NS_PER_S;
    limits.frozen_ends_pass = sim_random_chance(random, 200000);
    return limits;
}

static void draw_box(struct sim_scenario *scenario, size_t path, uint32_t ports,
                     struct sim_random *random)
{
    struct sim_box *box = sim_scenario_box(scenario, path, ports, draw_one(random));

    if (!sim_random_chance(random, 200000))
        return;
    box->limits[box->limit_count] = draw_one(random);
    box->limits[box->limit_count++].begins_at_ns =
        sim_random_range(random, 500, 10000) * NS_PER_MS;
}

static void draw_boxes(struct sim_scenario *scenario, struct sim_random *random)
{
    bool ports_differ = scenario->port_count > 1 && sim_random_chance(random, 300000);

    for (size_t path = 1; path < scenario->path_count; path++)
        if (sim_random_chance(random, 700000))
            draw_box(scenario, path, SIM_ALL_PORTS, random);
    if (!ports_differ) {
        draw_box(scenario, 0, SIM_ALL_PORTS, random);
        return;
    }
    for (size_t port = 0; port < scenario->port_count; port++)
        if (port > 0 && sim_random_chance(random, 200000))
            sim_scenario_box(scenario, 0, UINT32_C(1) << port,
                             (struct sim_limits){.blocked = true});
        else
            draw_box(scenario, 0, UINT32_C(1) << port, random);
}

/* Bytes per second on the first path, which takes every stream, when both sides send: the
 * least that limits of a time allow on the first port, which is not blocked. */
static double bound_rate(const struct sim_scenario *scenario, enum sim_side from)
{
    const struct session_config *config = &scenario->config;
    uint64_t budget = from == SIM_LOCAL ? config->budget_up : config->budget_down;
    uint64_t ceiling = from == SIM_LOCAL ? config->rate_up : config->rate_down;
    double rate = ceiling > 0 ? (double)ceiling : 1e15;

    for (size_t i = 0; i < scenario->box_count; i++) {
        const struct sim_box *box = &scenario->boxes[i];

        for (size_t k = 0; box->path == 0 && box->ports & 1 && k < box->limit_count; k++) {
            struct sim_limits limits = box->limits[k];

            if (limits.open_most == 0 || limits.open_most > config->pool_burst)
                limits.open_most = config->pool_burst;
            if (config->dials_per_second > 0 &&
                (limits.syns_per_second == 0 ||
                 limits.syns_per_second > config->dials_per_second))
                limits.syns_per_second = (unsigned)config->dials_per_second;
            rate = MIN(rate, sim_bound_of(&scenario->paths[0], &limits, budget,
                                          (struct sim_bulk){from, true})
                                 .rate);
        }
    }
    return rate;
}

static uint64_t bound_ns(const struct sim_scenario *scenario)
{
    uint64_t longest_ns = 0;

    for (int side = 0; side < 2; side++) {
        uint64_t bytes = 0;

        for (size_t i = 0; i < scenario->plan_count; i++)
            bytes += scenario->plans[i].total[side];
        longest_ns =
            MAX(longest_ns, (uint64_t)((double)bytes /
                                       bound_rate(scenario, (enum sim_side)side) * 1e9));
    }
    return longest_ns;
}

/* Streams get shorter by a factor where they would take too long. */
static void shorten(struct sim_scenario *scenario)
{
    uint64_t takes_ns = bound_ns(scenario);

    if (takes_ns > TRANSFER_S * NS_PER_S)
        for (size_t i = 0; i < scenario->plan_count; i++)
            for (int side = 0; side < 2; side++) {
                uint64_t *total = &scenario->plans[i].total[side];

                if (*total > 0)
                    *total = MAX(
                        (uint64_t)((double)*total * TRANSFER_S * 1e9 / (double)takes_ns),
                        1);
            }
    scenario->bound_ns = bound_ns(scenario);
}

void sim_scenario_draw_limits(struct sim_scenario *scenario, uint64_t seed)
{
    struct sim_random random;

    sim_scenario_draw(scenario, seed);
    sim_random_init(&random, sim_mix(seed ^ LIMITS_MIX));
    if (sim_random_chance(&random, 500000)) {
        scenario->config.budget_up = scenario->config.budget_down = SESSION_UNLIMITED;
        scenario->config.pool_size = 8;
        scenario->config.pool_idle = 2;
        scenario->config.pool_burst = 48;
    }
    scenario->paths[0].stall_after_bytes = 0; /* which suits the budgets that were drawn */
    draw_boxes(scenario, &random);
    shorten(scenario);
    scenario->may_be_unreachable = true;
    scenario->may_linger |=
        MIN(scenario->config.linger_ns, scenario->relay_linger_ns) <= 60 * NS_PER_S;
}
