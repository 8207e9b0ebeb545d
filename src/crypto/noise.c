/* SPDX-License-Identifier: MIT */
#include <splitsocks/crypto/noise.h>

#include "algorithms.h"

#include <assert.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <splitsocks/crypto/hash.h>
#include <splitsocks/crypto/kdf.h>
#include <string.h>

/* The names in the comments are those of the specification, sections 5.2, 5.3 and 7.5:
 *   <- s
 *   ...
 *   -> e, es, s, ss
 *   <- e, ee, se                                                                       */

static const char protocol_name[] = "Noise_IK_25519_ChaChaPoly_SHA256";
_Static_assert(sizeof(protocol_name) - 1 == NOISE_HASH_SIZE,
               "a name of hash length is the first hash as it is");

/* ---- symmetric state ---- */

/* MixHash(data): h = SHA-256(h || data) */
static int mix_hash(struct noise *noise, const void *data, size_t length)
{
    return hash_joined(noise->hash, noise->hash, NOISE_HASH_SIZE, data, length);
}

/* HKDF(ck, input, 2) of section 4.3: RFC 5869 with ck as salt and no info. The first
 * output may be `chaining_key` itself. */
static int derive_two(const uint8_t chaining_key[NOISE_HASH_SIZE], const uint8_t *input,
                      size_t input_length, uint8_t first[NOISE_HASH_SIZE],
                      uint8_t second[NOISE_HASH_SIZE])
{
    uint8_t secret[NOISE_HASH_SIZE];
    uint8_t block[NOISE_HASH_SIZE + 1]; /* T(1) || 2 */
    struct kdf kdf;
    int error = kdf_init(&kdf, chaining_key);

    if (error == OK)
        error = kdf_mac(&kdf, input, input_length, secret);
    kdf_deinit(&kdf);
    if (error == OK)
        error = kdf_init(&kdf, secret);
    if (error == OK)
        error = kdf_expand(&kdf, "", NULL, 0, block);
    block[NOISE_HASH_SIZE] = 2;
    if (error == OK)
        error = kdf_mac(&kdf, block, sizeof(block), second);
    if (error == OK)
        memcpy(first, block, NOISE_HASH_SIZE);
    kdf_deinit(&kdf);
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(block, sizeof(block));
    return error;
}

/* MixKey(input) */
static int mix_key(struct noise *noise, const uint8_t input[KEY_SIZE])
{
    noise->nonce = 0;
    return derive_two(noise->chaining_key, input, KEY_SIZE, noise->chaining_key,
                      noise->key);
}

/* One AEAD operation of section 12.3 with the hash as additional data: the nonce is 4 zero
 * bytes and the counter, little-endian. When opening, `tag` is the one expected. */
static int apply_cipher(struct noise *noise, bool encrypt, const uint8_t *in, size_t length,
                        uint8_t *out, uint8_t tag[NOISE_TAG_SIZE])
{
    const struct algorithms *algorithms = algorithms_get();
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t nonce[12] = {0};
    uint8_t none[16];
    int error = ERROR_CRYPTO;
    int written;

    assert(length <= INT_MAX);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(noise->nonce >> (8 * i));
    if (algorithms == NULL || context == NULL ||
        EVP_CipherInit_ex2(context, algorithms->chacha20_poly1305, noise->key, nonce,
                           encrypt, NULL) != 1 ||
        EVP_CipherUpdate(context, NULL, &written, noise->hash, NOISE_HASH_SIZE) != 1 ||
        (length > 0 && EVP_CipherUpdate(context, out, &written, in, (int)length) != 1))
        goto out;
    if (!encrypt &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, NOISE_TAG_SIZE, tag) != 1)
        goto out;
    if (EVP_CipherFinal_ex(context, none, &written) != 1) {
        if (!encrypt)
            error = ERROR_AUTHENTICATION;
        goto out;
    }
    if (encrypt &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, NOISE_TAG_SIZE, tag) != 1)
        goto out;
    noise->nonce++;
    error = OK;
out:
    EVP_CIPHER_CTX_free(context);
    return error;
}

/* EncryptAndHash(plain): writes length + NOISE_TAG_SIZE bytes. */
static int encrypt_and_hash(struct noise *noise, const uint8_t *plain, size_t length,
                            uint8_t *out)
{
    int error = apply_cipher(noise, true, plain, length, out, out + length);

    if (error != OK)
        return error;
    return mix_hash(noise, out, length + NOISE_TAG_SIZE);
}

