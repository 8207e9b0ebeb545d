/* SPDX-License-Identifier: MIT */
#include <splitsocks/wire/handshake.h>

#include <splitsocks/crypto/hash.h>

#include <assert.h>
#include <string.h>

#define PROLOGUE_LABEL "splitsocks"
#define MAC_LABEL "splitsocks hello"

#define ROUTE_SIZE 8
#define MAC_OFFSET (1 + ROUTE_SIZE)
#define LENGTH_OFFSET (MAC_OFFSET + HELLO_MAC_SIZE)
_Static_assert(LENGTH_OFFSET + 2 == HELLO_HEADER_SIZE, "the header's fields fill it");

/* Type, route and length: the header without the MAC. The MAC covers message 1, so it
 * cannot be in message 1's prologue. */
#define BOUND_SIZE (HELLO_HEADER_SIZE - HELLO_MAC_SIZE)
#define PROLOGUE_SIZE (sizeof(PROLOGUE_LABEL) - 1 + 1 + BOUND_SIZE)

#define OFFER_MAX (HELLO_MESSAGE_MAX - NOISE_MESSAGE_1_OVERHEAD)
#define ANSWER_PAYLOAD_MAX (ANSWER_MESSAGE_MAX - NOISE_MESSAGE_2_OVERHEAD)

uint64_t session_id_make(uint8_t server, uint8_t worker, const uint8_t random[6])
{
    uint64_t id = (uint64_t)server << 8 | worker;

    for (unsigned i = 0; i < 6; i++)
        id = id << 8 | random[i];
    return id;
}

/* ---- HELLO ---- */

static void copy_bound(uint8_t out[BOUND_SIZE], const uint8_t header[HELLO_HEADER_SIZE])
{
    memcpy(out, header, MAC_OFFSET);
    memcpy(out + MAC_OFFSET, header + LENGTH_OFFSET, 2);
}

static void write_prologue(uint8_t out[PROLOGUE_SIZE],
                           const uint8_t header[HELLO_HEADER_SIZE])
{
    struct wire_writer w;
    uint8_t bound[BOUND_SIZE];

    copy_bound(bound, header);
    wire_writer_init(&w, out, PROLOGUE_SIZE);
    wire_write_bytes(&w, PROLOGUE_LABEL, sizeof(PROLOGUE_LABEL) - 1);
    wire_write_u8(&w, WIRE_MAJOR);
    wire_write_bytes(&w, bound, sizeof(bound));
    assert(!w.failed && wire_room(&w) == 0);
}

int hello_mac_init(struct kdf *mac, const uint8_t relay_public_key[KEY_SIZE])
{
    static const uint8_t label[] = MAC_LABEL "\001";
    uint8_t secret[HASH_SIZE];
    int error;

    _Static_assert(WIRE_MAJOR == 1, "the label's last byte is the wire's major version");
    mac->context = NULL;
    error = hash_joined(secret, label, sizeof(label) - 1, relay_public_key, KEY_SIZE);
    if (error == OK)
        error = kdf_init(mac, secret);
    key_wipe(secret, sizeof(secret));
    return error;
}

/* Computes the MAC of a whole HELLO, and ignores the HELLO's own MAC field. */
static int compute_mac(struct kdf *mac, const uint8_t header[HELLO_HEADER_SIZE],
                       const uint8_t *message, size_t message_length,
                       uint8_t out[HELLO_MAC_SIZE])
{
    uint8_t covered[BOUND_SIZE + HELLO_MESSAGE_MAX];
    uint8_t full[KDF_OUTPUT_SIZE];
    int error;

    assert(message_length <= HELLO_MESSAGE_MAX);
    copy_bound(covered, header);
    memcpy(covered + BOUND_SIZE, message, message_length);
    error = kdf_mac(mac, covered, BOUND_SIZE + message_length, full);
    memcpy(out, full, HELLO_MAC_SIZE);
    return error;
}

/* Fills the header's MAC in place. */
static int write_mac(uint8_t *hello, size_t message_length,
                     const uint8_t relay_public_key[KEY_SIZE])
{
    struct kdf mac;
    int error = hello_mac_init(&mac, relay_public_key);

    if (error == OK)
        error = compute_mac(&mac, hello, hello + HELLO_HEADER_SIZE, message_length,
                            hello + MAC_OFFSET);
    kdf_deinit(&mac);
    return error;
}

