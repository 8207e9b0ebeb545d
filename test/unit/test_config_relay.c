/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "config_parse.h"

#include <splitsocks/config/config_relay.h>

#include <stdio.h>

/* The members that must be there, on line 1; more follow from line 2 on. */
#define WITH(members) \
    "{ \"private_key_file\": \"relay.key\", \"clients\": [ " \
    "{ \"name\": \"laptop\", \"public_key\": \"" KEY_1 "\" } ]" members "}"
#define AND(member) ",\n" member
#define CLIENTS(list) "{ \"private_key_file\": \"k\",\n\"clients\": [ " list " ] }"
#define CLIENT(name, key) "{ \"name\": \"" name "\",\n\"public_key\": \"" key "\" }"

static struct config_relay *parse(const char *text)
{
    struct config_relay *config;
    struct config_error error;

    if (config_relay_parse(text, strlen(text), "r.json", &config, &error) != OK)
        fail_msg("%s", error.problems[0].text);
    return config;
}

static void test_defaults(void **state)
{
    struct config_relay *config = parse(WITH(""));
    char text[ADDRESS_TEXT_SIZE];
    (void)state;

    assert_int_equal(config->listen.count, 2);
    assert_string_equal(address_format(&config->listen.items[0].address, text), "0.0.0.0");
    assert_string_equal(address_format(&config->listen.items[1].address, text), "::");
    for (size_t i = 0; i < 2; i++) {
        assert_true(config->listen.items[i].implied);
        assert_int_equal(config->listen.items[i].ports.count, 1);
        assert_int_equal(config->listen.items[i].ports.items[0], 443);
    }
    assert_string_equal(config->private_key_file, "relay.key");
    assert_int_equal(config->clients.count, 1);
    assert_string_equal(config->clients.items[0].name, "laptop");
    for (size_t i = 0; i < CONFIG_KEY_SIZE; i++)
        assert_int_equal(config->clients.items[0].public_key[i], 1);
    assert_int_equal(config_relay_bounds(config, 0).max_sessions, 16);
    assert_int_equal(config_relay_bounds(config, 0).max_streams, 16384);
    assert_int_equal(config_relay_bounds(config, 0).max_flows, 1024);
    assert_int_equal(config_relay_bounds(config, 0).dials_per_second, 1000);
    assert_int_equal(config_relay_bounds(config, 0).max_descriptors, 0);
    assert_int_equal(config_relay_bounds(config, 0).max_names, 0);
    assert_int_equal(config_relay_bounds(config, 0).max_memory, 0);
    assert_int_equal(config->clients.items[0].destinations.allow.count, 0);
    assert_int_equal(config->clients.items[0].destinations.deny.count, 0);
    assert_int_equal(config->clients.items[0].destinations.ports.count, 0);
    assert_int_equal(config->clients.items[0].rate.up_bits, 0);
    assert_int_equal(config->clients.items[0].rate.down_bits, 0);
    assert_true(config->clients.items[0].quota_bytes == CONFIG_UNLIMITED);
    assert_true(config->clients.items[0].expires_ns == TIME_NEVER);
    assert_int_equal(config->destinations.allow.count, 0);
    assert_int_equal(config->destinations.deny.count, 0);
    assert_true(config->udp);
    assert_int_equal(config->dns.servers.count, 0);
    assert_int_equal(config->workers, 1);
    assert_int_equal(config->server_id, 1);
    assert_int_equal(config->linger_ns, 120 * NS_PER_S);
    assert_int_equal(config->timeouts.half_closed_after_ns, 300 * NS_PER_S);
    assert_int_equal(config->timeouts.keepalive_ns, 300 * NS_PER_S);
    assert_int_equal(config->timeouts.stop_after_ns, 5 * NS_PER_S);
    assert_null(config->congestion_control);
    assert_int_equal(config->limits.half_open, 1024);
    assert_int_equal(config->limits.unauthenticated, 4096);
    assert_int_equal(config->limits.failures_per_minute_per_address, 1920);
    assert_int_equal(config->limits.buffered_bytes, 512 << 20);
    assert_int_equal(config->limits.streams, 131072);
    assert_false(config->control.given);
    assert_int_equal(config->limits.flows, 16384);
    assert_int_equal(config->warnings.count, 0);
    config_relay_free(config);
}

