/* SPDX-License-Identifier: MIT */
/*
 * The clients that a relay serves, by public key, and the newest stamps of each.
 *
 * One table serves all workers of a relay, since a stamp must not pass twice. The table is
 * pure and has no lock: the driver holds one around every call that may reach it (the
 * table's own functions, door_hello() and door_answer()).
 *
 * A client's index is the order in which it was added. Others keep limits and names by
 * that index.
 */
#ifndef SPLITSOCKS_CLIENT_TABLE_H
#define SPLITSOCKS_CLIENT_TABLE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/crypto/key.h>
#include <splitsocks/gate/stamp_memory.h>

#include <stddef.h>
#include <stdint.h>

struct client_table;

/* NULL when memory is out. */
struct client_table *client_table_new(void) MUST_CHECK;
/* NULL is allowed. */
void client_table_free(struct client_table *table);

/* Adds a client, with no stamps. Returns its index; ERROR_INVALID when the key is there
 * already; ERROR_MEMORY. */
int client_table_add(struct client_table *table,
                     const uint8_t public_key[KEY_SIZE]) MUST_CHECK;
size_t client_table_count(const struct client_table *table);
/* The client is not served any more, and its stamps are remembered: if it is listed again
 * one day, its old HELLOs are no good. */
void client_table_bar(struct client_table *table, int client);
/* Borrowed. */
const uint8_t *client_table_key(const struct client_table *table, int client);
/* Returns the client's index, or ERROR_NOT_FOUND, for a barred one too. */
int client_table_find(const struct client_table *table,
                      const uint8_t public_key[KEY_SIZE]) MUST_CHECK;

/* How many sessions the client has, over all workers: those that were begun and have not
 * ended. */
unsigned client_table_sessions(const struct client_table *table, int client);
void client_table_session_begins(struct client_table *table, int client);
void client_table_session_ends(struct client_table *table, int client);

/* Copies the clock, and of clients that both tables have the stamps, HELLOs and sessions:
 * for a reload of the configuration, before `table` comes into use. */
void client_table_inherit(struct client_table *table, const struct client_table *old);

/* This machine's clock in ns since 1970, for the calls that follow; 0, as at first, while
 * the clock is unknown. See stamp_memory.h. */
void client_table_set_clock(struct client_table *table, uint64_t clock_ns);
/* Returns OK, or ERROR_REPLAY for a stamp that was accepted before, or may have been.
 * `client` is a valid index. */
int client_table_check_stamp(const struct client_table *table, int client,
                             uint64_t stamp) MUST_CHECK;
/* The same, and keeps an accepted stamp. */
int client_table_accept_stamp(struct client_table *table, int client,
                              uint64_t stamp) MUST_CHECK;
/* The client's stamps, for a file. Borrowed. */
const struct stamp_memory *client_table_stamps(const struct client_table *table,
                                               int client);

/* A HELLO with this ephemeral key is being answered. */
void client_table_note_hello(struct client_table *table, int client,
                             const uint8_t ephemeral[KEY_SIZE]);
/* The client whose HELLO with this key was answered lately, or ERROR_NOT_FOUND. */
int client_table_known_hello(const struct client_table *table,
                             const uint8_t ephemeral[KEY_SIZE]) MUST_CHECK;

#endif
