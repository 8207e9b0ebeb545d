/* SPDX-License-Identifier: MIT */
/* Where the datagrams of a flow go, with a DNS server in this process. */
#include "unit.h"

#include "../../src/relay/flow_targets.h"
#include "addresses.h"
#include "dns_server.h"

#include <splitsocks/io/clock.h>

#include <stdio.h>
#include <stdlib.h>

static const struct address_block loopback[] = {
    {.address = {.family = ADDRESS_IPV4, .bytes = {127}}, .bits = 8},
    {.address = {.family = ADDRESS_IPV6, .bytes = {[15] = 1}}, .bits = 128},
};

struct fixture {
    struct ev_loop *loop;
    struct dns_server server;
    struct resolver *resolver;
    struct nat64_finder finder;
    struct destination_rules rules;
    const struct destination_rules *in_use;
    struct destination_cache verdicts;
    struct flow_ways ways;
    struct places_pool pool;
    struct places places; /* of the client */
    struct share names;
    struct flow_targets targets;
    unsigned resolved;
};

static void on_resolved(struct flow_targets *targets, struct flow_target *target)
{
    struct fixture *fixture = container_of(targets, struct fixture, targets);
    (void)target;

    fixture->resolved++;
    ev_break(fixture->loop, EVBREAK_ALL);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct resolver_options options = {
        .dns = {.timeout_ns = 20 * NS_PER_S, .cache = 100, .max_waiting = 128},
        .hosts_path = "/dev/null",
        .system_path = "/dev/null",
    };

    memset(&fixture, 0, sizeof(fixture));
    fixture.loop = ev_loop_new(EVFLAG_AUTO);
    dns_server_start(&fixture.server, fixture.loop);
    options.dns.servers = (struct config_addresses){&fixture.server.address, 1};
    fixture.rules = (struct destination_rules){.allow = loopback, .allow_count = 2};
    fixture.in_use = &fixture.rules;
    *state = &fixture;
    if (resolver_new(fixture.loop, &options, &fixture.resolver) != OK)
        return -1;
    nat64_finder_init(&fixture.finder, fixture.loop, fixture.resolver);
    fixture.ways = (struct flow_ways){.resolver = fixture.resolver,
                                      .verdicts = &fixture.verdicts,
                                      .finder = &fixture.finder};
    places_pool_init(&fixture.pool, 128);
    places_init(&fixture.places, &fixture.pool, PLACES_UNLIMITED);
    share_init(&fixture.names, &fixture.places);
    flow_targets_init(&fixture.targets, &fixture.ways, &fixture.in_use, &fixture.names,
                      on_resolved);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    flow_targets_deinit(&fixture->targets);
    nat64_finder_deinit(&fixture->finder);
    resolver_free(fixture->resolver);
    dns_server_stop(&fixture->server, fixture->loop);
    ev_loop_destroy(fixture->loop);
    return 0;
}

static struct flow_target *get(struct fixture *fixture, uint64_t binding, const char *host,
                               uint64_t now)
{
    struct target to = {.port = 7};

    if (address_parse(&to.addresses[0], host) == OK)
        to.address_count = 1;
    else
        snprintf(to.name, sizeof(to.name), "%s", host);
    return flow_targets_get(&fixture->targets, binding, &to, now);
}

static void wait_for_name(struct fixture *fixture)
{
    unsigned before = fixture->resolved;

    while (fixture->resolved == before)
        ev_run(fixture->loop, EVRUN_ONCE);
}

static void test_addresses_are_there_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct flow_target *target = get(fixture, 1, "127.0.0.9", 0);

    assert_int_equal(target->state, FLOW_TARGET_READY);
    assert_int_equal(flow_target_address(target)->port, 7);
    assert_int_equal(flow_target_address(get(fixture, 2, "::ffff:127.0.0.9", 0))->family,
                     ADDRESS_IPV4);
    assert_int_equal(get(fixture, 3, "10.0.0.1", 0)->state, FLOW_TARGET_DENIED);
    assert_int_equal(get(fixture, 4, "::ffff:10.0.0.1", 0)->state, FLOW_TARGET_DENIED);
    assert_ptr_equal(get(fixture, 1, "127.0.0.9", 0), target);
    assert_int_equal(fixture->resolved, 0);
}

