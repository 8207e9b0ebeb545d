/* SPDX-License-Identifier: MIT */
/*
 * What one client makes the relay hold and do, counted over all its sessions in all
 * workers: its streams, its flows, and the connections to destinations that it begins.
 * Any thread may call. What each worker counts for itself is in account.h.
 */
#ifndef SPLITSOCKS_CLIENT_ACCOUNT_H
#define SPLITSOCKS_CLIENT_ACCOUNT_H

#include <splitsocks/base/places.h>

/* The bounds of all clients together. */
struct client_pools {
    struct places_pool streams, flows;
};

/* The bounds of one client. */
struct client_bounds {
    uint64_t streams, flows;   /* open at a time */
    uint32_t dials_per_second; /* 0: no bound */
};

struct client_account {
    struct places streams, flows;
    atomic_uint_least32_t dials_per_second;
    atomic_uint_least64_t dial_due_at_ns; /* when the next dial is due at that rate */
};

/* Nothing may be held at first. */
void client_account_init(struct client_account *account, struct client_pools *pools);
/* Counts at once; what is held already stays. */
void client_account_set(struct client_account *account, const struct client_bounds *bounds);

/* How long the client must wait until it may begin the next connection to a
 * destination. */
uint64_t client_account_dial_wait(const struct client_account *account, uint64_t now);
/* Begins it, or reserves the time when it may begin: returns that time, or `now`. */
uint64_t client_account_dial_at(struct client_account *account, uint64_t now);

#endif
