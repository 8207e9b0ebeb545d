/* SPDX-License-Identifier: MIT */
/*
 * The room `crypto` without cryptography, for the targets that fuzz sessions: real key
 * agreement and ciphers took most of their time, and a script cannot break a cipher anyhow.
 * What the rooms above rely on holds: both sides derive the same keys from the same
 * handshake, other keys and other chunk indices give other tags, a message or chunk with a
 * wrong tag is refused, and each context is on the heap, so that a sanitizer sees one that
 * is lost or used after its end. Only the session targets link this file.
 */
#include <splitsocks/crypto/hash.h>
#include <splitsocks/crypto/kdf.h>
#include <splitsocks/crypto/noise.h>
#include <splitsocks/crypto/seal.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct evp_mac_ctx_st {
    uint64_t secret;
};

struct evp_cipher_ctx_st {
    uint64_t key;
    uint64_t tag;
};

/* Multiplication by an odd number loses nothing; the shift brings high bits down. */
static uint64_t mix_word(uint64_t state, uint64_t word)
{
    state = (state ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return state ^ state >> 32;
}

static uint64_t mix(uint64_t state, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    uint64_t word;

    for (state = mix_word(state, length); length >= sizeof(word); length -= sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        bytes += sizeof(word);
        state = mix_word(state, word);
    }
    word = 0;
    if (length > 0)
        memcpy(&word, bytes, length);
    return mix_word(state, word);
}

/* `length` is a multiple of 8. */
static void expand(uint64_t state, uint8_t *out, size_t length)
{
    for (size_t i = 0; i < length; i += sizeof(state)) {
        state = mix_word(state, i);
        memcpy(out + i, &state, sizeof(state));
    }
}

/* ---- hash.h, key.h ---- */

int hash_joined(uint8_t out[HASH_SIZE], const void *first, size_t first_length,
                const void *second, size_t second_length)
{
    expand(mix(mix(0, first, first_length), second, second_length), out, HASH_SIZE);
    return OK;
}

bool hash_equal(const uint8_t *a, const uint8_t *b, size_t length)
{
    return memcmp(a, b, length) == 0;
}

int key_public(uint8_t public_key[KEY_SIZE], const uint8_t private_key[KEY_SIZE])
{
    memcpy(public_key, private_key, KEY_SIZE);
    return OK;
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
    memset(secret, 0, size);
}

/* ---- kdf.h ---- */

int kdf_init(struct kdf *kdf, const uint8_t secret[KDF_SECRET_SIZE])
{
    kdf->context = malloc(sizeof(*kdf->context));
    if (kdf->context == NULL)
        return ERROR_MEMORY;
    kdf->context->secret = mix(0, secret, KDF_SECRET_SIZE);
    return OK;
}

void kdf_deinit(struct kdf *kdf)
{
    free(kdf->context);
    kdf->context = NULL;
}

int kdf_expand(struct kdf *kdf, const char *label, const void *context,
               size_t context_length, uint8_t out[KDF_OUTPUT_SIZE])
{
    uint64_t state = mix(kdf->context->secret, label, strlen(label));

    expand(mix(state, context, context_length), out, KDF_OUTPUT_SIZE);
    return OK;
}

int kdf_mac(struct kdf *kdf, const void *data, size_t length, uint8_t out[KDF_OUTPUT_SIZE])
{
    expand(mix(kdf->context->secret, data, length), out, KDF_OUTPUT_SIZE);
    return OK;
}

/* ---- noise.h: the state is the beginning of the hash ---- */

static uint64_t state_of(const struct noise *noise)
{
    uint64_t state;

    memcpy(&state, noise->hash, sizeof(state));
    return state;
}

static void mix_hash(struct noise *noise, const void *data, size_t length)
{
    expand(mix(state_of(noise), data, length), noise->hash, NOISE_HASH_SIZE);
}

static int init(struct noise *noise, bool initiator, const void *prologue,
                size_t prologue_length, const struct key_pair *own_static,
                const uint8_t ephemeral[KEY_SIZE], const uint8_t responder_static[KEY_SIZE])
{
    *noise = (struct noise){.initiator = initiator, .own_static = *own_static};
    mix_hash(noise, prologue, prologue_length);
    mix_hash(noise, responder_static, KEY_SIZE);
    return key_pair_init(&noise->own_ephemeral, ephemeral);
}

int noise_init_initiator(struct noise *noise, const void *prologue, size_t prologue_length,
                         const struct key_pair *own_static,
                         const uint8_t ephemeral[KEY_SIZE],
                         const uint8_t remote_static[KEY_SIZE])
{
    int error =
        init(noise, true, prologue, prologue_length, own_static, ephemeral, remote_static);

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
    memset(noise, 0, sizeof(*noise));
    noise->messages = NOISE_DEAD;
}

/* The bytes as they are, and a tag over everything so far. */
static uint8_t *put_tagged(struct noise *noise, uint8_t *out, const void *data,
                           size_t length)
{
    memcpy(out, data, length);
    mix_hash(noise, data, length);
    memcpy(out + length, noise->hash, NOISE_TAG_SIZE);
    return out + length + NOISE_TAG_SIZE;
}

/* `length` counts the tag. */
static bool take_tagged(struct noise *noise, const uint8_t *in, size_t length,
                        uint8_t *data)
{
    memcpy(data, in, length - NOISE_TAG_SIZE);
    mix_hash(noise, data, length - NOISE_TAG_SIZE);
    return memcmp(in + length - NOISE_TAG_SIZE, noise->hash, NOISE_TAG_SIZE) == 0;
}

int noise_write_message(struct noise *noise, const void *payload, size_t payload_length,
                        uint8_t *message)
{
    assert(noise->messages == (noise->initiator ? 0 : 1));
    memcpy(message, noise->own_ephemeral.public_key, KEY_SIZE);
    mix_hash(noise, message, KEY_SIZE);
    message += KEY_SIZE;
    if (noise->initiator)
        message = put_tagged(noise, message, noise->own_static.public_key, KEY_SIZE);
    (void)put_tagged(noise, message, payload, payload_length);
    noise->messages++;
    return OK;
}

int noise_read_message(struct noise *noise, const uint8_t *message, size_t length,
                       uint8_t *payload)
{
    size_t overhead =
        noise->initiator ? NOISE_MESSAGE_2_OVERHEAD : NOISE_MESSAGE_1_OVERHEAD;
    const uint8_t *end = message + length;
    bool good;

    assert(noise->messages == (noise->initiator ? 1 : 0));
    good = length >= overhead;
    if (good) {
        memcpy(noise->remote_ephemeral, message, KEY_SIZE);
        mix_hash(noise, message, KEY_SIZE);
        message += KEY_SIZE;
    }
    if (good && !noise->initiator) {
        good = take_tagged(noise, message, KEY_SIZE + NOISE_TAG_SIZE, noise->remote_static);
        message += KEY_SIZE + NOISE_TAG_SIZE;
    }
    good = good && take_tagged(noise, message, (size_t)(end - message), payload);
    if (!good) {
        noise_deinit(noise);
        return ERROR_AUTHENTICATION;
    }
    noise->messages++;
    return OK;
}

int noise_split(struct noise *noise, uint8_t to_responder[KEY_SIZE],
                uint8_t to_initiator[KEY_SIZE])
{
    assert(noise->messages == 2);
    expand(mix_word(state_of(noise), 1), to_responder, KEY_SIZE);
    expand(mix_word(state_of(noise), 2), to_initiator, KEY_SIZE);
    return OK;
}

/* ---- seal.h ---- */

enum cipher cipher_preferred(void)
{
    return CIPHER_CHACHA20_POLY1305;
}

const char *cipher_name(enum cipher cipher)
{
    return cipher == CIPHER_CHACHA20_POLY1305 ? "toy" : "other toy";
}

int seal_init(struct seal *seal, enum cipher cipher, bool encrypt,
              const uint8_t key[SEAL_KEY_SIZE])
{
    *seal = (struct seal){.cipher = (uint8_t)cipher, .encrypt = encrypt};
    if (cipher != CIPHER_CHACHA20_POLY1305 && cipher != CIPHER_AES_256_GCM)
        return ERROR_INVALID;
    seal->context = malloc(sizeof(*seal->context));
    if (seal->context == NULL)
        return ERROR_MEMORY;
    seal->context->key = mix(cipher, key, SEAL_KEY_SIZE);
    return OK;
}

void seal_deinit(struct seal *seal)
{
    free(seal->context);
    seal->context = NULL;
}

/* The tag leaves out the bytes, which no script changes between sealing and opening. */
static int start(struct seal *seal, const void *aad, size_t aad_length)
{
    assert(seal->context != NULL);
    if (seal->chunks >= SEAL_CHUNKS_MAX)
        return ERROR_LIMIT;
    seal->context->tag = mix(mix_word(seal->context->key, seal->chunks), aad, aad_length);
    return OK;
}

int seal_begin(struct seal *seal, const void *aad, size_t aad_length)
{
    assert(seal->encrypt);
    return start(seal, aad, aad_length);
}

int seal_update(struct seal *seal, uint8_t *out, const void *in, size_t length)
{
    assert(seal->context != NULL);
    if (out != in && length > 0)
        memcpy(out, in, length);
    return OK;
}

int seal_finish(struct seal *seal, uint8_t tag[SEAL_TAG_SIZE])
{
    assert(seal->context != NULL && seal->encrypt);
    expand(seal->context->tag, tag, SEAL_TAG_SIZE);
    seal->chunks++;
    return OK;
}

int seal_open(struct seal *seal, const void *aad, size_t aad_length, uint8_t *data,
              size_t length, const uint8_t tag[SEAL_TAG_SIZE])
{
    uint8_t expected[SEAL_TAG_SIZE];
    int error;

    (void)data;
    (void)length;
    assert(!seal->encrypt);
    error = start(seal, aad, aad_length);
    if (error != OK)
        return error;
    expand(seal->context->tag, expected, sizeof(expected));
    if (memcmp(expected, tag, sizeof(expected)) != 0)
        return ERROR_AUTHENTICATION;
    seal->chunks++;
    return OK;
}
