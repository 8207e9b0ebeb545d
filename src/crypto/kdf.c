/* SPDX-License-Identifier: MIT */
#include <splitsocks/crypto/kdf.h>

#include "algorithms.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

int kdf_init(struct kdf *kdf, const uint8_t secret[KDF_SECRET_SIZE])
{
    static char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    const struct algorithms *algorithms = algorithms_get();

    kdf->context = NULL;
    if (algorithms == NULL)
        return ERROR_CRYPTO;
    kdf->context = EVP_MAC_CTX_new(algorithms->hmac);
    if (kdf->context == NULL)
        return ERROR_MEMORY;
    if (EVP_MAC_init(kdf->context, secret, KDF_SECRET_SIZE, parameters) != 1) {
        kdf_deinit(kdf);
        return ERROR_CRYPTO;
    }
    return OK;
}

void kdf_deinit(struct kdf *kdf)
{
    EVP_MAC_CTX_free(kdf->context); /* wipes */
    kdf->context = NULL;
}

/* Starts again with the same key. */
static bool restart(struct kdf *kdf)
{
    assert(kdf->context != NULL);
    return EVP_MAC_init(kdf->context, NULL, 0, NULL) == 1;
}

static bool feed(struct kdf *kdf, const void *data, size_t length)
{
    return length == 0 || EVP_MAC_update(kdf->context, data, length) == 1;
}

static bool finish(struct kdf *kdf, uint8_t out[KDF_OUTPUT_SIZE])
{
    size_t length;

    return EVP_MAC_final(kdf->context, out, &length, KDF_OUTPUT_SIZE) == 1 &&
           length == KDF_OUTPUT_SIZE;
}

int kdf_expand(struct kdf *kdf, const char *label, const void *context,
               size_t context_length, uint8_t out[KDF_OUTPUT_SIZE])
{
    static const uint8_t first_block = 1; /* T(1): one block is all of the output */

    if (!restart(kdf) || !feed(kdf, label, strlen(label)) ||
        !feed(kdf, context, context_length) || !feed(kdf, &first_block, 1) ||
        !finish(kdf, out))
        return ERROR_CRYPTO;
    return OK;
}

int kdf_mac(struct kdf *kdf, const void *data, size_t length, uint8_t out[KDF_OUTPUT_SIZE])
{
    if (!restart(kdf) || !feed(kdf, data, length) || !finish(kdf, out))
        return ERROR_CRYPTO;
    return OK;
}
