/* SPDX-License-Identifier: MIT */
/* A hash of an ASCII text, the same for upper and lower case, for tables in memory. */
#ifndef SPLITSOCKS_TEXT_HASH_H
#define SPLITSOCKS_TEXT_HASH_H

#include <stdint.h>

static inline char text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* FNV-1a, 32 bits. Whoever chooses the texts can make them collide: a table of such texts
 * needs keyed_hash(). */
static inline uint32_t text_hash(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)text_lower(*text)) * 16777619u;
    return hash;
}

#endif
