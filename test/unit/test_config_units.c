/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/config/units.h>

typedef int parse_function(uint64_t *result, const char *text);

struct example {
    const char *text;
    uint64_t value;
};

static void expect_all(parse_function *parse, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 1;

        if (parse(&value, examples[i].text) != OK)
            fail_msg("\"%s\" is refused", examples[i].text);
        assert_int_equal(value, examples[i].value);
    }
}

static void expect_none(parse_function *parse, int error, const char *const *texts,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 77;

        if (parse(&value, texts[i]) != error)
            fail_msg("\"%s\" is not error %d", texts[i], error);
        assert_int_equal(value, 77);
    }
}

static void test_sizes(void **state)
{
    static const struct example examples[] = {
        {"0", 0},
        {"500", 500},
        {"500B", 500},
        {"007", 7},
        {"1kB", 1000},
        {"64KiB", 65536},
        {"1MB", 1000000},
        {"1MiB", 1048576},
        {"2GB", UINT64_C(2000000000)},
        {"4GiB", UINT64_C(4294967296)},
        {"0.5KiB", 512},
        {"1.500kB", 1500},
        {"0.0009765625KiB", 1},
        {"18446744073709551615", UINT64_MAX},
        {"17179869183GiB", UINT64_C(17179869183) << 30},
    };
    static const char *const malformed[] = {
        "",     "B",     "-1",    "+1",    "1 KiB", " 1",  "1 ",       "1kb",       "1KB",
        "1kib", "1mb",   "1Mbit", "1e3",   "0x10",  ".5k", "1.",       "1.B",       "1.5",
        "0.5B", "1..5k", "1,5kB", "1KiBB", "1K",    "k",   "1.0001kB", "1\xc2\xb5", "null",
    };
    static const char *const too_large[] = {
        "18446744073709551616",          "17179869184GiB",
        "99999999999999999999999999999", "0.00000000000000000001GiB",
        "0.18446744073709551615GiB",
    };
    (void)state;

    expect_all(units_parse_size, examples, ARRAY_LENGTH(examples));
    expect_none(units_parse_size, ERROR_MALFORMED, malformed, ARRAY_LENGTH(malformed));
    expect_none(units_parse_size, ERROR_LIMIT, too_large, ARRAY_LENGTH(too_large));
}

static void test_rates(void **state)
{
    static const struct example examples[] = {
        {"0", 0},
        {"9600", 9600},
        {"9600bit", 9600},
        {"64kbit", 64000},
        {"2.5Mbit", 2500000},
        {"5Mbit/s", 5000000},
        {"10Gbit", UINT64_C(10000000000)},
    };
    static const char *const malformed[] = {
        "5MBit", "5mbit", "5M", "5MB", "5Mbits", "5Mbit/", "5Mbps", "5/s", "0.1bit",
    };
    static const char *const too_large[] = {"18446744074Gbit"};
    (void)state;

    expect_all(units_parse_rate, examples, ARRAY_LENGTH(examples));
    expect_none(units_parse_rate, ERROR_MALFORMED, malformed, ARRAY_LENGTH(malformed));
    expect_none(units_parse_rate, ERROR_LIMIT, too_large, ARRAY_LENGTH(too_large));
}

static void test_durations(void **state)
{
    static const struct example examples[] = {
        {"0", 0},
        {"120", 120 * NS_PER_S},
        {"120s", 120 * NS_PER_S},
        {"2m", 120 * NS_PER_S},
        {"24h", 86400 * NS_PER_S},
        {"250ms", 250 * NS_PER_MS},
        {"0.25", 250 * NS_PER_MS},
        {"1.5m", 90 * NS_PER_S},
        {"0.000000001s", 1},
    };
    static const char *const malformed[] = {
        "1us", "1S", "1M", "1min", "1d", "s", "0.0000000001s", "1h30m", "forever",
    };
    static const char *const too_large[] = {"18446744074s", "5124096h"};
    (void)state;

    expect_all(units_parse_duration, examples, ARRAY_LENGTH(examples));
    expect_none(units_parse_duration, ERROR_MALFORMED, malformed, ARRAY_LENGTH(malformed));
    expect_none(units_parse_duration, ERROR_LIMIT, too_large, ARRAY_LENGTH(too_large));
}

UNIT_MAIN(cmocka_unit_test(test_sizes), cmocka_unit_test(test_rates),
          cmocka_unit_test(test_durations))
