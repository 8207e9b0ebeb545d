/* SPDX-License-Identifier: MIT */
/* The rule that decides, as rules.h specifies it. */
#include "addresses.h"

#include <splitsocks/proxy/rules.h>

#include <stdio.h>

static const struct stream_policy top = {.mode = STREAM_MODE_AUTO, .copies = 3, .paths = 6};

static struct rules *make(const struct rule *items, size_t count)
{
    struct rules *rules = rules_new(items, count);

    assert_non_null(rules);
    return rules;
}

static struct rules_outcome match_name(const struct rules *rules, const char *name)
{
    const struct rules_query query = {.name = name, .port = 443, .otherwise = &top};

    return rules_match(rules, &query);
}

static struct rules_outcome match_address(const struct rules *rules, const char *name,
                                          const char *text)
{
    const struct address address = address_of(text);
    const struct rules_query query = {.name = name,
                                      .addresses = &address,
                                      .address_count = 1,
                                      .port = 443,
                                      .otherwise = &top};

    return rules_match(rules, &query);
}

static void expect_no_rule(const struct rules_outcome *outcome)
{
    assert_true(outcome->rule == RULES_NONE);
    assert_int_equal(outcome->action, RULE_PROXY);
    assert_memory_equal(&outcome->policy, &top, sizeof(top));
}

static void test_without_rules_all_goes_through_the_relay(void **state)
{
    struct rules *rules = make(NULL, 0);
    struct rules_outcome outcome = match_name(rules, "www.example.org");
    (void)state;

    expect_no_rule(&outcome);
    assert_false(outcome.needs_addresses);
    rules_free(rules);
    rules_free(NULL);
}

static void test_a_rule_without_conditions_holds_always(void **state)
{
    const struct rule rule = {.action = RULE_BLOCK};
    struct rules *rules = make(&rule, 1);
    (void)state;

    assert_int_equal(match_name(rules, "a").action, RULE_BLOCK);
    assert_int_equal(match_address(rules, NULL, "192.0.2.1").action, RULE_BLOCK);
    rules_free(rules);
}

static void test_networks(void **state)
{
    const struct port_range port = {443, 443};
    const struct rule items[] = {
        {.networks = RULE_UDP, .ports = &port, .port_count = 1, .action = RULE_BLOCK},
        {.networks = RULE_TCP, .action = RULE_DIRECT},
    };
    struct rules *rules = make(items, ARRAY_LENGTH(items));
    struct rules_query query = {.name = "a", .port = 443, .otherwise = &top};
    (void)state;

    query.network = RULE_UDP;
    assert_int_equal(rules_match(rules, &query).rule, 0);
    query.network = RULE_TCP;
    assert_int_equal(rules_match(rules, &query).rule, 1);
    query.port = 53;
    query.network = RULE_UDP;
    assert_true(rules_match(rules, &query).rule == RULES_NONE);
    rules_free(rules);
}

/* ---- host ---- */

static void test_names(void **state)
{
    static const char *const hosts[] = {"www.example.org", "*.example.net",
                                        "Mixed.Example.", "*.a.b.example.com.", "host"};
    static const struct {
        const char *name;
        bool holds;
    } examples[] = {
        {"www.example.org", true},
        {"WWW.eXample.ORG", true},
        {"www.example.org.", true},
        {"example.org", false},
        {"a.www.example.org", false},
        {"www.example.orgs", false},
        {"xwww.example.org", false},
        {"a.example.net", true},
        {"A.B.C.Example.Net.", true},
        {"example.net", false}, /* below it alone */
        {"xexample.net", false},
        {".example.net", false},
        {"mixed.example", true},
        {"a.b.example.com", false},
        {"x.a.b.example.com", true},
        {"x.y.a.b.example.com", true},
        {"x.b.example.com", false},
        {"host", true},
        {"host.", true},
        {"hos", false},
        {"net", false},
        {"*", false},
        {"*.", false},
        {".", false},
        {"", false},
    };
    const struct rule rule = {.hosts = hosts, .host_count = ARRAY_LENGTH(hosts)};
    struct rules *rules = make(&rule, 1);
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++)
        if ((match_name(rules, examples[i].name).rule == 0) != examples[i].holds)
            fail_msg("\"%s\"", examples[i].name);
    /* Names are not compared with addresses. */
    assert_true(match_address(rules, NULL, "192.0.2.1").rule == RULES_NONE);
    rules_free(rules);
}

