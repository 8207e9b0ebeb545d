/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/rate_limit.h>

static const uint64_t start = 1000 * NS_PER_S;

/* Sends as much as is allowed, in pieces of at most `piece`, until `end`. */
static uint64_t send_until(struct rate_limit *limit, uint64_t piece, uint64_t now,
                           uint64_t end)
{
    uint64_t sent = 0;

    while (now < end) {
        uint64_t room = rate_limit_room(limit, now);

        if (room == 0) {
            uint64_t next = rate_limit_next(limit, now);

            assert_true(next > now);
            now = next;
            continue;
        }
        rate_limit_spend(limit, MIN(room, piece), now);
        sent += MIN(room, piece);
    }
    return sent;
}

static void test_without_a_rate_there_is_no_ceiling(void **state)
{
    struct rate_limit limit = {0};
    (void)state;

    rate_limit_spend(&limit, UINT64_C(1) << 40, start);
    assert_int_equal(rate_limit_room(&limit, start), RATE_LIMIT_NO_CEILING);
    assert_int_equal(rate_limit_next(&limit, start), start);
}

static void test_the_rate_is_reached_and_not_exceeded(void **state)
{
    static const uint64_t rates[] = {1000, 8000, 625000, 12500000, UINT64_C(1250000000)};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rates); i++) {
        struct rate_limit limit = {0};
        uint64_t sent, burst = MAX(rates[i] / 50, 2 * RATE_LIMIT_PIECE);

        rate_limit_set(&limit, rates[i], start);
        sent = send_until(&limit, 16384, start, start + 10 * NS_PER_S);
        assert_true(sent <= 10 * rates[i] + burst + 16384);
        /* Less than a byte is lost with each piece. */
        assert_true(sent >= 10 * rates[i] / 1000 * 999 - RATE_LIMIT_PIECE);
    }
}

/* By integers, so that no machine's floating point says otherwise: once there is a debt,
 * the piece is there at the time that was told, and not a microsecond before. */
static void test_the_time_that_is_told_is_right(void **state)
{
    static const uint64_t debts[] = {1, 511, 16384, 999999937, UINT64_C(1) << 40};
    (void)state;

    for (unsigned bit = 0; bit <= 50; bit++)
        for (size_t i = 0; i < ARRAY_LENGTH(debts); i++)
            for (uint64_t off = 0; off < 3; off++) {
                struct rate_limit limit = {0};
                uint64_t rate = (UINT64_C(1) << bit) + off, next;

                if (debts[i] / rate > 3000) /* tokens of at most an hour count */
                    continue;
                rate_limit_set(&limit, rate, start);
                rate_limit_spend(&limit, RATE_LIMIT_PIECE + debts[i], start);
                next = rate_limit_next(&limit, start);
                if (rate_limit_room(&limit, next) < RATE_LIMIT_PIECE)
                    fail_msg("too early at rate %llu", (unsigned long long)rate);
                if (next > start + 1000 && rate_limit_room(&limit, next - 1000) > 0 &&
                    rate < NS_PER_S)
                    fail_msg("too late at rate %llu", (unsigned long long)rate);
            }
}

static void test_a_pause_saves_up_no_more_than_the_burst(void **state)
{
    struct rate_limit limit = {0};
    (void)state;

    rate_limit_set(&limit, 1000000, start);
    assert_int_equal(rate_limit_room(&limit, start + 3600 * NS_PER_S), 20000);
}

static void test_a_debt_is_paid_first(void **state)
{
    struct rate_limit limit = {0};
    uint64_t next;
    (void)state;

    rate_limit_set(&limit, 1000, start);
    rate_limit_spend(&limit, RATE_LIMIT_PIECE + 2000, start);
    next = rate_limit_next(&limit, start);
    assert_int_equal(rate_limit_room(&limit, next - NS_PER_MS), 0);
    assert_true(rate_limit_room(&limit, next) >= RATE_LIMIT_PIECE);
    assert_in_range(next, start + 2511 * NS_PER_MS, start + 2513 * NS_PER_MS);
    /* Whatever the ceiling becomes. */
    rate_limit_set(&limit, 2000, start);
    assert_int_equal(rate_limit_room(&limit, start), 0);
}

UNIT_MAIN(cmocka_unit_test(test_without_a_rate_there_is_no_ceiling),
          cmocka_unit_test(test_the_rate_is_reached_and_not_exceeded),
          cmocka_unit_test(test_the_time_that_is_told_is_right),
          cmocka_unit_test(test_a_pause_saves_up_no_more_than_the_burst),
          cmocka_unit_test(test_a_debt_is_paid_first))
