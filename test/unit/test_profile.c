/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/engine/path/profile.h>

#define START (1000 * NS_PER_S)
#define ROUND_TRIP (50 * NS_PER_MS)
#define RATE 200000 /* bytes a second of each connection */
#define CHUNK 1000

struct bench {
    struct profile profile;
    uint64_t now;
    unsigned tightened; /* how often a judgement said so */
};

static const struct profile_network network = {.singly = true,
                                               .round_trip_ns = ROUND_TRIP,
                                               .replaced_after_ns = 400 * NS_PER_MS,
                                               .open = 8};

static void judge(struct bench *b)
{
    b->now += ROUND_TRIP;
    b->tightened += profile_judge(&b->profile, &network, b->now);
}

static struct bench begin(void)
{
    struct bench b = {.now = START};

    profile_init(&b.profile);
    judge(&b);
    return b;
}

/* Carries so much on a connection that is open, in chunks at the rate. */
static void carry(struct bench *b, struct profile_connection *connection, uint64_t up,
                  uint64_t down, double rate)
{
    uint64_t total = up + down;

    b->now += 2 * ROUND_TRIP;
    for (uint64_t done = MIN(CHUNK, total); total > 0; done = MIN(done + CHUNK, total)) {
        b->now += (uint64_t)(CHUNK / rate * (double)NS_PER_S);
        profile_progress(&b->profile, connection, up * done / total, down * done / total,
                         1u << PROFILE_UP | 1u << PROFILE_DOWN, b->now);
        if (done == total)
            break;
    }
}

static void live(struct bench *b, uint64_t up, uint64_t down, enum profile_end end)
{
    struct profile_connection connection;

    profile_connection_begin(&b->profile, &connection, false, b->now);
    carry(b, &connection, up, down, RATE);
    profile_ended(&b->profile, &connection, end, b->now);
    judge(b);
}

/* A network that freezes connections after `limit` bytes down; as much as the budget
 * allows, or 200,000, waits for each. True: the connection died. */
static bool live_frozen_at(struct bench *b, uint64_t limit, bool explorer)
{
    struct profile_connection connection;

    profile_connection_begin(&b->profile, &connection, explorer, b->now);
    connection.leads = true;
    uint64_t wanted =
        MIN(profile_connection_limit(&b->profile, &connection, PROFILE_DOWN), 200000);
    bool dies = wanted > limit;

    carry(b, &connection, 0, MIN(wanted, limit), explorer ? RATE / 2 : RATE);
    profile_ended(&b->profile, &connection, dies ? PROFILE_FROZEN : PROFILE_WORN_OUT,
                  b->now);
    judge(b);
    return dies;
}

static void test_nothing_known_is_no_budget(void **state)
{
    struct bench b = begin();
    struct profile_finding finding;
    (void)state;

    for (int i = 0; i < 20; i++)
        live(&b, 0, 500000, PROFILE_WORN_OUT);
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        assert_true(profile_budget(&b.profile, c) == PROFILE_UNLIMITED);
    assert_false(profile_finding(&b.profile, &finding));
    assert_true(profile_explore_at_ns(&b.profile, 8) == TIME_NEVER);
    profile_deinit(&b.profile);
}

static void test_a_freeze_is_found_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        static const uint64_t limits[] = {16000, 100000};
        struct bench b = begin();

        assert_true(live_frozen_at(&b, limits[i], false));
        assert_true(b.tightened > 0);
        /* A bucket and the slack below its edge. */
        assert_true(profile_budget(&b.profile, PROFILE_DOWN) <= limits[i]);
        assert_true(profile_budget(&b.profile, PROFILE_DOWN) >= limits[i] * 0.9);
        assert_true(profile_budget(&b.profile, PROFILE_UP) == PROFILE_UNLIMITED);
        for (int n = 0; n < 20; n++)
            assert_false(live_frozen_at(&b, limits[i], false));
        profile_deinit(&b.profile);
    }
}

/* Each mix of directions gives other positions in all coordinates but the one that matters.
 */
