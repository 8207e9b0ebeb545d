/* SPDX-License-Identifier: MIT */
/* Peers that are gone while nothing is read or written, and keepalive. */
#include "addresses.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/hangup.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEPALIVE_SECONDS 300
#define ENDED_SECONDS 75
#define CROWD 150 /* more than two batches */

struct connection {
    struct hangup hangup; /* of `fd` */
    int fd, peer;
    int error;
};

static struct ev_loop *loop;
static struct hangup_set set;

static void on_gone(struct hangup *hangup, int error)
{
    struct connection *connection = container_of(hangup, struct connection, hangup);

    assert_int_equal(connection->error, 0); /* each is reported once */
    connection->error = error;
}

static void begin(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    hangup_set_init(&set, loop);
    hangup_set_keepalive(&set, KEEPALIVE_SECONDS * NS_PER_S);
}

static void end(void)
{
    hangup_set_deinit(&set);
    ev_run(loop, EVRUN_NOWAIT); /* no timer is left */
    ev_loop_destroy(loop);
}

static void open_connections(struct connection *connections, size_t count)
{
    const struct socket_listen_options options = {.subflows = false};
    struct address address = address_of("127.0.0.1");
    struct pollfd listener = {.events = POLLIN};

    assert_int_equal(socket_listen(&address, &options, &listener.fd), OK);
    socket_listen_at_once(listener.fd, true);
    address = socket_local_address(listener.fd);
    for (size_t i = 0; i < count; i++) {
        struct connection *connection = &connections[i];

        assert_int_equal(socket_connect(&address, NULL, &connection->peer), OK);
        assert_int_equal(poll(&listener, 1, 10000), 1);
        connection->fd = accept(listener.fd, NULL, NULL);
        assert_true(connection->fd >= 0);
        connection->error = 0;
        hangup_init(&connection->hangup, on_gone);
        hangup_watch(&set, &connection->hangup, connection->fd);
    }
    close(listener.fd);
}

static void close_connections(struct connection *connections, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hangup_unwatch(&set, &connections[i].hangup);
        hangup_unwatch(&set, &connections[i].hangup); /* twice is safe */
        close(connections[i].fd);
        if (connections[i].peer >= 0)
            close(connections[i].peer);
    }
}

static void reset_peer(struct connection *connection)
{
    socket_close_reset(connection->peer);
    connection->peer = -1;
}

/* Seconds without traffic after which probes begin; 0: never. */
static int keepalive_of(const struct connection *connection)
{
    int on = 0, idle = 0;
    socklen_t length = sizeof(on);

    assert_int_equal(getsockopt(connection->fd, SOL_SOCKET, SO_KEEPALIVE, &on, &length), 0);
    assert_int_equal(getsockopt(connection->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &length),
                     0);
    return on != 0 ? idle : 0;
}

static void run_until_settled(const struct connection *connection)
{
    while (list_linked(&connection->hangup.node))
        ev_run(loop, EVRUN_ONCE);
}

static void run_until_gone(const struct connection *connection)
{
    while (connection->error == 0)
        ev_run(loop, EVRUN_ONCE);
}

static void test_a_young_connection_is_left_alone(void **state)
{
    struct connection one;
    uint64_t began_at_ns = clock_now();
    (void)state;

    begin();
    open_connections(&one, 1);
    assert_int_equal(keepalive_of(&one), 0);
    run_until_settled(&one);
    assert_true(clock_now() - began_at_ns >= HANGUP_YOUNG_NS);
    assert_int_equal(keepalive_of(&one), KEEPALIVE_SECONDS);
    close_connections(&one, 1);
    end();
}

static void test_resets_are_noticed(void **state)
{
    struct connection two[2];
    (void)state;

    begin();
    open_connections(two, 2);
    reset_peer(&two[0]); /* while it is young */
    run_until_gone(&two[0]);
    assert_int_equal(two[0].error, ECONNRESET);
    assert_int_equal(two[1].error, 0);
    reset_peer(&two[1]);
    run_until_gone(&two[1]);
    assert_int_equal(two[1].error, ECONNRESET);
    close_connections(two, 2);
    end();
}

/* The memory may be used again, so nothing may come of it. */
static void test_unwatched_connections_are_not_reported(void **state)
{
    struct connection three[3];
    (void)state;

    begin();
    open_connections(three, 3);
    hangup_unwatch(&set, &three[0].hangup); /* while it is young */
    run_until_settled(&three[1]);
    hangup_unwatch(&set, &three[1].hangup);
    run_until_settled(&three[2]);
    for (int i = 0; i < 3; i++)
        reset_peer(&three[i]);
    run_until_gone(&three[2]);
    assert_int_equal(three[0].error, 0);
    assert_int_equal(three[1].error, 0);
    close_connections(three, 3);
    end();
}

static void test_a_peer_that_has_ended_is_asked_sooner(void **state)
{
    struct connection two[2];
    (void)state;

    begin();
    open_connections(two, 2);
    hangup_note_ended(&set, &two[0].hangup); /* while it is young */
    assert_int_equal(keepalive_of(&two[0]), 0);
    run_until_settled(&two[1]);
    assert_int_equal(keepalive_of(&two[0]), ENDED_SECONDS);
    assert_int_equal(keepalive_of(&two[1]), KEEPALIVE_SECONDS);
    hangup_note_ended(&set, &two[1].hangup);
    assert_int_equal(keepalive_of(&two[1]), ENDED_SECONDS);
    close_connections(two, 2);
    end();
}

static void test_without_keepalive(void **state)
{
    struct connection one;
    (void)state;

    begin();
    hangup_set_keepalive(&set, 0);
    open_connections(&one, 1);
    run_until_settled(&one);
    hangup_note_ended(&set, &one.hangup);
    assert_int_equal(keepalive_of(&one), 0);
    reset_peer(&one);
    run_until_gone(&one);
    close_connections(&one, 1);
    end();
}

/* Many that were opened at once are watched in batches, lest they hold up the loop. */
static void test_a_crowd(void **state)
{
    static struct connection crowd[CROWD];
    size_t most = 0, settled = 0;
    (void)state;

    begin();
    open_connections(crowd, CROWD);
    while (settled < CROWD) {
        size_t before = settled;

        ev_run(loop, EVRUN_ONCE);
        while (settled < CROWD && !list_linked(&crowd[settled].hangup.node))
            settled++;
        most = MAX(most, settled - before);
    }
    assert_in_range(most, 1, CROWD - 1);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(keepalive_of(&crowd[i]), KEEPALIVE_SECONDS);
    close_connections(crowd, CROWD);
    end();
}

UNIT_MAIN(cmocka_unit_test(test_a_young_connection_is_left_alone),
          cmocka_unit_test(test_resets_are_noticed),
          cmocka_unit_test(test_unwatched_connections_are_not_reported),
          cmocka_unit_test(test_a_peer_that_has_ended_is_asked_sooner),
          cmocka_unit_test(test_without_keepalive), cmocka_unit_test(test_a_crowd))