/* DecryptAndHash(sealed): `length` counts the tag; writes length - NOISE_TAG_SIZE bytes. */
static int decrypt_and_hash(struct noise *noise, const uint8_t *sealed, size_t length,
                            uint8_t *out)
{
    uint8_t tag[NOISE_TAG_SIZE];
    int error;

    if (length < NOISE_TAG_SIZE)
        return ERROR_AUTHENTICATION;
    memcpy(tag, sealed + length - NOISE_TAG_SIZE, NOISE_TAG_SIZE);
    error = apply_cipher(noise, false, sealed, length - NOISE_TAG_SIZE, out, tag);
    if (error != OK)
        return error;
    return mix_hash(noise, sealed, length);
}

/* ---- key agreement ---- */

/* The private key as libcrypto's object. It is given the public key too, which it would
 * else compute, at the price of another agreement. */
static EVP_PKEY *import_private(const struct key_pair *own)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    struct key_pair pair = *own; /* the parameters take no const */
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, pair.private_key,
                                          KEY_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pair.public_key,
                                          KEY_SIZE),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = NULL;

    if (context != NULL && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters);
    EVP_PKEY_CTX_free(context);
    key_pair_deinit(&pair);
    return key;
}

/* DH(own, remote). A public key of low order gives all zeros, whatever `own` is: it proves
 * nothing, and is refused (RFC 7748 section 6.1). */
static int agree(const struct key_pair *own, const uint8_t remote[KEY_SIZE],
                 uint8_t shared[KEY_SIZE])
{
    static const uint8_t zeros[KEY_SIZE];
    EVP_PKEY *private_key = import_private(own);
    EVP_PKEY *public_key =
        EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, remote, KEY_SIZE);
    EVP_PKEY_CTX *context =
        private_key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, private_key, NULL);
    size_t length = KEY_SIZE;
    int error = ERROR_CRYPTO;

    memset(shared, 0, KEY_SIZE);
    if (public_key == NULL || context == NULL || EVP_PKEY_derive_init(context) != 1 ||
        EVP_PKEY_derive_set_peer(context, public_key) != 1)
        goto out;
    /* libcrypto refuses the all-zero secret too, but says only that it failed. */
    if (EVP_PKEY_derive(context, shared, &length) != 1 || length != KEY_SIZE ||
        hash_equal(shared, zeros, KEY_SIZE))
        error = ERROR_AUTHENTICATION;
    else
        error = OK;
out:
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(private_key);
    return error;
}

static int mix_agreement(struct noise *noise, const struct key_pair *own,
                         const uint8_t remote[KEY_SIZE])
{
    uint8_t shared[KEY_SIZE];
    int error = agree(own, remote, shared);

    if (error == OK)
        error = mix_key(noise, shared);
    OPENSSL_cleanse(shared, sizeof(shared));
    return error;
}

/* ---- the handshake ---- */

/* Initialize() of section 5.3, with the pre-message <- s. */
static int init(struct noise *noise, bool initiator, const void *prologue,
                size_t prologue_length, const struct key_pair *own_static,
                const uint8_t ephemeral[KEY_SIZE], const uint8_t responder_static[KEY_SIZE])
{
    int error;

    *noise = (struct noise){.initiator = initiator, .own_static = *own_static};
    memcpy(noise->hash, protocol_name, NOISE_HASH_SIZE);
    memcpy(noise->chaining_key, protocol_name, NOISE_HASH_SIZE);
    error = key_pair_init(&noise->own_ephemeral, ephemeral);
    if (error == OK)
        error = mix_hash(noise, prologue, prologue_length);
    if (error == OK)
        error = mix_hash(noise, responder_static, KEY_SIZE);
    if (error != OK)
        noise_deinit(noise);
    return error;
}

int noise_init_initiator(struct noise *noise, const void *prologue, size_t prologue_length,
                         const struct key_pair *own_static,
                         const uint8_t ephemeral[KEY_SIZE],
                         const uint8_t remote_static[KEY_SIZE])
{
    int error =
        init(noise, true, prologue, prologue_length, own_static, ephemeral, remote_static);

    if (error == OK)
        memcpy(noise->remote_static, remote_static, KEY_SIZE);
    return error;
}

int noise_init_responder(struct noise *noise, const void *prologue, size_t prologue_length,
                         const struct key_pair *own_static,
                         const uint8_t ephemeral[KEY_SIZE])
{
    return init(noise, false, prologue, prologue_length, own_static, ephemeral,
                own_static->public_key);
}

