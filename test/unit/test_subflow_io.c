/* SPDX-License-Identifier: MIT */
/* The sockets of subflows, with faults in their system calls and ends in each state. */
#include "faults.h"
#include "io_pair.h"

#include <splitsocks/io/clock.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH 300000

static struct io_pair pair;
static int app, destination;

/* The clock goes on by so much whenever somebody looks. */
static uint64_t step_ns;

uint64_t __real_clock_now(void);
uint64_t __wrap_clock_now(void);
uint64_t __wrap_clock_now(void)
{
    static uint64_t added_ns;

    added_ns += step_ns;
    return __real_clock_now() + added_ns;
}

/* Bytes that the relay's session has taken in an iteration of the loop. */
static struct {
    unsigned iteration;
    size_t taken, most;
    unsigned close_after; /* calls; 0: the session is not closed */
} relay;

size_t __real_session_receive(struct session *session, struct subflow *subflow,
                              uint8_t *bytes, size_t length,
                              enum session_received *received, uint64_t now);
size_t __wrap_session_receive(struct session *session, struct subflow *subflow,
                              uint8_t *bytes, size_t length,
                              enum session_received *received, uint64_t now);
size_t __wrap_session_receive(struct session *session, struct subflow *subflow,
                              uint8_t *bytes, size_t length,
                              enum session_received *received, uint64_t now)
{
    size_t used;

    if (session != pair.session && relay.close_after > 0 && --relay.close_after == 0)
        session_close(session, CLOSE_LIMIT, "by the test", now);
    used = __real_session_receive(session, subflow, bytes, length, received, now);
    if (session == pair.session)
        return used;
    if (relay.iteration != ev_iteration(pair.loop))
        relay.taken = 0;
    relay.iteration = ev_iteration(pair.loop);
    relay.taken += used;
    relay.most = MAX(relay.most, relay.taken);
    return used;
}

/* A stream that is open. */
static void begin(void)
{
    io_pair_begin(&pair, "");
    app = io_pair_open(&pair, NULL);
    destination = io_pair_accept(&pair);
    io_pair_wait(&pair, io_pair_is_up);
}

static void finish(void)
{
    fault_clear();
    close(app);
    close(destination);
    io_pair_end(&pair);
}

/* Whatever was done to connections: the stream has lost nothing, both ways. */
static void expect_stream(void)
{
    io_pair_transfer(&pair, app, destination, LENGTH);
    io_pair_transfer(&pair, destination, app, LENGTH);
    assert_int_equal(pair.failed, 0);
}

static bool has_other_dial(struct io_pair *p)
{
    return p->dials_good > 1;
}

static bool has_bad_dial(struct io_pair *p)
{
    return p->dials_bad > 0;
}

static bool has_unproven(struct io_pair *p)
{
    return p->unproven > 0;
}

static void test_short_and_interrupted_calls(void **state)
{
    static const int errors[] = {EAGAIN, EINTR};
    int fd;
    (void)state;

    begin();
    fd = io_pair_subflow(&pair, SUBFLOW_IO_OPEN);
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        fault_fail(FAULT_SEND, FAULT_ANY_FD, 5, errors[i]);
        fault_fail(FAULT_RECV, FAULT_ANY_FD, 5, errors[i]);
        expect_stream();
        assert_int_equal(fault_left(FAULT_SEND), 0);
        assert_int_equal(fault_left(FAULT_RECV), 0);
        /* The connection has survived all of them. */
        assert_int_equal(io_pair_subflow(&pair, SUBFLOW_IO_OPEN), fd);
    }
    fault_shorten(FAULT_SEND, FAULT_ANY_FD, 5000);
    fault_shorten(FAULT_RECV, FAULT_ANY_FD, 3000);
    expect_stream();
    finish();
}

/* A chunk may come byte by byte. */
static void test_chunks_in_pieces(void **state)
{
    (void)state;

    begin();
    fault_shorten(FAULT_RECV, FAULT_ANY_FD, 1);
    io_pair_transfer(&pair, app, destination, 1000);
    io_pair_transfer(&pair, destination, app, 1000);
    finish();
}

