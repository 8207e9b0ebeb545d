/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/proxy/socks5_client.h>

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static void check_output(struct socks5_client *client, const uint8_t *expected,
                         size_t length)
{
    size_t actual_length;
    const uint8_t *actual = socks5_client_output(client, &actual_length);

    assert_int_equal(actual_length, length);
    assert_memory_equal(actual, expected, length);
    socks5_client_sent(client);
}

static void test_without_password(void **state)
{
    struct socks5_client c;
    (void)state;

    assert_int_equal(socks5_client_init(&c, "example.org", 443, NULL, NULL), OK);
    check_output(&c, BYTES("\5\1\0"));
    assert_int_equal(socks5_client_receive(&c, BYTES("\5\0")), 2);
    check_output(&c, BYTES("\5\1\0\3\13example.org\1\273"));
    /* Three bytes behind the reply belong to the stream. */
    assert_int_equal(socks5_client_receive(&c, BYTES("\5\0\0\1\0\0\0\0\0\0SSH")), 10);
    assert_int_equal(socks5_client_state(&c), SOCKS5_CLIENT_OPEN);
    assert_int_equal(socks5_client_receive(&c, BYTES("more")), 0);
}

static void test_with_password(void **state)
{
    struct socks5_client c;
    (void)state;

    assert_int_equal(socks5_client_init(&c, "192.0.2.7", 22, "ann", "secret"), OK);
    check_output(&c, BYTES("\5\2\0\2"));
    assert_int_equal(socks5_client_receive(&c, BYTES("\5\2")), 2);
    check_output(&c, BYTES("\1\3ann\6secret"));
    assert_int_equal(socks5_client_receive(&c, BYTES("\1\0")), 2);
    check_output(&c, BYTES("\5\1\0\1\300\0\2\7\0\x16"));

    assert_int_equal(socks5_client_init(&c, "2001:db8::1", 22, "ann", "secret"), OK);
    assert_int_equal(socks5_client_receive(&c, BYTES("\5\0")), 2); /* it wants none */
    check_output(&c, BYTES("\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x16"));
}

static void test_failures(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *failure;
    } answers[] = {
        {"HT", 2, "the proxy does not speak SOCKS5"},
        {"\5\377", 2, "the proxy accepts no password"},
        {"\5\2\1\1", 4, "wrong user name or password"},
        {"\5\0\5\5\0\1\0\0\0\0\0\0", 12, "connection refused"},
        {"\5\0\5\2\0\3\3abc\0\0", 12, "not allowed by the rules"},
        {"\5\0\5\143\0\1\0\0\0\0\0\0", 12, "unknown reply"},
        {"\5\0\4\0\0\1\0\0\0\0\0\0", 12, "the proxy's reply is malformed"},
        {"\5\0\5\0\0\7\0", 7, "the proxy's reply is malformed"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct socks5_client c;

        assert_int_equal(socks5_client_init(&c, "a", 1, "ann", "secret"), OK);
        for (size_t at = 0; at < answers[i].length; at++) {
            assert_int_equal(socks5_client_state(&c), SOCKS5_CLIENT_NEGOTIATING);
            assert_int_equal(
                socks5_client_receive(&c, (const uint8_t *)answers[i].bytes + at, 1), 1);
        }
        assert_int_equal(socks5_client_state(&c), SOCKS5_CLIENT_FAILED);
        assert_string_equal(socks5_client_failure(&c), answers[i].failure);
    }
}

static void test_arguments(void **state)
{
    struct socks5_client c;
    char longest[257];
    (void)state;

    memset(longest, 'a', 256);
    longest[256] = '\0';
    assert_int_equal(socks5_client_init(&c, longest, 1, NULL, NULL), ERROR_INVALID);
    assert_int_equal(socks5_client_init(&c, "a", 1, "ann", longest), ERROR_INVALID);
    assert_int_equal(socks5_client_init(&c, "a", 1, "", "secret"), ERROR_INVALID);
    assert_int_equal(socks5_client_init(&c, "", 1, NULL, NULL), ERROR_INVALID);
    assert_int_equal(socks5_client_init(&c, "a", 0, NULL, NULL), ERROR_INVALID);
    longest[255] = '\0';
    assert_int_equal(socks5_client_init(&c, longest, 1, longest, longest), OK);
    assert_int_equal(socks5_client_receive(&c, BYTES("\5\2\1\0")), 4);
}

