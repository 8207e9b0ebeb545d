/* SPDX-License-Identifier: MIT */
#include "config_local_parse.h"

#include <stdio.h>

static void test_defaults(void **state)
{
    struct config_local *config = parse(WITH(""));
    const struct address listen = {
        .family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}, .port = 1080};
    (void)state;

    assert_int_equal(config->relay.hosts.count, 1);
    assert_string_equal(config->relay.hosts.items[0], "vps.example.net");
    assert_int_equal(config->relay.ports.count, 1);
    assert_int_equal(config->relay.ports.items[0], 443);
    for (size_t i = 0; i < CONFIG_KEY_SIZE; i++)
        assert_int_equal(config->relay.public_key[i], 1);
    assert_string_equal(config->private_key_file, "local.key");
    assert_int_equal(config->listen.count, 1);
    assert_int_equal(config->listen.items[0].protocol, CONFIG_PROTOCOL_SOCKS5);
    assert_true(address_equal(&config->listen.items[0].address, &listen));
    assert_int_equal(config->listen.items[0].users.count, 0);
    assert_int_equal(config->listen.items[0].max_per_target, 12288);
    assert_int_equal(config->paths.count, 0);
    assert_int_equal(config->mtu_retry_after_ns, 600 * NS_PER_S);
    assert_false(config->paths.automatic);
    assert_int_equal(config->policy.mode, CONFIG_MODE_SPLIT);
    assert_int_equal(config->policy.copies, CONFIG_COPIES_ALL);
    assert_int_equal(config->rules.count, 0);
    assert_int_equal(config->rate.up_bits, 0);
    assert_int_equal(config->rate.down_bits, 0);
    assert_null(config->state_file);
    assert_false(config->control.given);
    assert_null(config->control.file);
    assert_int_equal(config->pool.size, 8);
    assert_int_equal(config->pool.idle, 2);
    assert_int_equal(config->pool.keepalive_ns, 45 * NS_PER_S);
    assert_int_equal(config->pool.burst, 48);
    assert_int_equal(config->pool.asked, 0);
    assert_true(config->pool.dials_per_second == 0);
    assert_null(config->congestion_control);
    assert_int_equal(config->chunk_size, 16384);
    assert_true(config->budget.up.least == CONFIG_UNLIMITED);
    assert_true(config->budget.up.most == CONFIG_UNLIMITED);
    assert_true(config->budget.down.least == CONFIG_UNLIMITED);
    assert_true(config->budget.down.most == CONFIG_UNLIMITED);
    assert_int_equal(config->dns.resolve, CONFIG_RESOLVE_LOCAL);
    assert_int_equal(config->dns.common.servers.count, 0);
    assert_int_equal(config->dns.common.timeout_ns, 8 * NS_PER_S);
    assert_int_equal(config->dns.common.cache, 4096);
    assert_int_equal(config->dns.common.max_ttl_ns, 3600 * NS_PER_S);
    assert_int_equal(config->dns.common.max_negative_ttl_ns, 30 * NS_PER_S);
    assert_int_equal(config->dns.common.max_waiting, 4096);
    assert_int_equal(config->linger_ns, 120 * NS_PER_S);
    assert_int_equal(config->timeouts.half_closed_after_ns, 300 * NS_PER_S);
    assert_int_equal(config->timeouts.keepalive_ns, 300 * NS_PER_S);
    assert_int_equal(config->timeouts.stop_after_ns, 5 * NS_PER_S);
    assert_int_equal(config->warnings.count, 0);
    config_local_free(config);
}