static void test_a_death_counts_where_it_is_explained(void **state)
{
    (void)state;
    for (unsigned coordinate = PROFILE_UP; coordinate <= PROFILE_SUM; coordinate++) {
        struct bench b = begin();

        for (unsigned i = 0; i < 16; i++) {
            uint64_t other = 1000 + 1500 * (i % 6);
            uint64_t up = coordinate == PROFILE_DOWN ? other : 16000;
            uint64_t down = coordinate == PROFILE_UP ? other : 16000;

            if (coordinate == PROFILE_SUM) {
                up = 16000 * (1 + i % 7) / 8;
                down = 16000 - up;
            }
            live(&b, up, down, PROFILE_FROZEN);
        }
        for (unsigned c = PROFILE_UP; c <= PROFILE_SUM; c++) {
            if (c == coordinate)
                assert_in_range(b.profile.budget[c], 13000, 16000);
            else if (coordinate != PROFILE_SUM)
                assert_true(b.profile.budget[c] == PROFILE_UNLIMITED);
        }
        profile_deinit(&b.profile);
    }
}

static void test_an_age_is_found(void **state)
{
    struct bench b = begin();
    (void)state;

    for (unsigned i = 0; i < 16; i++) {
        struct profile_connection connection;
        double rate = 20000.0 * (1 + i % 8);

        profile_connection_begin(&b.profile, &connection, false, b.now);
        carry(&b, &connection, 0, (uint64_t)(rate * 0.9), rate);
        profile_ended(&b.profile, &connection, PROFILE_FROZEN, b.now);
        judge(&b);
    }
    assert_in_range(profile_budget(&b.profile, PROFILE_AGE), 800 * NS_PER_MS,
                    1000 * NS_PER_MS);
    profile_deinit(&b.profile);
}

/* A sum is shared by the directions as they were used of late. */
static void test_a_sum_is_shared_by_the_mix(void **state)
{
    struct bench b = begin();
    (void)state;

    b.profile.budget[PROFILE_SUM] = 16000;
    b.profile.busy[PROFILE_UP] = 1000;
    b.profile.busy[PROFILE_DOWN] = 3000;
    assert_int_equal(profile_budget(&b.profile, PROFILE_UP), 4000);
    assert_int_equal(profile_budget(&b.profile, PROFILE_DOWN), 12000);
    profile_deinit(&b.profile);
}

/* The pool divides by budgets: none of them is 0. */
static void test_a_quiet_direction_has_a_budget(void **state)
{
    struct bench b = begin();
    (void)state;

    b.profile.budget[PROFILE_SUM] = 16000;
    b.profile.busy[PROFILE_UP] = 0;
    b.profile.busy[PROFILE_DOWN] = 3000;
    assert_int_equal(profile_budget(&b.profile, PROFILE_UP), 1000);
    assert_int_equal(profile_budget(&b.profile, PROFILE_DOWN), 16000);
    profile_deinit(&b.profile);
}

static void test_slowness_is_a_limit_too(void **state)
{
    struct bench b = begin();
    struct profile_finding finding;
    (void)state;

    for (int i = 0; i < 8; i++) {
        struct profile_connection connection;

        profile_connection_begin(&b.profile, &connection, false, b.now);
        for (uint64_t bytes = 0; bytes < 500000; bytes += 10000) {
            b.now += (bytes < 300000 ? 10 : 1000) * NS_PER_MS;
            profile_progress(&b.profile, &connection, 0, bytes, 1u << PROFILE_DOWN, b.now);
        }
        profile_ended(&b.profile, &connection, PROFILE_WORN_OUT, b.now);
        judge(&b);
    }
    assert_in_range(profile_budget(&b.profile, PROFILE_DOWN), 280000, 320000);
    assert_true(profile_finding(&b.profile, &finding));
    assert_int_equal(finding.kind, PROFILE_KIND_SLOW);
    assert_in_range(finding.rate, 8000, 12000);
    profile_deinit(&b.profile);
}

