/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/account.h>

#include <pthread.h>
#include <stdbool.h>

static void test_one_user_gets_half(void **state)
{
    struct share_pool pool = {.most = 100};
    struct share greedy = {.pool = &pool}, modest = {.pool = &pool};
    (void)state;

    while (share_take(&greedy, 1))
        ;
    assert_int_equal(greedy.used, 50);
    for (int i = 0; i < 25; i++)
        assert_true(share_take(&modest, 1));
    assert_false(share_take(&modest, 1));
    share_give(&greedy, 30);
    assert_true(share_take(&modest, 1));
    assert_int_equal(pool.used, 20 + 26);
    share_give(&greedy, 20);
    share_give(&modest, 26);
    assert_int_equal(pool.used, 0);
}

static void test_an_amount_is_taken_whole_or_not(void **state)
{
    struct share_pool pool = {.most = 100};
    struct share share = {.pool = &pool};
    (void)state;

    assert_false(share_may_take(&share, 51));
    assert_false(share_take(&share, 51));
    assert_int_equal(pool.used, 0);
    assert_true(share_take(&share, 50));
    /* Resources in use may exceed the bound, which may be lowered, too. */
    share_add(&share, 60);
    pool.most = 10;
    assert_false(share_may_take(&share, 1));
    share_give(&share, 110);
    assert_int_equal(pool.used, 0);
}

static void test_without_a_pool_there_is_no_bound(void **state)
{
    struct share share = {.pool = NULL};
    (void)state;

    assert_true(share_take(&share, UINT64_MAX / 2));
    assert_true(share_may_take(&share, 1));
    assert_int_equal(share.used, UINT64_MAX / 2);
}

/* A client's accounts in two workers. */
struct twice {
    struct page_pool pages;
    struct account_pools pools[2];
    struct client_pools common;
    struct client_account client;
    struct account accounts[2];
};

static void twice_init(struct twice *twice, const struct client_bounds *bounds)
{
    page_pool_init(&twice->pages, 1, 1);
    places_pool_init(&twice->common.streams, 1000);
    places_pool_init(&twice->common.flows, 1000);
    client_account_init(&twice->client, &twice->common);
    client_account_set(&twice->client, bounds);
    for (int i = 0; i < 2; i++) {
        account_pools_init(&twice->pools[i], &twice->pages);
        account_init(&twice->accounts[i], &twice->pools[i], &twice->client);
    }
}

static void test_dials_of_both_workers_come_at_their_rate_after_the_burst(void **state)
{
    const struct client_bounds bounds = {.dials_per_second = 10};
    uint64_t now = 50 * NS_PER_S;
    struct twice twice;
    (void)state;

    twice_init(&twice, &bounds);
    /* The burst of ten seconds comes beside the dial that is due. */
    for (int i = 0; i < 101; i++) {
        assert_int_equal(account_dial_wait(&twice.accounts[i % 2], now), 0);
        assert_int_equal(account_dial_at(&twice.accounts[i % 2], now), now);
    }
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(account_dial_wait(&twice.accounts[0], now), i * NS_PER_S / 10);
        assert_int_equal(account_dial_at(&twice.accounts[1], now), now + i * NS_PER_S / 10);
    }
    /* A pause brings the burst back, and no more. */
    now += 1000 * NS_PER_S;
    for (int i = 0; i < 101; i++)
        assert_int_equal(account_dial_at(&twice.accounts[0], now), now);
    assert_int_equal(account_dial_at(&twice.accounts[1], now), now + NS_PER_S / 10);
}

static void test_a_bound_holds_over_both_workers(void **state)
{
    const struct client_bounds bounds = {.streams = 3, .flows = 1}, fewer = {.streams = 1};
    struct twice twice;
    (void)state;

    twice_init(&twice, &bounds);
    for (int i = 0; i < 3; i++)
        assert_int_equal(account_take_stream(&twice.accounts[i % 2]), PLACES_FREE);
    assert_int_equal(account_take_stream(&twice.accounts[0]), PLACES_OWN);
    assert_int_equal(account_take_stream(&twice.accounts[1]), PLACES_OWN);
    /* Flows have bounds of their own. */
    assert_int_equal(account_take_flow(&twice.accounts[1]), PLACES_FREE);
    assert_int_equal(account_take_flow(&twice.accounts[0]), PLACES_OWN);
    /* A lower bound counts at once, and takes nothing away. */
    client_account_set(&twice.client, &fewer);
    account_give_stream(&twice.accounts[0]);
    assert_int_equal(account_take_stream(&twice.accounts[0]), PLACES_OWN);
    account_give_stream(&twice.accounts[0]);
    account_give_stream(&twice.accounts[1]);
    assert_int_equal(account_take_stream(&twice.accounts[1]), PLACES_FREE);
    account_give_stream(&twice.accounts[1]);
    account_give_flow(&twice.accounts[1]);
    assert_int_equal(twice.common.streams.used + twice.common.flows.used, 0);
}

