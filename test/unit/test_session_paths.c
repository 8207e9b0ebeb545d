/* SPDX-License-Identifier: MIT */
/* Several paths: their properties, their rates, whether they work, and which streams may
 * use them. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

static void set_path(struct pair *pair, unsigned path, struct path_properties properties)
{
    session_set_path(pair->local, path, &properties, pair->now);
    pair_step(pair);
}

static void test_an_unusable_path_is_left_at_once_and_used_again(void **state)
{
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, NULL, &stream);
    unsigned dials;
    (void)state;

    assert_true(pair_open_on(pair, 0) > 0 && pair_open_on(pair, 1) > 0);
    assert_int_equal(pair->path_up_count, 2);
    set_path(pair, 1, (struct path_properties){.usable = false});
    assert_int_equal(pair_open_on(pair, 1), 0);
    assert_int_equal(pair->path_down_count, 1);
    assert_int_equal(pair->path_reason, PATH_REASON_UNUSABLE);
    dials = pair_dials_on(pair, 1);
    assert_true(pair_download(pair, stream, MIB, 5000));
    assert_int_equal(pair_dials_on(pair, 1), dials);
    assert_false(pair->relay->paths.items[1].properties.usable);
    set_path(pair, 1, (struct path_properties){.usable = true});
    assert_true(pair_download(pair, stream, 8 * MIB, 5000));
    pair_run_ms(pair, 100);
    assert_true(pair_dials_on(pair, 1) > dials);
    assert_int_equal(pair->path_up_count, 3);
    assert_true(pair->relay->paths.items[1].properties.usable);
    pair_free(pair);
}

/* Dials in a transfer over one path, of as many as the session has slots for. */
static unsigned dials_with_slots(unsigned slots)
{
    const struct path_properties gone = {.usable = false};
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair;
    unsigned dials;

    config.path_count = slots;
    pair = pair_new(&config);
    for (unsigned i = 1; i < slots; i++)
        session_set_path(pair->local, i, &gone, pair->now);
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 300);
    assert_true(pair_download(pair, stream, 8 * MIB, 10000));
    dials = pair_dials_on(pair, 0);
    assert_int_equal(pair->connection_count, dials);
    pair_free(pair);
    return dials;
}

static void test_slots_without_a_path_ask_for_no_subflows(void **state)
{
    (void)state;
    assert_int_equal(dials_with_slots(SESSION_PATHS_MAX), dials_with_slots(1));
}

static void test_the_relay_is_told_of_properties(void **state)
{
    static const struct path_properties wanted = {.usable = true,
                                                  .backup = true,
                                                  .cost = 3,
                                                  .modes = 1 << STREAM_MODE_REDUNDANT,
                                                  .rate_down = 125000};
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, NULL, &stream);
    const struct path_properties *told = &pair->relay->paths.items[1].properties;
    (void)state;

    set_path(pair, 1, wanted);
    pair_run_ms(pair, 100);
    assert_true(told->backup);
    assert_int_equal(told->cost, 3);
    assert_int_equal(told->modes, 1 << STREAM_MODE_REDUNDANT);
    assert_int_equal(told->rate_down, 125000);
    /* A relay whose session is new, and knows nothing, is told again. */
    pair_restart_relay(pair);
    pair_run_ms(pair, 2000);
    assert_non_null(pair->relay);
    assert_int_equal(pair->relay->paths.items[1].properties.cost, 3);
    pair_free(pair);
}

static void test_the_relay_is_told_of_a_policy(void **state)
{
    const struct stream_policy policy = {
        .mode = STREAM_MODE_REDUNDANT, .copies = 2, .paths = 3};
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, &policy, &stream);
    (void)state;

    assert_int_equal(pair->incoming[0]->policy.mode, STREAM_MODE_REDUNDANT);
    assert_int_equal(pair->incoming[0]->policy.copies, 2);
    assert_int_equal(pair->incoming[0]->policy.paths, 3);
    pair_free(pair);
}

