/* SPDX-License-Identifier: MIT */
/*
 * Connections that all die young, and nothing tells why. A network that ends them within
 * their first flight lets no ACK and no GONE through, and without these a death is no
 * evidence. Fresh connections then carry half of what the last one did, and twice as much
 * after each that has used this up and ended in order.
 */
#include "profile_tables.h"

/* So many have died one after the other, each begun after the death before it: an outage
 * takes all that are open together, and counts once. */
#define VAIN_ROUNDS 6
/* A connection that carries so much is not in vain, and no bound above it is needed. */
#define VAIN_UNTIL (64 * 1024)

static bool is_vain(const struct profile_connection *connection)
{
    uint64_t sum = connection->bytes[PROFILE_UP] + connection->bytes[PROFILE_DOWN];

    return sum > 0 && sum < VAIN_UNTIL;
}

static bool is_bound(const struct profile_vain *vain)
{
    return vain->limit[PROFILE_UP] != PROFILE_UNLIMITED ||
           vain->limit[PROFILE_DOWN] != PROFILE_UNLIMITED;
}

void profile_vain_init(struct profile_vain *vain)
{
    *vain = (struct profile_vain){.limit = {PROFILE_UNLIMITED, PROFILE_UNLIMITED}};
}

void profile_vain_died(struct profile_vain *vain,
                       const struct profile_connection *connection, uint64_t now)
{
    if (!is_vain(connection) || connection->begun_at_ns < vain->died_at_ns)
        return;
    vain->rounds = now - vain->died_at_ns > DEATH_FRESH_NS ? 1 : vain->rounds + 1;
    vain->died_at_ns = now;
    if (vain->rounds < VAIN_ROUNDS && !is_bound(vain))
        return;
    for (unsigned d = 0; d < 2; d++)
        vain->limit[d] = MAX(connection->bytes[d] / 2, PROFILE_BUDGET_MIN);
}

void profile_vain_ended(struct profile_vain *vain,
                        const struct profile_connection *connection)
{
    vain->rounds = 0;
    for (unsigned d = 0; d < 2; d++) {
        if (vain->limit[d] == PROFILE_UNLIMITED ||
            connection->bytes[d] < vain->limit[d] / 2)
            continue;
        vain->limit[d] =
            vain->limit[d] < VAIN_UNTIL ? 2 * vain->limit[d] : PROFILE_UNLIMITED;
    }
}
