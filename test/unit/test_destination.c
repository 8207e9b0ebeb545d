/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/proxy/destination.h>

static int check(const struct destination_rules *rules, const char *text)
{
    struct address address = address_of(text);

    return destination_check(rules, &address);
}

static void check_all(const struct destination_rules *rules, const char *const texts[],
                      size_t count, int expected)
{
    for (size_t i = 0; i < count; i++)
        if (check(rules, texts[i]) != expected)
            fail_msg("%s is %s", texts[i], expected == OK ? "refused" : "allowed");
}

#define CHECK_ALL(rules, texts, expected) \
    check_all(rules, texts, ARRAY_LENGTH(texts), expected)

/* The first and last addresses of each refused range, and what lies between them. */
static const char *const refused[] = {
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "ff02::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "3fff::1",
    "3fff:fff::1",
    "5f00::1",
    "64:ff9b:1::1",
    "4000::1",
    "1fff::1",
    "::2",
    /* IPv4 inside IPv6. */
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::ffff:169.254.169.254",
    "::10.0.0.1",
    "::8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b::127.0.0.1",
    "2002:a00:1::1",
    "2002:7f00:1::1",
    "2002:c0a8:101::1",
    "2001:0:808:808:0:0:f5ff:fffe",
};

static const char *const allowed[] = {
    "1.0.0.0",         "1.1.1.1",         "8.8.8.8",
    "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
    "100.128.0.0",     "126.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.255.0.0",     "172.15.255.255",
    "172.32.0.0",      "191.255.255.255", "192.0.1.0",
    "192.0.3.0",       "192.88.98.255",   "192.167.255.255",
    "192.169.0.0",     "198.17.255.255",  "198.20.0.0",
    "203.0.112.255",   "203.0.114.0",     "223.255.255.255",
    "168.63.129.15",   "168.63.129.17",   "2001:200::1",
    "2001:db7::1",     "2001:db9::1",     "2001:4860:4860::8888",
    "2606:4700::1111", "2a00:1450::1",    "3ffe::1",
    "3fff:1000::1",    "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
    "2002:808:808::1",
};

static void test_defaults(void **state)
{
    const struct destination_rules rules = {0};
    const struct address none = {0};
    (void)state;

    CHECK_ALL(&rules, refused, ERROR_DENIED);
    CHECK_ALL(&rules, allowed, OK);
    assert_int_equal(destination_check(&rules, &none), ERROR_DENIED);
}

static void check_refusal(const struct destination_rules *rules, const char *text,
                          const char *expected)
{
    struct destination_refusal refusal;
    struct address address = endpoint_of(text, 80);
    char found[DESTINATION_TEXT_SIZE];

    assert_int_equal(destination_judge(rules, &address, &refusal), ERROR_DENIED);
    if (strstr(destination_refusal_format(&refusal, found), expected) != found)
        fail_msg("%s: found \"%s\", expected \"%s\"", text, found, expected);
}

static void test_a_refusal_names_its_block(void **state)
{
    static const struct {
        const char *address, *words;
    } cases[] = {
        {"192.168.1.5", "192.168.1.5 is in 192.168.0.0/16 (private use, RFC 1918), which a "
                        "relay refuses by default; \"destinations\": { \"allow\": "
                        "[ \"192.168.0.0/16\" ] } in the relay's configuration allows it"},
        {"::ffff:127.0.0.1", "127.0.0.1 is in 127.0.0.0/8 (loopback"},
        {"64:ff9b::10.0.0.1", "10.0.0.1 is in 10.0.0.0/8 (private use"},
        {"fe80::1", "fe80::1 is in fe80::/10 (link-local"},
        {"::1", "::1 is in ::1/128 (loopback"},
        {"4000::1", "4000::1 is in 4000::1/128 (not of the public internet"},
    };
    const struct destination_rules defaults = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        check_refusal(&defaults, cases[i].address, cases[i].words);
}

/* ---- the relay's own machine ---- */

