/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/calendar.h>

/* Days are counted from a March 1 in eras of 400 years: a leap day comes last then, in its
 * year, and in its era. */
#define ERA_DAYS 146097u
#define ERA_YEARS 400u
#define DAYS_BEFORE_1970 719468u /* since March of the year 0 */

struct calendar_date calendar_date(uint32_t days)
{
    uint32_t all = days + DAYS_BEFORE_1970, day = all % ERA_DAYS;
    uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint32_t of_year = day - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153; /* 0: March */

    return (struct calendar_date){
        .year = all / ERA_DAYS * ERA_YEARS + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

uint32_t calendar_days(struct calendar_date date)
{
    uint32_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    uint32_t year = date.year - (date.month <= 2), of_era = year % ERA_YEARS;
    uint32_t of_year = (153 * month + 2) / 5 + date.day - 1;

    return year / ERA_YEARS * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 +
           of_year - DAYS_BEFORE_1970;
}
