/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/proxy/eyeballs.h>

#include <stdlib.h>

#define START (1000 * NS_PER_S)

static void add(struct eyeballs *e, const char *text, uint64_t now)
{
    struct address address = address_of(text);

    assert_int_equal(eyeballs_add(e, &address, now), OK);
}

/* A race of one address of each family. */
static void begin_with_both(struct eyeballs *e)
{
    eyeballs_init(e, false);
    add(e, "2001:db8::1", START);
    add(e, "192.0.2.1", START);
}

static void check_next(struct eyeballs *e, uint64_t now, enum eyeballs_action expected,
                       size_t expected_index)
{
    size_t index = SIZE_MAX;

    assert_int_equal(eyeballs_next(e, now, &index), expected);
    if (expected != EYEBALLS_WAIT && expected != EYEBALLS_FAILED)
        assert_int_equal(index, expected_index);
}

static void test_families_take_turns(void **state)
{
    static const size_t order[] = {0, 3, 1, 4, 2, 5};
    struct eyeballs e;
    uint64_t now = START;
    (void)state;

    eyeballs_init(&e, false);
    add(&e, "2001:db8::1", now);
    add(&e, "2001:db8::2", now);
    add(&e, "2001:db8::3", now);
    add(&e, "192.0.2.1", now);
    add(&e, "192.0.2.2", now);
    add(&e, "192.0.2.3", now);
    add(&e, "192.0.2.2", now); /* again: ignored */
    for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
        check_next(&e, now, EYEBALLS_START, order[i]);
        check_next(&e, now, EYEBALLS_WAIT, 0);
        if (i + 1 < ARRAY_LENGTH(order))
            assert_int_equal(eyeballs_next_timeout(&e), now + EYEBALLS_DELAY_NS);
        now += EYEBALLS_DELAY_NS;
    }
    assert_int_equal(eyeballs_next_timeout(&e), START + EYEBALLS_TIMEOUT_NS);
}

static void test_a_failure_starts_the_next_at_once(void **state)
{
    struct eyeballs e;
    (void)state;

    eyeballs_init(&e, false);
    add(&e, "192.0.2.1", START);
    add(&e, "192.0.2.2", START);
    check_next(&e, START, EYEBALLS_START, 0);
    eyeballs_failed(&e, 0, RESET_REFUSED, START + 1);
    check_next(&e, START + 1, EYEBALLS_START, 1);
    eyeballs_failed(&e, 1, RESET_NETWORK_UNREACHABLE, START + 2);
    check_next(&e, START + 2, EYEBALLS_FAILED, 0);
    assert_int_equal(eyeballs_code(&e), RESET_REFUSED);
}

static void test_the_winner_ends_the_others(void **state)
{
    struct eyeballs e;
    const uint64_t later = START + EYEBALLS_DELAY_NS;
    (void)state;

    begin_with_both(&e);
    add(&e, "192.0.2.2", START);
    check_next(&e, START, EYEBALLS_START, 0);
    check_next(&e, later, EYEBALLS_START, 1);
    eyeballs_succeeded(&e, 1);
    check_next(&e, later, EYEBALLS_ABANDON, 0);
    check_next(&e, later, EYEBALLS_CONNECTED, 1);
    check_next(&e, later, EYEBALLS_CONNECTED, 1);
    assert_int_equal(eyeballs_next_timeout(&e), TIME_NEVER);
}

static void test_two_winners_in_one_wake_up(void **state)
{
    struct eyeballs e;
    const uint64_t later = START + EYEBALLS_DELAY_NS;
    (void)state;

    eyeballs_init(&e, false);
    add(&e, "192.0.2.1", START);
    add(&e, "192.0.2.2", START);
    check_next(&e, START, EYEBALLS_START, 0);
    check_next(&e, later, EYEBALLS_START, 1);
    eyeballs_succeeded(&e, 1);
    eyeballs_succeeded(&e, 0);
    check_next(&e, later, EYEBALLS_CONNECTED, 1);
}

static void test_a_family_that_is_avoided_comes_second(void **state)
{
    struct eyeballs e;
    (void)state;

    begin_with_both(&e);
    eyeballs_avoid(&e, ADDRESS_IPV6);
    check_next(&e, START, EYEBALLS_START, 1);
    check_next(&e, START + EYEBALLS_DELAY_NS, EYEBALLS_START, 0);
    eyeballs_succeeded(&e, 0); /* a family that is avoided may win */
    assert_int_equal(eyeballs_overtaken(&e), ADDRESS_IPV4);
    /* Where there is nothing else it is not avoided. */
    eyeballs_init(&e, false);
    add(&e, "2001:db8::1", START);
    eyeballs_avoid(&e, ADDRESS_IPV6);
    check_next(&e, START, EYEBALLS_START, 0);
}

