/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "vectors/noise_ik.h"

#include <splitsocks/crypto/noise.h>

#include <openssl/evp.h>
#include <stdlib.h>

static size_t unhex(const char *text, uint8_t *out, size_t capacity)
{
    size_t length = strlen(text) / 2;

    assert_true(length <= capacity);
    for (size_t i = 0; i < length; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};

        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return length;
}

struct parties {
    struct key_pair initiator_static, responder_static;
    struct noise initiator, responder;
};

static void set_up(struct parties *p)
{
    uint8_t key[KEY_SIZE];
    uint8_t prologue[64];
    size_t length = unhex(vector_prologue, prologue, sizeof(prologue));

    unhex(vector_initiator_static, key, sizeof(key));
    assert_int_equal(key_pair_init(&p->initiator_static, key), OK);
    unhex(vector_responder_static, key, sizeof(key));
    assert_int_equal(key_pair_init(&p->responder_static, key), OK);
    unhex(vector_initiator_ephemeral, key, sizeof(key));
    assert_int_equal(noise_init_initiator(&p->initiator, prologue, length,
                                          &p->initiator_static, key,
                                          p->responder_static.public_key),
                     OK);
    unhex(vector_responder_ephemeral, key, sizeof(key));
    assert_int_equal(
        noise_init_responder(&p->responder, prologue, length, &p->responder_static, key),
        OK);
}

static void tear_down(struct parties *p)
{
    noise_deinit(&p->initiator);
    noise_deinit(&p->responder);
    key_pair_deinit(&p->initiator_static);
    key_pair_deinit(&p->responder_static);
}

/* A transport message after the handshake; nonce: 4 zero bytes, counter little-endian. */
static void check_transport(const uint8_t key[KEY_SIZE], uint8_t counter, unsigned index)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t nonce[12] = {0, 0, 0, 0, counter};
    uint8_t payload[64], expected[64], sealed[64];
    size_t length = unhex(vector_messages[index].payload, payload, sizeof(payload));
    int written;

    assert_int_equal(unhex(vector_messages[index].ciphertext, expected, sizeof(expected)),
                     length + NOISE_TAG_SIZE);
    assert_int_equal(EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), NULL, key, nonce),
                     1);
    assert_int_equal(EVP_EncryptUpdate(context, sealed, &written, payload, (int)length), 1);
    assert_int_equal(EVP_EncryptFinal_ex(context, sealed + length, &written), 1);
    assert_int_equal(
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, sealed + length), 1);
    assert_memory_equal(sealed, expected, length + NOISE_TAG_SIZE);
    EVP_CIPHER_CTX_free(context);
}

/* Every byte that the vector gives: both messages, hash, keys. */
static void test_vector(void **state)
{
    struct parties p;
    uint8_t expected[256], payload[64], message[256], received[64];
    uint8_t up[2][KEY_SIZE], down[2][KEY_SIZE];
    size_t length;
    (void)state;

    set_up(&p);
    unhex(vector_responder_public, expected, sizeof(expected));
    assert_memory_equal(p.responder_static.public_key, expected, KEY_SIZE);

    length = unhex(vector_messages[0].payload, payload, sizeof(payload));
    assert_int_equal(noise_write_message(&p.initiator, payload, length, message), OK);
    assert_int_equal(unhex(vector_messages[0].ciphertext, expected, sizeof(expected)),
                     length + NOISE_MESSAGE_1_OVERHEAD);
    assert_memory_equal(message, expected, length + NOISE_MESSAGE_1_OVERHEAD);
    assert_int_equal(noise_read_message(&p.responder, message,
                                        length + NOISE_MESSAGE_1_OVERHEAD, received),
                     OK);
    assert_memory_equal(received, payload, length);
    assert_memory_equal(p.responder.remote_static, p.initiator_static.public_key, KEY_SIZE);

    length = unhex(vector_messages[1].payload, payload, sizeof(payload));
    assert_int_equal(noise_write_message(&p.responder, payload, length, message), OK);
    assert_int_equal(unhex(vector_messages[1].ciphertext, expected, sizeof(expected)),
                     length + NOISE_MESSAGE_2_OVERHEAD);
    assert_memory_equal(message, expected, length + NOISE_MESSAGE_2_OVERHEAD);
    assert_int_equal(noise_read_message(&p.initiator, message,
                                        length + NOISE_MESSAGE_2_OVERHEAD, received),
                     OK);
    assert_memory_equal(received, payload, length);

    unhex(vector_handshake_hash, expected, sizeof(expected));
    assert_memory_equal(p.initiator.hash, expected, NOISE_HASH_SIZE);
    assert_memory_equal(p.responder.hash, expected, NOISE_HASH_SIZE);
    assert_int_equal(noise_split(&p.initiator, up[0], down[0]), OK);
    assert_int_equal(noise_split(&p.responder, up[1], down[1]), OK);
    assert_memory_equal(up[0], up[1], KEY_SIZE);
    assert_memory_equal(down[0], down[1], KEY_SIZE);
    for (unsigned i = 2; i < ARRAY_LENGTH(vector_messages); i++)
        check_transport(i % 2 == 0 ? up[0] : down[0], (uint8_t)(i / 2 - 1), i);
    tear_down(&p);
}

