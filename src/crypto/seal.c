/* SPDX-License-Identifier: MIT */
#include <splitsocks/crypto/seal.h>

#include "algorithms.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define NONCE_SIZE 12

/* Contexts kept per thread, cipher and direction: what a busy pool retires between two
 * dials. A context is about 1 KiB. */
#define SPARE_MAX 32

/* A context keeps libcrypto's own state for one cipher and direction, so that keying it
 * again allocates nothing. */
struct spares {
    EVP_CIPHER_CTX *contexts[SPARE_MAX];
    unsigned count;
};

struct thread_spares {
    struct spares of[2][2]; /* [cipher - 1][encrypt] */
};

static CRYPTO_THREAD_LOCAL spares_key;
static bool spares_usable;
static CRYPTO_ONCE spares_once = CRYPTO_ONCE_STATIC_INIT;

static void free_thread_spares(void *opaque)
{
    struct thread_spares *thread = opaque;

    if (thread == NULL)
        return;
    for (unsigned cipher = 0; cipher < 2; cipher++)
        for (unsigned encrypt = 0; encrypt < 2; encrypt++) {
            struct spares *spares = &thread->of[cipher][encrypt];

            while (spares->count > 0)
                EVP_CIPHER_CTX_free(spares->contexts[--spares->count]);
        }
    free(thread);
}

static void create_spares_key(void)
{
    spares_usable = CRYPTO_THREAD_init_local(&spares_key, free_thread_spares) == 1;
}

/* The calling thread's list, or NULL when memory is out: then contexts are just not kept.
 */
static struct spares *spares_of(const struct seal *seal)
{
    struct thread_spares *thread;

    if (CRYPTO_THREAD_run_once(&spares_once, create_spares_key) != 1 || !spares_usable)
        return NULL;
    thread = CRYPTO_THREAD_get_local(&spares_key);
    if (thread == NULL) {
        thread = calloc(1, sizeof(*thread));
        if (thread == NULL || CRYPTO_THREAD_set_local(&spares_key, thread) != 1) {
            free(thread);
            return NULL;
        }
    }
    return &thread->of[seal->cipher - 1][seal->encrypt];
}

