/* SPDX-License-Identifier: MIT */
#include "directed.h"

#include "directed_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One initial window: budgets up to here are gone in one flight. */
#define TIGHT_FLIGHTS 2

bool directed_once(struct outcome *outcome, const struct sim_scenario *scenario)
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

uint64_t directed_done_ns(const struct outcome *outcome, enum sim_side side)
{
    return outcome->report.life_ns[side][0];
}

bool directed_within(struct outcome *outcome, const char *what, uint64_t ns,
                     uint64_t most_ns)
{
    size_t used = strlen(outcome->verdict);

    snprintf(outcome->verdict + used, outcome->size - used,
             "%s%s %" PRIu64 " ms (at most %" PRIu64 ")", used > 0 ? "; " : "", what,
             ms(ns), ms(most_ns));
    return ns > 0 && ns <= most_ns;
}

uint64_t directed_transfer_ns(uint64_t bytes, unsigned mbit, unsigned share)
{
    return bytes * 8 * 1000 / mbit * 100 / share + 700 * NS_PER_MS;
}

/* ---- the relay ---- */

static bool restart(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "restart", 7);
    sim_scenario_stream(&scenario, 0, 200000000);
    sim_scenario_stream(&scenario, 1000, 1000)->start_at_ns = 4 * NS_PER_S;
    sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_RESTART,
                                                     .at_ns = 2 * NS_PER_S,
                                                     .lasts_for_ns = NS_PER_S});
    scenario.may_be_unreachable = true;
    /* Reset within 2 s of the relay's being back, and the next stream works. */
    return directed_once(outcome, &scenario) && outcome->report.reset == 1 &&
           outcome->report.complete == 2 &&
           directed_within(outcome, "both over", outcome->report.virtual_ns, 5 * NS_PER_S);
}

/* The path is suddenly slower than any answer was ever waited for. */
static bool far_away(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "far away", 7);
    scenario.paths[0] = sim_path_make(2000000, 20, 100);
    sim_scenario_stream(&scenario, 0, 2000000);
    sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_FAR,
                                                     .at_ns = 2 * NS_PER_S,
                                                     .lasts_for_ns = 600 * NS_PER_S,
                                                     .amount = 350 * NS_PER_MS});
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "down", directed_done_ns(outcome, SIM_LOCAL),
                           directed_transfer_ns(2000000, 2, 50) + 15 * NS_PER_S);
}

/* ---- one subflow alone ---- */

/* A chunk that the relay cannot open makes the relay silent, while its TCP goes on
 * acknowledging all the requests that follow. */
static bool silent_relay(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "silent relay", 7);
    scenario.config.pool_size = scenario.config.pool_burst = scenario.config.pool_idle = 1;
    scenario.config.budget_up = scenario.config.budget_down = SESSION_UNLIMITED;
    scenario.paths[0] = sim_path_make(20000000, 6, 60);
    sim_scenario_stream(&scenario, 1000, 1000); /* brings up the subflow */
    sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_FLIP,
                                                     .at_ns = NS_PER_S,
                                                     .lasts_for_ns = 1,
                                                     .sides = 1 << SIM_LOCAL});
    for (unsigned i = 0; i < 3; i++)
        sim_scenario_stream(&scenario, 1000, 1000)->start_at_ns =
            (2000 + i * 70) * NS_PER_MS;
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "all over", outcome->report.virtual_ns, 5 * NS_PER_S);
}

/* One chunk takes longer than a stall would, both ways at once, behind what was sent to
 * subflows that were given up. */
static bool narrow_path(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "narrow path", 7);
    scenario.config.pool_size = scenario.config.pool_burst = 3;
    scenario.config.budget_up = SESSION_UNLIMITED;
    scenario.config.budget_down = 65536;
    scenario.paths[0] = sim_path_make(240000, 8, 650);
    scenario.paths[0].link[SIM_LOCAL].rate = 4000000;
    sim_scenario_stream(&scenario, 10000, 300000);
    if (!directed_once(outcome, &scenario) ||
        !directed_within(outcome, "wide up", directed_done_ns(outcome, SIM_LOCAL),
                         20 * NS_PER_S))
        return false;
    scenario.config.pool_size = scenario.config.pool_burst = scenario.config.pool_idle = 1;
    scenario.paths[0] = sim_path_make(240000, 2, 650);
    scenario.plans[0].total[SIM_LOCAL] = 300000;
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "narrow both ways",
                           directed_done_ns(outcome, SIM_LOCAL), 40 * NS_PER_S);
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
    if (!directed_once(outcome, &scenario) || !reaches_bound(outcome, SIM_RELAY, share))
        return false;
    scenario.plans[0].total[SIM_LOCAL] = 0;
    scenario.plans[0].total[SIM_RELAY] = total;
    if (!directed_once(outcome, &scenario) || !reaches_bound(outcome, SIM_LOCAL, share))
        return false;
    scenario.plans[0].total[SIM_LOCAL] = total;
    return directed_once(outcome, &scenario) && reaches_bound(outcome, SIM_RELAY, share) &&
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

