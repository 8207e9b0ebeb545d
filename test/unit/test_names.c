/* SPDX-License-Identifier: MIT */
/* All that is known of names and servers: the cache, the hosts file, the choice of servers,
 * the system's configuration, and the order of addresses. */
#include "unit.h"

#include <splitsocks/names/address_order.h>
#include <splitsocks/names/hosts_table.h>
#include <splitsocks/names/name_cache.h>
#include <splitsocks/names/resolv_conf.h>
#include <splitsocks/names/server_choice.h>

#include <stdio.h>

static const struct hash_secret secret = {{1, 2}};

static void put(struct name_cache *cache, const char *name, uint8_t last, uint64_t now,
                uint64_t expires)
{
    struct name_entry entry = {.outcome = DNS_FOUND, .learned_at_ns = now, .count = 1};

    entry.addresses[0] =
        (struct address){.family = ADDRESS_IPV4, .bytes = {192, 0, 2, last}};
    name_cache_put(cache, name, ADDRESS_IPV4, &entry, expires);
}

static void test_cache_keeps_until_the_end(void **state)
{
    struct name_cache *cache = name_cache_new(8, &secret);
    const struct name_entry *found;
    (void)state;

    put(cache, "a.example", 1, 10, 20);
    found = name_cache_find(cache, "a.example", ADDRESS_IPV4, 19);
    assert_non_null(found);
    assert_int_equal(found->addresses[0].bytes[3], 1);
    assert_null(name_cache_find(cache, "a.example", ADDRESS_IPV6, 19));
    assert_null(name_cache_find(cache, "a.example.org", ADDRESS_IPV4, 19));
    assert_null(name_cache_find(cache, "a.example", ADDRESS_IPV4, 20));
    put(cache, "a.example", 2, 30, 30); /* a TTL of 0 */
    assert_int_equal(name_cache_count(cache), 0);
    put(cache, "a.example", 3, 30, 40);
    put(cache, "a.example", 4, 31, 50);
    assert_int_equal(name_cache_count(cache), 1);
    found = name_cache_find(cache, "a.example", ADDRESS_IPV4, 45);
    assert_int_equal(found->addresses[0].bytes[3], 4);
    name_cache_forget(cache, "a.example");
    assert_null(name_cache_find(cache, "a.example", ADDRESS_IPV4, 45));
    name_cache_free(cache);
}

static void test_cache_is_bounded(void **state)
{
    struct name_cache *cache = name_cache_new(100, &secret),
                      *none = name_cache_new(0, &secret);
    char name[16];
    (void)state;

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        put(cache, name, 1, 1, 1000);
        put(none, name, 1, 1, 1000);
        /* An entry that is used stays. */
        assert_non_null(name_cache_find(cache, "n0", ADDRESS_IPV4, 2));
    }
    assert_int_equal(name_cache_count(cache), 100);
    assert_non_null(name_cache_find(cache, "n999", ADDRESS_IPV4, 2));
    assert_null(name_cache_find(cache, "n1", ADDRESS_IPV4, 2));
    assert_int_equal(name_cache_count(none), 0);
    name_cache_free(cache);
    name_cache_free(none);
}

/* ---- the hosts file ---- */

static const char hosts[] = "127.0.0.1\tlocalhost\n"
                            "# 192.0.2.9 commented\n"
                            "192.0.2.1  Server.Example.  server # and.not.this\n"
                            "2001:db8::1 server.example\r\n"
                            "fe80::1%eth0 router\n"
                            "not-an-address name\n"
                            "192.0.2.2\n"
                            "192.0.2.3 last";

static struct hosts_table *read_hosts(size_t part)
{
    struct hosts_table *table = hosts_table_new(0);

    for (size_t at = 0; at < strlen(hosts); at += part)
        assert_int_equal(hosts_table_add(table, hosts + at, MIN(part, strlen(hosts) - at)),
                         OK);
    assert_int_equal(hosts_table_finish(table), OK);
    return table;
}

