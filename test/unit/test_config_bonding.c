/* SPDX-License-Identifier: MIT */
/* The keys of local.json about several paths, listeners that forward, and rules. */
#include "unit.h"

#include "config_parse.h"

#include <splitsocks/config/config_local.h>

#include <stdio.h>

/* The members that must be there, on line 1; more follow from line 2 on. */
#define HOSTS(hosts, members) \
    "{ \"relay\": { \"host\": " hosts ", \"public_key\": \"" KEY_1 "\" }, " \
    "\"private_key_file\": \"k\",\n" members "}"
#define WITH(members) HOSTS("\"vps.example.net\"", members)
#define PATHS(list) WITH("\"paths\": [" list "]")
#define LISTEN(list) WITH("\"listen\": [" list "]")
#define RULES(list) \
    WITH("\"paths\": [ { \"interface\": \"wlan0\" }, { \"source\": \"192.0.2.7\" } ], " \
         "\"listen\": [ { \"name\": \"web\" }, { \"port\": 1 } ], \"rules\": [" list "]")

static struct config_local *parse(const char *text)
{
    struct config_local *config;
    struct config_error error;

    if (config_local_parse(text, strlen(text), "l", &config, &error) != OK)
        fail_msg("%s", error.problems[0].text);
    return config;
}

static void expect_refusals(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = refusals[i].text;
        struct config_local *config;
        struct config_error error;

        assert_int_equal(config_local_parse(text, strlen(text), "l", &config, &error),
                         ERROR_INVALID);
        assert_null(config);
        assert_string_equal(error.problems[0].text, refusals[i].message);
    }
}

/* ---- paths ---- */

static void test_paths(void **state)
{
    struct config_local *config =
        parse(PATHS("{ \"interface\": \"wlan0\" },\n"
                    "{ \"source\": \"192.0.2.7\", \"backup\": true, \"cost\": 3,\n"
                    "  \"bulk_after\": \"1m\","
                    "  \"quota\": \"5GB\", \"rate_up\": \"5Mbit\", \"rate_down\": 64000,\n"
                    "  \"mode\": \"redundant\" },\n"
                    "{ \"interface\": \"wlan0\", \"source\": \"2001:db8::1\",\n"
                    "  \"name\": \"wlan, IPv6\", \"backup\": false, \"cost\": 0,\n"
                    "  \"quota\": null, \"rate_up\": null, \"rate_down\": null }"));
    const struct config_path *paths = config->paths.items;
    (void)state;

    assert_int_equal(config->paths.count, 3);
    assert_string_equal(paths[0].name, "wlan0");
    assert_false(paths[0].backup);
    assert_int_equal(paths[0].cost, 0);
    assert_int_equal(paths[0].bulk_after_ns, 5 * NS_PER_S);
    assert_true(paths[0].quota_bytes == CONFIG_UNLIMITED);
    assert_int_equal(paths[0].rate_up_bits, 0);
    assert_int_equal(paths[0].rate_down_bits, 0);
    assert_int_equal(paths[0].mode, CONFIG_MODE_UNSET);

    assert_string_equal(paths[1].name, "192.0.2.7");
    assert_true(paths[1].backup);
    assert_int_equal(paths[1].cost, 3);
    assert_int_equal(paths[1].bulk_after_ns, 60 * NS_PER_S);
    assert_int_equal(paths[1].quota_bytes, 5000000000);
    assert_int_equal(paths[1].rate_up_bits, 5000000);
    assert_int_equal(paths[1].rate_down_bits, 64000);
    assert_int_equal(paths[1].mode, CONFIG_MODE_REDUNDANT);

    assert_string_equal(paths[2].name, "wlan, IPv6");
    assert_false(paths[2].backup);
    assert_true(paths[2].quota_bytes == CONFIG_UNLIMITED);
    assert_int_equal(paths[2].rate_up_bits, 0);

    assert_null(config->state_file);
    assert_int_equal(config->warnings.count, 0);
    config_local_free(config);

    config = parse(WITH("\"state_file\": \"state.json\", \"paths\": [ { \"interface\": "
                        "\"a\", \"quota\": \"1GiB\" } ]"));
    assert_string_equal(config->state_file, "state.json");
    assert_int_equal(config->warnings.count, 0);
    config_local_free(config);
}

