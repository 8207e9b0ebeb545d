/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/crypto/seal.h>

#include <openssl/evp.h>

static const enum cipher ciphers[] = {CIPHER_CHACHA20_POLY1305, CIPHER_AES_256_GCM};
static const uint8_t key[SEAL_KEY_SIZE] = {0x80, 1, 2, 3, 4, 5, 6, 7};

/* The same chunk by libcrypto directly, with the nonce written out by hand. */
static void reference(enum cipher cipher, uint64_t index, const char *aad, const void *in,
                      int length, uint8_t *out, uint8_t *tag)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t nonce[12] = {0};
    int written;

    nonce[9] = (uint8_t)(index >> 16);
    nonce[10] = (uint8_t)(index >> 8);
    nonce[11] = (uint8_t)index;
    assert_int_equal(EVP_EncryptInit_ex(context,
                                        cipher == CIPHER_AES_256_GCM
                                            ? EVP_aes_256_gcm()
                                            : EVP_chacha20_poly1305(),
                                        NULL, key, nonce),
                     1);
    assert_int_equal(
        EVP_EncryptUpdate(context, NULL, &written, (const uint8_t *)aad, (int)strlen(aad)),
        1);
    assert_int_equal(EVP_EncryptUpdate(context, out, &written, in, length), 1);
    assert_int_equal(EVP_EncryptFinal_ex(context, out + length, &written), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
    EVP_CIPHER_CTX_free(context);
}

/* Test case 14 of the GCM specification: index 0 is an all-zero nonce. */
static void test_gcm_vector(void **state)
{
    static const uint8_t zeros[32];
    static const uint8_t expected[16] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e,
                                         0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18};
    static const uint8_t expected_tag[16] = {0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99,
                                             0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5,
                                             0xd4, 0x8a, 0xb9, 0x19};
    uint8_t out[16];
    uint8_t tag[SEAL_TAG_SIZE];
    struct seal seal;
    (void)state;

    assert_int_equal(seal_init(&seal, CIPHER_AES_256_GCM, true, zeros), OK);
    assert_int_equal(seal_begin(&seal, NULL, 0), OK);
    assert_int_equal(seal_update(&seal, out, zeros, 16), OK);
    assert_int_equal(seal_finish(&seal, tag), OK);
    assert_memory_equal(out, expected, sizeof(out));
    assert_memory_equal(tag, expected_tag, sizeof(tag));
    seal_deinit(&seal);
}

static void check_chunk(enum cipher cipher, struct seal *sealer, struct seal *opener,
                        uint64_t index)
{
    uint8_t plain[100];
    uint8_t sealed[100];
    uint8_t expected[100];
    uint8_t tag[SEAL_TAG_SIZE];
    uint8_t expected_tag[SEAL_TAG_SIZE];

    memset(plain, (int)index, sizeof(plain));
    /* Pieces of awkward lengths, an empty one among them. */
    assert_int_equal(seal_begin(sealer, "head", 4), OK);
    assert_int_equal(seal_update(sealer, sealed, plain, 1), OK);
    assert_int_equal(seal_update(sealer, sealed + 1, plain + 1, 0), OK);
    assert_int_equal(seal_update(sealer, sealed + 1, plain + 1, 63), OK);
    assert_int_equal(seal_update(sealer, sealed + 64, plain + 64, 36), OK);
    assert_int_equal(seal_finish(sealer, tag), OK);

    reference(cipher, index, "head", plain, sizeof(plain), expected, expected_tag);
    assert_memory_equal(sealed, expected, sizeof(sealed));
    assert_memory_equal(tag, expected_tag, sizeof(tag));

    assert_int_equal(seal_open(opener, "head", 4, sealed, sizeof(sealed), tag), OK);
    assert_memory_equal(sealed, plain, sizeof(plain));
}

static void test_nonces_follow_the_index(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(ciphers); i++) {
        struct seal sealer;
        struct seal opener;

        assert_int_equal(seal_init(&sealer, ciphers[i], true, key), OK);
        assert_int_equal(seal_init(&opener, ciphers[i], false, key), OK);
        for (uint64_t index = 0; index < 300; index++)
            check_chunk(ciphers[i], &sealer, &opener, index);
        sealer.chunks = opener.chunks = 0x7f0102;
        check_chunk(ciphers[i], &sealer, &opener, 0x7f0102);
        seal_deinit(&sealer);
        seal_deinit(&opener);
    }
}

