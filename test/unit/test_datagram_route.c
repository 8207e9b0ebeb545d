/* SPDX-License-Identifier: MIT */
/* How the datagrams to one destination go, and what waits for its name. */
#include "addresses.h"
#include "dns_server.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/local/datagram_route.h>

#include <ev.h>
#include <stdlib.h>

static struct ev_loop *loop;
static struct dns_server dns;
static struct resolver *resolver;
static struct nat64_finder finder;
static struct rules *rules;
static struct decider decider;
static struct datagram_room room;
static unsigned decided;

static void on_decided(struct datagram_route *route)
{
    (void)route;
    decided++;
    ev_break(loop, EVBREAK_ALL);
}

static void begin(const struct rule *items, size_t count)
{
    struct resolver_options options = {.hosts_path = "/dev/null"};

    loop = ev_loop_new(EVFLAG_AUTO);
    dns = (struct dns_server){0};
    dns_server_start(&dns, loop);
    options.dns.servers.items = &dns.address;
    options.dns.servers.count = 1;
    options.dns.timeout_ns = 3600 * NS_PER_S;
    options.dns.max_waiting = 10;
    assert_int_equal(resolver_new(loop, &options, &resolver), OK);
    nat64_finder_init(&finder, loop, resolver);
    rules = rules_new(items, count);
    assert_non_null(rules);
    decider = (struct decider){
        .resolver = resolver, .finder = &finder, .resolve_here = true, .rules = rules};
    room = (struct datagram_room){.most = DATAGRAM_WAITING_BYTES};
    decided = 0;
}

static void finish(void)
{
    assert_int_equal(room.used, 0);
    rules_free(rules);
    nat64_finder_deinit(&finder);
    resolver_free(resolver);
    dns_server_stop(&dns, loop);
    ev_loop_destroy(loop);
}

static struct target to_name(const char *name, uint16_t port)
{
    struct target target = {.port = port};

    memcpy(target.name, name, strlen(name) + 1);
    return target;
}

static struct target to_address(const char *text, uint16_t port)
{
    struct target target = {.port = port, .address_count = 1};

    target.addresses[0] = endpoint_of(text, port);
    return target;
}

static struct datagram_route *make(struct target target)
{
    struct datagram_route *route = datagram_route_new(&target, &room, on_decided, NULL);

    assert_non_null(route);
    assert_true(datagram_route_leads_to(route, &target));
    return route;
}

static void decide(struct datagram_route *route)
{
    const struct stream_policy policy = {.mode = STREAM_MODE_AUTO};

    assert_true(datagram_route_due(route, clock_now()));
    datagram_route_decide(route, &decider, 0, &policy);
}

static void expect_address(const struct datagram_route *route, const char *text,
                           uint16_t port)
{
    struct target target;
    struct address expected = endpoint_of(text, port);

    datagram_route_target(route, &target);
    assert_int_equal(target.address_count, 1);
    assert_int_equal(target.port, port);
    assert_true(address_equal(&target.addresses[0], &expected));
}

static void test_addresses_are_decided_at_once(void **state)
{
    struct target port = to_address("192.0.2.1", 54), host = to_address("192.0.2.2", 53),
                  name = to_name("192.0.2.1", 53);
    struct datagram_route *route;
    (void)state;

    begin(NULL, 0);
    route = make(to_address("192.0.2.1", 53));
    decide(route);
    assert_int_equal(decided, 1);
    assert_int_equal(route->way, DATAGRAM_PROXY);
    assert_int_equal(route->policy.mode, STREAM_MODE_AUTO);
    expect_address(route, "192.0.2.1", 53);
    assert_false(datagram_route_due(route, UINT64_MAX - 1));
    assert_false(datagram_route_leads_to(route, &port));
    assert_false(datagram_route_leads_to(route, &host));
    assert_false(datagram_route_leads_to(route, &name));
    datagram_route_free(route);
    finish();
}

static void test_each_action(void **state)
{
    const struct port_range ports[] = {{1, 1}, {2, 2}, {3, 3}};
    const struct rule items[] = {
        {.ports = &ports[0], .port_count = 1, .action = RULE_BLOCK},
        {.ports = &ports[1], .port_count = 1, .networks = RULE_UDP, .action = RULE_DIRECT},
        {.ports = &ports[2], .port_count = 1, .networks = RULE_TCP, .action = RULE_BLOCK},
    };
    static const enum datagram_way ways[] = {DATAGRAM_REFUSED, DATAGRAM_DIRECT,
                                             DATAGRAM_PROXY};
    (void)state;

    begin(items, ARRAY_LENGTH(items));
    for (uint16_t port = 1; port <= 3; port++) {
        struct datagram_route *route = make(to_address("192.0.2.1", port));

        decide(route);
        assert_int_equal(route->way, ways[port - 1]);
        datagram_route_free(route);
    }
    finish();
}

/* Datagrams wait for a name, in their order, and then have an IPv4 address if there is one:
 * most relays have no IPv6. */
