/* SPDX-License-Identifier: MIT */
/* Two applications, each with a socket to a direct between them. */
#include "unit.h"

#include <splitsocks/local/direct.h>

#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH 3000000

struct fixture {
    struct ev_loop *loop;
    struct worker worker;
    struct list directs;
    int ends[2]; /* of the applications; -1: closed */
};

static uint8_t byte_at(size_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 9));
}

static void begin(struct fixture *fixture, const void *early, size_t length)
{
    const struct target target = {.port = 80, .name = "example.org"};
    int inner[2];

    fixture->loop = ev_loop_new(EVFLAG_AUTO);
    assert_int_equal(worker_init(&fixture->worker, fixture->loop, 1 << 20, 0), OK);
    list_init(&fixture->directs);
    for (int i = 0; i < 2; i++) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        fixture->ends[i] = pair[0];
        inner[i] = pair[1];
    }
    assert_int_equal(direct_start(&fixture->worker, &target, inner[0], inner[1], early,
                                  length, NULL, &fixture->directs),
                     OK);
}

static void finish(struct fixture *fixture)
{
    while (!list_empty(&fixture->directs))
        direct_abort(list_first(&fixture->directs, struct direct, node));
    worker_deinit(&fixture->worker);
    ev_loop_destroy(fixture->loop);
    for (int i = 0; i < 2; i++)
        if (fixture->ends[i] >= 0)
            close(fixture->ends[i]);
}

/* Until nothing more happens by itself. */
static void run(struct fixture *fixture)
{
    for (int i = 0; i < 20; i++)
        ev_run(fixture->loop, EVRUN_NOWAIT);
}

static void shut(struct fixture *fixture, int end)
{
    close(fixture->ends[end]);
    fixture->ends[end] = -1;
}

static void expect(struct fixture *fixture, int end, const char *text)
{
    char found[64] = "";
    ssize_t n = recv(fixture->ends[end], found, sizeof(found) - 1, 0);

    assert_int_equal(n, strlen(text));
    assert_string_equal(found, text);
}

static void expect_end(struct fixture *fixture, int end)
{
    char byte;

    assert_int_equal(recv(fixture->ends[end], &byte, 1, 0), 0);
}

static void expect_nothing(struct fixture *fixture, int end)
{
    char byte;

    assert_int_equal(recv(fixture->ends[end], &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

static void say(struct fixture *fixture, int end, const char *text)
{
    assert_int_equal(send(fixture->ends[end], text, strlen(text), MSG_NOSIGNAL),
                     strlen(text));
}

/* The counts that the connection reports. */
static void expect_count(struct fixture *fixture, uint64_t up, uint64_t down)
{
    const struct direct *direct = list_first(&fixture->directs, struct direct, node);

    assert_string_equal(direct->destination, "example.org:80");
    assert_int_equal(direct->ways[0].bytes, up);
    assert_int_equal(direct->ways[1].bytes, down);
}

static void test_bytes_go_both_ways(void **state)
{
    struct fixture fixture;
    (void)state;

    begin(&fixture, NULL, 0);
    say(&fixture, 0, "request");
    run(&fixture);
    expect(&fixture, 1, "request");
    say(&fixture, 1, "answer");
    run(&fixture);
    expect(&fixture, 0, "answer");
    expect_count(&fixture, 7, 6);
    finish(&fixture);
}

static void test_early_bytes_go_first(void **state)
{
    struct fixture fixture;
    (void)state;

    begin(&fixture, "early,", 6);
    say(&fixture, 0, "late");
    run(&fixture);
    expect(&fixture, 1, "early,late");
    expect_count(&fixture, 10, 0);
    finish(&fixture);
}

/* Each direction ends by itself; with the second one all is gone. */
static void test_half_closes(void **state)
{
    struct fixture fixture;
    (void)state;

    begin(&fixture, NULL, 0);
    say(&fixture, 0, "last");
    assert_int_equal(shutdown(fixture.ends[0], SHUT_WR), 0);
    run(&fixture);
    expect(&fixture, 1, "last");
    expect_end(&fixture, 1);
    assert_false(list_empty(&fixture.directs));
    say(&fixture, 1, "answer");
    run(&fixture);
    expect(&fixture, 0, "answer");
    expect_nothing(&fixture, 0);
    assert_int_equal(shutdown(fixture.ends[1], SHUT_WR), 0);
    run(&fixture);
    expect_end(&fixture, 0);
    assert_true(list_empty(&fixture.directs));
    finish(&fixture);
}

/* Sends the pattern from `offset` on, as far as the sockets take it; returns how far that
 * is. */
static size_t send_pattern(struct fixture *fixture, int end, size_t offset)
{
    uint8_t bytes[8192];

    while (offset < LENGTH) {
        size_t length = MIN(sizeof(bytes), LENGTH - offset);
        ssize_t n;

        for (size_t i = 0; i < length; i++)
            bytes[i] = byte_at(offset + i);
        n = send(fixture->ends[end], bytes, length, MSG_NOSIGNAL);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            break;
        }
        offset += (size_t)n;
    }
    return offset;
}

static size_t receive_pattern(struct fixture *fixture, int end, size_t offset)
{
    uint8_t bytes[5000];
    ssize_t n = recv(fixture->ends[end], bytes, sizeof(bytes), 0);

    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], byte_at(offset + (size_t)i));
    return offset + (n > 0 ? (size_t)n : 0);
}

