/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/backoff.h>

static void test_the_wait_doubles(void **state)
{
    (void)state;
    assert_int_equal(backoff_ns(50, 0, 1000), 50);
    assert_int_equal(backoff_ns(50, 1, 1000), 100);
    assert_int_equal(backoff_ns(50, 4, 1000), 800);
}

static void test_the_wait_has_a_longest(void **state)
{
    (void)state;
    assert_int_equal(backoff_ns(50, 5, 1000), 1000);
    assert_int_equal(backoff_ns(2000, 0, 1000), 1000);
    for (unsigned i = 5; i < 200; i++)
        assert_int_equal(backoff_ns(50, i, 1000), 1000);
    for (unsigned i = 60; i < 200; i++)
        assert_int_equal(backoff_ns(50, i, TIME_NEVER), TIME_NEVER);
    assert_int_equal(backoff_ns(50, UINT32_MAX, TIME_NEVER), TIME_NEVER);
}

/* Both functions give the same waits. */
static void test_one_wait_follows_from_the_other(void **state)
{
    uint64_t wait_ns = 0;
    (void)state;

    for (unsigned i = 0; i < 100; i++) {
        wait_ns = backoff_next_ns(wait_ns, 3 * NS_PER_S, 100 * NS_PER_S);
        assert_int_equal(wait_ns, backoff_ns(3 * NS_PER_S, i, 100 * NS_PER_S));
    }
}

/* The longest wait may change between two failures. */
static void test_another_longest_wait(void **state)
{
    (void)state;
    assert_int_equal(backoff_next_ns(15000, 100, 1000), 1000);
    assert_int_equal(backoff_next_ns(1000, 100, 15000), 2000);
    assert_int_equal(backoff_next_ns(1, 100, 15000), 100);
    assert_int_equal(backoff_next_ns(1, 100, 50), 50);
}

UNIT_MAIN(cmocka_unit_test(test_the_wait_doubles),
          cmocka_unit_test(test_the_wait_has_a_longest),
          cmocka_unit_test(test_one_wait_follows_from_the_other),
          cmocka_unit_test(test_another_longest_wait))