/* A connection that needs a second for its bucket tells so before it has left it. */
static void test_a_connection_that_crawls_is_seen(void **state)
{
    struct bench b = begin();
    struct profile_connection connection;
    (void)state;

    live(&b, 0, 300000, PROFILE_WORN_OUT);
    profile_connection_begin(&b.profile, &connection, false, b.now);
    carry(&b, &connection, 0, 301000, RATE);
    for (int i = 0; i < 30; i++) {
        b.now += 100 * NS_PER_MS;
        profile_progress(&b.profile, &connection, 0, 301000 + (uint64_t)i * 100,
                         1u << PROFILE_DOWN, b.now);
    }
    judge(&b);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) <= 310000);
    profile_deinit(&b.profile);
}

/* A frozen connection has yet to be given up. It says nothing of how fast others are, which
 * all budgets behind it would be judged by. */
static void test_a_frozen_connection_does_not_crawl(void **state)
{
    struct bench b = begin();
    struct profile_connection connection;
    (void)state;

    live(&b, 0, 300000, PROFILE_WORN_OUT);
    profile_connection_begin(&b.profile, &connection, false, b.now);
    carry(&b, &connection, 0, 20000, RATE);
    for (int i = 0; i < 15; i++) {
        b.now += 100 * NS_PER_MS;
        profile_progress(&b.profile, &connection, 0, 20000, 1u << PROFILE_DOWN, b.now);
    }
    judge(&b);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) == PROFILE_UNLIMITED);
    profile_deinit(&b.profile);
}

static void test_time_counts_while_data_waits(void **state)
{
    struct bench b = begin();
    (void)state;

    for (int i = 0; i < 8; i++) {
        struct profile_connection connection;

        profile_connection_begin(&b.profile, &connection, false, b.now);
        for (uint64_t bytes = 0; bytes < 500000; bytes += 10000) {
            /* The application pauses in the midst of it. */
            b.now += (bytes < 300000 ? 10 : 1000) * NS_PER_MS;
            profile_progress(&b.profile, &connection, 0, bytes,
                             bytes < 300000 ? 1u << PROFILE_DOWN : 0, b.now);
        }
        profile_ended(&b.profile, &connection, PROFILE_WORN_OUT, b.now);
        judge(&b);
    }
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) == PROFILE_UNLIMITED);
    profile_deinit(&b.profile);
}

static void test_no_evidence(void **state)
{
    struct bench b = begin();
    (void)state;

    for (int i = 0; i < 20; i++) {
        live(&b, 0, 16000, PROFILE_NO_EVIDENCE);
        live(&b, 0, 16000, PROFILE_IDLE);
        live(&b, 0, 0, PROFILE_FROZEN); /* nothing ever passed: not a matter of budgets */
    }
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) == PROFILE_UNLIMITED);
    profile_deinit(&b.profile);
}

/* The network counts packets: connections that have more to send lose the packet that goes
 * beyond its limit, and those that end just before have no such packet. These do not show
 * that others may go on. */
static void test_survivors_at_the_edge_lift_no_limit(void **state)
{
    struct bench b = begin();
    (void)state;

    for (int i = 0; i < 40; i++) {
        live(&b, 0, 14960, i % 2 == 0 ? PROFILE_FROZEN : PROFILE_WORN_OUT);
        live(&b, 0, 14480, i % 8 == 0 ? PROFILE_FROZEN : PROFILE_WORN_OUT);
        assert_in_range(profile_budget(&b.profile, PROFILE_DOWN), 10000, 15000);
    }
    profile_deinit(&b.profile);
}

/* Connections die at different places of transfers down. They have all carried one ACK more
 * than those that live. */
static void test_acks_explain_no_death(void **state)
{
    struct bench b = begin();
    (void)state;

    for (uint64_t i = 0; i < 30; i++) {
        live(&b, 20, 60000, PROFILE_WORN_OUT);
        if (i % 3 == 0)
            live(&b, 45, 5000 * (i / 3 + 1), PROFILE_FROZEN);
    }
    assert_true(profile_budget(&b.profile, PROFILE_UP) == PROFILE_UNLIMITED);
    profile_deinit(&b.profile);
}