enum cipher cipher_preferred(void)
{
#if defined(__x86_64__) || defined(__i386__)
    if (__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"))
        return CIPHER_AES_256_GCM;
#elif defined(__aarch64__) && defined(__linux__)
    unsigned long wanted = HWCAP_AES | HWCAP_PMULL;

    if ((getauxval(AT_HWCAP) & wanted) == wanted)
        return CIPHER_AES_256_GCM;
#endif
    return CIPHER_CHACHA20_POLY1305;
}

const char *cipher_name(enum cipher cipher)
{
    switch (cipher) {
    case CIPHER_CHACHA20_POLY1305: return "chacha20-poly1305";
    case CIPHER_AES_256_GCM: return "aes-256-gcm";
    }
    return "unknown cipher";
}

static int new_context(struct seal *seal)
{
    const struct algorithms *algorithms = algorithms_get();
    const EVP_CIPHER *cipher;

    if (algorithms == NULL)
        return ERROR_CRYPTO;
    cipher = seal->cipher == CIPHER_AES_256_GCM ? algorithms->aes_256_gcm
                                                : algorithms->chacha20_poly1305;
    seal->context = EVP_CIPHER_CTX_new();
    if (seal->context == NULL)
        return ERROR_MEMORY;
    if (EVP_CipherInit_ex2(seal->context, cipher, NULL, NULL, seal->encrypt, NULL) != 1) {
        EVP_CIPHER_CTX_free(seal->context);
        seal->context = NULL;
        return ERROR_CRYPTO;
    }
    return OK;
}

int seal_init(struct seal *seal, enum cipher cipher, bool encrypt,
              const uint8_t key[SEAL_KEY_SIZE])
{
    struct spares *spares;
    int error;

    *seal = (struct seal){.cipher = (uint8_t)cipher, .encrypt = encrypt};
    if (cipher != CIPHER_CHACHA20_POLY1305 && cipher != CIPHER_AES_256_GCM)
        return ERROR_INVALID;
    spares = spares_of(seal);
    if (spares != NULL && spares->count > 0)
        seal->context = spares->contexts[--spares->count];
    else if ((error = new_context(seal)) != OK)
        return error;
    /* No cipher argument: that would free and allocate the inner state again. */
    if (EVP_CipherInit_ex2(seal->context, NULL, key, NULL, encrypt, NULL) != 1) {
        EVP_CIPHER_CTX_free(seal->context);
        seal->context = NULL;
        return ERROR_CRYPTO;
    }
    return OK;
}

void seal_deinit(struct seal *seal)
{
    static const uint8_t no_key[SEAL_KEY_SIZE];
    EVP_CIPHER_CTX *context = seal->context;
    struct spares *spares;

    if (context == NULL)
        return;
    spares = spares_of(seal);
    seal->context = NULL;
    if (spares == NULL || spares->count == SPARE_MAX ||
        EVP_CipherInit_ex2(context, NULL, no_key, NULL, seal->encrypt, NULL) != 1) {
        EVP_CIPHER_CTX_free(context); /* wipes */
        return;
    }
    spares->contexts[spares->count++] = context;
}

/* Sets the nonce of the next chunk and feeds its additional data. */
static int start(struct seal *seal, const void *aad, size_t aad_length)
{
    uint8_t nonce[NONCE_SIZE] = {0};
    int written;

    assert(seal->context != NULL && aad_length <= INT_MAX);
    if (seal->chunks >= SEAL_CHUNKS_MAX)
        return ERROR_LIMIT;
    for (unsigned i = 0; i < 8; i++)
        nonce[NONCE_SIZE - 1 - i] = (uint8_t)(seal->chunks >> (8 * i));
    if (EVP_CipherInit_ex2(seal->context, NULL, NULL, nonce, seal->encrypt, NULL) != 1)
        return ERROR_CRYPTO;
    if (aad_length > 0 &&
        EVP_CipherUpdate(seal->context, NULL, &written, aad, (int)aad_length) != 1)
        return ERROR_CRYPTO;
    return OK;
}

int seal_begin(struct seal *seal, const void *aad, size_t aad_length)
{
    assert(seal->encrypt);
    return start(seal, aad, aad_length);
}

int seal_update(struct seal *seal, uint8_t *out, const void *in, size_t length)
{
    int written;

    assert(seal->context != NULL && length <= INT_MAX);
    if (length == 0) /* libcrypto may take an empty update for the end */
        return OK;
    if (EVP_CipherUpdate(seal->context, out, &written, in, (int)length) != 1 ||
        written != (int)length)
        return ERROR_CRYPTO;
    return OK;
}

int seal_finish(struct seal *seal, uint8_t tag[SEAL_TAG_SIZE])
{
    uint8_t none[16];
    int written;

    assert(seal->context != NULL && seal->encrypt);
    if (EVP_CipherFinal_ex(seal->context, none, &written) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->context, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, tag) != 1)
        return ERROR_CRYPTO;
    seal->chunks++;
    return OK;
}

int seal_open(struct seal *seal, const void *aad, size_t aad_length, uint8_t *data,
              size_t length, const uint8_t tag[SEAL_TAG_SIZE])
{
    uint8_t expected[SEAL_TAG_SIZE];
    uint8_t none[16];
    int written;
    int error;

    assert(!seal->encrypt);
    error = start(seal, aad, aad_length);
    if (error != OK)
        return error;
    error = seal_update(seal, data, data, length);
    if (error != OK)
        return error;
    memcpy(expected, tag, sizeof(expected)); /* the control call takes no const */
    if (EVP_CIPHER_CTX_ctrl(seal->context, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE,
                            expected) != 1)
        return ERROR_CRYPTO;
    if (EVP_CipherFinal_ex(seal->context, none, &written) != 1)
        return ERROR_AUTHENTICATION;
    seal->chunks++;
    return OK;
}
