/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include <string.h>

#define TOTAL_MOST (2 * 1024 * 1024)
#define SUBFLOWS_MOST 3000 /* that a run may need: what bounds its cost */
#define TRANSFER_S 15      /* what all streams together take, about */

static uint64_t bits(uint64_t bits_per_second)
{
    return bits_per_second / 8;
}

struct sim_path sim_path_make(uint64_t bits_per_second, unsigned round_trip_ms,
                              unsigned queue_ms)
{
    struct sim_link link = {.rate = bits(bits_per_second),
                            .delay_ns = round_trip_ms * NS_PER_MS / 2,
                            .queue_bytes = bits(bits_per_second) * queue_ms / 1000};

    return (struct sim_path){.link = {link, link}};
}

void sim_scenario_init(struct sim_scenario *scenario, const char *name, uint64_t seed)
{
    memset(scenario, 0, sizeof *scenario);
    scenario->name = name;
    scenario->seed = seed;
    scenario->config = (struct session_config){.chunk_size = CHUNK_SIZE_MAX,
                                               .linger_ns = 120 * NS_PER_S,
                                               .pool_size = 8,
                                               .pool_idle = 2,
                                               .pool_burst = 48,
                                               .budget_up = 1024 * 1024,
                                               .budget_down = 1024 * 1024,
                                               .packet_retry_after_ns = 600 * NS_PER_S,
                                               .seed = sim_mix(seed)};
    scenario->relay_linger_ns = 120 * NS_PER_S;
    scenario->relay_streams = SIM_STREAMS_MAX;
    scenario->pages = 8192;
    scenario->paths[0] = sim_path_make(100000000, 20, 50);
    scenario->path_count = scenario->port_count = 1;
    for (size_t path = 0; path < SIM_PATHS_MAX; path++)
        scenario->properties[path].usable = true;
    scenario->limit_ns = 300 * NS_PER_S;
}

struct sim_plan *sim_scenario_stream(struct sim_scenario *scenario, uint64_t up,
                                     uint64_t down)
{
    struct sim_plan *plan = &scenario->plans[scenario->plan_count++];

    *plan = (struct sim_plan){.seed = sim_mix(scenario->seed + scenario->plan_count),
                              .total = {up, down},
                              .reset_after = {UINT64_MAX, UINT64_MAX},
                              .stop_reading_at = {UINT64_MAX, UINT64_MAX}};
    return plan;
}

struct sim_flow_plan *sim_scenario_call(struct sim_scenario *scenario,
                                        uint64_t lasts_for_ns)
{
    struct sim_flow_plan *plan = &scenario->flows[scenario->flow_count++];

    *plan = (struct sim_flow_plan){.seed = sim_mix(scenario->seed + scenario->flow_count),
                                   .lasts_for_ns = lasts_for_ns,
                                   .every_ns = {20 * NS_PER_MS, 20 * NS_PER_MS},
                                   .shortest = {176, 176},
                                   .longest = {176, 176}};
    return plan;
}

void sim_scenario_fault(struct sim_scenario *scenario, struct sim_fault fault)
{
    uint64_t lasts_ns = fault.lasts_for_ns == TIME_NEVER ? 0 : fault.lasts_for_ns;

    scenario->faults[scenario->fault_count++] = fault;
    scenario->heal_at_ns = MAX(scenario->heal_at_ns, fault.at_ns + lasts_ns);
}

struct sim_box *sim_scenario_box(struct sim_scenario *scenario, size_t path, uint32_t ports,
                                 struct sim_limits limits)
{
    struct sim_box *box = &scenario->boxes[scenario->box_count++];

    *box = (struct sim_box){
        .path = path, .ports = ports, .limits = {limits}, .limit_count = 1};
    return box;
}

/* ---- the draw ---- */

static struct sim_link draw_link(struct sim_random *random, uint64_t rate,
                                 uint64_t delay_ns)
{
    struct sim_link link = {.rate = rate, .delay_ns = delay_ns};
    uint64_t queue_ms = sim_random_log(random, 20, 500);

    link.queue_bytes = MAX(rate * queue_ms / 1000, 20000);
    if (sim_random_chance(random, 300000))
        link.jitter_ns = delay_ns / sim_random_range(random, 4, 20);
    if (sim_random_chance(random, 300000))
        link.loss_millionths = (uint32_t)sim_random_log(random, 100, 20000);
    return link;
}

