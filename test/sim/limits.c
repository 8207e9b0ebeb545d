/* SPDX-License-Identifier: MIT */
#include "limits.h"

#include "bound.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The pool of a configuration that does not name it. */
#define POOL_SIZE 8
#define POOL_BURST 48
#define PORTS SIM_PORTS_MAX

/* The windows: learning, then until WINDOW_END_S, then LONG_BEGIN_S to LONG_END_S. */
#define LEARNING_S 5
#define WINDOW_END_S 15
#define LONG_BEGIN_S 30
#define LONG_END_S 40

enum bulk { DOWN, UP, BOTH, BULKS };
static const char *const bulk_names[] = {"down", "up", "both"};

struct network {
    const char *name;
    unsigned mbit, round_trip_ms;
    uint64_t budget;     /* set by the user; 0: unlimited */
    unsigned learning_s; /* 0: LEARNING_S */
    unsigned changes_s;  /* the limits change then, and windows begin */
    bool by_port;        /* limits[i] are those of port i; else they follow in time */
    size_t limit_count;
    struct sim_limits limits[PORTS];
};

#define MBIT (1000000 / 8)
#define ONE(...) .limit_count = 1, .limits = {{__VA_ARGS__}}

static const struct network networks[] = {
    {"none", 20, 50, ONE(0)},
    {"freeze-20k", 20, 50, ONE(.cut_bytes = 20000)},
    {"freeze-16k-down", 20, 50, ONE(.counted = SIM_COUNTED_DOWN, .cut_bytes = 16000)},
    {"freeze-16k-up", 20, 50, ONE(.counted = SIM_COUNTED_UP, .cut_bytes = 16000)},
    {"freeze-16k-jitter", 20, 50,
     ONE(.counted = SIM_COUNTED_DOWN, .cut_bytes = 16000, .jitter_percent = 30)},
    {"freeze-100k-jitter", 20, 50, ONE(.cut_bytes = 100000, .jitter_percent = 30)},
    {"freeze-16k-ends-pass", 20, 50, ONE(.cut_bytes = 16000, .frozen_ends_pass = true)},
    {"reset-16k-jitter", 20, 50,
     ONE(.cut_bytes = 16000, .cut_resets = true, .jitter_percent = 30)},
    {"freeze-16k-open-12", 50, 60,
     ONE(.counted = SIM_COUNTED_DOWN, .cut_bytes = 16000, .open_most = 12)},
    {"freeze-16k-open-12-zombies", 50, 60, .learning_s = 15,
     ONE(.counted = SIM_COUNTED_DOWN, .cut_bytes = 16000, .open_most = 12,
         .zombie_ns = 10 * NS_PER_S)},
    {"freeze-20k-open-4", 20, 50, ONE(.cut_bytes = 20000, .open_most = 4)},
    {"open-4-budget-20000", 20, 50, .budget = 20000, ONE(.open_most = 4)},
    {"open-4", 20, 50, ONE(.open_most = 4)},
    {"syns-10-budget-64k", 20, 50, .budget = 65536, ONE(.syns_per_second = 10)},
    {"syns-10-freeze-64k", 20, 50, ONE(.cut_bytes = 64000, .syns_per_second = 10)},
    {"syns-10-refused", 20, 50,
     ONE(.cut_bytes = 64000, .syns_per_second = 10, .syns_refused = true)},
    {"police-1m", 20, 50, ONE(.police_rate = MBIT)},
    {"police-1m-open-12", 20, 50, ONE(.police_rate = MBIT, .open_most = 12)},
    {"slow-300k", 20, 50, ONE(.slow_bytes = 300000, .slow_rate = 12000)},
    {"age-5s-freeze", 20, 50, ONE(.age_ns = 5 * NS_PER_S)},
    {"age-5s-reset", 20, 50, ONE(.age_ns = 5 * NS_PER_S, .age_resets = true)},
    {"64k-then-12k", 20, 50, .changes_s = 20, .limit_count = 2,
     .limits = {{.cut_bytes = 64000}, {.begins_at_ns = 20 * NS_PER_S, .cut_bytes = 12000}}},
    {"12k-then-none", 20, 50, .changes_s = 20, .limit_count = 2,
     .limits = {{.cut_bytes = 12000}, {.begins_at_ns = 20 * NS_PER_S}}},
    {"ports", 20, 50, .by_port = true, .limit_count = 4,
     .limits = {{.cut_bytes = 20000},
                {.cut_bytes = 200000},
                {.blocked = true},
                {.police_rate = MBIT}}},
};