static void test_a_death_is_undone(void **state)
{
    struct bench b = begin();
    struct profile_connection connection;
    (void)state;

    profile_connection_begin(&b.profile, &connection, false, b.now);
    carry(&b, &connection, 0, 16000, RATE);
    profile_ended(&b.profile, &connection, PROFILE_FROZEN, b.now);
    judge(&b);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) <= 16000);
    profile_undo(&b.profile, &connection);
    judge(&b);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) == PROFILE_UNLIMITED);
    profile_undo(&b.profile, &connection); /* once is enough */
    profile_deinit(&b.profile);
}

/* Thirty-two connections have shown that 60 kB pass; then they freeze at 12 kB. */
static void test_a_change_is_found_within_four_deaths(void **state)
{
    struct bench b = begin();
    unsigned deaths = 0;
    (void)state;

    for (int i = 0; i < 40; i++)
        live_frozen_at(&b, 64000, false);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) > 50000);
    for (int i = 0; i < 12; i++)
        deaths += live_frozen_at(&b, 12000, false);
    assert_true(deaths <= 4);
    assert_in_range(profile_budget(&b.profile, PROFILE_DOWN), 10000, 12000);
    profile_deinit(&b.profile);
}

static void test_two_explorers_lift_a_limit(void **state)
{
    struct bench b = begin();
    unsigned explorers = 0;
    (void)state;

    for (int i = 0; i < 20; i++)
        live_frozen_at(&b, 12000, false);
    while (explorers < 20 && profile_explore_at_ns(&b.profile, 8) != TIME_NEVER) {
        b.now = MAX(b.now, profile_explore_at_ns(&b.profile, 8));
        assert_false(live_frozen_at(&b, 1000000, true));
        explorers++;
    }
    assert_int_equal(explorers, 2);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) == PROFILE_UNLIMITED);
    profile_deinit(&b.profile);
}

static void test_explorers_are_rare_while_they_fail(void **state)
{
    struct bench b = begin();
    unsigned explorers = 0;
    struct profile_connection connection;
    (void)state;

    live_frozen_at(&b, 16000, false);
    for (uint64_t end = b.now + 120 * NS_PER_S; b.now < end;) {
        bool due = profile_explore_at_ns(&b.profile, 8) <= b.now;

        explorers += due;
        live_frozen_at(&b, 16000, due);
    }
    assert_in_range(explorers, 4, 12);
    b.now += 30 * NS_PER_S;
    assert_true(profile_explore_at_ns(&b.profile, 8) <= b.now);
    assert_true(profile_explore_at_ns(&b.profile, 1) >
                profile_explore_at_ns(&b.profile, 8));
    profile_connection_begin(&b.profile, &connection, true, b.now);
    assert_true(profile_explore_at_ns(&b.profile, 8) == TIME_NEVER); /* one at a time */
    assert_int_equal(profile_connection_safe(&connection, PROFILE_DOWN),
                     profile_budget(&b.profile, PROFILE_DOWN));
    assert_true(profile_connection_limit(&b.profile, &connection, PROFILE_DOWN) >
                2 * profile_budget(&b.profile, PROFILE_DOWN));
    assert_false(profile_connection_slow(&b.profile, &connection, b.now));
    carry(&b, &connection, 0, profile_budget(&b.profile, PROFILE_DOWN) + 100, RATE);
    assert_true(profile_connection_slow(&b.profile, &connection, b.now + NS_PER_S));
    profile_ended(&b.profile, &connection, PROFILE_NO_EVIDENCE, b.now);
    assert_true(profile_explore_at_ns(&b.profile, 8) <= b.now + NS_PER_S);
    profile_deinit(&b.profile);
}

/* An explorer is older than the others when the limit stops it, and they end before it. */
static void test_the_death_of_an_explorer_counts_at_the_limit(void **state)
{
    struct bench b = begin();
    struct profile_finding finding;
    (void)state;

    live_frozen_at(&b, 16000, false);
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < 64; n++)
            live_frozen_at(&b, 16000, false);
        assert_true(live_frozen_at(&b, 16000, true));
    }
    assert_true(b.profile.budget[PROFILE_AGE] == PROFILE_UNLIMITED);
    assert_true(profile_finding(&b.profile, &finding));
    assert_int_equal(finding.coordinate, PROFILE_DOWN);
    assert_true(finding.confidence > 0.5);
    profile_deinit(&b.profile);
}

