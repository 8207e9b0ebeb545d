/* SPDX-License-Identifier: MIT */
/*
 * What one client makes the relay hold and do, counted over all its sessions in all
 * workers. Each kind has a bound for the process, of which no client takes more than are
 * free (places.h); so a client meets its bounds alone, and the others are served. Any
 * thread may call. account.h has what each worker uses of it.
 */
#ifndef SPLITSOCKS_CLIENT_ACCOUNT_H
#define SPLITSOCKS_CLIENT_ACCOUNT_H

#include <splitsocks/base/places.h>

/* The bounds of all clients together. */
struct client_pools {
    struct places_pool streams, flows;
    struct places_pool pages;        /* data of streams */
    struct places_pool records;      /* bytes: records of streams, of holes in their data */
    struct places_pool datagrams;    /* bytes: records of flows, what waits in them */
    struct places_pool subflows;     /* descriptors of connections to local */
    struct places_pool destinations; /* descriptors of connections to destinations */
    struct places_pool names;        /* being looked up */
};

/* The bounds of one client, as in struct client_pools; 0 is none, except of streams and
 * flows. */
struct client_bounds {
    uint64_t streams, flows;
    uint64_t pages, records, datagrams;
    uint64_t subflows, destinations, names;
    uint32_t dials_per_second;
};

/* The bounds and rules that keep something from a client, each with the name that the
 * status has for it. */
enum client_refusal {
    CLIENT_REFUSAL_MAX_SESSIONS,   /* its own bound for sessions */
    CLIENT_REFUSAL_NOT_SERVED,     /* its time or its quota is over: no session */
    CLIENT_REFUSAL_MAX_STREAMS,    /* its own bound for streams */
    CLIENT_REFUSAL_LIMITS_STREAMS, /* it has as many streams as it leaves to others */
    CLIENT_REFUSAL_MAX_FLOWS,    /* its own bound for flows: an old flow ended for a new */
    CLIENT_REFUSAL_LIMITS_FLOWS, /* it has as many flows as it leaves to others */
    CLIENT_REFUSAL_DIALS,        /* dials_per_second: no stream */
    CLIENT_REFUSAL_MAX_NAMES,    /* its own bound for names that are looked up */
    CLIENT_REFUSAL_NAMES,        /* it looks up as many names as it leaves to others */
    CLIENT_REFUSAL_MAX_DESCRIPTORS, /* its own bound for sockets to destinations */
    CLIENT_REFUSAL_DESCRIPTORS,     /* it has as many connections as it leaves to others */
    CLIENT_REFUSAL_MAX_MEMORY,      /* its own bound for data: a stream was reset */
    CLIENT_REFUSAL_MEMORY,          /* limits.buffered_bytes: a stream was reset */
    CLIENT_REFUSAL_RECORDS,         /* data in too many pieces: a stream was reset */
    CLIENT_REFUSAL_DESTINATION,     /* the rules for destinations: no stream */
    CLIENT_REFUSAL_MACHINE,         /* the machine has no more: no stream */
};
#define CLIENT_REFUSALS 16

struct client_account {
    struct places streams, flows, pages, records, datagrams, subflows, destinations, names;
    atomic_uint_least32_t flows_owed; /* beyond the bound, until old flows have ended */
    atomic_uint_least64_t dials;      /* begun */
    atomic_uint_least64_t refusals[CLIENT_REFUSALS];
    atomic_uint_least32_t dials_per_second;
    atomic_uint_least64_t dial_due_at_ns; /* when the next dial is due at that rate */
};

/* Without bounds. */
void client_pools_init(struct client_pools *pools);

/* No stream and no flow may be held at first. */
void client_account_init(struct client_account *account, struct client_pools *pools);
/* Counts at once; what is held already stays. */
void client_account_set(struct client_account *account, const struct client_bounds *bounds);

/* A further flow where a bound is met: an old flow is to end for it, in any worker. False
 * where so many are to end that there must be no more before. */
bool client_account_owe_flow(struct client_account *account) MUST_CHECK;
/* How many old flows are to end for new ones. */
uint32_t client_account_flows_owed(const struct client_account *account);
void client_account_give_flow(struct client_account *account);

/* E.g. "max_streams". */
const char *client_refusal_name(enum client_refusal refusal);

/* How long the client must wait until it may begin the next connection to a
 * destination. */
uint64_t client_account_dial_wait(const struct client_account *account, uint64_t now);
/* Begins it, or reserves the time when it may begin: returns that time, or `now`. */
uint64_t client_account_dial_at(struct client_account *account, uint64_t now);

#endif
