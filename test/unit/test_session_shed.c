/* SPDX-License-Identifier: MIT */
/* Streams give way for want of memory, but never while there is room. */
#include "session_pair.h"

#include <splitsocks/base/error.h>

#define POOL_PAGES 65536 /* as in session_pair.c */

/* Two streams of one local. The reader of the first has paused, so that what came for it
 * lies in local's memory; the second is the one that wants some. */
struct scene {
    struct pair *pair;
    struct stream *paused, *wanting;
    struct page_account account;
    struct pages other; /* the same memory, as somebody else holds it */
};

static void set_up(struct scene *scene)
{
    const struct session_config config = pair_config();
    static uint8_t bytes[100000];
    struct pair *pair = scene->pair = pair_connected(&config, &scene->paused);

    assert_int_equal(session_stream_write(pair->relay, pair->incoming[0], bytes,
                                          sizeof(bytes), pair->now),
                     sizeof(bytes));
    pair_run_ms(pair, 1000);
    assert_true(pair->local_pages.used > 0);
    scene->wanting = pair_open(pair, NULL);
    pair_run_ms(pair, 200);
    page_account_init(&scene->account, &pair->local_pages, NULL);
    pages_init(&scene->other, &scene->account);
}

static void tear_down(struct scene *scene)
{
    session_stream_release(scene->pair->local, scene->paused, scene->pair->now);
    pair_release_all(scene->pair, scene->wanting);
    pair_run_ms(scene->pair, 1000);
    pair_free(scene->pair);
}

/* Somebody else takes all the memory that is left. */
static void use_up(struct scene *scene)
{
    uint8_t byte = 0;

    for (size_t i = 0; scene->pair->local_pages.used < POOL_PAGES; i++)
        assert_int_equal(pages_write(&scene->other, i * PAGE_SIZE, &byte, 1), OK);
}

static uint64_t write_byte(struct scene *scene)
{
    return session_stream_write(scene->pair->local, scene->wanting, "x", 1,
                                scene->pair->now);
}

static void test_wanting_nothing_costs_nobody_a_stream(void **state)
{
    struct scene scene;
    struct iovec part;
    struct pair *pair;
    (void)state;

    set_up(&scene);
    pair = scene.pair;
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(
            session_stream_write(pair->local, scene.wanting, NULL, 0, pair->now), 0);
        assert_int_equal(session_stream_reserve(pair->local, scene.wanting, 0, &part, 1),
                         0);
        pair_run_ms(pair, 100);
    }
    assert_int_equal(pair->shed_count, 0);
    assert_int_equal(pair->reset_count, 0);
    tear_down(&scene);
}

/* Want of memory that has passed is forgotten: the next one waits as long. */
static void test_a_short_want_costs_nobody_a_stream(void **state)
{
    struct scene scene;
    (void)state;

    set_up(&scene);
    for (unsigned i = 0; i < 3; i++) {
        use_up(&scene);
        assert_int_equal(write_byte(&scene), 0);
        pair_run_ms(scene.pair, 300);
        pages_release_all(&scene.other);
        pair_run_ms(scene.pair, 3000);
    }
    assert_int_equal(scene.pair->shed_count, 0);
    assert_int_equal(scene.pair->reset_count, 0);
    tear_down(&scene);
}

static void test_a_bound_that_is_met_is_told(void **state)
{
    struct scene scene;
    struct pair *pair;
    (void)state;

    set_up(&scene);
    pair = scene.pair;
    use_up(&scene);
    for (unsigned i = 0; i < 30 && pair->shed_count == 0; i++) {
        assert_int_equal(write_byte(&scene), 0);
        pair_run_ms(pair, 100);
    }
    assert_int_equal(pair->shed_count, 1);
    assert_int_equal(pair->shed.bound, SESSION_BOUND_BUFFERED);
    assert_false(pair->shed.shared);
    assert_int_equal(pair->shed.used_bytes, (uint64_t)POOL_PAGES * PAGE_SIZE);
    assert_int_equal(pair->shed.bound_bytes, (uint64_t)POOL_PAGES * PAGE_SIZE);
    assert_true(pair->shed.stream_bytes >= 100000);
    assert_int_equal(pair->reset_count, 1);
    assert_ptr_equal(pair->resets[0].stream, scene.paused);
    assert_int_equal(pair->resets[0].code, RESET_LIMIT);
    assert_int_equal(write_byte(&scene), 1);
    pages_release_all(&scene.other);
    tear_down(&scene);
}

UNIT_MAIN(cmocka_unit_test(test_wanting_nothing_costs_nobody_a_stream),
          cmocka_unit_test(test_a_short_want_costs_nobody_a_stream),
          cmocka_unit_test(test_a_bound_that_is_met_is_told))
