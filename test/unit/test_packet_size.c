/* SPDX-License-Identifier: MIT */
/* Black holes: the rules for what counts as a large packet that is lost for its size, and
 * which size is used and tried next. */
#include "unit.h"

#include <splitsocks/engine/path/packet_size.h>

#define RETRY_NS (600 * NS_PER_S)

/* ---- evidence ---- */

static void test_a_death_proves_nothing_by_itself(void **state)
{
    struct large_packets large = {0};
    (void)state;

    for (uint64_t i = 1; i < 10; i++)
        large_packets_lost(&large, i * 1000, 1448);
    assert_false(large_packets_fail(&large, 1448));
    /* Packets from before the large one prove nothing about it. */
    assert_false(large_packets_explain(&large, 500, 20000));
    assert_false(large_packets_explain(&large, 1000, 20000));
}

static void test_small_ones_that_pass_explain_it(void **state)
{
    struct large_packets large = {0};
    (void)state;

    large_packets_lost(&large, 1000, 1448);
    assert_true(large_packets_explain(&large, 1500, 2000));
    assert_false(large_packets_explain(&large, 1600, 2000));
    assert_false(large_packets_fail(&large, 1448));
    /* Lost together with the first: the same failure. */
    large_packets_lost(&large, 1200, 1448);
    assert_false(large_packets_explain(&large, 1700, 2100));
    large_packets_lost(&large, 3000, 1448);
    assert_true(large_packets_explain(&large, 3500, 4000));
    assert_true(large_packets_fail(&large, 1448));
    assert_true(large_packets_fail(&large, 1460));
    assert_false(large_packets_fail(&large, 1228));
}

/* A network that freezes each connection after some kilobytes lets large ones through. */
static void test_one_that_passes_ends_it(void **state)
{
    struct large_packets large = {0};
    (void)state;

    for (uint64_t i = 1; i < 20; i++) {
        large_packets_lost(&large, i * 1000, 1448);
        large_packets_explain(&large, i * 1000 + 500, i * 1000 + 600);
        large_packets_passed(&large, 1448, true);
        assert_true(large.passed);
    }
    assert_false(large_packets_fail(&large, 1448));
    large_packets_lost(&large, 30000, 1448);
    large_packets_passed(&large, 1448, true);
    assert_false(large_packets_explain(&large, 30500, 31000));
}

/* One of middle size says nothing of larger ones. */
static void test_one_of_another_size_does_not(void **state)
{
    struct large_packets large = {0};
    (void)state;

    for (uint64_t i = 1; i <= 2; i++) {
        large_packets_lost(&large, i * 1000, 1448);
        assert_true(large_packets_explain(&large, i * 1000 + 500, i * 1000 + 600));
        large_packets_passed(&large, 900, false);
    }
    assert_true(large_packets_fail(&large, 1448));
    assert_false(large.passed);
}

static void lose(struct large_packets *large, uint64_t at_ns, uint32_t bytes)
{
    large_packets_lost(large, at_ns, bytes);
    assert_true(large_packets_explain(large, at_ns + 500, at_ns + 600));
}

/* A smaller size, tried because larger ones fail, is not given up for one lost packet. */
static void test_each_size_must_fail_twice(void **state)
{
    struct large_packets large = {0};
    (void)state;

    lose(&large, 1000, 1448);
    lose(&large, 2000, 1448);
    lose(&large, 3000, 1228);
    assert_int_equal(large.failed_bytes, 1448);
    large_packets_passed(&large, 1228, true);
    lose(&large, 4000, 1228);
    assert_int_equal(large.failed_bytes, 1448);
    lose(&large, 5000, 1228);
    assert_int_equal(large.failed_bytes, 1228);
    assert_true(large_packets_fail(&large, 1228));
    lose(&large, 6000, 1448);
    assert_int_equal(large.failed_bytes, 1228);
}

/* Two losses of different sizes show twice only that the larger one fails. */
static void test_two_sizes_that_fail_once_each(void **state)
{
    struct large_packets large = {0};
    (void)state;

    lose(&large, 1000, 954);
    lose(&large, 2000, 1448);
    assert_true(large_packets_fail(&large, 1448));
    assert_false(large_packets_fail(&large, 954));
}

static void test_the_wait_grows_and_is_bounded(void **state)
{
    struct large_packets large = {0};
    uint64_t last_ns = 0;
    (void)state;

    for (uint64_t i = 1; i < 40; i++) {
        large_packets_lost(&large, i * 1000, 1448);
        assert_true(large_packets_explain(&large, i * 1000 + 500, i * 1000 + 600));
        assert_true(large_packets_wait_ns(&large) >= last_ns);
        last_ns = large_packets_wait_ns(&large);
    }
    assert_int_equal(last_ns, 2 * NS_PER_S);
}

