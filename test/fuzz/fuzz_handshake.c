/*
 * What opens a subflow, as the relay and local read it before anyone has proved anything.
 * The first byte of the input chooses the parser. What is accepted comes out the same when
 * it is written and read again, and every prefix of it asks for more.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <splitsocks/handshake.h>

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

/* Behind the MAC: a HELLO that only someone who knows the relay's key can send. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(const uint8_t *, size_t) = {
        fuzz_hello, fuzz_open, fuzz_offer, fuzz_answer, fuzz_join,
    };

    if (size > 0)
        parsers[data[0] % ARRAY_LENGTH(parsers)](data + 1, size - 1);
    return 0;
}