static const char everything[] =
    "{ \"listen\": [ { \"address\": \"192.0.2.1\", \"ports\": [443, \"8000-8001\"] },\n"
    "    { \"ports\": [444] }, { \"address\": \"2001:db8::1\" } ],\n"
    "  \"private_key_file\": \"../k\",\n"
    "  \"clients\": [ " CLIENT(
        "a", KEY_1) ", { \"public_key\": \"" KEY_2 "\",\n"
                    "    \"name\": \"b\", \"max_sessions\": 1, \"max_streams\": 1000000,\n"
                    "    \"max_flows\": 65536, \"dials_per_second\": 7, \"expires\": "
                    "\"2027-12-31T18:00:01Z\",\n"
                    "    \"rate\": { \"up\": 64000, \"down\": \"20Mbit\" },\n"
                    "    \"quota\": \"100GiB\",\n"
                    "    \"destinations\": { \"allow\": [\"192.168.0.0/16\"],\n"
                    "      \"deny\": [\"0.0.0.0/0\", \"::/0\"], \"ports\": [22] } } ],\n"
                    "  \"udp\": false,\n"
                    "  \"destinations\": { \"allow\": [\"10.0.0.0/8\", \"fd00::/8\"],\n"
                    "    \"deny\": [\"203.0.113.7\"], \"ports\": [25, \"80-443\"] },\n"
                    "  \"dns\": { \"servers\": [\"127.0.0.1:5353\"] }, \"workers\": 64,\n"
                    "  \"state_file\": \"s\", \"control\": \"c\", \"server_id\": 255, "
                    "\"rate\": {\"up\": \"90Mbit\"}, "
                    "\"linger\": \"10m\", "
                    "\"congestion_control\": "
                    "\"cubic\",\n"
                    "  \"timeouts\": { \"half_closed\": \"1h\", \"keepalive\": null },\n"
                    "  \"limits\": { \"half_open\": 1, \"unauthenticated\": 2, "
                    "\"buffered_bytes\": \"1GiB\","
                    "    \"streams\": 5, \"flows\": 4, "
                    "\"failures_per_minute_per_address\": 3 } }";