static const char everything[] =
    "{ \"timeouts\": { \"half_closed\": null, \"keepalive\": 90, \"stop\": 0 },\n"
    "  \"linger\": 2.5, \"dns\": { \"servers\": [\"192.0.2.1\", \"127.0.0.1:5353\","
    "   \"::1\", \"[::1]:54\"], \"resolve\": \"relay\" },\n"
    "  \"rate\": { \"up\": null, \"down\": null },\n"
    "  \"budget\": { \"down\": null, \"up\": \"64KiB\" }, \"chunk_size\": 64,\n"
    "  \"congestion_control\": \"bbr\",\n"
    "  \"pool\": { \"dials_per_second\": 0.5, \"keepalive\": 20, \"burst\": 9,\n"
    "    \"idle\": 0, \"size\": 9 },\n"
    "  \"mode\": \"split\",\n"
    "  \"mtu_retry\": null,\n"
    "  \"paths\": [ { \"interface\": \"wlan0\", \"rate_up\": null, \"mtu\": 1400 },\n"
    "    { \"source\": \"2001:db8::7\" },\n"
    "    { \"interface\": \"lte\", \"source\": \"192.0.2.7\" } ],\n"
    "  \"listen\": [ { \"port\": 0, \"address\": \"::\",\n"
    "      \"users\": { \"ann\": \"secret\", \"b\\u00f6b\": \"\\\"\" } },\n"
    "    { \"protocol\": \"socks5\", \"port\": 1081 } ],\n"
    "  \"private_key_file\": \"/etc/key\",\n"
    "  \"relay\": { \"public_key\": \"" KEY_2 "\", \"ports\": [\"8000-8002\", 443],\n"
    "    \"host\": \"2001:db8::1\" } }\n";

static void test_everything(void **state)
{
    static const uint16_t ports[] = {8000, 8001, 8002, 443};
    static const char *const servers[] = {"192.0.2.1:53", "127.0.0.1:5353", "[::1]:53",
                                          "[::1]:54"};
    struct config_local *config = parse(everything);
    char text[ADDRESS_TEXT_SIZE];
    (void)state;

    assert_int_equal(config->relay.hosts.count, 1);
    assert_string_equal(config->relay.hosts.items[0], "2001:db8::1");
    assert_int_equal(config->relay.public_key[31], 2);
    assert_int_equal(config->relay.ports.count, ARRAY_LENGTH(ports));
    assert_memory_equal(config->relay.ports.items, ports, sizeof(ports));
    assert_string_equal(config->private_key_file, "/etc/key");

    assert_int_equal(config->listen.count, 2);
    assert_string_equal(address_format(&config->listen.items[0].address, text), "::");
    assert_int_equal(config->listen.items[0].users.count, 2);
    assert_string_equal(config->listen.items[0].users.items[0].name, "ann");
    assert_string_equal(config->listen.items[0].users.items[0].password, "secret");
    assert_string_equal(config->listen.items[0].users.items[1].name, "b\xc3\xb6"
                                                                     "b");
    assert_string_equal(config->listen.items[0].users.items[1].password, "\"");
    assert_string_equal(address_format(&config->listen.items[1].address, text),
                        "127.0.0.1:1081");

    assert_int_equal(config->paths.count, 3);
    assert_string_equal(config->paths.items[0].interface, "wlan0");
    assert_int_equal(config->paths.items[0].source.family, ADDRESS_NONE);
    assert_int_equal(config->paths.items[0].mtu, 1400);
    assert_int_equal(config->paths.items[1].mtu, 0);
    assert_true(config->mtu_retry_after_ns == TIME_NEVER);
    assert_null(config->paths.items[1].interface);
    assert_string_equal(address_format(&config->paths.items[1].source, text),
                        "2001:db8::7");
    assert_string_equal(config->paths.items[2].interface, "lte");
    assert_string_equal(address_format(&config->paths.items[2].source, text), "192.0.2.7");

    assert_int_equal(config->pool.size, 9);
    assert_int_equal(config->pool.idle, 0);
    assert_int_equal(config->pool.burst, 9);
    assert_int_equal(config->pool.asked, 9);
    assert_int_equal(config->pool.keepalive_ns, 20 * NS_PER_S);
    assert_true(config->pool.dials_per_second == 0.5);
    assert_string_equal(config->congestion_control, "bbr");
    assert_int_equal(config->chunk_size, 64);
    assert_int_equal(config->budget.up.least, 65536);
    assert_int_equal(config->budget.up.most, 65536);
    assert_true(config->budget.down.most == CONFIG_UNLIMITED);
    assert_int_equal(config->dns.resolve, CONFIG_RESOLVE_RELAY);
    assert_int_equal(config->dns.common.servers.count, ARRAY_LENGTH(servers));
    for (size_t i = 0; i < ARRAY_LENGTH(servers); i++)
        assert_string_equal(address_format(&config->dns.common.servers.items[i], text),
                            servers[i]);
    assert_int_equal(config->linger_ns, 2500 * NS_PER_MS);
    assert_int_equal(config->timeouts.half_closed_after_ns, 0);
    assert_int_equal(config->timeouts.keepalive_ns, 90 * NS_PER_S);
    assert_int_equal(config->timeouts.stop_after_ns, 0);
    assert_int_equal(config->warnings.count, 0);
    config_local_free(config);
}

