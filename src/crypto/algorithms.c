/* SPDX-License-Identifier: MIT */
#include "algorithms.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include <stdbool.h>

static struct algorithms algorithms;
static bool complete;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static void fetch(void)
{
    algorithms.chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    algorithms.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    algorithms.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    algorithms.hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    complete = algorithms.chacha20_poly1305 != NULL && algorithms.aes_256_gcm != NULL &&
               algorithms.sha256 != NULL && algorithms.hmac != NULL;
}

const struct algorithms *algorithms_get(void)
{
    if (CRYPTO_THREAD_run_once(&once, fetch) != 1 || !complete)
        return NULL;
    return &algorithms;
}
