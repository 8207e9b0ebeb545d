/* SPDX-License-Identifier: MIT */
/*
 * The relay's door: decides about HELLOs from connections that have proved nothing yet.
 * After any error the connection gets no response: the driver reads and discards until
 * accept + door_silence_ns(), then closes, and writes nothing.
 *
 * Cheap checks come first: form, MAC (clients without the relay's public key fail here, at
 * the price of one hash), the ephemeral keys of HELLOs that were answered lately, the
 * limit of failures, the key agreement, the client's key, the stamp. Only failures after
 * that limit count against it. Earlier ones cost next to nothing, and must not lock out an
 * honest neighbour of a scanner.
 *
 *     door_hello()   opens and checks; keeps nothing, so that the caller may still pass the
 *                    connection, unread, to the worker of the session that it names
 *     door_answer()  keeps the stamp and writes message 2; or returns ERROR_REPLAY, when
 * the same HELLO was answered meanwhile
 *
 * One door per worker thread. The client table is shared; see there for locking.
 */
#ifndef SPLITSOCKS_DOOR_H
#define SPLITSOCKS_DOOR_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/gate/client_table.h>
#include <splitsocks/wire/handshake.h>

#include <stddef.h>
#include <stdint.h>

/* Costly failures that one source may cause; and those of all sources that have failed
 * lately together, and as many of all others. A failure takes about a tenth of a
 * millisecond of the CPU. */
#define DOOR_SOURCE_BURST 256
#define DOOR_SOURCE_PER_MINUTE 1920
#define DOOR_TOTAL_BURST 1024
#define DOOR_TOTAL_PER_MINUTE (60 * 512)

#define DOOR_SILENCE_MIN_NS (20 * NS_PER_S)
#define DOOR_SILENCE_MAX_NS (40 * NS_PER_S)

struct door_config {
    const struct key_pair *relay; /* borrowed */
    struct client_table *clients; /* borrowed, shared by the workers' doors */
    uint8_t server_id;            /* 1..255; HELLOs for another one are refused */
    uint64_t silence_random;      /* random, and the same in all doors of a relay */
    uint64_t hash_seed;           /* random and secret */
    /* Costly failures of one source; DOOR_SOURCE_BURST at once, or fewer where this is
     * less. 0: DOOR_SOURCE_PER_MINUTE. */
    uint32_t source_per_minute;
};

struct door;

/* NULL when memory is out or libcrypto fails. */
struct door *door_new(const struct door_config *config) MUST_CHECK;
void door_free(struct door *door);

/* After a reload: the clients of the new configuration. Indices change. */
void door_set_clients(struct door *door, struct client_table *clients);

struct client_table *door_clients(const struct door *door);

/* Time from accept to close after a failure: the same for all connections to a relay, so
 * that it does not tell which check failed. DOOR_SILENCE_MIN_NS..DOOR_SILENCE_MAX_NS. */
uint64_t door_silence_ns(const struct door *door);

/* An opened HELLO, between door_hello() and door_answer(). */
struct door_hello {
    int client; /* index in the client table */
    bool agreed; /* set also after an error: the key agreement was begun, which costs */
    struct hello_offer offer;
    struct noise noise; /* secret; wiped by door_hello_deinit() */
};

/* Takes a HELLO from `in`. `ephemeral` is 32 random bytes for this call alone. Returns OK;
 * ERROR_TRUNCATED while more bytes are needed, which costs nothing (call again from the
 * first byte); or another error, after which the connection gets no response. Counters and
 * logs tell the errors apart: ERROR_MALFORMED, ERROR_AUTHENTICATION (MAC or message),
 * ERROR_LIMIT, ERROR_NOT_FOUND (not a client), ERROR_REPLAY (stamp), ERROR_DENIED (for
 * another server), ERROR_CRYPTO. On OK the caller deinits `hello`, else there is nothing
 * to do; after ERROR_REPLAY hello->client is the client whose HELLO or stamp it was. */
int door_hello(struct door *door, const struct address *peer, struct wire_reader *in,
               const uint8_t ephemeral[KEY_SIZE], uint64_t now,
               struct door_hello *hello) MUST_CHECK;

/* Accepts the stamp and writes the answer. The caller grants `answer`, with minor,
 * features and cipher from hello_agree(). On OK the caller owns `keys`. Returns OK; or
 * ERROR_REPLAY, ERROR_LIMIT (no room in `out`), ERROR_MEMORY or ERROR_CRYPTO, after which
 * the connection gets no response. */
int door_answer(struct door *door, struct door_hello *hello,
                const struct hello_answer *answer, struct wire_writer *out,
                struct session_keys *keys) MUST_CHECK;

/* Wipes it. Safe on a zeroed hello, and twice. */
void door_hello_deinit(struct door_hello *hello);

#endif