/* Down is tight, up has no bound: every subflow has ended down, and is given up for another
 * that brings the ACKs of what it carries up, as soon as that has left. */
static bool tight_down(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    tight(&scenario, 1000, 0);
    scenario.config.budget_up = SESSION_UNLIMITED;
    scenario.config.pool_size = scenario.config.pool_burst = scenario.config.pool_idle = 1;
    scenario.paths[0] = sim_path_make(2000000, 1, 50);
    sim_scenario_stream(&scenario, 2000000, 3720000);
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "up", directed_done_ns(outcome, SIM_RELAY),
                           35 * NS_PER_S);
}

/* Drawn scenarios that have found something, each beyond the seeds that are run by default:
 * a flipped bit before a lone subflow; HELLOs that only an ACK elsewhere confirms, or that
 * die unconfirmed; generations without subflows; narrow paths; late ACKs of copies. */
static bool once_failed(struct outcome *outcome)
{
    static const uint64_t seeds[] = {7362,  20235, 21905,  22971,  24465,  45757,  47062,
                                     77038, 84066, 117753, 121200, 159281, 168656, 195147};
    static struct sim_scenario scenario;

    for (size_t i = 0; i < ARRAY_LENGTH(seeds); i++) {
        sim_scenario_draw(&scenario, seeds[i]);
        if (!directed_once(outcome, &scenario)) {
            size_t used = strlen(outcome->verdict);

            snprintf(outcome->verdict + used, outcome->size - used, " (seed %" PRIu64 ")",
                     seeds[i]);
            return false;
        }
    }
    return true;
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
    scenario.plans[1].start_at_ns = NS_PER_S;
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "100 exchanges", outcome->report.life_ns[SIM_LOCAL][1],
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
    scenario.plans[1].give_up_after_ns = 30 * NS_PER_S;
    /* The other stream takes no more than its credit before it is blocked. */
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "the fast one", directed_done_ns(outcome, SIM_LOCAL),
                           directed_transfer_ns(22500000, 20, 90));
}

/* A client pauses its download; connections that say nothing, and others, begin meanwhile.
 */
static bool paused_reader(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "paused reader", 7);
    sim_scenario_stream(&scenario, 0, 20000000);
    scenario.plans[0].stop_reading_at[SIM_LOCAL] = 1000000;
    scenario.plans[0].give_up_after_ns = 30 * NS_PER_S;
    scenario.plans[0].resumes = true;
    for (unsigned i = 0; i < 20; i++) {
        struct sim_plan *plan = sim_scenario_stream(&scenario, i % 3 * 100, i % 3 * 5000);

        plan->start_at_ns = (2000 + i * 700) * NS_PER_MS;
        plan->turns = i % 2;
    }
    return directed_once(outcome, &scenario) && outcome->report.reset == 0 &&
           outcome->report.cancelled == 0 &&
           directed_within(outcome, "the paused one", directed_done_ns(outcome, SIM_LOCAL),
                           30 * NS_PER_S + directed_transfer_ns(20000000, 100, 50));
}

/* Clients that have finished, of origins that say nothing, and read nothing; and some that
 * hang up. */
static bool silent_origins(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "silent origins", 7);
    for (unsigned i = 0; i < 20; i++) {
        struct sim_plan *plan = sim_scenario_stream(&scenario, i * 50000, i % 2 * 1000);

        plan->silent[SIM_RELAY] = true;
        plan->hangs_up[SIM_LOCAL] = i % 4 == 0;
        plan->give_up_after_ns = 10 * NS_PER_S;
        if (i % 3 == 0)
            plan->stop_reading_at[SIM_RELAY] = i * 100;
    }
    return directed_once(outcome, &scenario) && outcome->report.complete == 0 &&
           directed_within(outcome, "all over", outcome->report.virtual_ns, 15 * NS_PER_S);
}

/* ---- descriptors ---- */

/* The path breaks for two seconds, and until two seconds later there is no descriptor for
 * a connection in place of those that are lost. Streams go on where they stood. */
