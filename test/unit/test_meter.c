/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/meter.h>

static void test_nothing_counted(void **state)
{
    struct meter meter = {0};
    (void)state;

    assert_int_equal(meter_bytes_per_second(&meter, 0), 0);
    assert_int_equal(meter_bytes_per_second(&meter, 3), 0);
    assert_int_equal(meter_bytes_per_second(&meter, 1000 * NS_PER_S), 0);
}

static void test_a_steady_rate_is_met(void **state)
{
    struct meter meter = {0};
    uint64_t now = 1234567 * NS_PER_MS;
    (void)state;

    /* 1 MB/s in steps of 10 ms. */
    for (unsigned i = 0; i < 3000; i++, now += 10 * NS_PER_MS) {
        meter_add(&meter, 10000, now);
        /* At first the slot that was begun late counts as a whole one. */
        if (i >= 100)
            assert_in_range(meter_bytes_per_second(&meter, now), 900000, 1020000);
        if (i >= 500)
            assert_in_range(meter_bytes_per_second(&meter, now), 990000, 1020000);
    }
}

/* A burst that is shorter than a slot counts as if it had taken a whole one. */
static void test_a_burst_is_no_rate(void **state)
{
    struct meter meter = {0};
    uint64_t now = 77 * METER_SLOT_NS;
    (void)state;

    meter_add(&meter, 5000, now);
    assert_int_equal(meter_bytes_per_second(&meter, now + 1), 10000);
    assert_int_equal(meter_bytes_per_second(&meter, now + NS_PER_S), 5000);
    assert_int_equal(meter_bytes_per_second(&meter, now + 2 * NS_PER_S), 2500);
}

static void test_what_has_just_begun_is_not_diluted(void **state)
{
    struct meter meter = {0};
    uint64_t now = 100 * NS_PER_S;
    (void)state;

    for (unsigned i = 0; i < 100; i++, now += 10 * NS_PER_MS)
        meter_add(&meter, 10000, now);
    assert_in_range(meter_bytes_per_second(&meter, now), 990000, 1010000);
}

static void test_the_past_is_forgotten(void **state)
{
    struct meter meter = {0};
    uint64_t now = 5 * NS_PER_S;
    uint64_t window_ns = METER_SLOTS * METER_SLOT_NS;
    (void)state;

    meter_add(&meter, 1 << 20, now);
    assert_true(meter_bytes_per_second(&meter, now + window_ns - 1) > 0);
    assert_int_equal(meter_bytes_per_second(&meter, now + window_ns), 0);
    /* After a pause of any length the next bytes count alone. */
    for (unsigned pause = 1; pause < 3 * METER_SLOTS; pause++) {
        now += window_ns + pause * METER_SLOT_NS;
        meter_add(&meter, 600, now);
        assert_int_equal(meter_bytes_per_second(&meter, now), 1200);
    }
}

UNIT_MAIN(cmocka_unit_test(test_nothing_counted),
          cmocka_unit_test(test_a_steady_rate_is_met),
          cmocka_unit_test(test_a_burst_is_no_rate),
          cmocka_unit_test(test_what_has_just_begun_is_not_diluted),
          cmocka_unit_test(test_the_past_is_forgotten))