static void test_automatic_paths(void **state)
{
    struct config_local *config = parse(WITH("\"paths\": \"auto\""));
    (void)state;

    assert_true(config->paths.automatic);
    assert_int_equal(config->paths.count, 0);
    config_local_free(config);
}

static void test_hosts_of_the_relay(void **state)
{
    struct config_local *config = parse(
        HOSTS("[\"a.example\", \"2001:db8::1\", \"192.0.2.1\"]", "\"mode\": \"split\""));
    (void)state;

    assert_int_equal(config->relay.hosts.count, 3);
    assert_string_equal(config->relay.hosts.items[0], "a.example");
    assert_string_equal(config->relay.hosts.items[1], "2001:db8::1");
    assert_string_equal(config->relay.hosts.items[2], "192.0.2.1");
    config_local_free(config);
}

#define FOUR \
    "{\"interface\": \"a\"}, {\"interface\": \"b\"}, {\"interface\": \"c\"}, " \
    "{\"interface\": \"d\"}"
#define A_RATE \
    "16000 to 1000000000000 bits a second, as a number or as a text such as " \
    "\"5Mbit\", or null"

static void test_paths_are_checked(void **state)
{
    static const struct refusal refusals[] = {
        {WITH("\"paths\": \"all\""),
         "l:2: paths: found \"all\"; allowed: \"auto\", or a list of 1 to 16 entries: "
         "objects with interface or source, or null"},
        {PATHS("{ \"interface\": \"a\" },\n{ \"interface\": \"a\", \"source\": \"::1\" }"),
         "l:3: paths[1]: found the name \"a\" a second time; allowed: names that differ "
         "(without a name, it is the interface or the source)"},
        {PATHS("{ \"interface\": \"a\" },\n{ \"interface\": \"a\", \"name\": \"b\" }"),
         "l:3: paths[1]: found the same interface and source as in paths[0] (\"a\" and \"b\" "
         "are one way out of this machine); allowed: each way once"},
        {PATHS("{ \"interface\": \"c\" }, { \"source\": \"192.0.2.1\" },\n"
               "{ \"source\": \"::ffff:192.0.2.1\", \"name\": \"mapped\" }"),
         "l:3: paths[2]: found the same interface and source as in paths[1] (\"192.0.2.1\" and "
         "\"mapped\" are one way out of this machine); allowed: each way once"},
        {PATHS("{ \"interface\": \"a\" }, { \"source\": \"::1\", \"name\": \"a\" }"),
         "l:2: paths[1]: found the name \"a\" a second time; allowed: names that differ "
         "(without a name, it is the interface or the source)"},
        {PATHS("{ \"interface\": \"a\", \"name\": \"\" }"),
         "l:2: paths[0].name: found \"\"; allowed: 1 to 63 printable ASCII characters"},
        {PATHS("{ \"interface\": \"a\", \"backup\": 1 }"),
         "l:2: paths[0].backup: found 1; allowed: true or false"},
        {PATHS("{ \"interface\": \"a\", \"bulk_after\": \"2h\" }"),
         "l:2: paths[0].bulk_after: found \"2h\"; allowed: 0 to 3600 "
         "seconds, as a number or as a text such as \"2m\""},
        {PATHS("{ \"interface\": \"a\", \"cost\": -1 }"),
         "l:2: paths[0].cost: found -1; allowed: a whole number from 0 to 65535"},
        {PATHS("{ \"interface\": \"a\", \"quota\": \"1kB\" }"),
         "l:2: paths[0].quota: found \"1kB\"; allowed: 1048576 to 1125899906842624 bytes, "
         "as a number or as a text such as \"64KiB\", or null"},
        {PATHS("{ \"interface\": \"a\", \"rate_up\": \"5MB\" }"),
         "l:2: paths[0].rate_up: found \"5MB\"; allowed: " A_RATE},
        {PATHS("{ \"interface\": \"a\", \"rate_down\": 0 }"),
         "l:2: paths[0].rate_down: found 0; allowed: " A_RATE},
        {WITH("\"rate\": { \"up\": \"999bit\" }"),
         "l:2: rate.up: found \"999bit\"; allowed: " A_RATE},
        {HOSTS("[]", "\"mode\": \"split\""),
         "l:1: relay.host: found a list; allowed: a list of 1 to 8 entries: a DNS name, or "
         "an address without brackets"},
        {HOSTS("[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\"]",
               "\"mode\": \"split\""),
         "l:1: relay.host: found a list; allowed: a list of 1 to 8 entries: a DNS name, or "
         "an address without brackets"},
        {HOSTS("[\"a\", \"[::1]\"]", "\"mode\": \"split\""),
         "l:1: relay.host[1]: found \"[::1]\"; allowed: a DNS name, or an address without "
         "brackets"},
        {HOSTS("[\"a.example\", \"A.example\"]", "\"mode\": \"split\""),
         "l:1: relay.host[1]: found \"A.example\" a second time; allowed: each host once"},
        {HOSTS("[\"a\", \"b\", \"c\", \"d\", \"e\"]", "\"paths\": [" FOUR "]"),
         "l:2: paths: found 4, which with 5 hosts of the relay make 20 paths; allowed: up "
         "to 16 in all"},
    };
    (void)state;

    expect_refusals(refusals, ARRAY_LENGTH(refusals));
    config_local_free(
        parse(HOSTS("[\"a\", \"b\", \"c\", \"d\"]", "\"paths\": [" FOUR "]")));
}