static void test_everything(void **state)
{
    static const struct {
        const char *address;
        size_t ports;
        uint16_t first;
        bool implied;
    } listeners[] = {
        {"192.0.2.1", 3, 443, false},
        {"0.0.0.0", 1, 444, true},
        {"::", 1, 444, true},
        {"2001:db8::1", 1, 443, false},
    };
    struct config_relay *config = parse(everything);
    char text[ADDRESS_TEXT_SIZE];
    (void)state;

    assert_int_equal(config->listen.count, ARRAY_LENGTH(listeners));
    for (size_t i = 0; i < ARRAY_LENGTH(listeners); i++) {
        const struct config_relay_listener *listener = &config->listen.items[i];

        assert_string_equal(address_format(&listener->address, text), listeners[i].address);
        assert_int_equal(listener->ports.count, listeners[i].ports);
        assert_int_equal(listener->ports.items[0], listeners[i].first);
        assert_int_equal(listener->implied, listeners[i].implied);
    }
    assert_int_equal(config->clients.count, 2);
    assert_string_equal(config->clients.items[1].name, "b");
    assert_int_equal(config->clients.items[1].public_key[0], 2);
    assert_int_equal(config_relay_bounds(config, 1).max_sessions, 1);
    assert_int_equal(config_relay_bounds(config, 1).max_streams, 1000000);
    assert_int_equal(config_relay_bounds(config, 1).max_flows, 65536);
    assert_int_equal(config_relay_bounds(config, 1).dials_per_second, 7);
    assert_int_equal(config->clients.items[1].rate.up_bits, 64000);
    assert_int_equal(config->clients.items[1].rate.down_bits, 20000000);
    assert_true(config->clients.items[1].quota_bytes == UINT64_C(100) << 30);
    assert_true(config->clients.items[1].expires_ns ==
                ((21183 * UINT64_C(24) + 18) * 3600 + 1) * NS_PER_S);
    assert_int_equal(config->clients.items[1].destinations.allow.count, 1);
    assert_int_equal(config->clients.items[1].destinations.deny.count, 2);
    assert_int_equal(config->clients.items[1].destinations.ports.items[0].first, 22);
    assert_false(config->udp);
    assert_int_equal(config->destinations.allow.count, 2);
    assert_int_equal(config->destinations.allow.items[0].bits, 8);
    assert_int_equal(config->destinations.allow.items[1].address.bytes[0], 0xfd);
    assert_int_equal(config->destinations.deny.count, 1);
    assert_int_equal(config->destinations.deny.items[0].bits, 32);
    assert_int_equal(config->destinations.ports.count, 2);
    assert_int_equal(config->destinations.ports.items[0].last, 25);
    assert_int_equal(config->destinations.ports.items[1].first, 80);
    assert_int_equal(config->destinations.ports.items[1].last, 443);
    assert_int_equal(config->dns.servers.count, 1);
    assert_int_equal(config->dns.servers.items[0].port, 5353);
    assert_int_equal(config->workers, 64);
    assert_string_equal(config->state_file, "s");
    assert_true(config->control.given);
    assert_string_equal(config->control.file, "c");
    assert_int_equal(config->server_id, 255);
    assert_int_equal(config->rate.up_bits, 90000000);
    assert_int_equal(config->rate.down_bits, 0);
    assert_int_equal(config->linger_ns, 600 * NS_PER_S);
    assert_int_equal(config->timeouts.half_closed_after_ns, 3600 * NS_PER_S);
    assert_int_equal(config->timeouts.keepalive_ns, 0);
    assert_string_equal(config->congestion_control, "cubic");
    assert_int_equal(config->limits.half_open, 1);
    assert_int_equal(config->limits.unauthenticated, 2);
    assert_int_equal(config->limits.failures_per_minute_per_address, 3);
    assert_int_equal(config->limits.buffered_bytes, 1 << 30);
    assert_int_equal(config->limits.streams, 5);
    assert_int_equal(config->limits.flows, 4);
    config_relay_free(config);
}

static void test_warns_when_nobody_is_served(void **state)
{
    struct config_relay *config = parse(CLIENTS(""));
    (void)state;

    assert_int_equal(config->clients.count, 0);
    assert_int_equal(config->warnings.count, 1);
    assert_string_equal(config->warnings.items[0],
                        "r.json:2: clients: nobody is listed, so nobody is served");
    config_relay_free(config);
}

/* The bounds of a client that are not said are those of `limits`. */
static void test_bounds_of_clients(void **state)
{
    struct config_relay *config =
        parse("{ \"private_key_file\": \"k\", \"clients\": [ " CLIENT(
            "a",
            KEY_1) ", { \"name\": \"b\", \"public_key\": \"" KEY_2
                   "\", \"max_sessions\": 1,\n"
                   "    \"max_streams\": 2, \"max_flows\": 3, \"dials_per_second\": 4,\n"
                   "    \"max_descriptors\": 65, \"max_names\": 6, \"max_memory\": "
                   "\"7MiB\" } ],\n"
                   "  \"limits\": { \"max_sessions\": 11, \"max_streams\": 12, "
                   "\"max_flows\": 13,\n"
                   "    \"dials_per_second\": 14, \"max_descriptors\": 165, \"max_names\": "
                   "16,\n"
                   "    \"max_memory\": \"17MiB\" } }");
    struct config_bounds all = config_relay_bounds(config, 0);
    struct config_bounds own = config_relay_bounds(config, 1);
    (void)state;

    assert_int_equal(all.max_sessions, 11);
    assert_int_equal(all.max_streams, 12);
    assert_int_equal(all.max_flows, 13);
    assert_int_equal(all.dials_per_second, 14);
    assert_int_equal(all.max_descriptors, 165);
    assert_int_equal(all.max_names, 16);
    assert_int_equal(all.max_memory, 17 << 20);
    assert_int_equal(own.max_sessions, 1);
    assert_int_equal(own.max_streams, 2);
    assert_int_equal(own.max_flows, 3);
    assert_int_equal(own.dials_per_second, 4);
    assert_int_equal(own.max_descriptors, 65);
    assert_int_equal(own.max_names, 6);
    assert_int_equal(own.max_memory, 7 << 20);
    config_relay_free(config);
}

