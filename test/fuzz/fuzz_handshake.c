/* SPDX-License-Identifier: MIT */
/*
 * The bytes that open a subflow, as the relay and local read them before anyone has proved
 * anything. The first byte of the input chooses the parser. An input that is accepted comes
 * out the same when it is written and read again, and every prefix of it asks for more.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <splitsocks/gate/door.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The relay that the HELLOs of the corpus are meant for: its private key is 32 times 7. */
static int relay_key_pair(struct key_pair *relay)
{
    uint8_t private_key[KEY_SIZE];

    memset(private_key, 7, sizeof(private_key));
    return key_pair_init(relay, private_key);
}

static void fuzz_hello(const uint8_t *data, size_t size)
{
    struct wire_reader in;
    struct wire_reader shorter;
    struct hello_header header;
    struct hello_header unused;

    wire_reader_init(&in, data, size);
    if (hello_read_header(&in, &header) != OK)
        return;
    assert(header.raw == data && header.message == data + HELLO_HEADER_SIZE);
    assert(header.message_length <= HELLO_MESSAGE_MAX);
    assert(HELLO_HEADER_SIZE + header.message_length + wire_remaining(&in) == size);
    wire_reader_init(&shorter, data, HELLO_HEADER_SIZE + header.message_length - 1);
    assert(hello_read_header(&shorter, &unused) == ERROR_TRUNCATED);
}

static void check_answer(struct noise *noise, const struct hello_offer *offer)
{
    struct hello_answer answer = {.resume = RESUME_NEW, .session_id = UINT64_C(1) << 56};
    struct session_keys keys;
    struct wire_writer out;
    uint8_t buffer[ANSWER_MAX];

    wire_writer_init(&out, buffer, sizeof(buffer));
    if (hello_agree(offer, &answer) != OK ||
        hello_write_answer(noise, &out, &answer, &keys) != OK)
        return;
    assert(!out.failed && answer.minor <= offer->minor);
    assert((offer->ciphers & CIPHER_BIT(answer.cipher)) != 0);
    session_keys_deinit(&keys);
}

/* Behind the MAC: a HELLO that only a client that knows the relay's key can send. */
static void fuzz_open(const uint8_t *data, size_t size)
{
    static const uint8_t ephemeral[KEY_SIZE] = {9};
    struct wire_reader in;
    struct hello_header header;
    struct hello_offer offer;
    struct key_pair relay;
    struct noise noise;

    wire_reader_init(&in, data, size);
    if (hello_read_header(&in, &header) != OK || relay_key_pair(&relay) != OK)
        return;
    if (hello_open(&noise, &header, &relay, ephemeral, &offer) == OK)
        check_answer(&noise, &offer);
    noise_deinit(&noise);
}

static void fuzz_offer(const uint8_t *data, size_t size)
{
    struct hello_offer offer;
    struct hello_offer again;
    struct wire_reader in;
    struct wire_writer out;
    uint8_t buffer[HELLO_MESSAGE_MAX];

    memset(&offer, 0, sizeof(offer));
    memset(&again, 0, sizeof(again));
    wire_reader_init(&in, data, size);
    if (hello_offer_read(&in, &offer) != OK)
        return;
    wire_writer_init(&out, buffer, sizeof(buffer));
    hello_offer_write(&out, &offer);
    assert(!out.failed);
    wire_reader_init(&in, buffer, wire_length(&out));
    assert(hello_offer_read(&in, &again) == OK && wire_remaining(&in) == 0);
    assert(memcmp(&offer, &again, sizeof(offer)) == 0);
}

static void fuzz_answer(const uint8_t *data, size_t size)
{
    struct hello_answer answer;
    struct hello_answer again;
    struct wire_reader in;
    struct wire_writer out;
    uint8_t buffer[ANSWER_MAX];

    memset(&answer, 0, sizeof(answer));
    memset(&again, 0, sizeof(again));
    wire_reader_init(&in, data, size);
    if (hello_answer_read(&in, &answer) != OK)
        return;
    wire_writer_init(&out, buffer, sizeof(buffer));
    hello_answer_write(&out, &answer);
    assert(!out.failed);
    wire_reader_init(&in, buffer, wire_length(&out));
    assert(hello_answer_read(&in, &again) == OK && wire_remaining(&in) == 0);
    assert(memcmp(&answer, &again, sizeof(answer)) == 0);
}

