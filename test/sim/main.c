/* SPDX-License-Identifier: MIT */
/*
 * sim [--seeds FIRST-LAST | --seed N | --limits FIRST-LAST | --scenario NAME |
 *      --flows FIRST-LAST | --compare FIRST-LAST | --digest FIRST-LAST]
 *     [--trace] [--verbose]
 * sim --box-table [NAME] [--seed N] [--by-hand] [--longer] [--trace]
 *
 * Without arguments: the directed scenarios, networks that limit connections, a few
 * comparisons, 2,000 seeds, 100 with random limits and 100 with flows, and a sample of them
 * again, to see that a seed replays to an identical trace. A build with sanitizers, and a
 * run with UNDER_VALGRIND in the environment, takes a part of them that takes about as
 * long: the results do not depend on the build, and what a sanitizer looks for needs few of
 * them. Prints TAP.
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

#define SEEDS_PER_TEST 250
#define REPLAY_EVERY 40
#define FAILURES_MOST 50

/* How much is run when nothing is asked for. */
struct amount {
    uint64_t seeds, limits, flows, comparisons;
    size_t networks; /* of those that limit connections */
    bool directed;   /* the directed scenarios */
};

#if defined(__SANITIZE_THREAD__)
#define SANITIZES_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZES_THREADS 1
#endif
#endif
#ifndef SANITIZES_THREADS
#define SANITIZES_THREADS 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZES_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZES_MEMORY 1
#endif
#endif
#ifndef SANITIZES_MEMORY
#define SANITIZES_MEMORY 0
#endif

/* The simulator has one thread: where threads are watched a sample will do. */
static struct amount amount(void)
{
    if (SANITIZES_THREADS)
        return (struct amount){
            .seeds = 60, .limits = 5, .flows = 5, .comparisons = 2, .networks = 1};
    if (getenv("UNDER_VALGRIND") != NULL)
        return (struct amount){.seeds = 60,
                               .limits = 5,
                               .flows = 5,
                               .comparisons = 2,
                               .networks = 1,
                               .directed = true};
    if (SANITIZES_MEMORY)
        return (struct amount){.seeds = 500,
                               .limits = 25,
                               .flows = 25,
                               .comparisons = 5,
                               .networks = 4,
                               .directed = true};
    return (struct amount){.seeds = 2000,
                           .limits = 100,
                           .flows = 100,
                           .comparisons = 20,
                           .networks = limits_count(),
                           .directed = true};
}

struct totals {
    uint64_t runs, failures, events, bytes, dials, complete, reset, cancelled, requeued;
    uint64_t virtual_ns;
    uint64_t slowest_percent, slowest_seed; /* see note_slowness() */
};

struct range {
    uint64_t first, last; /* none: `last` is 0 */
};

/* Seeds of networks that limit connections, or of others. */
struct seeds {
    struct range range;
    const char *option;
    void (*draw)(struct sim_scenario *scenario, uint64_t seed);
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

static void print_box(const struct sim_box *box)
{
    static const char *const counted[] = {"both ways", "up", "down"};

    for (size_t i = 0; i < box->limit_count; i++) {
        const struct sim_limits *limits = &box->limits[i];

        printf("# box on path %zu, ports %" PRIx32 ", from %" PRIu64 " ms:%s", box->path,
               box->ports, limits->begins_at_ns / NS_PER_MS,
               limits->blocked ? " blocked" : "");
        if (limits->cut_bytes > 0)
            printf(" %s after %" PRIu64 " bytes %s,",
                   limits->cut_resets ? "reset" : "frozen", limits->cut_bytes,
                   counted[limits->counted]);
        if (limits->age_ns > 0)
            printf(" %s after %" PRIu64 " ms,", limits->age_resets ? "reset" : "frozen",
                   limits->age_ns / NS_PER_MS);
        if (limits->police_rate > 0)
            printf(" %" PRIu64 " B/s,", limits->police_rate);
        if (limits->slow_bytes > 0)
            printf(" after %" PRIu64 " bytes %" PRIu64 " B/s,", limits->slow_bytes,
                   limits->slow_rate);
        if (limits->open_most > 0)
            printf(" at most %u open,", limits->open_most);
        if (limits->syns_per_second > 0)
            printf(" %u SYNs/s%s,", limits->syns_per_second,
                   limits->syns_refused ? ", others refused" : "");
        printf(" jitter %u %%, dead entries for %" PRIu64 " ms%s\n", limits->jitter_percent,
               limits->zombie_ns / NS_PER_MS,
               limits->frozen_ends_pass ? ", ends pass" : "");
    }
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
    for (size_t i = 0; i < scenario->box_count; i++)
        print_box(&scenario->boxes[i]);
    for (size_t i = 0; i < scenario->fault_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];

        printf("# fault %d at %" PRIu64 " ms for %" PRIu64 " ms\n", fault->kind,
               fault->at_ns / NS_PER_MS, fault->lasts_for_ns / NS_PER_MS);
    }
}