static void test_some_lead_and_the_others_follow(void **state)
{
    struct bench b = begin();
    struct profile_connection connection[16], *open[16];
    unsigned leaders = 0;
    (void)state;

    for (unsigned i = 0; i < 16; i++) {
        open[i] = &connection[i];
        profile_connection_begin(&b.profile, open[i], false, b.now);
        profile_progress(&b.profile, open[i], 0, 8192, 1u << PROFILE_DOWN, b.now);
    }
    b.now += NS_PER_S;
    profile_choose_leaders(open, 16);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t limit = profile_connection_limit(&b.profile, open[i], PROFILE_DOWN);

        leaders += open[i]->leads;
        assert_true(open[i]->leads ? limit == PROFILE_UNLIMITED : limit == 8192);
    }
    assert_int_equal(leaders, 2);
    profile_deinit(&b.profile);
}

/* How much the next connection may carry. */
static uint64_t next_limit(struct bench *b, enum profile_coordinate direction)
{
    struct profile_connection connection;

    profile_connection_begin(&b->profile, &connection, false, b->now);
    connection.leads = true;
    return profile_connection_limit(&b->profile, &connection, direction);
}

static void test_deaths_in_vain_bound_the_next(void **state)
{
    struct bench b = begin();
    (void)state;

    for (int i = 0; i < 5; i++)
        live(&b, 6000, 300, PROFILE_NO_EVIDENCE);
    assert_true(next_limit(&b, PROFILE_UP) == PROFILE_UNLIMITED);
    live(&b, 6000, 300, PROFILE_NO_EVIDENCE);
    assert_int_equal(next_limit(&b, PROFILE_UP), 3000);
    assert_int_equal(next_limit(&b, PROFILE_DOWN), PROFILE_BUDGET_MIN);
    /* Each that has used up its part, and no other, allows twice as much. */
    live(&b, 3000, 300, PROFILE_WORN_OUT);
    assert_int_equal(next_limit(&b, PROFILE_UP), 6000);
    assert_int_equal(next_limit(&b, PROFILE_DOWN), PROFILE_BUDGET_MIN);
    live(&b, 5000, 300, PROFILE_NO_EVIDENCE);
    assert_int_equal(next_limit(&b, PROFILE_UP), 2500);
    for (int i = 0; i < 8; i++)
        live(&b, next_limit(&b, PROFILE_UP), 300, PROFILE_WORN_OUT);
    assert_true(next_limit(&b, PROFILE_UP) == PROFILE_UNLIMITED);
    profile_deinit(&b.profile);
}

/* An outage takes all that are open; of those that carried much none was in vain. */
static void test_an_outage_bounds_nothing(void **state)
{
    struct profile_connection connection[8];
    struct bench b = begin();
    (void)state;

    for (unsigned i = 0; i < 8; i++) {
        profile_connection_begin(&b.profile, &connection[i], false, b.now);
        profile_progress(&b.profile, &connection[i], 6000, 300, 1u << PROFILE_UP, b.now);
    }
    b.now += NS_PER_S;
    for (unsigned i = 0; i < 8; i++) {
        profile_ended(&b.profile, &connection[i], PROFILE_NO_EVIDENCE, b.now);
        live(&b, 6000, 60000, PROFILE_NO_EVIDENCE);
    }
    assert_true(next_limit(&b, PROFILE_UP) == PROFILE_UNLIMITED);
    profile_deinit(&b.profile);
}

