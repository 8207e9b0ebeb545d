#include "directed.h"

#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One initial window: budgets up to here are gone in one flight. */
#define TIGHT_FLIGHTS 2

struct outcome {
    struct sim_report report;
    char *verdict;
    size_t size;
    bool trace;
};

static bool run(struct outcome *outcome, const struct sim_scenario *scenario)
{
    if (sim_run(scenario, outcome->trace, &outcome->report))
        return true;
    snprintf(outcome->verdict, outcome->size, "%s", outcome->report.failure);
    return false;
}

static uint64_t ms(uint64_t ns)
{
    return ns / NS_PER_MS;
}

/* When the last byte of the first stream had come to `side`. */
static uint64_t done_ns(const struct outcome *outcome, enum sim_side side)
{
    return outcome->report.life_ns[side][0];
}

static bool within(struct outcome *outcome, const char *what, uint64_t ns, uint64_t most_ns)
{
    size_t used = strlen(outcome->verdict);

    snprintf(outcome->verdict + used, outcome->size - used,
             "%s%s %" PRIu64 " ms (at most %" PRIu64 ")", used > 0 ? "; " : "", what,
             ms(ns), ms(most_ns));
    return ns > 0 && ns <= most_ns;
}

/* The time that `bytes` take at `share` percent of a rate in Mbit/s, and a start. */
static uint64_t transfer_ns(uint64_t bytes, unsigned mbit, unsigned share)
{
    return bytes * 8 * 1000 / mbit * 100 / share + 700 * NS_PER_MS;
}

/* ---- several paths ---- */

static void two_paths(struct sim_scenario *scenario, const char *name, unsigned mbit_1,
                      unsigned rtt_1, unsigned mbit_2, unsigned rtt_2)
{
    sim_scenario_init(scenario, name, 7);
    scenario->paths[0] = sim_path_make(mbit_1 * UINT64_C(1000000), rtt_1, 100);
    scenario->paths[1] = sim_path_make(mbit_2 * UINT64_C(1000000), rtt_2, 100);
    scenario->path_count = 2;
}

static bool unequal(struct outcome *outcome, uint64_t budget, unsigned share)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "unequal", 45, 24, 8, 140);
    scenario.config.budget_up = scenario.config.budget_down = budget;
    sim_scenario_stream(&scenario, 0, 30000000);
    if (!run(outcome, &scenario) || !within(outcome, "down", done_ns(outcome, SIM_LOCAL),
                                            transfer_ns(30000000, 53, share)))
        return false;
    scenario.plans[0].total[SIM_LOCAL] = 30000000;
    scenario.plans[0].total[SIM_RELAY] = 0;
    return run(outcome, &scenario) && within(outcome, "up", done_ns(outcome, SIM_RELAY),
                                             transfer_ns(30000000, 53, share));
}

static bool unequal_unlimited(struct outcome *outcome)
{
    return unequal(outcome, SESSION_UNLIMITED, 90);
}

static bool unequal_budgets(struct outcome *outcome)
{
    return unequal(outcome, 65536, 80);
}

/* With a second path that is nearly useless, nothing gets slower. */
static bool bad_path(struct outcome *outcome)
{
    static struct sim_scenario scenario;
    uint64_t alone_ns, echo_ns;

    two_paths(&scenario, "bad path", 20, 30, 1, 400);
    scenario.paths[1].link[SIM_LOCAL].loss_millionths = 50000;
    scenario.paths[1].link[SIM_RELAY].loss_millionths = 50000;
    scenario.path_count = 1;
    sim_scenario_stream(&scenario, 0, 10000000);
    sim_scenario_stream(&scenario, 20000, 20000)->turns = 100;
    if (!run(outcome, &scenario))
        return false;
    alone_ns = done_ns(outcome, SIM_LOCAL);
    echo_ns = outcome->report.life_ns[SIM_LOCAL][1];
    scenario.path_count = 2;
    return run(outcome, &scenario) &&
           within(outcome, "bulk", done_ns(outcome, SIM_LOCAL), alone_ns * 105 / 100) &&
           within(outcome, "echo", outcome->report.life_ns[SIM_LOCAL][1],
                  echo_ns * 150 / 100);
}

