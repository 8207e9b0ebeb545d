/* SPDX-License-Identifier: MIT */
/*
 * Profile, slots and dial_limit in networks that limit connections: how soon nine
 * tenths of the optimum are reached, what share of it after 20 s, and the longest pause.
 * The optimum is the best of a sweep of fixed budgets and numbers of connections over the
 * same model. Times are virtual, and the seeds fixed; the median of the seeds counts.
 */
#include "unit.h"

#include "limits_model.h"

#include <math.h>
#include <stdlib.h>

#define SEEDS 3
#define DURATION 60
#define MBIT (1e6 / 8)
/* Found, corrected a few times while it is learned, lifted; over a minute. */
#define NEWS_MAX 8

struct row {
    struct model_network network;
    double optimum;   /* bytes a second */
    double reached_s; /* at most: until nine tenths of the optimum */
    double share;     /* at least: of the optimum, from 20 s on */
    double pause_s;   /* at most */
    double exploring; /* at most: share of the connections' time */
};

static double goodput(const struct model_result *result, double from, double to)
{
    double bytes = 0;

    for (unsigned i = (unsigned)(from * 4); i < (unsigned)(to * 4); i++)
        bytes += result->bin[i];
    return bytes / (to - from);
}

/* When two seconds on end have nine tenths of the optimum. */
static double reached(const struct model_result *result,
                      const struct model_network *network, double optimum)
{
    for (double t = network->change; t + 2 <= network->duration; t += .25)
        if (goodput(result, t, t + 2) >= .9 * optimum)
            return t - network->change;
    return INFINITY;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double values[SEEDS])
{
    qsort(values, SEEDS, sizeof(values[0]), compare);
    return values[SEEDS / 2];
}

static void check(const struct row *row)
{
    double reached_s[SEEDS], share[SEEDS], pause_s[SEEDS], exploring[SEEDS];
    struct model_network network = row->network;

    network.duration = DURATION;
    for (unsigned i = 0; i < SEEDS; i++) {
        static struct model_result result;

        model_run(&network, i + 1, &result);
        reached_s[i] = reached(&result, &network, row->optimum);
        share[i] = goodput(&result, network.change + 20, DURATION) / row->optimum;
        pause_s[i] = result.pause;
        exploring[i] = result.exploring;
        assert_true(result.news <= NEWS_MAX);
    }
    print_message("# %.2f s to 0.9, then %.2f, pause %.2f s, exploring %.3f\n",
                  median(reached_s), median(share), median(pause_s), median(exploring));
    assert_true(median(reached_s) <= row->reached_s);
    assert_true(median(share) >= row->share);
    assert_true(median(pause_s) <= row->pause_s);
    assert_true(median(exploring) <= row->exploring);
}

static void test_no_limit(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.rate = 20 * MBIT, .round_trip = .05},
        .optimum = 2506363,
        .reached_s = 1,
        .share = 0.97,
        .pause_s = 0.2,
        .exploring = 0.01,
    });
}

static void test_frozen_at_16k(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3}, .rate = 20 * MBIT, .round_trip = .05},
        .optimum = 2500000,
        .reached_s = 1,
        .share = 0.97,
        .pause_s = 0.2,
        .exploring = 0.01,
    });
}

static void test_frozen_around_16k(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .jitter = .3},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 2500000,
        .reached_s = 1.5,
        .share = 0.97,
        .pause_s = 0.3,
        .exploring = 0.01,
    });
}

static void test_reset_around_16k(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.reset = 16e3, .jitter = .3},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 2500000,
        .reached_s = 1.5,
        .share = 0.97,
        .pause_s = 0.2,
        .exploring = 0.01,
    });
}

static void test_frozen_around_100k(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 1e5, .jitter = .3},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 2491373,
        .reached_s = 2,
        .share = 0.95,
        .pause_s = 0.3,
        .exploring = 0.02,
    });
}

static void test_frozen_at_16k_with_12_open(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .open_max = 12},
                    .rate = 50 * MBIT,
                    .round_trip = .06},
        .optimum = 1416960,
        .reached_s = 5,
        .share = 0.97,
        .pause_s = 0.3,
        .exploring = 0.02,
    });
}

/* The box keeps the entries of frozen connections for 10 s. */
static void test_frozen_at_16k_with_12_open_and_dead_entries(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .open_max = 12, .zombie = 10},
                    .rate = 50 * MBIT,
                    .round_trip = .06},
        .optimum = 1416960,
        .reached_s = 15,
        .share = 0.9,
        .pause_s = 0.3,
        .exploring = 0.02,
    });
}

static void test_frozen_at_20k_with_4_open(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 20e3, .open_max = 4},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 532000,
        .reached_s = 5,
        .share = 0.95,
        .pause_s = 0.5,
        .exploring = 0.02,
    });
}

static void test_frozen_at_16k_with_2_open_and_dead_entries(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .open_max = 2, .zombie = 10},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 273600,
        .reached_s = 15,
        .share = 0.95,
        .pause_s = 0.5,
        .exploring = 0.02,
    });
}

static void test_frozen_at_16k_with_2_open(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .open_max = 2},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 273600,
        .reached_s = 2,
        .share = 0.95,
        .pause_s = 0.5,
        .exploring = 0.02,
    });
}

/* Nothing else can carry data while the only one is frozen. */
static void test_frozen_at_16k_with_1_open(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .open_max = 1},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 136800,
        .reached_s = 5,
        .share = 0.95,
        .pause_s = 0.9,
        .exploring = 0.02,
    });
}

