/* SPDX-License-Identifier: MIT */
/*
 * The relay: listeners, and the configured number of worker threads, each with the
 * sessions that began in it. The first worker runs on the caller's loop.
 */
#ifndef SPLITSOCKS_RELAY_H
#define SPLITSOCKS_RELAY_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_relay.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct json_t;
struct relay;

/* How many descriptors a relay needs before any connection comes. */
unsigned long relay_held_descriptors(const struct config_relay *config);

/* Takes over the configuration on success; the key is copied. `state_path` is the file for
 * what clients have used of their quotas, and stays the caller's as long as the relay;
 * `stamps_path` is the file of the stamps of accepted HELLOs. NULL: they are forgotten at
 * the end. Returns OK, ERROR_MEMORY, ERROR_CRYPTO, ERROR_SYSTEM when the resolver cannot
 * start, or ERROR_LIMIT, logged, when the process may not open enough files. */
int relay_new(struct ev_loop *loop, struct config_relay *config, const char *state_path,
              const char *stamps_path, const uint8_t private_key[CONFIG_KEY_SIZE],
              struct relay **out) MUST_CHECK;
/* The loop must not be running: it never did, or relay_stop() has broken it. */
void relay_free(struct relay *relay);

/* Listens as configured. Returns OK, or the first failure, which is logged. */
int relay_listen(struct relay *relay) MUST_CHECK;
/* The listening address number `index`; false after the last. */
bool relay_listener_address(const struct relay *relay, size_t index,
                            struct address *address);

/* Accepts connections, and starts the other workers. Returns OK or ERROR_SYSTEM, logged. */
int relay_start(struct relay *relay) MUST_CHECK;
/* Applies the clients, destinations and DNS servers of another configuration. Sessions of
 * clients that it does not list are closed. The log names other differences, which need a
 * restart. Takes over the configuration on success. Returns OK or ERROR_MEMORY. */
int relay_reload(struct relay *relay, struct config_relay *config) MUST_CHECK;

/* The status as a document, whose reference is the receiver's; NULL: memory was out.
 * Workers that did not answer within two seconds are marked in it. */
typedef void relay_status_done(void *context, struct json_t *document);
/* Asks all workers for the status. A question while another is under way joins it, and
 * takes its place: `done` is called once for both, in the loop, unless relay_free() comes
 * first. Call it from the loop's thread, after relay_start(). */
void relay_status_ask(struct relay *relay, relay_status_done *done, void *context);

/* `timeouts.stop` of the newest configuration. */
uint64_t relay_stop_bound(const struct relay *relay);
/* Opens no more streams; when nothing moves on the open ones, or after `wait_for_ns`,
 * closes all sessions, ends the other threads and breaks the loop. Until then the relay
 * accepts connections, since streams need subflows. Call it from the loop's thread; call it
 * again to shorten the bound. */
void relay_stop(struct relay *relay, uint64_t wait_for_ns);

#endif