/* A path that is gone half of the time costs nothing to the one that stays. */
static bool flapping(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "flapping", 20, 30, 20, 40);
    sim_scenario_stream(&scenario, 0, 20000000);
    for (unsigned i = 0; i < 12; i++)
        sim_scenario_fault(&scenario,
                           (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                              .at_ns = (500 + i * 2000) * NS_PER_MS,
                                              .lasts_ns = NS_PER_S,
                                              .which = 1,
                                              .sides = 3});
    return run(outcome, &scenario) && within(outcome, "down", done_ns(outcome, SIM_LOCAL),
                                             transfer_ns(20000000, 20, 100));
}

/* ---- outages ---- */

static bool outage(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "outage", 20, 30, 20, 40);
    sim_scenario_stream(&scenario, 0, 20000000);
    sim_scenario_stream(&scenario, 2000, 2000)->turns = 100;
    for (size_t path = 0; path < 2; path++)
        sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                                         .at_ns = 2 * NS_PER_S,
                                                         .lasts_ns = 60 * NS_PER_S,
                                                         .which = path,
                                                         .sides = 3});
    return run(outcome, &scenario) && within(outcome, "down", done_ns(outcome, SIM_LOCAL),
                                             transfer_ns(20000000, 40, 80) + 63 * NS_PER_S);
}

/* One way only, without a word to either kernel, in a download: the worst to notice. */
static bool silent_death(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "silent death", 20, 30, 20, 40);
    sim_scenario_stream(&scenario, 0, 20000000);
    sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                                     .at_ns = 2 * NS_PER_S,
                                                     .lasts_ns = 600 * NS_PER_S,
                                                     .which = 0,
                                                     .sides = 1 << SIM_RELAY});
    return run(outcome, &scenario) && within(outcome, "down", done_ns(outcome, SIM_LOCAL),
                                             transfer_ns(20000000, 20, 95) + 1 * NS_PER_S);
}

static bool restart(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "restart", 7);
    sim_scenario_stream(&scenario, 0, 200000000);
    sim_scenario_stream(&scenario, 1000, 1000)->start_ns = 4 * NS_PER_S;
    sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_RESTART,
                                                     .at_ns = 2 * NS_PER_S,
                                                     .lasts_ns = NS_PER_S});
    scenario.may_be_unreachable = true;
    /* Reset within 2 s of the relay's being back, and the next stream works. */
    return run(outcome, &scenario) && outcome->report.reset == 1 &&
           outcome->report.complete == 2 &&
           within(outcome, "both over", outcome->report.virtual_ns, 5 * NS_PER_S);
}

/* ---- the tight regime ---- */

/* K p / ((1 + n) R) for 8 subflows, in one direction; p is what a subflow carries. */
static bool reaches_bound(struct outcome *outcome, enum sim_side side, unsigned share)
{
    const struct sim_report *report = &outcome->report;
    uint64_t bytes = report->arrived[side][0];
    uint64_t payload = bytes / MAX(report->counters.subflows_retired, 1);
    uint64_t bound = 8 * payload * 1000 / (TIGHT_FLIGHTS * 100);
    uint64_t rate = bytes * NS_PER_S / MAX(report->life_ns[side][0], 1);
    size_t used = strlen(outcome->verdict);

    snprintf(outcome->verdict + used, outcome->size - used,
             "%s%s %" PRIu64 " B/s of %" PRIu64 ", %" PRIu64 " B a subflow",
             used > 0 ? "; " : "", side == SIM_LOCAL ? "down" : "up", rate, bound, payload);
    return rate * 100 >= bound * share && report->open_most <= 8;
}