static bool is_one_of(void *context, const struct address *address)
{
    const char *const *texts = context;

    for (; *texts != NULL; texts++) {
        struct address own = address_of(*texts);

        own.port = address->port;
        if (address_equal(&own, address))
            return true;
    }
    return false;
}

static void test_own_addresses_are_refused(void **state)
{
    static const char *const own[] = {"8.8.8.8", "2600::1", NULL};
    static const char *const ways[] = {"8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
                                       "2002:808:808::1", "2600::1"};
    static const char *const others[] = {"8.8.8.9", "2600::2", "64:ff9b::8.8.8.9"};
    struct address_block block = block_of("8.8.8.8/32");
    struct destination_rules rules = {.is_own = is_one_of,
                                      .own_context = (void *)(uintptr_t)own};
    (void)state;

    CHECK_ALL(&rules, ways, ERROR_DENIED);
    CHECK_ALL(&rules, others, OK);
    check_refusal(
        &rules, "8.8.8.8",
        "8.8.8.8 is in 8.8.8.8/32 (the relay's own machine), which a relay "
        "refuses by default; \"destinations\": { \"allow\": [ \"8.8.8.8/32\" ] }");
    check_refusal(&rules, "2600::1", "2600::1 is in 2600::1/128 (the relay's own machine)");
    rules.allow = &block;
    rules.allow_count = 1;
    assert_int_equal(check(&rules, "8.8.8.8"), OK);
    assert_int_equal(check(&rules, "2600::1"), ERROR_DENIED);
}

/* ---- ports ---- */

static int check_port(const struct destination_rules *rules, uint16_t port)
{
    struct address address = endpoint_of("8.8.8.8", port);

    return destination_check(rules, &address);
}

static void test_the_port_of_mail_is_closed(void **state)
{
    static const uint16_t open[] = {1, 24, 26, 80, 443, 465, 587, 65535, 0};
    const struct destination_rules defaults = {0};
    struct address address = endpoint_of("8.8.8.8", 25);
    struct address_block block = block_of("8.8.8.8/32");
    const struct destination_rules allowing = {.allow = &block, .allow_count = 1};
    struct destination_refusal refusal;
    char text[DESTINATION_TEXT_SIZE];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(open); i++)
        assert_int_equal(check_port(&defaults, open[i]), OK);
    assert_int_equal(check_port(&allowing, 25), ERROR_DENIED);
    assert_int_equal(destination_judge(&defaults, &address, &refusal), ERROR_DENIED);
    assert_string_equal(destination_refusal_format(&refusal, text),
                        "port 25 (mail transfer, RFC 5321) is closed by default; "
                        "\"destinations\": { \"ports\": [ \"1-65535\" ] } in the relay's "
                        "configuration opens every port");
}

static void test_only_listed_ports_are_open(void **state)
{
    static const struct port_range ranges[] = {{25, 25}, {8000, 8009}};
    static const uint16_t open[] = {25, 8000, 8005, 8009},
                          closed[] = {1, 24, 26, 7999, 8010};
    const struct destination_rules rules = {.ports = ranges, .port_count = 2};
    struct address address = endpoint_of("8.8.8.8", 443);
    struct destination_refusal refusal;
    char text[DESTINATION_TEXT_SIZE];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(open); i++)
        assert_int_equal(check_port(&rules, open[i]), OK);
    for (size_t i = 0; i < ARRAY_LENGTH(closed); i++)
        assert_int_equal(check_port(&rules, closed[i]), ERROR_DENIED);
    assert_int_equal(destination_judge(&rules, &address, &refusal), ERROR_DENIED);
    assert_string_equal(destination_refusal_format(&refusal, text),
                        "port 443 is not among the relay's \"destinations.ports\"");
}

/* ---- the operator's blocks ---- */

/* Rules from texts, at most 4 of each. */
struct rules {
    struct address_block allow[4], deny[4];
    struct destination_rules rules;
};

