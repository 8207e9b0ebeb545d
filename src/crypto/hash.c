/* SPDX-License-Identifier: MIT */
#include <splitsocks/crypto/hash.h>

#include "algorithms.h"

#include <openssl/crypto.h>

int hash_joined(uint8_t out[HASH_SIZE], const void *first, size_t first_length,
                const void *second, size_t second_length)
{
    const struct algorithms *algorithms = algorithms_get();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int error = OK;

    if (algorithms == NULL || context == NULL ||
        EVP_DigestInit_ex2(context, algorithms->sha256, NULL) != 1 ||
        EVP_DigestUpdate(context, first, first_length) != 1 ||
        EVP_DigestUpdate(context, second, second_length) != 1 ||
        EVP_DigestFinal_ex(context, out, NULL) != 1)
        error = ERROR_CRYPTO;
    EVP_MD_CTX_free(context);
    return error;
}

bool hash_equal(const uint8_t *a, const uint8_t *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}
