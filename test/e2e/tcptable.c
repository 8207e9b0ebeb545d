/* SPDX-License-Identifier: MIT */
#include "tcptable.h"

#include <stdlib.h>
#include <string.h>

#include "tool.h"

static uint32_t read32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           bytes[3];
}

static uint16_t read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* The offset of the TCP header and the packet's end; false when it is no TCP. */
static bool find_tcp(struct segment *segment, const uint8_t *bytes, size_t length,
                     size_t *tcp, size_t *end)
{
    enum { TCP = 6 };

    memset(segment, 0, sizeof(*segment));
    if (length >= 20 && bytes[0] >> 4 == 4 && bytes[9] == TCP) {
        memcpy(segment->address[0], bytes + 12, 4);
        memcpy(segment->address[1], bytes + 16, 4);
        *tcp = (size_t)(bytes[0] & 15) * 4;
        *end = read16(bytes + 2);
    } else if (length >= 40 && bytes[0] >> 4 == 6 && bytes[6] == TCP) {
        memcpy(segment->address[0], bytes + 8, 16);
        memcpy(segment->address[1], bytes + 24, 16);
        *tcp = 40;
        *end = 40 + (size_t)read16(bytes + 4);
    } else {
        return false;
    }
    return *end <= length && *tcp + 20 <= *end;
}

bool segment_parse(struct segment *segment, const uint8_t *bytes, size_t length)
{
    size_t tcp, end, data;

    if (!find_tcp(segment, bytes, length, &tcp, &end))
        return false;
    data = tcp + (size_t)(bytes[tcp + 12] >> 4) * 4;
    if (data > end)
        return false;
    segment->port[0] = read16(bytes + tcp);
    segment->port[1] = read16(bytes + tcp + 2);
    segment->sequence = read32(bytes + tcp + 4);
    segment->flags = bytes[tcp + 13];
    segment->payload = (uint32_t)(end - data);
    return true;
}

struct connection segment_connection(const struct segment *segment, int sender)
{
    struct connection connection = {.port = {0}};

    for (int i = 0; i < 2; i++) {
        int role = i == 0 ? sender : !sender;

        memcpy(connection.address[role], segment->address[i],
               sizeof(connection.address[role]));
        connection.port[role] = segment->port[i];
    }
    return connection;
}

/* ---- the table ---- */

void tcp_table_init(struct tcp_table *table, size_t entry_size)
{
    *table = (struct tcp_table){.slots = 1024, .entry_size = entry_size};
    table->entries = allocate(table->slots, entry_size);
}

void tcp_table_deinit(struct tcp_table *table)
{
    free(table->entries);
}

/* FNV-1a */
static size_t hash(const struct connection *connection)
{
    const uint8_t *bytes = (const uint8_t *)connection;
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof(*connection); i++)
        value = (value ^ bytes[i]) * UINT64_C(0x100000001b3);
    return (size_t)(value ^ value >> 32);
}

static struct tcp_entry *entry_at(const struct tcp_table *table, size_t index)
{
    return (struct tcp_entry *)(void *)(table->entries + index * table->entry_size);
}

/* The connection's slot, or the free one where it belongs. */
static struct tcp_entry *slot_of(const struct tcp_table *table,
                                 const struct connection *connection)
{
    size_t index = hash(connection) & (table->slots - 1);

    while (entry_at(table, index)->used && memcmp(&entry_at(table, index)->connection,
                                                  connection, sizeof(*connection)) != 0)
        index = (index + 1) & (table->slots - 1);
    return entry_at(table, index);
}

static void grow(struct tcp_table *table)
{
    struct tcp_table old = *table;

    table->slots *= 2;
    table->entries = allocate(table->slots, table->entry_size);
    for (size_t i = 0; i < old.slots; i++) {
        struct tcp_entry *entry = entry_at(&old, i);

        if (entry->used)
            memcpy(slot_of(table, &entry->connection), entry, table->entry_size);
    }
    tcp_table_deinit(&old);
}

void *tcp_table_find(const struct tcp_table *table, const struct segment *segment,
                     int *sender)
{
    for (*sender = INITIATOR; *sender <= RESPONDER; ++*sender) {
        struct connection connection = segment_connection(segment, *sender);
        struct tcp_entry *entry = slot_of(table, &connection);

        if (entry->used)
            return entry;
    }
    return NULL;
}

void *tcp_table_add(struct tcp_table *table, const struct segment *syn)
{
    struct connection connection = segment_connection(syn, INITIATOR);
    struct tcp_entry *entry;

    if (table->used * 2 >= table->slots)
        grow(table);
    entry = slot_of(table, &connection);
    if (!entry->used) {
        entry->connection = connection;
        entry->used = true;
        table->used++;
    }
    return entry;
}

void *tcp_table_slot(const struct tcp_table *table, size_t index)
{
    struct tcp_entry *entry = entry_at(table, index);

    return entry->used ? entry : NULL;
}
