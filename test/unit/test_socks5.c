/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/proxy/socks5.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static const struct socks5_user users[] = {{"ann", "secret"}, {"bob", ""}};

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* The end of a conversation. */
struct outcome {
    enum socks5_state state;
    size_t used;
    uint8_t output[512];
    size_t output_length;
    char refusal[80];
    struct target target;
    uint16_t client_port;
};

/* Feeds `input` in pieces of `piece` bytes, until the state is decided. */
static void converse(struct outcome *outcome, bool with_users, const uint8_t *input,
                     size_t length, size_t piece)
{
    struct socks5 s;
    size_t part;

    memset(outcome, 0, sizeof(*outcome));
    socks5_init(&s, with_users ? users : NULL, with_users ? 2 : 0);
    for (size_t at = 0; at < length && socks5_state(&s) == SOCKS5_NEGOTIATING; at += part) {
        size_t output_length, used;
        const uint8_t *output;

        part = MIN(piece, length - at);
        used = socks5_receive(&s, input + at, part);
        outcome->used += used;
        if (socks5_state(&s) == SOCKS5_NEGOTIATING)
            assert_int_equal(used, part);
        output = socks5_output(&s, &output_length);
        assert_true(outcome->output_length + output_length <= sizeof(outcome->output));
        if (output_length > 0)
            memcpy(outcome->output + outcome->output_length, output, output_length);
        outcome->output_length += output_length;
        socks5_sent(&s);
    }
    outcome->state = socks5_state(&s);
    if (outcome->state == SOCKS5_CONNECT)
        socks5_target(&s, &outcome->target);
    if (outcome->state == SOCKS5_ASSOCIATE)
        outcome->client_port = socks5_client_port(&s);
    if (outcome->state == SOCKS5_REFUSED)
        snprintf(outcome->refusal, sizeof(outcome->refusal), "%s", socks5_refusal(&s));
}

static void check_output(const struct outcome *outcome, const uint8_t *expected,
                         size_t length)
{
    assert_int_equal(outcome->output_length, length);
    assert_memory_equal(outcome->output, expected, length);
}

static void check_address(const struct outcome *outcome, const char *text)
{
    char actual[ADDRESS_TEXT_SIZE];

    assert_int_equal(outcome->state, SOCKS5_CONNECT);
    assert_int_equal(outcome->target.address_count, 1);
    assert_string_equal(outcome->target.name, "");
    assert_string_equal(address_format(&outcome->target.addresses[0], actual), text);
}

static void test_connect_by_address(void **state)
{
    struct outcome o;
    (void)state;

    converse(&o, false, BYTES("\5\1\0\5\1\0\1\300\0\2\7\1\273"), 100);
    check_address(&o, "192.0.2.7:443");
    check_output(&o, BYTES("\5\0"));
    assert_int_equal(o.target.port, 443);

    converse(&o, false, BYTES("\5\1\0\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x50"),
             100);
    check_address(&o, "[2001:db8::1]:80");

    /* IPv4-mapped. */
    converse(&o, false, BYTES("\5\1\0\5\1\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\300\0\2\7\0\x50"),
             100);
    check_address(&o, "192.0.2.7:80");
}

static void test_connect_by_name(void **state)
{
    struct outcome o;
    (void)state;

    converse(&o, false, BYTES("\5\2\1\0\5\1\0\3\13example.org\0\x50"), 100);
    assert_int_equal(o.state, SOCKS5_CONNECT);
    assert_int_equal(o.target.address_count, 0);
    assert_string_equal(o.target.name, "example.org");
    assert_int_equal(o.target.port, 80);

    /* Literals given as names. */
    converse(&o, false,
             BYTES("\5\1\0\5\1\0\3\11"
                   "192.0.2.7\0\x50"),
             100);
    check_address(&o, "192.0.2.7:80");
    converse(&o, false,
             BYTES("\5\1\0\5\1\0\3\13"
                   "2001:db8::1\0\x50"),
             100);
    check_address(&o, "[2001:db8::1]:80");
    converse(&o, false, BYTES("\5\1\0\5\1\0\3\20::ffff:192.0.2.7\0\x50"), 100);
    check_address(&o, "192.0.2.7:80");
}

