/* SPDX-License-Identifier: MIT */
/* The plain sockets at both ends of a stream, with faults in their system calls. */
#include "faults.h"
#include "io_pair.h"

#include <splitsocks/io/clock.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH 300000

static struct io_pair pair;

static void reset(int fd)
{
    socket_close_reset(fd);
}

static bool has_failed(struct io_pair *p)
{
    return p->failed > 0;
}

static bool has_no_plain(struct io_pair *p)
{
    return list_empty(&p->plains);
}

/* The socket of the only plain at local. */
static int plain_fd(void)
{
    return list_first(&pair.plains, struct plain, node)->io.fd;
}

/* An application and a destination with an open stream between them. */
static void begin(int *app, int *destination)
{
    io_pair_begin(&pair, "");
    *app = io_pair_open(&pair, NULL);
    *destination = io_pair_accept(&pair);
}

static void finish(void)
{
    fault_clear();
    io_pair_end(&pair);
}

static void test_both_directions_and_their_ends(void **state)
{
    int app, destination;
    (void)state;

    begin(&app, &destination);
    io_pair_transfer(&pair, app, destination, LENGTH);
    io_pair_transfer(&pair, destination, app, LENGTH);
    assert_int_equal(shutdown(app, SHUT_WR), 0);
    assert_int_equal(io_pair_wait_end(&pair, destination), 0);
    io_pair_transfer(&pair, destination, app, 1000); /* the other direction goes on */
    assert_int_equal(shutdown(destination, SHUT_WR), 0);
    assert_int_equal(io_pair_wait_end(&pair, app), 0);
    io_pair_wait(&pair, has_no_plain);
    assert_int_equal(pair.failed, 0);
    close(app);
    close(destination);
    finish();
}

/* Bytes stay the same when a read or a write moves few of them, or none. */
static void test_short_and_interrupted_calls(void **state)
{
    static const int errors[] = {EAGAIN, EINTR};
    int app, destination;
    (void)state;

    begin(&app, &destination);
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        fault_fail(FAULT_READV, plain_fd(), 5, errors[i]);
        fault_fail(FAULT_SENDMSG, plain_fd(), 5, errors[i]);
        io_pair_transfer(&pair, app, destination, 5000);
        io_pair_transfer(&pair, destination, app, 5000);
        assert_int_equal(fault_left(FAULT_READV), 0);
        assert_int_equal(fault_left(FAULT_SENDMSG), 0);
    }
    fault_shorten(FAULT_READV, FAULT_ANY_FD, 1000);
    fault_shorten(FAULT_SENDMSG, FAULT_ANY_FD, 700);
    io_pair_transfer(&pair, app, destination, LENGTH);
    io_pair_transfer(&pair, destination, app, LENGTH);
    close(app);
    close(destination);
    finish();
}

/* A failure of the application's socket ends the stream at both ends, and nothing else. */
static void test_a_read_that_fails(void **state)
{
    static const int errors[] = {ECONNRESET, ETIMEDOUT, ENOBUFS};
    int app, destination, other, other_destination;
    (void)state;

    io_pair_begin(&pair, "");
    other = io_pair_open(&pair, NULL);
    other_destination = io_pair_accept(&pair);
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        app = io_pair_open(&pair, NULL);
        destination = io_pair_accept(&pair);
        fault_fail(FAULT_READV, list_entry(pair.plains.prev, struct plain, node)->io.fd, 1,
                   errors[i]);
        assert_int_equal(write(app, "x", 1), 1);
        assert_int_equal(io_pair_wait_end(&pair, destination), ECONNRESET);
        assert_int_equal(io_pair_wait_end(&pair, app), ECONNRESET);
        close(app);
        close(destination);
    }
    io_pair_transfer(&pair, other, other_destination, 1000);
    io_pair_transfer(&pair, other_destination, other, 1000);
    close(other);
    close(other_destination);
    finish();
}

static void test_a_write_that_fails(void **state)
{
    static const int errors[] = {EPIPE, ECONNRESET, ENOBUFS};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        int app, destination;

        begin(&app, &destination);
        fault_fail(FAULT_SENDMSG, plain_fd(), 1, errors[i]);
        assert_int_equal(write(destination, "x", 1), 1);
        assert_int_equal(io_pair_wait_end(&pair, app), ECONNRESET);
        assert_int_equal(io_pair_wait_end(&pair, destination), ECONNRESET);
        close(app);
        close(destination);
        finish();
    }
}

/* ---- a reset in each state ---- */

/* The application is gone before the relay has connected to the destination. */
static void test_the_application_resets_before_the_stream_is_open(void **state)
{
    int app;
    (void)state;

    io_pair_begin(&pair, "");
    app = io_pair_open(&pair, NULL);
    reset(app);
    io_pair_wait(&pair, has_no_plain);
    finish();
}

static void test_the_application_resets_an_idle_stream(void **state)
{
    int app, destination;
    (void)state;

    begin(&app, &destination);
    reset(app);
    assert_int_equal(io_pair_wait_end(&pair, destination), ECONNRESET);
    io_pair_wait(&pair, has_no_plain);
    close(destination);
    finish();
}