static bool no_descriptors(struct outcome *outcome)
{
    static struct sim_scenario scenario;
    const uint64_t bytes = 20000000;

    sim_scenario_init(&scenario, "no descriptors", 7);
    sim_scenario_stream(&scenario, 0, bytes);
    sim_scenario_stream(&scenario, bytes / 4, 1000);
    sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_OUTAGE,
                                                     .at_ns = NS_PER_S,
                                                     .lasts_for_ns = 2 * NS_PER_S});
    sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_DESCRIPTORS,
                                                     .at_ns = NS_PER_S,
                                                     .lasts_for_ns = 4 * NS_PER_S});
    return directed_once(outcome, &scenario) && outcome->report.complete == 4 &&
           outcome->report.reset == 0 &&
           directed_within(outcome, "the pause",
                           MAX(outcome->report.pause_ns[SIM_LOCAL][0],
                               outcome->report.pause_ns[SIM_RELAY][1]),
                           5500 * NS_PER_MS);
}

/* ---- black holes ---- */

/* Packets with more payload than `largest` vanish, up, down, or both ways. A side gives a
 * pool's initial windows away twice, and then one for each size that it tries. */
static bool black_hole(struct outcome *outcome, uint32_t largest, unsigned sides)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "black hole", 7);
    scenario.paths[0] = sim_path_make(20000000, 20, 100);
    for (unsigned side = 0; side < 2; side++)
        if (sides >> side & 1)
            scenario.paths[0].link[side].largest_bytes = largest;
    sim_scenario_stream(&scenario, 2000000, 2000000);
    /* Beside it something small, which is to get through at any time. */
    sim_scenario_stream(&scenario, 2000, 2000)->turns = 20;
    if (!directed_once(outcome, &scenario))
        return false;
    bool soon = directed_within(outcome, "down", directed_done_ns(outcome, SIM_LOCAL),
                                directed_transfer_ns(2000000, 20, 60) + 4 * NS_PER_S) &&
                directed_within(outcome, "up", directed_done_ns(outcome, SIM_RELAY),
                                directed_transfer_ns(2000000, 20, 60) + 4 * NS_PER_S);
    size_t used = strlen(outcome->verdict);

    snprintf(outcome->verdict + used, outcome->size - used,
             "; %" PRIu64 " packets in vain (at most %u)", outcome->report.oversize, 800);
    return soon && outcome->report.oversize > 0 && outcome->report.oversize <= 800;
}

static bool black_hole_both(struct outcome *outcome)
{
    return black_hole(outcome, 1348, 1 << SIM_LOCAL | 1 << SIM_RELAY);
}

static bool black_hole_up(struct outcome *outcome)
{
    return black_hole(outcome, 1348, 1 << SIM_LOCAL);
}

static bool black_hole_down(struct outcome *outcome)
{
    return black_hole(outcome, 1348, 1 << SIM_RELAY);
}

static bool black_hole_deep(struct outcome *outcome)
{
    return black_hole(outcome, 550, 1 << SIM_LOCAL | 1 << SIM_RELAY);
}

/* ---- the list ---- */

static const struct directed_scenario scenarios[] = {
    {"restart", restart},
    {"far-away", far_away},
    {"silent-relay", silent_relay},
    {"narrow-path", narrow_path},
    {"tight-1000", tight_1000},
    {"tight-500", tight_500},
    {"tight-1000-loss", tight_loss},
    {"tight-down", tight_down},
    {"once-failed", once_failed},
    {"echo-beside-bulk", echo},
    {"slow-reader", slow_reader},
    {"paused-reader", paused_reader},
    {"silent-origins", silent_origins},
    {"no-descriptors", no_descriptors},
    {"black-hole", black_hole_both},
    {"black-hole-up", black_hole_up},
    {"black-hole-down", black_hole_down},
    {"black-hole-deep", black_hole_deep},
};

static const struct directed_scenario *scenario_at(size_t index)
{
    const struct {
        const struct directed_scenario *items;
        size_t count;
    } lists[] = {{scenarios, ARRAY_LENGTH(scenarios)},
                 {bonding_scenarios, bonding_scenario_count},
                 {sparing_scenarios, sparing_scenario_count},
                 {forgetful_scenarios, forgetful_scenario_count},
                 {aim_scenarios, aim_scenario_count},
                 {call_scenarios, call_scenario_count}};

    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        if (index < lists[i].count)
            return &lists[i].items[index];
        index -= lists[i].count;
    }
    return NULL;
}

size_t directed_count(void)
{
    return ARRAY_LENGTH(scenarios) + bonding_scenario_count + sparing_scenario_count +
           forgetful_scenario_count + aim_scenario_count + call_scenario_count;
}

const char *directed_name(size_t index)
{
    return scenario_at(index)->name;
}

bool directed_run(size_t index, bool trace, char *verdict, size_t size)
{
    static struct outcome outcome;

    outcome = (struct outcome){.verdict = verdict, .size = size, .trace = trace};
    verdict[0] = '\0';
    return scenario_at(index)->run(&outcome);
}