static void test_a_star_alone_is_everything(void **state)
{
    static const char *const hosts[] = {"a", "*"};
    const struct rule rule = {.hosts = hosts, .host_count = ARRAY_LENGTH(hosts)};
    struct rules *rules = make(&rule, 1);
    (void)state;

    assert_int_equal(match_name(rules, "b.c").rule, 0);
    assert_int_equal(match_address(rules, NULL, "2001:db8::1").rule, 0);
    assert_int_equal(match_address(rules, "d", "2001:db8::1").rule, 0);
    rules_free(rules);
}

/* The longest name that there is fits, and a longer one matches no pattern. */
static void test_long_names(void **state)
{
    static const char *const hosts[] = {"*.a"};
    const struct rule rule = {.hosts = hosts, .host_count = 1};
    struct rules *rules = make(&rule, 1);
    char name[4096];
    (void)state;

    memset(name, 'x', sizeof(name));
    strcpy(name + 253, ".a");
    assert_int_equal(match_name(rules, name).rule, 0);
    memset(name, 'x', sizeof(name));
    strcpy(name + 254, ".a");
    assert_true(match_name(rules, name).rule == RULES_NONE);
    memset(name, 'x', sizeof(name));
    strcpy(name + sizeof(name) - 3, ".a");
    assert_true(match_name(rules, name).rule == RULES_NONE);
    rules_free(rules);
}

/* Many hosts of one rule are found, wherever they sort. */
static void test_many_hosts(void **state)
{
    enum { COUNT = 500 };
    static char texts[COUNT][32];
    const char *hosts[COUNT];
    const struct rule rule = {.hosts = hosts, .host_count = COUNT};
    struct rules *rules;
    (void)state;

    for (int i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%sh%d.example", i % 2 == 0 ? "" : "*.",
                 i * 7919 % COUNT);
        hosts[i] = texts[i];
    }
    rules = make(&rule, 1);
    for (int i = 0; i < COUNT; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%sh%d.example", i % 2 == 0 ? "" : "x.",
                 i * 7919 % COUNT);
        assert_int_equal(match_name(rules, name).rule, 0);
    }
    assert_true(match_name(rules, "h500.example").rule == RULES_NONE);
    rules_free(rules);
}

/* ---- port and listener ---- */

static size_t match_port(const struct rules *rules, uint16_t port)
{
    const struct rules_query query = {.name = "a", .port = port, .otherwise = &top};

    return rules_match(rules, &query).rule;
}

static void test_ports(void **state)
{
    static const struct port_range ports[] = {{22, 22}, {8000, 8009}, {65535, 65535}};
    const struct rule rule = {.ports = ports, .port_count = ARRAY_LENGTH(ports)};
    struct rules *rules = make(&rule, 1);
    static const uint16_t in[] = {22, 8000, 8005, 8009, 65535};
    static const uint16_t out[] = {1, 21, 23, 7999, 8010, 65534};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(in); i++)
        assert_int_equal(match_port(rules, in[i]), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(out); i++)
        assert_true(match_port(rules, out[i]) == RULES_NONE);
    rules_free(rules);
}

static size_t match_listener(const struct rules *rules, uint32_t listener)
{
    const struct rules_query query = {
        .listener = listener, .name = "a", .port = 1, .otherwise = &top};

    return rules_match(rules, &query).rule;
}

static void test_listeners(void **state)
{
    static const struct rule items[] = {{.listeners = UINT64_C(1) << 63 | 2},
                                        {.listeners = 0}};
    struct rules *rules = make(items, 2);
    (void)state;

    assert_int_equal(match_listener(rules, 1), 0);
    assert_int_equal(match_listener(rules, 63), 0);
    assert_int_equal(match_listener(rules, 0), 1);
    assert_int_equal(match_listener(rules, 62), 1);
    assert_int_equal(match_listener(rules, RULES_NO_LISTENER), 1);
    rules_free(rules);
}

/* ---- cidr ---- */

