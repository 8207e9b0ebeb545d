/* SPDX-License-Identifier: MIT */
/* What a misspelt name was meant to be. */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <stddef.h>

/* The index of the name that takes the fewest edits (one character added, left out,
 * replaced, or two neighbours swapped) to become `name`; the first of equals; 0 when
 * there are none. Case counts for nothing, and of long names only the beginning is
 * looked at. */
size_t nearest_name(const char *name, const char *const *names, size_t count);

#endif
