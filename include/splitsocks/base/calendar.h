/* SPDX-License-Identifier: MIT */
/*
 * Dates of the Gregorian calendar, from 1970 on, in UTC. The C library's functions take a
 * time_t, which ends in 2038 where it has 32 bits, and may read files of time zones.
 */
#ifndef SPLITSOCKS_CALENDAR_H
#define SPLITSOCKS_CALENDAR_H

#include <stdint.h>

struct calendar_date {
    uint32_t year;  /* 1970 or later */
    uint32_t month; /* 1..12 */
    uint32_t day;   /* 1..31 */
};

/* Of days since 1970-01-01. */
struct calendar_date calendar_date(uint32_t days);
/* Days since 1970-01-01. A date that does not exist, such as February 30, becomes that of
 * another date. */
uint32_t calendar_days(struct calendar_date date);

#endif