static void draw_paths(struct sim_scenario *scenario, struct sim_random *random)
{
    scenario->path_count = sim_random_chance(random, 500000)
                               ? 1
                               : (size_t)sim_random_range(random, 2, SIM_PATHS_MAX);
    scenario->port_count = (size_t)sim_random_range(random, 1, SIM_PORTS_MAX);
    for (size_t i = 0; i < scenario->path_count; i++) {
        struct sim_path *path = &scenario->paths[i];
        uint64_t rate = sim_random_log(random, 30000, 12500000);
        uint64_t delay_ns = sim_random_log(random, 1, 150) * NS_PER_MS;

        *path = (struct sim_path){0};
        path->link[SIM_RELAY] = draw_link(random, rate, delay_ns);
        if (sim_random_chance(random, 500000))
            rate = sim_random_log(random, 30000, 12500000);
        path->link[SIM_LOCAL] = draw_link(random, rate, delay_ns);
    }
}

static uint64_t draw_budget(struct sim_random *random)
{
    switch (sim_random_range(random, 0, 4)) {
    case 0: return SESSION_UNLIMITED;
    case 1: return 65536;
    case 2: return sim_random_log(random, BUDGET_MIN, 4000);
    case 3: return sim_random_log(random, 1000, 65536);
    default: return 1024 * 1024;
    }
}

static void draw_config(struct sim_scenario *scenario, struct sim_random *random)
{
    struct session_config *config = &scenario->config;

    config->budget_up = config->budget_down = draw_budget(random);
    if (sim_random_chance(random, 300000))
        config->budget_down = draw_budget(random);
    if (sim_random_chance(random, 300000))
        config->chunk_size =
            (uint32_t)sim_random_log(random, CHUNK_SIZE_MIN, CHUNK_SIZE_MAX);
    config->pool_size = (unsigned)sim_random_range(random, 1, 12);
    config->pool_idle = (unsigned)sim_random_range(random, 0, MIN(config->pool_size, 4));
    config->pool_burst = config->pool_size;
    if (sim_random_chance(random, 500000))
        config->pool_burst += (unsigned)sim_random_range(random, 1, 24);
    if (sim_random_chance(random, 100000))
        config->dials_per_second = (double)sim_random_range(random, 5, 100);
    if (sim_random_chance(random, 150000))
        config->linger_ns = sim_random_range(random, 5, 20) * NS_PER_S;
    if (sim_random_chance(random, 100000))
        scenario->relay_linger_ns = sim_random_range(random, 5, 20) * NS_PER_S;
    scenario->reset_discards = sim_random_chance(random, 200000);
    /* A network that lets a connection carry so much, and no more; the user has set budgets
     * that keep below it. */
    if (sim_random_chance(random, 500000) && config->budget_up <= 65536 &&
        config->budget_down <= 65536)
        scenario->paths[0].stall_after_bytes = config->budget_up + config->budget_down;
}

/* Bytes a second that the run may hope for: half of what rates and budgets allow. */
static uint64_t capacity(const struct sim_scenario *scenario)
{
    const struct session_config *config = &scenario->config;
    uint64_t budget = MIN(config->budget_up, config->budget_down);
    uint64_t rates = 0, round_trip_ns = 0;
    uint64_t flights = 2;

    for (size_t i = 0; i < scenario->path_count; i++) {
        const struct sim_path *path = &scenario->paths[i];

        rates += MIN(path->link[0].rate, path->link[1].rate);
        round_trip_ns = MAX(round_trip_ns, path->link[0].delay_ns + path->link[1].delay_ns);
    }
    if (budget == SESSION_UNLIMITED)
        return rates / 2;
    for (uint64_t sent = SIM_INITIAL_WINDOW_BYTES; sent < budget && flights < 8; sent *= 2)
        flights++;
    uint64_t payload = budget > 200 ? budget - 150 : 50;
    uint64_t pool =
        config->pool_size * payload * NS_PER_S / (flights * MAX(round_trip_ns, NS_PER_MS));

    if (config->dials_per_second > 0)
        pool = MIN(pool, (uint64_t)(config->dials_per_second * (double)payload));
    return MIN(rates, pool) / 2;
}

static uint64_t draw_total(const struct sim_scenario *scenario, struct sim_random *random)
{
    uint64_t budget = MIN(scenario->config.budget_up, scenario->config.budget_down);
    uint64_t most = MIN(capacity(scenario) * TRANSFER_S, (uint64_t)TOTAL_MOST);

    if (budget != SESSION_UNLIMITED)
        most = MIN(most, budget / 2 * SUBFLOWS_MOST);
    /* Small chunks cost most. */
    most = MIN(most, (uint64_t)scenario->config.chunk_size * 5000);
    return sim_random_log(random, 1024, MAX(most, 2048));
}

