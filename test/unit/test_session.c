/* SPDX-License-Identifier: MIT */
#include "session_pair.h"

#include <splitsocks/base/ranges.h>
#include <splitsocks/engine/session/session_status.h>

#include "../../src/engine/session/session_parts.h"

static void test_transfers_both_ways(void **state)
{
    static const uint64_t budgets[] = {500, 1000, 65536, MIB, SESSION_UNLIMITED};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(budgets); i++) {
        struct session_config config = pair_config();
        uint64_t length = budgets[i] < 2000 ? 100000 : 3 * MIB;
        struct stream *stream;

        config.budget_up = config.budget_down = budgets[i];
        struct pair *pair = pair_connected(&config, &stream);

        assert_true(pair_upload(pair, stream, length, 20000));
        assert_true(pair_download(pair, stream, length, 20000));
        assert_true(pair->open_max <= 8);
        for (unsigned c = 0; c < pair->connection_count; c++) {
            assert_true(pair->connections[c].up.total <= budgets[i]);
            assert_true(pair->connections[c].down.total <= budgets[i]);
        }
        assert_int_equal(session_counters(pair->local)->bytes_requeued, 0);
        assert_int_equal(session_counters(pair->relay)->bytes_requeued, 0);
        assert_int_equal(session_counters(pair->local)->bytes_duplicate, 0);
        pair_release_all(pair, stream);
        pair_run_ms(pair, 3000);
        assert_int_equal(session_stream_count(pair->relay), 0);
        pair_free(pair);
    }
}

static void test_half_close_both_ways(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct pair *pair = pair_connected(&config, &stream);
    struct iovec part;
    bool finished;
    (void)state;

    session_stream_write(pair->local, stream, "ask", 3, pair->now);
    session_stream_finish(pair->local, stream, pair->now);
    pair_run_ms(pair, 50);
    assert_int_equal(
        session_stream_peek(pair->relay, pair->incoming[0], &part, 1, &finished), 1);
    assert_int_equal(part.iov_len, 3);
    assert_true(finished);
    session_stream_consume(pair->relay, pair->incoming[0], 3, pair->now);
    session_stream_write(pair->relay, pair->incoming[0], "answer", 6, pair->now);
    session_stream_finish(pair->relay, pair->incoming[0], pair->now);
    pair_run_ms(pair, 50);
    assert_int_equal(session_stream_peek(pair->local, stream, &part, 1, &finished), 1);
    assert_memory_equal(part.iov_base, "answer", 6);
    assert_true(finished);
    session_stream_consume(pair->local, stream, 6, pair->now);
    pair_release_all(pair, stream);
    pair_run_ms(pair, 1000);
    assert_int_equal(pair->reset_count, 0);
    pair_free(pair);
}

static void test_reset_codes_reach_the_other_side(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct stream *stream;
    (void)state;

    pair->accept = false;
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 200);
    assert_int_equal(pair->incoming_count, 1);
    session_stream_reset(pair->relay, pair->incoming[0], RESET_REFUSED, pair->now);
    session_stream_release(pair->relay, pair->incoming[0], pair->now);
    pair_run_ms(pair, 100);
    assert_int_equal(pair->reset_count, 1);
    assert_ptr_equal(pair->resets[0].stream, stream);
    assert_int_equal(pair->resets[0].code, RESET_REFUSED);
    session_stream_release(pair->local, stream, pair->now);
    pair_run_ms(pair, 500);
    pair_free(pair);
}

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

static unsigned generations(const struct session *session)
{
    unsigned count = 0;

    for (const struct list *node = session->subflows.generations.next;
         node != &session->subflows.generations; node = node->next)
        count++;
    return count;
}

/* With their last subflow gone before the session is resumed, too: else the secrets stay,
 * and the tags are used up. */
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
    pair->local->pool.rekey_ns = pair->now + NS_PER_MS;
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

/* A relay that discards what it reads, or a box that has lost it: its TCP acknowledges all
 * the same. */
