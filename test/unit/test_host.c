/* SPDX-License-Identifier: MIT */
/* Texts that name a host: addresses, names, or neither. */
#include "unit.h"

#include <splitsocks/base/host.h>

static void expect(const char *text, enum host_kind kind, const char *address)
{
    struct host host;
    char found[ADDRESS_TEXT_SIZE] = "";

    host_parse(&host, text);
    if (host.kind == HOST_ADDRESS)
        address_format(&host.address, found);
    if (host.kind != kind || strcmp(found, address) != 0)
        fail_msg("\"%s\": kind %d, \"%s\"", text, (int)host.kind, found);
    assert_int_equal(host.reason != NULL, kind == HOST_SPECIAL || kind == HOST_INVALID);
}

static void test_addresses(void **state)
{
    static const char *const texts[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1.", "192.0.2.1"},
        {"127.1", "127.0.0.1"},
        {"0x7f.1", "127.0.0.1"},
        {"0X7F.0.0.1", "127.0.0.1"},
        {"0177.0.0.1", "127.0.0.1"},
        {"2130706433", "127.0.0.1"},
        {"0x7f000001", "127.0.0.1"},
        {"10.1.258", "10.1.1.2"},
        {"0", "0.0.0.0"},
        {"0.0.0.0", "0.0.0.0"},
        {"4294967295", "255.255.255.255"},
        {"::1", "::1"},
        {"[::1]", "::1"},
        {"2001:DB8::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"[::ffff:c000:201]", "192.0.2.1"},
        {"::", "::"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        expect(texts[i][0], HOST_ADDRESS, texts[i][1]);
}

static void test_scopes(void **state)
{
    struct host host;
    (void)state;

    host_parse(&host, "[fe80::1%eth0]");
    assert_int_equal(host.kind, HOST_ADDRESS);
    assert_string_equal(host.zone, "eth0");
    host_parse(&host, "fe80::1%12");
    assert_int_equal(host.kind, HOST_ADDRESS);
    assert_string_equal(host.zone, "");
    assert_int_equal(host.address.scope, 12);
    expect("fe80::1%", HOST_INVALID, "");
    expect("fe80::1%a/b", HOST_INVALID, "");
    expect("fe80::1%much-too-long-for-one", HOST_INVALID, "");
    expect("192.0.2.1%eth0", HOST_INVALID, "");
}

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static void test_names(void **state)
{
    static const char *const names[] = {
        "a",
        "www.example.org",
        "WWW.example.ORG.",
        "_sip._tcp.example.org",
        "a-b.c_d",
        "xn--bcher-kva.example",
        "1.example",
        "3com.com",
        "0x1g",
        LABEL_63 ".org",
        "home.arpa",
        "localhost.example",
        "notlocalhost",
        "onion.example",
        "local",
    };
    static const char *const special[] = {"expyuzz4wqqyqhjn.onion", "A.Onion.", "x.invalid",
                                          "1.2.0.192.in-addr.arpa", "ip6.arpa", "a.b.alt"};
    char longest[] = LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63;
    (void)state;

    longest[HOST_NAME_MAX_LENGTH] = '\0';
    expect(longest, HOST_NAME, "");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        expect(names[i], HOST_NAME, "");
    for (size_t i = 0; i < ARRAY_LENGTH(special); i++)
        expect(special[i], HOST_SPECIAL, "");
    expect("localhost", HOST_LOCALHOST, "");
    expect("LocalHost.", HOST_LOCALHOST, "");
    expect("a.localhost", HOST_LOCALHOST, "");
}

static void test_neither(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "a.b..",
        " a",
        "a ",
        "a b",
        "127.0.0.1 ",
        "192.0.2.256",
        "1.2.3.4.5",
        "256.1",
        "4294967296",
        "08.0.0.1",
        "0x",
        "a.0x1",
        "example.123",
        "a.1.",
        "1..2",
        "[",
        "[]",
        "]",
        "[::1",
        "::1]",
        "[192.0.2.1]",
        "[example.org]",
        "[::1]:80",
        "::1:x",
        ":",
        "a:b",
        "a/b",
        "a@b",
        "user@[::1]",
        "*.example.org",
        "\xc3\xbc.example",
        "a\x7f",
        "a\n",
        LABEL_63 "l.example",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        expect(texts[i], HOST_INVALID, "");
    expect(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63, HOST_INVALID, "");
}

UNIT_MAIN(cmocka_unit_test(test_addresses), cmocka_unit_test(test_scopes),
          cmocka_unit_test(test_names), cmocka_unit_test(test_neither))