static void test_longest_name(void **state)
{
    uint8_t input[3 + 5 + 255 + 2] = {5, 1, 0, 5, 1, 0, 3, 255};
    struct outcome o;
    (void)state;

    memset(input + 8, 'a', 255);
    input[sizeof(input) - 1] = 80;
    converse(&o, false, input, sizeof(input), 7);
    assert_int_equal(o.state, SOCKS5_CONNECT);
    assert_int_equal(strlen(o.target.name), 255);
}

static void test_password(void **state)
{
    struct outcome o;
    (void)state;

    converse(&o, true, BYTES("\5\2\0\2\1\3ann\6secret\5\1\0\1\300\0\2\7\1\273"), 100);
    check_address(&o, "192.0.2.7:443");
    check_output(&o, BYTES("\5\2\1\0"));
    converse(&o, true, BYTES("\5\1\2\1\3bob\0\5\1\0\1\300\0\2\7\1\273"), 100);
    check_address(&o, "192.0.2.7:443");
}

/* Some clients have only this method, and some an empty password. */
static void test_any_password_where_none_is_asked_for(void **state)
{
    struct outcome o;
    (void)state;

    converse(&o, false, BYTES("\5\1\2\1\3ann\1x\5\1\0\1\300\0\2\7\1\273"), 100);
    check_address(&o, "192.0.2.7:443");
    check_output(&o, BYTES("\5\2\1\0"));
    converse(&o, false, BYTES("\5\2\1\2\1\0\0\5\1\0\1\300\0\2\7\1\273"), 100);
    check_address(&o, "192.0.2.7:443");
    check_output(&o, BYTES("\5\2\1\0"));
    /* Without authentication goes first. */
    converse(&o, false, BYTES("\5\2\2\0\5\1\0\1\300\0\2\7\1\273"), 100);
    check_output(&o, BYTES("\5\0"));
    converse(&o, false, BYTES("\5\1\2\2\3ann\1x"), 100); /* no RFC 1929 */
    assert_int_equal(o.state, SOCKS5_REFUSED);
    check_output(&o, BYTES("\5\2\1\1"));
}

static void test_wrong_password(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } wrong[] = {
        {"\1\3ann\6secreT", 12},   {"\1\3ann\5secre", 11},  {"\1\3ann\7secrets", 13},
        {"\1\3ann\0", 6},          {"\1\2an\6secret", 11},  {"\1\3bob\6secret", 12},
        {"\1\0\6secret", 9},       {"\2\3ann\6secret", 12}, {"\1\3ann\7secret\0", 13},
        {"\1\4ann\0\6secret", 13},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        uint8_t input[64] = {5, 1, 2};
        struct outcome o;

        memcpy(input + 3, wrong[i].bytes, wrong[i].length);
        converse(&o, true, input, 3 + wrong[i].length, 100);
        assert_int_equal(o.state, SOCKS5_REFUSED);
        check_output(&o, BYTES("\5\2\1\1"));
        assert_string_equal(o.refusal, "wrong user name or password");
    }
}

static void test_no_acceptable_method(void **state)
{
    struct outcome o;
    (void)state;

    converse(&o, true, BYTES("\5\2\0\1"), 100);
    assert_int_equal(o.state, SOCKS5_REFUSED);
    check_output(&o, BYTES("\5\377"));
    converse(&o, false, BYTES("\5\2\1\3"), 100);
    assert_int_equal(o.state, SOCKS5_REFUSED);
    check_output(&o, BYTES("\5\377"));
    converse(&o, false, BYTES("\5\0"), 100);
    assert_int_equal(o.state, SOCKS5_REFUSED);
    check_output(&o, BYTES("\5\377"));
}