static void test_a_dead_path_is_noticed_and_its_return_too(void **state)
{
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, NULL, &stream);
    (void)state;

    pair->blackhole = 1 << 1;
    assert_true(pair_download(pair, stream, 4 * MIB, 5000));
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->path_down_count, 1);
    pair->blackhole = 0;
    for (unsigned i = 0; i < 100 && pair->path_up_count < 3; i++)
        assert_true(pair_download(pair, stream, MIB, 5000));
    assert_int_equal(pair->path_up_count, 3);
    pair_free(pair);
}

static void test_refused_dials_take_a_path_down(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair;
    (void)state;

    config.path_count = 2;
    pair = pair_new(&config);
    pair->refuse = 1 << 0;
    pair_open(pair, NULL);
    /* The other path waits for nothing. */
    pair_run_ms(pair, 150);
    assert_int_equal(pair->opened_count, 1);
    assert_int_equal(pair->path_up_count, 1);
    assert_int_equal(pair->path_down_count, 1);
    assert_int_equal(pair->path_reason, PATH_REASON_REFUSED);
    pair_free(pair);
}

/* Control leaves a silent path, and a subflow that is late, but never for each other. */
static void test_control_always_has_a_subflow(void **state)
{
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, NULL, &stream);
    struct subflow *on[2] = {NULL, NULL};
    (void)state;

    pair_run_ms(pair, 8000); /* one subflow on each path is left */
    list_foreach(&pair->local->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        on[subflow->path] = subflow;
    }
    assert_true(on[0] != NULL && on[1] != NULL);
    assert_false(scheduler_avoids(&pair->local->schedule, on[0]));
    on[0]->late = true;
    assert_true(scheduler_avoids(&pair->local->schedule, on[0]));
    assert_false(scheduler_avoids(&pair->local->schedule, on[1]));
    pair->local->paths.silent = 1 << 1;
    assert_false(scheduler_avoids(&pair->local->schedule, on[0]));
    assert_true(scheduler_avoids(&pair->local->schedule, on[1]));
    pair->local->paths.silent = 1 << 0 | 1 << 1;
    assert_false(scheduler_avoids(&pair->local->schedule, on[1]));
    pair_free(pair);
}

static void test_a_stream_keeps_to_its_paths(void **state)
{
    const struct stream_policy policy = {.paths = 1 << 1};
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, &policy, &stream);
    (void)state;

    assert_true(pair_download(pair, stream, MIB, 5000));
    assert_true(pair_down_on(pair, 0) < 4096);
    /* It waits for its path rather than take another. */
    pair->blackhole = 1 << 1;
    assert_false(pair_download(pair, stream, MIB, 2000));
    assert_true(pair_down_on(pair, 0) < 8192);
    pair_free(pair);
}

static void test_a_path_keeps_to_its_modes(void **state)
{
    const struct path_properties second = {.usable = true,
                                           .modes = 1 << STREAM_MODE_REDUNDANT};
    struct stream *stream;
    struct pair *pair = pair_over(2, &second, NULL, &stream);
    (void)state;

    assert_true(pair_download(pair, stream, MIB, 5000));
    assert_true(pair_down_on(pair, 1) < 4096);
    pair_free(pair);
}

/* Bytes that have gone over a path, either way. */
static uint64_t carried_on(const struct pair *pair, unsigned path)
{
    uint64_t total = pair_down_on(pair, path);

    for (unsigned i = 0; i < pair->connection_count; i++)
        if (pair->connections[i].path == path)
            total += pair->connections[i].up.total;
    return total;
}

static void test_an_idle_path_is_probed_while_data_moves(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair;
    uint64_t before;
    (void)state;

    config.path_count = 2;
    config.pool_idle = 6;
    pair = pair_new(&config);
    stream = pair_open(pair, &(struct stream_policy){.paths = 1});
    pair_run_ms(pair, 8000); /* spares have gone */
    assert_true(pair_open_on(pair, 1) > 0);
    before = carried_on(pair, 1);
    pair_run_ms(pair, 20000);
    assert_int_equal(carried_on(pair, 1), before);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(pair_download(pair, stream, 100, 100));
        pair_run_ms(pair, 100);
    }
    /* Some ten PINGs, of one side or the other, and no more. */
    assert_true(carried_on(pair, 1) >= before + 8 * 19);
    assert_true(carried_on(pair, 1) <= before + 100 * 19);
    /* So its death is seen although it carries nothing. */
    pair->blackhole = 1 << 1;
    for (unsigned i = 0; i < 30; i++) {
        assert_true(pair_download(pair, stream, 100, 100));
        pair_run_ms(pair, 100);
    }
    assert_int_equal(pair->path_down_count, 1);
    pair_free(pair);
}

