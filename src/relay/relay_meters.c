/* SPDX-License-Identifier: MIT */
/* What the clients' sessions share. It is made once for each client, and stays where it is
 * while the relay runs. */
#include "relay_internal.h"

#include <splitsocks/io/clock.h>

#include <stdlib.h>

/* A bound of what the client moves is reached: the first worker looks. */
static void on_reached(void *context)
{
    struct relay *relay = context;

    atomic_store(&relay->terms_due, true);
    relay_mailbox_wake(&relay->workers[0].mailbox);
}

static struct relay_meter *meter_new(struct relay *relay)
{
    struct relay_meter *meter = calloc(1, sizeof(*meter));

    if (meter == NULL)
        return NULL;
    client_account_init(&meter->account, &relay->pools);
    list_init(&meter->owing);
    pace_rate_init(&meter->up, &relay->up);
    pace_rate_init(&meter->down, &relay->down);
    for (int i = 0; i < FLOW_DROPS; i++)
        atomic_init(&meter->drops[i], 0);
    atomic_init(&meter->tally.bytes, 0);
    atomic_init(&meter->tally.due, TALLY_NEVER);
    meter->tally.reached = on_reached;
    meter->tally.context = relay;
    return meter;
}

static int grow(struct relay *relay, size_t count)
{
    struct relay_meter **meters;

    if (count <= relay->meter_count)
        return OK;
    meters = reallocarray(relay->meters, count, sizeof(struct relay_meter *));
    if (meters == NULL)
        return ERROR_MEMORY;
    relay->meters = meters;
    while (relay->meter_count < count) {
        meters[relay->meter_count] = meter_new(relay);
        if (meters[relay->meter_count] == NULL)
            return ERROR_MEMORY;
        relay->meter_count++;
    }
    return OK;
}

static void set_rates(struct pace_rate *up, struct pace_rate *down,
                      const struct config_rate *rate)
{
    uint64_t now = clock_now();

    pace_rate_set(up, rate->up_bits / 8, now);
    pace_rate_set(down, rate->down_bits / 8, now);
}

static void set_bounds(struct relay_meter *meter, const struct config_relay *config,
                       size_t listed)
{
    const struct client_bounds bounds = relay_bounds_of_client(config, listed);

    client_account_set(&meter->account, &bounds);
    set_rates(&meter->up, &meter->down, &config->clients.items[listed].rate);
}

int relay_meters_set(struct relay *relay, struct relay_clients *clients,
                     const struct config_relay *config)
{
    int error = grow(relay, clients->count);

    if (error != OK)
        return error;
    relay_bounds_set(config, &relay->pools);
    set_rates(&relay->up, &relay->down, &config->rate);
    for (size_t i = 0; i < clients->count; i++) {
        const struct relay_client *client = &clients->items[i];

        clients->limits[i].account = &relay->meters[i]->account;
        if (!client->gone)
            set_bounds(relay->meters[i], config, client->listed);
    }
    return OK;
}

void relay_meter_owes(struct relay_meter *meter, struct relay_worker *worker)
{
    pthread_mutex_lock(&worker->relay->lock);
    if (!list_linked(&meter->owing))
        list_append(&worker->owing, &meter->owing);
    pthread_mutex_unlock(&worker->relay->lock);
    relay_mailbox_wake(&worker->mailbox);
}

struct relay_meter *relay_meter_take_owing(struct relay_worker *worker)
{
    struct relay_meter *meter;

    pthread_mutex_lock(&worker->relay->lock);
    meter = list_first(&worker->owing, struct relay_meter, owing);
    if (meter != NULL)
        list_remove(&meter->owing);
    pthread_mutex_unlock(&worker->relay->lock);
    return meter;
}

void relay_meters_free(struct relay *relay)
{
    for (size_t i = 0; i < relay->meter_count; i++) {
        pace_rate_deinit(&relay->meters[i]->up);
        pace_rate_deinit(&relay->meters[i]->down);
        free(relay->meters[i]);
    }
    free(relay->meters);
}
