/* SPDX-License-Identifier: MIT */
/*
 * An authenticated peer that breaks the rules, or stretches them, does no harm. The tests
 * put frames on the wire with the session's own keys, behind the engine's back.
 */
#include "forged.h"

#include "../../src/engine/session/session_parts.h"

#include <time.h>

/* Hands the frames to the receiver, as the next chunk of the sender's subflow. */
static void send_on(struct pair *pair, struct session *from, struct session *to,
                    struct subflow *subflow, const struct forged *forged)
{
    struct pair_connection *c = subflow_user(subflow);
    enum session_received received;
    size_t size;
    uint8_t *chunk = forged_seal(pair, subflow, forged, &size);

    assert_int_equal(session_receive(to, from == pair->local ? c->relay : c->local, chunk,
                                     size, &received, pair->now),
                     size);
    session_settle(to, pair->now);
    free(chunk);
}

/* The relay forgets the session, and local is not told. */
static void drop_session(struct pair *pair)
{
    admission_drop(pair->admission, pair->relay);
    pair->relay = NULL;
    for (unsigned i = 0; i < pair->connection_count; i++)
        pair->connections[i].relay = NULL;
}

static void send_up(struct pair *pair, const struct forged *forged)
{
    send_on(pair, pair->local, pair->relay, forged_subflow(pair->local), forged);
}

/* The relay grants streams; local does not grant them to itself. */
static void test_only_the_relay_raises_the_limit(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct forged forged;
    (void)state;

    frame_write_maximum(forge(&forged), FRAME_STREAM_LIMIT, VARINT_MAX);
    frame_write_reset(&forged.w, 100000, 0, 0);
    send_up(pair, &forged);
    assert_int_equal(pair->relay->context.state, SESSION_STATE_CLOSING);
    assert_true(pair->relay->streams.by_id_count < 1000);
    pair->incoming_count = 0;
    pair->relay = NULL;
    pair_release_all(pair, stream);
    pair_free(pair);
}