static void test_tcp_does_not_speak_for_the_relay(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    const struct subflow_measure measure = {.srtt_ns = 20 * NS_PER_MS, .rate = 1000000};
    struct pair *pair;
    (void)state;

    config.pool_size = config.pool_burst = config.pool_idle = 1;
    pair = pair_connected(&config, &stream);
    assert_int_equal(pair->open, 1);
    pair->blackhole = 1;
    for (unsigned ms = 0; ms < 3000 && pair->lost_count == 0; ms++) {
        pair_measure(pair, &measure);
        if (ms % 50 == 0)
            session_stream_write(pair->local, stream, "x", 1, pair->now);
        pair_step(pair);
        if (session_counters(pair->local)->subflows_failed > 0)
            break;
    }
    assert_int_equal(session_counters(pair->local)->subflows_failed, 1);
    pair->blackhole = 0;
    pair_run_ms(pair, 3000);
    assert_int_equal(pair->reset_count, 0);
    assert_int_equal(pair_read_all(pair, pair->relay, pair->incoming[0]), stream->out_end);
    pair_release_all(pair, stream);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

static struct subflow *usable_subflow(struct session *session)
{
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow_usable(subflow))
            return subflow;
    }
    return NULL;
}

/* However little happens besides. */
static void test_a_subflow_nearly_used_up_is_replaced(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream;
    struct subflow *subflow;
    struct pair *pair;
    unsigned dials;
    (void)state;

    pair = pair_connected(&config, &stream);
    pair_run_ms(pair, 8000); /* spares have gone */
    subflow = usable_subflow(pair->local);
    assert_non_null(subflow);
    dials = pair->connection_count;
    pool_count_bytes(&pair->local->pool, subflow,
                     config.budget_up / 8 * 7 - subflow->bytes_sent, 0);
    pair_run_ms(pair, 2);
    assert_int_equal(pair->connection_count, dials);
    pool_count_bytes(&pair->local->pool, subflow, 1, 0);
    pair_run_ms(pair, 2);
    assert_int_equal(pair->connection_count, dials + 1);
    pair_release_all(pair, stream);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

/* A reader that stops costs the other streams nothing, and memory stays within credit. */
static void test_stalled_readers_do_not_stall_others(void **state)
{
    enum { STALLED = 40 };
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct stream *streams[STALLED + 1];
    uint64_t alone, beside = 0, got = 0;
    (void)state;

    for (unsigned i = 0; i <= STALLED; i++)
        streams[i] = pair_open(pair, NULL);
    pair_run_ms(pair, 300);
    assert_int_equal(pair->incoming_count, STALLED + 1);
    for (unsigned ms = 0; ms < 3000; ms++) {
        pair_feed(pair, pair->relay, pair->incoming[STALLED], UINT64_MAX);
        pair_step(pair);
        got += pair_read_all(pair, pair->local, streams[STALLED]);
    }
    alone = got;
    for (unsigned ms = 0; ms < 6000; ms++) {
        for (unsigned i = 0; i <= STALLED; i++)
            pair_feed(pair, pair->relay, pair->incoming[i], UINT64_MAX);
        pair_step(pair);
        got = pair_read_all(pair, pair->local, streams[STALLED]);
        if (ms >= 3000)
            beside += got;
    }
    assert_true(beside >= alone / 100 * 95);
    /* Each stalled stream holds its window, and the fast one no more than its own. */
    assert_true(pair->local_pages.used * PAGE_SIZE <= (STALLED + 16) * UINT64_C(1100000));
    for (unsigned i = 0; i < STALLED; i++)
        session_stream_release(pair->local, streams[i], pair->now);
    pair_release_all(pair, streams[STALLED]);
    pair_run_ms(pair, 3000);
    assert_int_equal(pair->local_pages.used, 0);
    pair_free(pair);
}

/* Two hundred readers stop at once. A download gets its share of what is left while they
 * fill their windows, at the speed that it had alone; that takes a second here. From then
 * on it has all: the session's credit is not handed to them one share after the other. */
static void test_many_stalled_readers_give_way_soon(void **state)
{
    enum { STALLED = 200 };
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct stream *streams[STALLED + 1];
    uint64_t alone = 0, got = 0;
    unsigned ms;
    (void)state;

    for (unsigned i = 0; i <= STALLED; i++)
        streams[i] = pair_open(pair, NULL);
    pair_run_ms(pair, 300);
    assert_int_equal(pair->incoming_count, STALLED + 1);
    for (ms = 0; ms < 1000; ms++) {
        pair_feed(pair, pair->relay, pair->incoming[STALLED], UINT64_MAX);
        pair_step(pair);
        got = pair_read_all(pair, pair->local, streams[STALLED]);
        alone += ms >= 500 ? got : 0;
    }
    assert_true(alone / 500 * 1000 >= STALLED * UINT64_C(900000));
    for (ms = 0; ms < 3000 && got < alone / 5 / 10 * 7; ms += 100) {
        got = 0;
        for (unsigned k = 0; k < 100; k++) {
            for (unsigned i = 0; i <= STALLED; i++)
                pair_feed(pair, pair->relay, pair->incoming[i], UINT64_MAX);
            pair_step(pair);
            got += pair_read_all(pair, pair->local, streams[STALLED]);
        }
    }
    assert_true(ms <= 1400);
    for (unsigned i = 0; i < STALLED; i++)
        session_stream_release(pair->local, streams[i], pair->now);
    pair_release_all(pair, streams[STALLED]);
    pair_run_ms(pair, 3000);
    pair_free(pair);
}

/* One client has a hundred streams whose readers stop, at both ends, and fills as much of
 * the relay's memory as it is let. The streams of another are not reset, and run; and where
 * it has run out itself, a new stream of its own gets through in the place of a stalled
 * one. */
static void test_a_hoarder_costs_no_other_client(void **state)
{
    enum { HOARDED = 100 };
    struct session_config config = pair_config();
    struct pair *hoarder = pair_new(&config);
    struct pair *honest = pair_new_beside(&config, hoarder);
    struct stream *streams[HOARDED], *stream;
    unsigned resets;
    (void)state;

    hoarder->relay_pages.max_used = (32 * MIB) / PAGE_SIZE;
    hoarder->relay_pages.shared = true;
    for (unsigned i = 0; i < HOARDED; i++)
        streams[i] = pair_open(hoarder, NULL);
    pair_run_ms(hoarder, 300);
    assert_int_equal(hoarder->incoming_count, HOARDED);
    for (unsigned ms = 0; ms < 3000; ms++) {
        for (unsigned i = 0; i < HOARDED; i++) {
            pair_feed(hoarder, hoarder->local, streams[i], UINT64_MAX);
            if (hoarder->incoming[i] != NULL)
                pair_feed(hoarder, hoarder->relay, hoarder->incoming[i], UINT64_MAX);
        }
        pair_step(hoarder);
    }
    assert_true(hoarder->relay_pages.used * PAGE_SIZE >= 14 * MIB);
    stream = pair_open(honest, NULL);
    pair_run_ms(honest, 300);
    assert_int_equal(honest->incoming_count, 1);
    assert_true(pair_upload(honest, stream, 30 * MIB, 5000));
    assert_true(pair_download(honest, stream, 30 * MIB, 5000));
    assert_int_equal(honest->reset_count, 0);
    pair_release_all(honest, stream);
    pair_run_ms(honest, 1000);
    pair_free(honest);

    resets = hoarder->reset_count;
    stream = pair_open(hoarder, NULL);
    pair_run_ms(hoarder, 300);
    assert_int_equal(hoarder->incoming_count, HOARDED + 1);
    assert_true(pair_transfer(hoarder, hoarder->relay, hoarder->incoming[HOARDED],
                              hoarder->local, stream, 5 * MIB, 10000));
    assert_in_range(hoarder->reset_count - resets, 0, HOARDED / 10);
    assert_non_null(hoarder->incoming[HOARDED]);
    for (unsigned i = 0; i < HOARDED; i++)
        session_stream_release(hoarder->local, streams[i], hoarder->now);
    pair_release_all(hoarder, stream);
    pair_free(hoarder);
}

/* Writes `length` bytes of pair_byte() and the end; the peer reads `taken` of them. */
static void send_all(struct pair *pair, struct session *from, struct stream *out,
                     struct session *to, struct stream *in, size_t length, size_t taken)
{
    assert_true(pair_transfer(pair, from, out, to, in, taken, 1000));
    for (size_t at = taken; at < length; at++) {
        uint8_t byte = pair_byte(at);

        assert_int_equal(session_stream_write(from, out, &byte, 1, pair->now), 1);
    }
    session_stream_finish(from, out, pair->now);
    pair_run_ms(pair, 200);
}

static void check_taken(const struct pages *pages, const struct range *unread)
{
    struct iovec parts[64];
    size_t count = pages_view(pages, unread->start, (size_t)(unread->end - unread->start),
                              parts, ARRAY_LENGTH(parts));
    uint64_t at = unread->start;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < parts[i].iov_len; j++, at++)
            assert_int_equal(((const uint8_t *)parts[i].iov_base)[j], pair_byte(at));
    assert_int_equal(at, unread->end);
}

