/* SPDX-License-Identifier: MIT */
/*
 * A configuration as tables: each option with its name, type, bounds and default. The
 * reader here walks a JSON tree along them and fills in structures; src/config/values.h
 * has a reader for each type of value.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "memory.h"
#include "place.h"

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The state of one run of the parser. */
struct reader {
    const char *text;
    size_t length;
    const char *file_name;
    struct config_memory *memory; /* memory for everything that fields point to */
    struct config_strings warnings;
    struct config_error *error;
    uint32_t failed; /* while an object is checked: bits of members with an error */
};

struct option;

/* Stores `value` in `field` (option->size bytes, zero so far), or reports all problems and
 * returns the first error. Reading goes on after an error, unless memory is out. */
typedef int value_reader(struct reader *reader, const struct place *place,
                         const struct option *option, json_t *value, void *field);

/* Checks several options together, once the object or list is stored in `field` without an
 * error; with option->lenient also after errors, with what could be read. */
typedef int value_check(struct reader *reader, const struct place *place, json_t *value,
                        void *field);

struct choice {
    const char *name;
    int value;
    bool supported; /* false: known, but not accepted by this version */
};

struct option {
    const char *name; /* NULL for the elements of a list */
    value_reader *read;
    size_t offset; /* of the field in the structure that the table describes */
    size_t size;   /* bytes of the field */
    bool required;
    /* null is allowed: an integer becomes null_value, other fields stay zero. */
    bool nullable;
    uint64_t null_value;
    const char *fallback; /* JSON for an absent option; NULL leaves the field zero */
    uint64_t minimum;     /* of a number, or of the length of a text or list */
    uint64_t maximum;     /* included */
    const char *allowed;  /* for messages, if the reader cannot tell by itself */
    bool (*valid)(const char *text); /* for texts */
    const struct choice *choices;    /* for read_choice(); ends with a NULL name */
    const struct option *element;    /* for read_list(): one option */
    bool lone;                       /* for read_list(): a single element needs no list */
    const struct option *members;    /* for read_object(); ends with a NULL name */
    value_check *check;              /* for objects and lists; may be NULL */
    bool lenient;                    /* check even after errors: unread members are zero */
};

/* Offset and size of an option's field. */
#define FIELD(type, member) \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)NULL)->member)
/* For options that are elements of a list. */
#define ELEMENT(type) .offset = 0, .size = sizeof(type)

/* A list of a configuration, without its type. */
struct list_view {
    void *items;
    size_t count;
};

/* Looks at the whole text before its values are read. Returns OK, or the error reported. */
typedef int tree_check(struct reader *reader, const struct option *root, json_t *tree);

/* Parses reader->text by the table `root`, once `check` has found nothing wrong. Returns a
 * new structure of root->size bytes in reader->memory, which is new too and the caller's;
 * NULL after an error, which was reported. The caller has set text, length, file_name and
 * error; the rest is zero. */
void *schema_parse(struct reader *reader, const struct option *root,
                   tree_check *check) MUST_CHECK;

/* The first error of the two outcomes; ERROR_MEMORY goes before all others. */
int first_error(int a, int b);

/* Reads one value, null included. */
int read_value(struct reader *reader, const struct place *place,
               const struct option *option, json_t *value, void *field) MUST_CHECK;

value_reader read_object; /* option->members */
value_reader read_list;   /* option->element; the field is laid out as struct list_view */

/* Stores an integer in a field of `size` bytes, in which it must fit. */
void store_unsigned(void *field, size_t size, uint64_t value);

/* The option of that name, or NULL. */
const struct option *find_option(const struct option *members, const char *name);

/* Whether the member `name` had an error; for the check of the object of `members`. */
bool member_failed(const struct reader *reader, const struct option *members,
                   const char *name);

/* The place of the member `key` of the object at `parent`. */
struct place member_place(const struct place *parent, json_t *object, const char *key);

/* Reports an error at `place`, after FILE:LINE: PATH. Returns `code`. */
int report(struct reader *reader, const struct place *place, enum error code,
           const char *format, ...) PRINTF_LIKE(4, 5);
/* The same for a text that could not be parsed. */
int report_at(struct reader *reader, const struct text_position *position, const char *path,
              enum error code, const char *text);
/* Reports that `value` was found where `allowed` is expected. Returns ERROR_INVALID. */
int refuse(struct reader *reader, const struct place *place, const struct option *option,
           const json_t *value, const char *allowed, ...) PRINTF_LIKE(5, 6);
/* Returns ERROR_MEMORY, with a message. */
int report_memory(struct reader *reader);
/* Adds a warning. Returns OK or ERROR_MEMORY. */
int warn(struct reader *reader, const struct place *place, const char *text) MUST_CHECK;

/* Sizes of a path, a value, and of a message about them; longer texts are cut. */
#define PATH_TEXT_SIZE 160
#define VALUE_TEXT_SIZE 72
#define DETAIL_TEXT_SIZE 480

#endif
