/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/calendar.h>

#include <stdbool.h>

static void check(uint32_t days, uint32_t year, uint32_t month, uint32_t day)
{
    const struct calendar_date expected = {year, month, day};
    struct calendar_date date = calendar_date(days);

    assert_int_equal(date.year, year);
    assert_int_equal(date.month, month);
    assert_int_equal(date.day, day);
    assert_int_equal(calendar_days(expected), days);
}

static void test_known_dates(void **state)
{
    (void)state;
    check(0, 1970, 1, 1);
    check(58, 1970, 2, 28);
    check(59, 1970, 3, 1);
    check(11016, 2000, 2, 29); /* 400 divides the year */
    check(24855, 2038, 1, 19); /* the last day of a 32-bit time_t */
    check(47540, 2100, 2, 28); /* 100 divides it, and 400 does not */
    check(47541, 2100, 3, 1);
}

/* Each day follows the one before: the next of the month, or the first of the next month.
 */
static void test_days_in_order(void **state)
{
    struct calendar_date before = calendar_date(0);
    (void)state;

    for (uint32_t days = 1; days < 200000; days++) {
        struct calendar_date date = calendar_date(days);
        bool next_year = date.month == 1 && before.month == 12;

        assert_int_equal(calendar_days(date), days);
        if (date.day != 1) {
            assert_int_equal(date.day, before.day + 1);
            assert_int_equal(date.month, before.month);
        } else {
            assert_true(before.day >= 28 && before.day <= 31);
            assert_true(next_year || date.month == before.month + 1);
        }
        assert_int_equal(date.year, before.year + next_year);
        before = date;
    }
}

UNIT_MAIN(cmocka_unit_test(test_known_dates), cmocka_unit_test(test_days_in_order))
