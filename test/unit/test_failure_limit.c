/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/gate/failure_limit.h>

static const struct failure_rate source_rate = {.burst = 4, .per_minute = 120};
static const struct failure_rate total_rate = {.burst = 100, .per_minute = 3000};
static const uint64_t start = 1000 * NS_PER_S;

static unsigned spend(struct failure_limit *limit, const struct address *peer, uint64_t now)
{
    unsigned spent = 0;

    while (spent < 1000 && failure_limit_allows(limit, peer, now)) {
        failure_limit_charge(limit, peer, now);
        spent++;
    }
    return spent;
}

static void test_burst_then_rate(void **state)
{
    struct failure_limit *limit = failure_limit_new(source_rate, total_rate, 1);
    struct address peer = address_of("192.0.2.1");
    struct address neighbour = address_of("192.0.2.2");
    (void)state;

    assert_non_null(limit);
    assert_int_equal(spend(limit, &peer, start), 4);
    assert_true(failure_limit_allows(limit, &neighbour, start));
    assert_false(failure_limit_allows(limit, &peer, start + NS_PER_S / 2 - 1));
    assert_int_equal(spend(limit, &peer, start + NS_PER_S / 2), 1);
    assert_int_equal(spend(limit, &peer, start + 3 * NS_PER_S / 2), 2);
    /* Rest brings back no more than the burst. */
    assert_int_equal(spend(limit, &peer, start + 1000 * NS_PER_S), 4);
    failure_limit_free(limit);
}

/* Charges beyond the bound (several at once were let through) are not remembered. */
static void test_debt_is_bounded(void **state)
{
    struct failure_limit *limit = failure_limit_new(source_rate, total_rate, 1);
    struct address peer = address_of("192.0.2.1");
    (void)state;

    for (unsigned i = 0; i < 50; i++)
        failure_limit_charge(limit, &peer, start);
    assert_false(failure_limit_allows(limit, &peer, start));
    assert_int_equal(spend(limit, &peer, start + 2 * NS_PER_S), 4);
    failure_limit_free(limit);
}

static void test_what_is_one_source(void **state)
{
    struct failure_limit *limit = failure_limit_new(source_rate, total_rate, 1);
    struct address one = address_of("2001:db8:0:7::1");
    struct address same = address_of("2001:db8:0:7:ffff::2");
    struct address other = address_of("2001:db8:0:8::1");
    struct address mapped = address_of("::ffff:192.0.2.1");
    struct address plain = address_of("192.0.2.1");
    (void)state;

    one.port = 1;
    same.port = 2;
    assert_int_equal(spend(limit, &one, start), 4);
    assert_false(failure_limit_allows(limit, &same, start));
    assert_true(failure_limit_allows(limit, &other, start));
    assert_int_equal(spend(limit, &mapped, start), 4);
    assert_false(failure_limit_allows(limit, &plain, start));
    failure_limit_free(limit);
}

static void test_total(void **state)
{
    struct failure_limit *limit = failure_limit_new(source_rate, total_rate, 1);
    struct address peer = address_of("198.51.100.0");
    unsigned spent = 0;
    (void)state;

    /* The first failure of each is one of a newcomer, the others are repetitions. */
    for (unsigned i = 0; i < 90; i++) {
        peer.bytes[3] = (uint8_t)i;
        spent += spend(limit, &peer, start);
    }
    assert_int_equal(spent, 90 + 100);
    assert_false(failure_limit_allows(limit, &peer, start));
    assert_true(failure_limit_allows(limit, &peer, start + NS_PER_S / 2));
    /* They keep out no peer that did nothing, until newcomers are too many themselves. */
    for (unsigned i = 90; i < 100; i++) {
        peer.bytes[3] = (uint8_t)i;
        assert_int_equal(spend(limit, &peer, start), 1);
    }
    peer = address_of("203.0.113.1");
    assert_false(failure_limit_allows(limit, &peer, start));
    assert_true(failure_limit_allows(limit, &peer, start + NS_PER_S / 50));
    failure_limit_free(limit);
}

/* Many more sources than there are places: the rate of all of them still holds. */
static void test_flood_of_sources(void **state)
{
    struct failure_limit *limit = failure_limit_new(source_rate, total_rate, 99);
    struct address peer = address_of("2001:db8::");
    unsigned spent = 0;
    (void)state;

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t now = start + i * (NS_PER_S / 2000);

        peer.bytes[5] = (uint8_t)(i >> 16);
        peer.bytes[6] = (uint8_t)(i >> 8);
        peer.bytes[7] = (uint8_t)i;
        if (!failure_limit_allows(limit, &peer, now))
            continue;
        failure_limit_charge(limit, &peer, now);
        spent++;
    }
    assert_in_range(spent, 100, 100 + 50 * 10);
    failure_limit_free(limit);
}

UNIT_MAIN(cmocka_unit_test(test_burst_then_rate), cmocka_unit_test(test_debt_is_bounded),
          cmocka_unit_test(test_what_is_one_source), cmocka_unit_test(test_total),
          cmocka_unit_test(test_flood_of_sources))
