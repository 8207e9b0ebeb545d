/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/engine/path/dial_limit.h>

#define START (1000 * NS_PER_S)
#define STEP (5 * NS_PER_MS)
#define ROUND_TRIP (50 * NS_PER_MS)
#define TIMEOUT (250 * NS_PER_MS)
#define POOL_MAX 64

/* A network and a pool that keeps `wanted` connections, each for `life`. */
struct network {
    unsigned open_max;  /* 0: any number */
    double syns_max;    /* 0: any rate */
    unsigned loss;      /* one dial of so many is lost; 0: none */
    unsigned deadly;    /* one connection of so many dies ... */
    uint64_t zombie_ns; /* ... and keeps its entry so long */
    unsigned wanted;
    uint64_t life;

    struct dial_limit limit;
    struct place {
        struct dial_attempt attempt;
        uint64_t ends, answered; /* 0: the place is free */
        bool passes;
    } place[POOL_MAX];
    uint64_t zombies[256];
    unsigned zombie;
    double tokens;
    uint64_t now, random;
    unsigned dials, failures, passed;
    unsigned told[5];
};

static uint64_t chance(struct network *n, unsigned of)
{
    n->random ^= n->random << 13;
    n->random ^= n->random >> 7;
    n->random ^= n->random << 17;
    return (n->random >> 11) % of;
}

static void begin(struct network *n)
{
    dial_limit_init(&n->limit);
    n->now = START;
    n->random = 88172645463325252;
    n->tokens = n->syns_max;
}

static unsigned entries(const struct network *n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < POOL_MAX; i++)
        count += n->place[i].ends != 0 && n->place[i].passes;
    for (unsigned i = 0; i < ARRAY_LENGTH(n->zombies); i++)
        count += n->zombies[i] > n->now;
    return count;
}

static bool lets_pass(struct network *n)
{
    bool passes = true;

    if (n->syns_max > 0) {
        passes = n->tokens >= 1;
        n->tokens -= passes;
    }
    if (n->open_max > 0 && entries(n) >= n->open_max)
        passes = false;
    if (n->loss > 0 && chance(n, n->loss) == 0)
        passes = false;
    return passes;
}

static void end_places(struct network *n)
{
    for (unsigned i = 0; i < POOL_MAX; i++) {
        struct place *place = &n->place[i];

        if (place->ends != 0 && place->answered <= n->now && place->answered != 0) {
            dial_limit_result(&n->limit, &place->attempt, place->passes, n->now);
            n->failures += !place->passes;
            n->passed += place->passes;
            place->answered = 0;
        }
        if (place->ends == 0 || place->ends > n->now)
            continue;
        if (place->passes && n->deadly > 0 && chance(n, n->deadly) == 0) {
            dial_limit_died(&n->limit, n->now);
            n->zombies[n->zombie++ % ARRAY_LENGTH(n->zombies)] = n->now + n->zombie_ns;
        }
        place->ends = 0;
    }
}

static void dial(struct network *n, struct place *place)
{
    unsigned established = 0;

    for (unsigned i = 0; i < POOL_MAX; i++)
        established += n->place[i].ends != 0 && n->place[i].answered == 0;
    dial_limit_dialled(&n->limit, &place->attempt, established, n->now);
    place->passes = lets_pass(n);
    place->answered = n->now + (place->passes ? ROUND_TRIP : TIMEOUT);
    place->ends = place->passes ? n->now + n->life : place->answered;
    n->dials++;
}

static void run(struct network *n, uint64_t duration)
{
    n->dials = n->failures = n->passed = 0;
    for (uint64_t end = n->now + duration; n->now < end; n->now += STEP) {
        uint32_t allowed = dial_limit_connections(&n->limit, n->now);
        unsigned open = 0;

        n->tokens = MIN(n->syns_max, n->tokens + n->syns_max * STEP / NS_PER_S);
        end_places(n);
        for (unsigned i = 0; i < POOL_MAX; i++)
            open += n->place[i].ends != 0;
        /* Connections do not end at the same time. */
        for (unsigned i = 0; i < POOL_MAX; i++)
            if (n->place[i].ends == 0 && open < n->wanted && open < allowed &&
                dial_limit_next(&n->limit, n->now) <= n->now) {
                dial(n, &n->place[i]);
                open++;
            }
        dial_limit_forget(&n->limit, POOL_MAX);
        n->told[dial_limit_take_news(&n->limit)]++;
    }
}

