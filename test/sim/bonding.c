/* SPDX-License-Identifier: MIT */
#include "directed_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- several paths ---- */

static void two_paths(struct sim_scenario *scenario, const char *name, unsigned mbit_1,
                      unsigned rtt_1, unsigned mbit_2, unsigned rtt_2)
{
    sim_scenario_init(scenario, name, 7);
    scenario->paths[0] = sim_path_make(mbit_1 * UINT64_C(1000000), rtt_1, 100);
    scenario->paths[1] = sim_path_make(mbit_2 * UINT64_C(1000000), rtt_2, 100);
    scenario->path_count = 2;
}

/* The time that a start may cost: the session, and slow start on every path. */
#define START_NS (300 * NS_PER_MS)
#define BYTES 30000000

static uint64_t ceiling_ns(unsigned mbit, unsigned share)
{
    return UINT64_C(8000) * BYTES / mbit * 100 / share + START_NS;
}

/* A download and an upload over paths of `mbit` in all: each in at most the time that the
 * share of it takes. */
static bool both_ways(struct outcome *outcome, struct sim_scenario *scenario,
                      uint64_t budget, unsigned mbit, unsigned share)
{
    scenario->config.budget_up = scenario->config.budget_down = budget;
    sim_scenario_stream(scenario, 0, BYTES);
    if (!directed_once(outcome, scenario) ||
        !directed_within(outcome, "down", directed_done_ns(outcome, SIM_LOCAL),
                         ceiling_ns(mbit, share)))
        return false;
    scenario->plans[0].total[SIM_LOCAL] = BYTES;
    scenario->plans[0].total[SIM_RELAY] = 0;
    return directed_once(outcome, scenario) &&
           directed_within(outcome, "up", directed_done_ns(outcome, SIM_RELAY),
                           ceiling_ns(mbit, share));
}

static bool unequal(struct outcome *outcome, uint64_t budget, unsigned share)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "unequal", 45, 24, 8, 140);
    return both_ways(outcome, &scenario, budget, 53, share);
}

static bool unequal_unlimited(struct outcome *outcome)
{
    return unequal(outcome, SESSION_UNLIMITED, 95);
}

static bool unequal_budgets(struct outcome *outcome)
{
    return unequal(outcome, 65536, 85);
}

static bool equal(struct outcome *outcome, uint64_t budget, unsigned share)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "equal", 20, 20, 20, 20);
    return both_ways(outcome, &scenario, budget, 40, share);
}

static bool far(struct outcome *outcome, uint64_t budget, unsigned share)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "far", 50, 15, 10, 60);
    return both_ways(outcome, &scenario, budget, 60, share);
}

/* The slots of the fast path must not keep the far one from its own, nor a queue ask for
 * more of them. */
static bool far_64kib(struct outcome *outcome)
{
    return far(outcome, 65536, 90);
}

/* A subflow is replaced before it is used up, though little else happens until then. */
static bool far_1mib(struct outcome *outcome)
{
    return far(outcome, 1024 * 1024, 99);
}

static bool single_64kib(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "single", 20, 20, 20, 20);
    scenario.path_count = 1;
    return both_ways(outcome, &scenario, 65536, 20, 92);
}

/* Budgets that last a few round trips take more slots than `size`, and more credit than
 * what is on its way: what is late on one subflow is behind what all the others bring. */
static bool long_1mib(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "long", 44, 100, 2, 50);
    scenario.path_count = 1;
    return both_ways(outcome, &scenario, 1024 * 1024, 44, 72);
}

/* Narrow paths beside it, which have slots too, take none of its own. */
static bool long_and_narrow(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "long and narrow", 44, 100, 2, 50);
    scenario.paths[2] = sim_path_make(2000000, 10, 100);
    scenario.path_count = 3;
    return both_ways(outcome, &scenario, 1024 * 1024, 48, 66);
}