/* As much as the relay takes before it looks at the clock. */
#define PART_MOST (SESSION_FRAMES_AT_ONCE * IO_PAIR_CHUNK_SIZE)

/* Frames that take the relay long: it leaves the rest to the next iterations, in order. */
static void test_a_read_that_takes_long(void **state)
{
    (void)state;

    begin();
    relay.most = 0;
    /* On a busy machine a read may take long by itself, though not each one. */
    for (unsigned i = 0; i < 100 && relay.most <= 2 * PART_MOST; i++)
        expect_stream();
    assert_true(relay.most > 2 * PART_MOST);
    /* A part that was left, and another one of a new read. */
    step_ns = TURN_FRAMES_NS;
    relay.most = 0;
    expect_stream();
    assert_in_range(relay.most, 1, 2 * PART_MOST);
    step_ns = 0;
    finish();
}

/* Two subflows of a client are not left half-way at once, and one that ends is forgotten.
 */
static void test_reads_that_take_long_and_end(void **state)
{
    (void)state;

    begin();
    step_ns = TURN_FRAMES_NS;
    for (unsigned i = 0; i < 20; i++) {
        io_pair_transfer(&pair, app, destination, LENGTH);
        fault_fail(FAULT_SEND, FAULT_ANY_FD, 1, ECONNRESET);
    }
    step_ns = 0;
    expect_stream();
    finish();
}

static bool is_over(struct io_pair *p)
{
    static const uint8_t bytes[LENGTH];

    (void)!send(app, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
    return p->session == NULL;
}

/* What it has left half-way is forgotten, however long it was. */
static void test_a_session_that_ends_half_way(void **state)
{
    (void)state;

    for (unsigned calls = 2; calls < 8; calls++) {
        begin();
        step_ns = TURN_FRAMES_NS;
        relay.close_after = calls;
        io_pair_wait(&pair, is_over);
        assert_int_equal(pair.ended_code, CLOSE_LIMIT);
        step_ns = 0;
        finish();
    }
}

/* The bytes that failed to go out go over another connection. */
static void test_a_write_that_fails(void **state)
{
    static const int errors[] = {ENOBUFS, EPIPE, ECONNRESET};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        begin();
        fault_fail(FAULT_SEND, io_pair_subflow(&pair, SUBFLOW_IO_OPEN), 1, errors[i]);
        expect_stream();
        assert_int_equal(fault_left(FAULT_SEND), 0);
        io_pair_wait(&pair, has_other_dial);
        finish();
    }
}

static void test_a_read_that_fails(void **state)
{
    static const int errors[] = {ENOBUFS, ECONNRESET, ETIMEDOUT};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        begin();
        fault_fail(FAULT_RECV, io_pair_subflow(&pair, SUBFLOW_IO_OPEN), 1, errors[i]);
        expect_stream();
        assert_int_equal(fault_left(FAULT_RECV), 0);
        io_pair_wait(&pair, has_other_dial);
        finish();
    }
}

/* What the relay sent before is read after a write has failed: the state ENDING. */
static void test_a_write_that_fails_with_bytes_to_read(void **state)
{
    uint8_t byte;
    (void)state;

    begin();
    /* Local's loop does not run between these: both meet in its next turn. */
    fault_fail(FAULT_SEND, io_pair_subflow(&pair, SUBFLOW_IO_OPEN), 1, EPIPE);
    assert_int_equal(write(destination, "d", 1), 1);
    assert_int_equal(write(app, "u", 1), 1);
    ev_timer_again(pair.loop, &pair.patience);
    while (read(app, &byte, 1) != 1)
        io_pair_turn(&pair);
    assert_int_equal(byte, 'd');
    while (read(destination, &byte, 1) != 1)
        io_pair_turn(&pair);
    assert_int_equal(byte, 'u');
    finish();
}

/* ---- dialling ---- */

/* The process has no descriptor left for a moment. */
static void test_no_descriptors(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        io_pair_begin(&pair, "");
        app = io_pair_open(&pair, NULL);
        fault_fail(FAULT_SOCKET, FAULT_ANY_FD, 2, errors[i]);
        io_pair_wait(&pair, has_bad_dial);
        assert_int_equal(pair.dial_error, errors[i]);
        destination = io_pair_accept(&pair);
        expect_stream();
        finish();
    }
}

