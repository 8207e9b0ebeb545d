/* SPDX-License-Identifier: MIT */
/* The log hears of outages that last, and less and less of a path that flaps. */
#include "unit.h"

#include <splitsocks/base/outage_news.h>

#define DAY_S 86400

/* As its users do: looks again when it is due. Returns the lines that were written. */
static unsigned outage(struct outage_news *news, uint64_t least_ns, uint64_t at_ns,
                       uint64_t length_ns)
{
    unsigned lines = 0;
    uint64_t sum_ns;

    outage_news_down(news, least_ns, at_ns);
    if (outage_news_due(news) <= at_ns + length_ns)
        lines += outage_news_tell(news, outage_news_due(news));
    lines += outage_news_up(news, at_ns + length_ns);
    lines += outage_news_sum(news, &sum_ns, at_ns + length_ns) > 0;
    return lines;
}

static void test_one_that_lasts_is_told_with_its_end(void **state)
{
    struct outage_news news = {0};
    (void)state;

    outage_news_down(&news, OUTAGE_HICCUP_NS, 10 * NS_PER_S);
    assert_int_equal(outage_news_due(&news), 12 * NS_PER_S);
    assert_false(outage_news_tell(&news, 11 * NS_PER_S));
    /* Said again: it is the same. */
    outage_news_down(&news, OUTAGE_HICCUP_NS, 11 * NS_PER_S);
    assert_int_equal(outage_news_due(&news), 12 * NS_PER_S);
    assert_true(outage_news_tell(&news, 12 * NS_PER_S));
    assert_int_equal(outage_news_due(&news), TIME_NEVER);
    assert_true(outage_news_up(&news, 20 * NS_PER_S));
    assert_false(outage_news_up(&news, 21 * NS_PER_S));
}

static void test_a_hiccup_is_not(void **state)
{
    struct outage_news news = {0};
    (void)state;

    assert_int_equal(outage(&news, OUTAGE_HICCUP_NS, NS_PER_S, NS_PER_S / 2), 0);
    assert_int_equal(outage_news_due(&news), TIME_NEVER);
}

/* A NAT that forgets what was idle for 30 s; a link that is gone for 10 s each minute; a
 * carrier that comes and goes each second. */
static void test_a_day_of_changes_is_a_few_lines(void **state)
{
    static const struct {
        uint64_t least_ns, every_ns, length_ns;
    } cases[] = {
        {OUTAGE_HICCUP_NS, 69 * NS_PER_S, NS_PER_S / 2},
        {OUTAGE_HICCUP_NS, 60 * NS_PER_S, 10 * NS_PER_S},
        {0, 2 * NS_PER_S, NS_PER_S},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct outage_news news = {0};
        unsigned lines = 0;

        for (uint64_t at_ns = NS_PER_S; at_ns < DAY_S * NS_PER_S;
             at_ns += cases[i].every_ns)
            lines += outage(&news, cases[i].least_ns, at_ns, cases[i].length_ns);
        assert_in_range(lines, 1, 60);
    }
}

static void test_one_that_lasts_is_told_whatever_was_before(void **state)
{
    struct outage_news news = {0};
    (void)state;

    for (uint64_t i = 1; i < 1000; i++)
        outage(&news, 0, i * 10 * NS_PER_S, 5 * NS_PER_S);
    outage_news_down(&news, 0, 20000 * NS_PER_S);
    assert_in_range(outage_news_due(&news), 20000 * NS_PER_S, 20600 * NS_PER_S);
    assert_true(outage_news_tell(&news, 20600 * NS_PER_S));
}

static void test_calm_makes_all_good(void **state)
{
    struct outage_news news = {0};
    (void)state;

    for (uint64_t i = 1; i < 100; i++)
        outage(&news, 0, i * 60 * NS_PER_S, 30 * NS_PER_S);
    outage_news_down(&news, 0, 6000 * NS_PER_S);
    assert_true(outage_news_due(&news) > 6000 * NS_PER_S);
    outage_news_up(&news, 6001 * NS_PER_S);
    outage_news_down(&news, 0, 20000 * NS_PER_S);
    assert_int_equal(outage_news_due(&news), 20000 * NS_PER_S);
}

static void test_what_was_not_told_is_summed_up(void **state)
{
    struct outage_news news = {0};
    uint64_t ns = 0;
    (void)state;

    for (uint64_t i = 1; i <= 100; i++) {
        outage_news_down(&news, OUTAGE_HICCUP_NS, i * 60 * NS_PER_S);
        assert_false(outage_news_up(&news, i * 60 * NS_PER_S + 1));
        if (i <= 60)
            assert_int_equal(outage_news_sum(&news, &ns, i * 60 * NS_PER_S + 1), 0);
    }
    assert_int_equal(outage_news_sum(&news, &ns, 6000 * NS_PER_S + 1), 100);
    assert_int_equal(ns, 99 * 60 * NS_PER_S);
    assert_int_equal(outage_news_sum(&news, &ns, 100000 * NS_PER_S), 0);
}

UNIT_MAIN(cmocka_unit_test(test_one_that_lasts_is_told_with_its_end),
          cmocka_unit_test(test_a_hiccup_is_not),
          cmocka_unit_test(test_a_day_of_changes_is_a_few_lines),
          cmocka_unit_test(test_one_that_lasts_is_told_whatever_was_before),
          cmocka_unit_test(test_calm_makes_all_good),
          cmocka_unit_test(test_what_was_not_told_is_summed_up))
