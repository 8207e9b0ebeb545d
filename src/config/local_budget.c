/* SPDX-License-Identifier: MIT */
/* How much a subflow may carry. */
#include "local_parts.h"

#include <splitsocks/config/units.h>

#include <string.h>

#define BUDGET_MAX (UINT64_C(1) << 40)

static bool in_bounds(uint64_t bytes)
{
    return CONFIG_BUDGET_MINIMUM <= bytes && bytes <= BUDGET_MAX;
}

/* The sizes on both sides of the first dash; without a dash, the text is both. */
static bool get_text(const char *text, struct config_budget_range *range)
{
    const char *dash = strchr(text, '-');
    char first[32];
    size_t length;

    if (dash == NULL) {
        if (units_parse_size(&range->most, text) != OK)
            return false;
        range->least = range->most;
        return true;
    }
    length = (size_t)(dash - text);
    if (length >= sizeof(first))
        return false;
    memcpy(first, text, length);
    first[length] = '\0';
    return units_parse_size(&range->least, first) == OK &&
           units_parse_size(&range->most, dash + 1) == OK;
}

static bool get_range(const json_t *value, struct config_budget_range *range)
{
    json_int_t number = json_integer_value(value); /* 0 if it is not an integer */

    if (json_is_string(value))
        return get_text(json_string_value(value), range);
    range->least = range->most = number > 0 ? (uint64_t)number : 0;
    return true;
}

static bool sets_no_bound(const json_t *value)
{
    return json_is_null(value) ||
           (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0);
}

/* option->allowed is what else is allowed. */
static int read_range(struct reader *reader, const struct place *place,
                      const struct option *option, json_t *value, void *field)
{
    struct config_budget_range *range = field;

    if (sets_no_bound(value)) {
        range->least = range->most = CONFIG_UNLIMITED;
        return OK;
    }
    if (!get_range(value, range) || !in_bounds(range->least) || !in_bounds(range->most))
        return refuse(
            reader, place, option, value,
            "%s%d to %llu bytes, as a number, a text such as \"64KiB\" or a range "
            "such as \"12000-14000\"; or \"auto\", or null",
            option->allowed, CONFIG_BUDGET_MINIMUM, (unsigned long long)BUDGET_MAX);
    if (range->least > range->most)
        return report(reader, place, ERROR_INVALID,
                      "found \"%.64s\", whose first size is more than its second; allowed: "
                      "a range from less to more, such as \"12000-14000\"",
                      json_string_value(value));
    return OK;
}

/* clang-format off */
#define OPTION_RANGE .read = read_range, .fallback = "\"auto\"", .allowed = ""

static const struct option budget_options[] = {
    {.name = "up", FIELD(config_budget, up), OPTION_RANGE},
    {.name = "down", FIELD(config_budget, down), OPTION_RANGE},
    {.name = NULL},
};

static const struct option both_options = {
    .members = budget_options, .allowed = "an object with up and down, or for both "};
/* clang-format on */

int read_local_budget(struct reader *reader, const struct place *place,
                      const struct option *option, json_t *value, void *field)
{
    struct config_budget *budget = field;
    int error;
    (void)option;

    if (json_is_object(value))
        return read_object(reader, place, &both_options, value, field);
    error = read_range(reader, place, &both_options, value, &budget->up);
    budget->down = budget->up;
    return error;
}