static void test_sixteen_wait_for_a_name(void **state)
{
    struct fixture *fixture = *state;
    struct flow_target *target = get(fixture, 1, "good.test", 0);
    struct queued_datagram *waiting;

    for (uint8_t i = 0; i < DATAGRAM_QUEUE_MAX; i++) {
        assert_ptr_equal(get(fixture, 1, "good.test", 0), target);
        assert_int_equal(target->state, FLOW_TARGET_RESOLVES);
        assert_true(datagram_queue_keep(&target->waiting, &i, 1));
    }
    assert_false(datagram_queue_keep(&target->waiting, "x", 1));
    wait_for_name(fixture);
    assert_int_equal(target->state, FLOW_TARGET_DENIED); /* no address of loopback */
    for (uint8_t i = 0; i < DATAGRAM_QUEUE_MAX; i++) {
        waiting = datagram_queue_take(&target->waiting);
        assert_int_equal(waiting->bytes[0], i);
        free(waiting);
    }
    assert_null(datagram_queue_take(&target->waiting));
    assert_int_equal(fixture->targets.waiting.used, 0);
}

static void test_what_waits_is_bounded_in_bytes(void **state)
{
    static const uint8_t bytes[FLOW_WAITING_BYTES / 2];
    struct fixture *fixture = *state;
    struct flow_target *first = get(fixture, 1, "one.test", 0);
    struct flow_target *second = get(fixture, 2, "two.test", 0);

    assert_true(datagram_queue_keep(&first->waiting, bytes, sizeof(bytes)));
    assert_true(datagram_queue_keep(&second->waiting, bytes, sizeof(bytes)));
    assert_false(datagram_queue_keep(&first->waiting, bytes, 1));
    free(datagram_queue_take(&second->waiting));
    assert_true(datagram_queue_keep(&first->waiting, bytes, 1));
}

static void test_names_of_one_flow_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char name[32];

    for (unsigned i = 0; i < FLOW_NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        assert_non_null(get(fixture, i, name, 0));
    }
    assert_null(get(fixture, FLOW_NAMES_MAX, "more.test", 0));
    wait_for_name(fixture);
    assert_non_null(get(fixture, FLOW_NAMES_MAX, "more.test", 0));
}

/* A client takes no more of the resolver's places than it leaves to the others. */
static void test_names_of_one_client_are_bounded(void **state)
{
    struct fixture *fixture = *state;

    fixture->pool.most = 4;
    assert_non_null(get(fixture, 1, "one.test", 0));
    assert_non_null(get(fixture, 2, "two.test", 0));
    assert_null(get(fixture, 3, "three.test", 0));
    assert_int_equal(fixture->pool.used, 2);
    wait_for_name(fixture);
    assert_non_null(get(fixture, 3, "three.test", 0));
    flow_targets_deinit(&fixture->targets);
    assert_int_equal(fixture->pool.used, 0);
}

static void test_a_failure_is_tried_again_after_a_while(void **state)
{
    struct fixture *fixture = *state;
    struct flow_target *target = get(fixture, 1, "10.0.0.1", clock_now());
    const struct address_block all[] = {{.address = {.family = ADDRESS_IPV4}, .bits = 0}};

    assert_int_equal(target->state, FLOW_TARGET_DENIED);
    fixture->rules = (struct destination_rules){.allow = all, .allow_count = 1};
    memset(&fixture->verdicts, 0, sizeof(fixture->verdicts));
    assert_int_equal(get(fixture, 1, "10.0.0.1", clock_now())->state, FLOW_TARGET_DENIED);
    target = get(fixture, 1, "10.0.0.1", clock_now() + FLOW_RETRY_NS);
    assert_int_not_equal(target->state, FLOW_TARGET_DENIED);
}

