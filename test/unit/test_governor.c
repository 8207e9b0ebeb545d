/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/engine/path/governor.h>

#define START (1000 * NS_PER_S)

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A network that lets `limit` dials a second pass (0: all) and loses one in `loss` at
 * random (0: none). Results come `delay` later, successes and time-outs alike. */
struct network {
    uint64_t limit, loss, delay_ns, seed;
    double tokens;
    uint64_t refilled_at_ns;
    struct {
        uint64_t dialled_at_ns;
        enum dial_result result;
    } pending[4096];
    unsigned head, tail;
    unsigned dials, successes;
};

static enum dial_result network_dial(struct network *network, uint64_t now)
{
    if (network->limit > 0) {
        double elapsed = (double)(now - network->refilled_at_ns) / (double)NS_PER_S;

        network->tokens += elapsed * (double)network->limit;
        network->tokens = MIN(network->tokens, 2.0);
        network->refilled_at_ns = now;
        if (network->tokens < 1)
            return DIAL_TIMEOUT;
        network->tokens -= 1;
    }
    if (network->loss > 0 && random_next(&network->seed) % network->loss == 0)
        return DIAL_TIMEOUT;
    return DIAL_SUCCESS;
}

/* Dials whenever the governor allows, but at most `demand` times a second, for
 * `duration_ns`; returns the time after it. */
static uint64_t run(struct governor *governor, struct network *network, uint64_t demand,
                    uint64_t now, uint64_t duration_ns)
{
    const uint64_t interval = NS_PER_S / demand;
    const uint64_t step = MIN(interval, NS_PER_MS);
    uint64_t wanted = now;

    network->dials = network->successes = 0;
    network->refilled_at_ns = now;
    for (uint64_t end = now + duration_ns; now < end; now += step) {
        while (network->head != network->tail) {
            unsigned i = network->head % ARRAY_LENGTH(network->pending);
            uint64_t dialled_at_ns = network->pending[i].dialled_at_ns;

            if (dialled_at_ns + network->delay_ns > now)
                break;
            governor_result(governor, network->pending[i].result, dialled_at_ns, now);
            network->head++;
        }
        if (now < wanted || governor_next(governor, now) > now)
            continue;
        wanted = MAX(wanted, now - interval) + interval;
        unsigned i = network->tail++ % ARRAY_LENGTH(network->pending);

        network->pending[i].dialled_at_ns = now;
        network->pending[i].result = network_dial(network, now);
        network->dials++;
        network->successes += network->pending[i].result == DIAL_SUCCESS;
        governor_dialled(governor, now);
    }
    return now;
}

static void test_no_ceiling_until_dials_fail(void **state)
{
    struct governor g;
    (void)state;

    governor_init(&g, 0);
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t now = START + i;

        assert_true(governor_next(&g, now) <= now);
        governor_dialled(&g, now);
        governor_result(&g, DIAL_SUCCESS, now, now);
    }
    assert_int_equal(governor_ceiling(&g), GOVERNOR_UNLIMITED);
}

/* For a second, without a failure; returns the time after it. */
static uint64_t dial_40_a_second(struct governor *governor)
{
    uint64_t now = START;

    governor_init(governor, 0);
    for (int i = 0; i < 40; i++, now += NS_PER_S / 40) {
        governor_dialled(governor, now);
        governor_result(governor, DIAL_SUCCESS, now, now);
    }
    return now;
}

static void test_first_cut_is_half_of_the_recent_rate(void **state)
{
    struct governor g;
    uint64_t now = dial_40_a_second(&g);
    (void)state;

    governor_result(&g, DIAL_TIMEOUT, now - 1 - 2 * GOVERNOR_SAME_NS, now);
    governor_result(&g, DIAL_SUCCESS, now - 1, now);
    governor_result(&g, DIAL_REFUSED, now - 1 - GOVERNOR_SAME_NS, now);
    assert_int_equal(governor_ceiling(&g), GOVERNOR_UNLIMITED);
    governor_result(&g, DIAL_TIMEOUT, now - 1, now);
    assert_int_equal(governor_ceiling(&g), 20 * 1000);
    assert_int_equal(governor_next(&g, now), now + NS_PER_S / 20);
    /* Dials that were under way have been answered by that cut. */
    for (int i = 0; i < 100; i++)
        governor_result(&g, DIAL_TIMEOUT, now - 1, now);
    assert_int_equal(governor_ceiling(&g), 20 * 1000);
}