/* Nothing is read from it any more, so that only the set of hangups sees the reset. */
static void test_the_application_resets_after_its_end(void **state)
{
    int app, destination;
    (void)state;

    begin(&app, &destination);
    assert_int_equal(shutdown(app, SHUT_WR), 0);
    assert_int_equal(io_pair_wait_end(&pair, destination), 0);
    reset(app);
    io_pair_wait(&pair, has_no_plain);
    while (send(destination, "x", 1, MSG_NOSIGNAL) == 1)
        io_pair_turn(&pair);
    close(destination);
    finish();
}

static void test_the_destination_resets(void **state)
{
    int app, destination;
    (void)state;

    begin(&app, &destination);
    io_pair_transfer(&pair, destination, app, 1000);
    reset(destination);
    assert_int_equal(io_pair_wait_end(&pair, app), ECONNRESET);
    assert_int_equal(pair.failed, 1);
    assert_int_equal(pair.failed_code, RESET_CANCELLED);
    close(app);
    finish();
}

/* Writes until the flag of the plain at local is set, which a reader that takes nothing
 * leads to. */
static void fill(int fd, const bool *flag)
{
    static const uint8_t bytes[16384];

    while (!*flag) {
        assert_true(write(fd, bytes, sizeof(bytes)) > 0 || errno == EAGAIN);
        io_pair_turn(&pair);
    }
}

static void test_the_application_resets_while_it_is_full(void **state)
{
    int app, destination;
    (void)state;

    begin(&app, &destination);
    fill(destination, &list_first(&pair.plains, struct plain, node)->write_blocked);
    reset(app);
    assert_int_equal(io_pair_wait_end(&pair, destination), ECONNRESET);
    io_pair_wait(&pair, has_no_plain);
    close(destination);
    finish();
}

static void test_the_application_resets_while_the_session_is_full(void **state)
{
    int app, destination;
    (void)state;

    begin(&app, &destination);
    fill(app, &list_first(&pair.plains, struct plain, node)->read_blocked);
    reset(app);
    io_pair_wait(&pair, has_no_plain);
    assert_int_equal(io_pair_wait_end(&pair, destination), ECONNRESET);
    close(destination);
    finish();
}

/* ---- replies ---- */

static void test_the_reply_comes_before_data(void **state)
{
    int app, destination;
    (void)state;

    io_pair_begin(&pair, "");
    app = io_pair_open(&pair, io_pair_reply);
    assert_int_equal(write(app, "early", 5), 5); /* taken while the stream opens */
    destination = io_pair_accept(&pair);
    io_pair_expect_reply(&pair, app, true, RESET_CANCELLED);
    io_pair_transfer(&pair, destination, app, 1000);
    close(app);
    close(destination);
    finish();
}

static void test_the_reply_of_a_refusal(void **state)
{
    int app;
    (void)state;

    io_pair_begin(&pair, "");
    close(pair.destination);
    app = io_pair_open(&pair, io_pair_reply);
    io_pair_expect_reply(&pair, app, false, RESET_REFUSED);
    assert_int_equal(pair.failed_code, RESET_REFUSED);
    assert_int_equal(io_pair_wait_end(&pair, app), 0);
    close(app);
    pair.destination = -1;
    finish();
}

/* The reply must go out whole: else the application would take data for it. */
static void test_a_reply_that_does_not_fit(void **state)
{
    int app, destination;
    (void)state;

    io_pair_begin(&pair, "");
    app = io_pair_open(&pair, io_pair_reply);
    fault_shorten(FAULT_SEND, plain_fd(), 1);
    destination = io_pair_accept(&pair);
    assert_int_equal(io_pair_wait_end(&pair, app), ECONNRESET);
    assert_int_equal(io_pair_wait_end(&pair, destination), ECONNRESET);
    close(app);
    close(destination);
    finish();
}

/* The session ends, and its streams with it: each application learns that. */
static void test_the_session_ends(void **state)
{
    int app, destination;
    (void)state;

    begin(&app, &destination);
    session_close(pair.session, CLOSE_ASKED, NULL, clock_now());
    driver_touch(&pair.driver);
    io_pair_wait(&pair, has_failed);
    assert_int_equal(io_pair_wait_end(&pair, app), ECONNRESET);
    assert_int_equal(io_pair_wait_end(&pair, destination), ECONNRESET);
    close(app);
    close(destination);
    finish();
}

UNIT_MAIN(cmocka_unit_test(test_both_directions_and_their_ends),
          cmocka_unit_test(test_short_and_interrupted_calls),
          cmocka_unit_test(test_a_read_that_fails),
          cmocka_unit_test(test_a_write_that_fails),
          cmocka_unit_test(test_the_application_resets_before_the_stream_is_open),
          cmocka_unit_test(test_the_application_resets_an_idle_stream),
          cmocka_unit_test(test_the_application_resets_after_its_end),
          cmocka_unit_test(test_the_destination_resets),
          cmocka_unit_test(test_the_application_resets_while_it_is_full),
          cmocka_unit_test(test_the_application_resets_while_the_session_is_full),
          cmocka_unit_test(test_the_reply_comes_before_data),
          cmocka_unit_test(test_the_reply_of_a_refusal),
          cmocka_unit_test(test_a_reply_that_does_not_fit),
          cmocka_unit_test(test_the_session_ends))