static const struct destination_rules *parse(struct rules *rules, const char *const *allow,
                                             const char *const *deny)
{
    *rules = (struct rules){.rules = {.allow = rules->allow, .deny = rules->deny}};
    for (; *allow != NULL; allow++)
        rules->allow[rules->rules.allow_count++] = block_of(*allow);
    for (; *deny != NULL; deny++)
        rules->deny[rules->rules.deny_count++] = block_of(*deny);
    return &rules->rules;
}

#define TEXTS(...) \
    (const char *const[]) \
    { \
        __VA_ARGS__, NULL \
    }
#define NO_TEXTS \
    (const char *const[]) \
    { \
        NULL \
    }

static void test_a_refusal_names_the_operators_block(void **state)
{
    struct rules storage;
    const struct destination_rules *rules =
        parse(&storage, TEXTS("10.0.0.0/8"), TEXTS("10.1.0.0/16", "10.1.2.0/24"));
    (void)state;

    check_refusal(rules, "10.1.2.3",
                  "10.1.2.3 is in 10.1.2.0/24, which the relay's \"destinations.deny\" lists");
    check_refusal(rules, "10.1.9.9", "10.1.9.9 is in 10.1.0.0/16,");
}

static void test_allow_opens(void **state)
{
    static const char *const open[] = {"10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
                                       "8.8.8.8", "::1"};
    static const char *const closed[] = {"127.0.0.1", "192.168.0.1", "::ffff:127.0.0.1",
                                         "fe80::1"};
    struct rules rules;
    const struct destination_rules *r =
        parse(&rules, TEXTS("10.0.0.0/8", "::1/128"), NO_TEXTS);
    (void)state;

    CHECK_ALL(r, open, OK);
    CHECK_ALL(r, closed, ERROR_DENIED);
}

static void test_deny_closes(void **state)
{
    static const char *const closed[] = {"8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
                                         "2002:808:808::1", "2606:4700::1"};
    static const char *const open[] = {"8.8.4.4", "2001:4860::1"};
    struct rules rules;
    const struct destination_rules *r =
        parse(&rules, NO_TEXTS, TEXTS("8.8.8.0/24", "2606:4700::/32"));
    (void)state;

    CHECK_ALL(r, closed, ERROR_DENIED);
    CHECK_ALL(r, open, OK);
}

static void test_longest_block_wins(void **state)
{
    static const char *const open[] = {"10.2.0.1", "10.1.2.9"};
    static const char *const closed[] = {"10.1.2.3", "10.1.0.1", "172.16.0.1"};
    struct rules rules;
    const struct destination_rules *r =
        parse(&rules, TEXTS("10.0.0.0/8", "10.1.2.0/24", "172.16.0.0/12"),
              TEXTS("10.1.0.0/16", "10.1.2.3/32", "172.16.0.0/12"));
    (void)state;

    CHECK_ALL(r, open, OK);
    CHECK_ALL(r, closed, ERROR_DENIED); /* the last by a tie */
}

/* What is said for one client goes before what is said for all, however long the blocks
 * are. */