/* Each byte of message 1 matters, and a message of any other length is refused. */
static void test_message_1_is_authentic(void **state)
{
    uint8_t good[NOISE_MESSAGE_1_OVERHEAD + 5];
    uint8_t received[64];
    struct parties p;
    (void)state;

    set_up(&p);
    assert_int_equal(noise_write_message(&p.initiator, "hello", 5, good), OK);
    for (size_t i = 0; i < sizeof(good); i++) {
        uint8_t bad[sizeof(good)];
        struct noise responder = p.responder;

        memcpy(bad, good, sizeof(good));
        bad[i] ^= (uint8_t)(1 << i % 7);
        assert_int_equal(noise_read_message(&responder, bad, sizeof(bad), received),
                         ERROR_AUTHENTICATION);
        assert_int_equal(responder.messages, NOISE_DEAD);
        responder = p.responder;
        assert_int_equal(noise_read_message(&responder, good, i, received),
                         ERROR_AUTHENTICATION);
        noise_deinit(&responder);
    }
    assert_int_equal(noise_read_message(&p.responder, good, sizeof(good), received), OK);
    tear_down(&p);
}

static void test_message_2_is_authentic(void **state)
{
    uint8_t message[NOISE_MESSAGE_1_OVERHEAD];
    uint8_t good[NOISE_MESSAGE_2_OVERHEAD + 5];
    uint8_t received[64];
    struct parties p;
    (void)state;

    set_up(&p);
    assert_int_equal(noise_write_message(&p.initiator, "", 0, message), OK);
    assert_int_equal(noise_read_message(&p.responder, message, sizeof(message), received),
                     OK);
    assert_int_equal(noise_write_message(&p.responder, "hello", 5, good), OK);
    for (size_t i = 0; i < sizeof(good); i++) {
        uint8_t bad[sizeof(good)];
        struct noise initiator = p.initiator;

        memcpy(bad, good, sizeof(good));
        bad[i] ^= (uint8_t)(1 << i % 7);
        assert_int_equal(noise_read_message(&initiator, bad, sizeof(bad), received),
                         ERROR_AUTHENTICATION);
        initiator = p.initiator;
        assert_int_equal(noise_read_message(&initiator, good, i, received),
                         ERROR_AUTHENTICATION);
        noise_deinit(&initiator);
    }
    assert_int_equal(noise_read_message(&p.initiator, good, sizeof(good), received), OK);
    assert_memory_equal(received, "hello", 5);
    tear_down(&p);
}

static void test_prologue_is_bound(void **state)
{
    uint8_t message[NOISE_MESSAGE_1_OVERHEAD];
    uint8_t received[1];
    uint8_t ephemeral[KEY_SIZE] = {9};
    struct parties p;
    (void)state;

    set_up(&p);
    noise_deinit(&p.responder);
    assert_int_equal(
        noise_init_responder(&p.responder, "other", 5, &p.responder_static, ephemeral), OK);
    assert_int_equal(noise_write_message(&p.initiator, "", 0, message), OK);
    assert_int_equal(noise_read_message(&p.responder, message, sizeof(message), received),
                     ERROR_AUTHENTICATION);
    tear_down(&p);
}

/* Public keys whose product with any scalar is zero: of order 1, 2, 4 and 8, and the same
 * in other forms (RFC 7748 section 6.1). */
static const uint8_t low_order[][KEY_SIZE] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
     0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
     0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

static void test_low_order_keys_are_refused(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(low_order); i++) {
        uint8_t ephemeral[KEY_SIZE] = {7};
        uint8_t message[NOISE_MESSAGE_1_OVERHEAD] = {0};
        uint8_t received[1];
        struct parties p;

        set_up(&p);
        noise_deinit(&p.initiator);
        assert_int_equal(noise_init_initiator(&p.initiator, "", 0, &p.initiator_static,
                                              ephemeral, low_order[i]),
                         OK);
        assert_int_equal(noise_write_message(&p.initiator, "", 0, message),
                         ERROR_AUTHENTICATION);
        memcpy(message, low_order[i], KEY_SIZE);
        assert_int_equal(
            noise_read_message(&p.responder, message, sizeof(message), received),
            ERROR_AUTHENTICATION);
        tear_down(&p);
    }
}

/* A client whose *static* key is of low order: its ss would be known to everyone. */
static void test_low_order_static_is_refused(void **state)
{
    uint8_t message[NOISE_MESSAGE_1_OVERHEAD];
    uint8_t received[1];
    uint8_t ephemeral[KEY_SIZE] = {7};
    struct key_pair forged;
    struct parties p;
    (void)state;

    set_up(&p);
    noise_deinit(&p.initiator);
    forged = p.initiator_static;
    memset(forged.public_key, 0, KEY_SIZE);
    assert_int_equal(noise_init_initiator(&p.initiator, "", 0, &forged, ephemeral,
                                          p.responder_static.public_key),
                     OK);
    assert_int_equal(noise_write_message(&p.initiator, "", 0, message), OK);
    assert_int_equal(noise_read_message(&p.responder, message, sizeof(message), received),
                     ERROR_AUTHENTICATION);
    tear_down(&p);
}

static void test_deinit_wipes(void **state)
{
    struct noise zero = {.messages = NOISE_DEAD};
    struct parties p;
    (void)state;

    set_up(&p);
    tear_down(&p);
    assert_memory_equal(&p.initiator, &zero, offsetof(struct noise, messages));
    noise_deinit(&p.initiator);
}

UNIT_MAIN(cmocka_unit_test(test_vector), cmocka_unit_test(test_message_1_is_authentic),
          cmocka_unit_test(test_message_2_is_authentic),
          cmocka_unit_test(test_prologue_is_bound),
          cmocka_unit_test(test_low_order_keys_are_refused),
          cmocka_unit_test(test_low_order_static_is_refused),
          cmocka_unit_test(test_deinit_wipes))
