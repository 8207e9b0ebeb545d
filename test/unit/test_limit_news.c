/* SPDX-License-Identifier: MIT */
/* What people are told of the limits of single connections. */
#include "session_pair.h"

#include <splitsocks/engine/path/path_limits.h>
#include <splitsocks/engine/session/session_status.h>

#define FREEZE 40000

static struct port_limits new_port(void)
{
    struct port_limits port = {0};

    profile_init(&port.profile);
    dial_limit_init(&port.dials);
    return port;
}

/* ---- from the network to the event ---- */

static void test_a_freeze_is_told_once(void **state)
{
    const struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct port_status status;
    (void)state;

    pair->freeze_down = FREEZE;
    assert_true(pair_download(pair, stream, 4 * MIB, 60000));
    assert_int_equal(pair->limit_count, 1);
    assert_int_equal(pair->limit.kind, SESSION_LIMIT_CARRIED);
    assert_false(pair->limit.lifted);
    assert_int_equal(pair->limit.finding.coordinate, PROFILE_DOWN);
    assert_in_range(pair->limit.finding.position, FREEZE / 2, FREEZE * 5 / 4);
    assert_in_range(pair->limit.finding.budget, 1000, FREEZE);

    assert_true(session_port_status(pair->local, 0, 0, &status));
    assert_true(status.found);
    assert_int_equal(status.finding.kind, pair->limit.finding.kind);
    assert_int_equal(status.budget_down, status.finding.budget);
    assert_in_range(status.budget_down, 1000, FREEZE);
    assert_int_equal(status.budget_up, config.budget_up);
    assert_false(session_port_status(pair->local, 0, 1000, &status));
    assert_false(session_port_status(pair->relay, 0, 0, &status));
    pair_release_all(pair, stream);
    pair_free(pair);
}

static void test_the_configuration_bounds_the_budget_that_is_told(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair;
    struct port_status status;
    (void)state;

    config.budget_up = 5000;
    config.budget_down = SESSION_UNLIMITED;
    pair = pair_connected(&config, &stream);
    assert_true(pair_download(pair, stream, MIB, 60000));
    assert_int_equal(pair->limit_count, 0);
    assert_true(session_port_status(pair->local, 0, 0, &status));
    assert_false(status.found);
    assert_int_equal(status.budget_up, 5000);
    assert_true(status.budget_down == SESSION_UNLIMITED);
    assert_int_equal(status.connections, 0);
    assert_true(status.dials_per_second == 0);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* ---- how often ---- */

static void test_each_limit_is_told(void **state)
{
    struct port_limits port = new_port();
    struct session_limit limit;
    (void)state;

    assert_false(path_limits_news(&port, &limit, NS_PER_S));
    port.dials.connections = 12;
    port.dials.syns = 10;
    assert_true(path_limits_news(&port, &limit, 2 * NS_PER_S));
    assert_int_equal(limit.kind, SESSION_LIMIT_OPEN);
    assert_int_equal(limit.connections, 12);
    assert_false(path_limits_news(&port, &limit, 3 * NS_PER_S));
    assert_true(path_limits_news(&port, &limit, 10 * NS_PER_S));
    assert_int_equal(limit.kind, SESSION_LIMIT_DIALS);
    assert_true(limit.dials_per_second == 10);
    port.dials.connections = DIAL_LIMIT_NONE;
    assert_true(path_limits_news(&port, &limit, 60 * NS_PER_S));
    assert_int_equal(limit.kind, SESSION_LIMIT_OPEN);
    assert_true(limit.lifted);
    profile_deinit(&port.profile);
}

/* A limit that comes and goes each second is told about once in ten minutes. After quiet
 * times it is told at once. */
static void test_no_flood(void **state)
{
    struct port_limits port = new_port();
    struct session_limit limit;
    unsigned told = 0, last;
    uint64_t now = NS_PER_S;
    (void)state;

    for (unsigned i = 0; i < 3600; i++, now += NS_PER_S) {
        port.dials.connections = i % 2 == 0 ? 4 : DIAL_LIMIT_NONE;
        told += path_limits_news(&port, &limit, now);
    }
    assert_in_range(told, 8, 14);

    now += 1300 * NS_PER_S;
    (void)path_limits_news(&port, &limit, now);
    now += 1300 * NS_PER_S;
    last = port.dials.told_connections;
    port.dials.connections = last == 4 ? 20 : 4;
    assert_true(path_limits_news(&port, &limit, now));
    port.dials.connections = last;
    assert_false(path_limits_news(&port, &limit, now + 4 * NS_PER_S));
    assert_true(path_limits_news(&port, &limit, now + 6 * NS_PER_S));
    profile_deinit(&port.profile);
}

UNIT_MAIN(cmocka_unit_test(test_a_freeze_is_told_once),
          cmocka_unit_test(test_the_configuration_bounds_the_budget_that_is_told),
          cmocka_unit_test(test_each_limit_is_told), cmocka_unit_test(test_no_flood))