/* A reader that takes nothing stops the writer, after what the sockets hold and one read.
 */
static void test_a_slow_reader_holds_the_writer_back(void **state)
{
    for (int from = 0; from < 2; from++) {
        struct fixture fixture;
        size_t sent = 0, received = 0, before;
        const struct direct *direct;

        begin(&fixture, NULL, 0);
        do {
            before = sent;
            sent = send_pattern(&fixture, from, sent);
            run(&fixture);
        } while (sent > before);
        assert_true(sent < LENGTH);
        direct = list_first(&fixture.directs, struct direct, node);
        assert_in_range(direct->ways[from].length, 1, DIRECT_READ_SIZE);
        /* The other direction does not mind. */
        say(&fixture, 1 - from, "answer");
        run(&fixture);
        expect(&fixture, from, "answer");

        while (received < LENGTH) {
            sent = send_pattern(&fixture, from, sent);
            if (sent == LENGTH)
                (void)shutdown(fixture.ends[from], SHUT_WR);
            run(&fixture);
            received = receive_pattern(&fixture, 1 - from, received);
        }
        run(&fixture);
        expect_end(&fixture, 1 - from);
        finish(&fixture);
    }
    (void)state;
}

/* When one side takes no more bytes, both end, once the connection has lasted for a moment
 * (hangup.h). */
static void test_a_failure_ends_both(void **state)
{
    for (int gone = 0; gone < 2; gone++) {
        struct fixture fixture;

        begin(&fixture, NULL, 0);
        shut(&fixture, gone);
        run(&fixture);
        expect_end(&fixture, 1 - gone);
        while (!list_empty(&fixture.directs))
            ev_run(fixture.loop, EVRUN_ONCE);
        assert_int_equal(send(fixture.ends[1 - gone], "x", 1, MSG_NOSIGNAL), -1);
        finish(&fixture);
    }
    (void)state;
}

static void test_a_failure_while_bytes_wait(void **state)
{
    struct fixture fixture;
    size_t sent = 0, before;
    (void)state;

    begin(&fixture, NULL, 0);
    do {
        before = sent;
        sent = send_pattern(&fixture, 0, sent);
        run(&fixture);
    } while (sent > before);
    shut(&fixture, 1);
    run(&fixture);
    assert_true(list_empty(&fixture.directs));
    finish(&fixture);
}

static void test_abort(void **state)
{
    struct fixture fixture;
    (void)state;

    begin(&fixture, "early", 5);
    direct_abort(list_first(&fixture.directs, struct direct, node));
    assert_true(list_empty(&fixture.directs));
    for (int end = 0; end < 2; end++)
        expect_end(&fixture, end);
    finish(&fixture);
}

UNIT_MAIN(cmocka_unit_test(test_bytes_go_both_ways),
          cmocka_unit_test(test_early_bytes_go_first), cmocka_unit_test(test_half_closes),
          cmocka_unit_test(test_a_slow_reader_holds_the_writer_back),
          cmocka_unit_test(test_a_failure_ends_both),
          cmocka_unit_test(test_a_failure_while_bytes_wait), cmocka_unit_test(test_abort))