/* A network must give so much: percent of the bound, and the longest pause, each while
 * learning and afterwards. Of BOTH the worse bulk must. A pause of 0 is not judged. */
struct expectation {
    const char *name;
    enum bulk bulk;
    unsigned learning_percent, percent;
    unsigned learning_pause_ms, pause_ms;
};

static const struct expectation expectations[] = {
    {"none", DOWN, 90, 95, 500, 500},
    {"none", UP, 90, 95, 500, 500},
    {"open-4", DOWN, 90, 95, 500, 500},
    {"freeze-20k", DOWN, 50, 85, 1000, 800},
    {"freeze-20k", UP, 25, 60, 1500, 1200},
    {"freeze-20k", BOTH, 30, 75, 2500, 700},
    {"freeze-16k-down", DOWN, 60, 85, 900, 800},
    {"freeze-16k-jitter", DOWN, 25, 85, 1000, 600},
    {"freeze-16k-ends-pass", DOWN, 55, 90, 800, 700},
    {"freeze-16k-open-12-zombies", DOWN, 20, 55, 800, 300},
    {"open-4-budget-20000", DOWN, 75, 80, 500, 300},
    {"syns-10-budget-64k", UP, 90, 90, 500, 500},
};

/* ---- one run ---- */

/* Configurations that are tried by hand. */
#define ATTEMPTS 3

struct measured {
    struct sim_bound bound;
    unsigned learning_percent, percent, long_percent;
    unsigned learning_pause_ms, pause_ms;
};

static struct sim_bound bound_of(const struct network *network, struct sim_bulk bulk)
{
    struct sim_path path =
        sim_path_make(network->mbit * UINT64_C(1000000), network->round_trip_ms, 100);
    uint64_t budget = network->budget > 0 ? network->budget : UINT64_MAX;
    struct sim_bound best = {0};

    for (size_t i = 0; i < network->limit_count; i++) {
        struct sim_bound bound = sim_bound_of(&path, &network->limits[i], budget, bulk);

        /* Of ports the best, of what follows in time the last. */
        if (!network->by_port || bound.rate > best.rate)
            best = bound;
    }
    return best;
}

/* Settings that a user who knows the limits might try, by `attempt`: a budget somewhat
 * below the bound's, since retransmissions count too; or budgets where none is needed,
 * since the pool has more subflows with them. */
static void set_by_hand(struct sim_scenario *scenario, const struct network *network,
                        enum bulk bulk, unsigned attempt)
{
    static const unsigned percent[ATTEMPTS] = {97, 75, 50};
    static const uint64_t budgets[ATTEMPTS] = {SESSION_UNLIMITED, 1024 * 1024, 65536};
    enum sim_side from = bulk == DOWN ? SIM_RELAY : SIM_LOCAL;
    struct sim_bound bound = bound_of(network, (struct sim_bulk){from, bulk == BOTH});
    struct session_config *config = &scenario->config;

    config->budget_up = config->budget_down = bound.budget < UINT64_MAX
                                                  ? bound.budget * percent[attempt] / 100
                                                  : budgets[attempt];
    config->pool_size = config->pool_burst = bound.slots;
    config->pool_idle = 1;
    config->dials_per_second = network->limits[0].syns_per_second;
}

static void make(struct sim_scenario *scenario, const struct network *network,
                 enum bulk bulk, const struct limits_options *options, unsigned attempt)
{
    uint64_t total = UINT64_C(1) << 40;
    struct sim_box *box = NULL;

