/* SPDX-License-Identifier: MIT */
/*
 * Noise_IK_25519_ChaChaPoly_SHA256 (The Noise Protocol Framework, revision 34), one
 * handshake of two messages: the initiator knows the responder's public key and proves
 * its own. Pure: private keys, the ephemeral one too, are passed in; every primitive is
 * libcrypto's.
 *
 *   initiator: init_initiator, write_message (1), read_message (2), split, deinit
 *   responder: init_responder, read_message (1), write_message (2), split, deinit
 *
 * Calls out of this order are a mistake of the caller and asserted. After any error the
 * handshake is dead: only noise_deinit() may follow.
 */
#ifndef SPLITSOCKS_NOISE_H
#define SPLITSOCKS_NOISE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/crypto/key.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_HASH_SIZE 32
#define NOISE_TAG_SIZE 16

/* The bytes that each message adds to its payload: e, encrypted s, tag; and e, tag. */
#define NOISE_MESSAGE_1_OVERHEAD (KEY_SIZE + KEY_SIZE + NOISE_TAG_SIZE + NOISE_TAG_SIZE)
#define NOISE_MESSAGE_2_OVERHEAD (KEY_SIZE + NOISE_TAG_SIZE)

struct noise {
    uint8_t chaining_key[NOISE_HASH_SIZE];
    uint8_t hash[NOISE_HASH_SIZE];
    uint8_t key[KEY_SIZE]; /* of the next encryption; each is used for at most two */
    uint64_t nonce;
    struct key_pair own_static;
    struct key_pair own_ephemeral;
    uint8_t remote_static[KEY_SIZE]; /* responder: known once message 1 was read */
    uint8_t remote_ephemeral[KEY_SIZE];
    bool initiator;
    uint8_t messages; /* done so far, 0..2; NOISE_DEAD after an error */
};

#define NOISE_DEAD 0xff

/* Copies everything. `ephemeral` is 32 random bytes never used before or again. Returns
 * OK or ERROR_CRYPTO. */
int noise_init_initiator(struct noise *noise, const void *prologue, size_t prologue_length,
                         const struct key_pair *own_static,
                         const uint8_t ephemeral[KEY_SIZE],
                         const uint8_t remote_static[KEY_SIZE]) MUST_CHECK;
int noise_init_responder(struct noise *noise, const void *prologue, size_t prologue_length,
                         const struct key_pair *own_static,
                         const uint8_t ephemeral[KEY_SIZE]) MUST_CHECK;
/* Wipes all. Safe on a zeroed noise, and twice. */
void noise_deinit(struct noise *noise);

/* Writes the next message around `payload`: payload_length plus the message's overhead
 * bytes. `message` must not overlap it. Returns OK; ERROR_AUTHENTICATION when the remote
 * public key is of low order (the shared secret would be all zero); or ERROR_CRYPTO. */
int noise_write_message(struct noise *noise, const void *payload, size_t payload_length,
                        uint8_t *message) MUST_CHECK;

/* Reads the next message; its payload, the message's length less its overhead, is written
 * to `payload`, which must not overlap it. Returns OK; ERROR_AUTHENTICATION for whatever
 * is wrong with the message, its length too; or ERROR_CRYPTO. */
int noise_read_message(struct noise *noise, const uint8_t *message, size_t length,
                       uint8_t *payload) MUST_CHECK;

/* After both messages: the keys of the directions initiator to responder and back; the
 * handshake hash is noise->hash. Returns OK or ERROR_CRYPTO. */
int noise_split(struct noise *noise, uint8_t to_responder[KEY_SIZE],
                uint8_t to_initiator[KEY_SIZE]) MUST_CHECK;

#endif
