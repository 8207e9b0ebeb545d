/* SPDX-License-Identifier: MIT */
/*
 * Quantities as people write them: "64KiB", "2.5Mbit", "120s".
 *
 * A quantity is decimal digits, at most one '.', then a unit without a space; without a
 * unit it is in the base unit. The result must be a whole number of base units ("0.5KiB"
 * is 512 bytes, "0.5B" is an error). Signs, exponents and other spellings of a unit are
 * refused, since "1MB" and "1Mb" are easily meant for one another.
 *
 * The functions return OK, ERROR_MALFORMED (not such a quantity) or ERROR_LIMIT (it does
 * not fit); on an error the result is left alone.
 */
#ifndef SPLITSOCKS_UNITS_H
#define SPLITSOCKS_UNITS_H

#include <splitsocks/base/attributes.h>
#include <stdint.h>

/* Bytes: B, kB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024). */
int units_parse_size(uint64_t *bytes, const char *text) MUST_CHECK;
/* Bits per second: bit, kbit, Mbit, Gbit (powers of 1000), each also with "/s". */
int units_parse_rate(uint64_t *bits_per_second, const char *text) MUST_CHECK;
/* Nanoseconds: ms, s, m, h; without a unit it is in seconds. */
int units_parse_duration(uint64_t *ns, const char *text) MUST_CHECK;

#endif
