/* SPDX-License-Identifier: MIT */
/* Which streams give way for want of memory, and when: never while there is room. */
#include "session_pair.h"

#include <splitsocks/base/error.h>

#define MIB (1024 * 1024)
#define POOL_PAGES 65536 /* as in session_pair.c */

static struct stream *open_stream(struct pair *pair)
{
    struct target target = pair_target();
    struct stream *stream = session_stream_open(pair->local, &target, NULL, pair->now);

    assert_non_null(stream);
    pair_run_ms(pair, 200);
    return stream;
}

/* One whose reader has paused: a MiB of its download lies at local. */
static struct pair *pair_with_paused(struct stream **paused)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    static uint8_t bytes[MIB];

    *paused = open_stream(pair);
    assert_int_equal(
        session_stream_write(pair->relay, pair->incoming[0], bytes, 100000, pair->now),
        100000);
    pair_run_ms(pair, 1000);
    assert_true(pair->local_pages.used > 0);
    return pair;
}

/* Somebody else's, so that so many pages are left. */
static void use_up(struct pair *pair, struct pages *other, size_t left)
{
    uint8_t byte = 0;

    for (size_t i = 0; pair->local_pages.used + left < POOL_PAGES; i++)
        assert_int_equal(pages_write(other, i * PAGE_SIZE, &byte, 1), OK);
}

static void end(struct pair *pair, struct stream *first, struct stream *second)
{
    session_stream_release(pair->local, first, pair->now);
    session_stream_release(pair->local, second, pair->now);
    for (unsigned i = 0; i < pair->incoming_count; i++)
        if (pair->incoming[i] != NULL)
            session_stream_release(pair->relay, pair->incoming[i], pair->now);
    pair_run_ms(pair, 1000);
    pair_free(pair);
}

static void test_wanting_nothing_costs_nobody_a_stream(void **state)
{
    struct stream *paused, *silent;
    struct pair *pair = pair_with_paused(&paused);
    struct iovec part;
    (void)state;

    silent = open_stream(pair);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(session_stream_write(pair->local, silent, NULL, 0, pair->now), 0);
        assert_int_equal(session_stream_reserve(pair->local, silent, 0, &part, 1), 0);
        pair_run_ms(pair, 100);
    }
    assert_int_equal(pair->shed_count, 0);
    assert_int_equal(pair->reset_count, 0);
    end(pair, paused, silent);
}

/* Want of memory that has passed is forgotten: the next one waits as long. */
static void test_a_short_want_costs_nobody_a_stream(void **state)
{
    struct stream *paused, *wanting;
    struct pair *pair = pair_with_paused(&paused);
    struct page_account account;
    struct pages other;
    (void)state;

    page_account_init(&account, &pair->local_pages);
    pages_init(&other, &account);
    wanting = open_stream(pair);
    for (unsigned i = 0; i < 3; i++) {
        use_up(pair, &other, 0);
        assert_int_equal(session_stream_write(pair->local, wanting, "x", 1, pair->now), 0);
        pair_run_ms(pair, 300);
        pages_release_all(&other);
        pair_run_ms(pair, 3000);
    }
    assert_int_equal(pair->shed_count, 0);
    assert_int_equal(pair->reset_count, 0);
    end(pair, paused, wanting);
}

static void test_a_bound_that_is_met_is_told(void **state)
{
    struct stream *paused, *wanting;
    struct pair *pair = pair_with_paused(&paused);
    struct page_account account;
    struct pages other;
    (void)state;

    page_account_init(&account, &pair->local_pages);
    pages_init(&other, &account);
    wanting = open_stream(pair);
    use_up(pair, &other, 0);
    for (unsigned i = 0; i < 30 && pair->shed_count == 0; i++) {
        assert_int_equal(session_stream_write(pair->local, wanting, "x", 1, pair->now), 0);
        pair_run_ms(pair, 100);
    }
    assert_int_equal(pair->shed_count, 1);
    assert_int_equal(pair->shed.bound, SESSION_BOUND_BUFFERED);
    assert_false(pair->shed.shared);
    assert_int_equal(pair->shed.used_bytes, (uint64_t)POOL_PAGES * PAGE_SIZE);
    assert_int_equal(pair->shed.bound_bytes, (uint64_t)POOL_PAGES * PAGE_SIZE);
    assert_true(pair->shed.stream_bytes >= 100000);
    assert_int_equal(pair->reset_count, 1);
    assert_ptr_equal(pair->resets[0].stream, paused);
    assert_int_equal(pair->resets[0].code, RESET_LIMIT);
    assert_int_equal(session_stream_write(pair->local, wanting, "x", 1, pair->now), 1);
    pages_release_all(&other);
    end(pair, paused, wanting);
}

UNIT_MAIN(cmocka_unit_test(test_wanting_nothing_costs_nobody_a_stream),
          cmocka_unit_test(test_a_short_want_costs_nobody_a_stream),
          cmocka_unit_test(test_a_bound_that_is_met_is_told))
