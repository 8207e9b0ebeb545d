/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct cursor {
    const char *at;
    const char *end;
    unsigned line;
};

static char peek(const struct cursor *cursor)
{
    return cursor->at < cursor->end ? *cursor->at : '\0';
}

static void skip_space(struct cursor *cursor)
{
    for (; cursor->at < cursor->end && strchr(" \t\r\n", *cursor->at) != NULL &&
           *cursor->at != '\0';
         cursor->at++)
        if (*cursor->at == '\n')
            cursor->line++;
}

/* Begins at the opening quote; a valid string contains no newline. */
static void skip_string(struct cursor *cursor)
{
    for (cursor->at++; cursor->at < cursor->end && *cursor->at != '"'; cursor->at++)
        if (*cursor->at == '\\' && cursor->at + 1 < cursor->end)
            cursor->at++;
    if (cursor->at < cursor->end)
        cursor->at++;
}

/* Skips a string, a bracket, a separator, or a run of characters of numbers and names: at
 * least one character, unless the text is at its end. */
static void skip_token(struct cursor *cursor)
{
    static const char single[] = "{}[],:";

    if (cursor->at == cursor->end)
        return;
    if (*cursor->at == '"') {
        skip_string(cursor);
        return;
    }
    if (strchr(single, *cursor->at) != NULL) {
        cursor->at++;
        return;
    }
    while (cursor->at < cursor->end && strchr("{}[],:\" \t\r\n", *cursor->at) == NULL)
        cursor->at++;
}

static void skip_value(struct cursor *cursor)
{
    size_t depth = 0;

    do {
        skip_space(cursor);
        if (peek(cursor) == '{' || peek(cursor) == '[')
            depth++;
        else if ((peek(cursor) == '}' || peek(cursor) == ']') && depth > 0)
            depth--;
        skip_token(cursor);
    } while (depth > 0 && cursor->at < cursor->end);
}

/* Moves from the start of an object's key to the start of its value. */
static void skip_key(struct cursor *cursor)
{
    skip_space(cursor);
    skip_token(cursor);
    skip_space(cursor);
    if (peek(cursor) == ':')
        cursor->at++;
    skip_space(cursor);
}

static struct text_position position_of(const struct cursor *cursor, const char *text)
{
    return (struct text_position){.line = cursor->line,
                                  .offset = (size_t)(cursor->at - text)};
}

/* Moves to the value of `place`; returns the position of its key or, in a list, its own. */
static struct text_position seek(struct cursor *cursor, const struct place *place,
                                 const char *text)
{
    struct text_position position;

    if (place->parent == NULL) {
        skip_space(cursor);
        return position_of(cursor, text);
    }
    position = seek(cursor, place->parent, text);
    if (place->index == PLACE_MISSING) {
        skip_value(cursor); /* a missing member is reported at the end of its object */
        position.offset = (size_t)(cursor->at - text);
        return position;
    }
    skip_token(cursor); /* the opening bracket */
    for (size_t i = 0; i < place->index && cursor->at < cursor->end; i++) {
        if (place->key != NULL)
            skip_key(cursor);
        skip_value(cursor);
        skip_space(cursor);
        skip_token(cursor); /* the comma */
    }
    skip_space(cursor);
    position = position_of(cursor, text);
    if (place->key != NULL)
        skip_key(cursor);
    return position;
}

struct text_position place_position(const struct place *place, const char *text,
                                    size_t length)
{
    struct cursor cursor = {.at = text, .end = text + length, .line = 1};

    return seek(&cursor, place, text);
}

/* Text that grows up to a bound; `used` never reaches `size`. */
struct path {
    char *text;
    size_t size;
    size_t used;
};

static void path_cut(struct path *path, size_t length)
{
    path->used = length;
    path->text[length] = '\0';
}

static void path_append(struct path *path, const char *text, size_t length)
{
    size_t room = path->size - path->used - 1;

    if (length > room)
        length = room;
    memcpy(path->text + path->used, text, length);
    path_cut(path, path->used + length);
}

static void path_append_key(struct path *path, const char *key, size_t length)
{
    if (path->used > 0)
        path_append(path, ".", 1);
    path_append(path, key, length);
}

static void path_append_index(struct path *path, size_t index)
{
    char text[32];

    path_append(path, text, (size_t)snprintf(text, sizeof(text), "[%zu]", index));
}

static void append_place(struct path *path, const struct place *place)
{
    if (place->parent == NULL)
        return;
    append_place(path, place->parent);
    if (place->key != NULL)
        path_append_key(path, place->key, strlen(place->key));
    else
        path_append_index(path, place->index);
}

void place_format(const struct place *place, char *path, size_t size)
{
    struct path result = {.text = path, .size = size};

    path_cut(&result, 0);
    append_place(&result, place);
}

/* An open object or list during a walk over a text. */
struct level {
    bool list;
    bool at_key;   /* in an object: the next string is a key */
    size_t index;  /* in a list: of the current element */
    size_t prefix; /* length of its own path */
};

/* Deeper levels than a configuration can have are skipped without a path. */
#define LEVEL_MAX 16

struct walk {
    struct path path;
    struct level levels[LEVEL_MAX];
    size_t depth; /* may exceed LEVEL_MAX */
};

static void walk_open(struct walk *walk, bool list)
{
    if (walk->depth < LEVEL_MAX) {
        walk->levels[walk->depth] =
            (struct level){.list = list, .at_key = !list, .prefix = walk->path.used};
        if (list)
            path_append_index(&walk->path, 0);
    }
    walk->depth++;
}

static void walk_close(struct walk *walk)
{
    if (walk->depth > 0 && --walk->depth < LEVEL_MAX)
        path_cut(&walk->path, walk->levels[walk->depth].prefix);
}

static void walk_token(struct walk *walk, const char *token, size_t length)
{
    struct level *level =
        walk->depth > 0 && walk->depth <= LEVEL_MAX ? &walk->levels[walk->depth - 1] : NULL;

    if (*token == '{' || *token == '[') {
        walk_open(walk, *token == '[');
    } else if (*token == '}' || *token == ']') {
        walk_close(walk);
    } else if (level != NULL && *token == ',') {
        path_cut(&walk->path, level->prefix);
        level->at_key = !level->list;
        if (level->list)
            path_append_index(&walk->path, ++level->index);
    } else if (level != NULL && *token == '"' && level->at_key) {
        level->at_key = false;
        path_append_key(&walk->path, token + 1, length < 2 ? 0 : length - 2);
    }
}

void place_format_at(const char *text, size_t length, size_t offset, char *path,
                     size_t size)
{
    struct cursor cursor = {.at = text, .end = text + length, .line = 1};
    struct walk walk = {.path = {.text = path, .size = size}};

    path_cut(&walk.path, 0);
    while (skip_space(&cursor), cursor.at < cursor.end) {
        const char *token = cursor.at;

        if ((size_t)(token - text) >= offset)
            break;
        skip_token(&cursor);
        walk_token(&walk, token, (size_t)(cursor.at - token));
    }
}