/* Client and server side of this project understand each other, in pieces of any size. */
static void test_against_the_server_side(void **state)
{
    static const struct socks5_user users[] = {{"ann", "secret"}};
    (void)state;

    for (size_t piece = 1; piece < 40; piece++) {
        struct socks5_client c;
        struct socks5 s;
        struct target target;
        uint8_t reply[SOCKS5_REPLY_SIZE];

        assert_int_equal(socks5_client_init(&c, "example.org", 443, "ann", "secret"), OK);
        socks5_init(&s, users, 1);
        while (socks5_state(&s) == SOCKS5_NEGOTIATING) {
            size_t length;
            const uint8_t *bytes = socks5_client_output(&c, &length);

            assert_true(length > 0);
            for (size_t at = 0; at < length; at += piece)
                socks5_receive(&s, bytes + at, MIN(piece, length - at));
            socks5_client_sent(&c);
            bytes = socks5_output(&s, &length);
            for (size_t at = 0; at < length; at += piece)
                socks5_client_receive(&c, bytes + at, MIN(piece, length - at));
            socks5_sent(&s);
        }
        assert_int_equal(socks5_state(&s), SOCKS5_CONNECT);
        socks5_target(&s, &target);
        assert_string_equal(target.name, "example.org");
        socks5_client_receive(&c, reply, socks5_reply(reply, SOCKS5_SUCCEEDED, NULL));
        assert_int_equal(socks5_client_state(&c), SOCKS5_CLIENT_OPEN);
    }
}

/* All that a local can tell is told, and no port of another server is taken for it. */
static void test_reasons_of_a_local(void **state)
{
    static const struct {
        enum reset_code code;
        enum socks5_code reply;
    } cases[] = {
        {RESET_DENIED, SOCKS5_NOT_ALLOWED},
        {RESET_BLOCKED, SOCKS5_NOT_ALLOWED},
        {RESET_NETWORK_UNREACHABLE, SOCKS5_NETWORK_UNREACHABLE},
        {RESET_HOST_UNREACHABLE, SOCKS5_HOST_UNREACHABLE},
        {RESET_REFUSED, SOCKS5_CONNECTION_REFUSED},
        {RESET_TIMED_OUT, SOCKS5_TTL_EXPIRED},
        {RESET_NAME_NOT_FOUND, SOCKS5_HOST_UNREACHABLE},
        {RESET_NAME_FAILURE, SOCKS5_HOST_UNREACHABLE},
        {RESET_RELAY_UNREACHABLE, SOCKS5_GENERAL_FAILURE},
        {RESET_SESSION_LOST, SOCKS5_GENERAL_FAILURE},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint8_t reply[SOCKS5_REPLY_SIZE];
        struct socks5_client c;

        assert_int_equal(socks5_client_init(&c, "a", 1, NULL, NULL), OK);
        assert_int_equal(socks5_client_receive(&c, BYTES("\5\0")), 2);
        assert_int_equal(
            socks5_client_receive(&c, reply, socks5_failure_reply(reply, cases[i].code)),
            10);
        assert_int_equal(reply[1], cases[i].reply);
        assert_int_equal(socks5_client_code(&c), cases[i].code);
        assert_string_equal(socks5_client_failure(&c), reset_code_string(cases[i].code));
        assert_int_equal(socks5_failure_code((const uint8_t *)"\5\1\0\1\0\0\0\0\0\0"),
                         RESET_FAILURE);
        assert_int_equal(socks5_failure_code((const uint8_t *)"\5\1\0\1\0\0\0\0\0\2"),
                         RESET_FAILURE);
    }
}

UNIT_MAIN(cmocka_unit_test(test_without_password), cmocka_unit_test(test_with_password),
          cmocka_unit_test(test_failures), cmocka_unit_test(test_reasons_of_a_local),
          cmocka_unit_test(test_arguments),
          cmocka_unit_test(test_against_the_server_side))
