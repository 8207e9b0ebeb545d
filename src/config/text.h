/* SPDX-License-Identifier: MIT */
/* Recognises files that are not JSON in UTF-8, and describes what they are. */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include "schema.h"

/* Skips the byte order mark that some editors put before UTF-8, and refuses other
 * encodings. Returns OK or the error that was reported. */
int text_begin(struct reader *reader) MUST_CHECK;

/* A habit of another language that is not valid in JSON. */
struct text_slip {
    struct text_position position;
    const char *found; /* NULL: none was found */
};

/* The first such slip before byte `end` of the text. */
struct text_slip text_find_slip(const struct reader *reader, size_t end);

#endif