static void fuzz_join(const uint8_t *data, size_t size)
{
    struct join join;
    struct join again;
    struct wire_reader in;
    struct wire_writer out;
    uint8_t buffer[JOIN_HEADER_MAX];

    wire_reader_init(&in, data, size);
    if (join_read(&in, &join) != OK)
        return;
    assert(join.raw == data && join.raw_length <= JOIN_HEADER_MAX);
    assert(join.session_id != 0 && join.number != 0);
    wire_reader_init(&in, data, join.raw_length - 1);
    assert(join_read(&in, &again) == ERROR_TRUNCATED);
    wire_writer_init(&out, buffer, sizeof(buffer));
    join_write(&out, join.session_id, join.number);
    wire_reader_init(&in, buffer, wire_length(&out));
    assert(join_read(&in, &again) == OK);
    assert(again.session_id == join.session_id && again.number == join.number);
}

static struct door *new_door(struct client_table *clients)
{
    static struct key_pair relay;
    const struct door_config config = {.relay = &relay, .clients = clients, .server_id = 1};
    struct door *door;

    if (clients == NULL || relay_key_pair(&relay) != OK)
        abort();
    door = door_new(&config);
    if (door == NULL)
        abort();
    return door;
}

/* A relay without clients lets nobody in, whatever comes; and bytes that come one by one
 * are judged as the same bytes at once. */
static void fuzz_door(const uint8_t *data, size_t size)
{
    static const uint8_t ephemeral[KEY_SIZE] = {9};
    const struct address peer = {.family = ADDRESS_IPV4, .bytes = {192, 0, 2, 1}};
    struct client_table *clients = client_table_new();
    struct door *door = new_door(clients);
    struct door_hello hello;
    struct wire_reader in;
    int whole;

    wire_reader_init(&in, data, size);
    whole = door_hello(door, &peer, &in, ephemeral, 0, &hello);
    assert(whole != OK && whole != ERROR_REPLAY && whole != ERROR_LIMIT);
    for (size_t length = 0; length < MIN(size, HELLO_HEADER_SIZE); length++) {
        int error;

        wire_reader_init(&in, data, length);
        error = door_hello(door, &peer, &in, ephemeral, 0, &hello);
        assert(error == ERROR_TRUNCATED || error == whole);
    }
    door_free(door);
    client_table_free(clients);
}

/* Local waits for an answer; nobody but the relay can make one. */
static void fuzz_read_answer(const uint8_t *data, size_t size)
{
    static const uint8_t ephemeral[KEY_SIZE] = {8};
    static struct noise waiting;
    static struct hello_offer offer;
    struct hello_answer answer;
    struct session_keys keys;
    struct wire_reader in;
    struct noise noise;
    int error;

    if (offer.ciphers == 0) {
        uint8_t hello[HELLO_MAX];
        struct wire_writer out;
        struct key_pair pair;

        offer.ciphers = ciphers_supported();
        wire_writer_init(&out, hello, sizeof(hello));
        if (relay_key_pair(&pair) != OK ||
            hello_write(&waiting, &out, &pair, pair.public_key, ephemeral, 0, &offer) != OK)
            abort();
    }
    noise = waiting;
    wire_reader_init(&in, data, size);
    error = hello_read_answer(&noise, &in, &offer, &answer, &keys);
    assert(error == ERROR_TRUNCATED || error == ERROR_MALFORMED ||
           error == ERROR_AUTHENTICATION);
    assert(error == ERROR_TRUNCATED || noise.messages == NOISE_DEAD);
    noise_deinit(&noise);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(const uint8_t *, size_t) = {
        fuzz_hello, fuzz_open, fuzz_offer,       fuzz_answer,
        fuzz_join,  fuzz_door, fuzz_read_answer,
    };

    if (size > 0)
        parsers[data[0] % ARRAY_LENGTH(parsers)](data + 1, size - 1);
    return 0;
}
