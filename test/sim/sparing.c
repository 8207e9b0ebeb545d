/* SPDX-License-Identifier: MIT */
/* Paths that are to be spared: the bytes that they carry while a better one works, and
 * while it does not. */
#include "directed_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BULK_AFTER_NS (5 * NS_PER_S)

static const struct path_properties backup = {
    .usable = true, .backup = true, .bulk_after_ns = BULK_AFTER_NS};
static const struct path_properties dear = {
    .usable = true, .cost = 1, .bulk_after_ns = BULK_AFTER_NS};

/* A good path, and one beside it that is to be spared. */
static void beside(struct sim_scenario *scenario, const struct path_properties *properties,
                   uint64_t seed)
{
    sim_scenario_init(scenario, "a path to be spared", seed);
    scenario->paths[0] = sim_path_make(20000000, 30, 100);
    scenario->paths[1] = sim_path_make(20000000, 30, 100);
    scenario->properties[1] = *properties;
    scenario->path_count = 2;
}

/* ---- a day of browsing ---- */

#define PAGES 12
#define OBJECTS 40 /* of a page */
#define PAGE_EVERY_NS (10 * NS_PER_S)
/* So many connections of a browser fetch one object after the other. */
#define AT_ONCE 6
#define OBJECT_EVERY_NS (120 * NS_PER_MS)
#define HICCUP_EVERY_NS (5 * NS_PER_S)
/* The bytes that somebody browses in a day. */
#define DAY_BYTES UINT64_C(1500000000)

/* Pages of 40 objects of 300 bytes to 240 kB, most of them small: 1.5 MB in all. */
static void browse(struct sim_scenario *scenario, enum stream_mode mode)
{
    struct sim_random random;

    sim_random_init(&random, scenario->seed);
    for (unsigned page = 0; page < PAGES; page++)
        for (unsigned i = 0; i < OBJECTS; i++) {
            struct sim_plan *plan =
                sim_scenario_stream(scenario, sim_random_range(&random, 400, 1200),
                                    sim_random_log(&random, 300, 240000));

            plan->turns = 1;
            plan->policy.mode = (uint8_t)mode;
            plan->start_at_ns = NS_PER_S + page * PAGE_EVERY_NS +
                                i / AT_ONCE * OBJECT_EVERY_NS +
                                sim_random_range(&random, 0, 20) * NS_PER_MS;
            plan->destination_ns = sim_random_range(&random, 5, 60) * NS_PER_MS;
        }
}

/* The good path stalls for 0.4 s every 5 s without a word to either side, in the middle of
 * each page too. */
static void hiccups(struct sim_scenario *scenario)
{
    for (unsigned i = 0; i < PAGES * PAGE_EVERY_NS / HICCUP_EVERY_NS; i++)
        sim_scenario_fault(
            scenario, (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                         .at_ns = 1300 * NS_PER_MS + i * HICCUP_EVERY_NS,
                                         .lasts_for_ns = 400 * NS_PER_MS,
                                         .which = 0,
                                         .sides = 3});
}

/* The path to be spared carries no more than `most` in a day of such browsing. */
static bool day_of(struct outcome *outcome, const struct path_properties *properties,
                   enum stream_mode mode, bool stalls, uint64_t most)
{
    static struct sim_scenario scenario;
    uint64_t carried = 0, browsed = 0, dials = 0;
    unsigned runs = 3;

    for (unsigned run = 0; run < runs; run++) {
        beside(&scenario, properties, 20 + run);
        browse(&scenario, mode);
        if (stalls)
            hiccups(&scenario);
        if (!directed_once(outcome, &scenario))
            return false;
        carried += outcome->report.carried[1];
        dials += outcome->report.dialled[1];
        browsed += outcome->report.received[SIM_LOCAL];
    }
    size_t used = strlen(outcome->verdict);
    uint64_t day = (uint64_t)((double)carried / (double)browsed * (double)DAY_BYTES);

    snprintf(outcome->verdict + used, outcome->size - used,
             "%s%s stalls %" PRIu64 " kB a day (at most %" PRIu64 "), %" PRIu64
             " dials for %" PRIu64 " kB",
             used > 0 ? "; " : "", stalls ? "with" : "without", day / 1000, most / 1000,
             dials, browsed / 1000);
    return day <= most;
}

static bool days_of(struct outcome *outcome, const struct path_properties *properties,
                    enum stream_mode mode, uint64_t most)
{
    return day_of(outcome, properties, mode, false, most / 3) &&
           day_of(outcome, properties, mode, true, most);
}

static bool backup_day(struct outcome *outcome)
{
    return days_of(outcome, &backup, STREAM_MODE_SPLIT, 10000000);
}

static bool backup_day_auto(struct outcome *outcome)
{
    return days_of(outcome, &backup, STREAM_MODE_AUTO, 10000000);
}

static bool dear_day(struct outcome *outcome)
{
    return days_of(outcome, &dear, STREAM_MODE_SPLIT, 20000000);
}

static bool dear_day_auto(struct outcome *outcome)
{
    return days_of(outcome, &dear, STREAM_MODE_AUTO, 20000000);
}

/* ---- when the good path is gone ---- */

static void good_path_dies(struct sim_scenario *scenario, enum sim_fault_kind how,
                           uint64_t lasts_ns)
{
    sim_scenario_fault(scenario, (struct sim_fault){.kind = how,
                                                    .at_ns = 2 * NS_PER_S,
                                                    .lasts_for_ns = lasts_ns,
                                                    .which = 0,
                                                    .sides = 3});
}

