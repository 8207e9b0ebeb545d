/* SPDX-License-Identifier: MIT */
/* What files of the field have instead of JSON in UTF-8, and how it is told. */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include "schema.h"

/* Skips the byte order mark that some editors put before UTF-8 and refuses other
 * encodings. Returns OK or the error that was reported. */
int text_begin(struct reader *reader) MUST_CHECK;

/* What makes a text no JSON, where it is a habit of other languages. */
struct text_slip {
    struct text_position position;
    const char *found; /* NULL: nothing of that kind */
};

/* The first one before byte `end` of the text. */
struct text_slip text_find_slip(const struct reader *reader, size_t end);

#endif