static void tight(struct sim_scenario *scenario, uint64_t budget, uint32_t loss)
{
    sim_scenario_init(scenario, "tight", 9);
    scenario->config.budget_up = scenario->config.budget_down = budget;
    scenario->config.pool_burst = 8;
    scenario->paths[0] = sim_path_make(100000000, 100, 50);
    scenario->paths[0].link[SIM_LOCAL].loss_millionths = loss;
    scenario->paths[0].link[SIM_RELAY].loss_millionths = loss;
}

static bool tight_runs(struct outcome *outcome, uint64_t budget, uint32_t loss,
                       unsigned share)
{
    static struct sim_scenario scenario;
    uint64_t total = budget * 8 * 5 * 60 * 8 / 10; /* about 50 s */

    tight(&scenario, budget, loss);
    sim_scenario_stream(&scenario, total, 0);
    if (!run(outcome, &scenario) || !reaches_bound(outcome, SIM_RELAY, share))
        return false;
    scenario.plans[0].total[SIM_LOCAL] = 0;
    scenario.plans[0].total[SIM_RELAY] = total;
    if (!run(outcome, &scenario) || !reaches_bound(outcome, SIM_LOCAL, share))
        return false;
    scenario.plans[0].total[SIM_LOCAL] = total;
    return run(outcome, &scenario) && reaches_bound(outcome, SIM_RELAY, share) &&
           reaches_bound(outcome, SIM_LOCAL, share);
}

static bool tight_1000(struct outcome *outcome)
{
    return tight_runs(outcome, 1000, 0, 95);
}

static bool tight_500(struct outcome *outcome)
{
    return tight_runs(outcome, 500, 0, 95);
}

static bool tight_loss(struct outcome *outcome)
{
    return tight_runs(outcome, 1000, 10000, 85);
}

/* ---- fairness ---- */

/* 100 exchanges of 100 bytes beside a download that fills the path. */
static bool echo(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "echo", 7);
    scenario.paths[0] = sim_path_make(20000000, 40, 60);
    sim_scenario_stream(&scenario, 0, 20000000);
    sim_scenario_stream(&scenario, 10000, 10000)->turns = 100;
    scenario.plans[1].start_ns = NS_PER_S;
    return run(outcome, &scenario) &&
           within(outcome, "100 exchanges", outcome->report.life_ns[SIM_LOCAL][1],
                  100 * 90 * NS_PER_MS);
}

static bool slow_reader(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "slow reader", 7);
    scenario.paths[0] = sim_path_make(20000000, 30, 60);
    sim_scenario_stream(&scenario, 0, 20000000);
    sim_scenario_stream(&scenario, 0, 20000000);
    scenario.plans[1].stop_reading_at[SIM_LOCAL] = 1000;
    scenario.plans[1].give_up_ns = 30 * NS_PER_S;
    /* What the other takes before it is blocked is its credit. */
    return run(outcome, &scenario) &&
           within(outcome, "the fast one", done_ns(outcome, SIM_LOCAL),
                  transfer_ns(22500000, 20, 90));
}

/* ---- the list ---- */

static const struct {
    const char *name;
    bool (*run)(struct outcome *outcome);
} scenarios[] = {
    {"unequal-unlimited", unequal_unlimited},
    {"unequal-64KiB", unequal_budgets},
    {"bad-path", bad_path},
    {"flapping-path", flapping},
    {"outage", outage},
    {"silent-death", silent_death},
    {"restart", restart},
    {"tight-1000", tight_1000},
    {"tight-500", tight_500},
    {"tight-1000-loss", tight_loss},
    {"echo-beside-bulk", echo},
    {"slow-reader", slow_reader},
};

const size_t directed_count = ARRAY_LENGTH(scenarios);

const char *directed_name(size_t index)
{
    return scenarios[index].name;
}

bool directed_run(size_t index, bool trace, char *verdict, size_t size)
{
    static struct outcome outcome;

    outcome = (struct outcome){.verdict = verdict, .size = size, .trace = trace};
    verdict[0] = '\0';
    return scenarios[index].run(&outcome);
}