/* The relay has sent all there is and ends the session, and local's reader has not taken it
 * yet: it still gets it, unless its own direction is open and was cut. */
static void test_readers_outlive_the_session(void **state)
{
    enum { LENGTH = 100000, TAKEN = 30000 };
    (void)state;

    for (unsigned closed = 0; closed < 2; closed++) {
        struct session_config config = pair_config();
        struct stream *stream;
        struct pair *pair = pair_connected(&config, &stream);
        struct page_account account;
        struct pages pages;
        struct range unread;

        page_account_init(&account, &pair->local_pages);
        pages_init(&pages, &account);
        if (closed)
            session_stream_finish(pair->local, stream, pair->now);
        send_all(pair, pair->relay, pair->incoming[0], pair->local, stream, LENGTH, TAKEN);
        assert_false(session_stream_take(pair->local, stream, &pages, &unread));
        pair->ended = ERROR_INVALID;
        session_close(pair->relay, CLOSE_ASKED, NULL, pair->now);
        pair_run_ms(pair, 300);
        assert_int_equal(pair->ended, ERROR_CLOSED);
        assert_int_equal(pair->reset_count, 1);
        assert_int_equal(pair->resets[0].code, RESET_SESSION_CLOSED);
        if (closed) {
            assert_true(session_stream_take(pair->local, stream, &pages, &unread));
            assert_int_equal(unread.start, TAKEN);
            assert_int_equal(unread.end, LENGTH);
        }
        assert_false(session_stream_take(pair->local, stream, &pages, &unread));
        session_stream_release(pair->local, stream, pair->now);
        if (closed) {
            check_taken(&pages, &unread);
            pages_deinit(&pages);
        }
        pair_free(pair);
    }
}

