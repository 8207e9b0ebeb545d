/* SPDX-License-Identifier: MIT */
/* How many connections the descriptors of the process allow. */
#include "relay_internal.h"

#include <splitsocks/io/descriptors.h>

/* Connections of one session: the default of pool.burst at local. */
#define SUBFLOWS_OF_SESSION 48ul

static unsigned long subflows_of_clients(const struct config_relay *config)
{
    unsigned long sum = 0;

    for (size_t i = 0; i < config->clients.count; i++)
        sum += config->clients.items[i].max_sessions * SUBFLOWS_OF_SESSION;
    return sum;
}

void relay_bounds_reserve(const struct config_relay *config, unsigned long held)
{
    const struct descriptor_needs needs = {
        .held = held,
        .subflows = subflows_of_clients(config) + config->limits.unauthenticated,
        .own = DESCRIPTORS_RESOLVER * (unsigned long)config->workers + DESCRIPTORS_FILES,
    };

    descriptors_reserve(&needs);
}

uint32_t relay_bounds_unauthenticated(const struct config_relay *config)
{
    unsigned long all = descriptors_for_subflows(), clients = subflows_of_clients(config);
    unsigned long rest = MAX(all - MIN(clients, all), MAX(all / 4, 1ul));

    return (uint32_t)MIN((unsigned long)config->limits.unauthenticated, rest);
}
