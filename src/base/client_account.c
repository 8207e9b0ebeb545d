/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/client_account.h>

/* Dials that a client may save up while it has begun fewer, as the time in which they would
 * have been due: a browser with many tabs, and a test of 10,000 connections, begin theirs
 * at once. */
#define DIALS_BURST_NS (10 * NS_PER_S)

/* Flows that may begin while those that make room for them, in other workers, have not
 * ended yet. A client begins eight in an iteration of the loop; the other worker's own
 * iteration takes about as long. */
#define FLOWS_OWED_MAX 32

void client_pools_init(struct client_pools *pools)
{
    places_pool_init(&pools->streams, PLACES_UNLIMITED);
    places_pool_init(&pools->flows, PLACES_UNLIMITED);
    places_pool_init(&pools->pages, PLACES_UNLIMITED);
    places_pool_init(&pools->records, PLACES_UNLIMITED);
    places_pool_init(&pools->datagrams, PLACES_UNLIMITED);
    places_pool_init(&pools->subflows, PLACES_UNLIMITED);
    places_pool_init(&pools->destinations, PLACES_UNLIMITED);
    places_pool_init(&pools->names, PLACES_UNLIMITED);
}

void client_account_init(struct client_account *account, struct client_pools *pools)
{
    places_init(&account->streams, &pools->streams, 0);
    places_init(&account->flows, &pools->flows, 0);
    places_init(&account->pages, &pools->pages, PLACES_UNLIMITED);
    places_init(&account->records, &pools->records, PLACES_UNLIMITED);
    places_init(&account->datagrams, &pools->datagrams, PLACES_UNLIMITED);
    places_init(&account->subflows, &pools->subflows, PLACES_UNLIMITED);
    places_init(&account->destinations, &pools->destinations, PLACES_UNLIMITED);
    places_init(&account->names, &pools->names, PLACES_UNLIMITED);
    atomic_init(&account->flows_owed, 0);
    atomic_init(&account->dials, 0);
    for (int i = 0; i < CLIENT_REFUSALS; i++)
        atomic_init(&account->refusals[i], 0);
    atomic_init(&account->dials_per_second, 0);
    atomic_init(&account->dial_due_at_ns, 0);
}

static void set_most(struct places *places, uint64_t most)
{
    atomic_store(&places->most, most != 0 ? most : PLACES_UNLIMITED);
}

void client_account_set(struct client_account *account, const struct client_bounds *bounds)
{
    atomic_store(&account->streams.most, bounds->streams);
    atomic_store(&account->flows.most, bounds->flows);
    set_most(&account->pages, bounds->pages);
    set_most(&account->records, bounds->records);
    set_most(&account->datagrams, bounds->datagrams);
    set_most(&account->subflows, bounds->subflows);
    set_most(&account->destinations, bounds->destinations);
    set_most(&account->names, bounds->names);
    atomic_store(&account->dials_per_second, bounds->dials_per_second);
}

bool client_account_owe_flow(struct client_account *account)
{
    if (atomic_fetch_add(&account->flows_owed, 1) >= FLOWS_OWED_MAX) {
        atomic_fetch_sub(&account->flows_owed, 1);
        return false;
    }
    places_add(&account->flows, 1);
    return true;
}

uint32_t client_account_flows_owed(const struct client_account *account)
{
    return atomic_load(&account->flows_owed);
}

void client_account_give_flow(struct client_account *account)
{
    uint_least32_t owed = atomic_load(&account->flows_owed);

    places_give(&account->flows, 1);
    while (owed > 0 && !atomic_compare_exchange_weak(&account->flows_owed, &owed, owed - 1))
        ;
}

const char *client_refusal_name(enum client_refusal refusal)
{
    static const char *const names[CLIENT_REFUSALS] = {
        [CLIENT_REFUSAL_MAX_SESSIONS] = "max_sessions",
        [CLIENT_REFUSAL_NOT_SERVED] = "not_served",
        [CLIENT_REFUSAL_MAX_STREAMS] = "max_streams",
        [CLIENT_REFUSAL_LIMITS_STREAMS] = "limits_streams",
        [CLIENT_REFUSAL_MAX_FLOWS] = "max_flows",
        [CLIENT_REFUSAL_LIMITS_FLOWS] = "limits_flows",
        [CLIENT_REFUSAL_DIALS] = "dials_per_second",
        [CLIENT_REFUSAL_MAX_NAMES] = "max_names",
        [CLIENT_REFUSAL_NAMES] = "dns_max_waiting",
        [CLIENT_REFUSAL_MAX_DESCRIPTORS] = "max_descriptors",
        [CLIENT_REFUSAL_DESCRIPTORS] = "descriptors",
        [CLIENT_REFUSAL_MAX_MEMORY] = "max_memory",
        [CLIENT_REFUSAL_MEMORY] = "buffered_bytes",
        [CLIENT_REFUSAL_RECORDS] = "records",
        [CLIENT_REFUSAL_DESTINATION] = "destinations",
        [CLIENT_REFUSAL_MACHINE] = "machine",
    };

    return names[refusal];
}

/* The generic cell rate algorithm (ITU-T I.371): dials are due in equal distances, and may
 * come earlier by the burst. */
static uint64_t wait_of(uint64_t due_at_ns, uint64_t now)
{
    return due_at_ns - MIN(due_at_ns, now + DIALS_BURST_NS);
}

uint64_t client_account_dial_wait(const struct client_account *account, uint64_t now)
{
    return atomic_load(&account->dials_per_second) == 0
               ? 0
               : wait_of(atomic_load(&account->dial_due_at_ns), now);
}

uint64_t client_account_dial_at(struct client_account *account, uint64_t now)
{
    uint32_t rate = atomic_load(&account->dials_per_second);
    uint_least64_t due_at_ns = atomic_load(&account->dial_due_at_ns);

    atomic_fetch_add(&account->dials, 1);
    if (rate == 0)
        return now;
    while (!atomic_compare_exchange_weak(&account->dial_due_at_ns, &due_at_ns,
                                         MAX(due_at_ns, now) + NS_PER_S / rate))
        ;
    return now + wait_of(due_at_ns, now);
}