/* null is not the same as to say nothing: then the usual place is meant. */
static void test_control_and_its_absence(void **state)
{
    struct config_local *config = parse(WITH(AND("\"control\": null")));
    (void)state;

    assert_true(config->control.given);
    assert_null(config->control.file);
    config_local_free(config);
    config = parse(WITH(AND("\"control\": \"run/a.sock\"")));
    assert_true(config->control.given);
    assert_string_equal(config->control.file, "run/a.sock");
    config_local_free(config);
}

/* The rest of the pool follows its size where the file leaves it open. */
static void test_pool_follows_its_size(void **state)
{
    static const struct {
        const char *text;
        uint32_t size, idle, burst;
    } examples[] = {
        {WITH(AND("\"pool\": {}")), 8, 2, 48},
        {WITH(AND("\"pool\": { \"size\": 1 }")), 1, 1, 48},
        {WITH(AND("\"pool\": { \"size\": 100 }")), 100, 2, 100},
        {WITH(AND("\"pool\": { \"size\": 8, \"burst\": 8 }")), 8, 2, 8},
        {WITH(AND("\"pool\": { \"size\": 1024, \"idle\": 1024 }")), 1024, 1024, 1024},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        struct config_local *config = parse(examples[i].text);

        assert_int_equal(config->pool.size, examples[i].size);
        assert_int_equal(config->pool.idle, examples[i].idle);
        assert_int_equal(config->pool.burst, examples[i].burst);
        config_local_free(config);
    }
}

static void test_one_rate_is_for_both_directions(void **state)
{
    struct config_local *config = parse(WITH(AND("\"rate\": \"5Mbit\"")));
    (void)state;

    assert_int_equal(config->rate.up_bits, 5000000);
    assert_int_equal(config->rate.down_bits, 5000000);
    config_local_free(config);
}