static void draw_ending(struct sim_plan *plan, struct sim_random *random)
{
    enum sim_side side = sim_random_chance(random, 500000) ? SIM_LOCAL : SIM_RELAY;
    uint64_t moved = plan->total[SIM_LOCAL] + plan->total[SIM_RELAY];

    switch (sim_random_range(random, 0, 12)) {
    case 0: plan->reset_after[side] = sim_random_range(random, 0, moved); break;
    case 1:
        plan->stop_reading_at[side] =
            sim_random_range(random, 0, plan->total[sim_peer(side)]);
        plan->give_up_after_ns = sim_random_log(random, 1, 20000) * NS_PER_MS;
        plan->resumes = sim_random_chance(random, 500000);
        break;
    case 12:
        plan->silent[side] = true;
        plan->hangs_up[sim_peer(side)] = sim_random_chance(random, 500000);
        plan->give_up_after_ns = sim_random_log(random, 1, 20000) * NS_PER_MS;
        plan->finish_last[sim_peer(side)] = false;
        break;
    case 2: plan->read_rate[side] = MAX(plan->total[sim_peer(side)] / 10, 1000); break;
    default: break;
    }
}

static void draw_destination(struct sim_plan *plan, struct sim_random *random)
{
    static const enum reset_code failures[] = {RESET_DENIED, RESET_REFUSED,
                                               RESET_HOST_UNREACHABLE, RESET_TIMED_OUT,
                                               RESET_NAME_NOT_FOUND};

    if (sim_random_chance(random, 300000))
        plan->destination_ns = sim_random_log(random, 1, 5000) * NS_PER_MS;
    if (!sim_random_chance(random, 60000))
        return;
    plan->destination = SIM_DESTINATION_FAILS;
    plan->failure = failures[sim_random_range(random, 0, ARRAY_LENGTH(failures) - 1)];
    if (plan->failure == RESET_TIMED_OUT)
        plan->destination_ns = 15 * NS_PER_S;
}

static void draw_stream(struct sim_scenario *scenario, struct sim_random *random,
                        uint64_t share)
{
    struct sim_plan *plan = sim_scenario_stream(scenario, 0, 0);
    uint64_t some = sim_random_log(random, 1, MAX(share, 2));

    plan->start_at_ns = sim_random_chance(random, 500000)
                            ? 0
                            : sim_random_range(random, 0, 10000) * NS_PER_MS;
    switch (sim_random_range(random, 0, 3)) {
    case 0: plan->total[SIM_LOCAL] = share; break;
    case 1: plan->total[SIM_RELAY] = share; break;
    case 2:
        plan->total[SIM_LOCAL] = share / 2;
        plan->total[SIM_RELAY] = share / 2;
        break;
    default:
        plan->total[SIM_LOCAL] = some;
        plan->total[SIM_RELAY] = share;
        plan->turns = (uint32_t)sim_random_log(random, 1, 16);
        break;
    }
    plan->hurried = sim_random_chance(random, 200000);
    plan->finish_last[SIM_LOCAL] = sim_random_chance(random, 300000);
    plan->finish_last[SIM_RELAY] =
        !plan->finish_last[SIM_LOCAL] && sim_random_chance(random, 300000);
    draw_ending(plan, random);
    draw_destination(plan, random);
}

static void draw_streams(struct sim_scenario *scenario, struct sim_random *random)
{
    uint64_t total = draw_total(scenario, random);
    uint64_t kind = sim_random_range(random, 0, 99);
    size_t count = (size_t)(kind < 60   ? sim_random_range(random, 1, 6)
                            : kind < 95 ? sim_random_log(random, 4, 40)
                                        : sim_random_log(random, 64, 400));

    for (size_t i = 0; i < count; i++) {
        uint64_t share = sim_random_range(random, 0, 2 * total / count);

        if (sim_random_chance(random, 30000))
            share = 0;
        draw_stream(scenario, random, share);
    }
    /* Fewer streams at once than there are: the rest wait for the limit to rise. */
    if (sim_random_chance(random, 100000))
        scenario->relay_streams = (uint32_t)sim_random_log(random, 4, 64);
}