/* ---- sizes ---- */

static void test_goes_down_step_by_step(void **state)
{
    struct packet_ladder ladder;
    (void)state;

    packet_ladder_init(&ladder, RETRY_NS);
    assert_int_equal(ladder.size, 0);
    assert_true(packet_ladder_lower(&ladder, 9000, PACKET_UP, 0));
    assert_int_equal(ladder.size, 1500);
    assert_true(packet_ladder_lower(&ladder, 1500, PACKET_UP, 0));
    assert_int_equal(ladder.size, 1280);
    /* Told by connections of before. */
    assert_false(packet_ladder_lower(&ladder, 1500, PACKET_DOWN, 0));
    assert_true(packet_ladder_lower(&ladder, 1280, PACKET_DOWN, 0));
    assert_int_equal(ladder.size, 1006);
    assert_int_equal(ladder.directions, PACKET_UP | PACKET_DOWN);
    assert_true(packet_ladder_lower(&ladder, 1006, PACKET_UP, 0));
    assert_int_equal(ladder.size, PACKET_SIZE_MIN);
    assert_false(ladder.given_up);
}

static void test_gives_up_for_a_while(void **state)
{
    struct packet_ladder ladder;
    (void)state;

    packet_ladder_init(&ladder, RETRY_NS);
    assert_true(packet_ladder_lower(&ladder, PACKET_SIZE_MIN, PACKET_UP, 0));
    assert_true(ladder.given_up);
    assert_int_equal(ladder.size, 0);
    assert_false(packet_ladder_lower(&ladder, 1500, PACKET_UP, RETRY_NS - 1));
    assert_true(packet_ladder_lower(&ladder, 1500, PACKET_UP, RETRY_NS));
    assert_int_equal(ladder.size, 1280);
    assert_false(ladder.given_up);
}

static void test_tries_larger_ones_again(void **state)
{
    struct packet_ladder ladder;
    (void)state;

    packet_ladder_init(&ladder, RETRY_NS);
    assert_true(packet_ladder_lower(&ladder, 1280, PACKET_UP, 0));
    assert_int_equal(ladder.size, 1006);
    assert_int_equal(ladder.retry_at_ns, RETRY_NS);
    assert_int_equal(packet_ladder_try(&ladder), 1280);
    assert_int_equal(ladder.retry_at_ns, TIME_NEVER);
    packet_ladder_tried(&ladder, true, 1000 * NS_PER_S);
    assert_int_equal(ladder.retry_at_ns, 1000 * NS_PER_S + 2 * RETRY_NS);
    /* A try that has shown nothing costs nothing. */
    packet_ladder_tried(&ladder, false, 2000 * NS_PER_S);
    assert_int_equal(ladder.retry_at_ns, 2000 * NS_PER_S + 2 * RETRY_NS);
    packet_ladder_raise(&ladder, 1280, 3000 * NS_PER_S);
    assert_int_equal(ladder.size, 1280);
    assert_int_equal(ladder.retry_at_ns, 3000 * NS_PER_S + RETRY_NS);
    assert_int_equal(packet_ladder_try(&ladder), 0);
    packet_ladder_raise(&ladder, 0, 4000 * NS_PER_S);
    assert_int_equal(ladder.retry_at_ns, TIME_NEVER);
    assert_int_equal(ladder.directions, 0);
}

static void test_never_tries_when_it_may_not(void **state)
{
    struct packet_ladder ladder;
    (void)state;

    packet_ladder_init(&ladder, TIME_NEVER);
    assert_true(packet_ladder_lower(&ladder, 1500, PACKET_UP, 5));
    assert_int_equal(ladder.retry_at_ns, TIME_NEVER);
    packet_ladder_set(&ladder, 1006, 5);
    assert_int_equal(ladder.retry_at_ns, TIME_NEVER);
    assert_int_equal(ladder.size, 1006);
}

UNIT_MAIN(cmocka_unit_test(test_a_death_proves_nothing_by_itself),
          cmocka_unit_test(test_small_ones_that_pass_explain_it),
          cmocka_unit_test(test_one_that_passes_ends_it),
          cmocka_unit_test(test_one_of_another_size_does_not),
          cmocka_unit_test(test_each_size_must_fail_twice),
          cmocka_unit_test(test_two_sizes_that_fail_once_each),
          cmocka_unit_test(test_the_wait_grows_and_is_bounded),
          cmocka_unit_test(test_goes_down_step_by_step),
          cmocka_unit_test(test_gives_up_for_a_while),
          cmocka_unit_test(test_tries_larger_ones_again),
          cmocka_unit_test(test_never_tries_when_it_may_not))