    sim_scenario_init(scenario, network->name, options->seed);
    scenario->paths[0] =
        sim_path_make(network->mbit * UINT64_C(1000000), network->round_trip_ms, 100);
    scenario->config.pool_size = POOL_SIZE;
    scenario->config.pool_burst = POOL_BURST;
    scenario->config.budget_up = scenario->config.budget_down =
        network->budget > 0 ? network->budget : SESSION_UNLIMITED;
    if (network->by_port)
        scenario->port_count = network->limit_count;
    for (size_t i = 0; i < network->limit_count; i++)
        if (network->by_port)
            sim_scenario_box(scenario, 0, UINT32_C(1) << i, network->limits[i]);
        else if (box == NULL)
            box = sim_scenario_box(scenario, 0, SIM_ALL_PORTS, network->limits[i]);
        else
            box->limits[box->limit_count++] = network->limits[i];
    if (options->by_hand)
        set_by_hand(scenario, network, bulk, attempt);
    sim_scenario_stream(scenario, bulk == DOWN ? 0 : total, bulk == UP ? 0 : total);
    scenario->may_be_unreachable = true;
    scenario->stop_ns =
        (network->changes_s + (options->longer ? LONG_END_S : WINDOW_END_S)) * NS_PER_S;
    if (network->learning_s >= WINDOW_END_S)
        scenario->stop_ns += WINDOW_END_S * NS_PER_S;
}

static unsigned percent_of(const struct sim_meter *meter, const struct sim_bound *bound,
                           unsigned from_s, unsigned to_s)
{
    uint64_t rate = sim_meter_rate(meter, from_s * NS_PER_S, to_s * NS_PER_S);

    return (unsigned)((double)rate * 100 / bound->rate + 0.5);
}

static void measure(struct measured *measured, const struct network *network,
                    enum bulk bulk, enum sim_side from, const struct sim_report *report)
{
    const struct sim_meter *meter = &report->meters[sim_peer(from)];
    unsigned begin = network->changes_s;
    unsigned learned = begin + (network->learning_s > 0 ? network->learning_s : LEARNING_S);
    unsigned end = MAX(begin + WINDOW_END_S, learned + WINDOW_END_S - LEARNING_S);

    measured->bound = bound_of(network, (struct sim_bulk){from, bulk == BOTH});
    measured->learning_percent = percent_of(meter, &measured->bound, begin, learned);
    measured->percent = percent_of(meter, &measured->bound, learned, end);
    measured->long_percent =
        percent_of(meter, &measured->bound, begin + LONG_BEGIN_S, begin + LONG_END_S);
    measured->learning_pause_ms =
        (unsigned)(sim_meter_pause_ns(meter, begin * NS_PER_S, learned * NS_PER_S) /
                   NS_PER_MS);
    measured->pause_ms =
        (unsigned)(sim_meter_pause_ns(meter, learned * NS_PER_S, end * NS_PER_S) /
                   NS_PER_MS);
}

/* The bytes that arrived at both sides after the last change of the limits. */
static uint64_t arrived(const struct network *network, const struct sim_report *report)
{
    uint64_t begin_ns = network->changes_s * NS_PER_S;
    uint64_t end_ns = begin_ns + LONG_END_S * NS_PER_S;

    return sim_meter_rate(&report->meters[SIM_LOCAL], begin_ns, end_ns) +
           sim_meter_rate(&report->meters[SIM_RELAY], begin_ns, end_ns);
}

/* By hand the best attempt counts. */
static bool run(const struct network *network, enum bulk bulk,
                const struct limits_options *options, struct sim_report *report)
{
    static struct sim_scenario scenario;
    static struct sim_report other;
    unsigned attempts = options->by_hand ? ATTEMPTS : 1;

    for (unsigned attempt = 0; attempt < attempts; attempt++) {
        make(&scenario, network, bulk, options, attempt);
        if (!sim_run(&scenario, options->trace, &other)) {
            *report = other;
            return false;
        }
        if (attempt == 0 || arrived(network, &other) > arrived(network, report))
            *report = other;
    }
    return true;
}

static bool has_bulk(enum bulk bulk, enum sim_side from)
{
    return bulk == BOTH || (bulk == UP) == (from == SIM_LOCAL);
}

/* ---- the table ---- */

static uint64_t deaths(const struct sim_report *report)
{
    uint64_t count = 0;

    for (size_t i = 0; i < SIM_BOXES_MAX; i++)
        count += report->boxes[i].frozen + report->boxes[i].reset;
    return count;
}