static void draw_fault(struct sim_scenario *scenario, struct sim_random *random,
                       uint64_t within_ms)
{
    struct sim_fault fault = {0};

    fault.kind = (enum sim_fault_kind)sim_random_range(random, 0, SIM_FAULT_RESTART);
    if (fault.kind == SIM_FAULT_RESTART && !sim_random_chance(random, 300000))
        fault.kind = SIM_FAULT_CUT;
    fault.at_ns = sim_random_range(random, 0, within_ms) * NS_PER_MS;
    fault.lasts_for_ns = sim_random_log(random, 20, 8000) * NS_PER_MS;
    fault.which = (size_t)sim_random_range(random, 0, 1 << 20);
    fault.sides = (unsigned)sim_random_range(random, 1, 3);
    if (fault.kind == SIM_FAULT_FAR)
        fault.amount = sim_random_log(random, 10, 500) * NS_PER_MS;
    else if (fault.kind == SIM_FAULT_LOSS)
        fault.amount = sim_random_log(random, 10000, 300000);
    else
        fault.amount = sim_random_range(random, 0, 1);
    if (fault.kind == SIM_FAULT_STALL && sim_random_chance(random, 500000))
        fault.lasts_for_ns = TIME_NEVER;
    sim_scenario_fault(scenario, fault);
    uint64_t linger_ns = MIN(scenario->config.linger_ns, scenario->relay_linger_ns);
    bool one = fault.kind <= SIM_FAULT_STALL ||
               (fault.kind >= SIM_FAULT_FLIP && fault.kind <= SIM_FAULT_GARBAGE);

    /* To find out that one connection is dead takes a few round trips, too. */
    scenario->may_linger |= linger_ns <= (one ? 5 : 60) * NS_PER_S;
    scenario->may_be_unreachable |= !one;
}

static void draw_faults(struct sim_scenario *scenario, struct sim_random *random)
{
    uint64_t within_ms = sim_random_log(random, 100, 15000);
    uint64_t count = sim_random_range(random, 0, 99);

    count = count < 35 ? 0 : sim_random_log(random, 1, count < 80 ? 6 : 30);
    /* One kind again and again finds faults that a mixture hides. */
    bool same = sim_random_chance(random, 300000);

    for (uint64_t i = 0; i < count; i++) {
        draw_fault(scenario, random, within_ms);
        if (same && i > 0 && scenario->faults[0].kind != SIM_FAULT_FAR &&
            scenario->faults[0].kind != SIM_FAULT_LOSS)
            scenario->faults[i].kind = scenario->faults[0].kind;
    }
}

/* The connection of a path that stalls: whatever is in its way is a fault for ever. */
static void draw_rest(struct sim_scenario *scenario, struct sim_random *random)
{
    if (sim_random_chance(random, 250000))
        scenario->idle_for_ns = 600 * NS_PER_S;
    if (sim_random_chance(random, 30000)) {
        /* The hourly resume: before it, across it, after it. */
        struct sim_plan *plan = sim_scenario_stream(scenario, 20000, 20000);

        plan->start_at_ns = sim_random_range(random, 3590, 3610) * NS_PER_S;
        plan->turns = 16;
        plan = sim_scenario_stream(scenario, 3000, 3000);
        plan->start_at_ns = 2 * 3600 * NS_PER_S + 10 * NS_PER_S;
        scenario->idle_for_ns = 0;
    }
    if (sim_random_chance(random, 30000)) {
        scenario->pages = (size_t)sim_random_range(random, 48, 128);
        scenario->may_starve = true;
    }
    for (size_t i = 0; i < scenario->plan_count; i++)
        scenario->limit_ns =
            MAX(scenario->limit_ns, scenario->plans[i].start_at_ns + 600 * NS_PER_S);
}

/* The least rate that a configuration may ask for, in bytes a second: frames of control
 * take some of it.
 */
#define RATE_LEAST 2000

/* A ceiling somewhat below, or above, the rate of the link. */
static uint64_t draw_ceiling(struct sim_random *random, uint64_t rate)
{
    return sim_random_chance(random, 700000) ? 0
                                             : rate * sim_random_range(random, 3, 15) / 10;
}

/* Draws the properties of several paths, and the policies of streams. The first path takes
 * every stream. */
