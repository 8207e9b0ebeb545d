/* SPDX-License-Identifier: MIT */
#include "relay_internal.h"

#include <splitsocks/io/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct config_client *find_config(const struct config_relay *config,
                                               const uint8_t key[CONFIG_KEY_SIZE])
{
    for (size_t i = 0; i < config->clients.count; i++)
        if (memcmp(config->clients.items[i].public_key, key, CONFIG_KEY_SIZE) == 0)
            return &config->clients.items[i];
    return NULL;
}

static bool is_known(const struct relay_clients *clients,
                     const uint8_t key[CONFIG_KEY_SIZE])
{
    for (size_t i = 0; i < clients->count; i++)
        if (memcmp(clients->items[i].public_key, key, CONFIG_KEY_SIZE) == 0)
            return true;
    return false;
}

/* Appends a client; NULL: an empty place, under a key that nobody has. */
static int append(struct relay_clients *clients, const struct config_client *config)
{
    struct relay_client *client = &clients->items[clients->count];
    struct admission_client *limits = &clients->limits[clients->count];
    int index;

    client->gone = config == NULL;
    if (config != NULL) {
        memcpy(client->public_key, config->public_key, sizeof(client->public_key));
        snprintf(client->name, sizeof(client->name), "%s", config->name);
        limits->max_streams = config->max_streams;
        limits->max_sessions = config->max_sessions;
    } else {
        random_fill(client->public_key, sizeof(client->public_key));
    }
    index = client_table_add(clients->table, client->public_key);
    if (index < 0)
        return index;
    clients->count++;
    return OK;
}

static int fill(struct relay_clients *clients, const struct config_relay *config,
                const struct relay_clients *previous)
{
    int error = OK;

    for (size_t i = 0; error == OK && previous != NULL && i < previous->count; i++)
        error = append(clients, find_config(config, previous->items[i].public_key));
    for (size_t i = 0; error == OK && i < config->clients.count; i++)
        if (!is_known(clients, config->clients.items[i].public_key))
            error = append(clients, &config->clients.items[i]);
    return error;
}

struct relay_clients *relay_clients_new(const struct config_relay *config,
                                        const struct relay_clients *previous)
{
    size_t most = config->clients.count + (previous != NULL ? previous->count : 0);
    struct relay_clients *clients = calloc(1, sizeof(*clients));

    if (clients == NULL)
        return NULL;
    clients->table = client_table_new();
    clients->items = calloc(MAX(most, (size_t)1), sizeof(*clients->items));
    clients->limits = calloc(MAX(most, (size_t)1), sizeof(*clients->limits));
    if (clients->table == NULL || clients->items == NULL || clients->limits == NULL ||
        fill(clients, config, previous) != OK) {
        relay_clients_free(clients);
        return NULL;
    }
    if (previous != NULL)
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
