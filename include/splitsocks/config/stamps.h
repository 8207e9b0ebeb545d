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

/* Relays that are remembered; beyond that, the one with the oldest stamp is forgotten. */
#define STAMPS_MAX 64
/* The largest stamp that a section can hold; in nanoseconds it is the year 2262. */
#define STAMP_MAX ((uint64_t)INT64_MAX)

/* The relay's stamp, or 0. `section` may be NULL or damaged. */
uint64_t stamps_get(const struct json_t *section, const char *relay);
/* A copy of `section` (which may be NULL or damaged) with this stamp, unless it has a
 * newer one: a new reference, NULL when memory is out. */
struct json_t *stamps_with(const struct json_t *section, const char *relay,
                           uint64_t stamp) MUST_CHECK;

#endif
