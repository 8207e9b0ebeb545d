/* SPDX-License-Identifier: MIT */
/* How much of their quotas the clients have used in this month, kept in the state file. The
 * first worker's thread alone looks at that; the tallies call it. */
#include "relay_internal.h"

#include <splitsocks/io/clock.h>

#include <stdlib.h>
#include <string.h>

/* While a client moves anything, its count is looked at so often, to be saved. */
#define MOVING_LOOK_NS NS_PER_S

static uint64_t quota_of(const struct relay *relay, size_t index)
{
    const struct relay_client *client = &relay->clients->items[index];

    return client->gone ? CONFIG_UNLIMITED
                        : relay->config->config->clients.items[client->listed].quota_bytes;
}

/* ---- the file ---- */

static bool is_open(const struct relay *relay)
{
    return relay->usage.file != NULL;
}

int relay_quota_follow(struct relay *relay, const struct relay_clients *clients,
                       const struct config_relay *config)
{
    size_t known = relay->usage.count;
    struct usage_fresh *fresh;

    if (!is_open(relay)) {
        /* Nothing is read or written for clients without quotas. */
        if (!config_relay_has_quotas(config))
            return OK;
        state_file_init(&relay->state, relay->state.path, LOG_WARNING);
        usage_store_init(&relay->usage, &relay->state, NULL, 0);
    }
    if (clients->count > known) {
        fresh = reallocarray(relay->fresh, clients->count, sizeof(*fresh));
        if (fresh == NULL)
            return ERROR_MEMORY;
        relay->fresh = relay->usage.fresh = fresh;
        relay->usage.count = clients->count;
        for (size_t i = known; i < clients->count; i++)
            fresh[i] = (struct usage_fresh){.name = relay->meters[i]->name};
    }
    /* One that is gone may have bytes that are not saved yet. */
    for (size_t i = 0; i < clients->count; i++)
        if (!clients->items[i].gone)
            memcpy(relay->meters[i]->name, clients->items[i].name,
                   sizeof(relay->meters[i]->name));
    return OK;
}

int relay_quota_init(struct relay *relay, const char *state_path,
                     const struct config_relay *config)
{
    relay->state.path = state_path;
    return relay_quota_follow(relay, relay->clients, config);
}

void relay_quota_free(struct relay *relay)
{
    for (size_t i = 0; i < relay->usage.count; i++)
        if (relay->meters[i]->metered)
            relay->fresh[i].bytes += tally_take(&relay->meters[i]->tally);
    usage_store_deinit(&relay->usage);
    free(relay->fresh);
}

/* ---- looking ---- */

/* A look is due at once when the quota is used up, and soon when a client that was idle
 * moves something. Bytes that move while its sessions are being closed can wait. */
static uint64_t due_at(uint64_t quota, uint64_t used, bool moves)
{
    if (used >= quota)
        return TALLY_NEVER;
    return moves ? quota - used : 1;
}

bool relay_quota_look(struct relay *relay, size_t index, struct relay_quota *now)
{
    struct relay_meter *meter = relay->meters[index];
    uint64_t moved = tally_take(&meter->tally);
    bool was_metered = meter->metered;

    *now = (struct relay_quota){.quota_bytes = quota_of(relay, index)};
    meter->metered = now->quota_bytes != CONFIG_UNLIMITED;
    if (was_metered)
        relay->fresh[index].bytes += moved;
    if (!meter->metered) {
        (void)tally_set_due(&meter->tally, TALLY_NEVER);
        return false;
    }
    now->used_bytes = usage_store_used(&relay->usage, index);
    now->used_up = now->used_bytes >= now->quota_bytes;
    return tally_set_due(&meter->tally,
                         due_at(now->quota_bytes, now->used_bytes, moved > 0)) ||
           moved > 0;
}

void relay_quota_turn(struct relay *relay)
{
    if (is_open(relay))
        usage_store_turn(&relay->usage);
}

bool relay_quota_peek(const struct relay *relay, size_t index, struct relay_quota *out)
{
    const struct relay_meter *meter = relay->meters[index];

    *out = (struct relay_quota){.quota_bytes = quota_of(relay, index)};
    if (out->quota_bytes == CONFIG_UNLIMITED || !is_open(relay))
        return false;
    out->used_bytes = usage_store_used(&relay->usage, index) +
                      (meter->metered ? atomic_load(&meter->tally.bytes) : 0);
    out->used_up = out->used_bytes >= out->quota_bytes;
    return true;
}

uint64_t relay_quota_save(struct relay *relay, bool moved)
{
    if (!is_open(relay))
        return TIME_NEVER;
    usage_store_save(&relay->usage, clock_now());
    return moved || usage_store_unsaved(&relay->usage) ? MOVING_LOOK_NS : TIME_NEVER;
}
