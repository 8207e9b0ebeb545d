/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

static int get_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static void wait_writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
}

static int accept_one(int listener)
{
    struct pollfd poll_fd = {.fd = listener, .events = POLLIN};

    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void test_addresses_survive_conversion(void **state)
{
    static const char *const texts[] = {"192.0.2.1", "0.0.0.0", "::", "2001:db8::1:2"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct address address = endpoint_of(texts[i], 65535), back;
        struct sockaddr_storage storage;
        socklen_t length = socket_address_put(&address, &storage);

        assert_true(length <= sizeof(storage));
        back = socket_address_get((struct sockaddr *)&storage);
        assert_true(address_equal(&address, &back));
    }
    struct sockaddr other = {.sa_family = AF_UNIX};

    assert_int_equal(socket_address_get(&other).family, ADDRESS_NONE);
}

static void test_loopback(void **state)
{
    struct address a = endpoint_of("127.200.0.1", 1), b = endpoint_of("::1", 1),
                   c = endpoint_of("128.0.0.1", 1), d = endpoint_of("::2", 1),
                   e = endpoint_of("::ffff:127.0.0.1", 1);
    (void)state;

    assert_true(address_is_loopback(&a));
    assert_true(address_is_loopback(&b));
    assert_false(address_is_loopback(&c));
    assert_false(address_is_loopback(&d));
    assert_true(address_is_loopback(&e));
}

static void test_subflow_options_on_both_ends(void **state)
{
    const struct socket_listen_options listen = {.subflows = true,
                                                 .congestion_control = "reno"};
    const struct socket_connect_options options = {.subflow = true,
                                                   .interface = "lo",
                                                   .source = endpoint_of("127.0.0.2", 0),
                                                   .congestion_control = "reno"};
    struct address to = endpoint_of("127.0.0.1", 0), from;
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    char name[16];
    int listener, client, server;
    (void)state;

    assert_int_equal(socket_listen(&to, &listen, &listener), OK);
    to = socket_local_address(listener);
    assert_int_not_equal(to.port, 0);
    assert_int_equal(socket_connect(&to, &options, &client), OK);
    wait_writable(client);
    assert_int_equal(socket_outcome(client), 0);
    assert_int_equal(write(client, "x", 1), 1); /* accepted once bytes are there */
    server = accept_one(listener);
    assert_true(server >= 0);
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? client : server;
        socklen_t size = sizeof(name);

        assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT),
                         SOCKET_NOTSENT_LOWAT);
        assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT),
                         SOCKET_USER_TIMEOUT_MS);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
        assert_string_equal(name, "reno");
    }
    assert_int_equal(getpeername(server, (struct sockaddr *)&peer, &length), 0);
    from = socket_address_get((struct sockaddr *)&peer);
    assert_int_equal(from.bytes[3], 2);
    socket_close_reset(client);
    assert_int_equal(read(server, name, 1), 1); /* sent before the reset */
    assert_int_equal(read(server, name, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(server);
    close(listener);
}

/* A client may wait for the other side to speak first. */
static void test_a_listener_waits_for_bytes_or_not(void **state)
{
    (void)state;

    for (int at_once = 0; at_once < 2; at_once++) {
        const struct socket_listen_options options = {.at_once = at_once};
        struct address to = endpoint_of("127.0.0.1", 0);
        int listener;

        assert_int_equal(socket_listen(&to, &options, &listener), OK);
        assert_true((get_option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT) == 0) == at_once);
        socket_listen_at_once(listener, !at_once);
        assert_true((get_option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT) != 0) == at_once);
        close(listener);
    }
}