static void test_refused_chunk_keeps_the_index(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(ciphers); i++) {
        uint8_t sealed[20] = "twenty bytes of text";
        uint8_t broken[20];
        uint8_t tag[SEAL_TAG_SIZE];
        struct seal sealer;
        struct seal opener;

        assert_int_equal(seal_init(&sealer, ciphers[i], true, key), OK);
        assert_int_equal(seal_init(&opener, ciphers[i], false, key), OK);
        assert_int_equal(seal_begin(&sealer, "ab", 2), OK);
        assert_int_equal(seal_update(&sealer, sealed, sealed, 20), OK);
        assert_int_equal(seal_finish(&sealer, tag), OK);

        for (unsigned bit = 0; bit < 8 * (20 + SEAL_TAG_SIZE); bit++) {
            uint8_t broken_tag[SEAL_TAG_SIZE];

            memcpy(broken, sealed, 20);
            memcpy(broken_tag, tag, sizeof(tag));
            if (bit < 160)
                broken[bit / 8] ^= (uint8_t)(1 << bit % 8);
            else
                broken_tag[(bit - 160) / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(seal_open(&opener, "ab", 2, broken, 20, broken_tag),
                             ERROR_AUTHENTICATION);
        }
        memcpy(broken, sealed, 20);
        assert_int_equal(seal_open(&opener, "ac", 2, broken, 20, tag),
                         ERROR_AUTHENTICATION);
        memcpy(broken, sealed, 20);
        assert_int_equal(seal_open(&opener, "ab", 2, broken, 19, tag),
                         ERROR_AUTHENTICATION);
        assert_int_equal(opener.chunks, 0);
        assert_int_equal(seal_open(&opener, "ab", 2, sealed, 20, tag), OK);
        assert_memory_equal(sealed, "twenty bytes of text", 20);
        assert_int_equal(opener.chunks, 1);
        /* The same chunk again is at another index. */
        assert_int_equal(seal_open(&opener, "ab", 2, sealed, 20, tag),
                         ERROR_AUTHENTICATION);
        seal_deinit(&sealer);
        seal_deinit(&opener);
    }
}

/* A chunk without frames is a tag over its header. */
static void test_empty_chunk(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(ciphers); i++) {
        uint8_t tag[SEAL_TAG_SIZE];
        uint8_t nothing[1];
        struct seal sealer;
        struct seal opener;

        assert_int_equal(seal_init(&sealer, ciphers[i], true, key), OK);
        assert_int_equal(seal_init(&opener, ciphers[i], false, key), OK);
        assert_int_equal(seal_begin(&sealer, "ab", 2), OK);
        assert_int_equal(seal_finish(&sealer, tag), OK);
        assert_int_equal(seal_open(&opener, "ab", 2, nothing, 0, tag), OK);
        seal_deinit(&sealer);
        seal_deinit(&opener);
    }
}

/* More than the thread keeps: contexts are made, kept and made again, and none remembers
 * the key it had. */
static void test_recycled_contexts(void **state)
{
    (void)state;

    for (unsigned round = 0; round < 3; round++) {
        struct seal seals[100];
        uint8_t tags[100][SEAL_TAG_SIZE];
        uint8_t byte;

        for (unsigned i = 0; i < 100; i++) {
            uint8_t other[SEAL_KEY_SIZE] = {(uint8_t)(i / 4)};

            assert_int_equal(seal_init(&seals[i], ciphers[i % 2], true, other), OK);
        }
        for (unsigned i = 0; i < 100; i++) {
            assert_int_equal(seal_begin(&seals[i], NULL, 0), OK);
            assert_int_equal(seal_update(&seals[i], &byte, "x", 1), OK);
            assert_int_equal(seal_finish(&seals[i], tags[i]), OK);
            seal_deinit(&seals[i]);
            if (i >= 2) /* two by two with the same cipher and key */
                assert_int_equal(memcmp(tags[i], tags[i - 2], SEAL_TAG_SIZE) == 0,
                                 i % 4 >= 2);
        }
    }
}

static void test_chunk_limit(void **state)
{
    uint8_t byte = 0;
    uint8_t tag[SEAL_TAG_SIZE] = {0};
    struct seal sealer;
    struct seal opener;
    (void)state;

    assert_int_equal(seal_init(&sealer, CIPHER_AES_256_GCM, true, key), OK);
    sealer.chunks = SEAL_CHUNKS_MAX - 1;
    assert_int_equal(seal_begin(&sealer, NULL, 0), OK);
    assert_int_equal(seal_finish(&sealer, tag), OK);
    assert_int_equal(seal_begin(&sealer, NULL, 0), ERROR_LIMIT);
    seal_deinit(&sealer);
    assert_int_equal(seal_init(&opener, CIPHER_AES_256_GCM, false, key), OK);
    opener.chunks = SEAL_CHUNKS_MAX;
    assert_int_equal(seal_open(&opener, NULL, 0, &byte, 1, tag), ERROR_LIMIT);
    seal_deinit(&opener);
}

static void test_unknown_cipher(void **state)
{
    struct seal seal;
    (void)state;

    assert_int_equal(seal_init(&seal, (enum cipher)0, true, key), ERROR_INVALID);
    assert_int_equal(seal_init(&seal, (enum cipher)3, true, key), ERROR_INVALID);
    seal_deinit(&seal);
    assert_string_equal(cipher_name(CIPHER_AES_256_GCM), "aes-256-gcm");
    assert_true(cipher_preferred() == CIPHER_AES_256_GCM ||
                cipher_preferred() == CIPHER_CHACHA20_POLY1305);
}

UNIT_MAIN(cmocka_unit_test(test_gcm_vector), cmocka_unit_test(test_nonces_follow_the_index),
          cmocka_unit_test(test_refused_chunk_keeps_the_index),
          cmocka_unit_test(test_empty_chunk), cmocka_unit_test(test_recycled_contexts),
          cmocka_unit_test(test_chunk_limit), cmocka_unit_test(test_unknown_cipher))