static void test_the_connections_are_found(void **state)
{
    (void)state;
    for (unsigned k = 1; k <= 16; k *= 2) {
        struct network n = {.open_max = k, .wanted = 24, .life = 200 * NS_PER_MS};

        begin(&n);
        run(&n, 10 * NS_PER_S);
        assert_int_equal(n.limit.connections, k);
        assert_true(n.limit.syns == 0);
        run(&n, 30 * NS_PER_S);
        assert_int_equal(n.limit.connections, k);
        assert_true(n.failures <= 30 * 3);
        assert_int_equal(n.told[DIAL_LIMIT_CONNECTIONS], 1);
        assert_int_equal(n.told[DIAL_LIMIT_SYNS], 0);
    }
}

static void test_a_limit_that_rises_is_followed(void **state)
{
    struct network n = {.open_max = 4, .wanted = 24, .life = 200 * NS_PER_MS};
    (void)state;

    begin(&n);
    run(&n, 10 * NS_PER_S);
    assert_int_equal(n.limit.connections, 4);
    n.open_max = 0;
    run(&n, 20 * NS_PER_S);
    assert_true(n.limit.connections >= 24);
}

static void test_random_loss_is_no_limit(void **state)
{
    (void)state;
    for (unsigned loss = 50; loss <= 100; loss += 50) {
        struct network n = {.loss = loss, .wanted = 24, .life = 200 * NS_PER_MS};

        begin(&n);
        run(&n, 120 * NS_PER_S);
        assert_true(n.limit.connections == DIAL_LIMIT_NONE);
        assert_true(n.limit.syns == 0);
    }
}

static void test_loss_beside_deaths_is_no_limit(void **state)
{
    struct network n = {.loss = 50, .deadly = 10, .wanted = 24, .life = 200 * NS_PER_MS};
    (void)state;

    begin(&n);
    run(&n, 120 * NS_PER_S);
    assert_true(n.limit.connections == DIAL_LIMIT_NONE);
}

/* Whatever the limit is taken for, most dials pass after a while, and most of those that
 * may. */
static void test_a_rate_is_kept(void **state)
{
    (void)state;
    for (unsigned rate = 5; rate <= 40; rate *= 2) {
        struct network n = {.syns_max = rate, .wanted = 24, .life = 200 * NS_PER_MS};

        begin(&n);
        run(&n, 20 * NS_PER_S);
        run(&n, 60 * NS_PER_S);
        assert_true(n.passed >= rate * 60 * 8 / 10);
        assert_true(n.failures <= n.dials / 4);
    }
}

static void test_a_rate_that_is_no_limit_is_forgotten(void **state)
{
    struct network n = {.wanted = 24, .life = 200 * NS_PER_MS};
    (void)state;

    begin(&n);
    n.limit.syns = n.limit.syns_found = 5;
    run(&n, 120 * NS_PER_S);
    assert_true(n.limit.syns == 0);
    assert_int_equal(n.told[DIAL_LIMIT_SYNS_LIFTED], 1);
}

/* The network keeps the entries of dead connections: the limit is not lower than it is. */
static void test_dead_entries_are_counted(void **state)
{
    struct network n = {.open_max = 12,
                        .wanted = 24,
                        .life = 200 * NS_PER_MS,
                        .deadly = 200,
                        .zombie_ns = 10 * NS_PER_S};
    (void)state;

    begin(&n);
    run(&n, 30 * NS_PER_S);
    assert_in_range(n.limit.connections, 6, 13);
    assert_true(dial_limit_zombie_ns(&n.limit, 24) > 0 || n.limit.no_zombies);
    assert_true(dial_limit_zombie_ns(&n.limit, 4) == 0);
}

