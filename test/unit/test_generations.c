/* SPDX-License-Identifier: MIT */
/* Generations of a session: an ACK of one is never taken for another's, and old ones are
 * forgotten. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

/* Takes away what one side has to say of subflows that have ended, as a path does that loses
 * it each time. */
static struct ring hold_finals(struct session *session)
{
    struct ring held = session->subflows.finals;

    ring_init(&session->subflows.finals, sizeof(struct final_ack));
    return held;
}

static void resume(struct pair *pair)
{
    unsigned resumed = pair->resumed_count;

    pair->local->pool.rekey_at_ns = pair->now + NS_PER_MS;
    pair_run_ms(pair, 1000);
    assert_int_equal(pair->resumed_count, resumed + 1);
}

/* The relay received much on a subflow of the first generation, and could not say so before a
 * later one had the same tag. */
static void test_a_count_that_comes_late_is_of_no_other_generation(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct generation *first;
    struct ring held;
    struct pair *pair;
    uint64_t tag;
    (void)state;

    config.pool_size = config.pool_idle = 1;
    config.budget_up = config.budget_down = SESSION_UNLIMITED;
    pair = pair_new(&config);
    pair->accept = true;
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 500);
    assert_true(pair_upload(pair, stream, MIB, 5000));
    first = generation_current(&pair->relay->subflows);
    tag = first->tag;
    ack_note_final(&pair->relay->subflows, subflow_find(&pair->relay->subflows, tag, 0));
    held = hold_finals(pair->relay);
    assert_int_equal(held.count, 1);
    do
        resume(pair);
    while (generation_current(&pair->relay->subflows)->tag != tag);
    assert_true(pair->resumed_count > TAGS_RESTED);
    pair->relay->subflows.finals = held;
    pair->relay->subflows.ack_deadline_ns = pair->now;
    pair_run_ms(pair, 1000);
    assert_int_equal(pair->ended, OK);
    assert_int_equal(pair->reset_count, 0);
    assert_int_equal(pair->relay->subflows.finals.count, 0);
    session_stream_release(pair->local, stream, pair->now);
    session_stream_release(pair->relay, pair->incoming[0], pair->now);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

static unsigned generations(const struct session *session)
{
    unsigned count = 0;

    for (const struct list *node = session->subflows.generations.next;
         node != &session->subflows.generations; node = node->next)
        count++;
    return count;
}

/* Generations are forgotten even if their last subflow is gone before the session is
 * resumed: otherwise the secrets stay, and the tags are used up. */
static void test_generations_are_forgotten(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair;
    (void)state;

    config.pool_size = config.pool_burst = config.pool_idle = 1;
    pair = pair_connected(&config, &stream);
    for (unsigned i = 1; i <= 70; i++) {
        pair->blackhole = 1;
        session_stream_write(pair->local, stream, "x", 1, pair->now);
        pair_run_ms(pair, 3000);
        pair->blackhole = 0;
        pair_run_ms(pair, 4000);
        assert_int_equal(pair->resumed_count, i);
        assert_true(generations(pair->local) <= 2);
        assert_true(generations(pair->relay) <= 2);
    }
    assert_int_equal(pair->reset_count, 0);
    pair_release_all(pair, stream);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

static unsigned longest_chain(const struct subflows *subflows)
{
    unsigned longest = 0;

    for (unsigned i = 0; i < BY_NUMBER_BUCKETS; i++) {
        unsigned length = 0;

        for (const struct subflow *subflow = subflows->by_number[i]; subflow != NULL;
             subflow = subflow->hash_next)
            length++;
        longest = MAX(longest, length);
    }
    return longest;
}

/* A client chooses the numbers, and each entry of its ACKs is looked up. 4 subflows of
 * 1,024 share a bucket on average; that any bucket has 24 is less probable than one in
 * 10^8. */
static void test_numbers_of_a_client_fill_no_bucket(void **state)
{
    static const uint64_t steps[] = {1, 31, BY_NUMBER_BUCKETS, 65536, UINT64_C(1) << 32};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        struct session_config config = pair_config();
        struct stream *stream;
        struct pair *pair = pair_connected(&config, &stream);
        struct subflows *subflows = &pair->relay->subflows;
        struct generation *generation = generation_current(subflows);
        struct subflow *made[1024];

        for (uint64_t k = 0; k < ARRAY_LENGTH(made); k++) {
            made[k] = subflow_new(subflows, 0);
            assert_non_null(made[k]);
            subflow_set_number(subflows, made[k], generation, (k + 100) * steps[i]);
        }
        assert_true(longest_chain(subflows) < 24);
        for (size_t k = 0; k < ARRAY_LENGTH(made); k++)
            subflow_free(subflows, made[k]);
        share_give(&subflows->streams->account->subflows, ARRAY_LENGTH(made));
        subflows->open_count -= ARRAY_LENGTH(made);
        pair_release_all(pair, stream);
        pair_run_ms(pair, 1000);
        pair_free(pair);
    }
}

UNIT_MAIN(cmocka_unit_test(test_numbers_of_a_client_fill_no_bucket),
          cmocka_unit_test(test_a_count_that_comes_late_is_of_no_other_generation),
          cmocka_unit_test(test_generations_are_forgotten))