static void test_datagrams_wait_for_a_name(void **state)
{
    struct queued_datagram *datagram;
    struct datagram_route *route;
    (void)state;

    begin(NULL, 0);
    route = make(to_name("host.example", 53));
    decide(route);
    assert_int_equal(route->way, DATAGRAM_UNDECIDED);
    assert_false(datagram_route_due(route, clock_now()));
    for (uint8_t i = 0; i < DATAGRAM_QUEUE_MAX; i++)
        assert_true(datagram_queue_keep(&route->waiting, &i, 1));
    assert_false(datagram_queue_keep(&route->waiting, "x", 1));
    while (decided == 0)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(route->way, DATAGRAM_PROXY);
    assert_int_equal(route->addresses[0].family, ADDRESS_IPV4);
    assert_int_equal(route->addresses[0].port, 53);
    for (uint8_t i = 0; i < DATAGRAM_QUEUE_MAX; i++) {
        datagram = datagram_queue_take(&route->waiting);
        assert_int_equal(datagram->length, 1);
        assert_int_equal(datagram->bytes[0], i);
        free(datagram);
    }
    assert_null(datagram_queue_take(&route->waiting));
    /* The name is looked up again, and its first address is good until then. */
    assert_false(datagram_route_due(route, clock_now()));
    assert_true(datagram_route_due(route, clock_now() + DATAGRAM_NAME_NS));
    datagram_route_free(route);
    finish();
}

/* The other family's address is there for those who cannot send to the first, and once it
 * is in use it stays. */
static void test_an_address_of_each_family(void **state)
{
    struct datagram_route *route;
    struct target target;
    (void)state;

    begin(NULL, 0);
    route = make(to_name("host.example", 53));
    for (unsigned round = 1; round <= 2; round++) {
        decide(route);
        while (decided < round)
            ev_run(loop, EVRUN_ONCE);
        datagram_route_target(route, &target);
        assert_int_equal(target.address_count, 2);
        assert_int_equal(target.addresses[0].family,
                         round == 1 ? ADDRESS_IPV4 : ADDRESS_IPV6);
        assert_int_equal(target.addresses[1].family,
                         round == 1 ? ADDRESS_IPV6 : ADDRESS_IPV4);
        assert_int_equal(target.addresses[1].port, 53);
        datagram_route_skip(route);
        route->again_at_ns = 0;
    }
    datagram_route_free(route);
    finish();
}

/* Of many addresses a few are kept, of both families; those that were kept stay, in their
 * order, when the name is looked up again. */
static void test_many_addresses(void **state)
{
    struct datagram_route *route;
    struct target first, again;
    (void)state;

    begin(NULL, 0);
    route = make(to_name("many.example", 53));
    decide(route);
    while (decided < 1)
        ev_run(loop, EVRUN_ONCE);
    datagram_route_skip(route);
    datagram_route_target(route, &first);
    assert_int_equal(first.address_count, TARGET_DATAGRAM_ADDRESSES_MAX);
    assert_int_equal(first.addresses[TARGET_DATAGRAM_ADDRESSES_MAX - 1].family,
                     ADDRESS_IPV4);
    assert_int_equal(first.addresses[0].family, ADDRESS_IPV6);
    route->again_at_ns = 0;
    decide(route);
    while (decided < 2)
        ev_run(loop, EVRUN_ONCE);
    datagram_route_target(route, &again);
    assert_int_equal(again.address_count, TARGET_DATAGRAM_ADDRESSES_MAX);
    assert_memory_equal(again.addresses, first.addresses,
                        TARGET_DATAGRAM_ADDRESSES_MAX * sizeof(first.addresses[0]));
    datagram_route_free(route);
    finish();
}

static void test_names_for_the_relay(void **state)
{
    struct datagram_route *route;
    struct target target;
    (void)state;

    begin(NULL, 0);
    decider.resolve_here = false;
    route = make(to_name("host.example", 53));
    decide(route);
    assert_int_equal(decided, 1);
    datagram_route_target(route, &target);
    assert_int_equal(target.address_count, 0);
    assert_string_equal(target.name, "host.example");
    assert_int_equal(dns.asked, 0);
    datagram_route_free(route);
    finish();
}

static void test_names_that_are_none(void **state)
{
    struct datagram_route *route;
    (void)state;

    begin(NULL, 0);
    route = make(to_name("no name", 53));
    decide(route);
    assert_int_equal(route->way, DATAGRAM_REFUSED);
    assert_false(datagram_route_due(route, clock_now()));
    assert_true(datagram_route_due(route, clock_now() + DATAGRAM_FAILURE_NS));
    datagram_route_free(route);
    finish();
}

/* All routes together hold a bounded number of bytes, and give them back. */
static void test_what_waits_is_bounded(void **state)
{
    enum { SIZE = 60000, MOST = DATAGRAM_WAITING_BYTES / SIZE };
    static const uint8_t bytes[SIZE];
    struct datagram_route *routes[2];
    (void)state;

    begin(NULL, 0);
    dns.deaf = true;
    for (size_t i = 0; i < 2; i++) {
        routes[i] = make(to_name("host.example", (uint16_t)(1 + i)));
        decide(routes[i]);
    }
    for (size_t i = 0; i < MOST; i++)
        assert_true(
            datagram_queue_keep(&routes[i / DATAGRAM_QUEUE_MAX]->waiting, bytes, SIZE));
    assert_false(datagram_queue_keep(&routes[1]->waiting, bytes, SIZE));
    datagram_route_free(routes[0]);
    assert_true(datagram_queue_keep(&routes[1]->waiting, bytes, SIZE));
    datagram_route_free(routes[1]);
    finish();
}

UNIT_MAIN(cmocka_unit_test(test_addresses_are_decided_at_once),
          cmocka_unit_test(test_each_action),
          cmocka_unit_test(test_datagrams_wait_for_a_name),
          cmocka_unit_test(test_an_address_of_each_family),
          cmocka_unit_test(test_many_addresses), cmocka_unit_test(test_names_for_the_relay),
          cmocka_unit_test(test_names_that_are_none),
          cmocka_unit_test(test_what_waits_is_bounded))