static void draw_wishes(struct sim_scenario *scenario, struct sim_random *random)
{
    for (size_t i = 0; i < scenario->path_count; i++) {
        struct path_properties *properties = &scenario->properties[i];
        const struct sim_path *path = &scenario->paths[i];

        properties->rate_up = draw_ceiling(random, path->link[SIM_LOCAL].rate);
        properties->rate_down = draw_ceiling(random, path->link[SIM_RELAY].rate);
        if (i == 0)
            continue;
        properties->backup = sim_random_chance(random, 300000);
        if (sim_random_chance(random, 300000))
            properties->cost = (uint16_t)sim_random_range(random, 1, 3);
        if (sim_random_chance(random, 200000))
            properties->modes =
                (uint8_t)sim_random_range(random, 1, (1 << STREAM_MODES) - 1);
    }
    for (size_t i = 0; i < scenario->plan_count; i++) {
        struct stream_policy *policy = &scenario->plans[i].policy;

        policy->mode = (uint8_t)sim_random_range(random, 0, STREAM_MODES - 1);
        if (sim_random_chance(random, 300000))
            policy->copies = (uint8_t)sim_random_range(random, 2, 4);
        if (sim_random_chance(random, 200000))
            policy->paths =
                (uint16_t)(1 | sim_random_range(random, 0, (1 << SIM_PATHS_MAX) - 1));
    }
    scenario->told = sim_random_chance(random, 500000);
    if (sim_random_chance(random, 200000))
        scenario->config.rate_up =
            MAX(capacity(scenario) * sim_random_range(random, 5, 30) / 10, RATE_LEAST);
    if (sim_random_chance(random, 200000))
        scenario->config.rate_down =
            MAX(capacity(scenario) * sim_random_range(random, 5, 30) / 10, RATE_LEAST);
}

/* For how long paths that are to be spared wait for their betters: not at all, or so long
 * that some outages are over before. And NATs that forget. */
static void draw_patience(struct sim_scenario *scenario, uint64_t seed)
{
    struct sim_random random;

    sim_random_init(&random, sim_mix(seed));
    for (size_t i = 0; i < scenario->path_count; i++) {
        if (sim_random_chance(&random, 700000))
            scenario->properties[i].bulk_after_ns =
                sim_random_log(&random, 100, 10000) * NS_PER_MS;
        if (!sim_random_chance(&random, 150000))
            continue;
        scenario->paths[i].nat_idle_ns = sim_random_range(&random, 12, 90) * NS_PER_S;
        scenario->paths[i].nat_resets = sim_random_chance(&random, 300000);
    }
}

/* Some paths lose large packets, in one direction or both; by a generator of its own, too. */
static void draw_black_holes(struct sim_scenario *scenario, uint64_t seed)
{
    static const uint32_t largest[] = {1348, 954, 540};
    struct sim_random random;

    sim_random_init(&random, sim_mix(~seed));
    if (!sim_random_chance(&random, 100000))
        return;
    for (size_t path = 0; path < scenario->path_count; path++) {
        uint32_t bytes = largest[sim_random_range(&random, 0, ARRAY_LENGTH(largest) - 1)];
        uint64_t sides = sim_random_range(&random, 0, 3);

        for (unsigned side = 0; side < 2; side++)
            if (sides >> side & 1)
                scenario->paths[path].link[side].largest_bytes = bytes;
    }
    scenario->config.packet_retry_after_ns = 5 * NS_PER_S;
}

/* Local has no descriptors left for a while, most often when connections are lost. */
static void draw_no_descriptors(struct sim_scenario *scenario, uint64_t seed)
{
    struct sim_random random;
    struct sim_fault fault = {.kind = SIM_FAULT_DESCRIPTORS};

    sim_random_init(&random, sim_mix(seed + 1));
    if (!sim_random_chance(&random, 100000))
        return;
    fault.at_ns = scenario->fault_count > 0 && sim_random_chance(&random, 700000)
                      ? scenario->faults[0].at_ns
                      : sim_random_log(&random, 100, 15000) * NS_PER_MS;
    fault.lasts_for_ns = sim_random_log(&random, 20, 8000) * NS_PER_MS;
    sim_scenario_fault(scenario, fault);
    scenario->may_linger |=
        MIN(scenario->config.linger_ns, scenario->relay_linger_ns) <= 60 * NS_PER_S;
    scenario->may_be_unreachable = true;
}

void sim_scenario_draw(struct sim_scenario *scenario, uint64_t seed)
{
    struct sim_random random, wishes;

    sim_random_init(&random, seed);
    sim_scenario_init(scenario, "random", seed);
    draw_paths(scenario, &random);
    draw_config(scenario, &random);
    draw_streams(scenario, &random);
    draw_faults(scenario, &random);
    draw_rest(scenario, &random);
    /* By another generator, so that everything else is the same with or without. */
    sim_random_init(&wishes, ~seed);
    if (sim_random_chance(&wishes, 400000))
        draw_wishes(scenario, &wishes);
    draw_patience(scenario, seed);
    draw_black_holes(scenario, seed);
    draw_no_descriptors(scenario, seed);
    scenario->limit_ns = MAX(scenario->limit_ns, 600 * NS_PER_S);
}
