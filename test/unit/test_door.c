/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/gate/door.h>

#define SERVER_ID 7

static const uint64_t start = 1000 * NS_PER_S;

struct scene {
    struct key_pair relay;
    struct key_pair locals[3]; /* the first two are clients, at index 0 and 1 */
    struct client_table *clients;
    struct door *door;
    struct address peer;
    uint16_t ephemeral_number;
    struct noise noise; /* of the HELLO written last */
    struct hello_offer offer;
    uint8_t hello[HELLO_MAX];
    size_t hello_length;
};

static struct door *make_door(struct scene *s, uint64_t silence_random)
{
    const struct door_config config = {
        .relay = &s->relay,
        .clients = s->clients,
        .server_id = SERVER_ID,
        .silence_random = silence_random,
        .hash_seed = 1,
    };
    struct door *door = door_new(&config);

    assert_non_null(door);
    return door;
}

static void set_up(struct scene *s)
{
    uint8_t key[KEY_SIZE] = {0xaa};

    *s = (struct scene){.ephemeral_number = 1};
    assert_int_equal(key_pair_init(&s->relay, key), OK);
    s->clients = client_table_new();
    for (unsigned i = 0; i < 3; i++) {
        key[0] = (uint8_t)(8 * i); /* X25519 ignores the three low bits */
        assert_int_equal(key_pair_init(&s->locals[i], key), OK);
        if (i < 2)
            assert_int_equal(client_table_add(s->clients, s->locals[i].public_key), i);
    }
    s->door = make_door(s, 0);
    s->peer = address_of("192.0.2.1");
}

static void tear_down(struct scene *s)
{
    noise_deinit(&s->noise);
    door_free(s->door);
    client_table_free(s->clients);
}

static void write_hello(struct scene *s, unsigned local, uint64_t stamp, uint8_t server)
{
    /* X25519 ignores low bits of the first byte, and no two HELLOs have one key. */
    uint8_t ephemeral[KEY_SIZE] = {0xee, (uint8_t)s->ephemeral_number,
                                   (uint8_t)(s->ephemeral_number >> 8)};
    struct wire_writer w;

    s->ephemeral_number++;
    noise_deinit(&s->noise);
    s->offer = (struct hello_offer){.stamp = stamp, .ciphers = ciphers_supported()};
    wire_writer_init(&w, s->hello, sizeof(s->hello));
    assert_int_equal(hello_write(&s->noise, &w, &s->locals[local], s->relay.public_key,
                                 ephemeral, server, &s->offer),
                     OK);
    s->hello_length = wire_length(&w);
}

static int knock(struct scene *s, uint64_t now, struct door_hello *hello)
{
    const uint8_t ephemeral[KEY_SIZE] = {(uint8_t)s->ephemeral_number,
                                         (uint8_t)(s->ephemeral_number++ >> 8), 0xdd};
    struct wire_reader r;

    wire_reader_init(&r, s->hello, s->hello_length);
    return door_hello(s->door, &s->peer, &r, ephemeral, now, hello);
}

/* The HELLO is taken, and no more is done with it. */
static void expect_in(struct scene *s, uint64_t now)
{
    struct door_hello hello;

    assert_int_equal(knock(s, now, &hello), OK);
    door_hello_deinit(&hello);
}

static int answer(struct scene *s, struct door_hello *hello, uint8_t *out, size_t *length,
                  struct session_keys *keys)
{
    struct hello_answer granted = {.session_id = 1};
    struct wire_writer w;
    int error;

    assert_int_equal(hello_agree(&hello->offer, &granted), OK);
    wire_writer_init(&w, out, ANSWER_MAX);
    error = door_answer(s->door, hello, &granted, &w, keys);
    *length = wire_length(&w);
    return error;
}

/* The scene's HELLO gets its answer. */
static void be_answered(struct scene *s)
{
    uint8_t bytes[ANSWER_MAX];
    struct door_hello hello;
    struct session_keys keys;
    size_t length;

    assert_int_equal(knock(s, start, &hello), OK);
    assert_int_equal(answer(s, &hello, bytes, &length, &keys), OK);
    session_keys_deinit(&keys);
    door_hello_deinit(&hello);
}

static void test_client_is_let_in(void **state)
{
    uint8_t bytes[ANSWER_MAX], up[2][SEAL_KEY_SIZE];
    struct session_keys relay_keys, local_keys;
    struct hello_answer received;
    struct door_hello hello;
    struct wire_reader r;
    struct scene s;
    size_t length;
    (void)state;

    set_up(&s);
    write_hello(&s, 1, 5000, SERVER_ID);
    assert_int_equal(knock(&s, start, &hello), OK);
    assert_int_equal(hello.client, 1);
    assert_int_equal(hello.offer.stamp, 5000);
    assert_int_equal(answer(&s, &hello, bytes, &length, &relay_keys), OK);
    door_hello_deinit(&hello);
    door_hello_deinit(&hello);

    wire_reader_init(&r, bytes, length);
    assert_int_equal(hello_read_answer(&s.noise, &r, &s.offer, &received, &local_keys), OK);
    assert_int_equal(session_keys_subflow(&relay_keys, DIRECTION_UP, 0, up[0]), OK);
    assert_int_equal(session_keys_subflow(&local_keys, DIRECTION_UP, 0, up[1]), OK);
    assert_memory_equal(up[0], up[1], SEAL_KEY_SIZE);
    session_keys_deinit(&relay_keys);
    session_keys_deinit(&local_keys);
    tear_down(&s);
}

