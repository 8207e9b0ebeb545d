/* SPDX-License-Identifier: MIT */
/* How much bulk may be on its way on a path, by what its subflows' TCP is said to know. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

#define LEAST_MS 20
#define QUEUED_MS 40
#define MUCH (16 * MIB)

struct load {
    struct pair *pair;
    struct stream *stream;
    struct path *path;
};

static struct load load_begins(void)
{
    struct session_config config = pair_config();
    struct load load;

    load.pair = pair_connected(&config, &load.stream);
    load.path = &load.pair->local->paths.items[0];
    return load;
}

/* Uploads for a while as fast as the engine lets, with every subflow's TCP telling the
 * same; returns the bytes that were sent. */
static uint64_t send_for(struct load *load, unsigned ms, unsigned rtt_ms, uint32_t flying)
{
    static uint8_t bytes[MIB];
    const struct subflow_measure measure = {.srtt_ns = rtt_ms * NS_PER_MS,
                                            .rate = 1000000,
                                            .queued_bytes = flying,
                                            .flying_bytes = flying};
    struct pair *pair = load->pair;
    uint64_t before = load->stream->out_next;

    for (unsigned i = 0; i < ms; i++) {
        session_stream_write(pair->local, load->stream, bytes, sizeof(bytes), pair->now);
        pair_measure(pair, &measure);
        pair_step(pair);
        pair_read_all(pair, pair->relay, pair->incoming[0]);
    }
    return load->stream->out_next - before;
}

static void test_no_queue_no_bound(void **state)
{
    struct load load = load_begins();
    (void)state;

    send_for(&load, 200, LEAST_MS, MUCH);
    /* Credit comes once in a round trip. */
    assert_true(send_for(&load, 2 * LEAST_MS, LEAST_MS, MUCH) > 0);
    assert_false(restraint_holds(&load.pair->local->schedule, 0));
    pair_free(load.pair);
}

static void test_a_queue_of_one_round_trip_is_enough(void **state)
{
    struct load load = load_begins();
    uint64_t rate, room;
    (void)state;

    send_for(&load, 500, LEAST_MS, 0);
    send_for(&load, 4, QUEUED_MS, MUCH);
    assert_int_equal(send_for(&load, 8, QUEUED_MS, MUCH), 0);
    assert_true(restraint_holds(&load.pair->local->schedule, 0));
    /* Data that is lost, or has arrived out of order, is not on its way. */
    assert_true(send_for(&load, 8, QUEUED_MS, 0) > 0);
    restraint_update(&load.pair->local->schedule);
    rate = MAX(load.path->rate_acked, load.pair->local->schedule.restraints[0].rate_seen);
    room = load.pair->local->schedule.restraints[0].room;
    assert_true(room <= rate * (2 * LEAST_MS + 2) / 1000);
    pair_free(load.pair);
}

static void test_less_while_somebody_waits_for_little(void **state)
{
    struct load load = load_begins();
    struct session *local = load.pair->local;
    uint64_t alone, beside;
    (void)state;

    send_for(&load, 500, LEAST_MS, 0);
    send_for(&load, 20, QUEUED_MS, 0);
    assert_non_null(local->subflows.lane);
    restraint_update(&local->schedule);
    alone = load.pair->local->schedule.restraints[0].room;
    local->schedule.interactive_at_ns = local->context.now;
    restraint_update(&local->schedule);
    beside = load.pair->local->schedule.restraints[0].room;
    assert_true(alone > 0);
    assert_true(beside < alone / 4 * 3);
    pair_free(load.pair);
}

/* The path has become longer: the old bound keeps it from its rate. */
static void test_lifted_where_it_costs_the_rate(void **state)
{
    struct load load = load_begins();
    (void)state;

    send_for(&load, 1500, LEAST_MS, 0);
    assert_true(load.pair->local->schedule.restraints[0].rate_seen > 0);
    for (unsigned i = 0;
         i < 40 && load.pair->local->schedule.restraints[0].lifted_until_ns == 0; i++)
        send_for(&load, 50, 4 * LEAST_MS, MUCH);
    assert_true(load.pair->local->schedule.restraints[0].lifted_until_ns > load.pair->now);
    assert_true(send_for(&load, 10, 4 * LEAST_MS, MUCH) > 0);
    pair_free(load.pair);
}

static void test_without_bulk_nothing_is_kept(void **state)
{
    struct load load = load_begins();
    struct session *local = load.pair->local;
    (void)state;

    send_for(&load, 500, LEAST_MS, 0);
    send_for(&load, 8, QUEUED_MS, MUCH);
    assert_true(restraint_holds(&local->schedule, 0));
    assert_true(path_held_rate(load.path) > 0);
    for (unsigned i = 0; i < 3000; i++) {
        pair_step(load.pair);
        pair_read_all(load.pair, load.pair->relay, load.pair->incoming[0]);
    }
    restraint_update(&local->schedule);
    assert_false(restraint_holds(&local->schedule, 0));
    assert_int_equal(path_held_rate(load.path), 0);
    assert_int_equal(restraint_timeout(&local->schedule), TIME_NEVER);
    pair_free(load.pair);
}

UNIT_MAIN(cmocka_unit_test(test_no_queue_no_bound),
          cmocka_unit_test(test_a_queue_of_one_round_trip_is_enough),
          cmocka_unit_test(test_less_while_somebody_waits_for_little),
          cmocka_unit_test(test_lifted_where_it_costs_the_rate),
          cmocka_unit_test(test_without_bulk_nothing_is_kept))