/* The least and the greatest values pass. */
static void test_bounds_are_included(void **state)
{
    static const char *const texts[] = {
        WITH(AND("\"pool\": { \"size\": 1, \"idle\": 0, \"burst\": 1 }")),
        WITH(AND("\"pool\": { \"size\": 1024, \"dials_per_second\": 1000000 }")),
        WITH(AND("\"chunk_size\": 64, \"budget\": { \"up\": 256, \"down\": \"256B\" }")),
        WITH(AND("\"chunk_size\": \"16KiB\", \"budget\": { \"up\": \"1024GiB\" }")),
        WITH(AND("\"linger\": 0")),
        WITH(AND("\"linger\": 86400")),
        WITH(AND("\"linger\": \"24h\", \"rate\": null, \"paths\": null")),
        WITH(AND("\"listen\": [ { \"port\": 65535 }, { \"port\": 0 }, { \"port\": 0 } ]")),
        WITH(AND("\"paths\": [ { \"interface\": \"fifteen-letters\" } ]")),
        WITH(AND("\"congestion_control\": \"fifteen_letters\"")),
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        config_local_free(parse(texts[i]));
}

static void test_warns_of_open_proxies(void **state)
{
    struct config_local *config =
        parse(WITH(AND("\"listen\": [ { \"address\": \"127.8.0.1\" },\n"
                       "{ \"address\": \"::1\" },\n"
                       "{ \"users\": { \"a\": \"b\" }, \"address\": \"0.0.0.0\" },\n"
                       "{ \"port\": 1081,\n"
                       "\"address\": \"192.0.2.1\" }, { \"address\": \"::\" } ]")));
    (void)state;

    assert_int_equal(config->warnings.count, 3);
    assert_string_equal(config->warnings.items[0],
                        "l.json:8: listen[3].address: this is not a loopback address, and "
                        "there are no users: every machine that reaches it can use the "
                        "proxy without a password");
    assert_non_null(strstr(config->warnings.items[1], "listen[4].address: "));
    assert_non_null(strstr(config->warnings.items[2], "listen[2]: "));
    assert_non_null(strstr(config->warnings.items[2], "dns.resolve"));
    config_local_free(config);
    /* Names that the relay resolves are not seen here. */
    config = parse(WITH(AND("\"dns\": { \"resolve\": \"relay\" }, \"listen\": [ { \"users\": "
                            "{ \"a\": \"b\" }, \"address\": \"0.0.0.0\" } ]")));
    assert_int_equal(config->warnings.count, 0);
    config_local_free(config);
}

static void test_structure_is_checked(void **state)
{
    static const struct refusal refusals[] = {
        {"[]", "l.json:1: found a list; allowed: an object"},
        {"\n{}", "l.json:2: relay: found nothing; allowed: an object with host and "
                 "public_key"},
        {"{ \"relay\":\n { \"host\": \"a\" } }",
         "l.json:1: relay.public_key: found nothing; allowed: a public key as keygen "
         "prints it, 44 characters of base64 for 32 bytes"},
        {"{ \"relay\":\n { \"public_key\": \"" KEY_1 "\" } }",
         "l.json:1: relay.host: found nothing; allowed: a DNS name, or an address without "
         "brackets"},
        {"{ \"relay\": { \"host\": \"a\", \"public_key\": \"" KEY_1 "\" } }",
         "l.json:1: private_key_file: found nothing; allowed: the name of a file, relative "
         "to this one"},
        {WITH(AND("\"pool\": {\n\"sise\": 8 }")),
         "l.json:5: pool.sise: unknown key; did you mean \"size\"? allowed: size, idle, "
         "burst, dials_per_second, keepalive"},
        {WITH(AND("\"listen\": [ {},\n{ \"prot\": 1 } ]")),
         "l.json:5: listen[1].prot: unknown key; did you mean \"port\"? allowed: protocol, "
         "name, address, port, users, to, network, max_age, max_per_target, mode, copies, "
         "paths"},
        {WITH(AND("\"pool\": 8")), "l.json:4: pool: found 8; allowed: an object"},
        {WITH(AND("\"pool\": null")), "l.json:4: pool: found null; allowed: an object"},
        {WITH(AND("\"listen\": {}")),
         "l.json:4: listen: found an object; allowed: a list of 1 to 64 entries: "
         "objects, one for each address to listen on"},
        {WITH(AND("\"listen\": []")),
         "l.json:4: listen: found a list; allowed: a list of 1 to 64 entries: objects, "
         "one for each address to listen on"},
        {WITH(AND("\"listen\": [ {}, {} ]")),
         "l.json:4: listen[1]: found 127.0.0.1:1080 a second time; allowed: each address "
         "and port once"},
        {WITH(AND("\"paths\": [ {}, {}, {}, {}, {}, {}, {}, {}, {},\n"
                  "{}, {}, {}, {}, {}, {}, {}, {} ]")),
         "l.json:4: paths: found a list; allowed: a list of 1 to 16 entries: objects with "
         "interface or source, or null"},
        {WITH(AND("\"paths\": [ {\n} ]")),
         "l.json:4: paths[0]: found neither interface nor source; allowed: one of them, or "
         "both"},
        {WITH(AND("\"pool\": { \"size\": 8,\n\"size\": 9 }")),
         "l.json:5: pool.size: found a second time; allowed: each key once"},
        {WITH(AND("\"pool\": { \"size\": 8,\n\"idle\": 9 }")),
         "l.json:5: pool.idle: found 9, more than size; allowed: 0 to 8"},
        {WITH(AND("\"pool\": { \"burst\": 7,\n\"size\": 8 }")),
         "l.json:4: pool.burst: found 7, less than size; allowed: 8 to 1024"},
    };
    (void)state;

    expect_refusals(refusals, ARRAY_LENGTH(refusals), ERROR_INVALID);
}

#define POOL(members) WITH(AND("\"pool\": { " members " }"))
#define LISTEN(members) WITH(AND("\"listen\": [ { " members " } ]"))
#define PATH(members) WITH(AND("\"paths\": [ { " members " } ]"))
#define SERVER(text) WITH(AND("\"dns\": { \"servers\": [" text "] }"))
#define BYTES(from, to) from " to " to " bytes, as a number or as a text such as \"64KiB\""
#define A_SOCKET "the name of a socket, relative to this file, or null"
#define FROM_A_SECOND "1 to 86400 seconds, as a number or as a text such as \"2m\", or null"
#define UP_TO_9_HOURS "1 to 32400 seconds, as a number or as a text such as \"2m\", or null"
#define SECONDS "0 to 86400 seconds, as a number or as a text such as \"2m\""
#define A_SERVER \
    "an address with an optional port, such as \"192.0.2.1\" or \"[2001:db8::1]:53\""
#define MODES "\"split\", \"redundant\", \"auto\""
#define AN_INTERFACE "the name of a network interface"
#define USERS "an object of 1 to 4096 names, each with its password, or null"

static const struct refusal wrong_values[] = {
    {POOL("\"size\": 0"), FOUND("pool.size", "0", "a whole number from 1 to 1024")},
    {POOL("\"size\": 1025"), FOUND("pool.size", "1025", "a whole number from 1 to 1024")},
    {POOL("\"size\": -1"), FOUND("pool.size", "-1", "a whole number from 1 to 1024")},
    {POOL("\"size\": 8.0"), FOUND("pool.size", "8", "a whole number from 1 to 1024")},
    {POOL("\"size\": \"8\""), FOUND("pool.size", "\"8\"", "a whole number from 1 to 1024")},
    {POOL("\"size\": 9223372036854775807"),
     FOUND("pool.size", "9223372036854775807", "a whole number from 1 to 1024")},
    {POOL("\"size\": null"), FOUND("pool.size", "null", "a whole number from 1 to 1024")},
    {POOL("\"dials_per_second\": 0"),
     FOUND("pool.dials_per_second", "0", "a number above 0, up to 1000000, or null")},
    {POOL("\"dials_per_second\": true"),
     FOUND("pool.dials_per_second", "true", "a number above 0, up to 1000000, or null")},
    {WITH(AND("\"chunk_size\": 63")), FOUND("chunk_size", "63", BYTES("64", "16384"))},
    {WITH(AND("\"chunk_size\": 16385")),
     FOUND("chunk_size", "16385", BYTES("64", "16384"))},
    {WITH(AND("\"control\": \"\"")), FOUND("control", "\"\"", A_SOCKET)},
    {WITH(AND("\"control\": true")), FOUND("control", "true", A_SOCKET)},
    {WITH(AND("\"linger\": -1")), FOUND("linger", "-1", SECONDS)},
    {WITH(AND("\"linger\": 86400.5")), FOUND("linger", "86400.5", SECONDS)},
    {WITH(AND("\"linger\": \"25h\"")), FOUND("linger", "\"25h\"", SECONDS)},
    {WITH(AND("\"timeouts\": { \"half_closed\": 0.5 }")),
     FOUND("timeouts.half_closed", "0.5", FROM_A_SECOND)},
    {WITH(AND("\"timeouts\": { \"keepalive\": \"10h\" }")),
     FOUND("timeouts.keepalive", "\"10h\"", UP_TO_9_HOURS)},
    {WITH(AND("\"linger\": \"2 m\"")), FOUND("linger", "\"2 m\"", SECONDS)},
    {WITH(AND("\"mode\": \"fast\"")), FOUND("mode", "\"fast\"", MODES)},
    {WITH(AND("\"mode\": 1")), FOUND("mode", "1", MODES)},
    {WITH(AND("\"dns\": { \"resolve\": \"both\" }")),
     FOUND("dns.resolve", "\"both\"", "\"local\", \"relay\"")},
    {SERVER("\"dns.example\""), FOUND("dns.servers[0]", "\"dns.example\"", A_SERVER)},
    {SERVER("\"192.0.2.1:0\""), FOUND("dns.servers[0]", "\"192.0.2.1:0\"", A_SERVER)},
    {SERVER("\"192.0.2.1:65536\""),
     FOUND("dns.servers[0]", "\"192.0.2.1:65536\"", A_SERVER)},
    {SERVER("\"192.0.2.1:\""), FOUND("dns.servers[0]", "\"192.0.2.1:\"", A_SERVER)},
    {SERVER("\"[192.0.2.1]\""), FOUND("dns.servers[0]", "\"[192.0.2.1]\"", A_SERVER)},
    {SERVER("\"[::1\""), FOUND("dns.servers[0]", "\"[::1\"", A_SERVER)},
    {SERVER("\"[::1]53\""), FOUND("dns.servers[0]", "\"[::1]53\"", A_SERVER)},
    {SERVER("\"\""), FOUND("dns.servers[0]", "\"\"", A_SERVER)},
    {SERVER(""),
     FOUND("dns.servers", "a list",
           "a list of 1 to 8 entries: addresses with an optional port, or null")},
    {LISTEN("\"address\": \"localhost\""),
     FOUND("listen[0].address", "\"localhost\"", "an IPv4 or IPv6 address")},
    {LISTEN("\"port\": 65536"),
     FOUND("listen[0].port", "65536", "a whole number from 0 to 65535")},
    {LISTEN("\"users\": {}"), FOUND("listen[0].users", "an object", USERS)},
    {LISTEN("\"users\": []"), FOUND("listen[0].users", "a list", USERS)},
    {LISTEN("\"users\": { \"\": \"x\" }"),
     FOUND("listen[0].users.", "a name of 0 bytes", "1 to 255")},
    {PATH("\"interface\": \"\""), FOUND("paths[0].interface", "\"\"", AN_INTERFACE)},
    {PATH("\"interface\": \"sixteen-letters!\""),
     FOUND("paths[0].interface", "\"sixteen-letters!\"", AN_INTERFACE)},
    {PATH("\"interface\": \"a b\""), FOUND("paths[0].interface", "\"a b\"", AN_INTERFACE)},
    {PATH("\"source\": \"192.0.2.7:80\""),
     FOUND("paths[0].source", "\"192.0.2.7:80\"",
           "an IPv4 or IPv6 address of this machine")},
    {WITH(AND("\"congestion_control\": \"b/r\"")),
     FOUND("congestion_control", "\"b/r\"",
           "a name that the kernel knows, such as \"bbr\", or null")},
};

static void test_values_are_checked(void **state)
{
    (void)state;

    expect_refusals(wrong_values, ARRAY_LENGTH(wrong_values), ERROR_INVALID);
}

#define RELAY(members) "{ \"private_key_file\": \"k\",\n \"relay\": { " members " } }"
#define A_PORT "a port from 1 to 65535, or a range such as \"8000-8009\""

static void test_relay_is_checked(void **state)
{
    static const char *const hosts[] = {
        "",
        "a b",
        "[::1]",
        "a..b",
        ".a",
        "192.0.2.256",
        "192.0.2",
        "a/b",
        "::1:x",
        "-\\u00e4",
        "vps.1",
        "443",
        "a:443",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl.example",
    };
    static const struct refusal refusals[] = {
        {RELAY("\"ports\": []"), "l.json:2: relay.ports: found a list; allowed: a list of "
                                 "ports and ranges, such as [443, \"8000-8009\"]"},
        {RELAY("\"ports\": 443"), "l.json:2: relay.ports: found 443; allowed: a list of "
                                  "ports and ranges, such as [443, \"8000-8009\"]"},
        {RELAY("\"ports\": [1, 0]"), "l.json:2: relay.ports[1]: found 0; allowed: " A_PORT},
        {RELAY("\"ports\": [65536]"),
         "l.json:2: relay.ports[0]: found 65536; allowed: " A_PORT},
        {RELAY("\"ports\": [\"9-8\"]"),
         "l.json:2: relay.ports[0]: found \"9-8\"; allowed: " A_PORT},
        {RELAY("\"ports\": [\"443\"]"),
         "l.json:2: relay.ports[0]: found \"443\"; allowed: " A_PORT},
        {RELAY("\"ports\": [\"1-65536\"]"),
         "l.json:2: relay.ports[0]: found \"1-65536\"; allowed: " A_PORT},
        {RELAY("\"ports\": [\"1-2-3\"]"),
         "l.json:2: relay.ports[0]: found \"1-2-3\"; allowed: " A_PORT},
        {RELAY("\"host\": \"a\", \"public_key\": \"" KEY_1
               "\", \"ports\": [\"1-1000\",\n 443]"),
         "l.json:3: relay.ports[1]: found port 443 a second time; allowed: each port once"},
        {RELAY("\"public_key\": \"" KEY_1 "=\""),
         "l.json:2: relay.public_key: found \"" KEY_1
         "=\"; allowed: a public key as keygen "
         "prints it, 44 characters of base64 for 32 bytes"},
        {RELAY("\"public_key\": 5"),
         "l.json:2: relay.public_key: found 5; allowed: a public key as keygen prints it, "
         "44 characters of base64 for 32 bytes"},
    };
    char text[256];
    (void)state;

    expect_refusals(refusals, ARRAY_LENGTH(refusals), ERROR_INVALID);
    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        struct config_local *config;
        struct config_error error;

        snprintf(text, sizeof(text), RELAY("\"host\": \"%s\""), hosts[i]);
        assert_int_equal(config_local_parse(text, strlen(text), "l", &config, &error),
                         ERROR_INVALID);
        assert_non_null(strstr(error.problems[0].text, "l:2: relay.host: found \""));
    }
}