static void test_the_oldest_targets_go(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 3 * FLOW_TARGETS_MAX; i++) {
        assert_int_equal(get(fixture, i, "127.0.0.1", 0)->state, FLOW_TARGET_READY);
        assert_int_equal(get(fixture, 0, "127.0.0.1", 0)->binding, 0);
    }
    assert_int_equal(fixture->targets.count, FLOW_TARGETS_MAX);
}

static struct flow_target *get_several(struct fixture *fixture, uint64_t now,
                                       const char *const *hosts, size_t count)
{
    struct target to = {.port = 7, .address_count = (uint8_t)count};

    for (size_t i = 0; i < count; i++)
        assert_int_equal(address_parse(&to.addresses[i], hosts[i]), OK);
    return flow_targets_get(&fixture->targets, 1, &to, now);
}

static void assert_chosen(const struct flow_target *target, const char *host)
{
    struct address expected = endpoint_of(host, 7);

    assert_true(address_equal(flow_target_address(target), &expected));
}

/* Those that the rules refuse, and those without a route, are never chosen. */
static void test_the_choice_among_several(void **state)
{
    static const char *const hosts[] = {"10.0.0.1",  "127.0.0.3", "2001:db8::1",
                                        "127.0.0.2", "10.0.0.2",  "127.0.0.4",
                                        "127.0.0.5", "127.0.0.6"};
    struct fixture *fixture = *state;
    struct flow_target *target = get_several(fixture, 0, hosts, ARRAY_LENGTH(hosts));

    assert_int_equal(target->state, FLOW_TARGET_READY);
    assert_int_equal(target->count, TARGET_DATAGRAM_ADDRESSES_MAX);
    assert_false(target->works);
    assert_chosen(target, "127.0.0.3");
    flow_target_skip(target);
    assert_chosen(target, "127.0.0.2");
    flow_target_worked(target);
    assert_ptr_equal(get_several(fixture, 0, hosts, ARRAY_LENGTH(hosts)), target);
    assert_chosen(target, "127.0.0.2");
    assert_true(target->works);
    flow_targets_doubt(&fixture->targets);
    assert_false(target->works);
    assert_chosen(target, "127.0.0.2");
    for (unsigned i = 0; i < TARGET_DATAGRAM_ADDRESSES_MAX; i++)
        flow_target_skip(target);
    assert_chosen(target, "127.0.0.2");
}

/* Where none can be sent to, the addresses are looked up again after a while, and tried
 * meanwhile. */
static void test_addresses_that_all_fail(void **state)
{
    static const char *const before[] = {"127.0.0.2", "127.0.0.3"}, *const after[] = {
                                                                        "127.0.0.4"};
    struct fixture *fixture = *state;
    uint64_t now = clock_now();
    struct flow_target *target = get_several(fixture, now, before, 2);

    flow_target_failed(target, now);
    flow_target_failed(target, now + FLOW_RETRY_NS - 1); /* does not put it off */
    assert_ptr_equal(get_several(fixture, now + FLOW_RETRY_NS - 1, after, 1), target);
    assert_int_equal(target->state, FLOW_TARGET_UNREACHABLE);
    assert_chosen(target, "127.0.0.2");
    assert_ptr_equal(get_several(fixture, now + FLOW_RETRY_NS, after, 1), target);
    assert_int_equal(target->state, FLOW_TARGET_READY);
    assert_int_equal(target->count, 1);
    assert_chosen(target, "127.0.0.4");
    flow_target_failed(target, now);
    flow_target_worked(target);
    assert_int_equal(target->state, FLOW_TARGET_READY);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_MAIN(TEST(test_addresses_are_there_at_once), TEST(test_sixteen_wait_for_a_name),
          TEST(test_what_waits_is_bounded_in_bytes),
          TEST(test_names_of_one_flow_are_bounded),
          TEST(test_names_of_one_client_are_bounded),
          TEST(test_a_failure_is_tried_again_after_a_while),
          TEST(test_the_oldest_targets_go), TEST(test_the_choice_among_several),
          TEST(test_addresses_that_all_fail))
