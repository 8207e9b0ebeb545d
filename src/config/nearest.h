/* SPDX-License-Identifier: MIT */
/* Guesses which name a misspelt one was meant to be. */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <stddef.h>

/* The index of the name that takes the fewest edits (one character added, left out or
 * replaced, or two neighbours swapped) to become `name`; the first of equals; 0 when there
 * are no names. Case does not matter, and only the beginning of long names is compared. */
size_t nearest_name(const char *name, const char *const *names, size_t count);

#endif
