/* SPDX-License-Identifier: MIT */
/*
 * What a user feels on two paths: a remote desktop while a path dies, a page, typing beside
 * a download, typing over lossy paths, a download with small budgets. Each ceiling is a
 * little above what is reached; the comment beside it names the aim.
 */
#include "directed_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say_ratio(struct outcome *outcome, const char *what, uint64_t part,
                      uint64_t whole, unsigned most)
{
    size_t used = strlen(outcome->verdict);

    snprintf(outcome->verdict + used, outcome->size - used,
             "%s%s %" PRIu64 " %% (at most %u)", used > 0 ? "; " : "", what,
             part * 100 / MAX(whole, 1), most);
}

static uint64_t percentile(const uint64_t *sorted, size_t count, unsigned percent)
{
    return count == 0 ? 0 : sorted[MIN((count * percent + 99) / 100, count) - 1];
}

static int compare_times(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

#define DOWNLOAD_BYTES 30000000

/* ---- a path dies in a download ---- */

#define DEATHS 8

/* One of two busy paths becomes a black hole at a moment that differs from run to run:
 * half of the runs have no gap longer than `median_ns`, and none one longer than
 * `worst_ns`. */
static bool death_under_load(struct outcome *outcome, enum stream_mode mode, uint64_t bytes,
                             uint64_t median_ns, uint64_t worst_ns)
{
    static struct sim_scenario scenario;
    uint64_t gaps_ns[DEATHS];

    for (unsigned run = 0; run < DEATHS; run++) {
        sim_scenario_init(&scenario, "death under load", 7 + run);
        scenario.path_count = 2;
        for (size_t path = 0; path < 2; path++)
            scenario.paths[path] = sim_path_make(22000000, 48, 65); /* 180 kB */
        sim_scenario_stream(&scenario, 0, bytes)->policy.mode = (uint8_t)mode;
        sim_scenario_fault(&scenario,
                           (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                              .at_ns = (2000 + 37 * run) * NS_PER_MS,
                                              .lasts_for_ns = 600 * NS_PER_S,
                                              .which = run % 2,
                                              .sides = 3});
        if (!directed_once(outcome, &scenario))
            return false;
        gaps_ns[run] = outcome->report.pause_ns[SIM_LOCAL][0];
    }
    qsort(gaps_ns, DEATHS, sizeof gaps_ns[0], compare_times);
    bool usual =
        directed_within(outcome, "median gap", gaps_ns[(DEATHS - 1) / 2], median_ns);

    return directed_within(outcome, "longest", gaps_ns[DEATHS - 1], worst_ns) && usual;
}

/* Aim: 200 ms. */
static bool death_split(struct outcome *outcome)
{
    return death_under_load(outcome, STREAM_MODE_SPLIT, 16000000, 220 * NS_PER_MS,
                            300 * NS_PER_MS);
}

/* Aim: 60 ms. */
static bool death_redundant(struct outcome *outcome)
{
    return death_under_load(outcome, STREAM_MODE_REDUNDANT, 10000000, 100 * NS_PER_MS,
                            252 * NS_PER_MS);
}

/* ---- a page ---- */

#define PAGES 8
#define OBJECTS 100
#define CONNECTIONS 6
#define REQUEST_BYTES 500

static struct sim_path page_path(unsigned mbit_down, unsigned mbit_up, unsigned rtt_ms,
                                 uint32_t loss_millionths, uint32_t loss_run)
{
    struct sim_path path = sim_path_make(mbit_down * UINT64_C(1000000), rtt_ms, 100);

    path.link[SIM_LOCAL].rate = mbit_up * UINT64_C(125000);
    for (unsigned side = 0; side < 2; side++) {
        path.link[side].loss_millionths = loss_millionths;
        path.link[side].loss_run = loss_run;
    }
    return path;
}

/* 100 objects of 20 to 200 kB over 6 connections that are kept alive. The next object goes
 * to the connection that has the least to do. */
static void draw_page(struct sim_scenario *scenario, uint64_t seed)
{
    static uint32_t answers[CONNECTIONS][OBJECTS];
    struct sim_random random;

    sim_scenario_init(scenario, "page", seed);
    scenario->paths[0] = page_path(40, 10, 24, 3333, 3);
    scenario->paths[1] = page_path(30, 8, 44, 5000, 1);
    sim_random_init(&random, seed);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct sim_plan *plan = sim_scenario_stream(scenario, 0, 0);

        plan->answers = answers[i];
        plan->start_at_ns = NS_PER_S;
    }
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct sim_plan *plan = &scenario->plans[0];
        uint32_t bytes = (uint32_t)sim_random_log(&random, 20000, 200000);

        for (unsigned k = 1; k < CONNECTIONS; k++)
            if (scenario->plans[k].total[SIM_RELAY] < plan->total[SIM_RELAY])
                plan = &scenario->plans[k];
        answers[plan - scenario->plans][plan->turns++] = bytes;
        plan->total[SIM_LOCAL] += REQUEST_BYTES;
        plan->total[SIM_RELAY] += bytes;
    }
}

/* Loads pages over so many of the paths; adds up the times of the pages and of their slow
 * objects. */