static void test_all_ports(void **state)
{
    struct config_local *config =
        parse("{ \"relay\": { \"host\": \"a.example.\", \"ports\": [\"1-65535\"],"
              "\"public_key\": \"" KEY_1 "\" }, \"private_key_file\": \"k\" }");
    (void)state;

    assert_int_equal(config->relay.ports.count, 65535);
    assert_int_equal(config->relay.ports.items[0], 1);
    assert_int_equal(config->relay.ports.items[65534], 65535);
    config_local_free(config);
}

static void test_what_comes_later_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {WITH(AND("\"mode\": \"coded\"")),
         "l.json:4: mode: found \"coded\", which is not supported yet; allowed: " MODES},
        {LISTEN("\"mode\": \"coded\""),
         "l.json:4: listen[0].mode: found \"coded\", which is not supported yet; "
         "allowed: " MODES},
    };
    (void)state;

    expect_refusals(refusals, ARRAY_LENGTH(refusals), ERROR_UNSUPPORTED);
}

#define A_JSON "allowed: JSON, without comments, trailing commas and quotes other than \""

static void test_broken_json(void **state)
{
    static const struct refusal refusals[] = {
        {"", "l.json:1: found no JSON at column 0 ('[' or '{' expected); allowed: JSON, "
             "without comments or trailing commas"},
        {"{ \"pool\": {\n \"size\": 8", "l.json:2: pool.size: found no JSON at column 10 "
                                        "('}' expected); allowed: JSON, without comments "
                                        "or trailing commas"},
        {"{ \"pool\": {\n \"size\": 8,\n}",
         "l.json:2: pool.size: found a comma behind the last entry; " A_JSON},
        {"[ 1,\n 2, ]", "l.json:2: [1]: found a comma behind the last entry; " A_JSON},
        {"{ \"pool\": {\n \"size\": 8 // many\n}",
         "l.json:2: pool.size: found a comment; " A_JSON},
        {"# mine\n{}", "l.json:1: found a comment; " A_JSON},
        {"{ /* \n */ }", "l.json:1: found a comment; " A_JSON},
        {"{ 'pool': {} }", "l.json:1: found a single quote; " A_JSON},
        {"{ \"mode\": \xe2\x80\x9csplit\xe2\x80\x9d }",
         "l.json:1: mode: found a typographic quote; " A_JSON},
        {"{\xc2\xa0}", "l.json:1: found a blank that is not a plain space; " A_JSON},
        {"\xe2\x80\x8b{}", "l.json:1: found a blank that is not a plain space; " A_JSON},
        /* A comment, quote or comma inside a text is part of the text. */
        {"{ \"mode\": \"// # ' \\\" ,]\" ] }",
         "l.json:1: found no JSON at column 26 ('}' expected); allowed: JSON, "
         "without comments or trailing commas"},
    };
    (void)state;

    expect_refusals(refusals, ARRAY_LENGTH(refusals), ERROR_MALFORMED);
}

