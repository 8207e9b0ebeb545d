/* SPDX-License-Identifier: MIT */
#include <splitsocks/config/usage.h>

#include <splitsocks/base/calendar.h>

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_MAX 9999
#define MONTH_TEXT_SIZE 32

/* ---- months ---- */

uint32_t usage_month(uint64_t wall_ns)
{
    struct calendar_date date = calendar_date((uint32_t)(wall_ns / (86400 * NS_PER_S)));

    return (date.year - 1970) * 12 + date.month - 1;
}

/* The number of months before `month`. */
static size_t place_of(const struct usage *usage, uint32_t month)
{
    size_t place = 0;

    while (place < usage->count && usage->months[place].month < month)
        place++;
    return place;
}

static void remove_months(struct usage *usage, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        free(usage->months[i].entries);
    memmove(&usage->months[from], &usage->months[to],
            (usage->count - to) * sizeof(usage->months[0]));
    usage->count -= to - from;
}

void usage_deinit(struct usage *usage)
{
    remove_months(usage, 0, usage->count);
    *usage = (struct usage){.month = 0};
}

/* Where the name is, or where it belongs. */
static size_t find(const struct usage_month *month, const char *name, bool *found)
{
    size_t low = 0, high = month->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(month->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < month->count && strcmp(month->entries[low].name, name) == 0;
    return low;
}

static int make_room(struct usage_month *month)
{
    size_t capacity = MAX(month->capacity * 2, (size_t)8);
    struct usage_entry *entries;

    if (month->count == USAGE_ENTRIES_MAX)
        return ERROR_LIMIT;
    if (month->count < month->capacity)
        return OK;
    entries = reallocarray(month->entries, capacity, sizeof(*entries));
    if (entries == NULL)
        return ERROR_MEMORY;
    month->entries = entries;
    month->capacity = capacity;
    return OK;
}

static int add_entry(struct usage_month *month, const char *name, uint64_t bytes)
{
    bool found;
    size_t place = find(month, name, &found);
    struct usage_entry *entry;

    if (!found) {
        int error = make_room(month);

        if (error != OK)
            return error;
        entry = &month->entries[place];
        memmove(entry + 1, entry, (month->count - place) * sizeof(*entry));
        *entry = (struct usage_entry){.bytes = 0};
        snprintf(entry->name, sizeof(entry->name), "%s", name);
        month->count++;
    }
    entry = &month->entries[place];
    entry->bytes += MIN(bytes, INT64_MAX - entry->bytes);
    return OK;
}

int usage_copy(struct usage *copy, const struct usage *usage)
{
    int error = OK;

    *copy = (struct usage){.month = usage->month, .count = usage->count};
    for (size_t i = 0; i < usage->count; i++) {
        const struct usage_month *month = &usage->months[i];

        copy->months[i].month = month->month;
        for (size_t j = 0; error == OK && j < month->count; j++)
            error = add_entry(&copy->months[i], month->entries[j].name,
                              month->entries[j].bytes);
    }
    if (error != OK)
        usage_deinit(copy);
    return error;
}

/* Makes room: adds the bytes of the last month to the month before it, as far as there is
 * room. */
static void merge_last(struct usage *usage)
{
    const struct usage_month *last = &usage->months[usage->count - 1];
    struct usage_month *before = &usage->months[usage->count - 2];

    for (size_t i = 0; i < last->count; i++)
        (void)!add_entry(before, last->entries[i].name, last->entries[i].bytes);
    remove_months(usage, usage->count - 1, usage->count);
}

/* The present month, which is made if it has no entries yet. */
static struct usage_month *present(struct usage *usage)
{
    size_t place = place_of(usage, usage->month);

    if (place < usage->count && usage->months[place].month == usage->month)
        return &usage->months[place];
    if (usage->count == USAGE_MONTHS_MAX)
        merge_last(usage);
    place = MIN(place, usage->count);
    memmove(&usage->months[place + 1], &usage->months[place],
            (usage->count - place) * sizeof(usage->months[0]));
    usage->months[place] = (struct usage_month){.month = usage->month};
    usage->count++;
    return &usage->months[place];
}

bool usage_turn(struct usage *usage, uint64_t wall_ns)
{
    uint32_t month = usage_month(wall_ns);

    if (wall_ns < USAGE_CLOCK_MIN_NS || month == usage->month)
        return false;
    if (month > usage->month) {
        remove_months(usage, 0, place_of(usage, usage->month));
        remove_months(usage, place_of(usage, month + 1), usage->count);
    }
    usage->month = month;
    return true;
}

/* ---- counting ---- */

uint64_t usage_get(const struct usage *usage, const char *name)
{
    uint64_t sum = 0;

    for (size_t i = place_of(usage, usage->month); i < usage->count; i++) {
        bool found;
        size_t index = find(&usage->months[i], name, &found);

        if (found)
            sum += MIN(usage->months[i].entries[index].bytes, INT64_MAX - sum);
    }
    return sum;
}

int usage_add(struct usage *usage, const char *name, uint64_t bytes)
{
    assert(name[0] != '\0' && strlen(name) < USAGE_NAME_SIZE);
    return add_entry(present(usage), name, bytes);
}

/* ---- the section ---- */

static const char *month_text(uint32_t month, char text[MONTH_TEXT_SIZE])
{
    snprintf(text, MONTH_TEXT_SIZE, "%04u-%02u", 1970 + month / 12, 1 + month % 12);
    return text;
}

static json_t *write_month(const struct usage_month *month)
{
    json_t *object = json_object();

    for (size_t i = 0; object != NULL && i < month->count; i++)
        if (json_object_set_new(object, month->entries[i].name,
                                json_integer((json_int_t)month->entries[i].bytes)) != 0) {
            json_decref(object);
            object = NULL;
        }
    return object;
}

json_t *usage_write(const struct usage *usage)
{
    char text[MONTH_TEXT_SIZE];
    json_t *bytes = json_object();

    for (size_t i = 0; bytes != NULL && i < usage->count; i++)
        if (json_object_set_new(bytes, month_text(usage->months[i].month, text),
                                write_month(&usage->months[i])) != 0) {
            json_decref(bytes);
            bytes = NULL;
        }
    return json_pack("{s:s, s:o}", "month", month_text(usage->month, text), "bytes", bytes);
}

static bool read_month_text(const char *text, uint32_t *month)
{
    unsigned year, number;
    int end = 0;

    if (text == NULL || sscanf(text, "%4u-%2u%n", &year, &number, &end) != 2 ||
        text[end] != '\0')
        return false;
    if (year < 1970 || year > YEAR_MAX || number < 1 || number > 12)
        return false;
    *month = (year - 1970) * 12 + number - 1;
    return true;
}

static bool is_name(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20)
            return false;
    return length > 0 && length < USAGE_NAME_SIZE;
}

static bool read_month(struct usage *usage, const char *text, json_t *object)
{
    struct usage_month *month;
    const char *name;
    json_t *bytes;

    if (!read_month_text(text, &usage->month) || !json_is_object(object))
        return false;
    month = present(usage);
    json_object_foreach(object, name, bytes) {
        if (!is_name(name) || !json_is_integer(bytes) || json_integer_value(bytes) < 0)
            return false;
        if (add_entry(month, name, (uint64_t)json_integer_value(bytes)) != OK)
            return false;
    }
    return true;
}

int usage_read(struct usage *usage, const json_t *section)
{
    json_t *bytes = json_object_get(section, "bytes"), *object;
    const char *text;
    bool good;

    *usage = (struct usage){.month = 0};
    if (section == NULL)
        return OK;
    good = json_is_object(bytes) && json_object_size(bytes) <= USAGE_MONTHS_MAX;
    if (good)
        json_object_foreach(bytes, text, object)
            good = good && read_month(usage, text, object);
    if (good && read_month_text(json_string_value(json_object_get(section, "month")),
                                &usage->month))
        return OK;
    usage_deinit(usage);
    return ERROR_MALFORMED;
}