/* Typing goes on at once, whether or not a transfer waits beside it. */
static bool typing(struct outcome *outcome, const struct path_properties *properties,
                   uint64_t beside_ns)
{
    static struct sim_scenario scenario;

    for (unsigned transfers = 0; transfers < 2; transfers++) {
        beside(&scenario, properties, 7);
        sim_scenario_stream(&scenario, 100 * 100, 300 * 100)->turns = 100;
        if (transfers > 0)
            sim_scenario_stream(&scenario, 0, 10000000);
        good_path_dies(&scenario, SIM_FAULT_BLACKHOLE, 30 * NS_PER_S);
        if (!directed_once(outcome, &scenario) ||
            !directed_within(outcome, transfers > 0 ? "beside a transfer" : "alone",
                             outcome->report.pause_ns[SIM_LOCAL][0],
                             transfers > 0 ? beside_ns : 500 * NS_PER_MS))
            return false;
    }
    return true;
}

static bool backup_typing(struct outcome *outcome)
{
    return typing(outcome, &backup, 1100 * NS_PER_MS);
}

static bool dear_typing(struct outcome *outcome)
{
    return typing(outcome, &dear, 250 * NS_PER_MS); /* it is open by then */
}

/* A transfer moves over when the good path has been gone for the time that is set; at once
 * when this machine knows that it is gone. */
static bool moves(struct outcome *outcome, const struct path_properties *properties,
                  enum sim_side reader)
{
    static struct sim_scenario scenario;

    for (unsigned told = 0; told < 2; told++) {
        uint64_t pause_ns;

        beside(&scenario, properties, 7);
        sim_scenario_stream(&scenario, reader == SIM_LOCAL ? 0 : 20000000,
                            reader == SIM_LOCAL ? 20000000 : 0);
        scenario.told = told > 0;
        good_path_dies(&scenario, told > 0 ? SIM_FAULT_OFF : SIM_FAULT_BLACKHOLE,
                       60 * NS_PER_S);
        if (!directed_once(outcome, &scenario))
            return false;
        pause_ns = outcome->report.pause_ns[reader][0];
        if (!directed_within(outcome, told > 0 ? "told" : "not told", pause_ns,
                             told > 0 ? 300 * NS_PER_MS
                                      : BULK_AFTER_NS + 700 * NS_PER_MS) ||
            (told == 0 && pause_ns < BULK_AFTER_NS) ||
            !directed_within(outcome, "all", directed_done_ns(outcome, reader),
                             pause_ns + directed_transfer_ns(20000000, 20, 90)))
            return false;
    }
    return true;
}

static bool backup_moves_down(struct outcome *outcome)
{
    return moves(outcome, &backup, SIM_LOCAL);
}

static bool backup_moves_up(struct outcome *outcome)
{
    return moves(outcome, &backup, SIM_RELAY);
}

static bool dear_moves_down(struct outcome *outcome)
{
    return moves(outcome, &dear, SIM_LOCAL);
}

static bool dear_moves_up(struct outcome *outcome)
{
    return moves(outcome, &dear, SIM_RELAY);
}

/* The good path stalls for a moment near the end of an upload. Little is left, which needs
 * few connections. Those of the path to be spared must not count: they may not carry it. */
static bool rest(struct outcome *outcome, const struct path_properties *properties)
{
    static struct sim_scenario scenario;
    uint64_t latest_ns = 0;

    for (uint64_t bytes = 2200000; bytes <= 2300000; bytes += 5000) {
        beside(&scenario, properties, 7);
        scenario.properties[1].bulk_after_ns = 3600 * NS_PER_S;
        scenario.paths[0] = scenario.paths[1] = sim_path_make(20000000, 20, 50);
        sim_scenario_stream(&scenario, bytes, 0);
        sim_scenario_fault(&scenario, (struct sim_fault){.kind = SIM_FAULT_BLACKHOLE,
                                                         .at_ns = NS_PER_S,
                                                         .lasts_for_ns = 1500 * NS_PER_MS,
                                                         .which = 0,
                                                         .sides = 3});
        if (!directed_once(outcome, &scenario))
            return false;
        latest_ns = MAX(latest_ns, directed_done_ns(outcome, SIM_RELAY));
    }
    return directed_within(outcome, "the last of them", latest_ns, 4500 * NS_PER_MS);
}

static bool backup_rest(struct outcome *outcome)
{
    return rest(outcome, &backup);
}

static bool dear_rest(struct outcome *outcome)
{
    return rest(outcome, &dear);
}

/* A transfer that goes on fills the dear path, too. */
static bool dear_helps(struct outcome *outcome)
{
    static struct sim_scenario scenario;

    beside(&scenario, &dear, 7);
    sim_scenario_stream(&scenario, 0, 60000000);
    return directed_once(outcome, &scenario) &&
           directed_within(outcome, "down", directed_done_ns(outcome, SIM_LOCAL),
                           directed_transfer_ns(60000000, 20, 105));
}

/* ---- the list ---- */

const struct directed_scenario sparing_scenarios[] = {
    {"backup-day", backup_day},
    {"backup-day-auto", backup_day_auto},
    {"dear-day", dear_day},
    {"dear-day-auto", dear_day_auto},
    {"backup-typing", backup_typing},
    {"dear-typing", dear_typing},
    {"backup-moves-down", backup_moves_down},
    {"backup-moves-up", backup_moves_up},
    {"dear-moves-down", dear_moves_down},
    {"dear-moves-up", dear_moves_up},
    {"backup-rest", backup_rest},
    {"dear-rest", dear_rest},
    {"dear-helps", dear_helps},
};

const size_t sparing_scenario_count = ARRAY_LENGTH(sparing_scenarios);