/* The stream waits for a relay that comes later. */
static void test_nobody_listens(void **state)
{
    struct address there;
    (void)state;

    io_pair_begin(&pair, "");
    there = pair.relay_at;
    pair.relay_at = endpoint_of("127.0.0.1", 1);
    app = io_pair_open(&pair, NULL);
    io_pair_wait(&pair, has_bad_dial);
    assert_int_equal(pair.dial_error, ECONNREFUSED);
    pair.relay_at = there;
    destination = io_pair_accept(&pair);
    expect_stream();
    finish();
}

/* ---- somebody else in the relay's place ---- */

/* Ends a connection, or answers it. */
typedef void stranger(int fd);

static void shut_orderly(int fd)
{
    uint8_t bytes[4096];

    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        continue;
    close(fd);
}

static void say_part_of_a_chunk(int fd)
{
    assert_int_equal(write(fd, "\x20", 1), 1);
    shut_orderly(fd);
}

static void say_nonsense(int fd)
{
    static const uint8_t bytes[1000] = {0x00, 0x40};

    assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
}

/* Takes the first connection, lets the stranger act, and gives the relay's place back. */
static void meet(stranger *act, enum unproven how)
{
    const struct socket_listen_options options = {.at_once = true};
    struct address there, address = address_of("127.0.0.1");
    int listener, fd;

    assert_int_equal(socket_listen(&address, &options, &listener), OK);
    io_pair_begin(&pair, "");
    there = pair.relay_at;
    pair.relay_at = socket_local_address(listener);
    app = io_pair_open(&pair, NULL);
    while (io_pair_subflow(&pair, SUBFLOW_IO_OPEN) < 0)
        io_pair_turn(&pair);
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    act(fd);
    io_pair_wait(&pair, has_unproven);
    assert_int_equal(pair.unproven_how, how);
    pair.relay_at = there;
    close(listener);
    destination = io_pair_accept(&pair);
    expect_stream();
    finish();
}

static void test_a_stranger_closes(void **state)
{
    (void)state;
    meet(shut_orderly, UNPROVEN_CLOSED);
}

static void test_a_stranger_resets(void **state)
{
    (void)state;
    meet(socket_close_reset, UNPROVEN_CLOSED);
}

static void test_a_stranger_begins_a_chunk(void **state)
{
    (void)state;
    meet(say_part_of_a_chunk, UNPROVEN_STRANGE);
}

static void test_a_stranger_answers(void **state)
{
    (void)state;
    meet(say_nonsense, UNPROVEN_STRANGE);
}

/* ---- the relay ends connections ---- */

/* The relay is gone for good: connections end, and the session waits. */
static void test_the_relay_is_gone(void **state)
{
    (void)state;

    begin();
    pair.dials_good = 0;
    pair.relay_at = endpoint_of("127.0.0.1", 1);
    io_pair_stop_relay(&pair);
    io_pair_wait(&pair, has_bad_dial);
    assert_non_null(pair.session);
    finish();
}

UNIT_MAIN(
    cmocka_unit_test(test_short_and_interrupted_calls),
    cmocka_unit_test(test_chunks_in_pieces), cmocka_unit_test(test_a_read_that_takes_long),
    cmocka_unit_test(test_reads_that_take_long_and_end),
    cmocka_unit_test(test_a_session_that_ends_half_way),
    cmocka_unit_test(test_a_write_that_fails), cmocka_unit_test(test_a_read_that_fails),
    cmocka_unit_test(test_a_write_that_fails_with_bytes_to_read),
    cmocka_unit_test(test_no_descriptors), cmocka_unit_test(test_nobody_listens),
    cmocka_unit_test(test_a_stranger_closes), cmocka_unit_test(test_a_stranger_resets),
    cmocka_unit_test(test_a_stranger_begins_a_chunk),
    cmocka_unit_test(test_a_stranger_answers), cmocka_unit_test(test_the_relay_is_gone))
