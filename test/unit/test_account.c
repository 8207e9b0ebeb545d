/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/account.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define STEP 8 /* of a pool of so many places for each of SHARE_STEPS */

/* Two users, each with a share in two threads. */
struct users {
    struct places_pool pool;
    struct places places[2];
    struct share shares[2][2]; /* of user and thread */
};

static void users_init(struct users *users, uint64_t most)
{
    places_pool_init(&users->pool, most);
    for (int user = 0; user < 2; user++) {
        places_init(&users->places[user], &users->pool, PLACES_UNLIMITED);
        for (int thread = 0; thread < 2; thread++)
            share_init(&users->shares[user][thread], &users->places[user]);
    }
}

static void test_one_user_gets_half_in_both_threads(void **state)
{
    struct share *greedy, *modest;
    struct users users;
    (void)state;

    users_init(&users, 100);
    greedy = users.shares[0];
    modest = users.shares[1];
    while (share_take(&greedy[0], 1) && share_take(&greedy[1], 1))
        ;
    assert_int_equal(greedy[0].used + greedy[1].used, 50);
    assert_int_equal(share_room(&greedy[0]) + share_room(&greedy[1]), 0);
    for (int i = 0; i < 25; i++)
        assert_true(share_take(&modest[0], 1));
    assert_false(share_take(&modest[1], 1));
    share_give(&greedy[0], 25);
    share_give(&greedy[1], 5);
    assert_true(share_take(&modest[1], 1));
    assert_int_equal(users.pool.used, 20 + 26);
    share_give(&greedy[1], 20);
    share_give(&modest[0], 25);
    share_give(&modest[1], 1);
    assert_int_equal(users.pool.used, 0);
}

static void test_an_amount_is_taken_whole_or_not(void **state)
{
    struct users users;
    struct share *share = &users.shares[0][0];
    (void)state;

    users_init(&users, 100);
    assert_false(share_take(share, 51));
    assert_int_equal(users.pool.used, 0);
    assert_int_equal(share_room(share), 50);
    assert_true(share_take(share, 50));
    /* Resources in use may exceed the bound, which may be lowered, too. */
    share_add(share, 60);
    users.pool.most = 10;
    assert_int_equal(share_room(share), 0);
    assert_true(places_are_over(&users.places[0]));
    share_give(share, 110);
    assert_int_equal(users.pool.used, 0);
    assert_false(places_are_over(&users.places[0]));
}

/* A share that takes and gives around the same count leaves the user's places alone, and
 * keeps no more than a step. */
static void test_a_share_takes_steps(void **state)
{
    struct users users;
    struct share *share = &users.shares[0][0];
    uint64_t taken;
    (void)state;

    users_init(&users, STEP * SHARE_STEPS);
    assert_true(share_take(share, 3));
    assert_int_equal(users.places[0].used, STEP);
    assert_true(share_take(share, 100));
    share_give(share, 50);
    taken = users.places[0].used;
    assert_in_range(taken, share->used, share->used + STEP);
    for (int i = 0; i < 10; i++) {
        assert_true(share_take(share, STEP / 2));
        share_give(share, STEP / 2);
    }
    assert_int_equal(users.places[0].used, taken);
    for (uint64_t used = share->used; used > 1; used--) {
        share_give(share, 1);
        assert_in_range(users.places[0].used, share->used, share->used + STEP);
    }
    share_give(share, 1);
    assert_int_equal(users.places[0].used, 0);
    assert_int_equal(users.pool.used, 0);
}

/* A step that would pass the bound does not keep a share from the last places. */
static void test_steps_end_at_the_bound(void **state)
{
    struct users users;
    struct share *share = &users.shares[0][0];
    (void)state;

    users_init(&users, STEP * SHARE_STEPS);
    users.places[0].most = 5;
    for (int i = 0; i < 5; i++)
        assert_true(share_take(share, 1));
    assert_false(share_take(share, 1));
    assert_int_equal(users.pool.used, 5);
    share_give(share, 5);
}

static void test_without_places_there_is_no_bound(void **state)
{
    struct share share;
    (void)state;

    share_init(&share, NULL);
    assert_true(share_take(&share, UINT64_MAX / 2));
    assert_true(share_room(&share) > 0);
    assert_int_equal(share.used, UINT64_MAX / 2);
    share_give(&share, UINT64_MAX / 2);
    assert_int_equal(share.used, 0);
}

/* A client's accounts in two workers. */
struct twice {
    struct page_pool pages;
    struct client_pools common;
    struct client_account client;
    struct account accounts[2];
};