/* So it is when the relay has lost the session, and local goes on with a new one. */
static void test_readers_outlive_a_restart(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream, *second;
    struct pair *pair = pair_connected(&config, &stream);
    struct page_account account;
    struct pages pages;
    struct range unread;
    (void)state;

    page_account_init(&account, &pair->local_pages);
    pages_init(&pages, &account);
    session_stream_finish(pair->local, stream, pair->now);
    send_all(pair, pair->relay, pair->incoming[0], pair->local, stream, MIB / 2, 5000);
    pair_restart_relay(pair);
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->resets[0].code, RESET_SESSION_LOST);
    second = pair_open(pair, NULL);
    pair_run_ms(pair, 200);
    assert_true(session_stream_take(pair->local, stream, &pages, &unread));
    session_stream_release(pair->local, stream, pair->now);
    check_taken(&pages, &unread);
    pages_deinit(&pages);
    assert_true(pair_download(pair, second, 20 * MIB, 20000));
    pair_release_all(pair, second);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

/* K p / ((1 + n) R), with every byte of each budget used. */
static void test_tight_budgets_reach_the_bound(void **state)
{
    static const struct {
        bool up, down;
    } modes[] = {{true, false}, {false, true}, {true, true}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        struct session_config config = pair_config();
        struct stream *stream;
        uint64_t up = 0, down = 0, bound;

        config.budget_up = config.budget_down = 1000;
        struct pair *pair = pair_connected(&config, &stream);

        pair->delay_ns = 50 * NS_PER_MS;
        pair_run_ms(pair, 2000);
        for (unsigned ms = 0; ms < 20000; ms++) {
            if (modes[i].up)
                pair_feed(pair, pair->local, stream, UINT64_MAX);
            if (modes[i].down)
                pair_feed(pair, pair->relay, pair->incoming[0], UINT64_MAX);
            pair_step(pair);
            up += pair_read_all(pair, pair->relay, pair->incoming[0]);
            down += pair_read_all(pair, pair->local, stream);
        }
        /* 930 bytes of payload are left by the headers of JOIN, chunk and frames. */
        bound = 20 * 8 * 930 * 1000 / (2 * 100);
        assert_true(!modes[i].up || up >= bound / 100 * 97);
        assert_true(!modes[i].down || down >= bound / 100 * 97);
        assert_true(pair->open_max <= 8);
        assert_int_equal(session_counters(pair->local)->bytes_requeued, 0);
        assert_int_equal(session_counters(pair->relay)->bytes_requeued, 0);
        pair_release_all(pair, stream);
        pair_free(pair);
    }
}