int hello_write(struct noise *noise, struct wire_writer *out, const struct key_pair *local,
                const uint8_t relay_public_key[KEY_SIZE], const uint8_t ephemeral[KEY_SIZE],
                uint8_t server, const struct hello_offer *offer)
{
    uint8_t payload[OFFER_MAX];
    uint8_t prologue[PROLOGUE_SIZE];
    uint8_t hello[HELLO_MAX] = {HELLO_TYPE, server};
    struct wire_writer w;
    size_t message_length;
    int error;

    *noise = (struct noise){.messages = NOISE_DEAD};
    wire_writer_init(&w, payload, sizeof(payload));
    hello_offer_write(&w, offer);
    message_length = wire_length(&w) + NOISE_MESSAGE_1_OVERHEAD;
    if (w.failed || wire_room(out) < HELLO_HEADER_SIZE + message_length)
        return ERROR_LIMIT;
    hello[LENGTH_OFFSET] = (uint8_t)(message_length >> 8);
    hello[LENGTH_OFFSET + 1] = (uint8_t)message_length;
    write_prologue(prologue, hello);

    error = noise_init_initiator(noise, prologue, sizeof(prologue), local, ephemeral,
                                 relay_public_key);
    if (error == OK)
        error =
            noise_write_message(noise, payload, wire_length(&w), hello + HELLO_HEADER_SIZE);
    if (error == OK)
        error = write_mac(hello, message_length, relay_public_key);
    if (error == OK)
        wire_write_bytes(out, hello, HELLO_HEADER_SIZE + message_length);
    return error;
}

int hello_read_header(struct wire_reader *in, struct hello_header *header)
{
    size_t available = wire_remaining(in);
    const uint8_t *raw = in->at;
    size_t length;

    if (available > 0 && raw[0] != HELLO_TYPE)
        return ERROR_MALFORMED;
    for (size_t i = 2; i < MAC_OFFSET && i < available; i++)
        if (raw[i] != 0)
            return ERROR_MALFORMED;
    if (available < HELLO_HEADER_SIZE)
        return ERROR_TRUNCATED;
    length = (size_t)raw[LENGTH_OFFSET] << 8 | raw[LENGTH_OFFSET + 1];
    if (length < NOISE_MESSAGE_1_OVERHEAD || length > HELLO_MESSAGE_MAX)
        return ERROR_MALFORMED;
    if (available < HELLO_HEADER_SIZE + length)
        return ERROR_TRUNCATED;

    header->server = raw[1];
    memcpy(header->mac, raw + MAC_OFFSET, HELLO_MAC_SIZE);
    header->raw = wire_read_bytes(in, HELLO_HEADER_SIZE);
    header->message = wire_read_bytes(in, length);
    header->message_length = length;
    return OK;
}

int hello_check_mac(struct kdf *mac, const struct hello_header *header)
{
    uint8_t expected[HELLO_MAC_SIZE];
    int error =
        compute_mac(mac, header->raw, header->message, header->message_length, expected);

    if (error != OK)
        return error;
    return hash_equal(expected, header->mac, HELLO_MAC_SIZE) ? OK : ERROR_AUTHENTICATION;
}

int hello_open(struct noise *noise, const struct hello_header *header,
               const struct key_pair *relay, const uint8_t ephemeral[KEY_SIZE],
               struct hello_offer *offer)
{
    uint8_t prologue[PROLOGUE_SIZE];
    uint8_t payload[OFFER_MAX];
    struct wire_reader r;
    int error;

    assert(header->message_length <= HELLO_MESSAGE_MAX);
    write_prologue(prologue, header->raw);
    error = noise_init_responder(noise, prologue, sizeof(prologue), relay, ephemeral);
    if (error == OK)
        error = noise_read_message(noise, header->message, header->message_length, payload);
    if (error != OK)
        return error;
    wire_reader_init(&r, payload, header->message_length - NOISE_MESSAGE_1_OVERHEAD);
    return hello_offer_read(&r, offer);
}