static uint64_t syns_dropped(const struct sim_report *report)
{
    uint64_t count = 0;

    for (size_t i = 0; i < SIM_BOXES_MAX; i++)
        count += report->boxes[i].syns_dropped;
    return count;
}

static void print_line(const struct network *network, enum bulk bulk, enum sim_side from,
                       const struct limits_options *options,
                       const struct sim_report *report)
{
    struct measured measured;
    char last[16] = "";

    measure(&measured, network, bulk, from, report);
    if (options->longer)
        snprintf(last, sizeof last, " %5.2f", measured.long_percent / 100.0);
    printf("%-26s %-4s %-4s %6.2f %5.2f %5.2f%s %6u %6u %6" PRIu64 " %6" PRIu64 " %6" PRIu64
           " %6" PRIu64 "\n",
           network->name, bulk_names[bulk], from == SIM_LOCAL ? "up" : "down",
           measured.bound.rate * 8 / 1e6, measured.learning_percent / 100.0,
           measured.percent / 100.0, last, measured.learning_pause_ms, measured.pause_ms,
           report->dials, syns_dropped(report), deaths(report),
           report->counters.subflows_failed);
    fflush(stdout);
}

bool limits_print(const struct limits_options *options)
{
    static struct sim_report report;
    bool good = true, found = false;

    printf("%-26s %-9s %6s %5s %5s%s %6s %6s %6s %6s %6s %6s\n", "network", "bulk, of",
           "bound", "0-5", "5-15", options->longer ? " 30-40" : "", "pause", "later",
           "dials", "nosyn", "cut", "failed");
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++) {
        const struct network *network = &networks[i];

        if (options->name != NULL && strcmp(options->name, network->name) != 0)
            continue;
        found = true;
        for (int bulk = DOWN; bulk < BULKS; bulk++) {
            if (!run(network, (enum bulk)bulk, options, &report)) {
                printf("%s %s: %s\n", network->name, bulk_names[bulk], report.failure);
                good = false;
                continue;
            }
            for (int from = SIM_RELAY; from >= SIM_LOCAL; from--)
                if (has_bulk((enum bulk)bulk, (enum sim_side)from))
                    print_line(network, (enum bulk)bulk, (enum sim_side)from, options,
                               &report);
        }
    }
    return good && found;
}

/* ---- floors and ceilings ---- */

static const struct network *network_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++)
        if (strcmp(networks[i].name, name) == 0)
            return &networks[i];
    abort();
}

static bool keeps(const struct expectation *expected, const struct measured *measured)
{
    return measured->learning_percent >= expected->learning_percent &&
           measured->percent >= expected->percent &&
           (expected->learning_pause_ms == 0 ||
            measured->learning_pause_ms <= expected->learning_pause_ms) &&
           (expected->pause_ms == 0 || measured->pause_ms <= expected->pause_ms);
}

bool limits_check(size_t index, char *verdict, size_t size)
{
    const struct expectation *expected = &expectations[index];
    const struct network *network = network_named(expected->name);
    static struct sim_report report;
    bool good = run(network, expected->bulk, &(struct limits_options){.seed = LIMITS_SEED},
                    &report);
    size_t used = (size_t)snprintf(verdict, size, "%s, %s: %s", network->name,
                                   bulk_names[expected->bulk], report.failure);

    for (int from = SIM_RELAY; from >= SIM_LOCAL; from--) {
        struct measured measured;

        if (!has_bulk(expected->bulk, (enum sim_side)from))
            continue;
        measure(&measured, network, expected->bulk, (enum sim_side)from, &report);
        used += (size_t)snprintf(verdict + used, size - used,
                                 "%s%u and %u %% (at least %u and %u), pauses %u and %u ms "
                                 "(at most %u and %u)",
                                 from == SIM_LOCAL && expected->bulk == BOTH ? "; " : "",
                                 measured.learning_percent, measured.percent,
                                 expected->learning_percent, expected->percent,
                                 measured.learning_pause_ms, measured.pause_ms,
                                 expected->learning_pause_ms, expected->pause_ms);
        good = keeps(expected, &measured) && good;
    }
    return good;
}

size_t limits_count(void)
{
    return ARRAY_LENGTH(expectations);
}