void noise_deinit(struct noise *noise)
{
    OPENSSL_cleanse(noise, sizeof(*noise));
    noise->messages = NOISE_DEAD;
}

/* -> e, es, s, ss */
static int write_message_1(struct noise *noise, const void *payload, size_t payload_length,
                           uint8_t *message)
{
    int error;

    memcpy(message, noise->own_ephemeral.public_key, KEY_SIZE);
    if ((error = mix_hash(noise, message, KEY_SIZE)) != OK ||
        (error = mix_agreement(noise, &noise->own_ephemeral, noise->remote_static)) != OK)
        return error;
    message += KEY_SIZE;
    error = encrypt_and_hash(noise, noise->own_static.public_key, KEY_SIZE, message);
    if (error != OK ||
        (error = mix_agreement(noise, &noise->own_static, noise->remote_static)) != OK)
        return error;
    message += KEY_SIZE + NOISE_TAG_SIZE;
    return encrypt_and_hash(noise, payload, payload_length, message);
}

static int read_message_1(struct noise *noise, const uint8_t *message, size_t length,
                          uint8_t *payload)
{
    int error;

    if (length < NOISE_MESSAGE_1_OVERHEAD)
        return ERROR_AUTHENTICATION;
    memcpy(noise->remote_ephemeral, message, KEY_SIZE);
    if ((error = mix_hash(noise, message, KEY_SIZE)) != OK ||
        (error = mix_agreement(noise, &noise->own_static, noise->remote_ephemeral)) != OK)
        return error;
    message += KEY_SIZE;
    error =
        decrypt_and_hash(noise, message, KEY_SIZE + NOISE_TAG_SIZE, noise->remote_static);
    if (error != OK ||
        (error = mix_agreement(noise, &noise->own_static, noise->remote_static)) != OK)
        return error;
    message += KEY_SIZE + NOISE_TAG_SIZE;
    return decrypt_and_hash(noise, message, length - 2 * KEY_SIZE - NOISE_TAG_SIZE,
                            payload);
}

/* <- e, ee, se */
static int write_message_2(struct noise *noise, const void *payload, size_t payload_length,
                           uint8_t *message)
{
    int error;

    memcpy(message, noise->own_ephemeral.public_key, KEY_SIZE);
    if ((error = mix_hash(noise, message, KEY_SIZE)) != OK ||
        (error = mix_agreement(noise, &noise->own_ephemeral, noise->remote_ephemeral)) !=
            OK ||
        (error = mix_agreement(noise, &noise->own_ephemeral, noise->remote_static)) != OK)
        return error;
    return encrypt_and_hash(noise, payload, payload_length, message + KEY_SIZE);
}

static int read_message_2(struct noise *noise, const uint8_t *message, size_t length,
                          uint8_t *payload)
{
    int error;

    if (length < NOISE_MESSAGE_2_OVERHEAD)
        return ERROR_AUTHENTICATION;
    memcpy(noise->remote_ephemeral, message, KEY_SIZE);
    if ((error = mix_hash(noise, message, KEY_SIZE)) != OK ||
        (error = mix_agreement(noise, &noise->own_ephemeral, noise->remote_ephemeral)) !=
            OK ||
        (error = mix_agreement(noise, &noise->own_static, noise->remote_ephemeral)) != OK)
        return error;
    return decrypt_and_hash(noise, message + KEY_SIZE, length - KEY_SIZE, payload);
}

/* Counts a message that is done; a failed one ends the handshake. */
static int conclude(struct noise *noise, int error)
{
    if (error == OK)
        noise->messages++;
    else
        noise_deinit(noise);
    return error;
}

int noise_write_message(struct noise *noise, const void *payload, size_t payload_length,
                        uint8_t *message)
{
    assert(noise->messages == (noise->initiator ? 0 : 1));
    return conclude(noise, noise->initiator
                               ? write_message_1(noise, payload, payload_length, message)
                               : write_message_2(noise, payload, payload_length, message));
}

int noise_read_message(struct noise *noise, const uint8_t *message, size_t length,
                       uint8_t *payload)
{
    assert(noise->messages == (noise->initiator ? 1 : 0));
    return conclude(noise, noise->initiator
                               ? read_message_2(noise, message, length, payload)
                               : read_message_1(noise, message, length, payload));
}

int noise_split(struct noise *noise, uint8_t to_responder[KEY_SIZE],
                uint8_t to_initiator[KEY_SIZE])
{
    assert(noise->messages == 2);
    return derive_two(noise->chaining_key, NULL, 0, to_responder, to_initiator);
}
