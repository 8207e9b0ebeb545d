/* SPDX-License-Identifier: MIT */
/* How much of the received bytes one call takes. */
#include "forged.h"

#include "../../src/engine/session/session_parts.h"

/* Small frames take as long as large ones. A driver that keeps an eye on its clock gets
 * the rest of a chunk back, and its ACK comes with the last part. */
static void test_a_chunk_is_taken_in_parts(void **state)
{
    const size_t count = 3 * SESSION_FRAMES_AT_ONCE - 1; /* opening a chunk counts as one */
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct subflow *from = forged_subflow(pair->local);
    struct subflow *to = ((struct pair_connection *)subflow_user(from))->relay;
    uint64_t received_before = to->bytes_received, chunks_before = to->chunks_received;
    enum session_received received;
    struct forged forged;
    size_t size;
    (void)state;

    forge(&forged);
    for (size_t i = 0; i < count; i++)
        frame_write_stream_window(&forged.w, 2 + i, 1 << 20);
    uint8_t *chunk = forged_seal(pair, from, &forged, &size);

    for (size_t part = 1; part <= 3; part++) {
        /* The driver may keep the rest elsewhere in memory. */
        uint8_t *copy = malloc(size);

        assert_non_null(copy);
        memcpy(copy, chunk, size);
        free(chunk);
        chunk = copy;
        assert_int_equal(
            session_receive(pair->relay, to, chunk, size, &received, pair->now),
            part < 3 ? 0 : size);
        assert_int_equal(received, part < 3 ? SESSION_RECEIVED_PART : SESSION_RECEIVED_ALL);
        assert_int_equal(to->bytes_received, received_before + size);
        assert_int_equal(to->bytes_arrived, received_before + size);
        assert_int_equal(to->chunks_received, chunks_before + (part == 3));
        session_settle(pair->relay, pair->now);
        /* The stream of the pair, and those of this part. */
        assert_int_equal(pair->relay->streams.by_id_count,
                         1 + part * SESSION_FRAMES_AT_ONCE - 1);
    }
    free(chunk);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* The time of a call is bounded by chunks, too, where they have no frames. */
static void test_empty_chunks_are_taken_in_parts(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct subflow *from = forged_subflow(pair->local);
    struct subflow *to = ((struct pair_connection *)subflow_user(from))->relay;
    uint8_t bytes[2 * SESSION_FRAMES_AT_ONCE * CHUNK_OVERHEAD];
    enum session_received received;
    struct forged forged;
    size_t size;
    (void)state;

    forge(&forged);
    for (size_t at = 0; at < sizeof(bytes); at += size) {
        uint8_t *chunk = forged_seal(pair, from, &forged, &size);

        memcpy(bytes + at, chunk, size);
        free(chunk);
    }
    size = sizeof(bytes) / 2;
    assert_int_equal(
        session_receive(pair->relay, to, bytes, sizeof(bytes), &received, pair->now), size);
    assert_int_equal(received, SESSION_RECEIVED_PART);
    assert_int_equal(
        session_receive(pair->relay, to, bytes + size, size, &received, pair->now), size);
    assert_int_equal(received, SESSION_RECEIVED_ALL);
    pair_release_all(pair, stream);
    pair_free(pair);
}

static unsigned longest_chain(const struct streams *streams)
{
    unsigned longest = 0;

    for (size_t i = 0; i < streams->by_id_size; i++) {
        unsigned length = 0;

        for (const struct stream *stream = streams->by_id[i]; stream != NULL;
             stream = stream->hash_next)
            length++;
        longest = MAX(longest, length);
    }
    return longest;
}

/* A client ends all streams but those whose ids have one remainder by the number of
 * buckets. There are at least as many buckets as streams; that 1,000 streams make a chain
 * of 16 is less probable than one in 10^9. */
static void test_the_streams_that_are_left_fill_no_bucket(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    (void)state;

    for (uint64_t i = 0; i < 1000; i++)
        assert_non_null(stream_new(&pair->relay->streams, (i + 1) << 16));
    assert_in_range(longest_chain(&pair->relay->streams), 1, 15);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* The relay sends what it has to say, and nobody takes it. */
static void speak_into_the_void(struct pair *pair)
{
    static uint8_t bytes[PRODUCE_MAX];
    struct session_event event;
    struct subflow *sender;

    if (session_next_timeout(pair->relay) <= pair->now)
        session_tick(pair->relay, pair->now);
    while ((sender = session_next_sender(pair->relay, pair->now)) != NULL)
        (void)session_produce(pair->relay, sender, bytes, sizeof(bytes), pair->now);
    while (session_next_event(pair->relay, &event))
        continue;
}

/* A client that sends on and acknowledges nothing: what arrives shows that its subflow
 * lives, so the records of the answers stay. */
static void test_answers_that_nobody_acknowledges_are_bounded(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair;
    struct subflow *from, *to;
    struct forged forged;
    uint64_t before;
    (void)state;

    config.pool_size = config.pool_burst = config.pool_idle = 1;
    config.budget_up = config.budget_down = SESSION_UNLIMITED;
    pair = pair_connected(&config, &stream);
    from = forged_subflow(pair->local);
    to = ((struct pair_connection *)subflow_user(from))->relay;
    before = pair->relay->streams.records_held;
    for (unsigned ms = 0; pair->relay->context.state == SESSION_STATE_UP; ms++) {
        enum session_received received;
        size_t size;
        uint8_t *chunk;

        assert_true(ms < 10000);
        if (ms == 5000) {
            assert_in_range(pair->relay->streams.records_held, before + 5000 / 50,
                            before + 5000 / 25);
            /* The other half of an hour. */
            pair->relay->streams.records_held += RECORDS_HELD_END - 300;
        }
        pair->now += NS_PER_MS;
        frame_write_type(forge(&forged), FRAME_PING);
        chunk = forged_seal(pair, from, &forged, &size);
        (void)session_receive(pair->relay, to, chunk, size, &received, pair->now);
        session_settle(pair->relay, pair->now);
        free(chunk);
        speak_into_the_void(pair);
    }
    ((struct pair_connection *)subflow_user(from))->relay = NULL;
    pair_release_all(pair, stream);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_answers_that_nobody_acknowledges_are_bounded),
          cmocka_unit_test(test_the_streams_that_are_left_fill_no_bucket),
          cmocka_unit_test(test_a_chunk_is_taken_in_parts),
          cmocka_unit_test(test_empty_chunks_are_taken_in_parts))