static void test_blocks(void **state)
{
    const struct address_block blocks[] = {block_of("10.0.0.0/8"), block_of("192.0.2.1"),
                                           block_of("2001:db8::/32")};
    const struct rule rule = {.blocks = blocks, .block_count = ARRAY_LENGTH(blocks)};
    struct rules *rules = make(&rule, 1);
    static const char *const in[] = {"10.0.0.0", "10.255.255.255", "192.0.2.1",
                                     "2001:db8::1", "::ffff:10.1.2.3"};
    static const char *const out[] = {"11.0.0.0", "192.0.2.2", "2001:db9::", "::10.1.2.3"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(in); i++)
        assert_int_equal(match_address(rules, NULL, in[i]).rule, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(out); i++) {
        struct rules_outcome outcome = match_address(rules, NULL, out[i]);

        expect_no_rule(&outcome);
        assert_false(outcome.needs_addresses);
    }
    rules_free(rules);
}

static void test_one_address_of_several_suffices(void **state)
{
    const struct address addresses[] = {address_of("192.0.2.1"), address_of("10.0.0.1")};
    const struct address_block block = block_of("10.0.0.0/8");
    const struct rule rule = {.blocks = &block, .block_count = 1};
    struct rules *rules = make(&rule, 1);
    struct rules_query query = {.name = "a",
                                .addresses = addresses,
                                .address_count = 1,
                                .port = 1,
                                .otherwise = &top};
    (void)state;

    assert_true(rules_match(rules, &query).rule == RULES_NONE);
    query.address_count = 2;
    assert_int_equal(rules_match(rules, &query).rule, 0);
    rules_free(rules);
}

/* A name is decided by the first rule that needs no address, but an earlier rule that
 * does may win once the addresses are there. */
static void test_names_before_and_after_resolution(void **state)
{
    static const char *const hosts[] = {"*.example"};
    const struct address_block block = block_of("10.0.0.0/8");
    const struct rule items[] = {
        {.blocks = &block, .block_count = 1, .action = RULE_DIRECT},
        {.hosts = hosts, .host_count = 1, .action = RULE_BLOCK},
    };
    struct rules *rules = make(items, 2);
    struct rules_outcome outcome;
    (void)state;

    outcome = match_name(rules, "a.example");
    assert_int_equal(outcome.rule, 1);
    assert_true(outcome.needs_addresses);
    assert_int_equal(match_address(rules, "a.example", "10.0.0.1").rule, 0);
    assert_int_equal(match_address(rules, "a.example", "192.0.2.1").rule, 1);
    outcome = match_name(rules, "a.test");
    expect_no_rule(&outcome);
    assert_true(outcome.needs_addresses);
    assert_int_equal(match_address(rules, "a.test", "10.0.0.1").action, RULE_DIRECT);
    rules_free(rules);
}

static void test_addresses_do_not_reopen_an_earlier_name(void **state)
{
    static const char *const hosts[] = {"*.example"};
    static const struct port_range ports[] = {{22, 22}};
    const struct address_block block = block_of("10.0.0.0/8");
    const struct rule items[] = {
        /* The rule is not for this port: its addresses do not matter. */
        {.blocks = &block, .block_count = 1, .ports = ports, .port_count = 1},
        {.hosts = hosts, .host_count = 1, .action = RULE_BLOCK},
        {.blocks = &block, .block_count = 1, .action = RULE_DIRECT},
    };
    struct rules *rules = make(items, 3);
    struct rules_outcome outcome = match_name(rules, "a.example");
    (void)state;

    assert_int_equal(outcome.rule, 1);
    assert_false(outcome.needs_addresses);
    assert_int_equal(match_address(rules, "a.example", "10.0.0.1").rule, 1);
    rules_free(rules);
}

/* ---- several conditions, several rules ---- */

static void test_all_conditions_must_hold(void **state)
{
    static const char *const hosts[] = {"a.example"};
    static const struct port_range ports[] = {{22, 22}};
    const struct address_block block = block_of("10.0.0.0/8");
    const struct address inside = address_of("10.0.0.1"), outside = address_of("192.0.2.1");
    const struct rule rule = {.hosts = hosts,
                              .host_count = 1,
                              .blocks = &block,
                              .block_count = 1,
                              .ports = ports,
                              .port_count = 1,
                              .listeners = 2};
    struct rules *rules = make(&rule, 1);
    const struct rules_query good = {.listener = 1,
                                     .name = "a.example",
                                     .addresses = &inside,
                                     .address_count = 1,
                                     .port = 22,
                                     .otherwise = &top};
    struct rules_query query = good;
    (void)state;

    assert_int_equal(rules_match(rules, &query).rule, 0);
    query.listener = 0;
    assert_true(rules_match(rules, &query).rule == RULES_NONE);
    query = good;
    query.name = "b.example";
    assert_true(rules_match(rules, &query).rule == RULES_NONE);
    query = good;
    query.addresses = &outside;
    assert_true(rules_match(rules, &query).rule == RULES_NONE);
    query = good;
    query.port = 23;
    assert_true(rules_match(rules, &query).rule == RULES_NONE);
    rules_free(rules);
}