/* A day begins at midnight; a leap day exists in its years alone. */
static void test_dates(void **state)
{
    static const char *const good[] = {"2028-02-29", "2027-12-31", "2027-12-31T23:59:59Z"};
    static const char *const bad[] = {
        "2027-02-29",  "2027-13-01",          "2027-00-01",
        "2027-01-00",  "1969-12-31",          "2501-01-01",
        "2027-1-1",    "2027-01-01 ",         "2027-01-01T24:00:00Z",
        "2027-01-01T", "2027-01-01T00:00:00", "",
        "+027-01-01",  "2027-04-31",          "2027-01-01T00:60:00Z",
        "tomorrow"};
    struct config_relay *config;
    struct config_error error;
    char text[512];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(good) + ARRAY_LENGTH(bad); i++) {
        const char *date = i < ARRAY_LENGTH(good) ? good[i] : bad[i - ARRAY_LENGTH(good)];

        snprintf(text, sizeof(text),
                 CLIENTS("{ \"name\": \"a\", \"public_key\": \"" KEY_1
                         "\", \"expires\": \"%s\" }"),
                 date);
        if ((config_relay_parse(text, strlen(text), "r.json", &config, &error) == OK) !=
            (i < ARRAY_LENGTH(good)))
            fail_msg("%s is %s", date, i < ARRAY_LENGTH(good) ? "refused" : "allowed");
        config_relay_free(config);
    }
}

#define A_BLOCK \
    "an address or a block such as \"10.0.0.0/8\", without bits set below the prefix"