static void test_refusals_and_dials_are_counted(void **state)
{
    const struct client_bounds bounds = {.streams = 1};
    struct twice twice;
    (void)state;

    twice_init(&twice, &bounds);
    for (int i = 0; i < 3; i++)
        account_note_refusal(&twice.accounts[i % 2], CLIENT_REFUSAL_NAMES);
    assert_int_equal(twice.client.refusals[CLIENT_REFUSAL_NAMES], 3);
    assert_int_equal(twice.client.refusals[CLIENT_REFUSAL_DIALS], 0);
    for (int i = 0; i < CLIENT_REFUSALS; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(client_refusal_name((enum client_refusal)i),
                                    client_refusal_name((enum client_refusal)j));
    assert_int_equal(account_dial_at(&twice.accounts[1], 5), 5); /* without a bound, too */
    assert_int_equal(twice.client.dials, 1);
}

static void test_no_client_takes_more_places_than_it_leaves(void **state)
{
    struct places_pool pool;
    struct places greedy, modest;
    (void)state;

    places_pool_init(&pool, 100);
    places_init(&greedy, &pool, 1000);
    places_init(&modest, &pool, 10);
    for (int i = 0; i < 50; i++)
        assert_int_equal(places_take(&greedy), PLACES_FREE);
    assert_int_equal(places_take(&greedy), PLACES_COMMON);
    for (int i = 0; i < 10; i++)
        assert_int_equal(places_take(&modest), PLACES_FREE);
    assert_int_equal(places_take(&modest), PLACES_OWN);
    assert_int_equal(pool.used, 60);
}

struct takers {
    struct places_pool pool;
    struct places places;
    atomic_int held, most;
};

#define TAKER_BOUND 3

/* Takes and gives, and notes the most places that both threads of a user have seen. */
static void *take_and_give(void *context)
{
    struct takers *takers = context;
    for (int i = 0; i < 20000; i++) {
        int now;

        if (places_take(&takers->places) != PLACES_FREE)
            continue;
        now = atomic_fetch_add(&takers->held, 1) + 1;
        if (now > atomic_load(&takers->most))
            atomic_store(&takers->most, now);
        atomic_fetch_sub(&takers->held, 1);
        places_give(&takers->places);
    }
    return NULL;
}

static void test_threads_count_together(void **state)
{
    pthread_t threads[4];
    struct takers takers;
    (void)state;

    places_pool_init(&takers.pool, 100);
    places_init(&takers.places, &takers.pool, TAKER_BOUND);
    atomic_init(&takers.held, 0);
    atomic_init(&takers.most, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &takers), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(takers.most, 1, TAKER_BOUND);
    assert_int_equal(takers.places.used, 0);
    assert_int_equal(takers.pool.used, 0);
}

static void test_alone_there_is_no_bound(void **state)
{
    struct page_pool pages;
    struct account account;
    (void)state;

    page_pool_init(&pages, 1, 1);
    account_init_alone(&account, &pages);
    for (int i = 0; i < 1000; i++) {
        assert_true(share_take(&account.names, 1));
        assert_int_equal(account_dial_at(&account, 7), 7);
    }
    share_give(&account.names, 1000);
}

UNIT_MAIN(cmocka_unit_test(test_one_user_gets_half),
          cmocka_unit_test(test_an_amount_is_taken_whole_or_not),
          cmocka_unit_test(test_without_a_pool_there_is_no_bound),
          cmocka_unit_test(test_dials_of_both_workers_come_at_their_rate_after_the_burst),
          cmocka_unit_test(test_a_bound_holds_over_both_workers),
          cmocka_unit_test(test_refusals_and_dials_are_counted),
          cmocka_unit_test(test_no_client_takes_more_places_than_it_leaves),
          cmocka_unit_test(test_threads_count_together),
          cmocka_unit_test(test_alone_there_is_no_bound))
