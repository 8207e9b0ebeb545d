/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/crypto/hash.h>
#include <splitsocks/wire/handshake.h>

struct parties {
    struct key_pair local, relay;
    struct kdf mac;
    struct hello_offer offer;
    struct hello_answer answer;
    uint8_t hello[HELLO_MAX];
    size_t hello_length;
    struct noise noise; /* local's */
};

static void set_up(struct parties *p)
{
    const uint8_t local_key[KEY_SIZE] = {1}, relay_key[KEY_SIZE] = {2},
                  fresh[KEY_SIZE] = {3};
    struct wire_writer w;

    *p = (struct parties){0};
    assert_int_equal(key_pair_init(&p->local, local_key), OK);
    assert_int_equal(key_pair_init(&p->relay, relay_key), OK);
    assert_int_equal(hello_mac_init(&p->mac, p->relay.public_key), OK);
    p->offer = (struct hello_offer){
        .stamp = UINT64_C(1700000000000000000),
        .minor = 3,
        .features = 0x1234,
        .ciphers = CIPHER_BIT(CIPHER_AES_256_GCM) | CIPHER_BIT(CIPHER_CHACHA20_POLY1305),
        .resume = UINT64_C(0x0102030405060708),
        .linger_s = 120,
        .chunk_size = 16384,
        .stream_window = 262144,
        .session_window = 4194304,
    };
    p->answer = (struct hello_answer){
        .minor = 0,
        .features = 0x1000,
        .cipher = CIPHER_AES_256_GCM,
        .resume = RESUME_RESUMED,
        .session_id = UINT64_C(0x0700a1a2a3a4a5a6),
        .linger_s = 60,
        .stream_window = 65536,
        .session_window = 1 << 30,
        .stream_limit = 100,
    };
    wire_writer_init(&w, p->hello, sizeof(p->hello));
    assert_int_equal(
        hello_write(&p->noise, &w, &p->local, p->relay.public_key, fresh, 7, &p->offer),
        OK);
    p->hello_length = wire_length(&w);
}

static void tear_down(struct parties *p)
{
    noise_deinit(&p->noise);
    kdf_deinit(&p->mac);
}

/* Takes a HELLO as a relay does, but without the rules of the door. */
static int take_hello(struct parties *p, const uint8_t *bytes, size_t length,
                      struct noise *noise, struct hello_offer *offer)
{
    const uint8_t fresh[KEY_SIZE] = {4};
    struct hello_header header;
    struct wire_reader r;
    int error;

    *noise = (struct noise){0};
    wire_reader_init(&r, bytes, length);
    error = hello_read_header(&r, &header);
    if (error == OK)
        error = hello_check_mac(&p->mac, &header);
    if (error == OK)
        error = hello_open(noise, &header, &p->relay, fresh, offer);
    return error;
}

static size_t write_answer(struct parties *p, uint8_t *out, struct session_keys *keys)
{
    struct wire_writer w;
    struct hello_offer offer;
    struct noise noise;

    assert_int_equal(take_hello(p, p->hello, p->hello_length, &noise, &offer), OK);
    wire_writer_init(&w, out, ANSWER_MAX);
    assert_int_equal(hello_write_answer(&noise, &w, &p->answer, keys), OK);
    noise_deinit(&noise);
    return wire_length(&w);
}

static void assert_same_keys(struct session_keys *a, struct session_keys *b)
{
    static const enum direction directions[] = {DIRECTION_UP, DIRECTION_DOWN};
    uint8_t keys[2][2][2][SEAL_KEY_SIZE];

    for (unsigned i = 0; i < 2; i++)
        for (unsigned number = 0; number < 2; number++) {
            assert_int_equal(
                session_keys_subflow(a, directions[i], number, keys[0][i][number]), OK);
            assert_int_equal(
                session_keys_subflow(b, directions[i], number, keys[1][i][number]), OK);
        }
    assert_memory_equal(keys[0], keys[1], sizeof(keys[0]));
    /* Each direction and each number has its own. */
    assert_memory_not_equal(keys[0][0][0], keys[0][0][1], SEAL_KEY_SIZE);
    assert_memory_not_equal(keys[0][0][0], keys[0][1][0], SEAL_KEY_SIZE);
    assert_memory_not_equal(keys[0][0][1], keys[0][1][1], SEAL_KEY_SIZE);
}

