/* SPDX-License-Identifier: MIT */
/* Which stamps of HELLOs were used: none passes twice, whatever clocks do. */
#include "unit.h"

#include <splitsocks/gate/stamp_memory.h>

#define DAY_NS (24 * 3600 * NS_PER_S)
#define YEAR_NS (365 * DAY_NS)

static const uint64_t clock_ns = 57 * YEAR_NS;

static void accept_some(struct stamp_memory *memory, uint64_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(stamp_memory_accept(memory, first + i, clock_ns), OK);
}

static void refuse_all(struct stamp_memory *memory, uint64_t first, unsigned count,
                       uint64_t clock)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(stamp_memory_accept(memory, first + i, clock), ERROR_REPLAY);
}

static void test_stamps_years_ahead_do_not_lock_the_right_clock_out(void **state)
{
    struct stamp_memory memory = {.forgotten_from = 0};
    (void)state;

    accept_some(&memory, clock_ns - 10, 3);
    accept_some(&memory, clock_ns + 5 * YEAR_NS, 3 * STAMPS_KEPT);
    accept_some(&memory, clock_ns, 3 * STAMPS_KEPT);
    /* None of them passes again: now, and when their time has come. */
    refuse_all(&memory, clock_ns - 10, 3, clock_ns);
    refuse_all(&memory, clock_ns, 3 * STAMPS_KEPT, clock_ns);
    refuse_all(&memory, clock_ns + 5 * YEAR_NS, 3 * STAMPS_KEPT, clock_ns);
    refuse_all(&memory, clock_ns + 5 * YEAR_NS, 3 * STAMPS_KEPT, clock_ns + 5 * YEAR_NS);
    /* But those before and after them do. */
    assert_int_equal(
        stamp_memory_accept(&memory, clock_ns + 5 * YEAR_NS - 1, clock_ns + 5 * YEAR_NS),
        OK);
    assert_int_equal(
        stamp_memory_accept(&memory, clock_ns + 6 * YEAR_NS, clock_ns + 5 * YEAR_NS), OK);
}

/* The relay's own clock begins in 1970 and is set later. */
static void test_the_clock_of_the_relay_is_set_late(void **state)
{
    struct stamp_memory memory = {.forgotten_from = 0};
    (void)state;

    for (unsigned i = 0; i < 3 * STAMPS_KEPT; i++)
        assert_int_equal(stamp_memory_accept(&memory, clock_ns + i, 1000 * NS_PER_S), OK);
    refuse_all(&memory, clock_ns, 3 * STAMPS_KEPT, 1000 * NS_PER_S);
    refuse_all(&memory, clock_ns, 3 * STAMPS_KEPT, clock_ns);
    assert_int_equal(stamp_memory_accept(&memory, clock_ns + NS_PER_S, clock_ns), OK);
}

static void test_without_a_clock_the_newest_count(void **state)
{
    struct stamp_memory memory = {.forgotten_from = 0};
    (void)state;

    for (unsigned i = 1; i <= 2 * STAMPS_KEPT; i++)
        assert_int_equal(stamp_memory_accept(&memory, i * YEAR_NS, 0), OK);
    assert_int_equal(memory.ahead.count, 0);
    assert_int_equal(stamp_memory_check(&memory, STAMPS_KEPT * YEAR_NS, 0), ERROR_REPLAY);
    assert_int_equal(stamp_memory_check(&memory, (STAMPS_KEPT + 1) * YEAR_NS + 1, 0), OK);
}

/* A random life of a client whose clock jumps by years, and of a relay that restarts:
 * against a list of all stamps that ever passed. */
static void test_a_list_restores_the_memory(void **state)
{
    static uint64_t passed[4000];
    struct stamp_memory memory = {.forgotten_from = 0};
    uint64_t random = 11, now = clock_ns, stamps[STAMPS_LISTED];
    size_t count = 0, right = 0;
    (void)state;

    for (unsigned step = 0; step < 4000; step++) {
        uint64_t stamp;

        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        now += (random >> 40) % NS_PER_S;
        stamp = now + (random >> 61) * YEAR_NS / 2; /* 0 to 3.5 years ahead */
        if (stamp_memory_accept(&memory, stamp, now) == OK) {
            passed[count++] = stamp;
            right += stamp == now;
        }
        if (step % 50 == 49) {
            struct stamp_memory restored = {.forgotten_from = 0};
            size_t listed = stamp_memory_list(&memory, stamps);

            for (size_t i = 0; i < listed; i++)
                assert_int_equal(stamp_memory_accept(&restored, stamps[i], now), OK);
            memory = restored;
        }
        for (size_t i = step % 7; i < count; i += 7)
            assert_int_equal(stamp_memory_check(&memory, passed[i], now), ERROR_REPLAY);
    }
    assert_in_range(right, 400, 600); /* an eighth: the right clock was never refused */
}

UNIT_MAIN(cmocka_unit_test(test_stamps_years_ahead_do_not_lock_the_right_clock_out),
          cmocka_unit_test(test_the_clock_of_the_relay_is_set_late),
          cmocka_unit_test(test_without_a_clock_the_newest_count),
          cmocka_unit_test(test_a_list_restores_the_memory))