static void test_the_first_rule_that_holds_decides(void **state)
{
    static const char *const one[] = {"a.example"}, *const all[] = {"*.example"};
    const struct rule items[] = {
        {.hosts = one, .host_count = 1, .action = RULE_DIRECT},
        {.hosts = all, .host_count = 1, .action = RULE_BLOCK},
        {.hosts = one, .host_count = 1, .action = RULE_BLOCK},
    };
    struct rules *rules = make(items, 3);
    (void)state;

    assert_int_equal(match_name(rules, "a.example").rule, 0);
    assert_int_equal(match_name(rules, "a.example").action, RULE_DIRECT);
    assert_int_equal(match_name(rules, "b.example").rule, 1);
    assert_int_equal(match_name(rules, "b.example").action, RULE_BLOCK);
    rules_free(rules);
}

/* ---- policies ---- */

static void test_a_rule_changes_what_it_says_alone(void **state)
{
    static const struct policy_choice choices[] = {
        {.has_mode = false},
        {.has_mode = true,
         .policy = {.mode = STREAM_MODE_REDUNDANT, .copies = 9, .paths = 9}},
        {.has_copies = true, .policy = {.copies = 0}},
        {.has_paths = true, .policy = {.paths = 1}},
        {.has_mode = true,
         .has_copies = true,
         .has_paths = true,
         .policy = {.mode = STREAM_MODE_SPLIT, .copies = 2, .paths = 8}},
    };
    static const struct stream_policy expected[] = {
        {.mode = STREAM_MODE_AUTO, .copies = 3, .paths = 6},
        {.mode = STREAM_MODE_REDUNDANT, .copies = 3, .paths = 6},
        {.mode = STREAM_MODE_AUTO, .copies = 0, .paths = 6},
        {.mode = STREAM_MODE_AUTO, .copies = 3, .paths = 1},
        {.mode = STREAM_MODE_SPLIT, .copies = 2, .paths = 8},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(choices); i++) {
        const struct rule rule = {.policy = choices[i]};
        struct rules *rules = make(&rule, 1);
        struct rules_outcome outcome = match_name(rules, "a");

        assert_int_equal(outcome.policy.mode, expected[i].mode);
        assert_int_equal(outcome.policy.copies, expected[i].copies);
        assert_int_equal(outcome.policy.paths, expected[i].paths);
        rules_free(rules);
    }
}

static void test_actions_have_names(void **state)
{
    (void)state;

    assert_string_equal(rule_action_string(RULE_PROXY), "proxy");
    assert_string_equal(rule_action_string(RULE_DIRECT), "direct");
    assert_string_equal(rule_action_string(RULE_BLOCK), "block");
}

UNIT_MAIN(cmocka_unit_test(test_without_rules_all_goes_through_the_relay),
          cmocka_unit_test(test_a_rule_without_conditions_holds_always),
          cmocka_unit_test(test_networks), cmocka_unit_test(test_names),
          cmocka_unit_test(test_a_star_alone_is_everything),
          cmocka_unit_test(test_long_names), cmocka_unit_test(test_many_hosts),
          cmocka_unit_test(test_ports), cmocka_unit_test(test_listeners),
          cmocka_unit_test(test_blocks),
          cmocka_unit_test(test_one_address_of_several_suffices),
          cmocka_unit_test(test_names_before_and_after_resolution),
          cmocka_unit_test(test_addresses_do_not_reopen_an_earlier_name),
          cmocka_unit_test(test_all_conditions_must_hold),
          cmocka_unit_test(test_the_first_rule_that_holds_decides),
          cmocka_unit_test(test_a_rule_changes_what_it_says_alone),
          cmocka_unit_test(test_actions_have_names))
