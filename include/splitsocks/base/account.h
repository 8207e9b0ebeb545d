/* SPDX-License-Identifier: MIT */
/*
 * What one client makes one worker of the relay hold and do. Each kind has a bound of the
 * worker's, of which no client takes more than are free (share.h); so a client meets its
 * bounds alone, and the others are served. client_account.h has the counts of all workers
 * together.
 *
 * Local has one account for itself, without bounds: account_init_alone().
 */
#ifndef SPLITSOCKS_ACCOUNT_H
#define SPLITSOCKS_ACCOUNT_H

#include <splitsocks/base/client_account.h>
#include <splitsocks/base/pages.h>
#include <splitsocks/base/share.h>
#include <splitsocks/base/turns.h>

/* What a record of a stream is charged: the engine's and the drivers' objects. */
#define ACCOUNT_STREAM_BYTES 1024

/* What a record of a flow is charged: the engine's and the relay's objects, and its first
 * window of numbers. Larger windows, parts and tables of bindings are charged by size. */
#define ACCOUNT_FLOW_BYTES 2048

/* The bounds of a worker, and what all its clients have of each. */
struct account_pools {
    struct page_pool *pages;        /* borrowed: data of streams */
    struct share_pool records;      /* bytes: records of streams, of holes in their data */
    struct share_pool subflows;     /* descriptors of connections to local */
    struct share_pool destinations; /* descriptors of connections to destinations */
    struct share_pool names;        /* being looked up */
    struct share_pool datagrams;    /* bytes: records of flows, what waits in them */
};

struct account {
    /* Borrowed: what the client's sessions in all workers share; NULL: it has no bounds. */
    struct client_account *client;
    struct page_account pages;
    struct share records, subflows, destinations, names, datagrams;
    unsigned sessions; /* of this worker, among those of the client table */
    struct turn turn;  /* its part of the worker's time */
};

/* Only the pages are bounded at first. */
void account_pools_init(struct account_pools *pools, struct page_pool *pages);

void account_init(struct account *account, struct account_pools *pools,
                  struct client_account *client);
/* Without bounds but that of the pages. */
void account_init_alone(struct account *account, struct page_pool *pages);

/* A further stream or flow of the client, unless that meets a bound. */
enum places_bound account_take_stream(struct account *account) MUST_CHECK;
void account_give_stream(struct account *account);
enum places_bound account_take_flow(struct account *account) MUST_CHECK;
void account_give_flow(struct account *account);

/* Something was refused to the client. */
void account_note_refusal(struct account *account, enum client_refusal refusal);

/* See client_account_dial_wait() and client_account_dial_at(). */
uint64_t account_dial_wait(const struct account *account, uint64_t now);
uint64_t account_dial_at(struct account *account, uint64_t now);

#endif
