/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/config/usage_text.h>

#include <stdio.h>

#define SIXTY_FOUR "0123456789012345678901234567890123456789012345678901234567890123"
#define NOVEMBER_2026 ((2026 - 1970) * 12 + 10)

static void test_a_text(void **state)
{
    static const char text[] = "splitsocks usage 1\n"
                               "month 2026-11\n"
                               "1234567 wwan0\n"
                               "18446744073709551615 my second \"modem\"\n"
                               "end\n";
    struct usage usage;
    (void)state;

    assert_true(usage_text_is(text, sizeof(text) - 1));
    assert_int_equal(usage_text_parse(&usage, text, sizeof(text) - 1), OK);
    assert_int_equal(usage.month, NOVEMBER_2026);
    assert_int_equal(usage_get(&usage, "wwan0"), 1234567);
    assert_true(usage_get(&usage, "my second \"modem\"") == INT64_MAX);
    usage_deinit(&usage);
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
        assert_int_equal(usage_text_parse(&usage, texts[i], strlen(texts[i])), ERROR_MALFORMED);
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

    assert_int_equal(usage_text_parse(&usage, whole, sizeof(whole) - 1), OK);
    usage_deinit(&usage);
    for (size_t length = 0; length < sizeof(whole) - 1; length++)
        assert_int_equal(usage_text_parse(&usage, whole, length), ERROR_MALFORMED);
}

UNIT_MAIN(cmocka_unit_test(test_a_text), cmocka_unit_test(test_damaged_texts),
          cmocka_unit_test(test_every_truncation))
