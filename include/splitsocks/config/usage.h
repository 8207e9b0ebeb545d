/* SPDX-License-Identifier: MIT */
/*
 * Bytes used in calendar months, by name; the section "usage" of a state document:
 *
 *     { "month": "2026-11", "bytes": { "2026-11": { "wwan0": 1234567 } } }
 *
 * Months are those of UTC, counted from January 1970. A clock may be slow or fast, and
 * only later readings show which of two was wrong:
 *
 *   - A clock that is not set yet must not begin a month. Times before USAGE_CLOCK_MIN_NS
 *     are ignored. An earlier month than before becomes the present one, but the bytes of
 *     later months count, too.
 *   - A clock that was ahead must not hold a month open for ever. When the clock goes on to
 *     another month, the bytes of months beyond that one are forgotten. When the clock is
 *     put back by a month, that month still has its own bytes.
 *
 * So a clock that goes back never frees a quota, and a clock that goes on always does.
 */
#ifndef SPLITSOCKS_USAGE_H
#define SPLITSOCKS_USAGE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

/* As many as a relay may have clients. */
#define USAGE_ENTRIES_MAX 65536
#define USAGE_NAME_SIZE 64 /* with the final zero */
/* The month before, the present one, and one beyond it that a wrong clock may have
 * begun. */
#define USAGE_MONTHS_MAX 3
/* 2026-11-01: a correct clock never shows this program an earlier time. */
#define USAGE_CLOCK_MIN_NS (UINT64_C(1793491200) * NS_PER_S)

struct usage_month {
    uint32_t month;
    size_t count, capacity;
    struct usage_entry {
        char name[USAGE_NAME_SIZE];
        uint64_t bytes;
    } * entries; /* owned; in the order of the names */
};

/* Zero-initialised: nothing was used, and the month is long ago. usage_deinit() frees it.
 */
struct usage {
    uint32_t month;                              /* the present one */
    size_t count;                                /* of months that have entries */
    struct usage_month months[USAGE_MONTHS_MAX]; /* ascending */
};

void usage_deinit(struct usage *usage);
/* Makes `copy`, which was zero or deinitialised. Returns OK or ERROR_MEMORY. */
int usage_copy(struct usage *copy, const struct usage *usage) MUST_CHECK;

/* The month of a wall clock in nanoseconds since 1970. */
uint32_t usage_month(uint64_t wall_ns);

/* Follows a wall clock; true when the present month changes. */
bool usage_turn(struct usage *usage, uint64_t wall_ns);
/* Bytes in the present month and later ones; 0 for an unknown name. */
uint64_t usage_get(const struct usage *usage, const char *name);
/* Adds to the present month. Names are 1 to USAGE_NAME_SIZE - 1 bytes without control
 * characters. Sums stop at INT64_MAX. Returns OK, ERROR_MEMORY, or ERROR_LIMIT when there
 * are too many names. */
int usage_add(struct usage *usage, const char *name, uint64_t bytes) MUST_CHECK;

/* The section: a new reference, NULL when memory is out. */
struct json_t *usage_write(const struct usage *usage) MUST_CHECK;
/* Reads a section (NULL: there is none) into `usage`, which was zero or deinitialised.
 * Returns OK; or ERROR_MALFORMED, also when memory is out, and then `usage` is empty. */
int usage_read(struct usage *usage, const struct json_t *section) MUST_CHECK;

#endif