static void test_replay(void **state)
{
    uint8_t bytes[ANSWER_MAX];
    struct door_hello first, second, third;
    struct session_keys keys;
    struct scene s;
    size_t length;
    (void)state;

    set_up(&s);
    write_hello(&s, 0, 5000, 0);
    /* Opening keeps nothing, so that a HELLO can be passed to another worker... */
    assert_int_equal(knock(&s, start, &first), OK);
    assert_int_equal(knock(&s, start, &second), OK);
    /* ...but only one of two that were opened at once is answered. */
    assert_int_equal(answer(&s, &first, bytes, &length, &keys), OK);
    session_keys_deinit(&keys);
    assert_int_equal(answer(&s, &second, bytes, &length, &keys), ERROR_REPLAY);
    assert_int_equal(length, 0);
    assert_int_equal(knock(&s, start, &third), ERROR_REPLAY);
    /* A fresh HELLO with the same stamp is no better. */
    write_hello(&s, 0, 5000, 0);
    assert_int_equal(knock(&s, start, &third), ERROR_REPLAY);
    write_hello(&s, 1, 5000, 0);
    assert_int_equal(knock(&s, start, &third), OK);
    door_hello_deinit(&third);
    door_hello_deinit(&first);
    door_hello_deinit(&second);
    tear_down(&s);
}

static void test_strangers(void **state)
{
    struct door_hello hello;
    struct scene s;
    (void)state;

    set_up(&s);
    write_hello(&s, 2, 5000, 0);
    assert_int_equal(knock(&s, start, &hello), ERROR_NOT_FOUND);
    write_hello(&s, 0, 5000, SERVER_ID + 1);
    assert_int_equal(knock(&s, start, &hello), ERROR_DENIED);
    s.hello[0] = 0x16; /* a TLS handshake, say */
    assert_int_equal(knock(&s, start, &hello), ERROR_MALFORMED);
    tear_down(&s);
}

static void test_truncation_costs_nothing(void **state)
{
    struct door_hello hello;
    struct scene s;
    size_t whole;
    (void)state;

    set_up(&s);
    write_hello(&s, 0, 5000, 0);
    whole = s.hello_length;
    for (s.hello_length = 0; s.hello_length < whole; s.hello_length++)
        for (unsigned again = 0; again < 10; again++)
            assert_int_equal(knock(&s, start, &hello), ERROR_TRUNCATED);
    expect_in(&s, start);
    tear_down(&s);
}

/* Clients that do not know the relay's key use up nothing that an honest neighbour needs.
 */
static void test_wrong_macs_are_free(void **state)
{
    struct door_hello hello;
    struct scene s;
    (void)state;

    set_up(&s);
    write_hello(&s, 0, 5000, 0);
    for (unsigned i = 0; i < 2 * DOOR_SOURCE_BURST; i++) {
        size_t at = 9 + i % (s.hello_length - 9);

        s.hello[at] ^= 0x40;
        assert_int_not_equal(knock(&s, start, &hello), OK);
        s.hello[at] ^= 0x40;
    }
    expect_in(&s, start);
    tear_down(&s);
}

static void test_costly_failures_are_limited(void **state)
{
    struct door_hello hello;
    struct scene s;
    (void)state;

    set_up(&s);
    write_hello(&s, 0, 5000, 0);
    be_answered(&s);
    write_hello(&s, 0, 5000, 0); /* the same stamp in a HELLO that was not answered */
    for (unsigned i = 0; i < DOOR_SOURCE_BURST; i++)
        assert_int_equal(knock(&s, start, &hello), ERROR_REPLAY);
    assert_int_equal(knock(&s, start, &hello), ERROR_LIMIT);

    write_hello(&s, 0, 6000, 0);
    assert_int_equal(knock(&s, start, &hello), ERROR_LIMIT);
    expect_in(&s, start + NS_PER_S);
    s.peer = address_of("192.0.2.2");
    expect_in(&s, start);
    tear_down(&s);
}

/* A recording of an answered HELLO is recognised before anything costly. */
static void test_replays_of_answered_hellos_are_free(void **state)
{
    struct door_hello hello;
    struct scene s;
    (void)state;

    set_up(&s);
    write_hello(&s, 1, 5000, 0);
    be_answered(&s);
    for (unsigned i = 0; i < 2 * (DOOR_SOURCE_BURST + DOOR_TOTAL_BURST); i++) {
        s.peer.bytes[3] = (uint8_t)i;
        assert_int_equal(knock(&s, start, &hello), ERROR_REPLAY);
        assert_int_equal(hello.client, 1);
    }
    write_hello(&s, 0, 6000, 0);
    expect_in(&s, start);
    tear_down(&s);
}