static void test_session_rates(void **state)
{
    struct config_local *config =
        parse(WITH("\"rate\": { \"up\": \"2.5Mbit\", \"down\": 16000 }"));
    (void)state;

    assert_int_equal(config->rate.up_bits, 2500000);
    assert_int_equal(config->rate.down_bits, 16000);
    config_local_free(config);
}

/* ---- listeners ---- */

static void test_forward_listeners(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } targets[] = {
        {"rdp.example.net:3389", "rdp.example.net", 3389},
        {"192.0.2.1:22", "192.0.2.1", 22},
        {"[2001:db8::1]:65535", "2001:db8::1", 65535},
    };
    char text[512];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        struct config_local *config;
        const struct config_listener *listener;

        snprintf(text, sizeof(text),
                 LISTEN("{ \"protocol\": \"forward\", \"port\": 50000, \"to\": \"%s\", "
                        "\"name\": \"rdp\", \"mode\": \"redundant\", \"copies\": 2 }"),
                 targets[i].text);
        config = parse(text);
        listener = &config->listen.items[0];
        assert_int_equal(listener->protocol, CONFIG_PROTOCOL_FORWARD);
        assert_string_equal(listener->to.host, targets[i].host);
        assert_int_equal(listener->to.port, targets[i].port);
        assert_string_equal(listener->name, "rdp");
        assert_int_equal(listener->policy.mode, CONFIG_MODE_REDUNDANT);
        assert_int_equal(listener->policy.copies, 2);
        assert_int_equal(listener->policy.paths, 0);
        assert_int_equal(config->warnings.count, 0);
        config_local_free(config);
    }
}

static void test_listeners_choose_paths(void **state)
{
    struct config_local *config =
        parse(WITH("\"listen\": [ {}, { \"port\": 1, \"paths\": [\"::1\", \"c\"], "
                   "\"copies\": null }, { \"port\": 2, \"paths\": \"a\" } ],\n"
                   "\"paths\": [ { \"interface\": \"a\" }, { \"source\": \"::1\" }, "
                   "{ \"interface\": \"b\", \"name\": \"c\" } ]"));
    const struct config_listener *listen = config->listen.items;
    (void)state;

    assert_null(listen[0].name);
    assert_null(listen[0].to.host);
    assert_int_equal(listen[0].policy.mode, CONFIG_MODE_UNSET);
    assert_int_equal(listen[0].policy.copies, CONFIG_COPIES_UNSET);
    assert_int_equal(listen[0].policy.paths, 0);
    assert_int_equal(listen[1].policy.paths, 6);
    assert_int_equal(listen[1].policy.copies, CONFIG_COPIES_ALL);
    assert_int_equal(listen[2].policy.paths, 1);
    config_local_free(config);
}