/* ---- the answer ---- */

int hello_write_answer(struct noise *noise, struct wire_writer *out,
                       const struct hello_answer *answer, struct session_keys *keys)
{
    uint8_t payload[ANSWER_PAYLOAD_MAX];
    uint8_t message[ANSWER_MESSAGE_MAX];
    struct wire_writer w;
    size_t length;
    int error;

    wire_writer_init(&w, payload, sizeof(payload));
    hello_answer_write(&w, answer);
    length = wire_length(&w) + NOISE_MESSAGE_2_OVERHEAD;
    if (w.failed || wire_room(out) < 2 + length)
        return ERROR_LIMIT;
    error = noise_write_message(noise, payload, wire_length(&w), message);
    if (error == OK)
        error = session_keys_init(keys, noise, answer->minor, answer->cipher);
    if (error != OK)
        return error;
    wire_write_u16(out, (uint16_t)length);
    wire_write_bytes(out, message, length);
    return OK;
}

/* Whether the answer chooses only what was offered. */
static bool answer_fits(const struct hello_answer *answer, const struct hello_offer *offer)
{
    bool resume_fits = offer->resume == 0 ? answer->resume == RESUME_NEW
                                          : answer->resume == RESUME_RESUMED ||
                                                answer->resume == RESUME_UNKNOWN;
    bool cipher_fits = (answer->cipher == CIPHER_CHACHA20_POLY1305 ||
                        answer->cipher == CIPHER_AES_256_GCM) &&
                       (offer->ciphers & CIPHER_BIT(answer->cipher)) != 0;

    return resume_fits && cipher_fits && answer->minor <= offer->minor &&
           (answer->features & ~offer->features) == 0 && answer->session_id != 0;
}

static int open_answer(struct noise *noise, const uint8_t *message, size_t length,
                       const struct hello_offer *offer, struct hello_answer *answer,
                       struct session_keys *keys)
{
    uint8_t payload[ANSWER_PAYLOAD_MAX];
    struct wire_reader r;
    int error = noise_read_message(noise, message, length, payload);

    if (error != OK)
        return error;
    wire_reader_init(&r, payload, length - NOISE_MESSAGE_2_OVERHEAD);
    error = hello_answer_read(&r, answer);
    if (error != OK)
        return error;
    if (!answer_fits(answer, offer))
        return ERROR_PROTOCOL;
    return session_keys_init(keys, noise, answer->minor, answer->cipher);
}

int hello_read_answer(struct noise *noise, struct wire_reader *in,
                      const struct hello_offer *offer, struct hello_answer *answer,
                      struct session_keys *keys)
{
    size_t length;
    int error = ERROR_MALFORMED;

    if (wire_remaining(in) < 2)
        return ERROR_TRUNCATED;
    length = wire_read_u16(in);
    if (length >= NOISE_MESSAGE_2_OVERHEAD && length <= ANSWER_MESSAGE_MAX) {
        if (wire_remaining(in) < length)
            return ERROR_TRUNCATED;
        error =
            open_answer(noise, wire_read_bytes(in, length), length, offer, answer, keys);
    }
    if (error != OK)
        noise_deinit(noise);
    return error;
}

/* ---- JOIN ---- */

void join_write(struct wire_writer *out, uint64_t session_id, uint64_t number)
{
    assert(session_id != 0 && number != 0);
    if (wire_room(out) < 1 + 8 + wire_varint_length(number)) {
        out->failed = true;
        return;
    }
    wire_write_u8(out, JOIN_TYPE);
    wire_write_u64(out, session_id);
    wire_write_varint(out, number);
}

int join_read(struct wire_reader *in, struct join *join)
{
    const uint8_t *raw = in->at;

    if (wire_remaining(in) > 0 && raw[0] != JOIN_TYPE)
        return ERROR_MALFORMED;
    (void)wire_read_u8(in);
    join->session_id = wire_read_u64(in);
    join->number = wire_read_varint(in);
    if (!wire_ok(in))
        return ERROR_TRUNCATED;
    if (join->session_id == 0 || join->number == 0)
        return ERROR_MALFORMED;
    join->raw = raw;
    join->raw_length = (size_t)(in->at - raw);
    return OK;
}
