/* SPDX-License-Identifier: MIT */
/*
 * A keyed HMAC-SHA256 (RFC 2104) that is used many times: it derives each subflow's keys
 * from a direction secret, and authenticates HELLO headers. The key schedule is computed
 * once.
 */
#ifndef SPLITSOCKS_KDF_H
#define SPLITSOCKS_KDF_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KDF_SECRET_SIZE 32
#define KDF_OUTPUT_SIZE 32

struct evp_mac_ctx_st; /* libcrypto's EVP_MAC_CTX */

struct kdf {
    struct evp_mac_ctx_st *context; /* owned; NULL when not initialised */
};

/* Takes a copy of `secret`. Returns OK, ERROR_MEMORY or ERROR_CRYPTO. */
int kdf_init(struct kdf *kdf, const uint8_t secret[KDF_SECRET_SIZE]) MUST_CHECK;
/* Wipes the secret. Safe on a zeroed kdf, and twice. */
void kdf_deinit(struct kdf *kdf);

/* HKDF-Expand(secret, info, 32) of RFC 5869 section 2.3 with info = label || context:
 * the label without its final zero, then the context bytes, which may be none. A caller
 * must choose labels of which none is the beginning of another's info. Returns OK or
 * ERROR_CRYPTO. */
int kdf_expand(struct kdf *kdf, const char *label, const void *context,
               size_t context_length, uint8_t out[KDF_OUTPUT_SIZE]) MUST_CHECK;

/* Plain HMAC-SHA256 of `data`. Returns OK or ERROR_CRYPTO. */
int kdf_mac(struct kdf *kdf, const void *data, size_t length,
            uint8_t out[KDF_OUTPUT_SIZE]) MUST_CHECK;

#endif
