/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <splitsocks/base/attributes.h>

#include <stdint.h>
#include <string.h>

/* Names of options are shorter than this. */
#define LENGTH_MAX 48

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The optimal string alignment distance, row by row: rows[0] belongs to the characters of
 * `a` so far, rows[1] and rows[2] to one and two fewer. */
static unsigned distance(const char *a, const char *b)
{
    size_t a_length = strnlen(a, LENGTH_MAX), b_length = strnlen(b, LENGTH_MAX);
    uint8_t rows[3][LENGTH_MAX + 1];

    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= a_length; i++) {
        memcpy(rows[2], rows[1], i > 1 ? sizeof(rows[1]) : 0);
        memcpy(rows[1], rows[0], sizeof(rows[0]));
        rows[0][0] = (uint8_t)i;
        for (size_t j = 1; j <= b_length; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            unsigned best = rows[1][j - 1] + (x != y);

            best = MIN(best, MIN(rows[1][j], rows[0][j - 1]) + 1U);
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                best = MIN(best, rows[2][j - 2] + 1U);
            rows[0][j] = (uint8_t)best;
        }
    }
    return rows[0][b_length];
}

size_t nearest_name(const char *name, const char *const *names, size_t count)
{
    unsigned best = UINT8_MAX;
    size_t index = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned edits = distance(name, names[i]);

        if (edits < best) {
            best = edits;
            index = i;
        }
    }
    return index;
}