static void test_both_sides_agree(void **state)
{
    uint8_t bytes[ANSWER_MAX];
    struct session_keys relay_keys, local_keys;
    struct hello_answer answer;
    struct hello_offer offer;
    struct wire_reader r;
    struct noise noise;
    struct parties p;
    size_t length;
    (void)state;

    set_up(&p);
    assert_int_equal(take_hello(&p, p.hello, p.hello_length, &noise, &offer), OK);
    assert_memory_equal(noise.remote_static, p.local.public_key, KEY_SIZE);
    assert_int_equal(offer.stamp, p.offer.stamp);
    assert_int_equal(offer.minor, 3);
    assert_int_equal(offer.features, 0x1234);
    assert_int_equal(offer.ciphers, p.offer.ciphers);
    assert_int_equal(offer.resume, p.offer.resume);
    assert_int_equal(offer.linger_s, 120);
    assert_int_equal(offer.chunk_size, 16384);
    assert_int_equal(offer.stream_window, 262144);
    assert_int_equal(offer.session_window, 4194304);
    noise_deinit(&noise);

    length = write_answer(&p, bytes, &relay_keys);
    wire_reader_init(&r, bytes, length);
    assert_int_equal(hello_read_answer(&p.noise, &r, &p.offer, &answer, &local_keys), OK);
    assert_int_equal(wire_remaining(&r), 0);
    assert_int_equal(answer.minor, 0);
    assert_int_equal(answer.features, 0x1000);
    assert_int_equal(answer.cipher, CIPHER_AES_256_GCM);
    assert_int_equal(answer.resume, RESUME_RESUMED);
    assert_int_equal(answer.session_id, p.answer.session_id);
    assert_int_equal(answer.linger_s, 60);
    assert_int_equal(answer.stream_window, 65536);
    assert_int_equal(answer.session_window, 1 << 30);
    assert_int_equal(answer.stream_limit, 100);
    assert_same_keys(&relay_keys, &local_keys);
    session_keys_deinit(&relay_keys);
    session_keys_deinit(&local_keys);
    session_keys_deinit(&local_keys);
    tear_down(&p);
}

/* The layout that the header states, by hand. */
static void test_hello_layout(void **state)
{
    uint8_t secret[HASH_SIZE], expected[KDF_OUTPUT_SIZE], covered[HELLO_MAX];
    struct parties p;
    struct kdf mac;
    size_t message_length;
    (void)state;

    set_up(&p);
    message_length = p.hello_length - HELLO_HEADER_SIZE;
    assert_int_equal(p.hello[0], 0x01);
    assert_memory_equal(p.hello + 1, "\7\0\0\0\0\0\0\0", 8);
    assert_int_equal(p.hello[25] << 8 | p.hello[26], message_length);
    assert_int_equal(hash_joined(secret, "splitsocks hello\1", 17, p.relay.public_key, 32),
                     OK);
    assert_int_equal(kdf_init(&mac, secret), OK);
    memcpy(covered, p.hello, 9);
    memcpy(covered + 9, p.hello + 25, 2 + message_length);
    assert_int_equal(kdf_mac(&mac, covered, 11 + message_length, expected), OK);
    assert_memory_equal(p.hello + 9, expected, 16);
    kdf_deinit(&mac);
    tear_down(&p);
}

/* The derivation that the header states, by hand. */
static void test_key_derivation(void **state)
{
    uint8_t bytes[ANSWER_MAX], up[KEY_SIZE], down[KEY_SIZE], info[34], secret[32], key[32],
        expected[32];
    struct session_keys relay_keys, local_keys;
    struct hello_answer answer;
    struct wire_reader r;
    struct parties p;
    struct kdf kdf;
    (void)state;

    set_up(&p);
    wire_reader_init(&r, bytes, write_answer(&p, bytes, &relay_keys));
    assert_int_equal(hello_read_answer(&p.noise, &r, &p.offer, &answer, &local_keys), OK);
    assert_int_equal(noise_split(&p.noise, up, down), OK);
    info[0] = 0;
    info[1] = CIPHER_AES_256_GCM;
    memcpy(info + 2, p.noise.hash, 32);
    assert_int_equal(kdf_init(&kdf, down), OK);
    assert_int_equal(kdf_expand(&kdf, "splitsocks direction", info, 34, secret), OK);
    kdf_deinit(&kdf);
    assert_int_equal(kdf_init(&kdf, secret), OK);
    assert_int_equal(
        kdf_expand(&kdf, "splitsocks subflow", "\0\0\0\0\0\1\2\3", 8, expected), OK);
    kdf_deinit(&kdf);
    assert_int_equal(session_keys_subflow(&local_keys, DIRECTION_DOWN, 0x10203, key), OK);
    assert_memory_equal(key, expected, 32);
    session_keys_deinit(&relay_keys);
    session_keys_deinit(&local_keys);
    tear_down(&p);
}

