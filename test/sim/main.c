/* SPDX-License-Identifier: MIT */
/*
 * sim [--seeds FIRST-LAST | --seed N | --scenario NAME | --compare FIRST-LAST |
 *      --digest FIRST-LAST] [--trace] [--verbose]
 * sim --box-table [NAME] [--by-hand] [--longer] [--trace]
 *
 * Without arguments: the directed scenarios, networks that limit connections, a few
 * comparisons, 2,000 seeds, and a sample of them again, to see that a seed replays to an
 * identical trace. With UNDER_VALGRIND in the environment, a part of them that takes about
 * as long there. Prints TAP.
 *
 * --digest prints no verdicts but a hash for each directed scenario and each seed, of all
 * that both engines say and do: events, bytes and times. A change that is to leave the
 * engine's behaviour as it is leaves these lines as they are, on one machine (the cipher
 * follows the processor).
 *
 * --box-table prints what is reached in networks that limit connections, see limits.h.
 */
#include "compare.h"
#include "directed.h"
#include "limits.h"
#include "tap.h"
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 2000
#define SEEDS_PER_TEST 250
#define SEEDS_UNDER_VALGRIND 60
#define COMPARISONS_UNDER_VALGRIND 2
#define REPLAY_EVERY 40
#define COMPARISONS_DEFAULT 20
#define FAILURES_MOST 50

struct totals {
    uint64_t runs, failures, events, bytes, dials, complete, reset, cancelled, requeued;
    uint64_t virtual_ns;
};

static bool verbose;

static void add(struct totals *totals, const struct sim_report *report)
{
    totals->runs++;
    totals->events += report->events;
    totals->bytes += report->received[SIM_LOCAL] + report->received[SIM_RELAY];
    totals->dials += report->dials;
    totals->complete += report->complete;
    totals->reset += report->reset;
    totals->cancelled += report->cancelled;
    totals->requeued += report->counters.bytes_requeued;
    totals->virtual_ns += report->virtual_ns;
}

static void print_report(const struct sim_report *report)
{
    printf("# trace %016" PRIx64 ", %" PRIu64 " events, %" PRIu64
           " virtual ms, received %" PRIu64 " + %" PRIu64 ", %" PRIu64
           " dials, %zu open at most, %" PRIu64 " requeued, %" PRIu64
           " reinjected, %" PRIu64 " duplicate, %" PRIu64 " resumes\n",
           report->hash, report->events, report->virtual_ns / NS_PER_MS,
           report->received[SIM_LOCAL], report->received[SIM_RELAY], report->dials,
           report->open_most, report->counters.bytes_requeued,
           report->counters.bytes_reinjected, report->counters.bytes_duplicate,
           report->counters.resumes);
}

static void print_scenario(const struct sim_scenario *scenario)
{
    const struct session_config *config = &scenario->config;

    printf("# chunk %u, pool %u/%u/%u, budgets %" PRIu64 " up %" PRIu64
           " down, linger %" PRIu64 " ms, relay %" PRIu64 " ms, %zu ports, %.0f dials/s\n",
           config->chunk_size, config->pool_idle, config->pool_size, config->pool_burst,
           config->budget_up, config->budget_down, config->linger_ns / NS_PER_MS,
           scenario->relay_linger_ns / NS_PER_MS, scenario->port_count,
           config->dials_per_second);
    for (size_t i = 0; i < scenario->path_count; i++) {
        const struct sim_path *path = &scenario->paths[i];
        const struct path_properties *properties = &scenario->properties[i];

        printf("# path %zu: up %" PRIu64 " down %" PRIu64 " kB/s, %" PRIu64
               " ms one way, loss %u and %u, stalls after %" PRIu64 "\n",
               i, path->link[SIM_LOCAL].rate / 1000, path->link[SIM_RELAY].rate / 1000,
               path->link[SIM_LOCAL].delay_ns / NS_PER_MS,
               path->link[SIM_LOCAL].loss_millionths, path->link[SIM_RELAY].loss_millionths,
               path->stall_after_bytes);
        printf("#   %scost %u, modes %u, ceilings %" PRIu64 " and %" PRIu64 " kB/s\n",
               properties->backup ? "backup, " : "", properties->cost, properties->modes,
               properties->rate_up / 1000, properties->rate_down / 1000);
    }
    for (size_t i = 0; i < scenario->fault_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];

        printf("# fault %d at %" PRIu64 " ms for %" PRIu64 " ms\n", fault->kind,
               fault->at_ns / NS_PER_MS, fault->lasts_ns / NS_PER_MS);
    }
}