/* A queue that overflows takes all that is dialled just then. */
static void test_failures_at_once_are_one(void **state)
{
    struct governor g;
    uint64_t now = dial_40_a_second(&g);
    (void)state;

    for (int i = 0; i < GOVERNOR_FAILURES - 1; i++, now += GOVERNOR_SAME_NS)
        for (int dial = 0; dial < 5; dial++)
            governor_result(&g, DIAL_TIMEOUT, now, now + NS_PER_S / 4);
    assert_int_equal(governor_ceiling(&g), GOVERNOR_UNLIMITED);
    governor_result(&g, DIAL_TIMEOUT, now, now + NS_PER_S / 4);
    assert_int_equal(governor_ceiling(&g), 20 * 1000);
}

static void test_configured_ceiling_is_kept(void **state)
{
    static const unsigned ceilings[] = {1, 3, 10, 99};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(ceilings); i++) {
        struct governor g;
        uint64_t now = START, dials = 0;
        const uint64_t seconds = 5;

        governor_init(&g, ceilings[i]);
        for (; now < START + seconds * NS_PER_S; now += NS_PER_MS)
            while (governor_next(&g, now) <= now) {
                governor_dialled(&g, now);
                governor_result(&g, DIAL_SUCCESS, now, now);
                dials++;
            }
        assert_true(dials <= ceilings[i] * seconds + 1);
        assert_true(dials >= ceilings[i] * seconds * 9 / 10);
    }
}

/* Late timers do not lower a high rate, and the bunches stay within the slack. */
static void test_slack(void **state)
{
    struct governor g;
    uint64_t dials = 0;
    (void)state;

    governor_init(&g, 5000);
    for (uint64_t now = START; now < START + NS_PER_S; now += 4 * NS_PER_MS) {
        unsigned bunch = 0;

        for (; governor_next(&g, now) <= now; bunch++)
            governor_dialled(&g, now);
        assert_true(bunch <= 51);
        dials += bunch;
    }
    assert_in_range(dials, 4900, 5051);
}

static void test_outage_never_stops_dialling(void **state)
{
    struct governor g;
    uint64_t now = START;
    (void)state;

    governor_init(&g, 0);
    for (int i = 0; i < 2000; i++) {
        uint64_t next = governor_next(&g, now);

        assert_true(next <= now + NS_PER_S / 2);
        now = MAX(now, next);
        governor_dialled(&g, now);
        now += NS_PER_MS;
        governor_result(&g, DIAL_REFUSED, now - NS_PER_MS, now);
    }
    assert_int_equal(governor_ceiling(&g), GOVERNOR_FLOOR);
    /* Nothing ever passed, so nothing is known of a limit. */
    governor_dialled(&g, now);
    governor_result(&g, DIAL_SUCCESS, now, now);
    assert_int_equal(governor_ceiling(&g), GOVERNOR_UNLIMITED);
}

static void test_an_outage_ends_with_the_first_success(void **state)
{
    struct governor g;
    uint64_t now = START;
    (void)state;

    governor_init(&g, 0);
    for (int i = 0; i < 100; i++)
        governor_dialled(&g, now);
    governor_result(&g, DIAL_SUCCESS, now, now);
    for (int i = 0; i < 100; i++, now += GOVERNOR_SAME_NS)
        governor_result(&g, DIAL_REFUSED, now, now);
    assert_int_equal(governor_ceiling(&g), GOVERNOR_FLOOR);
    /* One of before the last cut says nothing. */
    governor_result(&g, DIAL_SUCCESS, START, now);
    assert_int_equal(governor_ceiling(&g), GOVERNOR_FLOOR);
    governor_result(&g, DIAL_SUCCESS, now, now);
    assert_int_equal(governor_ceiling(&g), 50 * 1000);
    assert_true(governor_next(&g, now) <= now + NS_PER_S / 50);
}

static void test_after_an_outage_half_speed_at_once(void **state)
{
    static struct network network = {.delay_ns = 100 * NS_PER_MS, .seed = 7};
    struct governor g;
    uint64_t now = START;
    (void)state;

    governor_init(&g, 0);
    now = run(&g, &network, 40, now, 5 * NS_PER_S);
    network.loss = 1;
    now = run(&g, &network, 40, now, 30 * NS_PER_S);
    assert_true(governor_ceiling(&g) == GOVERNOR_FLOOR);
    network.loss = 0;
    now = run(&g, &network, 40, now, 2 * NS_PER_S);
    assert_true(governor_ceiling(&g) >= 18 * 1000);
    now = run(&g, &network, 40, now, 10 * NS_PER_S);
    now = run(&g, &network, 40, now, 5 * NS_PER_S);
    assert_true(network.dials >= 195); /* as before the outage */
}