static void test_every_bit_of_hello_counts(void **state)
{
    struct hello_offer offer;
    struct noise noise;
    struct parties p;
    (void)state;

    set_up(&p);
    for (size_t i = 0; i < p.hello_length; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t bad[HELLO_MAX];
            int error;

            memcpy(bad, p.hello, p.hello_length);
            bad[i] ^= (uint8_t)(1 << bit);
            error = take_hello(&p, bad, p.hello_length, &noise, &offer);
            noise_deinit(&noise);
            assert_true(error == ERROR_MALFORMED || error == ERROR_AUTHENTICATION ||
                        (error == ERROR_TRUNCATED && (i == 25 || i == 26)));
        }
    tear_down(&p);
}

/* Behind the MAC too: every client that knows the relay's key can make a MAC for anything.
 */
static void test_route_and_length_are_bound_by_noise(void **state)
{
    const uint8_t fresh[KEY_SIZE] = {4};
    struct hello_header header;
    struct hello_offer offer;
    struct wire_reader r;
    struct noise noise;
    struct parties p;
    (void)state;

    set_up(&p);
    p.hello[1] = 8;
    wire_reader_init(&r, p.hello, p.hello_length);
    assert_int_equal(hello_read_header(&r, &header), OK);
    assert_int_equal(header.server, 8);
    assert_int_equal(hello_check_mac(&p.mac, &header), ERROR_AUTHENTICATION);
    assert_int_equal(hello_open(&noise, &header, &p.relay, fresh, &offer),
                     ERROR_AUTHENTICATION);
    tear_down(&p);
}

static void test_truncated_hello(void **state)
{
    struct hello_header header;
    struct wire_reader r;
    struct parties p;
    uint8_t more[HELLO_MAX + 1];
    (void)state;

    set_up(&p);
    for (size_t length = 0; length < p.hello_length; length++) {
        wire_reader_init(&r, p.hello, length);
        assert_int_equal(hello_read_header(&r, &header), ERROR_TRUNCATED);
    }
    /* Bytes that follow stay in the reader. */
    memcpy(more, p.hello, p.hello_length);
    more[p.hello_length] = 0xaa;
    wire_reader_init(&r, more, p.hello_length + 1);
    assert_int_equal(hello_read_header(&r, &header), OK);
    assert_int_equal(wire_remaining(&r), 1);
    tear_down(&p);
}

/* Nothing is waited for that cannot become a HELLO. */
static void test_hopeless_hello_is_refused_early(void **state)
{
    static const struct {
        uint8_t bytes[HELLO_HEADER_SIZE];
        size_t length;
    } hopeless[] = {
        {{0x00}, 1},
        {{JOIN_TYPE}, 1},
        {{HELLO_TYPE, 1, 0, 1}, 4},
        {{HELLO_TYPE, [25] = 0, [26] = NOISE_MESSAGE_1_OVERHEAD - 1}, HELLO_HEADER_SIZE},
        {{HELLO_TYPE, [25] = 2, [26] = 1}, HELLO_HEADER_SIZE},
        {{HELLO_TYPE, [25] = 0xff, [26] = 0xff}, HELLO_HEADER_SIZE},
    };
    struct hello_header header;
    struct wire_reader r;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(hopeless); i++) {
        wire_reader_init(&r, hopeless[i].bytes, hopeless[i].length);
        assert_int_equal(hello_read_header(&r, &header), ERROR_MALFORMED);
    }
}

static void test_other_relay_is_refused(void **state)
{
    const uint8_t other_key[KEY_SIZE] = {99};
    struct hello_offer offer;
    struct noise noise;
    struct parties p;
    (void)state;

    set_up(&p);
    kdf_deinit(&p.mac);
    assert_int_equal(key_pair_init(&p.relay, other_key), OK);
    assert_int_equal(hello_mac_init(&p.mac, p.relay.public_key), OK);
    assert_int_equal(take_hello(&p, p.hello, p.hello_length, &noise, &offer),
                     ERROR_AUTHENTICATION);
    tear_down(&p);
}

