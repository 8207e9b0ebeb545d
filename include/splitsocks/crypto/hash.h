/* SPDX-License-Identifier: MIT */
/* SHA-256, and a comparison that tells nothing by its time. */
#ifndef SPLITSOCKS_HASH_H
#define SPLITSOCKS_HASH_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE 32

/* The hash of `first` and `second` joined; either may be empty, `out` may be one of them.
 * Returns OK or ERROR_CRYPTO. */
int hash_joined(uint8_t out[HASH_SIZE], const void *first, size_t first_length,
                const void *second, size_t second_length) MUST_CHECK;

/* Takes the same time wherever they differ. */
bool hash_equal(const uint8_t *a, const uint8_t *b, size_t length);

#endif
