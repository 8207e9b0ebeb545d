/* SPDX-License-Identifier: MIT */
#include "relay_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct relay_clients *relay_clients_empty(void)
{
    struct relay_clients *clients = calloc(1, sizeof(*clients));

    if (clients != NULL && (clients->table = client_table_new()) != NULL)
        return clients;
    free(clients);
    return NULL;
}

static int make_room(struct relay_clients *clients)
{
    size_t capacity = MAX(clients->capacity * 2, (size_t)8);
    struct admission_client *limits;
    struct relay_client *items;

    if (clients->count < clients->capacity)
        return OK;
    items = reallocarray(clients->items, capacity, sizeof(*items));
    if (items == NULL)
        return ERROR_MEMORY;
    clients->items = items;
    limits = reallocarray(clients->limits, capacity, sizeof(*limits));
    if (limits == NULL)
        return ERROR_MEMORY;
    clients->limits = limits;
    clients->capacity = capacity;
    return OK;
}

int relay_clients_recall(struct relay_clients *clients, const uint8_t key[KEY_SIZE])
{
    int index = client_table_find(clients->table, key);

    if (index >= 0)
        return index;
    if (make_room(clients) != OK)
        return ERROR_MEMORY;
    index = client_table_add(clients->table, key);
    if (index < 0)
        return index;
    clients->items[clients->count] = (struct relay_client){.gone = true};
    memcpy(clients->items[clients->count].public_key, key, KEY_SIZE);
    clients->limits[clients->count] = (struct admission_client){.max_sessions = 0};
    clients->count++;
    return index;
}

static int list_client(struct relay_clients *clients, const struct config_relay *relay,
                       size_t listed)
{
    const struct config_client *config = &relay->clients.items[listed];
    struct config_bounds bounds = config_relay_bounds(relay, listed);
    int index = relay_clients_recall(clients, config->public_key);
    struct relay_client *client;

    if (index < 0)
        return index;
    client = &clients->items[index];
    client->gone = false;
    client->listed = listed;
    snprintf(client->name, sizeof(client->name), "%s", config->name);
    clients->limits[index].max_streams = bounds.max_streams;
    clients->limits[index].max_flows = relay->udp ? bounds.max_flows : 0;
    clients->limits[index].max_sessions = bounds.max_sessions;
    return OK;
}

static int fill(struct relay_clients *clients, const struct config_relay *config,
                const struct relay_clients *previous)
{
    int error = OK;

    for (size_t i = 0; error >= 0 && i < previous->count; i++)
        error = relay_clients_recall(clients, previous->items[i].public_key);
    for (size_t i = 0; error >= 0 && i < config->clients.count; i++)
        error = list_client(clients, config, i);
    for (size_t i = 0; i < clients->count; i++)
        if (clients->items[i].gone)
            client_table_bar(clients->table, (int)i);
    return MIN(error, OK);
}

struct relay_clients *relay_clients_new(const struct config_relay *config,
                                        const struct relay_clients *previous)
{
    struct relay_clients *clients = relay_clients_empty();

    if (clients == NULL)
        return NULL;
    if (fill(clients, config, previous) != OK) {
        relay_clients_free(clients);
        return NULL;
    }
    client_table_inherit(clients->table, previous->table);
    return clients;
}

void relay_clients_free(struct relay_clients *clients)
{
    if (clients == NULL)
        return;
    client_table_free(clients->table);
    free(clients->items);
    free(clients->limits);
    free(clients);
}
