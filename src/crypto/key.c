/* SPDX-License-Identifier: MIT */
#include <splitsocks/crypto/key.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

int key_public(uint8_t public_key[KEY_SIZE], const uint8_t private_key[KEY_SIZE])
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, private_key, KEY_SIZE);
    size_t length = KEY_SIZE;
    int error = OK;

    if (key == NULL || EVP_PKEY_get_raw_public_key(key, public_key, &length) != 1 ||
        length != KEY_SIZE)
        error = ERROR_CRYPTO;
    EVP_PKEY_free(key);
    return error;
}

int key_pair_init(struct key_pair *pair, const uint8_t private_key[KEY_SIZE])
{
    memcpy(pair->private_key, private_key, KEY_SIZE);
    return key_public(pair->public_key, private_key);
}

void key_pair_deinit(struct key_pair *pair)
{
    key_wipe(pair, sizeof(*pair));
}

void key_wipe(void *secret, size_t size)
{
    OPENSSL_cleanse(secret, size);
}