static void test_news_come_once(void **state)
{
    struct bench b = begin();
    struct profile_finding finding;
    unsigned news[4] = {0};
    (void)state;

    for (int i = 0; i < 30; i++) {
        live_frozen_at(&b, 16000, i % 10 == 0);
        news[profile_take_news(&b.profile, &finding, b.now)]++;
    }
    assert_int_equal(news[PROFILE_NEWS_FOUND], 1);
    assert_int_equal(news[PROFILE_NEWS_CHANGED] + news[PROFILE_NEWS_LIFTED], 0);
    assert_true(profile_finding(&b.profile, &finding));
    assert_int_equal(finding.kind, PROFILE_KIND_FREEZE);
    assert_int_equal(finding.coordinate, PROFILE_DOWN);
    assert_in_range(finding.position, 15000, 16100);
    b.now += 10 * NS_PER_S;
    for (int i = 0; i < 30; i++) {
        live_frozen_at(&b, 6000, false);
        news[profile_take_news(&b.profile, &finding, b.now)]++;
    }
    assert_int_equal(news[PROFILE_NEWS_CHANGED], 1);
    profile_deinit(&b.profile);
}

static void test_what_is_saved_is_a_first_guess(void **state)
{
    struct bench b = begin();
    struct profile_memory memory[PROFILE_COORDINATES];
    uint64_t budget;
    (void)state;

    assert_false(profile_save(&b.profile, memory));
    for (int i = 0; i < 8; i++)
        live(&b, 0, 16000, PROFILE_RESET);
    budget = profile_budget(&b.profile, PROFILE_DOWN);
    assert_true(profile_save(&b.profile, memory));
    assert_int_equal(memory[PROFILE_UP].position, 0);
    assert_int_equal(memory[PROFILE_DOWN].kind, PROFILE_KIND_RESET);
    profile_deinit(&b.profile);

    b = begin();
    assert_int_equal(profile_load(&b.profile, memory), OK);
    judge(&b);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) <= budget);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) >= budget * 0.9);
    /* It is no longer so. */
    for (int i = 0; i < 2; i++)
        live(&b, 0, 60000, PROFILE_WORN_OUT);
    live(&b, 0, 60000, PROFILE_WORN_OUT);
    profile_deinit(&b.profile);
}

static void test_a_reset_forgets_all(void **state)
{
    struct bench b = begin();
    struct profile_connection connection;
    (void)state;

    live(&b, 0, 16000, PROFILE_FROZEN);
    profile_connection_begin(&b.profile, &connection, true, b.now);
    carry(&b, &connection, 0, 20000, RATE);
    profile_reset(&b.profile);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) == PROFILE_UNLIMITED);
    profile_ended(&b.profile, &connection, PROFILE_FROZEN, b.now);
    judge(&b);
    assert_true(profile_budget(&b.profile, PROFILE_DOWN) == PROFILE_UNLIMITED);
    profile_deinit(&b.profile);
}

UNIT_MAIN(cmocka_unit_test(test_nothing_known_is_no_budget),
          cmocka_unit_test(test_a_freeze_is_found_at_once),
          cmocka_unit_test(test_a_death_counts_where_it_is_explained),
          cmocka_unit_test(test_an_age_is_found),
          cmocka_unit_test(test_a_sum_is_shared_by_the_mix),
          cmocka_unit_test(test_a_quiet_direction_has_a_budget),
          cmocka_unit_test(test_slowness_is_a_limit_too),
          cmocka_unit_test(test_survivors_at_the_edge_lift_no_limit),
          cmocka_unit_test(test_acks_explain_no_death),
          cmocka_unit_test(test_a_connection_that_crawls_is_seen),
          cmocka_unit_test(test_a_frozen_connection_does_not_crawl),
          cmocka_unit_test(test_time_counts_while_data_waits),
          cmocka_unit_test(test_no_evidence), cmocka_unit_test(test_a_death_is_undone),
          cmocka_unit_test(test_a_change_is_found_within_four_deaths),
          cmocka_unit_test(test_two_explorers_lift_a_limit),
          cmocka_unit_test(test_explorers_are_rare_while_they_fail),
          cmocka_unit_test(test_the_death_of_an_explorer_counts_at_the_limit),
          cmocka_unit_test(test_some_lead_and_the_others_follow),
          cmocka_unit_test(test_deaths_in_vain_bound_the_next),
          cmocka_unit_test(test_an_outage_bounds_nothing),
          cmocka_unit_test(test_news_come_once),
          cmocka_unit_test(test_what_is_saved_is_a_first_guess),
          cmocka_unit_test(test_a_reset_forgets_all))
