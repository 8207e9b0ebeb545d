/* SPDX-License-Identifier: MIT */
/* Backups and dear paths: which data takes them, and when they are opened. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

#define SPARED_MOST 49152 /* the allowance, and frames other than data */

static void test_a_backup_waits_until_it_is_needed(void **state)
{
    const struct path_properties second = {.usable = true, .backup = true};
    struct stream *stream;
    struct pair *pair = pair_over(2, &second, NULL, &stream);
    (void)state;

    assert_true(pair_download(pair, stream, MIB, 5000));
    assert_int_equal(pair_dials_on(pair, 1), 0);
    pair->blackhole = 1 << 0;
    assert_true(pair_download(pair, stream, MIB, 1500));
    assert_true(pair_down_on(pair, 1) > MIB / 2);
    pair->blackhole = 0;
    for (unsigned i = 0; i < 100 && pair_open_on(pair, 1) > 0; i++)
        assert_true(pair_download(pair, stream, MIB, 5000));
    pair_run_ms(pair, 1000);
    assert_true(pair_open_on(pair, 0) > 0);
    assert_int_equal(pair_open_on(pair, 1), 0);
    pair_free(pair);
}

static void test_a_backup_opens_the_session_when_nothing_else_does(void **state)
{
    const struct path_properties second = {.usable = true, .backup = true};
    struct session_config config = pair_config();
    struct pair *pair;
    (void)state;

    config.path_count = 2;
    pair = pair_new(&config);
    session_set_path(pair->local, 1, &second, pair->now);
    pair->blackhole = 1 << 0;
    pair_open(pair, NULL);
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->opened_count, 1);
    pair_free(pair);
}

static void test_a_dear_path_is_spared_while_a_cheap_one_has_room(void **state)
{
    const struct path_properties second = {.usable = true, .cost = 1};
    struct stream *stream;
    struct pair *pair = pair_over(2, &second, NULL, &stream);
    (void)state;

    /* The pair's connections are never full. */
    assert_true(pair_download(pair, stream, 4 * MIB, 5000));
    assert_true(pair_down_on(pair, 1) < 16384);
    pair->blackhole = 1 << 0;
    assert_true(pair_download(pair, stream, MIB, 1500));
    assert_true(pair_down_on(pair, 1) > MIB / 2);
    pair_free(pair);
}

/* A hiccup of the good path moves no bulk, in either kind of path that is to be spared. */
static void bulk_waits_for_the_good_path(struct path_properties second)
{
    struct stream *stream;
    struct pair *pair;

    second.usable = true;
    second.bulk_after_ns = 3 * NS_PER_S;
    pair = pair_over(2, &second, NULL, &stream);
    assert_true(pair_download(pair, stream, MIB, 2500));
    assert_true(pair->relay->paths.items[1].small_only);
    for (unsigned i = 0; i < 3; i++) {
        pair->blackhole = 1 << 0;
        pair_run_ms(pair, 1000);
        pair->blackhole = 0;
        assert_true(pair_download(pair, stream, MIB, 2500));
    }
    assert_in_range(pair_down_on(pair, 1), 0, SPARED_MOST);
    /* Now it is gone for good. */
    pair->blackhole = 1 << 0;
    assert_false(pair_download(pair, stream, 4 * MIB, 2500));
    assert_in_range(pair_down_on(pair, 1), 0, SPARED_MOST);
    pair_run_ms(pair, 2000);
    assert_false(pair->relay->paths.items[1].small_only);
    assert_true(pair_down_on(pair, 1) > MIB / 2);
    pair_free(pair);
}

static void test_bulk_waits_before_it_takes_a_backup(void **state)
{
    (void)state;
    bulk_waits_for_the_good_path((struct path_properties){.backup = true});
}

static void test_bulk_waits_before_it_takes_a_dear_path(void **state)
{
    (void)state;
    bulk_waits_for_the_good_path((struct path_properties){.cost = 1});
}

/* The good path dies when it has been full almost for long enough. */
static void test_a_path_that_dies_is_not_full(void **state)
{
    const struct path_properties second = {
        .usable = true, .cost = 1, .bulk_after_ns = 3 * NS_PER_S};
    struct stream *stream;
    struct pair *pair = pair_over(2, &second, NULL, &stream);
    uint64_t begun_at_ns = pair->now;
    (void)state;

    while (pair->now - begun_at_ns < 2800 * NS_PER_MS)
        assert_true(pair_download(pair, stream, MIB, 2500));
    assert_true(pair->local->schedule.full_at_ns - pair->local->schedule.full_since_ns >
                2500 * NS_PER_MS);
    pair->blackhole = 1 << 0;
    assert_false(pair_download(pair, stream, 4 * MIB, 2000));
    assert_in_range(pair_down_on(pair, 1), 0, SPARED_MOST);
    pair_run_ms(pair, 2000);
    assert_true(pair_down_on(pair, 1) > MIB / 2);
    pair_free(pair);
}

/* Little data is left, for which the connections of the path to be spared are enough, but
 * they may not carry it. So the good path must be dialled until it is back. */