static void twice_init(struct twice *twice, const struct client_bounds *bounds)
{
    page_pool_init(&twice->pages, 1, 1);
    client_pools_init(&twice->common);
    client_account_init(&twice->client, &twice->common);
    client_account_set(&twice->client, bounds);
    for (int i = 0; i < 2; i++)
        account_init(&twice->accounts[i], &twice->pages, &twice->client);
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

/* A user whose own bound is small keeps no steps of it: another thread could not have
 * them. */
static void test_a_small_own_bound_is_used_by_both_threads(void **state)
{
    struct users users;
    struct share *shares = users.shares[0];
    (void)state;

    users_init(&users, STEP * SHARE_STEPS);
    users.places[0].most = 10;
    for (int i = 0; i < 9; i++)
        assert_true(share_take(&shares[0], 1));
    assert_true(share_take(&shares[1], 1));
    assert_int_equal(share_bound(&shares[0], 1), PLACES_OWN);
    assert_false(share_take(&shares[0], 1));
    share_give(&shares[0], 8);
    assert_int_equal(share_bound(&shares[1], 8), PLACES_FREE);
    assert_int_equal(share_bound(&shares[1], 9), PLACES_OWN);
    assert_true(share_take(&shares[1], 8));
    share_give(&shares[0], 1);
    share_give(&shares[1], 9);
    assert_int_equal(users.pool.used, 0);
}

/* Whose bound is met: the user's own one, or the part that it leaves to the others. */
static void test_the_bound_that_is_met(void **state)
{
    struct users users;
    struct share *share = &users.shares[0][0];
    (void)state;

    users_init(&users, 20);
    users.places[0].most = 8;
    assert_int_equal(share_bound(share, 8), PLACES_FREE);
    assert_int_equal(share_bound(share, 9), PLACES_OWN);
    users.places[0].most = 15;
    assert_int_equal(share_bound(share, 10), PLACES_FREE);
    assert_int_equal(share_bound(share, 11), PLACES_COMMON);
    assert_int_equal(share_bound(share, 16), PLACES_OWN);
}

/* The client's own bounds of each kind count at once; 0 is none. */
static void test_bounds_of_each_kind(void **state)
{
    const struct client_bounds few = {.pages = 2,
                                      .records = 3,
                                      .datagrams = 4,
                                      .subflows = 5,
                                      .destinations = 6,
                                      .names = 7};
    const struct client_bounds none = {0};
    struct twice twice;
    struct share *shares[] = {&twice.accounts[0].pages.share,  &twice.accounts[0].records,
                              &twice.accounts[0].datagrams,    &twice.accounts[0].subflows,
                              &twice.accounts[0].destinations, &twice.accounts[0].names};
    (void)state;

    twice_init(&twice, &few);
    for (uint64_t i = 0; i < ARRAY_LENGTH(shares); i++) {
        assert_int_equal(share_room(shares[i]), 2 + i);
        assert_true(share_take(shares[i], 2 + i));
        assert_false(share_take(shares[i], 1));
        assert_int_equal(share_bound(shares[i], 1), PLACES_OWN);
    }
    client_account_set(&twice.client, &none);
    for (uint64_t i = 0; i < ARRAY_LENGTH(shares); i++) {
        assert_true(share_take(shares[i], 1));
        share_give(shares[i], 3 + i);
    }
    assert_int_equal(twice.client.pages.used, 0);
}

/* A flow may begin before the old one has ended that makes room for it, and the end of any
 * flow settles that. */
static void test_flows_are_owed(void **state)
{
    const struct client_bounds bounds = {.flows = 2};
    struct twice twice;
    unsigned owed = 0;
    (void)state;

    twice_init(&twice, &bounds);
    for (int i = 0; i < 2; i++)
        assert_int_equal(account_take_flow(&twice.accounts[0]), PLACES_FREE);
    assert_int_equal(account_take_flow(&twice.accounts[1]), PLACES_OWN);
    while (client_account_owe_flow(&twice.client))
        owed++;
    assert_in_range(owed, 8, 64);
    assert_int_equal(client_account_flows_owed(&twice.client), owed);
    assert_int_equal(twice.client.flows.used, 2 + owed);
    for (unsigned left = owed; left > 0; left--) {
        account_give_flow(&twice.accounts[0]);
        assert_int_equal(client_account_flows_owed(&twice.client), left - 1);
    }
    assert_int_equal(account_take_flow(&twice.accounts[1]), PLACES_OWN);
    for (int i = 0; i < 2; i++)
        account_give_flow(&twice.accounts[0]);
    assert_int_equal(client_account_flows_owed(&twice.client), 0);
    assert_int_equal(twice.client.flows.used, 0);
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
    assert_int_equal(places_room(&greedy), 50);
    for (int i = 0; i < 50; i++)
        assert_int_equal(places_take(&greedy, 1), PLACES_FREE);
    assert_int_equal(places_take(&greedy, 1), PLACES_COMMON);
    assert_int_equal(places_room(&modest), 10);
    assert_int_equal(places_take(&modest, 11), PLACES_OWN);
    assert_int_equal(places_take(&modest, 10), PLACES_FREE);
    assert_int_equal(places_take(&modest, 1), PLACES_OWN);
    assert_int_equal(pool.used, 60);
    assert_false(places_are_over(&modest));
    places_add(&modest, 1);
    assert_true(places_are_over(&modest));
}

/* Two threads for each of two users. */
struct takers {
    struct users users;
    struct taker {
        struct takers *all;
        int user;
        struct share *share;
        uint64_t random;
    } takers[4];
    atomic_int held[2], most[2];
};

#define TAKER_ROUNDS 20000
#define TAKER_BOUND (STEP * SHARE_STEPS)
#define TAKER_AMOUNT 500 /* at once */

static void note_most(atomic_int *most, int now)
{
    int before = atomic_load(most);

    while (now > before && !atomic_compare_exchange_weak(most, &before, now))
        ;
}

/* Takes as much as it can get, and gives back; notes the most that a user has had. */
static void *take_and_give(void *context)
{
    struct taker *taker = context;
    atomic_int *held = &taker->all->held[taker->user];
    int mine = 0;

    for (int i = 0; i < TAKER_ROUNDS; i++) {
        int amount;

        taker->random = taker->random * 6364136223846793005 + 1;
        amount = 1 + (int)(taker->random >> 33) % TAKER_AMOUNT;
        if (share_take(taker->share, (uint64_t)amount)) {
            mine += amount;
            note_most(&taker->all->most[taker->user],
                      atomic_fetch_add(held, amount) + amount);
        } else if (mine > 0) {
            amount = 1 + (int)(taker->random >> 33) % mine;
            mine -= amount;
            atomic_fetch_sub(held, amount);
            share_give(taker->share, (uint64_t)amount);
        }
    }
    atomic_fetch_sub(held, mine);
    share_give(taker->share, (uint64_t)mine);
    return NULL;
}

static void test_threads_count_together(void **state)
{
    pthread_t threads[4];
    struct takers *takers = calloc(1, sizeof(*takers));
    (void)state;

    assert_non_null(takers);
    users_init(&takers->users, TAKER_BOUND);
    takers->users.places[1].most = 100;
    for (int i = 0; i < 4; i++)
        takers->takers[i] = (struct taker){.all = takers,
                                           .user = i / 2,
                                           .share = &takers->users.shares[i / 2][i % 2],
                                           .random = (uint64_t)i};
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, take_and_give, &takers->takers[i]), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    /* Two threads that take at the same moment may pass the half by a half of their amount.
     */
    assert_in_range(takers->most[0], 1, TAKER_BOUND / 2 + TAKER_AMOUNT);
    assert_in_range(takers->most[1], 1, 100);
    for (int user = 0; user < 2; user++)
        assert_int_equal(takers->users.places[user].used, 0);
    assert_int_equal(takers->users.pool.used, 0);
    free(takers);
}

