/* SPDX-License-Identifier: MIT */
#include <splitsocks/gate/client_table.h>

#include <splitsocks/gate/hello_cache.h>

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct client {
    uint8_t public_key[KEY_SIZE];
    bool barred;
    unsigned sessions;
    struct stamp_memory stamps;
};

struct client_table {
    struct client *clients; /* owned; by index */
    int *order;             /* owned; indices, sorted by public key */
    size_t count;
    size_t capacity; /* of both arrays */
    uint64_t clock_ns;
    struct hello_cache hellos;
};

struct client_table *client_table_new(void)
{
    return calloc(1, sizeof(struct client_table));
}

void client_table_free(struct client_table *table)
{
    if (table == NULL)
        return;
    free(table->clients);
    free(table->order);
    free(table);
}

static int grow(struct client_table *table)
{
    size_t capacity = table->capacity == 0 ? 8 : table->capacity * 2;
    struct client *clients;
    int *order;

    if (capacity > INT_MAX)
        return ERROR_MEMORY;
    clients = realloc(table->clients, capacity * sizeof(*clients));
    if (clients == NULL)
        return ERROR_MEMORY;
    table->clients = clients;
    order = realloc(table->order, capacity * sizeof(*order));
    if (order == NULL)
        return ERROR_MEMORY;
    table->order = order;
    table->capacity = capacity;
    return OK;
}

/* The position of `public_key` in the order, or of the first greater key. The time of this
 * search may tell whether a key is known, but only to clients that have proved to own
 * it. */
static size_t place_of(const struct client_table *table, const uint8_t public_key[KEY_SIZE],
                       bool *found)
{
    size_t low = 0;
    size_t high = table->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct client *client = &table->clients[table->order[middle]];
        int difference = memcmp(client->public_key, public_key, KEY_SIZE);

        if (difference == 0) {
            *found = true;
            return middle;
        }
        if (difference < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

int client_table_add(struct client_table *table, const uint8_t public_key[KEY_SIZE])
{
    struct client *client;
    size_t place;
    bool found;

    place = place_of(table, public_key, &found);
    if (found)
        return ERROR_INVALID;
    if (table->count == table->capacity && grow(table) != OK)
        return ERROR_MEMORY;
    client = &table->clients[table->count];
    *client = (struct client){0};
    memcpy(client->public_key, public_key, KEY_SIZE);
    memmove(&table->order[place + 1], &table->order[place],
            (table->count - place) * sizeof(*table->order));
    table->order[place] = (int)table->count;
    return (int)table->count++;
}

size_t client_table_count(const struct client_table *table)
{
    return table->count;
}

static struct client *client_at(const struct client_table *table, int index)
{
    assert(index >= 0 && (size_t)index < table->count);
    return &table->clients[index];
}

void client_table_bar(struct client_table *table, int client)
{
    client_at(table, client)->barred = true;
}

const uint8_t *client_table_key(const struct client_table *table, int client)
{
    return client_at(table, client)->public_key;
}

int client_table_find(const struct client_table *table, const uint8_t public_key[KEY_SIZE])
{
    bool found;
    size_t place = place_of(table, public_key, &found);

    return found && !table->clients[table->order[place]].barred ? table->order[place]
                                                                : ERROR_NOT_FOUND;
}

/* The index that a client of the other table has in this one, or ERROR_NOT_FOUND. */
static int index_of(const struct client_table *table, const struct client *client)
{
    bool found;
    size_t place = place_of(table, client->public_key, &found);

    return found ? table->order[place] : ERROR_NOT_FOUND;
}

void client_table_inherit(struct client_table *table, const struct client_table *old)
{
    table->clock_ns = old->clock_ns;
    for (size_t i = 0; i < old->count; i++) {
        int index = index_of(table, &old->clients[i]);

        if (index < 0)
            continue;
        table->clients[index].stamps = old->clients[i].stamps;
        table->clients[index].sessions = old->clients[i].sessions;
    }
    table->hellos = old->hellos;
    for (size_t i = 0; i < HELLO_CACHE_SETS; i++)
        for (size_t way = 0; way < HELLO_CACHE_WAYS; way++) {
            uint32_t *client = &table->hellos.sets[i].entries[way].client;

            if (*client != 0)
                *client =
                    (uint32_t)(MAX(index_of(table, &old->clients[*client - 1]), -1) + 1);
        }
}

/* ---- sessions ---- */

unsigned client_table_sessions(const struct client_table *table, int client)
{
    return client_at(table, client)->sessions;
}

void client_table_session_begins(struct client_table *table, int client)
{
    client_at(table, client)->sessions++;
}

void client_table_session_ends(struct client_table *table, int client)
{
    assert(client_at(table, client)->sessions > 0);
    client_at(table, client)->sessions--;
}

/* ---- stamps and HELLOs ---- */

void client_table_set_clock(struct client_table *table, uint64_t clock_ns)
{
    table->clock_ns = clock_ns;
}

int client_table_check_stamp(const struct client_table *table, int client, uint64_t stamp)
{
    return stamp_memory_check(&client_at(table, client)->stamps, stamp, table->clock_ns);
}

int client_table_accept_stamp(struct client_table *table, int client, uint64_t stamp)
{
    return stamp_memory_accept(&client_at(table, client)->stamps, stamp, table->clock_ns);
}

const struct stamp_memory *client_table_stamps(const struct client_table *table, int client)
{
    return &client_at(table, client)->stamps;
}

void client_table_note_hello(struct client_table *table, int client,
                             const uint8_t ephemeral[KEY_SIZE])
{
    hello_cache_add(&table->hellos, ephemeral, (unsigned)client);
}

int client_table_known_hello(const struct client_table *table,
                             const uint8_t ephemeral[KEY_SIZE])
{
    return hello_cache_find(&table->hellos, ephemeral);
}