static bool equal_unlimited(struct outcome *outcome)
{
    return equal(outcome, SESSION_UNLIMITED, 98);
}

static bool equal_1mib(struct outcome *outcome)
{
    return equal(outcome, 1024 * 1024, 98);
}

static bool equal_64kib(struct outcome *outcome)
{
    return equal(outcome, 65536, 95);
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
    if (!directed_once(outcome, &scenario))
        return false;
    alone_ns = directed_done_ns(outcome, SIM_LOCAL);
    echo_ns = outcome->report.life_ns[SIM_LOCAL][1];
    scenario.path_count = 2;
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "bulk", directed_done_ns(outcome, SIM_LOCAL),
                           alone_ns * 105 / 100) &&
           directed_within(outcome, "echo", outcome->report.life_ns[SIM_LOCAL][1],
                           echo_ns * 150 / 100);
}

/* Exchanges that keep no path busy never go the long way, whatever is recycled meanwhile. */
static bool short_path(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "short path", 1, 400, 20, 40);
    scenario.config.budget_up = scenario.config.budget_down = 65536;
    sim_scenario_stream(&scenario, 1000000, 4000000)->turns = 400;
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "the longest exchange",
                           outcome->report.pause_ns[SIM_LOCAL][0], 150 * NS_PER_MS);
}

/* A path that is gone half of the time costs nothing to the one that stays, and most of its
 * other half is of use. */
static bool flapping(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "flapping", 20, 30, 20, 40);
    sim_scenario_stream(&scenario, 0, 20000000);
    for (unsigned i = 0; i < 12; i++)
        sim_scenario_fault(&scenario,
                           (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                              .at_ns = (500 + i * 2000) * NS_PER_MS,
                                              .lasts_for_ns = NS_PER_S,
                                              .which = 1,
                                              .sides = 3});
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "down", directed_done_ns(outcome, SIM_LOCAL),
                           directed_transfer_ns(20000000, 30, 75));
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
                                                         .lasts_for_ns = 60 * NS_PER_S,
                                                         .which = path,
                                                         .sides = 3});
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "down", directed_done_ns(outcome, SIM_LOCAL),
                           directed_transfer_ns(20000000, 40, 80) + 63 * NS_PER_S);
}

/* One way only, without a word to either kernel, in a download: the worst to notice. */
static bool silent_death(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    two_paths(&scenario, "silent death", 20, 30, 20, 40);
    sim_scenario_stream(&scenario, 0, 20000000);
    sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                                     .at_ns = 2 * NS_PER_S,
                                                     .lasts_for_ns = 600 * NS_PER_S,
                                                     .which = 0,
                                                     .sides = 1 << SIM_RELAY});
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "down", directed_done_ns(outcome, SIM_LOCAL),
                           directed_transfer_ns(20000000, 20, 95) + 1 * NS_PER_S);
}

/* ---- redundant ---- */

#define EXCHANGES 200

/* Exchanges of 100 bytes over two paths of 40 ms and some loss. */
static void redundant_echo(struct sim_scenario *scenario, uint32_t loss_millionths)
{
    struct sim_plan *plan;

    two_paths(scenario, "redundant echo", 20, 40, 20, 40);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned side = 0; side < 2; side++)
            scenario->paths[i].link[side].loss_millionths = loss_millionths;
    plan = sim_scenario_stream(scenario, 100 * EXCHANGES, 100 * EXCHANGES);
    plan->turns = EXCHANGES;
    plan->policy.mode = STREAM_MODE_REDUNDANT;
}

static bool few_gaps(struct outcome *outcome, unsigned gaps, unsigned most, unsigned runs)
{
    size_t used = strlen(outcome->verdict);

    snprintf(outcome->verdict + used, outcome->size - used,
             "%s%u of %u runs have a gap (at most %u)", used > 0 ? "; " : "", gaps, runs,
             most);
    return gaps <= most;
}

