#include "unit.h"

#include <splitsocks/usage.h>

#include <stdio.h>

#define DAY_NS (UINT64_C(86400) * NS_PER_S)
#define SIXTY_FOUR "0123456789012345678901234567890123456789012345678901234567890123"
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
    assert_true(usage_get(&usage, "wwan1") == UINT64_MAX);
    for (int i = 2; i < USAGE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof(name), "path %d", i);
        assert_int_equal(usage_add(&usage, name, 1), OK);
    }
    assert_int_equal(usage_add(&usage, "one more", 1), ERROR_LIMIT);
    assert_int_equal(usage_add(&usage, "wwan0", 1), OK);
}

static void test_the_month_turns_once(void **state)
{
    struct usage usage = {.month = 0};
    (void)state;

    assert_true(usage_turn(&usage, NOVEMBER_2026));
    assert_int_equal(usage_add(&usage, "a", 9), OK);
    assert_false(usage_turn(&usage, NOVEMBER_2026));
    assert_int_equal(usage_get(&usage, "a"), 9);
    /* A clock that was not set yet, after a start without a battery. */
    assert_false(usage_turn(&usage, 0));
    assert_int_equal(usage_get(&usage, "a"), 9);
    assert_true(usage_turn(&usage, NOVEMBER_2026 + 1));
    assert_int_equal(usage_get(&usage, "a"), 0);
    assert_int_equal(usage.month, NOVEMBER_2026 + 1);
}

static void test_text(void **state)
{
    static const char expected[] = "splitsocks usage 1\n"
                                   "month 2026-11\n"
                                   "1234567 wwan0\n"
                                   "18446744073709551615 my second \"modem\"\n"
                                   "end\n";
    struct usage usage = {.month = NOVEMBER_2026}, back;
    char text[USAGE_TEXT_MAX];
    size_t length;
    (void)state;

    assert_int_equal(usage_add(&usage, "wwan0", 1234567), OK);
    assert_int_equal(usage_add(&usage, "my second \"modem\"", UINT64_MAX), OK);
    length = usage_format(&usage, text);
    assert_int_equal(length, sizeof(expected) - 1);
    assert_memory_equal(text, expected, length);
    assert_int_equal(usage_parse(&back, text, length), OK);
    assert_int_equal(back.month, usage.month);
    assert_int_equal(back.count, 2);
    assert_int_equal(usage_get(&back, "wwan0"), 1234567);
    assert_true(usage_get(&back, "my second \"modem\"") == UINT64_MAX);
}

static void test_the_longest_text(void **state)
{
    struct usage usage = {.month = 8029 * 12 + 11}, back;
    char name[USAGE_NAME_SIZE], text[USAGE_TEXT_MAX];
    size_t length;
    (void)state;

    for (int i = 0; i < USAGE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof(name), "%063d", i);
        assert_int_equal(usage_add(&usage, name, UINT64_MAX), OK);
    }
    length = usage_format(&usage, text);
    assert_true(length <= USAGE_TEXT_MAX);
    assert_int_equal(usage_parse(&back, text, length), OK);
    assert_int_equal(back.count, USAGE_ENTRIES_MAX);
    assert_int_equal(back.month, usage.month);
}

static void test_damaged_texts(void **state)
{
    static const char *const texts[] = {
        "",
        "splitsocks usage 2\nmonth 2026-11\nend\n",
        "splitsocks usage 1\nmonth 2026-11\n",
        "splitsocks usage 1\nmonth 2026-13\nend\n",
        "splitsocks usage 1\nmonth 2026-00\nend\n",
        "splitsocks usage 1\nmonth 1969-12\nend\n",
        "splitsocks usage 1\nmonth 99999-12\nend\n",
        "splitsocks usage 1\nmonth -1-12\nend\n",
        "splitsocks usage 1\nend\n",
        "splitsocks usage 1\nmonth 2026-11\nend\nmore",
        "splitsocks usage 1\nmonth 2026-11\n5 a\n6 a\nend\n",
        "splitsocks usage 1\nmonth 2026-11\n5\nend\n",
        "splitsocks usage 1\nmonth 2026-11\n5 \nend\n",
        "splitsocks usage 1\nmonth 2026-11\n18446744073709551616 a\nend\n",
        "splitsocks usage 1\nmonth 2026-11\n-5 a\nend\n",
        "splitsocks usage 1\nmonth 2026-11\n5 a\tb\nend\n",
        "splitsocks usage 1\nmonth 2026-11\n5 " SIXTY_FOUR "\nend\n",
    };
    struct usage usage;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_int_equal(usage_parse(&usage, texts[i], strlen(texts[i])), ERROR_MALFORMED);
        assert_int_equal(usage.count, 0);
        assert_int_equal(usage.month, 0);
    }
}

/* A file that was cut off is never taken for a whole one. */
static void test_every_truncation(void **state)
{
    static const char whole[] = "splitsocks usage 1\nmonth 2026-11\n5 a\n6 b\nend\n";
    struct usage usage;
    (void)state;

    assert_int_equal(usage_parse(&usage, whole, sizeof(whole) - 1), OK);
    for (size_t length = 0; length < sizeof(whole) - 1; length++)
        assert_int_equal(usage_parse(&usage, whole, length), ERROR_MALFORMED);
}

UNIT_MAIN(cmocka_unit_test(test_months), cmocka_unit_test(test_counting),
          cmocka_unit_test(test_the_month_turns_once), cmocka_unit_test(test_text),
          cmocka_unit_test(test_the_longest_text), cmocka_unit_test(test_damaged_texts),
          cmocka_unit_test(test_every_truncation))