/* The client may say from where it will send: the port counts, no address does. */
static void test_associations(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        uint16_t port;
    } requests[] = {
        {"\5\3\0\1\0\0\0\0\0\0", 10, 0},
        {"\5\3\0\1\300\0\2\7\1\273", 10, 443},
        {"\5\3\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\65", 22, 53},
        {"\5\3\0\3\1a\2\0", 8, 512},
        {"\5\3\0\3\0\0\0", 7, 0}, /* an empty name */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++)
        for (size_t piece = 1; piece < 32; piece++) {
            uint8_t input[64] = {5, 1, 0};
            struct outcome o;

            memcpy(input + 3, requests[i].bytes, requests[i].length);
            converse(&o, false, input, 3 + requests[i].length, piece);
            assert_int_equal(o.state, SOCKS5_ASSOCIATE);
            assert_int_equal(o.client_port, requests[i].port);
            check_output(&o, BYTES("\5\0"));
        }
}

static void test_refused_requests(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        uint8_t code;
    } requests[] = {
        {"\5\2\0\1\300\0\2\7\1\273", 10, 7},  /* BIND */
        {"\5\11\0\1\300\0\2\7\1\273", 10, 7}, /* unknown command */
        {"\5\1\0\2\300\0\2\7\1\273", 10, 8},  /* unknown address type */
        {"\4\1\0\1\300\0\2\7\1\273", 10, 1},  /* another version */
        {"\5\1\0\1\300\0\2\7\0\0", 10, 1},    /* port 0 */
        {"\5\1\0\3\0\0\120", 7, 4},           /* empty name */
        {"\5\1\0\3\3a\0b\0\120", 10, 4},      /* NUL inside */
        {"\5\1\0\3\3a\nb\0\120", 10, 4},      /* newline */
        {"\5\1\0\3\3a b\0\120", 10, 4},       /* space */
        {"\5\1\0\3\3a\177b\0\120", 10, 4},    /* delete */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
        uint8_t input[64] = {5, 1, 0};
        uint8_t expected[12] = {5, 0, 5, requests[i].code, 0, 1};
        struct outcome o;

        memcpy(input + 3, requests[i].bytes, requests[i].length);
        converse(&o, false, input, 3 + requests[i].length, 100);
        assert_int_equal(o.state, SOCKS5_REFUSED);
        assert_int_equal(o.used, 3 + requests[i].length); /* the rest is discarded */
        check_output(&o, expected, sizeof(expected));
    }
}