static void test_dead_entries_are_disproved(void **state)
{
    struct network n = {
        .open_max = 12, .wanted = 24, .life = 200 * NS_PER_MS, .deadly = 50};
    (void)state;

    begin(&n);
    run(&n, 3 * NS_PER_S);
    assert_true(dial_limit_zombie_ns(&n.limit, 24) > 0);
    run(&n, 30 * NS_PER_S);
    assert_true(n.limit.no_zombies);
    assert_int_equal(dial_limit_zombie_ns(&n.limit, 24), 0);
}

/* An earlier run has found the limits: no dial fails but the probes. */
static void test_what_is_remembered_is_kept(void **state)
{
    struct network open = {.open_max = 4, .wanted = 24, .life = 200 * NS_PER_MS};
    struct network syns = {.syns_max = 5, .wanted = 24, .life = 200 * NS_PER_MS};
    unsigned connections;
    double rate;
    (void)state;

    begin(&open);
    dial_limit_load(&open.limit, 4, 0, open.now);
    run(&open, 10 * NS_PER_S);
    assert_in_range(open.failures, 1, 5);
    begin(&syns);
    dial_limit_load(&syns.limit, 0, 4.8, syns.now);
    run(&syns, 5 * NS_PER_S);
    assert_int_equal(syns.failures, 0);
    run(&syns, 60 * NS_PER_S);
    assert_true(syns.passed >= 5 * 60 * 8 / 10);
    assert_true(syns.failures <= syns.dials / 4);
    dial_limit_save(&open.limit, &connections, &rate);
    assert_int_equal(connections, 4);
    assert_true(rate == 0);
    dial_limit_save(&syns.limit, &connections, &rate);
    assert_int_equal(connections, 0);
    assert_true(rate > 4 && rate < 6);
}

/* The next run may be on another network. */
static void test_what_is_remembered_is_doubted(void **state)
{
    struct network open = {.wanted = 24, .life = 200 * NS_PER_MS};
    struct network syns = {.wanted = 24, .life = 200 * NS_PER_MS};
    (void)state;

    begin(&open);
    dial_limit_load(&open.limit, 1, 0, open.now);
    run(&open, 6 * NS_PER_S);
    assert_true(open.limit.connections >= 24);
    begin(&syns);
    dial_limit_load(&syns.limit, 0, 1, syns.now);
    run(&syns, 30 * NS_PER_S);
    assert_true(syns.limit.syns == 0);
    assert_int_equal(syns.told[DIAL_LIMIT_SYNS_LIFTED], 1);
}

static void test_the_pace(void **state)
{
    struct dial_limit limit;
    struct dial_attempt attempt;
    uint64_t now = START;
    (void)state;

    dial_limit_init(&limit);
    assert_true(dial_limit_next(&limit, now) <= now);
    assert_int_equal(dial_limit_cycle_ns(&limit, 8), 0);
    limit.syns = 10;
    limit.syn_probe_at_ns = TIME_NEVER;
    dial_limit_dialled(&limit, &attempt, 0, now);
    assert_int_equal(dial_limit_next(&limit, now), now + 50 * NS_PER_MS);
    dial_limit_dialled(&limit, &attempt, 0, now + 50 * NS_PER_MS);
    assert_int_equal(dial_limit_next(&limit, now), now + 150 * NS_PER_MS);
    assert_int_equal(dial_limit_cycle_ns(&limit, 8), 800 * NS_PER_MS);
    assert_int_equal(attempt.recent, 2);
}

UNIT_MAIN(cmocka_unit_test(test_the_connections_are_found),
          cmocka_unit_test(test_a_limit_that_rises_is_followed),
          cmocka_unit_test(test_random_loss_is_no_limit),
          cmocka_unit_test(test_loss_beside_deaths_is_no_limit),
          cmocka_unit_test(test_a_rate_is_kept),
          cmocka_unit_test(test_a_rate_that_is_no_limit_is_forgotten),
          cmocka_unit_test(test_dead_entries_are_counted),
          cmocka_unit_test(test_dead_entries_are_disproved),
          cmocka_unit_test(test_what_is_remembered_is_kept),
          cmocka_unit_test(test_what_is_remembered_is_doubted),
          cmocka_unit_test(test_the_pace))
