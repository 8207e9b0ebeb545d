/* SPDX-License-Identifier: MIT */
/* A pseudo-random byte stream that any position of can be computed by itself: whoever knows
 * the seed can produce it and check it without storing or hashing anything. */
#ifndef TEST_E2E_PATTERN_H
#define TEST_E2E_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* Writes the stream's bytes offset..offset+length-1. */
void pattern_fill(uint64_t seed, uint64_t offset, uint8_t *bytes, size_t length);

/* The index of the first byte that differs from the stream's; `length` when none does. */
size_t pattern_check(uint64_t seed, uint64_t offset, const uint8_t *bytes, size_t length);

#endif
