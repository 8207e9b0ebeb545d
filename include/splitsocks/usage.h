/*
 * Bytes used in a calendar month, by name, and their text in a state file:
 *
 *     splitsocks usage 1
 *     month 2026-11
 *     1234567 wwan0
 *     end
 *
 * Months are those of UTC, counted from January 1970. Counting starts from nothing when a
 * later one begins; an earlier one is taken for a clock that is not set yet.
 */
#ifndef SPLITSOCKS_USAGE_H
#define SPLITSOCKS_USAGE_H

#include <splitsocks/attributes.h>
#include <splitsocks/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USAGE_ENTRIES_MAX 64
#define USAGE_NAME_SIZE 64 /* with the final zero */
/* Of the longest text, without a final zero. */
#define USAGE_TEXT_MAX (64 + USAGE_ENTRIES_MAX * (USAGE_NAME_SIZE + 21))

struct usage_entry {
    char name[USAGE_NAME_SIZE];
    uint64_t bytes;
};

/* Zero-initialised it has nothing used, long ago. */
struct usage {
    uint32_t month;
    size_t count;
    struct usage_entry entries[USAGE_ENTRIES_MAX];
};

/* Of a wall clock in nanoseconds since 1970. */
uint32_t usage_month(uint64_t wall_ns);

/* Goes on to `month` if that is later; true when it was. */
bool usage_turn(struct usage *usage, uint32_t month);
/* 0 for a name that is not known. */
uint64_t usage_get(const struct usage *usage, const char *name);
/* Names are 1 to USAGE_NAME_SIZE - 1 bytes without control characters. Sums stop at the
 * largest number. Returns OK, or ERROR_LIMIT when there are too many names. */
int usage_add(struct usage *usage, const char *name, uint64_t bytes) MUST_CHECK;

/* The text; returns its length. */
size_t usage_format(const struct usage *usage, char text[USAGE_TEXT_MAX]);
/* Returns OK; or ERROR_MALFORMED, and then `usage` is empty. */
int usage_parse(struct usage *usage, const char *text, size_t length) MUST_CHECK;

#endif
