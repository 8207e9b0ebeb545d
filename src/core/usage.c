#include <splitsocks/usage.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEADER "splitsocks usage 1\n"
#define FOOTER "end\n"
#define YEAR_MAX 9999

/* ---- counting ---- */

uint32_t usage_month(uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm date;

    /* Cannot fail: 2^64 ns end in the year 2554. */
    (void)gmtime_r(&seconds, &date);
    return (uint32_t)((date.tm_year - 70) * 12 + date.tm_mon);
}

bool usage_turn(struct usage *usage, uint32_t month)
{
    if (month <= usage->month)
        return false;
    usage->month = month;
    usage->count = 0;
    return true;
}

/* Its index, or `count`. */
static size_t find(const struct usage *usage, const char *name)
{
    size_t i = 0;

    while (i < usage->count && strcmp(usage->entries[i].name, name) != 0)
        i++;
    return i;
}

uint64_t usage_get(const struct usage *usage, const char *name)
{
    size_t index = find(usage, name);

    return index < usage->count ? usage->entries[index].bytes : 0;
}

int usage_add(struct usage *usage, const char *name, uint64_t bytes)
{
    size_t length = strlen(name), index = find(usage, name);
    struct usage_entry *entry = &usage->entries[index];

    assert(length > 0 && length < USAGE_NAME_SIZE);
    if (index == USAGE_ENTRIES_MAX)
        return ERROR_LIMIT;
    if (index == usage->count) {
        usage->count++;
        memcpy(entry->name, name, length + 1);
        entry->bytes = 0;
    }
    entry->bytes += MIN(bytes, UINT64_MAX - entry->bytes);
    return OK;
}

/* ---- text ---- */

size_t usage_format(const struct usage *usage, char text[USAGE_TEXT_MAX])
{
    unsigned year = 1970 + usage->month / 12, month = 1 + usage->month % 12;
    int at = snprintf(text, USAGE_TEXT_MAX, HEADER "month %04u-%02u\n", year, month);

    for (size_t i = 0; i < usage->count; i++)
        at += snprintf(text + at, USAGE_TEXT_MAX - (size_t)at, "%llu %s\n",
                       (unsigned long long)usage->entries[i].bytes, usage->entries[i].name);
    memcpy(text + at, FOOTER, strlen(FOOTER));
    return (size_t)at + strlen(FOOTER);
}

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
    return length > 0 && take_text(cursor, "\n") && find(usage, name) == usage->count &&
           usage_add(usage, name, bytes) == OK;
}

int usage_parse(struct usage *usage, const char *text, size_t length)
{
    struct cursor cursor = {.at = text, .end = text + length};
    bool good;

    *usage = (struct usage){.month = 0};
    good = take_text(&cursor, HEADER) && take_month(&cursor, &usage->month);
    while (good && !take_text(&cursor, FOOTER))
        good = take_entry(&cursor, usage);
    if (good && cursor.at == cursor.end)
        return OK;
    *usage = (struct usage){.month = 0};
    return ERROR_MALFORMED;
}
