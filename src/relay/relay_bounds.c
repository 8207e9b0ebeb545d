/* SPDX-License-Identifier: MIT */
/* How much of what the process has its clients may use. */
#include "relay_internal.h"

#include <splitsocks/io/descriptors.h>
#include <splitsocks/status/control.h>

/* Connections of one session: the default of pool.burst at local. */
#define SUBFLOWS_OF_SESSION 48ul
#define RECORDS_MIN (UINT64_C(16) << 20)
/* Data may take so many times as much memory as the records of streams, and as flows. */
#define DATA_PARTS 4

static unsigned long subflows_of_clients(const struct config_relay *config)
{
    unsigned long sum = 0;

    for (size_t i = 0; i < config->clients.count; i++)
        sum += config_relay_bounds(config, i).max_sessions * SUBFLOWS_OF_SESSION;
    return sum;
}

void relay_bounds_reserve(const struct config_relay *config, unsigned long held)
{
    const struct descriptor_needs needs = {
        .held = held,
        .counted = true,
        .subflows = subflows_of_clients(config) + config->limits.unauthenticated,
        .own = DESCRIPTORS_RESOLVER * (unsigned long)config->workers + DESCRIPTORS_FILES +
               CONTROL_CLIENTS,
    };

    descriptors_reserve(&needs);
}

uint32_t relay_bounds_unauthenticated(const struct config_relay *config)
{
    unsigned long all = descriptors_for_subflows(), clients = subflows_of_clients(config);
    unsigned long rest = MAX(all - MIN(clients, all), MAX(all / 4, 1ul));

    return (uint32_t)MIN((unsigned long)config->limits.unauthenticated, rest);
}

/* The floor allows for some thousand idle streams where little data may wait. */
void relay_bounds_set(const struct config_relay *config, struct client_pools *pools)
{
    uint64_t records = MAX(config->limits.buffered_bytes / DATA_PARTS, RECORDS_MIN);

    atomic_store(&pools->streams.most, config->limits.streams);
    atomic_store(&pools->flows.most, config->limits.flows);
    atomic_store(&pools->pages.most, config->limits.buffered_bytes / PAGE_SIZE);
    atomic_store(&pools->records.most, records);
    atomic_store(&pools->datagrams.most, records);
    atomic_store(&pools->subflows.most, descriptors_for_subflows());
    atomic_store(&pools->destinations.most, descriptors_for_clients());
    atomic_store(&pools->names.most, config->dns.max_waiting);
}

struct client_bounds relay_bounds_of_client(const struct config_relay *config, size_t index)
{
    struct config_bounds bounds = config_relay_bounds(config, index);
    uint64_t part = bounds.max_memory / (DATA_PARTS + 2);

    return (struct client_bounds){
        .streams = bounds.max_streams,
        .flows = bounds.max_flows,
        .pages = DATA_PARTS * part / PAGE_SIZE,
        .records = part,
        .datagrams = part,
        .subflows = bounds.max_descriptors,
        .destinations = bounds.max_descriptors,
        .names = bounds.max_names,
        .dials_per_second = bounds.dials_per_second,
    };
}
