/* SPDX-License-Identifier: MIT */
/* Readers that stop: their cost to others, and the data that they have not taken when the
 * session ends. */
#include "session_pair.h"

#include <splitsocks/base/ranges.h>

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

    atomic_store(&hoarder->own_pools.pages.most, (32 * MIB) / PAGE_SIZE);
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

        page_account_init(&account, &pair->local_pages, NULL);
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

/* The same holds when the relay has lost the session, and local goes on with a new one. */
static void test_readers_outlive_a_restart(void **state)
{
    struct session_config config = pair_config();
    struct stream *stream, *second;
    struct pair *pair = pair_connected(&config, &stream);
    struct page_account account;
    struct pages pages;
    struct range unread;
    (void)state;

    page_account_init(&account, &pair->local_pages, NULL);
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

/* Whether the relay has ended its session, for want of contact, by the end of that time, in
 * which local is heard no more. */
static bool ends_alone(struct pair *pair, unsigned ms)
{
    struct session_event event;
    bool ended = false;

    for (unsigned i = 0; i < ms; i++) {
        pair->now += NS_PER_MS;
        if (session_next_timeout(pair->relay) <= pair->now)
            session_tick(pair->relay, pair->now);
        while (session_next_event(pair->relay, &event)) {
            if (event.type == SESSION_ENDED)
                assert_int_equal(event.close, CLOSE_LINGER);
            ended = ended || event.type == SESSION_ENDED;
        }
    }
    return ended;
}

/* A reader at the relay that has not taken all that came, in a session that is lost, keeps
 * it: local takes that data for delivered. It ends when the reader is done. */
static void test_a_reader_keeps_a_lost_session(void **state)
{
    enum { LENGTH = 100000, TAKEN = 30000 };
    (void)state;

    for (unsigned whole = 0; whole < 2; whole++) {
        struct session_config config = pair_config();
        struct stream *stream;
        struct pair *pair;

        config.linger_ns = NS_PER_S;
        pair = pair_connected(&config, &stream);
        session_stream_finish(pair->relay, pair->incoming[0], pair->now);
        if (whole)
            send_all(pair, pair->local, stream, pair->relay, pair->incoming[0], LENGTH,
                     TAKEN);
        else
            assert_true(pair_upload(pair, stream, TAKEN, 1000));
        /* The end has not come: the session cannot go on without local. */
        assert_int_equal(ends_alone(pair, 5000), !whole);
        if (whole) {
            assert_int_equal(pair_read_all(pair, pair->relay, pair->incoming[0]),
                             LENGTH - TAKEN);
            session_stream_release(pair->relay, pair->incoming[0], pair->now);
            assert_true(ends_alone(pair, 5000));
        }
        pair_free(pair);
    }
}

UNIT_MAIN(cmocka_unit_test(test_stalled_readers_do_not_stall_others),
          cmocka_unit_test(test_many_stalled_readers_give_way_soon),
          cmocka_unit_test(test_a_hoarder_costs_no_other_client),
          cmocka_unit_test(test_readers_outlive_the_session),
          cmocka_unit_test(test_readers_outlive_a_restart),
          cmocka_unit_test(test_a_reader_keeps_a_lost_session))
