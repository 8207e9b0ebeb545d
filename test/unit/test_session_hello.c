/* SPDX-License-Identifier: MIT */
/* HELLOs without an answer: the relay is not there, is silent, or takes no stamp of now. */
#include "session_pair.h"

#include <splitsocks/engine/session/session_status.h>

static void test_unreachable_relay_is_told_in_time(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct stream *stream;
    (void)state;

    pair->refuse = true;
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 5000);
    assert_int_equal(pair->reset_count, 1);
    assert_int_equal(pair->resets[0].code, RESET_RELAY_UNREACHABLE);
    session_stream_release(pair->local, stream, pair->now);
    pair_free(pair);
}

/* The relay takes connections and answers no HELLO: streams that wait are told so, and
 * soon. */
static void test_a_silent_relay_is_told_in_time(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    for (unsigned i = 0; i < STAMPS_KEPT; i++)
        assert_int_equal(client_table_accept_stamp(pair->clients, 0, UINT64_MAX - i), OK);
    pair_open(pair, NULL);
    pair_run_ms(pair, 1900);
    assert_int_equal(pair->reset_count, 0);
    pair_run_ms(pair, 1000);
    assert_int_equal(pair->path_down_count, 1);
    assert_int_equal(pair->path_reason, PATH_REASON_UNANSWERED);
    assert_int_equal(pair->reset_count, 1);
    assert_int_equal(pair->resets[0].code, RESET_RELAY_SILENT);
    /* So are all that come later, and the path does not seem to be another in between. */
    for (unsigned i = 0; i < 20; i++) {
        struct path_status status;

        pair_open(pair, NULL);
        pair_run_ms(pair, 500);
        session_path_status(pair->local, 0, pair->now, &status);
        assert_int_equal(status.reason, PATH_REASON_UNANSWERED);
        assert_int_equal(status.use, PATH_USE_DOWN);
    }
    assert_in_range(pair->reset_count, 15, 21);
    for (unsigned i = 0; i < pair->reset_count; i++)
        assert_int_equal(pair->resets[i].code, RESET_RELAY_SILENT);
    pair_free(pair);
}

/* Another machine with the same key, whose clock is ahead, or this one's before it was set
 * back: the relay takes no stamp of now. */
static void test_later_stamps_are_tried(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    uint64_t ahead_at_ns = pair->now + 600 * NS_PER_S;
    (void)state;

    for (unsigned i = 0; i < STAMPS_KEPT; i++)
        assert_int_equal(client_table_accept_stamp(pair->clients, 0, ahead_at_ns + i), OK);
    /* Each stream is refused after a while; the application asks again. */
    for (unsigned i = 0; i < 9; i++) {
        pair_open(pair, NULL);
        pair_run_ms(pair, 1000);
    }
    assert_int_equal(pair->up_count, 1);
    assert_in_range(pair->opened_count, 1, 9);
    /* The stamp is not much further ahead than need be: several HELLOs race, each with its
     * own. */
    assert_in_range(session_stamp(pair->local), ahead_at_ns,
                    pair->now + 64 * 600 * NS_PER_S);
    pair_free(pair);
}

/* Stamps end two years ahead, whatever keeps the relay from answering. */
static void test_stamps_do_not_run_away(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    pair->limits.max_sessions = 0;
    for (unsigned i = 0; i < STAMPS_KEPT; i++)
        assert_int_equal(client_table_accept_stamp(pair->clients, 0, UINT64_MAX - i), OK);
    for (unsigned i = 0; i < 100; i++) {
        if (i % 10 == 0)
            pair_open(pair, NULL);
        pair_run_ms(pair, 1000);
    }
    assert_int_equal(pair->up_count, 0);
    client_table_free(pair->clients);
    pair->clients = client_table_new();
    assert_int_equal(client_table_add(pair->clients, pair->local_key.public_key), 0);
    door_set_clients(pair->door, pair->clients);
    pair->limits.max_sessions = 4;
    pair_open(pair, NULL);
    pair_run_ms(pair, 5000);
    assert_int_equal(pair->up_count, 1);
    assert_in_range(session_stamp(pair->local), pair->now,
                    pair->now + UINT64_C(730) * 86400 * NS_PER_S);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_unreachable_relay_is_told_in_time),
          cmocka_unit_test(test_a_silent_relay_is_told_in_time),
          cmocka_unit_test(test_later_stamps_are_tried),
          cmocka_unit_test(test_stamps_do_not_run_away))
