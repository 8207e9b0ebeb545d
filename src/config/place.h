/* SPDX-License-Identifier: MIT */
/*
 * Positions in a JSON text. jansson does not keep where a value was, so these functions
 * find it again.
 *
 * They walk over the text with a tokenizer that assumes valid JSON. On anything else they
 * stay within the text and return their best guess.
 */
#ifndef CONFIG_PLACE_H
#define CONFIG_PLACE_H

#include <stddef.h>

/* A value: the member `key`, or element number `index`, of `parent`, in text order. The
 * function that walks the tree has it on its stack. */
struct place {
    const struct place *parent; /* NULL: the top value, whose other members are unused */
    const char *key;            /* NULL for an element of a list */
    size_t index;               /* PLACE_MISSING: the value is not in the text */
};

#define PLACE_MISSING ((size_t)-1)

/* A position in a text. */
struct text_position {
    unsigned line; /* from 1 */
    size_t offset; /* in bytes, from 0 */
};

/* Where the member (its key) or element begins. For one that is not in the text, the line
 * is that of its parent, and the offset that of its parent's end. */
struct text_position place_position(const struct place *place, const char *text,
                                    size_t length);

/* Writes the path, such as "listen[0].users.ann"; "" for the top value. Cut to `size`. */
void place_format(const struct place *place, char *path, size_t size);

/* Writes the path of the member or element that begins last before byte `offset`, for
 * texts that could not be parsed. */
void place_format_at(const char *text, size_t length, size_t offset, char *path,
                     size_t size);

#endif
