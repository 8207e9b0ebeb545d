/* SPDX-License-Identifier: MIT */
/*
 * The last stamp that was sent to each relay in a HELLO; the section "stamp" of a state
 * document: { PUBLIC KEY OF THE RELAY: stamp }.
 */
#ifndef SPLITSOCKS_STAMPS_H
#define SPLITSOCKS_STAMPS_H

#include <splitsocks/base/attributes.h>

#include <stdint.h>

struct json_t;

/* Relays that are remembered; those with the oldest stamps are forgotten. */
#define STAMPS_MAX 64
/* What a section can say; in nanoseconds it is the year 2262. */
#define STAMP_MAX ((uint64_t)INT64_MAX)

/* `section` may be NULL or damaged. 0: nothing is known. */
uint64_t stamps_get(const struct json_t *section, const char *relay);
/* The section with this stamp, where it is newer than what `section` (which may be NULL or
 * damaged) has: a new reference, NULL when memory is out. */
struct json_t *stamps_with(const struct json_t *section, const char *relay,
                           uint64_t stamp) MUST_CHECK;

#endif
