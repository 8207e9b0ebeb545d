/* SPDX-License-Identifier: MIT */
/* Keys about datagrams: of listeners, of rules, and the object "udp". */
#include "config_local_parse.h"

#define UDP(members) WITH(AND("\"udp\": { " members " }"))
#define LISTEN(items) WITH(AND("\"listen\": [ " items " ]"))
#define AGES "0.01 to 10 seconds, as a number or as a text such as \"2m\""
#define FORWARD(members) \
    "{ \"protocol\": \"forward\", \"to\": \"a:1\", \"port\": 5, " members " }"

static void test_defaults(void **state)
{
    struct config_local *config = parse(WITH(""));
    (void)state;

    assert_true(config->udp.enabled);
    assert_int_equal(config->udp.advertise.family, ADDRESS_NONE);
    assert_int_equal(config->udp.ports.first, 0);
    assert_int_equal(config->udp.ports.last, 0);
    assert_int_equal(config->udp.mode, CONFIG_MODE_AUTO);
    assert_int_equal(config->udp.max_age_ns, 0);
    assert_int_equal(config->udp.idle_after_ns, 300 * NS_PER_S);
    assert_int_equal(config->udp.max_flows, 1024);
    assert_int_equal(config->udp.filter, CONFIG_FILTER_NONE);
    assert_int_equal(config->listen.items[0].network, CONFIG_NETWORK_TCP);
    assert_int_equal(config->listen.items[0].max_age_ns, 0);
    config_local_free(config);
}

static void test_every_key(void **state)
{
    struct config_local *config = parse(
        UDP("\"enabled\": false, \"advertise\": \"2001:db8::1\", \"ports\": \"40-49\", "
            "\"mode\": \"redundant\", \"max_age\": \"50ms\", \"idle\": \"1m\", "
            "\"max_flows\": 7, \"filter\": \"address\""));
    char text[ADDRESS_TEXT_SIZE];
    (void)state;

    assert_false(config->udp.enabled);
    assert_string_equal(address_format(&config->udp.advertise, text), "2001:db8::1");
    assert_int_equal(config->udp.ports.first, 40);
    assert_int_equal(config->udp.ports.last, 49);
    assert_int_equal(config->udp.mode, CONFIG_MODE_REDUNDANT);
    assert_int_equal(config->udp.max_age_ns, 50 * NS_PER_MS);
    assert_int_equal(config->udp.idle_after_ns, 60 * NS_PER_S);
    assert_int_equal(config->udp.max_flows, 7);
    assert_int_equal(config->udp.filter, CONFIG_FILTER_ADDRESS);
    config_local_free(config);
}

static void test_the_bounds_of_an_age(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } ages[] = {{UDP("\"max_age\": \"10ms\""), 10 * NS_PER_MS},
                {UDP("\"max_age\": 10"), 10 * NS_PER_S},
                {UDP("\"max_age\": null"), 0}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(ages); i++) {
        struct config_local *config = parse(ages[i].text);

        assert_int_equal(config->udp.max_age_ns, ages[i].ns);
        config_local_free(config);
    }
}

/* An address and port may serve each network once. */
static void test_networks_of_listeners(void **state)
{
    struct config_local *config =
        parse(LISTEN(FORWARD("\"network\": \"udp\", \"max_age\": 2") ", " FORWARD(
            "\"network\": \"tcp\"") ", { \"port\": 6, \"protocol\": \"forward\", \"to\": "
                                    "\"b:2\", \"network\": \"both\" }"));
    (void)state;

    assert_int_equal(config->listen.items[0].network, CONFIG_NETWORK_UDP);
    assert_int_equal(config->listen.items[0].max_age_ns, 2 * NS_PER_S);
    assert_int_equal(config->listen.items[1].network, CONFIG_NETWORK_TCP);
    assert_int_equal(config->listen.items[2].network, CONFIG_NETWORK_BOTH);
    assert_int_equal(config->warnings.count, 0);
    config_local_free(config);
}

/* A loop needs the same network at both ends. */
static void test_warns_of_loops_in_one_network(void **state)
{
    struct config_local *config =
        parse(LISTEN("{ \"port\": 7 }, { \"protocol\": \"forward\", \"network\": \"udp\", "
                     "\"port\": 7, \"to\": \"localhost:7\" }"));
    (void)state;

    assert_int_equal(config->warnings.count, 1);
    assert_non_null(strstr(config->warnings.items[0], "listen[1].to: "));
    config_local_free(config);
}

static void test_networks_of_rules(void **state)
{
    struct config_local *config =
        parse(WITH(AND("\"rules\": [ { \"network\": \"udp\", \"action\": \"block\" }, "
                       "{ \"network\": \"tcp\" }, {} ]")));
    (void)state;

    assert_int_equal(config->rules.items[0].network, CONFIG_NETWORK_UDP);
    assert_int_equal(config->rules.items[1].network, CONFIG_NETWORK_TCP);
    assert_int_equal(config->rules.items[2].network, CONFIG_NETWORK_BOTH);
    assert_int_equal(config->warnings.count, 0); /* neither of the first wins always */
    config_local_free(config);
}

#define NETWORKS "\"tcp\", \"udp\", \"both\""

static void test_errors(void **state)
{
    static const struct refusal refusals[] = {
        {LISTEN("{ \"network\": \"udp\" }"),
         "l.json:4: listen[0].network: found a network, but each SOCKS client chooses its "
         "own; allowed: leave it out, or protocol \"forward\""},
        {LISTEN(FORWARD("\"network\": \"udp\"") ",\n" FORWARD("\"network\": \"both\"")),
         "l.json:5: listen[1]: found 127.0.0.1:5 a second time; allowed: each address and "
         "port once"},
        {LISTEN(FORWARD("\"network\": \"icmp\"")),
         FOUND("listen[0].network", "\"icmp\"", NETWORKS)},
        {UDP("\"max_flows\": 0"),
         FOUND("udp.max_flows", "0", "a whole number from 1 to 65536")},
        {UDP("\"max_age\": 0"), FOUND("udp.max_age", "0", AGES ", or null")},
        {UDP("\"max_age\": \"9ms\""), FOUND("udp.max_age", "\"9ms\"", AGES ", or null")},
        {UDP("\"max_age\": 10.001"), FOUND("udp.max_age", "10.001", AGES ", or null")},
        {LISTEN(FORWARD("\"network\": \"udp\", \"max_age\": \"11s\"")),
         FOUND("listen[0].max_age", "\"11s\"", AGES)},
        {UDP("\"ports\": [1]"),
         FOUND("udp.ports", "a list",
               "a port from 1 to 65535, or a range such as \"8000-8009\", or null")},
        {UDP("\"advertise\": \"vps.example\""),
         FOUND("udp.advertise", "\"vps.example\"", "an IPv4 or IPv6 address, or null")},
    };
    (void)state;

    expect_refusals(refusals, ARRAY_LENGTH(refusals), ERROR_INVALID);
}

UNIT_MAIN(cmocka_unit_test(test_defaults), cmocka_unit_test(test_every_key),
          cmocka_unit_test(test_networks_of_listeners),
          cmocka_unit_test(test_warns_of_loops_in_one_network),
          cmocka_unit_test(test_networks_of_rules),
          cmocka_unit_test(test_the_bounds_of_an_age), cmocka_unit_test(test_errors))