static void test_a_clients_rules_go_first(void **state)
{
    static const char *const open[] = {"192.168.7.1", "10.9.0.1"};
    static const char *const closed[] = {"10.1.2.3", "8.8.8.8", "2606:4700::1", "10.2.0.1"};
    static const struct port_range ssh[] = {{22, 22}}, web[] = {{443, 443}};
    struct rules for_all, for_client;
    struct destination_rules rules =
        *parse(&for_client, TEXTS("192.168.7.0/24", "10.9.0.0/16"),
               TEXTS("0.0.0.0/0", "::/0", "10.1.0.0/16"));
    struct destination_rules all =
        *parse(&for_all, TEXTS("10.1.2.3/32"), TEXTS("192.168.7.1/32", "10.2.0.0/16"));
    (void)state;

    rules.otherwise = &all;
    rules.name = "clients[].destinations";
    CHECK_ALL(&rules, open, OK);
    CHECK_ALL(&rules, closed, ERROR_DENIED);
    check_refusal(&rules, "10.1.2.3",
                  "10.1.2.3 is in 10.1.0.0/16, which the relay's "
                  "\"clients[].destinations.deny\" lists");
    rules.deny_count = 0; /* the relay's rules decide now where these say nothing */
    check_refusal(
        &rules, "10.2.0.1",
        "10.2.0.1 is in 10.2.0.0/16, which the relay's \"destinations.deny\" lists");
    assert_int_equal(check(&rules, "8.8.8.8"), OK);
    assert_int_equal(check(&rules, "127.0.0.1"), ERROR_DENIED);
    all.ports = web;
    all.port_count = 1;
    assert_int_equal(check_port(&rules, 443), OK);
    assert_int_equal(check_port(&rules, 22), ERROR_DENIED);
    rules.ports = ssh;
    rules.port_count = 1;
    assert_int_equal(check_port(&rules, 443), ERROR_DENIED);
    assert_int_equal(check_port(&rules, 22), OK);
}

static void test_everything_open_or_closed(void **state)
{
    struct rules rules;
    const struct destination_rules *r;
    (void)state;

    r = parse(&rules, TEXTS("0.0.0.0/0", "::/0"), NO_TEXTS);
    CHECK_ALL(r, refused, OK);
    CHECK_ALL(r, allowed, OK);
    r = parse(&rules, NO_TEXTS, TEXTS("0.0.0.0/0", "::/0"));
    CHECK_ALL(r, refused, ERROR_DENIED);
    CHECK_ALL(r, allowed, ERROR_DENIED);
    /* Allowing all of IPv6 does not open a range that IPv4 has closed. */
    r = parse(&rules, TEXTS("::/0"), NO_TEXTS);
    assert_int_equal(check(r, "64:ff9b::10.0.0.1"), ERROR_DENIED);
    assert_int_equal(check(r, "2001:0:808:808:0:0:f5ff:fffe"), ERROR_DENIED);
    assert_int_equal(check(r, "2001:0:a00:1:0:0:f7f7:f7f7"), ERROR_DENIED);
    assert_int_equal(check(r, "2001:0:808:808:0:0:f7f7:f7f7"), OK);
    assert_int_equal(check(r, "::10.0.0.1"), ERROR_DENIED);
    assert_int_equal(check(r, "::ffff:10.0.0.1"), ERROR_DENIED);
}

static void test_mapped_block_means_ipv4(void **state)
{
    struct rules rules;
    const struct destination_rules *r =
        parse(&rules, TEXTS("::ffff:10.0.0.0/104"), TEXTS("::ffff:8.8.8.8"));
    (void)state;

    assert_int_equal(check(r, "10.9.9.9"), OK);
    assert_int_equal(check(r, "8.8.8.8"), ERROR_DENIED);
    assert_int_equal(check(r, "::ffff:8.8.8.8"), ERROR_DENIED);
    r = parse(&rules, TEXTS("::ffff:0:0/96"), NO_TEXTS);
    assert_int_equal(check(r, "10.9.9.9"), OK);
    assert_int_equal(check(r, "fe80::1"), ERROR_DENIED);
}

UNIT_MAIN(cmocka_unit_test(test_own_addresses_are_refused),
          cmocka_unit_test(test_the_port_of_mail_is_closed),
          cmocka_unit_test(test_only_listed_ports_are_open),
          cmocka_unit_test(test_defaults), cmocka_unit_test(test_a_refusal_names_its_block),
          cmocka_unit_test(test_a_refusal_names_the_operators_block),
          cmocka_unit_test(test_allow_opens), cmocka_unit_test(test_deny_closes),
          cmocka_unit_test(test_longest_block_wins),
          cmocka_unit_test(test_a_clients_rules_go_first),
          cmocka_unit_test(test_everything_open_or_closed),
          cmocka_unit_test(test_mapped_block_means_ipv4))