static void test_foreign_protocols(void **state)
{
    static const struct {
        const char *bytes;
        const char *refusal;
        const char *output;
        size_t output_length;
    } foreign[] = {
        {"\4\1\1\273", "a SOCKS4 client; this is a SOCKS5 port", "\0\x5b\0\0\0\0\0\0", 8},
        {"GET / HTTP/1.1\r\n", "an HTTP request; this is a SOCKS5 port", "HTTP/1.1 400 ",
         13},
        {"CONNECT a:1 HTTP/1.1\r\n", "an HTTP request; this is a SOCKS5 port",
         "HTTP/1.1 400 ", 13},
        {"PROPFIND / HTTP/1.1", "an HTTP request; this is a SOCKS5 port", "HTTP/1.1 400 ",
         13},
        {"\x16\3\1\2", "a TLS connection; this is a SOCKS5 port", "", 0},
        {"SSH-2.0-x", "not a SOCKS5 client", "", 0},
        {"GETX", "not a SOCKS5 client", "", 0},
        {"\x16\2", "not a SOCKS5 client", "", 0},
        {"\377\377\377\377", "not a SOCKS5 client", "", 0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(foreign); i++)
        for (size_t piece = 1; piece <= 16; piece += 5) {
            struct outcome o;

            converse(&o, false, (const uint8_t *)foreign[i].bytes, strlen(foreign[i].bytes),
                     piece);
            assert_int_equal(o.state, SOCKS5_REFUSED);
            assert_string_equal(o.refusal, foreign[i].refusal);
            assert_true(o.output_length >= foreign[i].output_length);
            assert_true(foreign[i].output_length > 0 || o.output_length == 0);
            assert_memory_equal(o.output, foreign[i].output, foreign[i].output_length);
        }
}

/* The answer's Content-Length is that of its body. */
static void test_http_answer_is_well_formed(void **state)
{
    struct outcome o;
    char *body, *length;
    (void)state;

    converse(&o, false, BYTES("GET / HTTP/1.1\r\n\r\n"), 100);
    o.output[o.output_length] = '\0';
    body = strstr((char *)o.output, "\r\n\r\n");
    length = strstr((char *)o.output, "Content-Length: ");
    assert_non_null(body);
    assert_non_null(length);
    assert_int_equal(strtol(length + 16, NULL, 10), strlen(body + 4));
}

/* Whatever the pieces, the outcome is the same, and data behind the request is left. */
static void test_any_split_is_the_same(void **state)
{
    static const uint8_t input[] =
        "\5\3\0\1\2\1\3ann\6secret\5\1\0\3\13example.org\1\273GET / HTTP/1.0\r\n";
    const size_t negotiation = 5 + 12 + 4 + 1 + 11 + 2;
    (void)state;

    for (size_t piece = 1; piece <= sizeof(input); piece++) {
        struct outcome o;

        converse(&o, true, input, sizeof(input) - 1, piece);
        assert_int_equal(o.state, SOCKS5_CONNECT);
        assert_int_equal(o.used, negotiation);
        assert_string_equal(o.target.name, "example.org");
        check_output(&o, BYTES("\5\2\1\0"));
    }
}

static void test_incomplete_waits(void **state)
{
    static const uint8_t input[] = "\5\1\0\5\1\0\3\13example.org\1\273";
    (void)state;

    for (size_t length = 0; length < sizeof(input) - 1; length++) {
        struct outcome o;

        converse(&o, false, input, length, 100);
        assert_int_equal(o.state, SOCKS5_NEGOTIATING);
        assert_int_equal(o.used, length);
    }
}

static void test_replies(void **state)
{
    uint8_t reply[SOCKS5_REPLY_SIZE];
    struct address bound;
    (void)state;

    assert_int_equal(socks5_reply(reply, SOCKS5_CONNECTION_REFUSED, NULL), 10);
    assert_memory_equal(reply, "\5\5\0\1\0\0\0\0\0\0", 10);
    bound = endpoint_of("192.0.2.7", 443);
    assert_int_equal(socks5_reply(reply, SOCKS5_SUCCEEDED, &bound), 10);
    assert_memory_equal(reply, "\5\0\0\1\300\0\2\7\1\273", 10);
    bound = endpoint_of("2001:db8::1", 80);
    assert_int_equal(socks5_reply(reply, SOCKS5_SUCCEEDED, &bound), 22);
    assert_memory_equal(reply, "\5\0\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x50", 22);
}

UNIT_MAIN(cmocka_unit_test(test_connect_by_address), cmocka_unit_test(test_connect_by_name),
          cmocka_unit_test(test_longest_name), cmocka_unit_test(test_password),
          cmocka_unit_test(test_any_password_where_none_is_asked_for),
          cmocka_unit_test(test_wrong_password),
          cmocka_unit_test(test_no_acceptable_method), cmocka_unit_test(test_associations),
          cmocka_unit_test(test_refused_requests), cmocka_unit_test(test_foreign_protocols),
          cmocka_unit_test(test_http_answer_is_well_formed),
          cmocka_unit_test(test_any_split_is_the_same),
          cmocka_unit_test(test_incomplete_waits), cmocka_unit_test(test_replies))