static void test_warns_of_open_forwarders(void **state)
{
    struct config_local *config =
        parse(LISTEN("{ \"protocol\": \"forward\", \"address\": \"0.0.0.0\", \"port\": 1, "
                     "\"to\": \"a:1\" }"));
    (void)state;

    assert_int_equal(config->warnings.count, 1);
    assert_string_equal(config->warnings.items[0],
                        "l:2: listen[0].address: this is not a loopback address: every "
                        "machine that reaches it is connected to the target");
    config_local_free(config);
}

#define FORWARD(members) LISTEN("{ \"protocol\": \"forward\", " members " }")
#define A_TARGET \
    "a host and a port, such as \"rdp.example.net:3389\" or \"[2001:db8::1]:22\""

static void test_listeners_are_checked(void **state)
{
    static const char *const targets[] = {
        "",      "rdp",    "rdp:",    ":3389",   "rdp:0",         "rdp:65536",
        "a b:1", "::1:22", "[::1]",   "[::1]22", "[192.0.2.1]:1", "[rdp]:1",
        "[]:1",  "rdp:1 ", "[::1:22", "*.a:1",   "192.0.2.256:1", "rdp:+1",
    };
    static const struct refusal refusals[] = {
        {FORWARD("\"port\": 1"), "l:2: listen[0].to: found nothing; allowed: the host and "
                                 "port that connections are "
                                 "forwarded to, such as \"rdp.example.net:3389\""},
        {FORWARD("\"to\": \"a:1\""),
         "l:2: listen[0].port: found nothing; allowed: the port to listen on, since "
         "\"forward\" has no usual one"},
        {FORWARD("\"port\": 1, \"to\": \"a:1\", \"users\": { \"a\": \"b\" }"),
         "l:2: listen[0].users: found users, whom \"forward\" cannot ask for a password; "
         "allowed: leave it out"},
        {LISTEN("{ \"to\": \"a:1\" }"),
         "l:2: listen[0].to: found a target, but a SOCKS client names its own; allowed: "
         "leave it out, or protocol \"forward\""},
        {LISTEN("{ \"max_per_target\": 0 }"),
         "l:2: listen[0].max_per_target: found 0; allowed: a whole number from 1 to "
         "1000000"},
        {LISTEN("{},\n{ \"address\": \"::ffff:127.0.0.1\" }"),
         "l:3: listen[1]: found 127.0.0.1:1080 a second time; allowed: each address and port "
         "once"},
        {LISTEN("{ \"name\": \"a\" },\n{ \"name\": \"a\", \"port\": 1 }"),
         "l:3: listen[1]: found the name \"a\" a second time; allowed: names that differ"},
        {LISTEN("{ \"copies\": 1 }"),
         "l:2: listen[0].copies: found 1; allowed: a whole number from 2 to 16, or null"},
        {LISTEN("{ \"paths\": [] }"),
         "l:2: listen[0].paths: found a list; allowed: a list of 1 to 16 entries: names of "
         "paths"},
        {LISTEN("{ \"paths\": 1 }"), "l:2: listen[0].paths: found 1; allowed: a name, 1 to "
                                     "63 printable ASCII characters"},
        {LISTEN("{},\n{ \"port\": 1, \"paths\": [\"lte\"] }"),
         "l:3: listen[1].paths[0]: found \"lte\", which is the name of no path; allowed: "
         "none, since paths lists none"},
        {WITH("\"paths\": \"auto\", \"listen\": [ { \"paths\": \"lte\" } ]"),
         "l:2: listen[0].paths: found \"lte\", which is the name of no path; allowed: "
         "none, "
         "since paths is \"auto\"; list the paths to choose among them"},
        {WITH("\"listen\": [ { \"paths\": [\"wlan0\",\n\"lte\"] } ], \"paths\": [ { "
              "\"interface\": \"wlan0\" }, { \"source\": \"::1\" } ]"),
         "l:3: listen[0].paths[1]: found \"lte\", which is the name of no path; allowed: "
         "\"wlan0\", \"::1\""},
    };
    char text[512], message[512];
    (void)state;

    expect_refusals(refusals, ARRAY_LENGTH(refusals));
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        const struct refusal refusal = {text, message};

        snprintf(text, sizeof(text), FORWARD("\"port\": 1, \"to\": \"%s\""), targets[i]);
        snprintf(message, sizeof(message),
                 "l:2: listen[0].to: found \"%s\"; allowed: " A_TARGET, targets[i]);
        expect_refusals(&refusal, 1);
    }
}

