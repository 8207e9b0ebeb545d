/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/engine/path/path_limits.h>

#define LEAST (50 * NS_PER_MS)
#define LONG (90 * NS_PER_MS)

static void handshakes(struct path_limits *limits, unsigned count, uint64_t length)
{
    for (unsigned i = 0; i < count; i++)
        path_limits_fresh(limits, length, LEAST, LEAST, NS_PER_S);
}

static void test_the_end_of_a_burst_hides_no_queue(void **state)
{
    struct path_limits limits = {0};
    (void)state;

    assert_false(path_limits_queue(&limits));
    handshakes(&limits, 6, LONG);
    handshakes(&limits, 18, LEAST);
    assert_true(path_limits_queue(&limits));
}

static void test_a_late_handshake_is_no_queue(void **state)
{
    struct path_limits limits = {0};
    (void)state;

    handshakes(&limits, 7, LEAST);
    handshakes(&limits, 1, LONG);
    assert_false(path_limits_queue(&limits));
}

static void test_each_epoch_is_judged_by_itself(void **state)
{
    struct path_limits limits = {0};
    (void)state;

    handshakes(&limits, 6, LONG);
    path_limits_next_epoch(&limits);
    assert_false(path_limits_queue(&limits));
    handshakes(&limits, 6, LEAST);
    assert_false(path_limits_queue(&limits));
}

UNIT_MAIN(cmocka_unit_test(test_the_end_of_a_burst_hides_no_queue),
          cmocka_unit_test(test_a_late_handshake_is_no_queue),
          cmocka_unit_test(test_each_epoch_is_judged_by_itself))
