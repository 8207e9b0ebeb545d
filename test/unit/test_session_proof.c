/* SPDX-License-Identifier: MIT */
/* A stranger, not the relay, takes the connections that local dials. */
#include "session_pair.h"

#include <splitsocks/engine/session/session_status.h>

/* A back-off reaches its cap of a second after five failures; HELLOs race in threes. */
#define DIALS_AT_ONCE 12
#define DIALS_A_SECOND 3

static const enum pair_stranger strangers[] = {STRANGER_CLOSES, STRANGER_RESETS,
                                               STRANGER_ANSWERS, STRANGER_BEGINS,
                                               STRANGER_MUMBLES, STRANGER_IS_SILENT};

static enum path_reason reason_of(struct pair *pair)
{
    struct path_status status;

    session_path_status(pair->local, 0, pair->now, &status);
    return status.reason;
}

static enum path_reason reason_for(enum pair_stranger stranger)
{
    return stranger == STRANGER_IS_SILENT ? PATH_REASON_UNANSWERED : PATH_REASON_STRANGER;
}

/* Local has wanted a stream for three seconds, and found a stranger only. */
static struct pair *pair_with_stranger(enum pair_stranger stranger)
{
    const struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);

    pair_replace_relay(pair, stranger);
    pair_open(pair, NULL);
    pair_run_ms(pair, 3000);
    return pair;
}

static void test_strangers_are_dialled_rarely_and_told(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++) {
        struct pair *pair = pair_with_stranger(strangers[i]);

        assert_int_equal(reason_of(pair), reason_for(strangers[i]));
        assert_int_equal(pair->path_down_count, 1);
        pair_run_ms(pair, 7000);
        assert_int_equal(reason_of(pair), reason_for(strangers[i]));
        assert_true(pair->connection_count <= DIALS_AT_ONCE + 10 * DIALS_A_SECOND);
        assert_int_equal(pair->up_count, 0);
        pair_free(pair);
    }
}

static void test_a_session_survives_strangers(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++) {
        const struct session_config config = pair_config();
        struct pair *pair = pair_new(&config);
        unsigned before;

        pair_open(pair, NULL);
        pair_run_ms(pair, 500);
        assert_int_equal(pair->opened_count, 1);
        before = pair->connection_count;
        pair_replace_relay(pair, strangers[i]);
        /* Local gets something to say, so that it notices the silence of its connections.
         */
        pair_open(pair, NULL);
        pair_run_ms(pair, 10000);
        assert_int_equal(pair->lost_count, 1);
        assert_true(pair->connection_count - before <= DIALS_AT_ONCE + 10 * DIALS_A_SECOND);
        /* The stream that is open waits; the one that was asked for meanwhile has been
         * refused. */
        assert_int_equal(pair->reset_count, 1);
        /* The relay is found again where it went. */
        pair->strange = 0;
        session_retry_path(pair->local, 0, pair->now);
        pair_run_ms(pair, 3000);
        assert_int_equal(pair->resumed_count, 1);
        assert_int_equal(pair->reset_count, 1);
        assert_int_equal(pair->opened_count, 1);
        assert_int_equal(reason_of(pair), PATH_REASON_WORKS);
        pair_free(pair);
    }
}

/* Nobody had use for the relay for so long that local hardly dials it any more. */
static void test_a_stream_shortens_the_wait(void **state)
{
    const struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    pair_replace_relay(pair, STRANGER_CLOSES);
    pair_run_ms(pair, 120000);
    pair->strange = 0;
    pair_open(pair, NULL);
    pair_run_ms(pair, 1500);
    assert_int_equal(pair->opened_count, 1);
    pair_free(pair);
}

/* A stream is refused as soon as if there were only one way. */
static void test_one_silent_path_and_one_that_is_refused(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair;
    (void)state;

    config.path_count = 2;
    pair = pair_new(&config);
    pair_replace_relay(pair, STRANGER_IS_SILENT);
    pair->refuse = 2;
    pair_run_ms(pair, 6000); /* nothing was urgent */
    pair_open(pair, NULL);
    pair_run_ms(pair, 3000);
    assert_int_equal(pair->reset_count, 1);
    assert_int_equal(pair->resets[0].code, RESET_RELAY_SILENT);
    pair_free(pair);
}

/* One of a host's addresses takes connections and is not the relay, and another refuses them:
 * the first is told, until nothing takes connections any more. */
static void test_an_address_that_refuses_hides_no_stranger(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++) {
        struct pair *pair = pair_with_stranger(strangers[i]);

        for (unsigned ms = 0; ms < 6000; ms += 50) {
            unsigned dials = pair->connection_count;

            pair->refuse = !pair->refuse;
            while (pair->connection_count == dials && ms++ < 6000)
                pair_step(pair);
            assert_int_equal(reason_of(pair), reason_for(strangers[i]));
        }
        pair->refuse = 1;
        pair_run_ms(pair, 10000);
        assert_int_equal(reason_of(pair), PATH_REASON_REFUSED);
        assert_int_equal(pair->path_down_count, 1);
        pair_free(pair);
    }
}

UNIT_MAIN(cmocka_unit_test(test_strangers_are_dialled_rarely_and_told),
          cmocka_unit_test(test_a_session_survives_strangers),
          cmocka_unit_test(test_a_stream_shortens_the_wait),
          cmocka_unit_test(test_one_silent_path_and_one_that_is_refused),
          cmocka_unit_test(test_an_address_that_refuses_hides_no_stranger))