/* ---- rules ---- */

static void test_rules(void **state)
{
    struct config_local *config =
        parse(RULES("{ \"host\": [\"*.example.org\", \"a.example.\"], \"port\": [22, "
                    "\"8000-8009\"], \"cidr\": [\"10.0.0.0/8\", \"2001:db8::1\"],\n"
                    "  \"listener\": \"web\", \"mode\": \"redundant\", \"copies\": 3, "
                    "\"paths\": [\"192.0.2.7\"] },\n"
                    "{ \"cidr\": \"192.0.2.0/24\", \"action\": \"direct\" },\n"
                    "{ \"host\": \"*\", \"port\": 25, \"action\": \"block\" },\n"
                    "{ \"port\": \"1-65535\", \"mode\": \"auto\" },\n"
                    "{ \"copies\": null }"));
    const struct config_rule *rules = config->rules.items;
    (void)state;

    assert_int_equal(config->rules.count, 5);
    assert_int_equal(rules[0].hosts.count, 2);
    assert_string_equal(rules[0].hosts.items[0], "*.example.org");
    assert_string_equal(rules[0].hosts.items[1], "a.example.");
    assert_int_equal(rules[0].ports.count, 2);
    assert_int_equal(rules[0].ports.items[0].first, 22);
    assert_int_equal(rules[0].ports.items[0].last, 22);
    assert_int_equal(rules[0].ports.items[1].first, 8000);
    assert_int_equal(rules[0].ports.items[1].last, 8009);
    assert_int_equal(rules[0].blocks.count, 2);
    assert_int_equal(rules[0].blocks.items[0].bits, 8);
    assert_int_equal(rules[0].blocks.items[1].bits, 128);
    assert_int_equal(rules[0].listeners, 1);
    assert_int_equal(rules[0].action, CONFIG_ACTION_PROXY);
    assert_int_equal(rules[0].policy.mode, CONFIG_MODE_REDUNDANT);
    assert_int_equal(rules[0].policy.copies, 3);
    assert_int_equal(rules[0].policy.paths, 2);

    assert_int_equal(rules[1].blocks.count, 1);
    assert_int_equal(rules[1].listeners, 0);
    assert_int_equal(rules[1].action, CONFIG_ACTION_DIRECT);
    assert_int_equal(rules[2].action, CONFIG_ACTION_BLOCK);
    assert_string_equal(rules[2].hosts.items[0], "*");
    assert_int_equal(rules[3].ports.items[0].last, 65535);
    assert_int_equal(rules[3].policy.mode, CONFIG_MODE_AUTO);
    assert_int_equal(rules[3].policy.copies, CONFIG_COPIES_UNSET);
    assert_int_equal(rules[4].policy.copies, CONFIG_COPIES_ALL);
    assert_int_equal(config->warnings.count, 0);
    config_local_free(config);
}

static void test_the_outermost_level(void **state)
{
    struct config_local *config = parse(WITH("\"mode\": \"auto\", \"copies\": 16"));
    (void)state;

    assert_int_equal(config->policy.mode, CONFIG_MODE_AUTO);
    assert_int_equal(config->policy.copies, 16);
    config_local_free(config);
}

/* Whatever follows a rule without conditions is for nothing. */
static void test_warns_of_rules_that_never_count(void **state)
{
    struct config_local *config =
        parse(RULES("{ \"port\": 1 },\n{ \"mode\": \"auto\" },\n{ \"port\": 22 },\n{}"));
    (void)state;

    assert_int_equal(config->warnings.count, 2);
    assert_string_equal(config->warnings.items[0],
                        "l:4: rules[2]: this rule never counts: rules[1] before it has no "
                        "conditions and wins always");
    assert_string_equal(config->warnings.items[1],
                        "l:5: rules[3]: this rule never counts: rules[1] before it has no "
                        "conditions and wins always");
    config_local_free(config);
}

#define A_PATTERN \
    "a name such as \"www.example.org\", \"*.example.org\" for all names below one, or " \
    "\"*\" (addresses are for cidr)"
#define A_PORT "a port from 1 to 65535, or a range such as \"8000-8009\""
#define A_BLOCK \
    "an address or a block such as \"10.0.0.0/8\", without bits set below the prefix"

