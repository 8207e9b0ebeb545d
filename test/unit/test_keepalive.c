/* SPDX-License-Identifier: MIT */
/* How often idle subflows are asked for a sign of life. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

static struct pair *idle_pair(struct stream **stream)
{
    struct session_config config = pair_config();
    struct pair *pair;

    config.linger_ns = 600 * NS_PER_S;
    pair = pair_new(&config);
    *stream = pair_open(pair, NULL);
    pair_run_ms(pair, 8000);
    assert_int_equal(pair->opened_count, 1);
    assert_int_equal(keepalive_ns(&pair->local->subflows, 0),
                     MIN(pair->local->context.config.linger_ns / 3, 45 * NS_PER_S));
    return pair;
}

/* The open connections go silent, as behind a NAT that has forgotten them; local finds that
 * out by the next keepalive. */
static void lose_idle_connections(struct pair *pair)
{
    uint64_t interval_ns = keepalive_ns(&pair->local->subflows, 0);

    for (unsigned i = 0; i < pair->connection_count; i++)
        pair->connections[i].stalled |= pair->connections[i].open;
    pair_run_ms(pair, (unsigned)(interval_ns / NS_PER_MS) + 2000);
}

static void test_death_of_idleness_shortens_the_interval(void **state)
{
    struct stream *stream;
    struct pair *pair = idle_pair(&stream);
    uint64_t before_ns = keepalive_ns(&pair->local->subflows, 0);
    (void)state;

    lose_idle_connections(pair);
    assert_in_range(keepalive_ns(&pair->local->subflows, 0), before_ns / 2 - NS_PER_S,
                    before_ns / 2 + NS_PER_S);
    /* Each such death shortens it again, down to a bound. */
    for (unsigned i = 0; i < 3; i++)
        lose_idle_connections(pair);
    assert_int_equal(keepalive_ns(&pair->local->subflows, 0), 10 * NS_PER_S);
    pair_free(pair);
}

/* A path that was out is no NAT that forgets. */
static void test_an_outage_leaves_the_interval(void **state)
{
    struct stream *stream;
    struct pair *pair = idle_pair(&stream);
    uint64_t before_ns = keepalive_ns(&pair->local->subflows, 0);
    (void)state;

    pair->blackhole = 1;
    pair_run_ms(pair, (unsigned)(before_ns / NS_PER_MS) + 6000);
    pair->blackhole = 0;
    pair_run_ms(pair, 10000);
    assert_true(subflows_in_touch(&pair->local->subflows));
    assert_int_equal(keepalive_ns(&pair->local->subflows, 0), before_ns);
    pair_free(pair);
}

static void test_the_interval_holds_while_streams_are_open_in_this_network(void **state)
{
    const struct path_properties gone = {.usable = false}, back = {.usable = true};
    struct stream *stream;
    struct pair *pair = idle_pair(&stream);
    uint64_t before_ns = keepalive_ns(&pair->local->subflows, 0);
    (void)state;

    lose_idle_connections(pair);
    assert_true(keepalive_ns(&pair->local->subflows, 0) < before_ns);
    session_stream_release(pair->local, stream, pair->now);
    assert_int_equal(keepalive_ns(&pair->local->subflows, 0), before_ns);
    assert_true(pair->local->paths.items[0].keepalive_ns < before_ns);
    session_set_path(pair->local, 0, &gone, pair->now);
    session_set_path(pair->local, 0, &back, pair->now);
    assert_int_equal(pair->local->paths.items[0].keepalive_ns, 0);
    pair_free(pair);
}

static void test_the_configuration_bounds_the_interval(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair;
    (void)state;

    config.keepalive_ns = 3 * NS_PER_S;
    pair = pair_new(&config);
    assert_int_equal(keepalive_ns(&pair->local->subflows, 0), 3 * NS_PER_S);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_death_of_idleness_shortens_the_interval),
          cmocka_unit_test(test_an_outage_leaves_the_interval),
          cmocka_unit_test(test_the_interval_holds_while_streams_are_open_in_this_network),
          cmocka_unit_test(test_the_configuration_bounds_the_interval))
