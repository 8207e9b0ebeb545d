/* SPDX-License-Identifier: MIT */
#include <splitsocks/names/hosts_table.h>

#include <splitsocks/base/error.h>
#include <splitsocks/base/text_hash.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Only the beginning of a longer line counts. */
#define LINE_MAX_LENGTH 4096
/* A typical line of a blocking list has some 30 bytes and one name. */
#define BYTES_PER_NAME 32
#define NOTHING UINT32_MAX

/* One name of one line. */
struct entry {
    uint32_t name;    /* its offset in `names` */
    uint32_t address; /* index */
    uint32_t next;    /* in its bucket, in the order of the file; NOTHING: the last */
};

struct hosts_table {
    char *names; /* zero-terminated, in lower case, one behind the other */
    size_t names_length, names_room;
    struct entry *entries;
    size_t entry_count, entry_room;
    struct host *addresses; /* consecutive lines with the same address share it */
    size_t address_count, address_room;
    uint32_t *first, *last; /* of each bucket */
    size_t bucket_count;    /* a power of two */
    size_t line_length;
    char line[LINE_MAX_LENGTH + 1];
};

struct hosts_table *hosts_table_new(size_t size)
{
    struct hosts_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    table->bucket_count = 16;
    while (table->bucket_count < size / BYTES_PER_NAME)
        table->bucket_count *= 2;
    table->first = malloc(2 * table->bucket_count * sizeof(*table->first));
    if (table->first == NULL) {
        free(table);
        return NULL;
    }
    table->last = table->first + table->bucket_count;
    memset(table->first, 0xff, 2 * table->bucket_count * sizeof(*table->first));
    return table;
}

void hosts_table_free(struct hosts_table *table)
{
    if (table == NULL)
        return;
    free(table->names);
    free(table->entries);
    free(table->addresses);
    free(table->first);
    free(table);
}

/* Makes room for `more` elements of `size` bytes behind `count`. */
static bool grow(void *array, size_t *room, size_t count, size_t more, size_t size)
{
    size_t wanted = MAX(2 * *room, count + more);
    void *grown;

    if (count + more <= *room)
        return true;
    if (count + more >= NOTHING)
        return false;
    memcpy(&grown, array, sizeof(grown));
    grown = realloc(grown, wanted * size);
    if (grown == NULL)
        return false;
    memcpy(array, &grown, sizeof(grown));
    *room = wanted;
    return true;
}

static size_t bucket_of(const struct hosts_table *table, const char *name)
{
    return text_hash(name) & (table->bucket_count - 1);
}

static bool add_address(struct hosts_table *table, const struct host *host)
{
    const struct host *last;

    if (table->address_count > 0) {
        last = &table->addresses[table->address_count - 1];
        if (address_equal(&last->address, &host->address) &&
            strcmp(last->zone, host->zone) == 0)
            return true;
    }
    if (!grow(&table->addresses, &table->address_room, table->address_count, 1,
              sizeof(*table->addresses)))
        return false;
    table->addresses[table->address_count++] = *host;
    return true;
}

static bool add_name(struct hosts_table *table, const char *name)
{
    size_t length = strlen(name), bucket;
    uint32_t index = (uint32_t)table->entry_count;
    char *copy;

    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length == 0 || length > HOST_NAME_MAX_LENGTH)
        return true;
    if (!grow(&table->names, &table->names_room, table->names_length, length + 1, 1) ||
        !grow(&table->entries, &table->entry_room, table->entry_count, 1,
              sizeof(*table->entries)))
        return false;
    copy = table->names + table->names_length;
    for (size_t i = 0; i < length; i++)
        copy[i] = text_lower(name[i]);
    copy[length] = '\0';
    bucket = bucket_of(table, copy);
    table->entries[index] = (struct entry){.name = (uint32_t)table->names_length,
                                           .address = (uint32_t)table->address_count - 1,
                                           .next = NOTHING};
    table->names_length += length + 1;
    table->entry_count++;
    if (table->first[bucket] == NOTHING)
        table->first[bucket] = index;
    else
        table->entries[table->last[bucket]].next = index;
    table->last[bucket] = index;
    return true;
}

static int take_line(struct hosts_table *table)
{
    static const char blanks[] = " \t\r\v\f";
    char *rest, *word;
    struct host host;

    table->line[table->line_length] = '\0';
    table->line_length = 0;
    table->line[strcspn(table->line, "#")] = '\0';
    word = strtok_r(table->line, blanks, &rest);
    if (word == NULL)
        return OK;
    host_parse(&host, word);
    if (host.kind != HOST_ADDRESS)
        return OK;
    if (!add_address(table, &host))
        return ERROR_MEMORY;
    while ((word = strtok_r(NULL, blanks, &rest)) != NULL)
        if (!add_name(table, word))
            return ERROR_MEMORY;
    return OK;
}

int hosts_table_add(struct hosts_table *table, const char *text, size_t length)
{
    for (const char *end = text + length; text < end; text++) {
        int error = *text == '\n' ? take_line(table) : OK;

        if (error != OK)
            return error;
        if (*text != '\n' && table->line_length < LINE_MAX_LENGTH)
            table->line[table->line_length++] = *text;
    }
    return OK;
}

int hosts_table_finish(struct hosts_table *table)
{
    return take_line(table);
}

size_t hosts_table_find(const struct hosts_table *table, const char *name,
                        struct host *found, size_t bound)
{
    uint32_t index = table->first[bucket_of(table, name)];
    size_t count = 0;

    for (; index != NOTHING && count < bound; index = table->entries[index].next) {
        const char *entry = table->names + table->entries[index].name, *at = name;

        while (*entry != '\0' && *entry == text_lower(*at))
            entry++, at++;
        if (*entry == '\0' && *at == '\0')
            found[count++] = table->addresses[table->entries[index].address];
    }
    return count;
}
