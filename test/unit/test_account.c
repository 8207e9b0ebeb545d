/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/account.h>

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

static void test_dials_come_at_their_rate_after_the_burst(void **state)
{
    struct page_pool pages;
    struct account_pools pools;
    struct account account;
    uint64_t now = 5 * NS_PER_S;
    (void)state;

    page_pool_init(&pages, 1, 1);
    account_pools_init(&pools, &pages);
    pools.dials_per_second = 10;
    pools.dials_burst = 3;
    account_init(&account, &pools);
    /* The burst comes beside the dial that is due. */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(account_dial_wait(&account, now), 0);
        assert_int_equal(account_dial_at(&account, now), now);
    }
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(account_dial_wait(&account, now), i * NS_PER_S / 10);
        assert_int_equal(account_dial_at(&account, now), now + i * NS_PER_S / 10);
    }
    /* A pause brings the burst back, and no more. */
    now += 100 * NS_PER_S;
    for (int i = 0; i < 4; i++)
        assert_int_equal(account_dial_at(&account, now), now);
    assert_int_equal(account_dial_at(&account, now), now + NS_PER_S / 10);
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
          cmocka_unit_test(test_dials_come_at_their_rate_after_the_burst),
          cmocka_unit_test(test_alone_there_is_no_bound))