static void answer_measures(struct pair *pair, uint32_t queued_bytes)
{
    const struct subflow_measure measure = {
        .srtt_ns = 20 * NS_PER_MS, .rate = 1000000, .queued_bytes = queued_bytes};

    pair_measure(pair, &measure);
}

/* Bytes that were acknowledged meanwhile have left the kernel's queue. They must not count
 * against the path any more when it is compared with another. */
static void test_a_queue_is_measured_until_it_is_gone(void **state)
{
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, NULL, &stream);
    struct path *paths = pair->local->paths.items;
    (void)state;

    session_stream_write(pair->local, stream, "x", 1, pair->now);
    for (unsigned ms = 0; ms < 20; ms++) {
        pair_step(pair);
        answer_measures(pair, 5000);
    }
    assert_true(paths[0].queued_out + paths[1].queued_out > 0);
    pair_run_ms(pair, 500);
    answer_measures(pair, 0);
    assert_int_equal(paths[0].queued_out + paths[1].queued_out, 0);
    assert_null(session_next_unmeasured(pair->local, pair->now));
    pair_free(pair);
}

static void test_the_session_keeps_to_its_rates(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair;
    struct stream *stream;
    (void)state;

    config.rate_up = MIB;
    config.rate_down = 2 * MIB;
    pair = pair_new(&config);
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 300);
    assert_false(pair_upload(pair, stream, MIB, 900));
    pair_free(pair);
    /* Nearly all of it is for data. */
    pair = pair_new(&config);
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 300);
    assert_true(pair_upload(pair, stream, MIB, 1050));
    assert_false(pair_download(pair, stream, 2 * MIB, 900));
    pair_free(pair);
    pair = pair_new(&config);
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 300);
    assert_true(pair_download(pair, stream, 2 * MIB, 1050));
    pair_free(pair);
}

static void test_a_path_keeps_to_its_rates(void **state)
{
    const struct path_properties slow = {
        .usable = true, .rate_up = MIB / 4, .rate_down = MIB / 2};
    struct stream *stream;
    struct pair *pair = pair_over(2, &slow, NULL, &stream);
    struct path_properties other = slow;
    uint64_t before;
    (void)state;

    other.rate_up = other.rate_down = MIB;
    session_set_path(pair->local, 0, &other, pair->now);
    pair_run_ms(pair, 300);
    before = pair_down_on(pair, 1);
    assert_true(pair_download(pair, stream, 3 * MIB, 2400));
    assert_true(pair_down_on(pair, 1) - before <= MIB / 2 * 2.4);
    assert_true(pair_upload(pair, stream, 5 * MIB / 4, 1150));
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_an_unusable_path_is_left_at_once_and_used_again),
          cmocka_unit_test(test_slots_without_a_path_ask_for_no_subflows),
          cmocka_unit_test(test_the_relay_is_told_of_properties),
          cmocka_unit_test(test_the_relay_is_told_of_a_policy),
          cmocka_unit_test(test_a_dead_path_is_noticed_and_its_return_too),
          cmocka_unit_test(test_refused_dials_take_a_path_down),
          cmocka_unit_test(test_control_always_has_a_subflow),
          cmocka_unit_test(test_a_stream_keeps_to_its_paths),
          cmocka_unit_test(test_a_path_keeps_to_its_modes),
          cmocka_unit_test(test_an_idle_path_is_probed_while_data_moves),
          cmocka_unit_test(test_a_queue_is_measured_until_it_is_gone),
          cmocka_unit_test(test_the_session_keeps_to_its_rates),
          cmocka_unit_test(test_a_path_keeps_to_its_rates))