static void test_every_bit_of_the_answer_counts(void **state)
{
    uint8_t good[ANSWER_MAX];
    struct session_keys relay_keys;
    struct parties p;
    size_t length;
    (void)state;

    set_up(&p);
    length = write_answer(&p, good, &relay_keys);
    session_keys_deinit(&relay_keys);
    assert_true(length <= ANSWER_MAX);
    for (size_t i = 0; i < length; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct noise noise = p.noise;
            struct hello_answer answer;
            struct session_keys keys;
            uint8_t bad[ANSWER_MAX];
            struct wire_reader r;
            int error;

            memcpy(bad, good, length);
            bad[i] ^= (uint8_t)(1 << bit);
            wire_reader_init(&r, bad, length);
            error = hello_read_answer(&noise, &r, &p.offer, &answer, &keys);
            assert_true(error == ERROR_MALFORMED || error == ERROR_AUTHENTICATION ||
                        (error == ERROR_TRUNCATED && i < 2));
            noise_deinit(&noise);
        }
    for (size_t i = 0; i < length; i++) {
        struct hello_answer answer;
        struct session_keys keys;
        struct wire_reader r;

        wire_reader_init(&r, good, i);
        assert_int_equal(hello_read_answer(&p.noise, &r, &p.offer, &answer, &keys),
                         ERROR_TRUNCATED);
    }
    tear_down(&p);
}

/* A relay gives an answer that does not fit the question; each case changes one thing of a
 * good answer. */
static void test_answer_must_fit_the_offer(void **state)
{
    struct hello_answer wrong[7];
    struct parties p;
    (void)state;

    set_up(&p);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        wrong[i] = p.answer;
    tear_down(&p);
    wrong[0].minor = 4;
    wrong[1].features = 1;
    wrong[2].cipher = 0;
    wrong[3].cipher = 200;
    wrong[4].resume = RESUME_NEW;
    wrong[5].resume = 3;
    wrong[6].session_id = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        uint8_t bytes[ANSWER_MAX];
        struct session_keys relay_keys, local_keys;
        struct hello_answer answer;
        struct wire_reader r;

        set_up(&p);
        p.answer = wrong[i];
        wire_reader_init(&r, bytes, write_answer(&p, bytes, &relay_keys));
        assert_int_equal(hello_read_answer(&p.noise, &r, &p.offer, &answer, &local_keys),
                         ERROR_PROTOCOL);
        assert_int_equal(p.noise.messages, NOISE_DEAD);
        session_keys_deinit(&relay_keys);
        tear_down(&p);
    }
}

static void test_agreement(void **state)
{
    struct hello_offer offer = {.minor = 9, .features = ~UINT64_C(0)};
    struct hello_answer answer;
    (void)state;

    offer.ciphers = ciphers_supported();
    assert_int_equal(hello_agree(&offer, &answer), OK);
    assert_int_equal(answer.cipher, cipher_preferred());
    assert_int_equal(answer.minor, WIRE_MINOR);
    assert_int_equal(answer.features, WIRE_FEATURES);
    offer.ciphers = CIPHER_BIT(CIPHER_CHACHA20_POLY1305) | 0x80;
    assert_int_equal(hello_agree(&offer, &answer), OK);
    assert_int_equal(answer.cipher, CIPHER_CHACHA20_POLY1305);
    offer.ciphers = 0x81;
    assert_int_equal(hello_agree(&offer, &answer), ERROR_UNSUPPORTED);
}

/* A later minor version may add fields at the end. */
static void test_payloads_may_grow(void **state)
{
    uint8_t bytes[128];
    struct hello_answer answer;
    struct hello_offer offer;
    struct wire_writer w;
    struct wire_reader r;
    struct parties p;
    size_t length;
    (void)state;

    set_up(&p);
    wire_writer_init(&w, bytes, sizeof(bytes));
    hello_offer_write(&w, &p.offer);
    length = wire_length(&w);
    wire_write_u64(&w, 1);
    wire_reader_init(&r, bytes, wire_length(&w));
    assert_int_equal(hello_offer_read(&r, &offer), OK);
    assert_int_equal(offer.session_window, p.offer.session_window);
    wire_reader_init(&r, bytes, length - 1);
    assert_int_equal(hello_offer_read(&r, &offer), ERROR_MALFORMED);

    wire_writer_init(&w, bytes, sizeof(bytes));
    hello_answer_write(&w, &p.answer);
    length = wire_length(&w);
    wire_write_u64(&w, 1);
    wire_reader_init(&r, bytes, wire_length(&w));
    assert_int_equal(hello_answer_read(&r, &answer), OK);
    assert_int_equal(answer.stream_limit, p.answer.stream_limit);
    wire_reader_init(&r, bytes, length - 1);
    assert_int_equal(hello_answer_read(&r, &answer), ERROR_MALFORMED);
    tear_down(&p);
}