static void test_alone_there_is_no_bound(void **state)
{
    struct page_pool pages;
    struct account account;
    (void)state;

    page_pool_init(&pages, 1, 1);
    account_init(&account, &pages, NULL);
    for (int i = 0; i < 1000; i++) {
        assert_true(share_take(&account.names, 1));
        assert_int_equal(account_dial_at(&account, 7), 7);
    }
    share_give(&account.names, 1000);
}

UNIT_MAIN(cmocka_unit_test(test_one_user_gets_half_in_both_threads),
          cmocka_unit_test(test_an_amount_is_taken_whole_or_not),
          cmocka_unit_test(test_a_share_takes_steps),
          cmocka_unit_test(test_steps_end_at_the_bound),
          cmocka_unit_test(test_without_places_there_is_no_bound),
          cmocka_unit_test(test_dials_of_both_workers_come_at_their_rate_after_the_burst),
          cmocka_unit_test(test_a_bound_holds_over_both_workers),
          cmocka_unit_test(test_a_small_own_bound_is_used_by_both_threads),
          cmocka_unit_test(test_the_bound_that_is_met),
          cmocka_unit_test(test_bounds_of_each_kind), cmocka_unit_test(test_flows_are_owed),
          cmocka_unit_test(test_refusals_and_dials_are_counted),
          cmocka_unit_test(test_no_client_takes_more_places_than_it_leaves),
          cmocka_unit_test(test_threads_count_together),
          cmocka_unit_test(test_alone_there_is_no_bound))