static void test_what_the_kernel_would_do(void **state)
{
    struct address loopback = endpoint_of("127.0.0.1", 80),
                   all_of_it = endpoint_of("127.9.9.9", 0),
                   foreign = endpoint_of("192.0.2.77", 0), source;
    (void)state;

    assert_true(socket_address_is_local(&loopback));
    assert_true(socket_address_is_local(&all_of_it));
    assert_false(socket_address_is_local(&foreign));
    source = socket_source_to(&loopback);
    assert_int_equal(source.family, ADDRESS_IPV4);
    assert_true(address_is_loopback(&source));
    assert_int_equal(source.port, 0);
}

static void test_failures_name_their_reason(void **state)
{
    const struct socket_connect_options no_interface = {.interface = "nosuch0"};
    const struct socket_connect_options no_source = {.source =
                                                         endpoint_of("192.0.2.77", 0)};
    const struct socket_connect_options no_control = {.subflow = true,
                                                      .congestion_control = "nosuch"};
    const struct socket_listen_options plain = {.subflows = false};
    struct address to = endpoint_of("127.0.0.1", 0);
    int listener, second, fd;
    (void)state;

    assert_int_equal(socket_listen(&to, &plain, &listener), OK);
    to = socket_local_address(listener);
    assert_int_equal(socket_listen(&to, &plain, &second), ERROR_SYSTEM);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(second, -1);
    assert_int_equal(socket_connect(&to, &no_interface, &fd), ERROR_SYSTEM);
    assert_int_equal(errno, ENODEV);
    assert_int_equal(socket_connect(&to, &no_source, &fd), ERROR_SYSTEM);
    assert_int_equal(errno, EADDRNOTAVAIL);
    /* A congestion control is a wish. */
    assert_int_equal(socket_connect(&to, &no_control, &fd), OK);
    close(fd);
    close(listener);
    assert_int_equal(socket_connect(&to, NULL, &fd), OK);
    wait_writable(fd);
    assert_int_equal(socket_outcome(fd), ECONNREFUSED);
    close(fd);
}

static void test_what_the_kernel_knows(void **state)
{
    static uint8_t data[1 << 20];
    const struct socket_listen_options plain = {.subflows = false};
    struct address to = endpoint_of("127.0.0.1", 0);
    struct socket_info info;
    int listener, client;
    (void)state;

    assert_int_equal(socket_listen(&to, &plain, &listener), OK);
    to = socket_local_address(listener);
    assert_int_equal(socket_connect(&to, NULL, &client), OK);
    wait_writable(client);
    assert_int_equal(socket_outcome(client), 0);
    while (write(client, data, sizeof(data)) > 0)
        ;
    info = socket_info_get(client);
    assert_true(info.srtt_ns > 0);
    assert_true(info.rate > 0);
    assert_true(info.queued_bytes > 0);
    assert_true(socket_unsent_bytes(client) > 0);
    assert_true(socket_unsent_bytes(client) <= info.queued_bytes);
    assert_true(info.flying_bytes + info.unsent_bytes <= info.queued_bytes);
    close(client);
    close(listener);
    info = socket_info_get(-1);
    assert_int_equal(info.srtt_ns, 0);
    assert_int_equal(info.queued_bytes, 0);
    assert_true(info.silent_for_ns == TIME_NEVER); /* which says nothing, not "just now" */
}

static void test_clocks_and_random(void **state)
{
    uint64_t before = clock_now();
    uint8_t a[64] = {0}, b[64] = {0};
    (void)state;

    assert_true(clock_now() >= before);
    assert_true(clock_wall() > UINT64_C(1600000000) * NS_PER_S);
    random_fill(a, sizeof(a));
    random_fill(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

UNIT_MAIN(cmocka_unit_test(test_addresses_survive_conversion),
          cmocka_unit_test(test_loopback),
          cmocka_unit_test(test_subflow_options_on_both_ends),
          cmocka_unit_test(test_a_listener_waits_for_bytes_or_not),
          cmocka_unit_test(test_what_the_kernel_would_do),
          cmocka_unit_test(test_failures_name_their_reason),
          cmocka_unit_test(test_what_the_kernel_knows),
          cmocka_unit_test(test_clocks_and_random))
