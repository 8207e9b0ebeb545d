/* SPDX-License-Identifier: MIT */
/* A session that goes on after an outage, a restart of the relay, or an hour. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

static void test_outage_within_linger_resumes(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    (void)state;

    session_stream_write(pair->local, stream, "before", 6, pair->now);
    pair->blackhole = true;
    pair_run_ms(pair, 30000);
    assert_int_equal(pair->lost_count, 1);
    pair->blackhole = false;
    pair_run_ms(pair, 4000);
    assert_int_equal(pair->resumed_count, 1);
    assert_int_equal(pair->reset_count, 0);
    pair_release_all(pair, stream);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

static void test_restarted_relay_resets_streams_and_serves_new_ones(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream, *second;
    struct pair *pair = pair_connected(&config, &stream);
    (void)state;

    pair_restart_relay(pair);
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->reset_count, 1);
    assert_int_equal(pair->resets[0].code, RESET_SESSION_LOST);
    session_stream_release(pair->local, stream, pair->now);
    second = pair_open(pair, NULL);
    pair_run_ms(pair, 200);
    assert_int_equal(pair->opened_count, 2);
    assert_true(pair_upload(pair, second, MIB, 5000));
    pair_release_all(pair, second);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

static void test_hourly_resume_keeps_streams(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    uint64_t id = session_id(pair->local);
    (void)state;

    pair_run_ms(pair, 3700 * 1000);
    assert_int_equal(pair->resumed_count, 1);
    assert_true(session_id(pair->local) != id);
    assert_true(pair_upload(pair, stream, MIB, 5000));
    pair_release_all(pair, stream);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

/* The answer to the hourly HELLO comes when the session is closing already. */
static void test_an_answer_while_closing_is_moot(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    const struct pair_connection *newest;
    (void)state;

    pair_run_ms(pair, 3599 * 1000);
    do {
        pair_step(pair);
        newest = &pair->connections[pair->connection_count - 1];
        assert_true(pair->now < 3700 * NS_PER_S);
    } while (!newest->hello || !newest->open || newest->up.total == 0);
    pair->ended = ERROR_MEMORY;
    session_close(pair->local, CLOSE_ASKED, NULL, pair->now);
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->ended, OK);
    assert_int_equal(pair->resumed_count, 0);
    session_stream_release(pair->local, stream, pair->now);
    pair_free(pair);
}

/* An ACK for the HELLO's first chunk says that the relay knows the session, wherever it
 * travels; the relay may have nothing to send on the HELLO's subflow for long. */
static void test_an_ack_elsewhere_confirms(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair;
    struct generation *generation;
    unsigned dials;
    (void)state;

    /* Of two subflows the one that has carried more is preferred. */
    config.pool_size = config.pool_idle = 1;
    pair = pair_connected(&config, &stream);
    assert_true(pair_download(pair, stream, 5000, 1000));
    pair_run_ms(pair, 100);
    pair->local->pool.rekey_at_ns = pair->now + NS_PER_MS;
    pair_run_ms(pair, 200);
    assert_int_equal(pair->resumed_count, 1);
    generation = generation_current(&pair->local->subflows);
    assert_int_equal(
        subflow_find(&pair->local->subflows, generation->tag, 0)->chunks_received, 0);
    assert_true(generation->confirmed);
    dials = pair->connection_count;
    pair_run_ms(pair, 5000);
    assert_true(pair->connection_count - dials <= 4);
    pair_release_all(pair, stream);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

/* Answers pass, and no chunk: local is sure of no newer id than the first, and names that
 * one in a hundred HELLOs. The relay knows its session all the time, and local asks less
 * and less often. */
static void test_answers_alone_lose_nothing(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    (void)state;

    pair->answers_only = true;
    pair_run_ms(pair, 110 * 1000);
    assert_in_range(pair->local->context.counters.resumes, 70, 130);
    pair->answers_only = false;
    pair_run_ms(pair, 5000);
    assert_int_equal(pair->reset_count, 0);
    assert_true(pair_upload(pair, stream, MIB, 5000));
    pair_release_all(pair, stream);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_outage_within_linger_resumes),
          cmocka_unit_test(test_restarted_relay_resets_streams_and_serves_new_ones),
          cmocka_unit_test(test_hourly_resume_keeps_streams),
          cmocka_unit_test(test_an_answer_while_closing_is_moot),
          cmocka_unit_test(test_an_ack_elsewhere_confirms),
          cmocka_unit_test(test_answers_alone_lose_nothing))