static bool run_seed(uint64_t seed, bool trace, struct totals *totals)
{
    static struct sim_scenario scenario, again;
    struct sim_report report, second;
    bool good;

    sim_scenario_draw(&scenario, seed);
    if (verbose)
        print_scenario(&scenario);
    good = sim_run(&scenario, trace, &report);
    add(totals, &report);
    if (!good)
        printf("# seed %" PRIu64 ": %s\n#   replay: sim --seed %" PRIu64 " --trace\n", seed,
               report.failure, seed);
    if (verbose)
        print_report(&report);
    if (good && seed % REPLAY_EVERY == 0 && !trace) {
        sim_scenario_draw(&again, seed);
        good = sim_run(&again, false, &second) && second.hash == report.hash;
        if (!good)
            printf("# seed %" PRIu64 " does not replay: %016" PRIx64 " and %016" PRIx64
                   "\n",
                   seed, report.hash, second.hash);
    }
    totals->failures += !good;
    fflush(stdout);
    return good;
}

static void run_seeds(uint64_t first, uint64_t last)
{
    struct totals totals = {0};

    for (uint64_t begin = first; begin <= last; begin += SEEDS_PER_TEST) {
        uint64_t end = MIN(begin + SEEDS_PER_TEST - 1, last);
        uint64_t failures = totals.failures;

        for (uint64_t seed = begin; seed <= end && totals.failures < FAILURES_MOST; seed++)
            run_seed(seed, false, &totals);
        tap_ok(failures == totals.failures, "seeds %" PRIu64 " to %" PRIu64, begin, end);
    }
    printf("# %" PRIu64 " runs, %" PRIu64 " failed: %" PRIu64 " virtual s, %" PRIu64
           " events, %" PRIu64 " kB arrived, %" PRIu64 " connections, %" PRIu64
           " kB requeued; ends complete %" PRIu64 ", reset %" PRIu64 ", cancelled %" PRIu64
           "\n",
           totals.runs, totals.failures, totals.virtual_ns / NS_PER_S, totals.events,
           totals.bytes / 1000, totals.dials, totals.requeued / 1000, totals.complete,
           totals.reset, totals.cancelled);
}

/* Prints the worst, and the mean of what was reached of the sum of the rates. */
static void run_comparisons(uint64_t first, uint64_t last)
{
    uint64_t failures = 0, percent = 0, worst = 0, worst_seed = 0;

    for (uint64_t seed = first; seed <= last; seed++) {
        struct comparison result;
        bool good = compare_paths(seed, &result);
        uint64_t beside = result.all_ns * 100 / MAX(result.best_ns, 1);

        if (beside > worst) {
            worst = beside;
            worst_seed = seed;
        }
        percent += result.sum_ns * 100 / MAX(result.all_ns, 1);
        failures += !good;
        if (!good || verbose)
            printf("# comparison %" PRIu64 ": all paths %" PRIu64
                   " ms, the best alone %" PRIu64 ", the sum of rates %" PRIu64 " %s\n",
                   seed, result.all_ns / NS_PER_MS, result.best_ns / NS_PER_MS,
                   result.sum_ns / NS_PER_MS, result.failure);
    }
    tap_ok(failures == 0,
           "never worse than the best path: %" PRIu64
           "%% of its time at worst (seed %" PRIu64 "), %" PRIu64
           "%% of the sum of rates on average",
           worst, worst_seed, percent / (last - first + 1));
}

static void run_directed(const char *name, bool trace)
{
    for (size_t i = 0; i < directed_count(); i++) {
        char verdict[512] = "";

        if (name != NULL && strcmp(name, directed_name(i)) != 0)
            continue;
        bool good = directed_run(i, trace, verdict, sizeof verdict);

        tap_ok(good, "%s: %s", directed_name(i), verdict);
    }
}

static void run_limits(void)
{
    for (size_t i = 0; i < limits_count(); i++) {
        char verdict[512] = "";
        bool good = limits_check(i, verdict, sizeof verdict);

        tap_ok(good, "%s", verdict);
    }
}

