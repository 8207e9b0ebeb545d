/* SPDX-License-Identifier: MIT */
#include <splitsocks/gate/client_table.h>

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct client {
    uint8_t public_key[KEY_SIZE];
    unsigned stamp_count;
    uint64_t stamps[CLIENT_STAMPS]; /* the newest, ascending */
};

struct client_table {
    struct client *clients; /* owned; by index */
    int *order;             /* owned; indices, sorted by public key */
    size_t count;
    size_t capacity; /* of both arrays */
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

int client_table_find(const struct client_table *table, const uint8_t public_key[KEY_SIZE])
{
    bool found;
    size_t place = place_of(table, public_key, &found);

    return found ? table->order[place] : ERROR_NOT_FOUND;
}

void client_table_inherit(struct client_table *table, const struct client_table *old)
{
    for (size_t i = 0; i < table->count; i++) {
        struct client *client = &table->clients[i];
        int index = client_table_find(old, client->public_key);

        if (index >= 0)
            *client = old->clients[index];
    }
}

/* ---- stamps ---- */

/* The number of kept stamps below `stamp`; false when it may not be used. */
static bool place_of_stamp(const struct client *client, uint64_t stamp, unsigned *place)
{
    unsigned below = client->stamp_count;

    /* Search from the newest, where stamps in order belong. */
    while (below > 0 && client->stamps[below - 1] > stamp)
        below--;
    *place = below;
    if (below > 0 && client->stamps[below - 1] == stamp)
        return false;
    return below > 0 || client->stamp_count < CLIENT_STAMPS;
}

static const struct client *client_at(const struct client_table *table, int index)
{
    assert(index >= 0 && (size_t)index < table->count);
    return &table->clients[index];
}

int client_table_check_stamp(const struct client_table *table, int client, uint64_t stamp)
{
    unsigned place;

    return place_of_stamp(client_at(table, client), stamp, &place) ? OK : ERROR_REPLAY;
}

int client_table_accept_stamp(struct client_table *table, int client, uint64_t stamp)
{
    struct client *owner;
    unsigned place;

    if (!place_of_stamp(client_at(table, client), stamp, &place))
        return ERROR_REPLAY;
    owner = &table->clients[client];
    if (owner->stamp_count < CLIENT_STAMPS) {
        memmove(&owner->stamps[place + 1], &owner->stamps[place],
                (owner->stamp_count - place) * sizeof(owner->stamps[0]));
        owner->stamp_count++;
    } else {
        /* The oldest stamp leaves, and those below the new one move down. */
        place--;
        memmove(&owner->stamps[0], &owner->stamps[1], place * sizeof(owner->stamps[0]));
    }
    owner->stamps[place] = stamp;
    return OK;
}
