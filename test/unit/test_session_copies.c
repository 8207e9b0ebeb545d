/* SPDX-License-Identifier: MIT */
/* Copies of data on several paths: which are made, what they hide, and what they cost. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

static void test_a_redundant_stream_travels_on_every_path(void **state)
{
    const struct stream_policy policy = {.mode = STREAM_MODE_REDUNDANT};
    struct stream *stream;
    struct pair *pair = pair_over(3, NULL, &policy, &stream);
    (void)state;

    pair_run_ms(pair, 300);
    assert_true(pair_download(pair, stream, MIB, 5000));
    pair_run_ms(pair, 300);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(pair_down_on(pair, i) > MIB);
        assert_true(pair_down_on(pair, i) < MIB + MIB / 20);
    }
    assert_int_equal(session_counters(pair->local)->bytes_duplicate, 2 * MIB);
    assert_int_equal(session_counters(pair->relay)->bytes_reinjected, 0);
    pair_free(pair);
}

static void test_copies_limits_the_cost(void **state)
{
    const struct stream_policy policy = {.mode = STREAM_MODE_REDUNDANT, .copies = 2};
    struct stream *stream;
    struct pair *pair = pair_over(3, NULL, &policy, &stream);
    uint64_t total = 0;
    (void)state;

    pair_run_ms(pair, 300);
    assert_true(pair_download(pair, stream, MIB, 5000));
    for (unsigned i = 0; i < 3; i++)
        total += pair_down_on(pair, i);
    assert_true(total >= 2 * MIB);
    assert_true(total < 2 * MIB + MIB / 20);
    pair_free(pair);
}

/* Each message takes one way, whatever happens to the other path. */
static void test_redundant_hides_the_death_of_a_path(void **state)
{
    const struct stream_policy policy = {.mode = STREAM_MODE_REDUNDANT};

    (void)state;
    for (unsigned dead = 0; dead < 2; dead++) {
        struct stream *stream;
        struct pair *pair = pair_over(2, NULL, &policy, &stream);

        pair_run_ms(pair, 300);
        for (unsigned i = 0; i < 100; i++) {
            if (i == 20)
                pair->blackhole = 1u << dead;
            if (i == 60)
                pair->blackhole = 0;
            assert_true(pair_download(pair, stream, 100, 15));
        }
        pair_free(pair);
    }
}

/* The connection that has carried most down the path. */
static struct pair_connection *carrier_on(struct pair *pair, unsigned path)
{
    struct pair_connection *most = NULL;

    for (unsigned i = 0; i < pair->connection_count; i++) {
        struct pair_connection *c = &pair->connections[i];

        if (c->open && c->path == path &&
            (most == NULL || c->down.total > most->down.total))
            most = c;
    }
    return most;
}

/* A subflow may wait for a lost segment, long before it is late. */
static void test_small_data_leaves_a_subflow_that_waits(void **state)
{
    const struct stream_policy policy = {.mode = STREAM_MODE_REDUNDANT};
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, &policy, &stream);
    struct pair_connection *first;
    uint64_t carried;
    (void)state;

    pair_run_ms(pair, 300);
    for (unsigned i = 0; i < 5; i++)
        assert_true(pair_download(pair, stream, 1000, 15));
    first = carrier_on(pair, 0);
    first->stalled = true;
    assert_true(pair_download(pair, stream, 1000, 15)); /* by the other path */
    pair_run_ms(pair, 10);
    carried = first->down.total;
    assert_true(pair->relay->paths.late == 0);
    pair->blackhole = 2;
    assert_true(pair_download(pair, stream, 1000, 15));
    assert_int_equal(first->down.total, carried);
    pair_free(pair);
}

/* Each copy carries the ACKs, too: otherwise they would be lost with the path that dies,
 * and the path that lives would seem to be dead as well. */
