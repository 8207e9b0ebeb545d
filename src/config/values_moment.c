/* SPDX-License-Identifier: MIT */
#include "values.h"

#include <splitsocks/base/calendar.h>

#include <stdio.h>
#include <string.h>

/* Nanoseconds since 1970 fit in 64 bits until 2554. */
#define YEAR_MAX 2500

/* Digits alone: sscanf() takes signs and blanks, too. */
static bool has_form(const char *text, const char *form)
{
    for (; *text != '\0' && *form != '\0'; text++, form++)
        if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
            return false;
    return *text == *form;
}

static bool parse_moment(const char *text, uint64_t *ns)
{
    struct calendar_date date, again;
    unsigned hour = 0, minute = 0, second = 0;
    uint32_t days;

    if (!has_form(text, "0000-00-00") && !has_form(text, "0000-00-00T00:00:00Z"))
        return false;
    (void)sscanf(text, "%4u-%2u-%2uT%2u:%2u:%2uZ", &date.year, &date.month, &date.day,
                 &hour, &minute, &second);
    if (date.year < 1970 || date.year > YEAR_MAX || date.month < 1 || date.month > 12 ||
        date.day < 1 || hour > 23 || minute > 59 || second > 59)
        return false;
    days = calendar_days(date);
    again = calendar_date(days);
    *ns = (((days * UINT64_C(24) + hour) * 60 + minute) * 60 + second) * NS_PER_S;
    return again.month == date.month && again.day == date.day;
}

int read_moment(struct reader *reader, const struct place *place,
                const struct option *option, json_t *value, void *field)
{
    const char *text = json_string_value(value);
    uint64_t *ns = field;

    if (text == NULL || !parse_moment(text, ns))
        return refuse(reader, place, option, value, "%s", option->allowed);
    return OK;
}
