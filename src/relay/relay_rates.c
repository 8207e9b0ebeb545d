/* SPDX-License-Identifier: MIT */
/* What the clients' sessions share. It is made once for each client, and stays where it is
 * while the relay runs. */
#include "relay_internal.h"

#include <splitsocks/io/clock.h>

#include <stdlib.h>

static struct relay_rates *rates_new(void)
{
    struct relay_rates *rates = malloc(sizeof(*rates));

    if (rates == NULL)
        return NULL;
    pace_rate_init(&rates->up);
    pace_rate_init(&rates->down);
    return rates;
}

static int grow(struct relay *relay, size_t count)
{
    struct relay_rates **rates;

    if (count <= relay->rates_count)
        return OK;
    rates = reallocarray(relay->rates, count, sizeof(struct relay_rates *));
    if (rates == NULL)
        return ERROR_MEMORY;
    relay->rates = rates;
    while (relay->rates_count < count) {
        rates[relay->rates_count] = rates_new();
        if (rates[relay->rates_count] == NULL)
            return ERROR_MEMORY;
        relay->rates_count++;
    }
    return OK;
}

int relay_rates_set(struct relay *relay, const struct relay_clients *clients,
                    const struct config_relay *config)
{
    uint64_t now = clock_now();
    int error = grow(relay, clients->count);

    for (size_t i = 0; error == OK && i < clients->count; i++) {
        const struct relay_client *client = &clients->items[i];
        const struct config_rate *rate;

        if (client->gone)
            continue;
        rate = &config->clients.items[client->listed].rate;
        pace_rate_set(&relay->rates[i]->up, rate->up_bits / 8, now);
        pace_rate_set(&relay->rates[i]->down, rate->down_bits / 8, now);
    }
    return error;
}

void relay_rates_free(struct relay *relay)
{
    for (size_t i = 0; i < relay->rates_count; i++) {
        pace_rate_deinit(&relay->rates[i]->up);
        pace_rate_deinit(&relay->rates[i]->down);
        free(relay->rates[i]);
    }
    free(relay->rates);
}