static void test_hosts_file(void **state)
{
    static const size_t parts[] = {1, 7, sizeof(hosts)};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        struct hosts_table *table = read_hosts(parts[i]);
        struct host found[4];
        char text[ADDRESS_TEXT_SIZE];

        assert_int_equal(hosts_table_find(table, "SERVER.example", found, 4), 2);
        assert_string_equal(address_format(&found[0].address, text), "192.0.2.1");
        assert_string_equal(address_format(&found[1].address, text), "2001:db8::1");
        assert_int_equal(hosts_table_find(table, "server.example", found, 1), 1);
        assert_int_equal(hosts_table_find(table, "server", found, 4), 1);
        assert_int_equal(hosts_table_find(table, "router", found, 4), 1);
        assert_string_equal(found[0].zone, "eth0");
        assert_int_equal(hosts_table_find(table, "last", found, 4), 1);
        assert_int_equal(hosts_table_find(table, "commented", found, 4), 0);
        assert_int_equal(hosts_table_find(table, "and.not.this", found, 4), 0);
        assert_int_equal(hosts_table_find(table, "name", found, 4), 0);
        assert_int_equal(hosts_table_find(table, "serve", found, 4), 0);
        assert_int_equal(hosts_table_find(table, "", found, 4), 0);
        hosts_table_free(table);
    }
}

static void test_many_hosts(void **state)
{
    struct hosts_table *table = hosts_table_new(1 << 20);
    struct host found[1];
    char line[64];
    (void)state;

    for (int i = 0; i < 50000; i++) {
        int length = snprintf(line, sizeof(line), "0.0.0.0 ads%d.example\n", i);

        assert_int_equal(hosts_table_add(table, line, (size_t)length), OK);
    }
    assert_int_equal(hosts_table_find(table, "ads49999.example", found, 1), 1);
    assert_int_equal(hosts_table_find(table, "ads50000.example", found, 1), 0);
    hosts_table_free(table);
}

/* ---- servers ---- */

#define MS NS_PER_MS

static void expect_first(const struct server_choice *choice, uint8_t first)
{
    uint8_t order[SERVERS_MAX];

    server_choice_order(choice, order);
    assert_int_equal(order[0], first);
}

static void test_a_dead_server_costs_once(void **state)
{
    struct server_choice choice;
    (void)state;

    server_choice_init(&choice, 2);
    expect_first(&choice, 0);
    server_choice_silent(&choice, 0, 1 * MS, 500 * MS);
    expect_first(&choice, 1);
    server_choice_answered(&choice, 1, 500 * MS, 510 * MS);
    assert_int_equal(server_choice_probe(&choice, 600 * MS), -1);
    /* It is tried again beside the other, ever less often. */
    assert_int_equal(server_choice_probe(&choice, 20000 * MS), 0);
    assert_int_equal(server_choice_probe(&choice, 20001 * MS), -1);
    expect_first(&choice, 1);
    assert_int_equal(server_choice_probe(&choice, 60000 * MS), 0);
    server_choice_answered(&choice, 0, 60000 * MS, 60010 * MS);
    expect_first(&choice, 0);
    server_choice_refused(&choice, 0, 60020 * MS);
    expect_first(&choice, 1);
}

static void test_silence_about_one_name_is_no_death(void **state)
{
    struct server_choice choice;
    (void)state;

    server_choice_init(&choice, 2);
    server_choice_answered(&choice, 0, 10 * MS, 20 * MS);
    server_choice_silent(&choice, 0, 5 * MS, 600 * MS);
    expect_first(&choice, 0);
    server_choice_silent(&choice, 0, 30 * MS, 600 * MS);
    expect_first(&choice, 1);
}

/* ---- the system's configuration ---- */

static void test_resolv_conf(void **state)
{
    struct resolv_conf conf;
    char name[HOST_NAME_MAX_LENGTH + 1];
    (void)state;

    resolv_conf_parse(&conf, "# nameserver 192.0.2.9\n"
                             "domain old.example\n"
                             "nameserver 192.0.2.1 # the router\n"
                             "nameserver\tfe80::1%eth0\n"
                             "nameserver nonsense\n"
                             "search corp.example. lan\n"
                             "options rotate ndots:2 timeout:1\n");
    assert_int_equal(conf.server_count, 2);
    assert_string_equal(conf.servers[1].zone, "eth0");
    assert_int_equal(conf.domain_count, 2);
    assert_string_equal(conf.domains[0], "corp.example");
    assert_int_equal(conf.ndots, 2);
    assert_true(resolv_conf_candidate(&conf, "a.b", false, 0, name));
    assert_string_equal(name, "a.b.corp.example");
    assert_true(resolv_conf_candidate(&conf, "a.b", false, 2, name));
    assert_string_equal(name, "a.b");
    assert_false(resolv_conf_candidate(&conf, "a.b", false, 3, name));
    assert_true(resolv_conf_candidate(&conf, "a.b.c", false, 0, name));
    assert_string_equal(name, "a.b.c");
    assert_true(resolv_conf_candidate(&conf, "a.b.c", false, 1, name));
    assert_string_equal(name, "a.b.c.corp.example");
    assert_true(resolv_conf_candidate(&conf, "a", true, 0, name));
    assert_string_equal(name, "a");
    assert_false(resolv_conf_candidate(&conf, "a", true, 1, name));
}

