/* SPDX-License-Identifier: MIT */
/* The listener, and the connections that are closed with a last message. */
#include "addresses.h"

#include <splitsocks/app/notify.h>
#include <splitsocks/io/farewell.h>
#include <splitsocks/io/listener.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/io/worker.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 100

struct accepted {
    int fds[CLIENTS];
    size_t count;
};

static bool on_accept(void *context, int fd, const struct address *peer)
{
    struct accepted *accepted = context;

    assert_int_equal(peer->family, ADDRESS_IPV4);
    assert_int_not_equal(peer->port, 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(accepted->count < CLIENTS);
    accepted->fds[accepted->count++] = fd;
    return true;
}

static int listen_somewhere(struct address *address)
{
    const struct socket_listen_options options = {.subflows = false};
    int fd;

    *address = address_of("127.0.0.1");
    assert_int_equal(socket_listen(address, &options, &fd), OK);
    *address = socket_local_address(fd);
    return fd;
}

/* Connected, and with a byte sent, as a deferring listener wants it. */
static int connect_to(const struct address *address)
{
    struct pollfd poll_fd = {.events = POLLOUT};

    assert_int_equal(socket_connect(address, NULL, &poll_fd.fd), OK);
    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
    assert_int_equal(write(poll_fd.fd, "x", 1), 1);
    return poll_fd.fd;
}

static void run_until(struct ev_loop *loop, const struct accepted *accepted, size_t count)
{
    while (accepted->count < count)
        ev_run(loop, EVRUN_ONCE);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void test_all_are_accepted(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct listener listener = {.loop = NULL};
    struct accepted accepted = {.count = 0};
    struct address address;
    int clients[CLIENTS], fd = listen_somewhere(&address);
    (void)state;

    listener_deinit(&listener); /* zeroed */
    listener_init(&listener, loop, fd, DESCRIPTOR_CLIENT, on_accept, &accepted);
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = connect_to(&address);
    run_until(loop, &accepted, CLIENTS);
    listener_deinit(&listener);
    ev_run(loop, 0); /* nothing is left to wait for */
    close_all(clients, CLIENTS);
    close_all(accepted.fds, CLIENTS);
    close(fd);
    ev_loop_destroy(loop);
}

/* Out of descriptors, connections wait in the kernel; nobody is lost, and the loop does
 * not spin meanwhile. */
static void test_out_of_descriptors(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct accepted accepted = {.count = 0};
    struct listener listener;
    struct address address;
    struct rlimit limit, low;
    int fd = listen_somewhere(&address), client = connect_to(&address), late;
    unsigned turns = 0;
    (void)state;

    listener_init(&listener, loop, fd, DESCRIPTOR_CLIENT, on_accept, &accepted);
    ev_run(loop, EVRUN_NOWAIT); /* the loop's own descriptors are open */
    close_all(accepted.fds, accepted.count);
    accepted.count = 0;
    close(client);
    client = connect_to(&address);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)client + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (double end = ev_time() + 0.35; ev_time() < end; turns++)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(accepted.count, 0);
    assert_true(turns < 20);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    /* valgrind, which keeps the limit itself, loses the first: so there is a second. */
    late = connect_to(&address);
    run_until(loop, &accepted, 1);
    listener_deinit(&listener);
    close_all(accepted.fds, accepted.count);
    close(client);
    close(late);
    close(fd);
    ev_loop_destroy(loop);
}

/* The message arrives although the peer was still sending. */
static void test_farewell(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct worker worker;
    char bytes[64 * 1024] = {0}, answer[16];
    int pair[2];
    (void)state;

    assert_int_equal(worker_init(&worker, loop, 1 << 20, NS_PER_S), OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_true(write(pair[1], bytes, sizeof(bytes)) > 0);
    farewell(&worker, pair[0], (const uint8_t *)"bye", 3);
    for (int i = 0; i < 10; i++)
        ev_run(loop, EVRUN_NOWAIT);
    assert_true(write(pair[1], bytes, 100) > 0); /* it still reads */
    assert_int_equal(read(pair[1], answer, sizeof(answer)), 3);
    assert_memory_equal(answer, "bye", 3);
    assert_int_equal(read(pair[1], answer, sizeof(answer)), 0);
    close(pair[1]);
    while (!list_empty(&worker.leavers))
        ev_run(loop, EVRUN_ONCE);
    worker_deinit(&worker);
    ev_loop_destroy(loop);
}

static void test_silent_farewell_says_nothing(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct worker worker;
    char byte;
    int pair[2];
    (void)state;

    assert_int_equal(worker_init(&worker, loop, 1 << 20, NS_PER_S), OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    farewell_silent(&worker, pair[0], 0.2);
    assert_int_equal(write(pair[1], "x", 1), 1);
    ev_run(loop, EVRUN_ONCE);
    assert_int_equal(read(pair[1], &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(write(pair[1], "x", 1), 1);
    while (!list_empty(&worker.leavers))
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(read(pair[1], &byte, 1), 0); /* closed in order: all was read */
    close(pair[1]);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    farewell_silent(&worker, pair[0], 1000.);
    worker_deinit(&worker); /* cuts it */
    assert_int_equal(read(pair[1], &byte, 1), 0);
    close(pair[1]);
    ev_loop_destroy(loop);
}

static void test_service_manager_is_told(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[64], name[64];
    socklen_t length;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)state;

    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1"); /* nobody to tell */
    snprintf(name, sizeof(name), "@splitsocks-test-%d", (int)getpid());
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    notify_send("READY=1");
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 7);
    assert_memory_equal(text, "READY=1", 7);
    close(fd);
}

UNIT_MAIN(cmocka_unit_test(test_all_are_accepted),
          cmocka_unit_test(test_out_of_descriptors), cmocka_unit_test(test_farewell),
          cmocka_unit_test(test_silent_farewell_says_nothing),
          cmocka_unit_test(test_service_manager_is_told))