/* Both copies are lost one time in 1,250: one run in seven has a gap. What is sent is two
 * copies, and at most a twentieth of both on top. */
static bool redundant_lossy(struct outcome *outcome)
{
    static struct sim_scenario scenario;
    const struct session_counters *counters = &outcome->report.counters;
    unsigned runs = 25, gaps = 0;
    uint64_t copied = 0;

    for (unsigned run = 0; run < runs; run++) {
        redundant_echo(&scenario, 20000);
        scenario.seed = run;
        if (!directed_once(outcome, &scenario))
            return false;
        gaps += outcome->report.pause_ns[SIM_LOCAL][0] > 60 * NS_PER_MS;
        copied += counters->bytes_redundant + counters->bytes_reinjected;
    }
    size_t used = strlen(outcome->verdict);

    snprintf(outcome->verdict + used, outcome->size - used,
             "%" PRIu64 " bytes of copies for each 1000 (at most 1100)",
             copied * 10 / (runs * EXCHANGES));
    return few_gaps(outcome, gaps, 8, runs) && copied <= runs * EXCHANGES * 110;
}

static uint64_t exchange_over_cut_ns(struct outcome *outcome, uint32_t loss_millionths,
                                     unsigned run)
{
    static struct sim_scenario scenario;

    redundant_echo(&scenario, loss_millionths);
    scenario.seed = run;
    sim_scenario_fault(&scenario,
                       (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                          .at_ns = 2 * NS_PER_S + run * NS_PER_MS,
                                          .lasts_for_ns = 3 * NS_PER_S,
                                          .which = run % 2,
                                          .sides = 3});
    return directed_once(outcome, &scenario) ? outcome->report.pause_ns[SIM_LOCAL][0]
                                             : TIME_NEVER;
}

/* A path becomes a black hole. Where nothing is lost on the other, nobody notices. Where 2
 * % are, the first exchange has one copy there, lost one time in 25, and the others have
 * two, of which both are lost one time in 1,250, in 75 exchanges: one run in ten has a gap.
 */
static bool redundant_cut(struct outcome *outcome)
{
    unsigned runs = 50, gaps = 0;

    if (!directed_within(outcome, "the longest with nothing lost",
                         exchange_over_cut_ns(outcome, 0, 0), 60 * NS_PER_MS))
        return false;
    for (unsigned run = 0; run < runs; run++) {
        uint64_t longest_ns = exchange_over_cut_ns(outcome, 20000, run);

        if (longest_ns == TIME_NEVER)
            return false;
        gaps += longest_ns > 60 * NS_PER_MS;
    }
    return few_gaps(outcome, gaps, 12, runs);
}

/* ---- failover ---- */

/* In mid-transfer a path swallows what the `sides` send, and returns: the longest gap is
 * bounded, and so is the whole, which tells that its share was back. */
static bool failover(struct outcome *outcome, uint64_t budget, unsigned sides,
                     enum sim_side reader)
{
    static struct sim_scenario scenario;
    bool in_time;

    two_paths(&scenario, "failover", 20, 20, 20, 20);
    for (size_t path = 0; path < 2; path++)
        scenario.paths[path] = sim_path_make(20000000, 20, 50);
    scenario.config.budget_up = scenario.config.budget_down = budget;
    sim_scenario_stream(&scenario, reader == SIM_LOCAL ? 0 : BYTES,
                        reader == SIM_LOCAL ? BYTES : 0);
    for (size_t path = 0; path < 2; path++)
        sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                                         .at_ns = (2 + 4 * path) * NS_PER_S,
                                                         .lasts_for_ns = 2 * NS_PER_S,
                                                         .which = path,
                                                         .sides = sides});
    if (!directed_once(outcome, &scenario))
        return false;
    /* 2 s on one path twice, and up to 2 s each until the share is back. */
    in_time = directed_within(outcome, "all", directed_done_ns(outcome, reader),
                              ceiling_ns(40, 95) + 3 * NS_PER_S);
    /* Where the queue of the other path drops a segment just then, TCP takes its time. */
    return directed_within(outcome, "gap", outcome->report.pause_ns[reader][0],
                           200 * NS_PER_MS) &&
           in_time;
}

