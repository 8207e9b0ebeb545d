/* SPDX-License-Identifier: MIT */
/*
 * What one worker of the relay uses of a client's places (client_account.h): its shares.
 * Local has one account for itself, without bounds but that of its pages.
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

struct account {
    /* Borrowed: what the client's sessions in all workers share; NULL: it has no bounds. */
    struct client_account *client;
    struct page_account pages;
    struct share records, datagrams, subflows, destinations, names;
    unsigned sessions; /* of this worker, among those of the client table */
    struct turn turn;  /* its part of the worker's time */
};

/* `pages` are the worker's; their own bound holds where there is no `client`. */
void account_init(struct account *account, struct page_pool *pages,
                  struct client_account *client);

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
