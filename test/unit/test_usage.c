/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/config/usage.h>

#include <jansson.h>
#include <stdio.h>

#define DAY_NS (UINT64_C(86400) * NS_PER_S)
#define NOVEMBER_2026 ((2026 - 1970) * 12 + 10)

static void test_months(void **state)
{
    (void)state;
    assert_int_equal(usage_month(0), 0);
    assert_int_equal(usage_month(31 * DAY_NS - 1), 0);
    assert_int_equal(usage_month(31 * DAY_NS), 1);
    assert_int_equal(usage_month(365 * DAY_NS), 12);
    /* 2024-02-29 23:59:59.999999999, a leap day, and what follows. */
    assert_int_equal(usage_month(UINT64_C(1709251200) * NS_PER_S - 1), 54 * 12 + 1);
    assert_int_equal(usage_month(UINT64_C(1709251200) * NS_PER_S), 54 * 12 + 2);
    assert_int_equal(usage_month(UINT64_C(1795651200) * NS_PER_S), NOVEMBER_2026);
    assert_int_equal(usage_month(UINT64_MAX), (2554 - 1970) * 12 + 6);
}

static unsigned days_of(unsigned year, unsigned month)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month] + (month == 1 && leap);
}

/* The first and the last nanosecond of each, beyond 2038, when a time_t of 32 bits ends. */
static void test_every_month(void **state)
{
    uint64_t began_ns = 0;
    (void)state;

    for (unsigned month = 0; month < (2554 - 1970) * 12; month++) {
        uint64_t ends_ns = began_ns + days_of(1970 + month / 12, month % 12) * DAY_NS;

        assert_int_equal(usage_month(began_ns), month);
        assert_int_equal(usage_month(ends_ns - 1), month);
        began_ns = ends_ns;
    }
}

static void test_counting(void **state)
{
    struct usage usage = {.month = NOVEMBER_2026};
    char name[16];
    (void)state;

    assert_int_equal(usage_get(&usage, "wwan0"), 0);
    assert_int_equal(usage_add(&usage, "wwan0", 5), OK);
    assert_int_equal(usage_add(&usage, "wwan1", 7), OK);
    assert_int_equal(usage_add(&usage, "wwan0", 6), OK);
    assert_int_equal(usage_get(&usage, "wwan0"), 11);
    assert_int_equal(usage_get(&usage, "wwan1"), 7);
    assert_int_equal(usage_add(&usage, "wwan1", UINT64_MAX - 1), OK);
    assert_true(usage_get(&usage, "wwan1") == INT64_MAX);
    for (int i = 2; i < USAGE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof(name), "path %d", i);
        assert_int_equal(usage_add(&usage, name, 1), OK);
    }
    assert_int_equal(usage_add(&usage, "one more", 1), ERROR_LIMIT);
    assert_int_equal(usage_add(&usage, "wwan0", 1), OK);
    usage_deinit(&usage);
}

/* A moment in month `month` of 2026, or beyond with more than 12. */
static uint64_t in_month(unsigned month)
{
    return USAGE_CLOCK_MIN_NS + (month - 11) * 31 * DAY_NS + 12 * DAY_NS;
}

static void test_the_month_turns_once(void **state)
{
    struct usage usage = {.month = 0};
    (void)state;

    assert_int_equal(usage_month(USAGE_CLOCK_MIN_NS), NOVEMBER_2026);
    assert_int_equal(usage_month(USAGE_CLOCK_MIN_NS - 1), NOVEMBER_2026 - 1);
    assert_true(usage_turn(&usage, in_month(11)));
    assert_int_equal(usage_add(&usage, "a", 9), OK);
    assert_false(usage_turn(&usage, in_month(11)));
    assert_int_equal(usage_get(&usage, "a"), 9);
    assert_true(usage_turn(&usage, in_month(12)));
    assert_int_equal(usage_get(&usage, "a"), 0);
    assert_int_equal(usage.month, NOVEMBER_2026 + 1);
    usage_deinit(&usage);
}