static void test_a_dead_path_makes_no_other_doubtful(void **state)
{
    const struct stream_policy policy = {.mode = STREAM_MODE_REDUNDANT};
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, &policy, &stream);
    (void)state;

    pair_run_ms(pair, 300);
    for (unsigned i = 0; i < 40; i++) {
        if (i == 10)
            pair->blackhole = 1;
        assert_true(pair_download(pair, stream, 100, 15));
        assert_true(pair_upload(pair, stream, 100, 15));
        assert_false(pair->local->paths.doubtful & 2);
        assert_false(pair->relay->paths.doubtful & 2);
        if (i == 15) /* the copies are missed long before an ACK is */
            assert_true(pair->local->paths.doubtful & pair->relay->paths.doubtful & 1);
    }
    pair_free(pair);
}

static void test_auto_is_redundant_while_young(void **state)
{
    const struct stream_policy policy = {.mode = STREAM_MODE_AUTO};
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, &policy, &stream);
    uint64_t copied;
    (void)state;

    pair_run_ms(pair, 300);
    assert_true(pair_download(pair, stream, 8 * MIB, 5000));
    copied = session_counters(pair->relay)->bytes_redundant;
    assert_true(copied > 0);
    assert_true(copied < MIB);
    pair_run_ms(pair, 300);
    copied = session_counters(pair->relay)->bytes_redundant;
    assert_true(pair_download(pair, stream, 100, 100));
    assert_int_equal(session_counters(pair->relay)->bytes_redundant, copied + 100);
    pair_free(pair);
}

static void copies_beside(enum stream_mode mode, uint64_t least, uint64_t most)
{
    const struct stream_policy policy = {.mode = (uint8_t)mode};
    const struct path_properties second = {.usable = true, .cost = 1};
    struct stream *stream;
    struct pair *pair = pair_over(2, &second, &policy, &stream);

    for (unsigned i = 0; i < 20; i++) {
        pair_run_ms(pair, 100);
        assert_true(pair_download(pair, stream, 2000, 1000));
    }
    assert_in_range(pair_down_on(pair, 1), least, most);
    pair_free(pair);
}

/* Copies that a rule asks for are worth what they cost; those of `auto` go where they cost
 * nothing. */
static void test_copies_of_auto_do_not_take_a_dear_path(void **state)
{
    (void)state;
    copies_beside(STREAM_MODE_REDUNDANT, 40000, UINT64_MAX);
    copies_beside(STREAM_MODE_AUTO, 0, 4096);
}

/* The data that the reader waits for is on its way; another path would not be faster. */
static void test_an_application_that_takes_its_time_is_not_copied(void **state)
{
    static uint8_t bytes[20000];
    struct stream *stream;
    struct pair *pair = pair_over(2, NULL, NULL, &stream);
    uint64_t sent = 0;
    (void)state;

    for (unsigned ms = 0; ms < 3000; ms++) {
        if (ms % 10 == 0)
            sent +=
                session_stream_write(pair->local, stream, bytes, sizeof(bytes), pair->now);
        pair_step(pair);
        struct iovec parts[64];
        bool finished;
        size_t count =
            session_stream_peek(pair->relay, pair->incoming[0], parts, 64, &finished);

        for (size_t i = 0; i < count; i++)
            session_stream_consume(pair->relay, pair->incoming[0], parts[i].iov_len,
                                   pair->now);
    }
    assert_int_equal(sent, 300 * sizeof(bytes));
    assert_true(session_counters(pair->local)->bytes_reinjected < sent / 50);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_a_redundant_stream_travels_on_every_path),
          cmocka_unit_test(test_copies_limits_the_cost),
          cmocka_unit_test(test_redundant_hides_the_death_of_a_path),
          cmocka_unit_test(test_small_data_leaves_a_subflow_that_waits),
          cmocka_unit_test(test_a_dead_path_makes_no_other_doubtful),
          cmocka_unit_test(test_auto_is_redundant_while_young),
          cmocka_unit_test(test_copies_of_auto_do_not_take_a_dear_path),
          cmocka_unit_test(test_an_application_that_takes_its_time_is_not_copied))