static void the_rest_finds_the_good_path(struct path_properties second)
{
    const uint64_t rest = 60000;
    uint64_t before;
    struct stream *stream, *other;
    struct pair *pair;

    second.usable = true;
    second.bulk_after_ns = 3600 * NS_PER_S;
    pair = pair_over(2, &second, NULL, &stream);
    assert_true(pair_upload(pair, stream, MIB, 2500));
    pair_run_ms(pair, 100); /* the last ACKs come */
    pair->blackhole = 1 << 0;
    assert_int_equal(pair_feed(pair, pair->local, stream, rest), rest);
    /* Somebody types beside it, until all connections of a pool at rest are there. */
    other = pair_open(pair, NULL);
    for (unsigned i = 0; i < 200 && pair_open_on(pair, 1) < pair_config().pool_idle; i++) {
        pair_feed(pair, pair->local, other, 10);
        pair_run_ms(pair, 50);
    }
    pair_run_ms(pair, 10000);
    assert_int_equal(pair_open_on(pair, 1), pair_config().pool_idle);
    assert_int_equal(pair_open_on(pair, 0), 0);
    before = pair_read_all(pair, pair->relay, pair->incoming[0]);
    assert_true(before < rest);
    pair->blackhole = 0;
    pair_run_ms(pair, 2500);
    assert_int_equal(before + pair_read_all(pair, pair->relay, pair->incoming[0]), rest);
    pair_release_all(pair, stream);
    pair_free(pair);
}

static void test_the_rest_of_an_upload_waits_for_no_other_dial(void **state)
{
    (void)state;
    the_rest_finds_the_good_path((struct path_properties){.backup = true});
    the_rest_finds_the_good_path((struct path_properties){.cost = 1});
}

/* Data that somebody waits for takes the backup at once. And when an interface is known to
 * be gone, bulk does not wait either. */
static void test_a_backup_carries_at_once_what_somebody_waits_for(void **state)
{
    const struct path_properties gone = {.usable = false};
    const struct path_properties second = {
        .usable = true, .backup = true, .bulk_after_ns = 60 * NS_PER_S};
    struct stream *stream;
    struct pair *pair = pair_over(2, &second, NULL, &stream);
    (void)state;

    pair->blackhole = 1 << 0;
    pair_open(pair, NULL); /* its STREAM_OPEN finds out that the path is dead */
    for (unsigned i = 0; i < 20; i++)
        assert_true(pair_download(pair, stream, 300, 1500));
    assert_false(pair_download(pair, stream, 4 * MIB, 1500));
    assert_in_range(pair_down_on(pair, 1), 6000, SPARED_MOST);
    session_set_path(pair->local, 0, &gone, pair->now);
    pair_run_ms(pair, 500);
    assert_true(pair_down_on(pair, 1) > MIB / 2);
    pair_free(pair);
}

/* A stream that begins may be bulk: it finds subflows on every path before that is seen.
 * When it is not, the spares go, and the subflows that stay are spread over the paths. */
static void test_a_stream_that_begins_finds_subflows_on_every_path(void **state)
{
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, NULL, &stream);
    (void)state;

    for (unsigned turn = 0; turn < 3; turn++) {
        pair_run_ms(pair, 8000);
        assert_int_equal(pair_open_on(pair, 0), 1);
        assert_int_equal(pair_open_on(pair, 1), 1);
        pair_open(pair, NULL);
        pair_run_ms(pair, 100);
        assert_in_range(pair_open_on(pair, 0), 3, 4);
        assert_in_range(pair_open_on(pair, 1), 3, 4);
    }
    pair_free(pair);
}

/* The PINGs and ACKs that pass on a spare are no use of it. */
static void test_spares_go_whatever_keeps_them_awake(void **state)
{
    const struct path_properties dear = {.usable = true, .cost = 1};
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair;
    (void)state;

    config.path_count = 2;
    config.pool_idle = 1;
    pair = pair_new(&config);
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 100);
    assert_in_range(pair_open_on(pair, 1), 3, 4);
    session_set_path(pair->local, 1, &dear, pair->now);
    for (unsigned i = 0; i < 60; i++) {
        assert_true(pair_download(pair, stream, 100, 100));
        pair_run_ms(pair, 100);
    }
    assert_int_equal(pair_open_on(pair, 0), 1);
    assert_int_equal(pair_open_on(pair, 1), 0);
    pair_free(pair);
}

/* A dear path stays closed when a stream begins. */
static void test_a_dear_path_is_not_opened_for_a_stream_that_begins(void **state)
{
    const struct path_properties second = {.usable = true, .cost = 1};
    struct stream *stream;
    struct pair *pair = pair_over(2, &second, NULL, &stream);
    (void)state;

    pair_open(pair, NULL);
    pair_run_ms(pair, 100);
    assert_in_range(pair_open_on(pair, 0), 3, 8);
    assert_int_equal(pair_dials_on(pair, 1), 0);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_a_backup_waits_until_it_is_needed),
          cmocka_unit_test(test_a_backup_opens_the_session_when_nothing_else_does),
          cmocka_unit_test(test_a_dear_path_is_spared_while_a_cheap_one_has_room),
          cmocka_unit_test(test_bulk_waits_before_it_takes_a_backup),
          cmocka_unit_test(test_bulk_waits_before_it_takes_a_dear_path),
          cmocka_unit_test(test_a_path_that_dies_is_not_full),
          cmocka_unit_test(test_the_rest_of_an_upload_waits_for_no_other_dial),
          cmocka_unit_test(test_a_backup_carries_at_once_what_somebody_waits_for),
          cmocka_unit_test(test_a_stream_that_begins_finds_subflows_on_every_path),
          cmocka_unit_test(test_spares_go_whatever_keeps_them_awake),
          cmocka_unit_test(test_a_dear_path_is_not_opened_for_a_stream_that_begins))