/* Another machine with the same key, whose clock is ahead, or this one's before it was set
 * back: the relay takes no stamp of now. */
static void test_later_stamps_are_tried(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    uint64_t ahead_ns = pair->now + 600 * NS_PER_S;
    (void)state;

    for (unsigned i = 0; i < CLIENT_STAMPS; i++)
        assert_int_equal(client_table_accept_stamp(pair->clients, 0, ahead_ns + i), OK);
    /* Each is told after a while; they come again. */
    for (unsigned i = 0; i < 9; i++) {
        pair_open(pair, NULL);
        pair_run_ms(pair, 1000);
    }
    assert_int_equal(pair->up_count, 1);
    assert_in_range(pair->opened_count, 1, 9);
    /* Not much further ahead than need be: several HELLOs race, each with its own. */
    assert_in_range(session_stamp(pair->local), ahead_ns, pair->now + 64 * 600 * NS_PER_S);
    pair_free(pair);
}

/* Connections are taken and HELLOs are not answered: what waits is told so, and soon. */
static void test_a_silent_relay_is_told_in_time(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    for (unsigned i = 0; i < CLIENT_STAMPS; i++)
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

/* Whatever keeps the relay from answering, stamps end two years ahead. */
static void test_stamps_do_not_run_away(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    pair->limits.max_sessions = 0;
    for (unsigned i = 0; i < CLIENT_STAMPS; i++)
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

UNIT_MAIN(cmocka_unit_test(test_transfers_both_ways),
          cmocka_unit_test(test_half_close_both_ways),
          cmocka_unit_test(test_reset_codes_reach_the_other_side),
          cmocka_unit_test(test_outage_within_linger_resumes),
          cmocka_unit_test(test_restarted_relay_resets_streams_and_serves_new_ones),
          cmocka_unit_test(test_unreachable_relay_is_told_in_time),
          cmocka_unit_test(test_hourly_resume_keeps_streams),
          cmocka_unit_test(test_an_answer_while_closing_is_moot),
          cmocka_unit_test(test_generations_are_forgotten),
          cmocka_unit_test(test_an_ack_elsewhere_confirms),
          cmocka_unit_test(test_tcp_does_not_speak_for_the_relay),
          cmocka_unit_test(test_a_subflow_nearly_used_up_is_replaced),
          cmocka_unit_test(test_stalled_readers_do_not_stall_others),
          cmocka_unit_test(test_many_stalled_readers_give_way_soon),
          cmocka_unit_test(test_a_hoarder_costs_no_other_client),
          cmocka_unit_test(test_readers_outlive_the_session),
          cmocka_unit_test(test_readers_outlive_a_restart),
          cmocka_unit_test(test_later_stamps_are_tried),
          cmocka_unit_test(test_stamps_do_not_run_away),
          cmocka_unit_test(test_a_silent_relay_is_told_in_time),
          cmocka_unit_test(test_tight_budgets_reach_the_bound))
