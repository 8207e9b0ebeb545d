/* SPDX-License-Identifier: MIT */
/*
 * Sealing and opening the chunks of one direction of one subflow: an AEAD with a key of
 * its own, whose nonce is the chunk's index in that subflow, so that no number travels
 * and no nonce repeats. Nonce, for both ciphers: 4 zero bytes, then the index as 64-bit
 * big-endian (RFC 8439 section 2.8 and NIST SP 800-38D section 8.2 take 12 bytes).
 *
 * To seal a chunk: seal_begin(), seal_update() over any number of pieces, seal_finish().
 * To open one: seal_open(), in place.
 *
 * Several thousand of these are made each second, so the libcrypto context behind one is
 * taken from, and given back to, a small list of the calling thread, with its key
 * overwritten. A seal belongs to one thread at a time; it may be handed to another.
 */
#ifndef SPLITSOCKS_SEAL_H
#define SPLITSOCKS_SEAL_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_SIZE 32
#define SEAL_TAG_SIZE 16

/* A subflow ends after this many chunks. With chunks of 16 KiB it is 2^33 AES blocks
 * under one key: the 2^-57 class of bounds of RFC 8446 section 5.5 has room to spare. */
#define SEAL_CHUNKS_MAX (UINT64_C(1) << 23)

/* The values are those of the wire. */
enum cipher {
    CIPHER_CHACHA20_POLY1305 = 1,
    CIPHER_AES_256_GCM = 2,
};

struct evp_cipher_ctx_st; /* libcrypto's EVP_CIPHER_CTX */

struct seal {
    struct evp_cipher_ctx_st *context; /* owned; NULL when not initialised */
    uint64_t chunks;                   /* sealed or opened so far: the next index */
    uint8_t cipher;                    /* enum cipher */
    bool encrypt;
};

/* The cipher this CPU runs faster: AES where it has instructions for it. */
enum cipher cipher_preferred(void);
/* "chacha20-poly1305" or "aes-256-gcm"; static storage, never NULL. */
const char *cipher_name(enum cipher cipher);

/* Takes a copy of `key`. Returns OK, ERROR_INVALID for an unknown cipher, ERROR_MEMORY or
 * ERROR_CRYPTO; on error the seal is as after seal_deinit(). */
int seal_init(struct seal *seal, enum cipher cipher, bool encrypt,
              const uint8_t key[SEAL_KEY_SIZE]) MUST_CHECK;
/* Wipes the key. Safe on a zeroed seal, and twice. */
void seal_deinit(struct seal *seal);

/* Starts the next chunk with its additional data, copied. Returns OK, ERROR_LIMIT after
 * SEAL_CHUNKS_MAX chunks, or ERROR_CRYPTO. The seal must encrypt. */
int seal_begin(struct seal *seal, const void *aad, size_t aad_length) MUST_CHECK;
/* Encrypts `length` bytes of the chunk; out == in is allowed, other overlap is not.
 * Pieces may have any length; the first after seal_begin() follows the last in order. */
int seal_update(struct seal *seal, uint8_t *out, const void *in, size_t length) MUST_CHECK;
/* Writes the tag; the index is then used up. */
int seal_finish(struct seal *seal, uint8_t tag[SEAL_TAG_SIZE]) MUST_CHECK;

/* Opens the next chunk in place. Returns OK; ERROR_AUTHENTICATION, where the contents of
 * `data` must not be looked at and the index is not used up; ERROR_LIMIT; or
 * ERROR_CRYPTO. The seal must not encrypt. */
int seal_open(struct seal *seal, const void *aad, size_t aad_length, uint8_t *data,
              size_t length, const uint8_t tag[SEAL_TAG_SIZE]) MUST_CHECK;

#endif