/* After a start without a battery; 1970, or the time when the system was made. */
static void test_a_clock_that_is_not_set_yet(void **state)
{
    struct usage usage = {.month = 0};
    (void)state;

    assert_true(usage_turn(&usage, in_month(13)));
    assert_int_equal(usage_add(&usage, "a", 9), OK);
    assert_false(usage_turn(&usage, 0));
    assert_false(usage_turn(&usage, USAGE_CLOCK_MIN_NS - 1));
    assert_int_equal(usage.month, NOVEMBER_2026 + 2);
    assert_true(usage_turn(&usage, in_month(11)));
    assert_int_equal(usage_get(&usage, "a"), 9);
    assert_int_equal(usage_add(&usage, "a", 1), OK);
    assert_int_equal(usage_get(&usage, "a"), 10);
    /* Now it is set, and the next time it is not again. */
    assert_true(usage_turn(&usage, in_month(13)));
    assert_in_range(usage_get(&usage, "a"), 9, 10);
    assert_true(usage_turn(&usage, in_month(11)));
    assert_in_range(usage_get(&usage, "a"), 9, 11);
    assert_true(usage_turn(&usage, in_month(13)));
    assert_in_range(usage_get(&usage, "a"), 9, 11);
    assert_true(usage_turn(&usage, in_month(14)));
    assert_int_equal(usage_get(&usage, "a"), 0);
    usage_deinit(&usage);
}

/* It has counted in a month that is a year away. */
static void test_a_clock_that_was_ahead(void **state)
{
    struct usage usage = {.month = 0};
    (void)state;

    assert_true(usage_turn(&usage, in_month(11)));
    assert_int_equal(usage_add(&usage, "a", 9), OK);
    assert_true(usage_turn(&usage, in_month(24)));
    assert_int_equal(usage_add(&usage, "a", 5), OK);
    assert_int_equal(usage_get(&usage, "a"), 5);
    assert_true(usage_turn(&usage, in_month(11)));
    assert_int_equal(usage_get(&usage, "a"), 14);
    assert_int_equal(usage_add(&usage, "a", 1), OK);
    assert_int_equal(usage_get(&usage, "a"), 15);
    assert_true(usage_turn(&usage, in_month(12)));
    assert_int_equal(usage_get(&usage, "a"), 0);
    assert_true(usage_turn(&usage, in_month(24)));
    assert_int_equal(usage_get(&usage, "a"), 0);
    usage_deinit(&usage);
}

/* Nothing else is known any more. */
static void test_only_the_month_ahead_is_known(void **state)
{
    struct usage usage = {.month = NOVEMBER_2026 + 13};
    (void)state;

    assert_int_equal(usage_add(&usage, "a", 9), OK);
    assert_true(usage_turn(&usage, in_month(11)));
    assert_int_equal(usage_get(&usage, "a"), 9);
    assert_true(usage_turn(&usage, in_month(12)));
    assert_int_equal(usage_get(&usage, "a"), 0);
    usage_deinit(&usage);
}

/* However often it is put back, no more months are kept than there is room for, and nothing
 * that was counted is lost. */
static void test_a_clock_that_goes_back_again_and_again(void **state)
{
    struct usage usage = {.month = 0};
    (void)state;

    for (unsigned month = 30; month > 11; month--) {
        assert_true(usage_turn(&usage, in_month(month)));
        assert_int_equal(usage_add(&usage, "a", 1), OK);
        assert_int_equal(usage_get(&usage, "a"), 31 - month);
        assert_in_range(usage.count, 1, USAGE_MONTHS_MAX);
    }
    usage_deinit(&usage);
}

static void test_the_section(void **state)
{
    struct usage usage = {.month = NOVEMBER_2026}, back;
    json_t *section;
    (void)state;

    assert_int_equal(usage_read(&back, NULL), OK);
    assert_int_equal(back.count, 0);
    assert_int_equal(usage_add(&usage, "wwan0", 1234567), OK);
    assert_int_equal(usage_add(&usage, "my second \"modem\"", UINT64_MAX), OK);
    assert_true(usage_turn(&usage, in_month(12)));
    assert_int_equal(usage_add(&usage, "wwan0", 5), OK);
    section = usage_write(&usage);
    assert_non_null(section);
    assert_int_equal(usage_read(&back, section), OK);
    json_decref(section);
    assert_int_equal(back.month, NOVEMBER_2026 + 1);
    assert_int_equal(usage_get(&back, "wwan0"), 5);
    assert_true(usage_turn(&back, in_month(11)));
    assert_int_equal(usage_get(&back, "wwan0"), 1234567 + 5);
    assert_true(usage_get(&back, "my second \"modem\"") == INT64_MAX);
    usage_deinit(&back);
    usage_deinit(&usage);
}