static void test_refusals(void **state)
{
    static const struct refusal refusals[] = {
        {CLIENTS("{ \"name\": \"a\", \"public_key\": \"" KEY_1 "\", \"expires\": 2027 }"),
         "r.json:2: clients[0].expires: found 2027; allowed: a date of UTC, as "
         "\"2027-12-31\", or a time, as \"2027-12-31T18:00:00Z\", or null"},
        {CLIENTS("{ \"name\": \"a\", \"public_key\": \"" KEY_1 "\", \"rate\": 2000 }"),
         "r.json:2: clients[0].rate: found 2000; allowed: an object with up and down, or "
         "for "
         "both 16000 to 1000000000000 bits a second, as a number or as a text such as "
         "\"5Mbit\", or null"},
        {CLIENTS("{ \"name\": \"a\", \"public_key\": \"" KEY_1 "\", \"quota\": 1 }"),
         "r.json:2: clients[0].quota: found 1; allowed: 1048576 to 1125899906842624 bytes, "
         "as "
         "a number or as a text such as \"64KiB\", or null"},
        {"{ \"private_key_file\": \"k\" }",
         "r.json:1: clients: found nothing; allowed: objects with name and public_key"},
        {CLIENTS(CLIENT("a", KEY_1) "," CLIENT("b", KEY_2) ",\n" CLIENT("a", KEY_2)),
         "r.json:5: clients[2].name: found a second time; allowed: each name once"},
        {CLIENTS(CLIENT("a", KEY_1) "," CLIENT("b", KEY_2) ",\n" CLIENT("c", KEY_1)),
         "r.json:6: clients[2].public_key: found a second time; allowed: each public_key "
         "once"},
        {CLIENTS(CLIENT("", KEY_1)), "r.json:2: clients[0].name: found \"\"; allowed: a "
                                     "text of 1 to 63 printable ASCII characters"},
        {CLIENTS(CLIENT("a\\t", KEY_1)),
         "r.json:2: clients[0].name: found \"a?\"; allowed: a text of 1 to 63 printable "
         "ASCII characters"},
        {CLIENTS("{ \"name\": \"a\" }"),
         "r.json:2: clients[0].public_key: found nothing; allowed: a public key as keygen "
         "prints it, 44 characters of base64 for 32 bytes"},
        {WITH(AND("\"workers\": 65")),
         "r.json:2: workers: found 65; allowed: a whole number from 1 to 64"},
        {WITH(AND("\"server_id\": 0")),
         "r.json:2: server_id: found 0; allowed: a whole number from 1 to 255"},
        {WITH(AND("\"server_id\": 256")),
         "r.json:2: server_id: found 256; allowed: a whole number from 1 to 255"},
        {WITH(AND("\"destinations\": { \"allow\": [\"10.0.0.0/8\",\n\"10.0.0.1/8\"] }")),
         "r.json:3: destinations.allow[1]: found \"10.0.0.1/8\"; allowed: " A_BLOCK},
        {WITH(AND("\"destinations\": { \"deny\": [\"example.org\"] }")),
         "r.json:2: destinations.deny[0]: found \"example.org\"; allowed: " A_BLOCK},
        {WITH(AND("\"destinations\": { \"ports\": [] }")),
         "r.json:2: destinations.ports: found a list; allowed: a list of 1 to 256 entries: "
         "ports "
         "and ranges"},
        {WITH(AND("\"destinations\": { \"ports\": [0] }")),
         "r.json:2: destinations.ports[0]: found 0; allowed: a port from 1 to 65535, or a "
         "range such as \"8000-8009\""},
        {WITH(AND("\"dns\": { \"resolve\": \"local\" }")),
         "r.json:2: dns.resolve: unknown key; did you mean \"servers\"? allowed: servers, "
         "timeout, cache, max_ttl, max_negative_ttl, max_waiting"},
        {CLIENTS("{ \"name\": \"a\", \"public_key\": \"" KEY_1
                 "\", \"max_descriptors\": 63 }"),
         "r.json:2: clients[0].max_descriptors: found 63; allowed: a whole number from 64 "
         "to "
         "1000000, or null"},
        {CLIENTS("{ \"name\": \"a\", \"public_key\": \"" KEY_1 "\", \"max_names\": 0 }"),
         "r.json:2: clients[0].max_names: found 0; allowed: a whole number from 1 to "
         "1000000, or null"},
        {WITH(AND("\"limits\": { \"max_memory\": \"5MiB\" }")),
         "r.json:2: limits.max_memory: found \"5MiB\"; allowed: 6291456 to 1099511627776 "
         "bytes, as a number or as a text such as \"64KiB\", or null"},
        {WITH(AND("\"limits\": { \"max_sessions\": null }")),
         "r.json:2: limits.max_sessions: found null; allowed: a whole number from 1 to "
         "65535"},
        {WITH(AND("\"limits\": { \"buffered_bytes\": \"1kB\" }")),
         "r.json:2: limits.buffered_bytes: found \"1kB\"; allowed: 1048576 to "
         "1099511627776 bytes, as a number or as a text such as \"64KiB\""},
        {WITH(AND("\"listen\": [ { \"address\": \"::1\", \"port\": 443 } ]")),
         "r.json:2: listen[0].port: unknown key; did you mean \"ports\"? allowed: address, "
         "ports"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        struct config_relay *config;
        struct config_error error;

        assert_int_equal(config_relay_parse(refusals[i].text, strlen(refusals[i].text),
                                            "r.json", &config, &error),
                         ERROR_INVALID);
        assert_null(config);
        assert_string_equal(error.problems[0].text, refusals[i].message);
    }
}

UNIT_MAIN(cmocka_unit_test(test_defaults), cmocka_unit_test(test_everything),
          cmocka_unit_test(test_warns_when_nobody_is_served),
          cmocka_unit_test(test_bounds_of_clients), cmocka_unit_test(test_dates),
          cmocka_unit_test(test_refusals))
