/* SPDX-License-Identifier: MIT */
/*
 * Both sides of SOCKS5. The first byte of the input chooses the side, whether there is
 * authentication, and into what pieces the rest is cut; the pieces must make no difference.
 * If it is 0xff, the rest is a datagram of a client.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/proxy/socks5_client.h>
#include <splitsocks/proxy/socks5_udp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More than either side ever says; a longer answer would be a finding. */
struct transcript {
    size_t consumed;
    size_t length;
    uint8_t output[2048];
};

static void say(struct transcript *transcript, const uint8_t *output, size_t length)
{
    assert(length <= sizeof(transcript->output) - transcript->length);
    if (length > 0)
        memcpy(transcript->output + transcript->length, output, length);
    transcript->length += length;
}

static void serve(struct socks5 *server, struct transcript *transcript, const uint8_t *data,
                  size_t size, size_t piece)
{
    for (size_t at = 0, end = 0; end < size;) {
        size_t taken;
        size_t length;
        const uint8_t *output;

        end = MIN(size, end + piece);
        do {
            taken = socks5_receive(server, data + at, end - at);
            assert(taken <= end - at);
            at += taken;
            output = socks5_output(server, &length);
            say(transcript, output, length);
            socks5_sent(server);
        } while (taken > 0);
        transcript->consumed = at;
    }
}

static void check_target(const struct target *target)
{
    assert(target->port != 0);
    assert(memchr(target->name, '\0', sizeof(target->name)) != NULL);
    assert((target->address_count == 0) == (target->name[0] != '\0'));
    for (const char *c = target->name; *c != '\0'; c++)
        assert((unsigned char)*c > 0x20 && *c != 0x7f);
}

static void fuzz_server(bool authentication, size_t piece, const uint8_t *data, size_t size)
{
    static const struct socks5_user users[] = {{"ann", "secret"}, {"bob", ""}};
    struct socks5 whole;
    struct socks5 pieces;
    struct transcript at_once = {0};
    struct transcript bit_by_bit = {0};
    struct target target;
    struct target same;

    socks5_init(&whole, users, authentication ? ARRAY_LENGTH(users) : 0);
    socks5_init(&pieces, users, authentication ? ARRAY_LENGTH(users) : 0);
    serve(&whole, &at_once, data, size, MAX(size, 1));
    serve(&pieces, &bit_by_bit, data, size, piece);

    assert(socks5_state(&whole) == socks5_state(&pieces));
    assert(at_once.length == bit_by_bit.length);
    assert(memcmp(at_once.output, bit_by_bit.output, at_once.length) == 0);
    if (socks5_state(&whole) == SOCKS5_CONNECT) {
        assert(at_once.consumed == bit_by_bit.consumed);
        socks5_target(&whole, &target);
        check_target(&target);
        socks5_target(&pieces, &same);
        assert(strcmp(target.name, same.name) == 0 && target.port == same.port);
        assert(target.address_count == same.address_count);
    }
    if (socks5_state(&whole) == SOCKS5_ASSOCIATE)
        assert(socks5_client_port(&whole) == socks5_client_port(&pieces));
    if (socks5_state(&whole) == SOCKS5_REFUSED)
        assert(strcmp(socks5_refusal(&whole), socks5_refusal(&pieces)) == 0);
}

static void ask(struct socks5_client *client, struct transcript *transcript,
                const uint8_t *data, size_t size, size_t piece)
{
    for (size_t at = 0, end = 0; end < size;) {
        size_t taken;
        size_t length;
        const uint8_t *output;

        end = MIN(size, end + piece);
        do {
            output = socks5_client_output(client, &length);
            say(transcript, output, length);
            socks5_client_sent(client);
            taken = socks5_client_receive(client, data + at, end - at);
            assert(taken <= end - at);
            at += taken;
        } while (taken > 0);
        transcript->consumed = at;
    }
}

static void fuzz_client(bool authentication, size_t piece, const uint8_t *data, size_t size)
{
    const char *user = authentication ? "ann" : NULL;
    const char *password = authentication ? "secret" : NULL;
    struct socks5_client whole;
    struct socks5_client pieces;
    struct transcript at_once = {0};
    struct transcript bit_by_bit = {0};
    int code = socks5_client_init(&whole, "host.example.org", 22, user, password);

    assert(code == OK);
    code = socks5_client_init(&pieces, "host.example.org", 22, user, password);
    assert(code == OK);
    ask(&whole, &at_once, data, size, MAX(size, 1));
    ask(&pieces, &bit_by_bit, data, size, piece);

    /* The output may differ when the proxy answers before it is asked. */
    assert(socks5_client_state(&whole) == socks5_client_state(&pieces));
    if (socks5_client_state(&whole) == SOCKS5_CLIENT_OPEN)
        assert(at_once.consumed == bit_by_bit.consumed);
    if (socks5_client_state(&whole) == SOCKS5_CLIENT_FAILED)
        assert(socks5_client_failure(&whole)[0] != '\0');
}

static void fuzz_datagram(const uint8_t *data, size_t size)
{
    uint8_t header[SOCKS5_UDP_HEADER_SIZE];
    struct target target, same;
    size_t data_at, length;

    memset(&target, 0, sizeof(target));
    if (socks5_udp_parse(data, size, &target, &data_at) != OK)
        return;
    assert(data_at <= size);
    check_target(&target);
    if (target.address_count == 0)
        return;
    length = socks5_udp_put(header, &target.addresses[0]);
    assert(socks5_udp_parse(header, length, &same, &data_at) == OK && data_at == length);
    assert(address_equal(&target.addresses[0], &same.addresses[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool authentication;
    size_t piece;

    if (size == 0)
        return 0;
    authentication = data[0] & 2;
    piece = 1 + (data[0] >> 2);
    if (data[0] == 0xff)
        fuzz_datagram(data + 1, size - 1);
    else if (data[0] & 1)
        fuzz_client(authentication, piece, data + 1, size - 1);
    else
        fuzz_server(authentication, piece, data + 1, size - 1);
    return 0;
}
