/* SPDX-License-Identifier: MIT */
#include "schema.h"

#include <splitsocks/base/printable.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* FILE:LINE: PATH: text */
static void format_message(const struct reader *reader, unsigned line, const char *path,
                           const char *text, char *message, size_t size)
{
    snprintf(message, size, "%s:%u: %s%s%s", reader->file_name, line, path,
             path[0] != '\0' ? ": " : "", text);
    printable_make(message); /* the file's own texts are in it */
}

static bool stands_behind(const struct config_problem *problem,
                          const struct text_position *position)
{
    return problem->line > position->line ||
           (problem->line == position->line && problem->offset > position->offset);
}

/* Room for a problem, in the order of the text; NULL when CONFIG_PROBLEMS_MAX are
 * there. */
static struct config_problem *add_problem(struct config_error *error,
                                          const struct text_position *position)
{
    size_t at = error->count;

    if (error->count == CONFIG_PROBLEMS_MAX) {
        error->left_out++;
        return NULL;
    }
    while (at > 0 && stands_behind(&error->problems[at - 1], position))
        at--;
    memmove(&error->problems[at + 1], &error->problems[at],
            (error->count - at) * sizeof(error->problems[0]));
    error->count++;
    return &error->problems[at];
}

int report_at(struct reader *reader, const struct text_position *position, const char *path,
              enum error code, const char *text)
{
    struct config_problem *problem = add_problem(reader->error, position);

    if (problem == NULL)
        return code;
    problem->code = code;
    problem->line = position->line;
    problem->offset = position->offset;
    format_message(reader, position->line, path, text, problem->text,
                   sizeof(problem->text));
    return code;
}

int report(struct reader *reader, const struct place *place, enum error code,
           const char *format, ...)
{
    char path[PATH_TEXT_SIZE], text[DETAIL_TEXT_SIZE];
    struct text_position position = place_position(place, reader->text, reader->length);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    place_format(place, path, sizeof(path));
    return report_at(reader, &position, path, code, text);
}

/* The first bytes of a text in quotes, cut between characters. */
static void format_string(const char *value, char text[VALUE_TEXT_SIZE])
{
    const char *more = "";
    size_t length = strlen(value);

    if (length > VALUE_TEXT_SIZE - 6) { /* quotes, dots and final zero */
        length = VALUE_TEXT_SIZE - 6;
        while (((unsigned char)value[length] & 0xc0) == 0x80)
            length--;
        more = "...";
    }
    snprintf(text, VALUE_TEXT_SIZE, "\"%.*s%s\"", (int)length, value, more);
}

static void format_value(const json_t *value, char text[VALUE_TEXT_SIZE])
{
    const char *plain = NULL;

    switch (json_typeof(value)) {
    case JSON_OBJECT: plain = "an object"; break;
    case JSON_ARRAY: plain = "a list"; break;
    case JSON_STRING: format_string(json_string_value(value), text); break;
    case JSON_INTEGER:
        snprintf(text, VALUE_TEXT_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL: snprintf(text, VALUE_TEXT_SIZE, "%.12g", json_real_value(value)); break;
    case JSON_TRUE: plain = "true"; break;
    case JSON_FALSE: plain = "false"; break;
    case JSON_NULL: plain = "null"; break;
    }
    if (plain != NULL)
        snprintf(text, VALUE_TEXT_SIZE, "%s", plain);
}

int refuse(struct reader *reader, const struct place *place, const struct option *option,
           const json_t *value, const char *allowed, ...)
{
    char found[VALUE_TEXT_SIZE], description[256];
    va_list arguments;

    va_start(arguments, allowed);
    vsnprintf(description, sizeof(description), allowed, arguments);
    va_end(arguments);
    format_value(value, found);
    return report(reader, place, ERROR_INVALID, "found %s; allowed: %s%s", found,
                  description, option->nullable ? ", or null" : "");
}

int report_memory(struct reader *reader)
{
    struct config_error *error = reader->error;
    struct config_problem *only = &error->problems[0];

    error->count = 1;
    error->left_out = 0;
    *only = (struct config_problem){.code = ERROR_MEMORY};
    snprintf(only->text, sizeof(only->text), "%s: out of memory", reader->file_name);
    printable_make(only->text);
    return ERROR_MEMORY;
}

int warn(struct reader *reader, const struct place *place, const char *text)
{
    size_t count = reader->warnings.count;
    char path[PATH_TEXT_SIZE], message[sizeof(reader->error->problems[0].text)];
    const char **lines =
        memory_take_array(reader->memory, count + 1, sizeof(reader->warnings.items[0]));
    char *copy;

    place_format(place, path, sizeof(path));
    format_message(reader, place_position(place, reader->text, reader->length).line, path,
                   text, message, sizeof(message));
    copy = memory_take_string(reader->memory, message);
    if (lines == NULL || copy == NULL)
        return report_memory(reader);
    if (count > 0)
        memcpy(lines, reader->warnings.items, count * sizeof(lines[0]));
    lines[count] = copy;
    reader->warnings = (struct config_strings){.items = lines, .count = count + 1};
    return OK;
}
