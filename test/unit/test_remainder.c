/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/remainder.h>

#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH 3000000
#define START 1234567 /* in mid-page */

struct fixture {
    struct ev_loop *loop;
    struct worker worker;
    struct places_pool pages;
    int reader; /* the application's end */
};

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 9));
}

/* A worker with one remainder of LENGTH bytes behind START. */
static void begin(struct fixture *fixture, uint64_t linger_ns)
{
    struct range unread = {.start = START, .end = START + LENGTH};
    uint8_t *bytes = malloc(LENGTH);
    struct pages pages;
    int pair[2];

    assert_non_null(bytes);
    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = byte_at(START + i);
    fixture->loop = ev_loop_new(EVFLAG_AUTO);
    assert_int_equal(worker_init(&fixture->worker, fixture->loop, 1 << 24, linger_ns), OK);
    places_pool_init(&fixture->pages, 1024);
    worker_share_pages(&fixture->worker, &fixture->pages);
    pages_init(&pages, &fixture->worker.remainder_pages);
    assert_int_equal(pages_write(&pages, START, bytes, LENGTH), OK);
    free(bytes);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_true(remainder_new(&fixture->worker, pair[0], &pages, &unread));
    assert_int_equal(pages.used, 0);
    fixture->reader = pair[1];
}

static void end(struct fixture *fixture)
{
    worker_deinit(&fixture->worker);
    ev_loop_destroy(fixture->loop);
    close(fixture->reader);
}

/* Reads at most `length` bytes, and checks those; returns how many came, -1 for a reset. */
static ssize_t read_some(struct fixture *fixture, uint64_t offset, size_t length)
{
    uint8_t bytes[20000];
    ssize_t n = recv(fixture->reader, bytes, length, 0);

    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], byte_at(offset + (uint64_t)i));
    return n;
}

/* A reader that takes a little in each turn of the loop gets all of it, and then the end.
 */
static void test_a_slow_reader_gets_everything(void **state)
{
    struct fixture fixture;
    uint64_t offset = START;
    ssize_t n;
    (void)state;

    begin(&fixture, 1000 * NS_PER_S);
    do {
        ev_run(fixture.loop, EVRUN_NOWAIT);
        n = read_some(&fixture, offset, 20000);
        offset += n > 0 ? (uint64_t)n : 0;
    } while (n != 0);
    assert_int_equal(offset, START + LENGTH);
    assert_true(list_empty(&fixture.worker.remainders));
    assert_int_equal(fixture.worker.pages.used, 0);
    end(&fixture);
}

/* Each byte that is taken renews the patience; nothing does not. */
static void test_a_reader_that_stops_is_cut_off(void **state)
{
    struct fixture fixture;
    (void)state;

    begin(&fixture, NS_PER_S / 5);
    while (!list_empty(&fixture.worker.remainders))
        ev_run(fixture.loop, EVRUN_ONCE);
    assert_int_equal(fixture.worker.pages.used, 0);
    end(&fixture);
}

static void test_a_reader_that_is_gone(void **state)
{
    struct fixture fixture;
    (void)state;

    begin(&fixture, 1000 * NS_PER_S);
    close(fixture.reader);
    while (!list_empty(&fixture.worker.remainders))
        ev_run(fixture.loop, EVRUN_ONCE);
    fixture.reader = open("/dev/null", O_RDONLY);
    end(&fixture);
}

static void test_cut_with_its_worker(void **state)
{
    struct fixture fixture;
    (void)state;

    begin(&fixture, 1000 * NS_PER_S);
    ev_run(fixture.loop, EVRUN_NOWAIT);
    end(&fixture); /* the pool finds that every page was given back */
}

/* Where others need the memory too, a new one of a page stays, and the large one goes. */
static void test_kept_to_their_share(void **state)
{
    const struct range unread = {.start = 0, .end = 5};
    struct fixture fixture;
    struct pages pages;
    int pair[2];
    (void)state;

    begin(&fixture, 1000 * NS_PER_S);
    pages_init(&pages, &fixture.worker.remainder_pages);
    fixture.pages.most = 2 * fixture.pages.used + 1;
    assert_int_equal(pages_write(&pages, 0, "small", 5), OK);
    fixture.pages.most -= 3;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_true(remainder_new(&fixture.worker, pair[0], &pages, &unread));
    assert_int_equal(fixture.worker.pages.used, 1);
    assert_int_equal(read_some(&fixture, START, 1), 0); /* the end, before a byte */
    close(pair[1]);
    end(&fixture);
}

UNIT_MAIN(cmocka_unit_test(test_a_slow_reader_gets_everything),
          cmocka_unit_test(test_a_reader_that_stops_is_cut_off),
          cmocka_unit_test(test_a_reader_that_is_gone),
          cmocka_unit_test(test_cut_with_its_worker),
          cmocka_unit_test(test_kept_to_their_share))