/* Neither a wrong password nor the text near a mistake is shown. */
static void test_passwords_are_not_shown(void **state)
{
    static const char *const texts[] = {
        LISTEN("\"users\": { \"ann\": [\"hunter2\"] }"),
        LISTEN("\"users\": { \"ann\": {\"hunter2\": \"hunter2\"} }"),
        LISTEN("\"users\": { \"ann\": \"hunter2\" \"hunter2\" }"),
        LISTEN("\"users\": { \"ann\": hunter2 }"),
        LISTEN("\"users\": { \"ann\": \"hunter2\\x\" }"),
        LISTEN("\"users\": { \"ann\": \"hunter2\n\" }"),
        LISTEN("\"users\": { \"ann\": \"\" }"),
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct config_local *config;
        struct config_error error;

        assert_int_not_equal(
            config_local_parse(texts[i], strlen(texts[i]), "l", &config, &error), OK);
        assert_non_null(strstr(error.problems[0].text, "listen[0].users.ann"));
        assert_null(strstr(error.problems[0].text, "hunter"));
    }
}

/* The message is one line, without control characters, however long the value is. */
static void test_messages_are_tame(void **state)
{
    char text[4096] = "{ \"";
    struct config_local *config;
    struct config_error error;
    (void)state;

    expect_refusal(
        "{ \"a\\n\\u0007\": 1 }", ERROR_INVALID,
        "l.json:1: a??: unknown key; did you mean \"rate\"? allowed: relay, "
        "private_key_file, listen, paths, mode, copies, rules, pool, "
        "congestion_control, chunk_size, budget, rate, dns, udp, linger, mtu_retry, "
        "timeouts, state_file, control");
    expect_refusal(WITH(AND("\"mode\": \"123456789 123456789 123456789 123456789 123456789 "
                            "123456789 12345\\u00fc6789 123456789\"")),
                   ERROR_INVALID,
                   FOUND("mode",
                         "\"123456789 123456789 123456789 123456789 123456789 123456789 "
                         "12345...\"",
                         MODES));
    memset(text + 3, 'k', sizeof(text) - 10);
    strcpy(text + sizeof(text) - 7, "\": 1}");
    assert_int_equal(config_local_parse(text, strlen(text), "l", &config, &error),
                     ERROR_INVALID);
    assert_non_null(strstr(error.problems[0].text, "kkk: unknown key; did you mean \""));
}

UNIT_MAIN(cmocka_unit_test(test_defaults), cmocka_unit_test(test_everything),
          cmocka_unit_test(test_control_and_its_absence),
          cmocka_unit_test(test_pool_follows_its_size),
          cmocka_unit_test(test_one_rate_is_for_both_directions),
          cmocka_unit_test(test_bounds_are_included),
          cmocka_unit_test(test_warns_of_open_proxies),
          cmocka_unit_test(test_structure_is_checked),
          cmocka_unit_test(test_values_are_checked),
          cmocka_unit_test(test_relay_is_checked), cmocka_unit_test(test_all_ports),
          cmocka_unit_test(test_what_comes_later_is_refused),
          cmocka_unit_test(test_broken_json),
          cmocka_unit_test(test_passwords_are_not_shown),
          cmocka_unit_test(test_messages_are_tame))
