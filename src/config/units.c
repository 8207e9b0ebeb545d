/* SPDX-License-Identifier: MIT */
#include <splitsocks/config/units.h>

#include <splitsocks/base/error.h>

#include <stddef.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor; /* base units in one of these; at least 1 */
};

/* Reads the digits at *text and advances it. Returns their number, or SIZE_MAX when the
 * value does not fit. */
static size_t read_digits(const char **text, uint64_t *value)
{
    size_t count = 0;

    for (*value = 0; **text >= '0' && **text <= '9'; (*text)++, count++) {
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(**text - '0'), value))
            return SIZE_MAX;
    }
    return count;
}

/* fraction / 10^digits of a unit, in base units. */
static int scale_fraction(uint64_t *amount, uint64_t fraction, size_t digits,
                          uint64_t factor)
{
    uint64_t divisor = 1;

    if (__builtin_mul_overflow(fraction, factor, amount))
        return ERROR_LIMIT;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(divisor, 10, &divisor))
            return ERROR_LIMIT;
    if (*amount % divisor != 0)
        return ERROR_MALFORMED;
    *amount /= divisor;
    return OK;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name != NULL; units++)
        if (strcmp(units->name, name) == 0)
            return units;
    return NULL;
}

/* `units` ends with a NULL name. */
static int parse_quantity(uint64_t *result, const char *text, const struct unit *units)
{
    uint64_t whole, fraction = 0, total;
    size_t whole_digits = read_digits(&text, &whole), fraction_digits = 0;
    const struct unit *unit;
    int error;

    if (*text == '.') {
        text++;
        fraction_digits = read_digits(&text, &fraction);
        if (fraction_digits == 0)
            return ERROR_MALFORMED;
    }
    if (whole_digits == SIZE_MAX || fraction_digits == SIZE_MAX)
        return ERROR_LIMIT;
    unit = find_unit(units, text);
    if (whole_digits == 0 || unit == NULL)
        return ERROR_MALFORMED;
    error = scale_fraction(&fraction, fraction, fraction_digits, unit->factor);
    if (error != OK)
        return error;
    if (__builtin_mul_overflow(whole, unit->factor, &total) ||
        __builtin_add_overflow(total, fraction, &total))
        return ERROR_LIMIT;
    *result = total;
    return OK;
}

int units_parse_size(uint64_t *bytes, const char *text)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"MB", 1000 * 1000},
        {"GB", 1000 * 1000 * 1000},
        {"KiB", 1 << 10},
        {"MiB", 1 << 20},
        {"GiB", 1 << 30},
        {NULL, 0},
    };

    return parse_quantity(bytes, text, units);
}

int units_parse_rate(uint64_t *bits_per_second, const char *text)
{
    static const struct unit units[] = {
        {"", 1},
        {"bit", 1},
        {"bit/s", 1},
        {"kbit", 1000},
        {"kbit/s", 1000},
        {"Mbit", 1000000},
        {"Mbit/s", 1000000},
        {"Gbit", 1000000000},
        {"Gbit/s", 1000000000},
        {NULL, 0},
    };

    return parse_quantity(bits_per_second, text, units);
}

int units_parse_duration(uint64_t *ns, const char *text)
{
    static const struct unit units[] = {
        {"", NS_PER_S},       {"ms", NS_PER_MS},      {"s", NS_PER_S},
        {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {NULL, 0},
    };

    return parse_quantity(ns, text, units);
}
