/* SPDX-License-Identifier: MIT */
/*
 * The libcrypto algorithm objects, fetched once per process: a fetch takes a lock and
 * walks the providers, which is far dearer than the operation itself. They live until
 * the process ends. Safe to call from any thread.
 */
#ifndef SPLITSOCKS_CRYPTO_ALGORITHMS_H
#define SPLITSOCKS_CRYPTO_ALGORITHMS_H

#include <openssl/evp.h>

struct algorithms {
    EVP_CIPHER *chacha20_poly1305;
    EVP_CIPHER *aes_256_gcm;
    EVP_MD *sha256;
    EVP_MAC *hmac;
};

/* NULL when a provider lacks one of them (a stripped libcrypto): ERROR_CRYPTO. */
const struct algorithms *algorithms_get(void);

#endif