/* The words behind --box-table: the name of a network, and options. */
static int print_limits(char **words)
{
    struct limits_options options = {0};

    for (; *words != NULL; words++)
        if (strcmp(*words, "--by-hand") == 0)
            options.by_hand = true;
        else if (strcmp(*words, "--longer") == 0)
            options.longer = true;
        else if (strcmp(*words, "--trace") == 0)
            options.trace = true;
        else
            options.name = *words;
    return limits_print(&options) ? 0 : 1;
}

static void print_digests(uint64_t first, uint64_t last)
{
    static struct sim_scenario scenario;
    struct sim_report report;
    char verdict[512];

    sim_digest_begin();
    for (size_t i = 0; i < directed_count(); i++) {
        (void)directed_run(i, false, verdict, sizeof verdict);
        printf("%016" PRIx64 " %s\n", sim_digest_take(), directed_name(i));
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        sim_scenario_draw(&scenario, seed);
        (void)sim_run(&scenario, false, &report);
        printf("%016" PRIx64 " seed %" PRIu64 "\n", sim_digest_take(), seed);
    }
}

struct range {
    uint64_t first, last;
};

struct orders {
    struct range seeds, compared; /* none of the latter: `last` is 0 */
    const char *scenario;         /* the only one of the directed ones, or NULL */
    bool random, directed, digest, trace;
};

/* "A-B", or "A" alone. */
static struct range read_range(char *text)
{
    struct range range;

    range.first = strtoull(text, &text, 10);
    range.last = *text == '-' ? strtoull(text + 1, NULL, 10) : range.first;
    return range;
}

/* An option with its value; false when there is no such option. */
static bool read_value(struct orders *orders, const char *option, char *value)
{
    if (strcmp(option, "--seed") == 0 || strcmp(option, "--seeds") == 0) {
        orders->seeds = read_range(value);
        orders->directed = false;
        orders->compared.last = 0;
        verbose |= strcmp(option, "--seed") == 0;
    } else if (strcmp(option, "--compare") == 0) {
        orders->compared = read_range(value);
        orders->random = orders->directed = false;
    } else if (strcmp(option, "--digest") == 0) {
        orders->seeds = read_range(value);
        orders->digest = true;
    } else if (strcmp(option, "--scenario") == 0) {
        orders->scenario = value;
        orders->random = false;
        orders->compared.last = 0;
    } else {
        return false;
    }
    return true;
}

static bool read_orders(struct orders *orders, char **words)
{
    bool valgrind = getenv("UNDER_VALGRIND") != NULL;

    *orders = (struct orders){
        .seeds = {1, valgrind ? SEEDS_UNDER_VALGRIND : SEEDS_DEFAULT},
        .compared = {1, valgrind ? COMPARISONS_UNDER_VALGRIND : COMPARISONS_DEFAULT},
        .random = true,
        .directed = true};
    for (; *words != NULL; words++)
        if (strcmp(*words, "--trace") == 0)
            orders->trace = verbose = true;
        else if (strcmp(*words, "--verbose") == 0)
            verbose = true;
        else if (words[1] != NULL && read_value(orders, words[0], words[1]))
            words++;
        else
            return false;
    return true;
}

int main(int argc, char **argv)
{
    struct orders orders;

    if (argc > 1 && strcmp(argv[1], "--box-table") == 0)
        return print_limits(argv + 2);
    if (!read_orders(&orders, argv + 1)) {
        fprintf(stderr,
                "usage: sim [--seeds A-B | --seed N | --scenario NAME | --compare A-B | "
                "--digest A-B] [--trace] [--verbose]\n"
                "       sim --box-table [NAME] [--by-hand] [--longer] [--trace]\n");
        return 2;
    }
    if (orders.digest) {
        print_digests(orders.seeds.first, orders.seeds.last);
        return 0;
    }
    if (orders.directed)
        run_directed(orders.scenario, orders.trace);
    if (orders.directed && orders.scenario == NULL)
        run_limits();
    if (orders.compared.last > 0)
        run_comparisons(orders.compared.first, orders.compared.last);
    if (orders.random && orders.trace) {
        struct totals totals = {0};

        tap_ok(run_seed(orders.seeds.first, true, &totals), "seed %" PRIu64,
               orders.seeds.first);
    } else if (orders.random) {
        run_seeds(orders.seeds.first, orders.seeds.last);
    }
    return tap_end();
}