/* HELLOs that cost a key agreement each, 5,000 a second from 1,000 sources: who comes for
 * the first time, or has never failed, is let in. */
static void test_a_flood_of_failures_keeps_nobody_out(void **state)
{
    struct door_hello hello;
    struct scene s;
    unsigned agreements = 0;
    (void)state;

    set_up(&s);
    for (unsigned i = 0; i < 25000; i++) {
        uint64_t now = start + i * (NS_PER_S / 5000);
        int error;

        if (i % 500 == 499) {
            write_hello(&s, 0, 10000 + i, 0);
            s.peer = address_of("198.51.100.1");
            expect_in(&s, now);
        }
        if (i % 500 == 0 || i % 500 == 499)
            write_hello(&s, 2, 10000 + i, 0); /* a stranger's, again and again */
        s.peer = address_of("203.0.113.0");
        s.peer.bytes[2] = (uint8_t)(i % 1000 / 256);
        s.peer.bytes[3] = (uint8_t)(i % 1000);
        error = knock(&s, now, &hello);
        assert_true(error == ERROR_NOT_FOUND || error == ERROR_LIMIT);
        agreements += error == ERROR_NOT_FOUND;
    }
    /* In 5 s, at most both buckets and what comes back meanwhile. */
    assert_in_range(agreements, 1000,
                    2 * DOOR_TOTAL_BURST + 10 * DOOR_TOTAL_PER_MINUTE / 60);
    tear_down(&s);
}

/* A configured rate also bounds what may come at once. */
static void test_rate_of_a_source(void **state)
{
    struct door_hello hello;
    struct door_config config;
    struct scene s;
    (void)state;

    set_up(&s);
    config = (struct door_config){.relay = &s.relay, .clients = s.clients,
                                  .server_id = SERVER_ID, .source_per_minute = 3};
    door_free(s.door);
    s.door = door_new(&config);
    assert_non_null(s.door);
    write_hello(&s, 2, 5000, 0); /* a client that is not listed */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(knock(&s, start, &hello), ERROR_NOT_FOUND);
    assert_int_equal(knock(&s, start, &hello), ERROR_LIMIT);
    assert_int_equal(knock(&s, start + 19 * NS_PER_S, &hello), ERROR_LIMIT);
    assert_int_equal(knock(&s, start + 20 * NS_PER_S, &hello), ERROR_NOT_FOUND);
    assert_int_equal(knock(&s, start + 20 * NS_PER_S, &hello), ERROR_LIMIT);
    tear_down(&s);
}

static void test_successes_are_not_counted(void **state)
{
    struct scene s;
    (void)state;

    set_up(&s);
    write_hello(&s, 0, 5000, 0);
    for (unsigned i = 0; i < DOOR_SOURCE_BURST + 10; i++)
        expect_in(&s, start);
    tear_down(&s);
}

static void test_silence(void **state)
{
    static const uint64_t randoms[] = {0, 1, 20 * NS_PER_S, 20 * NS_PER_S + 1, UINT64_MAX};
    struct scene s;
    (void)state;

    set_up(&s);
    for (size_t i = 0; i < ARRAY_LENGTH(randoms); i++) {
        struct door *door = make_door(&s, randoms[i]);

        assert_in_range(door_silence_ns(door), DOOR_SILENCE_MIN_NS, DOOR_SILENCE_MAX_NS);
        door_free(door);
    }
    assert_int_equal(door_silence_ns(s.door), DOOR_SILENCE_MIN_NS);
    door_free(NULL);
    tear_down(&s);
}

static void test_reload(void **state)
{
    struct client_table *clients;
    struct door_hello hello;
    struct scene s;
    (void)state;

    set_up(&s);
    clients = client_table_new();
    assert_int_equal(client_table_add(clients, s.locals[2].public_key), 0);
    client_table_inherit(clients, s.clients);
    door_set_clients(s.door, clients);
    client_table_free(s.clients);
    s.clients = clients;
    write_hello(&s, 0, 5000, 0);
    assert_int_equal(knock(&s, start, &hello), ERROR_NOT_FOUND);
    write_hello(&s, 2, 5000, 0);
    assert_int_equal(knock(&s, start, &hello), OK);
    assert_int_equal(hello.client, 0);
    door_hello_deinit(&hello);
    tear_down(&s);
}

UNIT_MAIN(cmocka_unit_test(test_replays_of_answered_hellos_are_free),
          cmocka_unit_test(test_a_flood_of_failures_keeps_nobody_out),
          cmocka_unit_test(test_client_is_let_in), cmocka_unit_test(test_replay),
          cmocka_unit_test(test_strangers), cmocka_unit_test(test_truncation_costs_nothing),
          cmocka_unit_test(test_wrong_macs_are_free),
          cmocka_unit_test(test_costly_failures_are_limited),
          cmocka_unit_test(test_rate_of_a_source),
          cmocka_unit_test(test_successes_are_not_counted), cmocka_unit_test(test_silence),
          cmocka_unit_test(test_reload))