static bool failover_down(struct outcome *outcome)
{
    return failover(outcome, SESSION_UNLIMITED, 3, SIM_LOCAL);
}

static bool failover_up(struct outcome *outcome)
{
    return failover(outcome, SESSION_UNLIMITED, 3, SIM_RELAY);
}

static bool failover_1mib(struct outcome *outcome)
{
    return failover(outcome, 1024 * 1024, 3, SIM_LOCAL);
}

static bool failover_64kib(struct outcome *outcome)
{
    return failover(outcome, 65536, 3, SIM_LOCAL);
}

/* Only data is lost, or only its ACKs: either way the path is dead. */
static bool failover_data_lost(struct outcome *outcome)
{
    return failover(outcome, SESSION_UNLIMITED, 1 << SIM_RELAY, SIM_LOCAL);
}

static bool failover_acks_lost(struct outcome *outcome)
{
    return failover(outcome, SESSION_UNLIMITED, 1 << SIM_LOCAL, SIM_LOCAL);
}

/* ---- latency under load ---- */

#define LOADED_BYTES 30000000
#define LOADED_TURNS 100

/* A transfer over one path of 20 Mbit/s, 36 ms and a queue of 51 ms. */
static void load(struct sim_scenario *scenario, uint64_t budget, enum sim_side reader)
{
    sim_scenario_init(scenario, "latency under load", 7);
    scenario->paths[0] = sim_path_make(20000000, 36, 51);
    scenario->config.budget_up = scenario->config.budget_down = budget;
    sim_scenario_stream(scenario, reader == SIM_LOCAL ? 0 : LOADED_BYTES,
                        reader == SIM_LOCAL ? LOADED_BYTES : 0);
}

/* How long the transfer takes; with exchanges of 100 bytes in its middle, if any. */
static uint64_t loaded_ns(struct outcome *outcome, struct sim_scenario *scenario,
                          enum sim_side reader, unsigned turns)
{
    scenario->plan_count = 1;
    if (turns > 0) {
        struct sim_plan *plan = sim_scenario_stream(scenario, 100 * turns, 100 * turns);

        plan->turns = turns;
        plan->start_at_ns = 3 * NS_PER_S;
    }
    return directed_once(outcome, scenario) ? directed_done_ns(outcome, reader)
                                            : TIME_NEVER;
}

/* With exchanges it takes as long as without, and the time to learn about the path.
 */
static bool no_slower(struct outcome *outcome, struct sim_scenario *scenario,
                      enum sim_side reader, unsigned turns, uint64_t learning_ns)
{
    uint64_t alone_ns = loaded_ns(outcome, scenario, reader, 0);

    return alone_ns != TIME_NEVER &&
           directed_within(outcome, "transfer", loaded_ns(outcome, scenario, reader, turns),
                           alone_ns * 103 / 100 + learning_ns);
}

/* They take little longer than on an idle path, too. */
static bool loaded(struct outcome *outcome, uint64_t budget, enum sim_side reader)
{
    static struct sim_scenario scenario;

    load(&scenario, budget, reader);
    return no_slower(outcome, &scenario, reader, LOADED_TURNS, 0) &&
           directed_within(outcome, "the longest exchange",
                           outcome->report.pause_ns[SIM_LOCAL][1], 75 * NS_PER_MS) &&
           directed_within(outcome, "all exchanges", outcome->report.life_ns[SIM_LOCAL][1],
                           LOADED_TURNS * 55 * NS_PER_MS);
}