/* The largest values still fit within the bounds. */
static void test_largest_messages_fit(void **state)
{
    uint8_t bytes[HELLO_MAX], fresh[KEY_SIZE] = {5};
    struct hello_offer offer;
    struct session_keys keys;
    struct wire_writer w;
    struct noise noise;
    struct parties p;
    (void)state;

    set_up(&p);
    memset(&offer, 0xff, sizeof(offer));
    offer.features = offer.linger_s = offer.chunk_size = VARINT_MAX;
    offer.stream_window = offer.session_window = VARINT_MAX;
    wire_writer_init(&w, bytes, sizeof(bytes));
    assert_int_equal(
        hello_write(&noise, &w, &p.local, p.relay.public_key, fresh, 255, &offer), OK);
    noise_deinit(&noise);
    wire_writer_init(&w, bytes, 100); /* no room: nothing is written */
    assert_int_equal(
        hello_write(&noise, &w, &p.local, p.relay.public_key, fresh, 255, &offer),
        ERROR_LIMIT);
    assert_int_equal(wire_length(&w), 0);
    noise_deinit(&noise);

    p.answer.features = p.answer.linger_s = p.answer.stream_window = VARINT_MAX;
    p.answer.session_window = p.answer.stream_limit = VARINT_MAX;
    assert_in_range(write_answer(&p, bytes, &keys), 1, ANSWER_MAX);
    session_keys_deinit(&keys);
    tear_down(&p);
}

static void test_join(void **state)
{
    static const uint64_t numbers[] = {1, 63, 64, 16384, UINT64_C(1) << 30, VARINT_MAX};
    const uint64_t id = UINT64_C(0x0102030405060708);
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        uint8_t bytes[JOIN_HEADER_MAX + 1] = {0};
        struct wire_writer w;
        struct wire_reader r;
        struct join join;

        wire_writer_init(&w, bytes, JOIN_HEADER_MAX);
        join_write(&w, id, numbers[i]);
        assert_false(w.failed);
        assert_memory_equal(bytes, "\2\1\2\3\4\5\6\7\10", 9);
        for (size_t length = 0; length < wire_length(&w); length++) {
            wire_reader_init(&r, bytes, length);
            assert_int_equal(join_read(&r, &join), ERROR_TRUNCATED);
        }
        wire_reader_init(&r, bytes, wire_length(&w) + 1);
        assert_int_equal(join_read(&r, &join), OK);
        assert_int_equal(join.session_id, id);
        assert_int_equal(join.number, numbers[i]);
        assert_ptr_equal(join.raw, bytes);
        assert_int_equal(join.raw_length, wire_length(&w));
        assert_int_equal(wire_remaining(&r), 1);
    }
}

static void test_broken_join(void **state)
{
    static const uint8_t zero_number[10] = {2, 1, 2, 3, 4, 5, 6, 7, 8, 0};
    static const uint8_t zero_session[10] = {2, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    uint8_t small[9];
    struct wire_writer w;
    struct wire_reader r;
    struct join join;
    (void)state;

    wire_reader_init(&r, zero_number, 10);
    assert_int_equal(join_read(&r, &join), ERROR_MALFORMED);
    wire_reader_init(&r, zero_session, 10);
    assert_int_equal(join_read(&r, &join), ERROR_MALFORMED);
    wire_reader_init(&r, "\1", 1);
    assert_int_equal(join_read(&r, &join), ERROR_MALFORMED);
    wire_writer_init(&w, small, sizeof(small));
    join_write(&w, 1, 1);
    assert_true(w.failed);
    assert_int_equal(wire_length(&w), 0);
}

static void test_session_id(void **state)
{
    uint64_t id = session_id_make(200, 3, (const uint8_t[]){1, 2, 3, 4, 5, 6});
    (void)state;

    assert_int_equal(id, UINT64_C(0xc803010203040506));
    assert_int_equal(session_id_server(id), 200);
    assert_int_equal(session_id_worker(id), 3);
}

UNIT_MAIN(cmocka_unit_test(test_both_sides_agree), cmocka_unit_test(test_hello_layout),
          cmocka_unit_test(test_key_derivation),
          cmocka_unit_test(test_every_bit_of_hello_counts),
          cmocka_unit_test(test_route_and_length_are_bound_by_noise),
          cmocka_unit_test(test_truncated_hello),
          cmocka_unit_test(test_hopeless_hello_is_refused_early),
          cmocka_unit_test(test_other_relay_is_refused),
          cmocka_unit_test(test_every_bit_of_the_answer_counts),
          cmocka_unit_test(test_answer_must_fit_the_offer),
          cmocka_unit_test(test_agreement), cmocka_unit_test(test_payloads_may_grow),
          cmocka_unit_test(test_largest_messages_fit), cmocka_unit_test(test_join),
          cmocka_unit_test(test_broken_join), cmocka_unit_test(test_session_id))