static void test_who_is_overtaken(void **state)
{
    struct eyeballs e;
    const uint64_t later = START + EYEBALLS_DELAY_NS;
    (void)state;

    begin_with_both(&e);
    check_next(&e, START, EYEBALLS_START, 0);
    check_next(&e, later, EYEBALLS_START, 1);
    eyeballs_succeeded(&e, 1);
    assert_int_equal(eyeballs_overtaken(&e), ADDRESS_IPV6);
    /* A family that has answered, even with a refusal, was not overtaken. */
    begin_with_both(&e);
    check_next(&e, START, EYEBALLS_START, 0);
    eyeballs_failed(&e, 0, RESET_REFUSED, START + 5);
    check_next(&e, START + 5, EYEBALLS_START, 1);
    eyeballs_succeeded(&e, 1);
    assert_int_equal(eyeballs_overtaken(&e), ADDRESS_NONE);
    /* A family that wins after the other was started was not overtaken either. */
    begin_with_both(&e);
    check_next(&e, START, EYEBALLS_START, 0);
    check_next(&e, later, EYEBALLS_START, 1);
    eyeballs_succeeded(&e, 0);
    assert_int_equal(eyeballs_overtaken(&e), ADDRESS_NONE);
}

static void test_silence_is_abandoned(void **state)
{
    struct eyeballs e;
    (void)state;

    eyeballs_init(&e, false);
    add(&e, "192.0.2.1", START);
    check_next(&e, START, EYEBALLS_START, 0);
    assert_int_equal(eyeballs_next_timeout(&e), START + EYEBALLS_TIMEOUT_NS);
    check_next(&e, START + EYEBALLS_TIMEOUT_NS - 1, EYEBALLS_WAIT, 0);
    check_next(&e, START + EYEBALLS_TIMEOUT_NS, EYEBALLS_ABANDON, 0);
    check_next(&e, START + EYEBALLS_TIMEOUT_NS, EYEBALLS_FAILED, 0);
    assert_int_equal(eyeballs_code(&e), RESET_TIMED_OUT);
}

static void test_an_early_ipv4_answer_waits_a_little(void **state)
{
    struct eyeballs e;
    (void)state;

    eyeballs_init(&e, true);
    check_next(&e, START, EYEBALLS_WAIT, 0);
    assert_int_equal(eyeballs_next_timeout(&e), TIME_NEVER);
    add(&e, "192.0.2.1", START);
    check_next(&e, START, EYEBALLS_WAIT, 0);
    assert_int_equal(eyeballs_next_timeout(&e), START + EYEBALLS_RESOLUTION_DELAY_NS);
    /* IPv6 arrives in time and goes first. */
    add(&e, "2001:db8::1", START + 5);
    check_next(&e, START + 5, EYEBALLS_START, 1);
    check_next(&e, START + 5 + EYEBALLS_DELAY_NS, EYEBALLS_START, 0);

    /* It does not arrive in time, and takes its turn later. */
    eyeballs_init(&e, true);
    add(&e, "192.0.2.1", START);
    add(&e, "192.0.2.2", START);
    check_next(&e, START + EYEBALLS_RESOLUTION_DELAY_NS, EYEBALLS_START, 0);
    add(&e, "2001:db8::1", START + 2 * EYEBALLS_RESOLUTION_DELAY_NS);
    check_next(&e, START + 2 * EYEBALLS_RESOLUTION_DELAY_NS, EYEBALLS_WAIT, 0);
    check_next(&e, START + EYEBALLS_RESOLUTION_DELAY_NS + EYEBALLS_DELAY_NS, EYEBALLS_START,
               2);

    /* It is known not to come. */
    eyeballs_init(&e, true);
    add(&e, "192.0.2.1", START);
    eyeballs_resolved(&e);
    check_next(&e, START, EYEBALLS_START, 0);
}

static void test_a_late_answer_rescues(void **state)
{
    struct eyeballs e;
    (void)state;

    eyeballs_init(&e, true);
    add(&e, "2001:db8::1", START);
    check_next(&e, START, EYEBALLS_START, 0);
    eyeballs_failed(&e, 0, RESET_NETWORK_UNREACHABLE, START);
    check_next(&e, START, EYEBALLS_WAIT, 0); /* not failed: the other answer is out */
    assert_int_equal(eyeballs_next_timeout(&e), TIME_NEVER);
    add(&e, "192.0.2.1", START + NS_PER_S);
    check_next(&e, START + NS_PER_S, EYEBALLS_START, 1);
    eyeballs_resolved(&e);
    eyeballs_failed(&e, 1, RESET_FAILURE, START + NS_PER_S);
    check_next(&e, START + NS_PER_S, EYEBALLS_FAILED, 0);
    assert_int_equal(eyeballs_code(&e), RESET_NETWORK_UNREACHABLE);
}