static void test_frozen_at_64k_with_10_syns(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 64e3, .syns_max = 10},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 627200,
        .reached_s = 1,
        .share = 0.93,
        .pause_s = 0.3,
        .exploring = 0.03,
    });
}

static void test_policed_to_1M(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.police = MBIT}, .rate = 20 * MBIT, .round_trip = .05},
        .optimum = 2499375,
        .reached_s = 2,
        .share = 0.97,
        .pause_s = 0.3,
        .exploring = 0.02,
    });
}

static void test_policed_to_1M_with_12_open(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.police = MBIT, .open_max = 12},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 1498125,
        .reached_s = 2,
        .share = 0.97,
        .pause_s = 0.3,
        .exploring = 0.02,
    });
}

static void test_slow_after_300k(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.slow_from = 3e5, .slow_rate = .096 * MBIT},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 2500136,
        .reached_s = 2,
        .share = 0.9,
        .pause_s = 0.3,
        .exploring = 0.03,
    });
}

static void test_cut_after_5s(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.age = 5, .jitter = .1}, .rate = 20 * MBIT, .round_trip = .05},
        .optimum = 2501356,
        .reached_s = 1,
        .share = 0.95,
        .pause_s = 0.3,
        .exploring = 0.07,
    });
}

static void test_loss(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.loss = .01}, .rate = 20 * MBIT, .round_trip = .05},
        .optimum = 2498880,
        .reached_s = 2,
        .share = 0.97,
        .pause_s = 0.3,
        .exploring = 0.01,
    });
}

static void test_frozen_at_16k_with_loss(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .loss = .01},
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 2500000,
        .reached_s = 1.5,
        .share = 0.97,
        .pause_s = 0.3,
        .exploring = 0.01,
    });
}

static void test_frozen_sooner(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 64e3},
                    .later = {.freeze = 12e3},
                    .change = 20,
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 2499600,
        .reached_s = 1.5,
        .share = 0.97,
        .pause_s = 0.5,
        .exploring = 0.01,
    });
}

static void test_frozen_sooner_with_4_open(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 64e3, .open_max = 4},
                    .later = {.freeze = 12e3, .open_max = 4},
                    .change = 20,
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 456000,
        .reached_s = 2,
        .share = 0.93,
        .pause_s = 0.6,
        .exploring = 0.02,
    });
}

static void test_lifted(void **state)
{
    (void)state;
    check(&(struct row){
        .network =
            {.box = {.freeze = 12e3}, .change = 20, .rate = 20 * MBIT, .round_trip = .05},
        .optimum = 2506363,
        .reached_s = 1,
        .share = 0.97,
        .pause_s = 0.2,
        .exploring = 0.01,
    });
}

static void test_lifted_with_4_open(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 12e3, .open_max = 4},
                    .later = {.open_max = 4},
                    .change = 20,
                    .rate = 20 * MBIT,
                    .round_trip = .05},
        .optimum = 2492732,
        .reached_s = 15,
        .share = 0.97,
        .pause_s = 0.3,
        .exploring = 0.02,
    });
}

static void test_frozen_around_16k_far_away(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .jitter = .3, .open_max = 12},
                    .rate = 20 * MBIT,
                    .round_trip = .2},
        .optimum = 336000,
        .reached_s = 7,
        .share = 0.93,
        .pause_s = 0.6,
        .exploring = 0.02,
    });
}

static void test_frozen_at_16k_with_20_syns(void **state)
{
    (void)state;
    check(&(struct row){
        .network = {.box = {.freeze = 16e3, .syns_max = 20, .open_max = 12},
                    .rate = 20 * MBIT,
                    .round_trip = .06},
        .optimum = 313600,
        .reached_s = 1,
        .share = 0.87,
        .pause_s = 0.4,
        .exploring = 0.02,
    });
}

UNIT_MAIN(cmocka_unit_test(test_no_limit), cmocka_unit_test(test_frozen_at_16k),
          cmocka_unit_test(test_frozen_around_16k), cmocka_unit_test(test_reset_around_16k),
          cmocka_unit_test(test_frozen_around_100k),
          cmocka_unit_test(test_frozen_at_16k_with_12_open),
          cmocka_unit_test(test_frozen_at_16k_with_12_open_and_dead_entries),
          cmocka_unit_test(test_frozen_at_20k_with_4_open),
          cmocka_unit_test(test_frozen_at_16k_with_2_open_and_dead_entries),
          cmocka_unit_test(test_frozen_at_16k_with_2_open),
          cmocka_unit_test(test_frozen_at_16k_with_1_open),
          cmocka_unit_test(test_frozen_at_64k_with_10_syns),
          cmocka_unit_test(test_policed_to_1M),
          cmocka_unit_test(test_policed_to_1M_with_12_open),
          cmocka_unit_test(test_slow_after_300k), cmocka_unit_test(test_cut_after_5s),
          cmocka_unit_test(test_loss), cmocka_unit_test(test_frozen_at_16k_with_loss),
          cmocka_unit_test(test_frozen_sooner),
          cmocka_unit_test(test_frozen_sooner_with_4_open), cmocka_unit_test(test_lifted),
          cmocka_unit_test(test_lifted_with_4_open),
          cmocka_unit_test(test_frozen_around_16k_far_away),
          cmocka_unit_test(test_frozen_at_16k_with_20_syns))
