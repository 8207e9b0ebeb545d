/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/proxy/socks5_udp.h>

#include <stdio.h>

static int parse(const char *bytes, size_t length, struct target *target, size_t *data_at)
{
    return socks5_udp_parse((const uint8_t *)bytes, length, target, data_at);
}

static void expect(const char *bytes, size_t length, const char *text, size_t expected_at)
{
    struct target target = {0};
    char found[TARGET_TEXT_SIZE];
    size_t data_at = 0;

    assert_int_equal(parse(bytes, length, &target, &data_at), OK);
    assert_string_equal(target_format(&target, found), text);
    assert_int_equal(data_at, expected_at);
    /* Every part of the header is needed. */
    for (size_t cut = 0; cut < expected_at; cut++)
        assert_int_equal(parse(bytes, cut, &target, &data_at), ERROR_MALFORMED);
}

static void test_destinations(void **state)
{
    (void)state;

    expect("\0\0\0\1\300\0\2\7\1\273data", 14, "192.0.2.7:443", 10);
    expect("\0\0\0\1\300\0\2\7\1\273", 10, "192.0.2.7:443", 10); /* no data */
    expect("\0\0\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\0\65x", 23, "[2001:db8::1]:53",
           22);
    expect("\0\0\0\3\3a.b\1\273xy", 12, "a.b:443", 10);
    expect("\0\0\0\3\11"
           "192.0.2.7\1\273",
           16, "192.0.2.7:443", 16);
    expect("\0\0\0\4\0\0\0\0\0\0\0\0\0\0\377\377\300\0\2\7\0\65", 22, "192.0.2.7:53", 22);
    /* The reserved bytes are not looked at. */
    expect("\7\7\0\1\300\0\2\7\1\273", 10, "192.0.2.7:443", 10);
}

static void test_the_longest_name(void **state)
{
    uint8_t datagram[3 + 2 + 255 + 2] = {0, 0, 0, 3, 255};
    struct target target;
    size_t data_at;
    (void)state;

    memset(datagram + 5, 'a', 255);
    datagram[261] = 80;
    assert_int_equal(socks5_udp_parse(datagram, sizeof(datagram), &target, &data_at), OK);
    assert_int_equal(strlen(target.name), 255);
    assert_int_equal(target.port, 80);
    assert_int_equal(data_at, sizeof(datagram));
}

static void test_refused_headers(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        int error;
    } headers[] = {
        {"\0\0\1\1\300\0\2\7\1\273x", 11, ERROR_UNSUPPORTED},   /* fragments */
        {"\0\0\200\1\300\0\2\7\1\273x", 11, ERROR_UNSUPPORTED}, /* the last one */
        {"\0\0\0\2\300\0\2\7\1\273", 10, ERROR_MALFORMED},      /* unknown type */
        {"\0\0\0\1\300\0\2\7\0\0", 10, ERROR_MALFORMED},        /* port 0 */
        {"\0\0\0\3\0\0\120", 7, ERROR_MALFORMED},               /* empty name */
        {"\0\0\0\3\3a b\0\120", 10, ERROR_MALFORMED},           /* space */
        {"\0\0\0\3\3a\0b\0\120", 10, ERROR_MALFORMED},          /* NUL */
    };
    struct target target;
    size_t data_at;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(headers); i++)
        assert_int_equal(parse(headers[i].bytes, headers[i].length, &target, &data_at),
                         headers[i].error);
}

static void test_what_is_written_is_read(void **state)
{
    static const char *const texts[] = {"192.0.2.7", "0.0.0.0", "2001:db8::1", "::"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct address from = endpoint_of(texts[i], 65535);
        uint8_t header[SOCKS5_UDP_HEADER_SIZE];
        size_t length = socks5_udp_put(header, &from), data_at;
        struct target target;

        assert_int_equal(length, from.family == ADDRESS_IPV4 ? 10 : 22);
        assert_int_equal(socks5_udp_parse(header, length, &target, &data_at), OK);
        assert_int_equal(data_at, length);
        assert_int_equal(target.address_count, 1);
        assert_true(address_equal(&target.addresses[0], &from));
    }
}

UNIT_MAIN(cmocka_unit_test(test_destinations), cmocka_unit_test(test_the_longest_name),
          cmocka_unit_test(test_refused_headers),
          cmocka_unit_test(test_what_is_written_is_read))
