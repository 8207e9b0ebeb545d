/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdio.h>
#include <string.h>

/* ---- encodings ---- */

/* Longer marks come before marks that are their beginning. */
static const struct {
    const char *mark;
    size_t length;
    const char *name; /* NULL: UTF-8 */
} marks[] = {
    {"\xff\xfe\0\0", 4, "UTF-32"}, {"\0\0\xfe\xff", 4, "UTF-32"}, {"\xff\xfe", 2, "UTF-16"},
    {"\xfe\xff", 2, "UTF-16"},     {"\xef\xbb\xbf", 3, NULL},
};

/* The length of the character at `at`, by RFC 3629 section 4; 0 when it is invalid. */
static size_t character_length(const uint8_t *at, size_t left)
{
    size_t length = at[0] < 0x80   ? 1
                    : at[0] < 0xc2 ? 0
                    : at[0] < 0xe0 ? 2
                    : at[0] < 0xf0 ? 3
                    : at[0] < 0xf5 ? 4
                                   : 0;

    if (length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return length;
}

static int refuse_byte(struct reader *reader, const struct text_position *position)
{
    uint8_t byte = (uint8_t)reader->text[position->offset];
    char what[DETAIL_TEXT_SIZE];

    if (byte == 0)
        snprintf(what, sizeof(what),
                 "found a zero byte, as in UTF-16 or in a file that was damaged; allowed: "
                 "a text in UTF-8");
    else
        snprintf(
            what, sizeof(what),
            "found the byte 0x%02x, which is not UTF-8 (as in Latin-1 or Windows-1252); "
            "allowed: a text in UTF-8",
            byte);
    return report_at(reader, position, "", ERROR_MALFORMED, what);
}

int text_begin(struct reader *reader)
{
    struct text_position position = {.line = 1};

    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++) {
        char what[DETAIL_TEXT_SIZE];

        if (reader->length < marks[i].length ||
            memcmp(reader->text, marks[i].mark, marks[i].length) != 0)
            continue;
        if (marks[i].name == NULL) {
            reader->text += marks[i].length;
            reader->length -= marks[i].length;
            break;
        }
        snprintf(what, sizeof(what), "found %s; allowed: a text in UTF-8", marks[i].name);
        return report_at(reader, &position, "", ERROR_MALFORMED, what);
    }
    while (position.offset < reader->length) {
        const char *at = reader->text + position.offset;
        size_t length =
            character_length((const uint8_t *)at, reader->length - position.offset);

        if (length == 0 || *at == '\0')
            return refuse_byte(reader, &position);
        position.line += *at == '\n';
        position.offset += length;
    }
    return OK;
}

/* ---- habits of other languages ---- */

struct scan {
    bool in_text;
    bool escaped;
    char last; /* last character outside of strings that is no blank */
    struct text_position comma;
};

static bool begins(const char *at, size_t left, const char *with)
{
    return left >= strlen(with) && memcmp(at, with, strlen(with)) == 0;
}

static const char *judge(const struct scan *scan, const char *at, size_t left)
{
    if (begins(at, left, "//") || begins(at, left, "/*") || *at == '#')
        return "a comment";
    if ((*at == '}' || *at == ']') && scan->last == ',')
        return "a comma behind the last entry";
    if (*at == '\'')
        return "a single quote";
    if (begins(at, left, "\xe2\x80\x9c") || begins(at, left, "\xe2\x80\x9d") ||
        begins(at, left, "\xe2\x80\x9e") || begins(at, left, "\xc2\xab"))
        return "a typographic quote";
    /* Characters that come from web pages and chats: no-break space, zero-width space and
     * joiner, and a byte order mark that is not the first character. */
    if (begins(at, left, "\xc2\xa0") || begins(at, left, "\xe2\x80\x8b") ||
        begins(at, left, "\xe2\x80\x8d") || begins(at, left, "\xef\xbb\xbf"))
        return "a blank that is not a plain space";
    return NULL;
}

struct text_slip text_find_slip(const struct reader *reader, size_t end)
{
    struct text_position at = {.line = 1};
    struct scan scan = {.in_text = false};

    for (; at.offset < MIN(end, reader->length); at.offset++) {
        const char *here = reader->text + at.offset;

        at.line += *here == '\n';
        if (scan.in_text) {
            scan.in_text = scan.escaped || *here != '"';
            scan.escaped = !scan.escaped && *here == '\\';
            continue;
        }
        const char *found = judge(&scan, here, reader->length - at.offset);

        if (found != NULL)
            return (struct text_slip){
                .position =
                    scan.last == ',' && (*here == '}' || *here == ']') ? scan.comma : at,
                .found = found};
        scan.in_text = *here == '"';
        if (*here == ',')
            scan.comma = at;
        if (strchr(" \t\r\n", *here) == NULL)
            scan.last = *here;
    }
    return (struct text_slip){.found = NULL};
}