/* A moment sooner or later makes a difference that evens out over a few runs. */
static bool no_slower_on_average(struct outcome *outcome,
                                 void (*vary)(struct sim_scenario *, unsigned run),
                                 uint64_t learning_ns)
{
    static struct sim_scenario scenario;
    uint64_t alone_ns = 0, with_ns = 0;
    unsigned runs = 8;

    for (unsigned run = 0; run < runs; run++) {
        uint64_t one_ns, other_ns;

        load(&scenario, SESSION_UNLIMITED, SIM_LOCAL);
        vary(&scenario, run);
        one_ns = loaded_ns(outcome, &scenario, SIM_LOCAL, 0);
        other_ns = loaded_ns(outcome, &scenario, SIM_LOCAL, 2 * LOADED_TURNS);
        if (one_ns == TIME_NEVER || other_ns == TIME_NEVER)
            return false;
        alone_ns += one_ns / runs;
        with_ns += other_ns / runs;
    }
    return directed_within(outcome, "transfer", with_ns,
                           alone_ns * 103 / 100 + learning_ns);
}

/* The path becomes longer for good: its old share is too little now. */
static void become_far(struct sim_scenario *scenario, unsigned run)
{
    sim_scenario_fault(scenario, (struct sim_fault){.kind = SIM_FAULT_FAR,
                                                    .at_ns = (5000 + run * 62) * NS_PER_MS,
                                                    .lasts_for_ns = 600 * NS_PER_S,
                                                    .amount = 50 * NS_PER_MS});
}

static bool loaded_far(struct outcome *outcome)
{
    return no_slower_on_average(outcome, become_far, 2000 * NS_PER_MS);
}

/* The delay varies by a third of what the path is long: so does the time it takes, by one
 * part in twenty from run to run. */
static void jitter(struct sim_scenario *scenario, unsigned run)
{
    scenario->seed = run;
    scenario->paths[0].link[SIM_RELAY].jitter_ns = 12 * NS_PER_MS;
}

static bool loaded_jitter(struct outcome *outcome)
{
    return no_slower_on_average(outcome, jitter, 0);
}

static bool loaded_down(struct outcome *outcome)
{
    return loaded(outcome, SESSION_UNLIMITED, SIM_LOCAL);
}

static bool loaded_up(struct outcome *outcome)
{
    return loaded(outcome, SESSION_UNLIMITED, SIM_RELAY);
}

static bool loaded_1mib(struct outcome *outcome)
{
    return loaded(outcome, 1024 * 1024, SIM_LOCAL);
}

static bool loaded_64kib(struct outcome *outcome)
{
    return loaded(outcome, 65536, SIM_LOCAL);
}

/* ---- the list ---- */

const struct directed_scenario bonding_scenarios[] = {
    {"unequal-unlimited", unequal_unlimited},
    {"unequal-64KiB", unequal_budgets},
    {"equal-unlimited", equal_unlimited},
    {"equal-1MiB", equal_1mib},
    {"equal-64KiB", equal_64kib},
    {"far-64KiB", far_64kib},
    {"far-1MiB", far_1mib},
    {"single-64KiB", single_64kib},
    {"long-1MiB", long_1mib},
    {"long-and-narrow", long_and_narrow},
    {"bad-path", bad_path},
    {"short-path", short_path},
    {"flapping-path", flapping},
    {"outage", outage},
    {"silent-death", silent_death},
    {"redundant-lossy", redundant_lossy},
    {"redundant-cut", redundant_cut},
    {"failover-down", failover_down},
    {"failover-up", failover_up},
    {"failover-1MiB", failover_1mib},
    {"failover-64KiB", failover_64kib},
    {"failover-data-lost", failover_data_lost},
    {"failover-acks-lost", failover_acks_lost},
    {"loaded-down", loaded_down},
    {"loaded-up", loaded_up},
    {"loaded-1MiB", loaded_1mib},
    {"loaded-64KiB", loaded_64kib},
    {"loaded-far", loaded_far},
    {"loaded-jitter", loaded_jitter},
};

const size_t bonding_scenario_count = ARRAY_LENGTH(bonding_scenarios);