static void test_order_of_sources(void **state)
{
    (void)state;
    assert_int_equal(lookup_order_parse(""), LOOKUP_FILES_DNS);
    assert_int_equal(lookup_order_parse("passwd: files\nhosts: files dns\n"),
                     LOOKUP_FILES_DNS);
    assert_int_equal(lookup_order_parse("hosts:\tdns files\n"), LOOKUP_DNS_FILES);
    assert_int_equal(lookup_order_parse("hosts: resolve [!UNAVAIL=return] files dns\n"),
                     LOOKUP_DNS_FILES);
    assert_int_equal(lookup_order_parse("hosts: files # dns\n"), LOOKUP_FILES);
    assert_int_equal(lookup_order_parse("hosts: dns\n"), LOOKUP_DNS);
}

/* ---- the order of addresses ---- */

static void test_no_family_crowds_out_the_other(void **state)
{
    struct address six[20], four[20], out[16];
    unsigned counts[2] = {0};
    (void)state;

    for (int i = 0; i < 20; i++) {
        six[i] =
            (struct address){.family = ADDRESS_IPV6, .bytes = {0x20, [15] = (uint8_t)i}};
        four[i] = (struct address){.family = ADDRESS_IPV4, .bytes = {[3] = (uint8_t)i}};
    }
    assert_int_equal(address_interleave(six, 20, four, 2, ADDRESS_IPV4, out, 16), 16);
    assert_int_equal(out[0].family, ADDRESS_IPV4);
    assert_int_equal(out[1].family, ADDRESS_IPV6);
    assert_int_equal(out[2].family, ADDRESS_IPV4);
    assert_int_equal(out[3].family, ADDRESS_IPV6);
    assert_int_equal(out[15].family, ADDRESS_IPV6);
    assert_int_equal(address_interleave(six, 20, four, 20, ADDRESS_IPV6, out, 16), 16);
    for (int i = 0; i < 16; i++)
        counts[out[i].family == ADDRESS_IPV4]++;
    assert_int_equal(counts[0], 8);
    assert_int_equal(address_interleave(six, 0, four, 3, ADDRESS_IPV6, out, 16), 3);
    assert_int_equal(address_interleave(six, 0, four, 0, ADDRESS_IPV6, out, 16), 0);
}

static void test_first_family(void **state)
{
    const struct address global = {.family = ADDRESS_IPV6, .bytes = {0x2a, 1}};
    const struct address unique_local = {.family = ADDRESS_IPV6, .bytes = {0xfd}};
    const struct address four = {.family = ADDRESS_IPV4, .bytes = {10}};
    const struct address none = {.family = ADDRESS_NONE};
    (void)state;

    assert_int_equal(address_first_family(&global, &global, &four), ADDRESS_IPV6);
    assert_int_equal(address_first_family(&global, &none, &four), ADDRESS_IPV4);
    assert_int_equal(address_first_family(&global, &unique_local, &four), ADDRESS_IPV4);
    assert_int_equal(address_first_family(&unique_local, &unique_local, &four),
                     ADDRESS_IPV6);
    assert_int_equal(address_first_family(&global, &none, &none), ADDRESS_IPV6);
}

UNIT_MAIN(cmocka_unit_test(test_cache_keeps_until_the_end),
          cmocka_unit_test(test_cache_is_bounded), cmocka_unit_test(test_hosts_file),
          cmocka_unit_test(test_many_hosts),
          cmocka_unit_test(test_a_dead_server_costs_once),
          cmocka_unit_test(test_silence_about_one_name_is_no_death),
          cmocka_unit_test(test_resolv_conf), cmocka_unit_test(test_order_of_sources),
          cmocka_unit_test(test_no_family_crowds_out_the_other),
          cmocka_unit_test(test_first_family))