/* 1% of random loss must not throttle a pool that recycles 40 times a second. */
static void test_random_loss_is_borne(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct network network;
        struct governor g;

        memset(&network, 0, sizeof(network));
        network = (struct network){
            .loss = 100, .delay_ns = 250 * NS_PER_MS, .seed = seed * 0x9e3779b97f4a7c15};
        governor_init(&g, 0);
        run(&g, &network, 40, START, 100 * NS_PER_S);
        assert_true(network.dials >= 4000 * 85 / 100);
    }
}

/* A network that lets 20 dials a second pass carries most of them, and few are lost. */
static void test_finds_a_limit(void **state)
{
    static const uint64_t limits[] = {20, 200};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        static struct network network;
        struct governor g;
        uint64_t now = START;

        memset(&network, 0, sizeof(network));
        network.limit = limits[i];
        network.delay_ns = 250 * NS_PER_MS;
        network.seed = 1;
        governor_init(&g, 0);
        now = run(&g, &network, 1000, now, 20 * NS_PER_S);
        run(&g, &network, 1000, now, 100 * NS_PER_S);
        assert_true(network.successes >= limits[i] * 60);
        assert_true(network.successes * 10 >= network.dials * 7);
    }
}

/* Once a limit is gone, its memory does not bind for long. */
static void test_a_limit_that_vanished_is_forgotten(void **state)
{
    static struct network network = {.limit = 20, .delay_ns = 50 * NS_PER_MS, .seed = 1};
    struct governor g;
    uint64_t now = START;
    (void)state;

    governor_init(&g, 0);
    now = run(&g, &network, 2000, now, 30 * NS_PER_S);
    network.limit = 0;
    run(&g, &network, 2000, now, 30 * NS_PER_S);
    assert_true(governor_ceiling(&g) >= 1000 * 1000);
}

static void test_an_idle_ceiling_does_not_rise(void **state)
{
    struct governor g;
    uint64_t now = START, ceiling;
    (void)state;

    governor_init(&g, 0);
    for (int i = 0; i < 100; i++)
        governor_dialled(&g, now);
    governor_result(&g, DIAL_SUCCESS, now, now);
    for (int i = 0; i < GOVERNOR_FAILURES; i++, now += GOVERNOR_SAME_NS)
        governor_result(&g, DIAL_TIMEOUT, now, now);
    ceiling = governor_ceiling(&g);
    assert_int_equal(ceiling, 50 * 1000);
    for (int i = 0; i < 100; i++, now += NS_PER_S) {
        governor_dialled(&g, now);
        governor_result(&g, DIAL_SUCCESS, now, now);
    }
    assert_true(governor_ceiling(&g) <= ceiling + 2000);
}

/* While a path is dead its dials say nothing of the rate that it bears when it is back. */
static void test_unheard_dials_tell_nothing(void **state)
{
    struct governor g;
    (void)state;

    governor_init(&g, 0);
    for (int i = 0; i < 40; i++) {
        governor_dialled(&g, START);
        governor_result(&g, DIAL_SUCCESS, START, START);
    }
    for (int i = 0; i < 40; i++) {
        governor_dialled(&g, START);
        governor_result(&g, DIAL_UNHEARD, START, START);
    }
    assert_int_equal(governor_ceiling(&g), GOVERNOR_UNLIMITED);
}

UNIT_MAIN(cmocka_unit_test(test_no_ceiling_until_dials_fail),
          cmocka_unit_test(test_first_cut_is_half_of_the_recent_rate),
          cmocka_unit_test(test_failures_at_once_are_one),
          cmocka_unit_test(test_configured_ceiling_is_kept), cmocka_unit_test(test_slack),
          cmocka_unit_test(test_outage_never_stops_dialling),
          cmocka_unit_test(test_an_outage_ends_with_the_first_success),
          cmocka_unit_test(test_after_an_outage_half_speed_at_once),
          cmocka_unit_test(test_random_loss_is_borne), cmocka_unit_test(test_finds_a_limit),
          cmocka_unit_test(test_a_limit_that_vanished_is_forgotten),
          cmocka_unit_test(test_an_idle_ceiling_does_not_rise),
          cmocka_unit_test(test_unheard_dials_tell_nothing))