/* The least time that a run takes: what the limits allow, and what its streams wait for. */
static uint64_t least_ns(const struct sim_scenario *scenario)
{
    uint64_t waits_ns = NS_PER_S;

    for (size_t i = 0; i < scenario->plan_count; i++) {
        const struct sim_plan *plan = &scenario->plans[i];

        waits_ns = MAX(waits_ns,
                       plan->start_at_ns + plan->destination_ns + plan->give_up_after_ns);
    }
    return waits_ns + scenario->bound_ns;
}

static void note_slowness(struct totals *totals, const struct sim_scenario *scenario,
                          const struct sim_report *report)
{
    uint64_t percent = report->virtual_ns / (least_ns(scenario) / 100);

    if (scenario->bound_ns == 0 || scenario->fault_count > 0 ||
        percent < totals->slowest_percent)
        return;
    totals->slowest_percent = percent;
    totals->slowest_seed = scenario->seed;
}

static bool run_seed(const struct seeds *seeds, uint64_t seed, bool trace,
                     struct totals *totals)
{
    static struct sim_scenario scenario, again;
    static struct sim_report report, second;
    bool good;

    seeds->draw(&scenario, seed);
    if (verbose)
        print_scenario(&scenario);
    good = sim_run(&scenario, trace, &report);
    add(totals, &report);
    note_slowness(totals, &scenario, &report);
    if (!good)
        printf("# seed %" PRIu64 ": %s\n#   replay: sim %s %" PRIu64 " --trace\n", seed,
               report.failure, seeds->option, seed);
    if (verbose)
        print_report(&report);
    if (good && seed % REPLAY_EVERY == 0 && !trace) {
        seeds->draw(&again, seed);
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

static void print_totals(const struct totals *totals)
{
    printf("# %" PRIu64 " runs, %" PRIu64 " failed: %" PRIu64 " virtual s, %" PRIu64
           " events, %" PRIu64 " kB arrived, %" PRIu64 " connections, %" PRIu64
           " kB requeued; ends complete %" PRIu64 ", reset %" PRIu64 ", cancelled %" PRIu64
           "\n",
           totals->runs, totals->failures, totals->virtual_ns / NS_PER_S, totals->events,
           totals->bytes / 1000, totals->dials, totals->requeued / 1000, totals->complete,
           totals->reset, totals->cancelled);
    if (totals->slowest_percent > 0)
        printf("# the slowest without faults took %" PRIu64
               " %% of the least time that its limits allow (seed %" PRIu64 ")\n",
               totals->slowest_percent, totals->slowest_seed);
}

static void run_seeds(const struct seeds *seeds, bool trace)
{
    struct totals totals = {0};

    for (uint64_t begin = seeds->range.first; begin <= seeds->range.last;
         begin += SEEDS_PER_TEST) {
        uint64_t end = MIN(begin + SEEDS_PER_TEST - 1, seeds->range.last);
        uint64_t failures = totals.failures;

        for (uint64_t seed = begin; seed <= end && totals.failures < FAILURES_MOST; seed++)
            run_seed(seeds, seed, trace, &totals);
        tap_ok(failures == totals.failures, "%s %" PRIu64 " to %" PRIu64, seeds->option + 2,
               begin, end);
    }
    print_totals(&totals);
}

static int compare_shares(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

    return (first > second) - (first < second);
}

/* Prints the median and the worst tenth of what was reached of the sum of the rates; and
 * the run that was worst beside its best path. */
static void run_comparisons(uint64_t first, uint64_t last)
{
    uint64_t failures = 0, worst = 0, worst_seed = 0;
    size_t count = (size_t)(last - first + 1);
    uint32_t *per_mille = calloc(count, sizeof *per_mille);

    if (per_mille == NULL)
        abort();
    for (uint64_t seed = first; seed <= last; seed++) {
        struct comparison result;
        bool good = compare_paths(seed, &result);
        uint64_t beside = result.all_ns * 100 / MAX(result.best_ns, 1);

        if (beside > worst) {
            worst = beside;
            worst_seed = seed;
        }
        per_mille[seed - first] = (uint32_t)(result.sum_ns * 1000 / MAX(result.all_ns, 1));
        failures += !good;
        if (!good || verbose)
            printf("# comparison %" PRIu64 ": all paths %" PRIu64
                   " ms, the best alone %" PRIu64 ", the sum of rates %" PRIu64 " %s\n",
                   seed, result.all_ns / NS_PER_MS, result.best_ns / NS_PER_MS,
                   result.sum_ns / NS_PER_MS, result.failure);
    }
    qsort(per_mille, count, sizeof *per_mille, compare_shares);
    tap_ok(failures == 0,
           "never worse than the best path: %" PRIu64
           "%% of its time at worst (seed %" PRIu64
           "); of the sum of rates 0.%03u in the median, 0.%03u in the worst tenth",
           worst, worst_seed, per_mille[count / 2], per_mille[count / 10]);
    free(per_mille);
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
    for (size_t i = 0; i < amount().networks; i++) {
        char verdict[512] = "";
        bool good = limits_check(i, verdict, sizeof verdict);

        tap_ok(good, "%s", verdict);
    }
}

/* The words behind --box-table: the name of a network, and options. */
static int print_limits(char **words)
{
    struct limits_options options = {.seed = LIMITS_SEED};

    for (; *words != NULL; words++)
        if (strcmp(*words, "--by-hand") == 0)
            options.by_hand = true;
        else if (strcmp(*words, "--longer") == 0)
            options.longer = true;
        else if (strcmp(*words, "--trace") == 0)
            options.trace = true;
        else if (strcmp(*words, "--seed") == 0 && words[1] != NULL)
            options.seed = strtoull(*++words, NULL, 10);
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

struct orders {
    struct seeds seeds, limits, flows;
    struct range compared;
    const char *scenario; /* the only one of the directed ones, or NULL */
    bool all;             /* nothing was asked for: everything */
    bool digest, trace;
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
    orders->all = false;
    if (strcmp(option, "--seed") == 0 || strcmp(option, "--seeds") == 0) {
        orders->seeds.range = read_range(value);
        verbose |= strcmp(option, "--seed") == 0;
    } else if (strcmp(option, "--limits") == 0) {
        orders->limits.range = read_range(value);
    } else if (strcmp(option, "--flows") == 0) {
        orders->flows.range = read_range(value);
    } else if (strcmp(option, "--compare") == 0) {
        orders->compared = read_range(value);
    } else if (strcmp(option, "--digest") == 0) {
        orders->seeds.range = read_range(value);
        orders->digest = true;
    } else if (strcmp(option, "--scenario") == 0) {
        orders->scenario = value;
    } else {
        return false;
    }
    return true;
}

static void order_all(struct orders *orders)
{
    orders->seeds.range = (struct range){1, amount().seeds};
    orders->limits.range = (struct range){1, amount().limits};
    orders->flows.range = (struct range){1, amount().flows};
    orders->compared = (struct range){1, amount().comparisons};
}

static bool read_orders(struct orders *orders, char **words)
{
    *orders =
        (struct orders){.seeds = {.option = "--seeds", .draw = sim_scenario_draw},
                        .limits = {.option = "--limits", .draw = sim_scenario_draw_limits},
                        .flows = {.option = "--flows", .draw = sim_scenario_draw_flows},
                        .all = true};
    for (; *words != NULL; words++)
        if (strcmp(*words, "--trace") == 0)
            orders->trace = verbose = true;
        else if (strcmp(*words, "--verbose") == 0)
            verbose = true;
        else if (words[1] != NULL && read_value(orders, words[0], words[1]))
            words++;
        else
            return false;
    if (orders->all)
        order_all(orders);
    return true;
}

int main(int argc, char **argv)
{
    struct orders orders;

    if (argc > 1 && strcmp(argv[1], "--box-table") == 0)
        return print_limits(argv + 2);
    if (!read_orders(&orders, argv + 1)) {
        fprintf(stderr,
                "usage: sim [--seeds A-B | --seed N | --limits A-B | --flows A-B | "
                "--scenario NAME | --compare A-B | --digest A-B] [--trace] [--verbose]\n"
                "       sim --box-table [NAME] [--seed N] [--by-hand] [--longer] "
                "[--trace]\n");
        return 2;
    }
    if (orders.digest) {
        print_digests(orders.seeds.range.first, orders.seeds.range.last);
        return 0;
    }
    if ((orders.all && amount().directed) || orders.scenario != NULL)
        run_directed(orders.scenario, orders.trace);
    if (orders.all)
        run_limits();
    if (orders.compared.last > 0)
        run_comparisons(orders.compared.first, orders.compared.last);
    if (orders.seeds.range.last > 0)
        run_seeds(&orders.seeds, orders.trace);
    if (orders.limits.range.last > 0)
        run_seeds(&orders.limits, orders.trace);
    if (orders.flows.range.last > 0)
        run_seeds(&orders.flows, orders.trace);
    return tap_end();
}