static void test_rules_are_checked(void **state)
{
    static const char *const patterns[] = {
        "",   "a b", "192.0.2.1", "::1",        "*.", "*a.example", "a.*.example",
        "**", "*.*", ".example",  "a..example",
    };
    static const struct refusal refusals[] = {
        {RULES("1"), "l:2: rules[0]: found 1; allowed: an object"},
        {RULES("{ \"hosts\": \"a\" }"),
         "l:2: rules[0].hosts: unknown key; did you mean \"host\"? allowed: host, cidr, "
         "port, listener, network, action, mode, copies, paths"},
        {RULES("{ \"host\": [] }"),
         "l:2: rules[0].host: found a list; allowed: a list of 1 to 1024 entries: names"},
        {RULES("{ \"host\": [\"a\", 1] }"),
         "l:2: rules[0].host[1]: found 1; allowed: " A_PATTERN},
        {RULES("{ \"cidr\": \"10.0.0.1/8\" }"),
         "l:2: rules[0].cidr: found \"10.0.0.1/8\"; allowed: " A_BLOCK},
        {RULES("{ \"cidr\": [\"a.example\"] }"),
         "l:2: rules[0].cidr[0]: found \"a.example\"; allowed: " A_BLOCK},
        {RULES("{ \"port\": 0 }"), "l:2: rules[0].port: found 0; allowed: " A_PORT},
        {RULES("{ \"port\": [22, \"9-8\"] }"),
         "l:2: rules[0].port[1]: found \"9-8\"; allowed: " A_PORT},
        {RULES("{ \"port\": 65536 }"), "l:2: rules[0].port: found 65536; allowed: " A_PORT},
        {RULES("{},\n{ \"listener\": \"wep\" }"),
         "l:3: rules[1].listener: found \"wep\", which is the name of no listener; "
         "allowed: "
         "\"web\""},
        {RULES("{ \"paths\": [\"192.0.2.7\",\n\"eth0\"] }"),
         "l:3: rules[0].paths[1]: found \"eth0\", which is the name of no path; allowed: "
         "\"wlan0\", \"192.0.2.7\""},
        {WITH("\"rules\": [ { \"listener\": [\"a\"] } ]"),
         "l:2: rules[0].listener[0]: found \"a\", which is the name of no listener; "
         "allowed: none, since no listener has a name"},
        {RULES("{ \"action\": \"drop\" }"),
         "l:2: rules[0].action: found \"drop\"; allowed: \"proxy\", \"direct\", \"block\""},
        {RULES("{ \"action\": \"direct\",\n\"copies\": null }"),
         "l:3: rules[0].copies: found beside the action \"direct\", which does not go "
         "through the relay; allowed: with the action \"proxy\""},
        {RULES("{ \"mode\": \"split\", \"action\": \"block\" }"),
         "l:2: rules[0].mode: found beside the action \"block\", which does not go "
         "through the relay; allowed: with the action \"proxy\""},
    };
    char text[512], message[512];
    (void)state;

    expect_refusals(refusals, ARRAY_LENGTH(refusals));
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++) {
        const struct refusal refusal = {text, message};

        snprintf(text, sizeof(text), RULES("{ \"host\": \"%s\" }"), patterns[i]);
        snprintf(message, sizeof(message),
                 "l:2: rules[0].host: found \"%s\"; allowed: " A_PATTERN, patterns[i]);
        expect_refusals(&refusal, 1);
    }
}

UNIT_MAIN(cmocka_unit_test(test_paths), cmocka_unit_test(test_automatic_paths),
          cmocka_unit_test(test_hosts_of_the_relay),
          cmocka_unit_test(test_paths_are_checked), cmocka_unit_test(test_session_rates),
          cmocka_unit_test(test_forward_listeners),
          cmocka_unit_test(test_listeners_choose_paths),
          cmocka_unit_test(test_warns_of_open_forwarders),
          cmocka_unit_test(test_listeners_are_checked), cmocka_unit_test(test_rules),
          cmocka_unit_test(test_the_outermost_level),
          cmocka_unit_test(test_warns_of_rules_that_never_count),
          cmocka_unit_test(test_rules_are_checked))
