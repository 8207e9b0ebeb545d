/* SPDX-License-Identifier: MIT */
#include <splitsocks/config/usage_text.h>

#include <string.h>

#define HEADER "splitsocks usage 1\n"
#define FOOTER "end\n"
#define YEAR_MAX 9999

struct cursor {
    const char *at, *end;
};

static bool take_text(struct cursor *cursor, const char *text)
{
    size_t length = strlen(text);

    if ((size_t)(cursor->end - cursor->at) < length ||
        memcmp(cursor->at, text, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

static bool take_number(struct cursor *cursor, uint64_t *value)
{
    const char *start = cursor->at;

    *value = 0;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
         cursor->at++) {
        uint64_t digit = (uint64_t)(*cursor->at - '0');

        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return cursor->at > start;
}

static bool take_month(struct cursor *cursor, uint32_t *month)
{
    uint64_t year, number;

    if (!take_text(cursor, "month ") || !take_number(cursor, &year) ||
        !take_text(cursor, "-") || !take_number(cursor, &number) ||
        !take_text(cursor, "\n"))
        return false;
    if (year < 1970 || year > YEAR_MAX || number < 1 || number > 12)
        return false;
    *month = (uint32_t)((year - 1970) * 12 + number - 1);
    return true;
}

static bool take_entry(struct cursor *cursor, struct usage *usage)
{
    char name[USAGE_NAME_SIZE];
    size_t length = 0;
    uint64_t bytes;

    if (!take_number(cursor, &bytes) || !take_text(cursor, " "))
        return false;
    while (cursor->at < cursor->end && (unsigned char)*cursor->at >= 0x20 &&
           length < sizeof(name) - 1)
        name[length++] = *cursor->at++;
    name[length] = '\0';
    return length > 0 && take_text(cursor, "\n") && usage_add(usage, name, bytes) == OK;
}

bool usage_text_is(const char *text, size_t length)
{
    struct cursor cursor = {.at = text, .end = text + length};

    return take_text(&cursor, HEADER);
}

int usage_text_parse(struct usage *usage, const char *text, size_t length)
{
    struct cursor cursor = {.at = text, .end = text + length};
    bool good;

    *usage = (struct usage){.month = 0};
    good = take_text(&cursor, HEADER) && take_month(&cursor, &usage->month);
    while (good && !take_text(&cursor, FOOTER))
        good = take_entry(&cursor, usage);
    if (good && cursor.at == cursor.end)
        return OK;
    usage_deinit(usage);
    return ERROR_MALFORMED;
}