static void test_nothing_to_try(void **state)
{
    struct eyeballs e;
    (void)state;

    eyeballs_init(&e, true);
    eyeballs_reject(&e, RESET_NAME_NOT_FOUND);
    assert_int_equal(eyeballs_code(&e), RESET_NAME_NOT_FOUND);
    eyeballs_reject(&e, RESET_NAME_FAILURE);
    eyeballs_reject(&e, RESET_NAME_NOT_FOUND);
    eyeballs_resolved(&e);
    check_next(&e, START, EYEBALLS_FAILED, 0);
    assert_int_equal(eyeballs_code(&e), RESET_NAME_FAILURE);
    eyeballs_init(&e, false);
    eyeballs_reject(&e, RESET_DENIED);
    check_next(&e, START, EYEBALLS_FAILED, 0);
    assert_int_equal(eyeballs_code(&e), RESET_DENIED);
}

static void test_bounds(void **state)
{
    struct eyeballs e;
    struct address address;
    uint64_t now = START;
    (void)state;

    eyeballs_init(&e, false);
    address = address_of("192.0.2.0");
    for (int i = 0; i < TARGET_ADDRESSES_MAX; i++) {
        assert_int_equal(eyeballs_add(&e, &address, now), OK);
        address.bytes[3]++;
    }
    assert_int_equal(eyeballs_add(&e, &address, now), ERROR_LIMIT);
    for (size_t i = 0; i < EYEBALLS_CONCURRENT; i++, now += EYEBALLS_DELAY_NS)
        check_next(&e, now, EYEBALLS_START, i);
    check_next(&e, now, EYEBALLS_WAIT, 0);
    assert_int_equal(eyeballs_next_timeout(&e), START + EYEBALLS_TIMEOUT_NS);
    now = START + EYEBALLS_TIMEOUT_NS;
    check_next(&e, now, EYEBALLS_ABANDON, 0);
    check_next(&e, now, EYEBALLS_START, EYEBALLS_CONCURRENT);
}

/* Where one family has taken all places, the other gets up to half of them. */
static void test_no_family_crowds_out_the_other(void **state)
{
    struct eyeballs e;
    struct address address;
    (void)state;

    eyeballs_init(&e, true);
    address = address_of("192.0.2.0");
    for (int i = 0; i < TARGET_ADDRESSES_MAX; i++, address.bytes[3]++)
        assert_int_equal(eyeballs_add(&e, &address, START), OK);
    address = address_of("2001:db8::");
    for (int i = 0; i < TARGET_ADDRESSES_MAX / 2; i++, address.bytes[15]++)
        assert_int_equal(eyeballs_add(&e, &address, START), OK);
    assert_int_equal(eyeballs_add(&e, &address, START), ERROR_LIMIT);
    check_next(&e, START, EYEBALLS_START, TARGET_ADDRESSES_MAX / 2);
}

/* Whatever happens, driven by its own time-outs the race ends, each address is tried once
 * at most, and no more than allowed are under way. */
static void run_race(unsigned seed)
{
    struct eyeballs e;
    uint64_t now = START;
    unsigned started[TARGET_ADDRESSES_MAX] = {0};
    enum eyeballs_action action = EYEBALLS_WAIT;
    size_t index;

    srand(seed);
    eyeballs_init(&e, false);
    for (int i = rand() % (TARGET_ADDRESSES_MAX + 1); i > 0; i--) {
        struct address address = {.family = rand() % 2 ? ADDRESS_IPV4 : ADDRESS_IPV6,
                                  .bytes = {(uint8_t)i}};

        assert_int_equal(eyeballs_add(&e, &address, now), OK);
    }
    for (int steps = 0; action != EYEBALLS_CONNECTED && action != EYEBALLS_FAILED;
         steps++) {
        assert_true(steps < 200);
        action = eyeballs_next(&e, now, &index);
        if (action == EYEBALLS_START) {
            assert_int_equal(started[index]++, 0);
            if (rand() % 3 == 0)
                eyeballs_failed(&e, index, RESET_REFUSED, now);
            else if (rand() % 30 == 0)
                eyeballs_succeeded(&e, index);
        } else if (action == EYEBALLS_WAIT) {
            assert_true(eyeballs_next_timeout(&e) > now);
            assert_true(eyeballs_next_timeout(&e) != TIME_NEVER);
            now = eyeballs_next_timeout(&e);
        }
        assert_true(e.trying <= EYEBALLS_CONCURRENT);
    }
    assert_int_equal(e.trying, 0);
}

static void test_every_race_ends(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 2000; seed++)
        run_race(seed);
}

UNIT_MAIN(cmocka_unit_test(test_families_take_turns),
          cmocka_unit_test(test_a_failure_starts_the_next_at_once),
          cmocka_unit_test(test_the_winner_ends_the_others),
          cmocka_unit_test(test_two_winners_in_one_wake_up),
          cmocka_unit_test(test_a_family_that_is_avoided_comes_second),
          cmocka_unit_test(test_who_is_overtaken),
          cmocka_unit_test(test_silence_is_abandoned),
          cmocka_unit_test(test_an_early_ipv4_answer_waits_a_little),
          cmocka_unit_test(test_a_late_answer_rescues),
          cmocka_unit_test(test_nothing_to_try), cmocka_unit_test(test_bounds),
          cmocka_unit_test(test_no_family_crowds_out_the_other),
          cmocka_unit_test(test_every_race_ends))