static bool load_pages(struct outcome *outcome, size_t paths, uint64_t *page_ns,
                       uint64_t *object_ns)
{
    static struct sim_scenario scenario;
    const struct sim_report *report = &outcome->report;

    *page_ns = *object_ns = 0;
    for (unsigned page = 0; page < PAGES; page++) {
        uint64_t longest_ns = 0;

        draw_page(&scenario, 100 + page);
        scenario.path_count = paths;
        if (!directed_once(outcome, &scenario))
            return false;
        for (unsigned i = 0; i < CONNECTIONS; i++)
            longest_ns = MAX(longest_ns, report->life_ns[SIM_LOCAL][i]);
        *page_ns += longest_ns / PAGES;
        *object_ns += percentile(report->exchange_ns, report->exchange_count, 99) / PAGES;
    }
    return true;
}

/* Aims: 70 % of the time of the better path alone, and no slow object slower. */
static bool page(struct outcome *outcome)
{
    uint64_t alone_ns, alone_object_ns, both_ns, both_object_ns;

    if (!load_pages(outcome, 1, &alone_ns, &alone_object_ns) ||
        !load_pages(outcome, 2, &both_ns, &both_object_ns))
        return false;
    say_ratio(outcome, "page", both_ns, alone_ns, 90);
    say_ratio(outcome, "p99 of an object", both_object_ns, alone_object_ns, 80);
    return both_ns * 100 <= alone_ns * 90 && both_object_ns * 100 <= alone_object_ns * 80;
}

/* ---- typing ---- */

#define ECHOES 200

static struct sim_plan *type(struct sim_scenario *scenario)
{
    struct sim_plan *plan = sim_scenario_stream(scenario, 100 * ECHOES, 100 * ECHOES);

    plan->turns = ECHOES;
    return plan;
}

/* Beside a download over one path with a queue of 128 kB. Aim: 150 % of the idle path's
 * p99. */
static bool typing_beside_bulk(struct outcome *outcome)
{
    static struct sim_scenario scenario;
    const struct sim_report *report = &outcome->report;
    uint64_t idle_ns, loaded_ns;

    sim_scenario_init(&scenario, "typing", 7);
    scenario.paths[0] = sim_path_make(20000000, 36, 51);
    type(&scenario)->start_at_ns = 3 * NS_PER_S;
    if (!directed_once(outcome, &scenario))
        return false;
    idle_ns = percentile(report->exchange_ns, report->exchange_count, 99);
    sim_scenario_stream(&scenario, 0, DOWNLOAD_BYTES);
    if (!directed_once(outcome, &scenario))
        return false;
    loaded_ns = percentile(report->exchange_ns, report->exchange_count, 99);
    say_ratio(outcome, "p99 of an echo", loaded_ns, idle_ns, 180);
    return loaded_ns * 100 <= idle_ns * 180;
}

/* Over two paths with 3 % of loss each way. Aim: 53 ms. */
static bool typing_redundant(struct outcome *outcome)
{
    static struct sim_scenario scenario;
    const struct sim_report *report = &outcome->report;
    uint64_t sum_ns = 0;
    unsigned runs = 10;

    for (unsigned run = 0; run < runs; run++) {
        sim_scenario_init(&scenario, "typing", run);
        scenario.path_count = 2;
        for (size_t path = 0; path < 2; path++) {
            scenario.paths[path] = sim_path_make(20000000, 44, 100);
            for (unsigned side = 0; side < 2; side++)
                scenario.paths[path].link[side].loss_millionths = 30000;
        }
        type(&scenario)->policy.mode = STREAM_MODE_REDUNDANT;
        if (!directed_once(outcome, &scenario))
            return false;
        sum_ns += percentile(report->exchange_ns, report->exchange_count, 99);
    }
    return directed_within(outcome, "p99 of an echo, on average", sum_ns / runs,
                           52 * NS_PER_MS);
}

/* ---- downloads with small budgets ---- */

/* The share that is reached of the sum of the rates; of three lossy paths. */
static bool three_lossy(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    sim_scenario_init(&scenario, "three lossy paths", 7);
    scenario.config.budget_up = scenario.config.budget_down = 65536;
    scenario.path_count = 3;
    for (size_t path = 0; path < 3; path++) {
        scenario.paths[path] = sim_path_make(15000000, 40, 100);
        for (unsigned side = 0; side < 2; side++)
            scenario.paths[path].link[side].loss_millionths = 15000;
    }
    sim_scenario_stream(&scenario, 0, DOWNLOAD_BYTES);
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "down", directed_done_ns(outcome, SIM_LOCAL),
                           directed_transfer_ns(DOWNLOAD_BYTES, 45, 86));
}

/* ---- the list ---- */

const struct directed_scenario aim_scenarios[] = {
    {"death-under-load", death_split},
    {"death-under-load-redundant", death_redundant},
    {"page", page},
    {"typing-beside-bulk", typing_beside_bulk},
    {"typing-redundant", typing_redundant},
    {"three-lossy", three_lossy},
};

const size_t aim_scenario_count = ARRAY_LENGTH(aim_scenarios);
