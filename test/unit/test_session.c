/* SPDX-License-Identifier: MIT */
/* One session over one path: transfers, the ends of streams, and the life of subflows. */
#include "session_pair.h"

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

#define LEAST 5000
#define MOST 7000

/* Marks in which third of the range the budget lies. */
static unsigned third(uint64_t budget)
{
    assert_in_range(budget, LEAST, MOST);
    return 1u << (budget - LEAST) * 3 / (MOST - LEAST + 1);
}

/* Each subflow has budgets of its own, drawn from the range, and carries no more. */
static void test_budgets_are_drawn_from_a_range(void **state)
{
    struct session_config config = pair_config();
    unsigned up = 0, down = 0;
    uint64_t got_up = 0, got_down = 0;
    struct stream *stream;
    (void)state;

    config.budget_up = config.budget_down = MOST;
    config.budget_up_spread = config.budget_down_spread = MOST - LEAST;
    struct pair *pair = pair_connected(&config, &stream);

    for (unsigned i = 0; i < 1000; i++) {
        pair_feed(pair, pair->local, stream, 100000);
        pair_feed(pair, pair->relay, pair->incoming[0], 100000);
        pair_step(pair);
        got_up += pair_read_all(pair, pair->relay, pair->incoming[0]);
        got_down += pair_read_all(pair, pair->local, stream);
        list_foreach(&pair->local->subflows.all, node, after) {
            struct subflow *subflow = list_entry(node, struct subflow, node);
            const struct pair_connection *connection = subflow_user(subflow);

            up |= third(subflow->budget_out);
            down |= third(subflow->budget_in);
            assert_true(connection->up.total <= subflow->budget_out);
            assert_true(connection->down.total <= subflow->budget_in);
        }
    }
    assert_int_equal(up, 7);
    assert_int_equal(down, 7);
    assert_true(got_up > 20 * MOST && got_down > 20 * MOST);
    pair_free(pair);
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

/* The replacement comes at once, however little happens besides. */
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

UNIT_MAIN(cmocka_unit_test(test_transfers_both_ways),
          cmocka_unit_test(test_budgets_are_drawn_from_a_range),
          cmocka_unit_test(test_half_close_both_ways),
          cmocka_unit_test(test_reset_codes_reach_the_other_side),
          cmocka_unit_test(test_tcp_does_not_speak_for_the_relay),
          cmocka_unit_test(test_a_subflow_nearly_used_up_is_replaced),
          cmocka_unit_test(test_tight_budgets_reach_the_bound))
