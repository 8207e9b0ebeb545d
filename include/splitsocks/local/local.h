/* SPDX-License-Identifier: MIT */
/*
 * The local side: the listeners, one session with the relay, and everything between.
 *
 * A reload makes a second local from the new configuration. It takes over those listening
 * sockets that it also needs, and retires the first local, which serves its streams to
 * their end.
 */
#ifndef SPLITSOCKS_LOCAL_H
#define SPLITSOCKS_LOCAL_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct json_t;
struct local;

/* Reserves the descriptors that a local with this configuration needs. The log says how
 * many of them the limit of open files does not allow. */
void local_reserve_descriptors(const struct config_local *config);

/* The configuration and the name of the state file (NULL: none) are borrowed for the life
 * of the local; the key is copied. Returns OK, ERROR_MEMORY, or ERROR_SYSTEM when the
 * resolver cannot start (logged). It listens to nothing yet. */
int local_new(struct ev_loop *loop, const struct config_local *config,
              const char *state_file, const uint8_t private_key[CONFIG_KEY_SIZE],
              struct local **out) MUST_CHECK;
/* Closes and frees everything at once. NULL is allowed. */
void local_free(struct local *local);

/* Listens as configured, with the sockets of `previous` (which may be NULL) where they have
 * the same address. Returns OK, or the first failure, which is logged; then `previous`
 * still has its sockets. */
int local_listen(struct local *local, struct local *previous) MUST_CHECK;
/* The address of listener `index`, with the port that the kernel chose. False: there is no
 * such listener. */
bool local_listener_address(const struct local *local, size_t index,
                            struct address *address);

/* Serves a connected socket as if it had been accepted, without authentication. Takes it
 * over. */
void local_adopt(struct local *local, int fd);

/* The state of this local, as in status_describe(): a new reference, NULL when memory is
 * out. */
struct json_t *local_status(const struct local *local) MUST_CHECK;

/* Stops listening; when the last stream has ended, closes the session and calls `done`
 * from the loop, which frees it. */
void local_retire(struct local *local, void (*done)(struct local *local, void *context),
                  void *context);
/* The process must end: a retired local stops waiting for streams on which nothing moves,
 * and waits at most `timeouts.stop` for the others, then about a second more until the
 * relay has been told. */
void local_stop(struct local *local);

#endif
