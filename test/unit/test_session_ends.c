/* SPDX-License-Identifier: MIT */
/* A peer hangs up: the data that it sent before is delivered if it had ended its direction,
 * and is cut if not. */
#include "session_pair.h"

#include <splitsocks/base/error.h>
#include <splitsocks/base/ranges.h>
#include <splitsocks/engine/session/session_status.h>

#define LENGTH 50000

/* The relay has written LENGTH bytes, and ended its direction if `finished`; local has read
 * some. */
static struct pair *begin(struct stream **stream, bool finished)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    uint8_t bytes[LENGTH];

    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = pair_byte(i);
    *stream = pair_open(pair, NULL);
    pair_run_ms(pair, 200);
    assert_int_equal(
        session_stream_write(pair->relay, pair->incoming[0], bytes, LENGTH, pair->now),
        LENGTH);
    if (finished)
        session_stream_finish(pair->relay, pair->incoming[0], pair->now);
    pair_run_ms(pair, 500);
    return pair;
}

static void hang_up(struct pair *pair, enum reset_code code)
{
    session_stream_reset(pair->relay, pair->incoming[0], code, pair->now);
    session_stream_release(pair->relay, pair->incoming[0], pair->now);
    pair->incoming[0] = NULL;
    pair_run_ms(pair, 500);
}

static void test_what_was_ended_is_delivered(void **state)
{
    static const enum reset_code codes[] = {RESET_CANCELLED, RESET_HALF_CLOSED};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        struct stream *stream;
        struct pair *pair = begin(&stream, true);
        struct page_account account;
        struct pages pages;
        struct range unread;
        struct stream_status status;
        struct iovec part;
        bool finished;

        session_stream_status(pair->local, stream, &status);
        assert_true(status.peer_finished);
        hang_up(pair, codes[i]);
        /* At once, whatever the reader does. */
        assert_int_equal(pair->reset_count, 1);
        assert_int_equal(pair->resets[0].code, codes[i]);
        page_account_init(&account, &pair->local_pages, NULL);
        pages_init(&pages, &account);
        assert_true(session_stream_take(pair->local, stream, &pages, &unread));
        assert_int_equal(unread.start, 0);
        assert_int_equal(unread.end, LENGTH);
        assert_int_equal(pages_view(&pages, LENGTH - 1, 1, &part, 1), 1);
        assert_int_equal(*(uint8_t *)part.iov_base, pair_byte(LENGTH - 1));
        pages_deinit(&pages);
        assert_int_equal(session_stream_peek(pair->local, stream, &part, 1, &finished), 0);
        session_stream_release(pair->local, stream, pair->now);
        pair_run_ms(pair, 500);
        assert_int_equal(session_stream_count(pair->local), 0);
        pair_free(pair);
    }
}

static void test_what_was_not_ended_is_cut(void **state)
{
    struct stream *stream;
    struct pair *pair = begin(&stream, false);
    struct page_account account;
    struct pages pages;
    struct range unread;
    (void)state;

    hang_up(pair, RESET_CANCELLED);
    page_account_init(&account, &pair->local_pages, NULL);
    pages_init(&pages, &account);
    assert_int_equal(pair->reset_count, 0);
    assert_int_equal(pair_read_all(pair, pair->local, stream), LENGTH);
    pair_run_ms(pair, 100);
    assert_int_equal(pair->reset_count, 1);
    assert_false(session_stream_take(pair->local, stream, &pages, &unread));
    session_stream_release(pair->local, stream, pair->now);
    pair_run_ms(pair, 500);
    pair_free(pair);
}

/* Every stream hears of the session's end: one without an id, and one that is opened before
 * the driver acts on the end. */
static void test_the_end_reaches_every_stream(void **state)
{
    static const struct {
        enum close_code close;
        enum reset_code reset;
    } ends[] = {
        {CLOSE_LINGER, RESET_LINGER},
        {CLOSE_LIMIT, RESET_SESSION_REFUSED},
        {CLOSE_STOPPED, RESET_SESSION_CLOSED},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        struct session_config config = pair_config();
        struct pair *pair = pair_new(&config);
        struct stream *streams[3];

        pair->limits.max_streams = 1;
        for (size_t j = 0; j < 2; j++)
            streams[j] = pair_open(pair, NULL);
        pair_run_ms(pair, 500);
        assert_int_equal(stream_id(streams[1]), 0);
        session_close(pair->relay, ends[i].close, NULL, pair->now);
        pair_run_ms(pair, 500);
        assert_int_equal(pair->ended_code, ends[i].close);
        assert_int_equal(pair->reset_count, 2);
        streams[2] = pair_open(pair, NULL);
        assert_int_equal(session_stream_write(pair->local, streams[2], "a", 1, pair->now),
                         0);
        pair_run_ms(pair, 1);
        assert_int_equal(pair->reset_count, 3);
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(pair->resets[j].code, ends[i].reset);
            session_stream_release(pair->local, streams[j], pair->now);
        }
        pair_free(pair);
    }
}

UNIT_MAIN(cmocka_unit_test(test_the_end_reaches_every_stream),
          cmocka_unit_test(test_what_was_ended_is_delivered),
          cmocka_unit_test(test_what_was_not_ended_is_cut))