static void test_only_the_relay_demands(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct forged forged;
    (void)state;

    frame_write_demand(forge(&forged), VARINT_MAX, VARINT_MAX);
    send_up(pair, &forged);
    assert_int_equal(pair->relay->context.state, SESSION_STATE_CLOSING);
    pair->incoming_count = 0;
    pair->relay = NULL;
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* Every id has its own record, once a frame names it: a frame for a high one makes no
 * record of those below. */
static void test_a_frame_makes_one_record(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct subflow *subflow = forged_subflow(pair->relay);
    struct streams *streams = &pair->relay->streams;
    struct forged forged;
    (void)state;

    frame_write_stream_window(forge(&forged), streams->limit, 1);
    frame_write_stream_window(&forged.w, streams->limit - 4, 1);
    session_take_chunk(pair->relay, subflow, forged.bytes, wire_length(&forged.w));
    assert_int_equal(streams->by_id_count, 3);
    assert_int_equal(streams->named.highest, streams->limit);
    assert_non_null(stream_find(streams, streams->limit));
    assert_non_null(stream_find(streams, streams->limit - 4));
    assert_null(stream_find(streams, streams->limit - 1));
    /* The stream that was opened first is seen. */
    assert_false(ranges_contains(&streams->named.passed, 1, 2));
    assert_int_equal(pair->relay->context.state, SESSION_STATE_UP);
    pair_release_all(pair, stream);
    pair_free(pair);
}

static void test_a_frame_makes_one_record_of_a_flow(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct subflow *subflow = forged_subflow(pair->relay);
    struct flows *flows = &pair->relay->flows;
    struct forged forged;
    (void)state;

    frame_write_flow_close(forge(&forged), flows->limit, FLOW_CLOSE_ENDED);
    frame_write_flow_open(&forged.w, flows->limit - 4, &(struct flow_policy){0});
    frame_write_flow_open(&forged.w, flows->limit - 2, &(struct flow_policy){0});
    session_take_chunk(pair->relay, subflow, forged.bytes, wire_length(&forged.w));
    assert_int_equal(flows->count, 2);
    assert_int_equal(flows->ended, 1);
    assert_null(flow_find(flows, flows->limit - 1));
    /* A flow that was passed over may still come, and one that has ended may not. */
    frame_write_flow_open(forge(&forged), flows->named.highest - 1,
                          &(struct flow_policy){0});
    frame_write_flow_open(&forged.w, flows->named.highest, &(struct flow_policy){0});
    session_take_chunk(pair->relay, subflow, forged.bytes, wire_length(&forged.w));
    assert_int_equal(flows->count, 3);
    assert_int_equal(pair->relay->context.state, SESSION_STATE_UP);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* A reader that lets the session end between receiving and settling. */
static void test_freed_with_borrowed_data(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct subflow *subflow = forged_subflow(pair->relay);
    uint8_t plaintext[64];
    struct wire_writer w;
    (void)state;

    wire_writer_init(&w, plaintext, sizeof(plaintext));
    frame_write_data_header(&w, 1, 0, 3, true, false);
    wire_write_bytes(&w, "abc", 3);
    session_take_chunk(pair->relay, subflow, plaintext, wire_length(&w));
    assert_int_equal(pair->relay->streams.borrowed_count, 1);
    drop_session(pair);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* A chunk that was to be acknowledged went with its subflow: no other subflow is given up.
 */
static void test_subflow_survives_moot_ack(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct subflow *subflow = forged_subflow(pair->local);
    struct pair_connection *c = subflow_user(subflow);
    struct subflow *end = c->relay;
    struct forged forged;
    (void)state;

    end->end_sent = true; /* and so a reset is orderly */
    frame_write_type(forge(&forged), FRAME_PING);
    send_on(pair, pair->local, pair->relay, subflow, &forged);
    c->relay = NULL;
    session_subflow_down(pair->relay, end, SUBFLOW_RESET, pair->now);
    pair->now += ACK_DELAY_NS;
    for (unsigned i = 0; i < 100; i++) {
        static uint8_t buffer[PRODUCE_MAX];
        struct subflow *sender = session_next_sender(pair->relay, pair->now);

        if (sender != NULL)
            assert_true(session_produce(pair->relay, sender, buffer, sizeof(buffer),
                                        pair->now) > 0 ||
                        !sender->end_sent);
    }
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* No timer is overlooked: the engine never asks for a tick that does nothing. */
static void test_old_subflow_does_not_spin(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    unsigned ticks = 0;
    (void)state;

    pair_run_ms(pair, 6000);
    list_foreach(&pair->local->subflows.all, node, after) {
        /* Unwritable, as behind a peer that reads nothing. */
        session_subflow_writable(pair->local, list_entry(node, struct subflow, node), false);
    }
    pair->local->pool.rekey_at_ns = TIME_NEVER;
    pair->now += KEY_LIFE_NS;
    pair->local->contact_at_ns = pair->now;
    for (; ticks < 100 && session_next_timeout(pair->local) <= pair->now; ticks++) {
        struct session_event event;

        session_tick(pair->local, pair->now);
        while (session_next_event(pair->local, &event))
            assert_int_not_equal(event.type, SESSION_ENDED);
    }
    assert_true(ticks < 100);
    session_stream_release(pair->local, stream, pair->now);
    drop_session(pair);
    pair_free(pair);
}

/* A subflow that bulk keeps busy is retired after an hour all the same. */
static void test_busy_subflow_is_retired_by_age(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct subflow *subflow = forged_subflow(pair->local);
    struct forged forged;
    (void)state;

    frame_write_type(forge(&forged), FRAME_PING);
    send_on(pair, pair->local, pair->relay, subflow, &forged);
    assert_true(subflow->eliciting_unacked > 0);
    subflow->up_at_ns = pair->now - MIN(pair->now, KEY_LIFE_NS);
    pair->now = subflow->up_at_ns + KEY_LIFE_NS;
    subflow->progress_at_ns = pair->local->contact_at_ns = pair->now;
    assert_true(session_next_timeout(pair->local) <= pair->now);
    session_tick(pair->local, pair->now);
    assert_true(subflow->retire);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* A host name longer than a small chunk, and one longer than a small budget. */
static void test_open_larger_than_a_chunk(void **state)
{
    static const struct { uint32_t chunk_size; uint64_t budget; bool fits; } cases[] = {
        {64, 1 << 20, true}, {64, 512, true}, {1000, 512, true}, {64, 256, false},
        {16384, 256, false}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct session_config config = pair_config();
        struct stream *streams[2];
        struct target target = {.port = 80};

        config.chunk_size = cases[i].chunk_size;
        config.budget_up = config.budget_down = cases[i].budget;
        struct pair *pair = pair_new(&config);

        memset(target.name, 'x', 250);
        streams[0] = session_stream_open(pair->local, &target, NULL, pair->now);
        streams[1] = pair_open(pair, NULL);
        pair_run_ms(pair, 2000);
        assert_int_equal(pair->opened_count, cases[i].fits ? 2 : 1);
        assert_int_equal(pair->reset_count, cases[i].fits ? 0 : 1);
        assert_true(pair->connection_count < 40);
        for (unsigned c = 0; c < pair->connection_count; c++)
            assert_true(pair->connections[c].up.total <= cases[i].budget);
        session_stream_release(pair->local, streams[0], pair->now);
        pair_release_all(pair, streams[1]);
        pair_free(pair);
    }
}

/* A subflow without room for an OPEN ends in good order, and gives back its place in the
 * pool. */
static void test_opens_use_up_small_budgets(void **state)
{
    struct session_config config = pair_config();
    struct stream *streams[100];
    struct target target = {.port = 80};
    (void)state;

    config.budget_up = config.budget_down = 700;
    struct pair *pair = pair_new(&config);

    memset(target.name, 'x', 200);
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        streams[i] = session_stream_open(pair->local, &target, NULL, pair->now);
        pair_run_ms(pair, 50);
    }
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->opened_count, ARRAY_LENGTH(streams));
    assert_int_equal(session_counters(pair->local)->subflows_failed, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++)
        session_stream_release(pair->local, streams[i], pair->now);
    pair_free(pair);
}

/* The relay gave up a stream before its OPEN came: it dials nothing, and reports no half of
 * a stream. */
static void test_open_after_reset_is_not_dialled(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream, *early;
    struct pair *pair = pair_connected(&config, &stream);
    struct target target = pair_target();
    struct forged forged;
    (void)state;

    frame_write_data_header(forge(&forged), 2, 0, 3, true, true);
    wire_write_bytes(&forged.w, "abc", 3);
    send_up(pair, &forged);
    early = stream_find(&pair->relay->streams, 2);
    assert_non_null(early);
    stream_fail(&pair->relay->streams, early, RESET_LIMIT);
    frame_write_open(forge(&forged), 2, &target);
    send_up(pair, &forged);
    assert_true(early->incoming);
    pair->local->streams.next_id = 3; /* its RESET is expected */
    pair_run_ms(pair, 300);
    assert_int_equal(pair->incoming_count, 1);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* A first chunk that ends its own subflow, and only then has a SUBFLOW frame. */
static void test_subflow_frame_comes_first(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct subflow *subflow = subflow_new(&pair->relay->subflows, 0);
    struct forged forged;
    (void)state;

    subflow_set_state(subflow, SUBFLOW_STATE_OPEN);
    subflow_set_number(&pair->relay->subflows, subflow,
                       generation_current(&pair->relay->subflows), 77);
    frame_write_ack_header(forge(&forged), generation_current(&pair->relay->subflows)->tag,
                           1);
    frame_write_ack_entry(&forged.w, 77, 0, true);
    frame_write_subflow(&forged.w, 1, 0, 0);
    session_take_first(pair->relay, subflow, 100, forged.bytes, wire_length(&forged.w));
    assert_int_equal(pair->relay->context.state, SESSION_STATE_CLOSING);
    assert_true(pair->relay->paths.items[0].subflows < 100);
    assert_int_equal(pair->relay->paths.items[1].subflows, 0);
    pair->incoming_count = 0;
    drop_session(pair);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* However small the chunks, the peer learns that the session is over. */
static void test_close_fits_small_chunks(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;

    (void)state;
    config.chunk_size = CHUNK_SIZE_MIN;
    struct pair *pair = pair_connected(&config, &stream);

    session_fail(pair->relay, ERROR_PROTOCOL, "a reason that is longer than the smallest of "
                                              "chunks has room for");
    pair_run_ms(pair, 200);
    assert_int_equal(pair->local->context.state, SESSION_STATE_ENDED);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* A client that was taken off the list between its HELLO and its first chunk. */
static void test_removed_client_gets_no_session(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct stream *stream = pair_open(pair, NULL);
    (void)state;

    while (pair->connection_count == 0 || pair->connections[0].down.total == 0)
        pair_step(pair);
    assert_null(pair->relay);
    pair->limits.max_sessions = 0;
    pair_run_ms(pair, 1000);
    assert_null(pair->relay);
    pair_release_all(pair, stream);
    pair_free(pair);
}

static void test_subflows_of_a_session_are_bounded(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    uint64_t opened = session_counters(pair->relay)->subflows_opened;
    (void)state;

    pair->relay->subflows.open_count += 2048;
    forged_subflow(pair->local)->retire = true;
    pair_run_ms(pair, 100);
    assert_int_equal(session_counters(pair->relay)->subflows_opened, opened);
    /* The subflow that was retired has ended. */
    pair->relay->subflows.open_count -= 2048;
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* With bulk and no budget, the END that local waits for would never come. */
static void test_relay_ends_what_local_has_ended(void **state)
{
    static uint8_t bytes[PRODUCE_MAX];
    struct session_config config = pair_config();
    struct stream *stream;
    struct subflow *subflow;
    (void)state;

    config.budget_down = SESSION_UNLIMITED;
    struct pair *pair = pair_connected(&config, &stream);

    pair_feed(pair, pair->relay, pair->incoming[0], UINT64_MAX);
    subflow = forged_subflow(pair->relay);
    subflow->end_received = true;
    pair->relay->subflows.lane = NULL; /* not that one: it carries no bulk */
    assert_true(session_produce(pair->relay, subflow, bytes, CHUNK_SIZE_MAX, pair->now) > 0);
    assert_true(pair->relay->streams.waiting_bytes > 0);
    assert_true(subflow->end_sent);
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* Next to no linger does not end a session whose network is well. */
static void test_shortest_linger_keeps_the_session(void **state)
{
    static const uint64_t lingers[] = {0, 300 * NS_PER_MS, NS_PER_S};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(lingers); i++) {
        struct session_config config = pair_config();
        struct stream *stream;

        config.linger_ns = lingers[i];
        struct pair *pair = pair_connected(&config, &stream);

        pair_run_ms(pair, 10000);
        assert_int_equal(pair->up_count, 1);
        assert_int_equal(pair->reset_count, 0);
        assert_true(pair_upload(pair, stream, 100000, 1000));
        pair_release_all(pair, stream);
        pair_free(pair);
    }
}

/* The relay has granted all there is and acknowledges nothing. Local sends and retains what
 * an honest peer can have granted, of each stream and in all, and no more. */
static void test_boundless_credit_is_not_used(void **state)
{
    enum { STREAMS = 8 };
    struct session_config config = pair_config();
    struct pair *pair;
    struct stream *streams[STREAMS];
    (void)state;

    config.budget_up = config.budget_down = SESSION_UNLIMITED;
    pair = pair_new(&config);
    for (unsigned i = 0; i < STREAMS; i++)
        streams[i] = pair_open(pair, NULL);
    pair_run_ms(pair, 200);
    assert_int_equal(pair->opened_count, STREAMS);
    pair->blackhole = ~0u;
    pair->local->streams.out_window = UINT64_MAX / 2;
    for (unsigned count = 1; count <= STREAMS; count += STREAMS - 1) {
        uint64_t allowed = MIN(count * STREAM_WINDOW_MAX, SESSION_WINDOW_MAX);

        for (unsigned ms = 0; ms < 100; ms++) {
            for (unsigned i = 0; i < count; i++) {
                streams[i]->out_window = UINT64_MAX / 2;
                pair_feed(pair, pair->local, streams[i], UINT64_MAX);
            }
            pair_step(pair);
        }
        assert_true(pair->local->streams.out_held <= allowed);
        assert_true(pair->local->streams.out_held > allowed / 2);
        assert_true(pair->local_pages.used * PAGE_SIZE <=
                    allowed + count * (uint64_t)(STREAM_WAIT_MAX + 2 * PAGE_SIZE));
    }
    /* Acknowledged, it makes room for more. */
    pair->blackhole = 0;
    pair_run_ms(pair, 3000);
    assert_true(pair->local->streams.out_held < SESSION_WINDOW_MAX / 2);
    for (unsigned i = 0; i < STREAMS; i++)
        session_stream_reset(pair->local, streams[i], RESET_CANCELLED, pair->now);
    assert_int_equal(pair->local->streams.out_held, 0);
    pair_free(pair);
}

/* With chunks of 64 bytes the records of sent data would outweigh the data. */
static void test_records_of_small_chunks_are_bounded(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair;
    struct stream *stream;
    uint64_t before = 1;
    (void)state;

    config.chunk_size = CHUNK_SIZE_MIN;
    config.budget_up = config.budget_down = SESSION_UNLIMITED;
    pair = pair_connected(&config, &stream);
    pair->blackhole = ~0u;
    pair->local->streams.out_window = stream->out_window = UINT64_MAX / 2;
    for (unsigned ms = 0; ms < 100 && pair->local->streams.records_held != before; ms++) {
        before = pair->local->streams.records_held;
        pair_feed(pair, pair->local, stream, UINT64_MAX);
        pair_step(pair);
    }
    assert_in_range(pair->local->streams.records_held, RECORDS_HELD_MAX,
                    RECORDS_HELD_MAX + 8);
    session_stream_release(pair->local, stream, pair->now);
    pair_free(pair);
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* The least of what several first chunks cost a relay that has told of all its subflows on
 * this one. */
static uint64_t first_chunk_ns(struct pair *pair, struct subflow *carrier)
{
    struct subflows *subflows = &pair->relay->subflows;
    uint64_t least = UINT64_MAX;

    subflows->context->now = pair->now;
    list_foreach(&subflows->all, node, after)
        subflow_note_told(list_entry(node, struct subflow, node), carrier, pair->now);
    for (int i = 0; i < 10; i++) {
        uint64_t before = thread_cpu_ns();

        ack_repeat_unheard(subflows);
        least = MIN(least, thread_cpu_ns() - before);
    }
    return least;
}

/* The first chunk of each subflow looks at all of them, and at what carried their ACKs:
 * the peer decides which one that is, and how many there are. */
static void test_any_subflow_may_carry_the_acks_of_many(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair;
    struct list *all;
    uint64_t oldest, newest;
    (void)state;

    config.pool_size = config.pool_burst = config.pool_idle = 500;
    pair = pair_connected(&config, &stream);
    pair_run_ms(pair, 3000);
    assert_int_equal(pair->relay->subflows.open_count, 500);
    all = &pair->relay->subflows.all;
    oldest = first_chunk_ns(pair, list_entry(all->next, struct subflow, node));
    newest = first_chunk_ns(pair, list_entry(all->prev, struct subflow, node));
    assert_in_range(newest, 0, 10 * oldest);
    pair_release_all(pair, stream);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_any_subflow_may_carry_the_acks_of_many),
          cmocka_unit_test(test_only_the_relay_raises_the_limit),
          cmocka_unit_test(test_only_the_relay_demands),
          cmocka_unit_test(test_a_frame_makes_one_record),
          cmocka_unit_test(test_a_frame_makes_one_record_of_a_flow),
          cmocka_unit_test(test_freed_with_borrowed_data),
          cmocka_unit_test(test_subflow_survives_moot_ack),
          cmocka_unit_test(test_old_subflow_does_not_spin),
          cmocka_unit_test(test_busy_subflow_is_retired_by_age),
          cmocka_unit_test(test_open_larger_than_a_chunk),
          cmocka_unit_test(test_opens_use_up_small_budgets),
          cmocka_unit_test(test_open_after_reset_is_not_dialled),
          cmocka_unit_test(test_subflow_frame_comes_first),
          cmocka_unit_test(test_close_fits_small_chunks),
          cmocka_unit_test(test_removed_client_gets_no_session),
          cmocka_unit_test(test_subflows_of_a_session_are_bounded),
          cmocka_unit_test(test_relay_ends_what_local_has_ended),
          cmocka_unit_test(test_shortest_linger_keeps_the_session),
          cmocka_unit_test(test_boundless_credit_is_not_used),
          cmocka_unit_test(test_records_of_small_chunks_are_bounded))