static void assert_equal(const struct usage *a, const struct usage *b)
{
    assert_int_equal(a->month, b->month);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->months[i].month, b->months[i].month);
        assert_int_equal(a->months[i].count, b->months[i].count);
        assert_memory_equal(a->months[i].entries, b->months[i].entries,
                            a->months[i].count * sizeof(a->months[i].entries[0]));
    }
}

static void test_the_largest_section(void **state)
{
    struct usage usage = {.month = 0}, back;
    char name[USAGE_NAME_SIZE];
    json_t *section;
    (void)state;

    for (unsigned month = 13; month >= 11; month--) {
        assert_true(usage_turn(&usage, in_month(month)));
        for (int i = 0; i < USAGE_ENTRIES_MAX; i++) {
            snprintf(name, sizeof(name), "%063d", i);
            assert_int_equal(usage_add(&usage, name, month), OK);
        }
    }
    section = usage_write(&usage);
    assert_non_null(section);
    assert_int_equal(usage_read(&back, section), OK);
    json_decref(section);
    assert_equal(&back, &usage);
    usage_deinit(&back);
    assert_int_equal(usage_copy(&back, &usage), OK);
    assert_equal(&back, &usage);
    usage_deinit(&back);
    usage_deinit(&usage);
}

static void test_damaged_sections(void **state)
{
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"month\": \"2026-11\"}",
        "{\"bytes\": {}}",
        "{\"month\": \"2026-13\", \"bytes\": {}}",
        "{\"month\": \"2026-00\", \"bytes\": {}}",
        "{\"month\": \"1969-12\", \"bytes\": {}}",
        "{\"month\": \"99999-12\", \"bytes\": {}}",
        "{\"month\": \"2026-11 \", \"bytes\": {}}",
        "{\"month\": 202611, \"bytes\": {}}",
        "{\"month\": \"2026-11\", \"bytes\": []}",
        "{\"month\": \"2026-11\", \"bytes\": {\"2026-11\": 5}}",
        "{\"month\": \"2026-11\", \"bytes\": {\"soon\": {}}}",
        "{\"month\": \"2026-11\", \"bytes\": {\"2026-11\": {\"a\": -5}}}",
        "{\"month\": \"2026-11\", \"bytes\": {\"2026-11\": {\"a\": \"5\"}}}",
        "{\"month\": \"2026-11\", \"bytes\": {\"2026-11\": {\"a\": 5.5}}}",
        "{\"month\": \"2026-11\", \"bytes\": {\"2026-11\": {\"\": 5}}}",
        "{\"month\": \"2026-11\", \"bytes\": {\"2026-11\": {\"a\\tb\": 5}}}",
        ("{\"month\": \"2026-11\", \"bytes\": {\"2026-08\": {}, \"2026-09\": {}, \"2026-10\": {}, "
         "\"2026-11\": {}}}"),
    };
    struct usage usage;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        json_t *section = json_loads(texts[i], 0, NULL);

        assert_non_null(section);
        assert_int_equal(usage_read(&usage, section), ERROR_MALFORMED);
        assert_int_equal(usage.count, 0);
        assert_int_equal(usage.month, 0);
        json_decref(section);
    }
}

UNIT_MAIN(cmocka_unit_test(test_months), cmocka_unit_test(test_every_month),
          cmocka_unit_test(test_counting), cmocka_unit_test(test_the_month_turns_once),
          cmocka_unit_test(test_a_clock_that_is_not_set_yet),
          cmocka_unit_test(test_a_clock_that_was_ahead),
          cmocka_unit_test(test_only_the_month_ahead_is_known),
          cmocka_unit_test(test_a_clock_that_goes_back_again_and_again),
          cmocka_unit_test(test_the_section), cmocka_unit_test(test_the_largest_section),
          cmocka_unit_test(test_damaged_sections))
