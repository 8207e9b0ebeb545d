/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/io/datagram_socket.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct datagram_socket_options plain = {.class = DESCRIPTOR_CLIENT};
static const struct datagram_socket_options telling = {.destinations = true,
                                                       .class = DESCRIPTOR_CLIENT};

static struct datagram_socket open_at(const char *text,
                                      const struct datagram_socket_options *options)
{
    struct address address = endpoint_of(text, 0);
    struct datagram_socket socket;

    assert_int_equal(datagram_socket_open(&socket, &address, options), OK);
    return socket;
}

static struct address address_at(const struct datagram_socket *socket)
{
    return socket_local_address(socket->fd);
}

static void send_one(const struct datagram_socket *socket, struct datagram_batch *batch,
                     const struct address *peer, const struct address *local,
                     const void *bytes, size_t length)
{
    memcpy(datagram_socket_put(socket, batch, peer, local, length), bytes, length);
    assert_int_equal(datagram_batch_flush(batch), 0);
}

/* Waits until datagrams are there. */
static size_t receive(const struct datagram_socket *socket, struct datagram_batch *batch)
{
    struct pollfd poll_fd = {.fd = socket->fd, .events = POLLIN};

    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
    return datagram_socket_receive(socket, batch, DATAGRAM_BATCH);
}

static bool same_host(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void check_sizes(const char *text)
{
    static const size_t sizes[] = {0, 1, 1472, 1473, 9000, DATAGRAM_BYTES_MAX};
    static uint8_t bytes[DATAGRAM_BYTES_MAX];
    struct datagram_socket one = open_at(text, &plain), other = open_at(text, &plain);
    struct address from = address_at(&one), to = address_at(&other);
    struct datagram_batch *batch = datagram_batch_new();

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        const struct datagram_in *in;

        send_one(&one, batch, &to, NULL, bytes, sizes[i]);
        assert_int_equal(receive(&other, batch), 1);
        in = datagram_batch_at(batch, 0);
        assert_int_equal(in->length, sizes[i]);
        assert_memory_equal(in->bytes, bytes, sizes[i]);
        assert_true(address_equal(&in->peer, &from));
        assert_int_equal(in->local.family, ADDRESS_NONE);
    }
    assert_int_equal(datagram_socket_receive(&other, batch, DATAGRAM_BATCH), 0);
    datagram_socket_close(&one);
    datagram_socket_close(&other);
    datagram_batch_free(batch);
}

static void test_sizes(void **state)
{
    (void)state;

    check_sizes("127.0.0.1");
    check_sizes("::1");
}

/* It is received whole, so that its reader can count it as too long. */
static void test_the_longest_of_ipv6(void **state)
{
    static uint8_t bytes[65527];
    struct datagram_socket one = open_at("::1", &plain), other = open_at("::1", &plain);
    struct address to = address_at(&other);
    struct datagram_batch *batch = datagram_batch_new();
    (void)state;

    assert_int_equal(datagram_socket_send(&one, &to, bytes, sizeof(bytes)), OK);
    assert_int_equal(receive(&other, batch), 1);
    assert_int_equal(datagram_batch_at(batch, 0)->length, sizeof(bytes));
    assert_true(sizeof(bytes) > DATAGRAM_BYTES_MAX);
    datagram_socket_close(&one);
    datagram_socket_close(&other);
    datagram_batch_free(batch);
}

static void test_batches(void **state)
{
    enum { COUNT = DATAGRAM_BATCH + 8 };
    struct datagram_socket one = open_at("127.0.0.1", &plain),
                           other = open_at("127.0.0.1", &plain);
    struct address to = address_at(&other);
    struct datagram_batch *batch = datagram_batch_new();
    uint8_t next = 0;
    (void)state;

    for (uint8_t i = 0; i < COUNT; i++)
        *datagram_socket_put(&one, batch, &to, NULL, 1) = i;
    assert_int_equal(datagram_batch_flush(batch), 0);
    assert_int_equal(receive(&other, batch), DATAGRAM_BATCH);
    for (size_t i = 0; i < DATAGRAM_BATCH; i++)
        assert_int_equal(*datagram_batch_at(batch, i)->bytes, next++);
    assert_int_equal(receive(&other, batch), COUNT - DATAGRAM_BATCH);
    for (size_t i = 0; i < COUNT - DATAGRAM_BATCH; i++)
        assert_int_equal(*datagram_batch_at(batch, i)->bytes, next++);
    datagram_socket_close(&one);
    datagram_socket_close(&other);
    datagram_batch_free(batch);
}

/* More bytes than a batch holds are sent in several. */
static void test_large_batches(void **state)
{
    struct datagram_socket one = open_at("127.0.0.1", &plain),
                           other = open_at("127.0.0.1", &plain);
    struct address to = address_at(&other);
    struct datagram_batch *batch = datagram_batch_new();
    (void)state;

    for (uint8_t i = 0; i < 6; i++) {
        memset(datagram_socket_put(&one, batch, &to, NULL, 60000), i, 60000);
        if (i % 2 == 0)
            continue;
        /* The receiver's buffer has room for a few of them at a time. */
        assert_int_equal(datagram_batch_flush(batch), 0);
        assert_int_equal(receive(&other, batch), 2);
        assert_int_equal(datagram_batch_at(batch, 1)->bytes[59999], i);
    }
    datagram_socket_close(&one);
    datagram_socket_close(&other);
    datagram_batch_free(batch);
}

/* The server tells at which of its addresses `to` a datagram came, and answers from there.
 * Closes both sockets. */
static void check_answer(struct datagram_socket *server, struct datagram_socket *peer,
                         const struct address *to)
{
    struct datagram_batch *batch = datagram_batch_new();
    struct address from = address_at(peer), local;
    const struct datagram_in *in;

    send_one(peer, batch, to, NULL, "x", 1);
    assert_int_equal(receive(server, batch), 1);
    in = datagram_batch_at(batch, 0);
    assert_true(same_host(&in->local, to));
    assert_true(address_equal(&in->peer, &from));
    local = in->local;
    send_one(server, batch, &from, &local, "y", 1);
    assert_int_equal(receive(peer, batch), 1);
    assert_true(address_equal(&datagram_batch_at(batch, 0)->peer, to));
    datagram_socket_close(server);
    datagram_socket_close(peer);
    datagram_batch_free(batch);
}

/* A socket on all addresses tells which of them was used, and answers from there. */
static void check_destination(const char *any, const char *host, const char *client)
{
    struct datagram_socket server = open_at(any, &telling), peer = open_at(client, &plain);
    struct address to = endpoint_of(host, address_at(&server).port);

    check_answer(&server, &peer, &to);
}

static void test_destinations(void **state)
{
    (void)state;

    check_destination("0.0.0.0", "127.0.0.7", "127.0.0.1");
    check_destination("::", "::1", "::1");
}

/* A kernel that cannot confine :: to IPv6 gives its sockets mapped addresses. */
static void test_both_families(void **state)
{
    const int off = 0;
    struct datagram_socket server = {.fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0),
                                     .family = ADDRESS_IPV6};
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    const int on = 1;
    struct datagram_socket peer = open_at("127.0.0.1", &plain);
    struct address to;
    (void)state;

    assert_int_equal(setsockopt(server.fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)),
                     0);
    assert_int_equal(setsockopt(server.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)),
                     0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&any, sizeof(any)), 0);
    to = endpoint_of("127.0.0.9", address_at(&server).port);
    check_answer(&server, &peer, &to);
}

/* "Port unreachable" of one peer does not disturb the others. */
static void test_unreachable_ports(void **state)
{
    struct datagram_socket one = open_at("127.0.0.1", &plain),
                           other = open_at("127.0.0.1", &plain),
                           closed = open_at("127.0.0.1", &plain);
    struct address to = address_at(&other), nobody = address_at(&closed);
    struct datagram_batch *batch = datagram_batch_new();
    (void)state;

    datagram_socket_close(&closed);
    for (int i = 0; i < 3; i++)
        send_one(&one, batch, &nobody, NULL, "x", 1);
    assert_int_equal(datagram_socket_receive(&one, batch, DATAGRAM_BATCH), 0);
    send_one(&one, batch, &to, NULL, "y", 1);
    assert_int_equal(receive(&other, batch), 1);
    datagram_socket_close(&one);
    datagram_socket_close(&other);
    datagram_batch_free(batch);
}

/* A datagram that the kernel cannot send is counted; those around it are sent. */
static void test_lost_datagrams(void **state)
{
    struct datagram_socket one = open_at("127.0.0.1", &plain),
                           other = open_at("127.0.0.1", &plain);
    struct address to = address_at(&other), port_0 = endpoint_of("127.0.0.1", 0);
    struct datagram_batch *batch = datagram_batch_new();
    (void)state;

    *datagram_socket_put(&one, batch, &to, NULL, 1) = 1;
    *datagram_socket_put(&one, batch, &port_0, NULL, 1) = 2;
    *datagram_socket_put(&one, batch, &to, NULL, 1) = 3;
    assert_int_equal(datagram_batch_flush(batch), 1);
    assert_int_equal(receive(&other, batch), 2);
    assert_int_equal(*datagram_batch_at(batch, 0)->bytes, 1);
    assert_int_equal(*datagram_batch_at(batch, 1)->bytes, 3);
    assert_int_equal(datagram_batch_flush(batch), 0);
    datagram_socket_close(&one);
    datagram_socket_close(&other);
    datagram_batch_free(batch);
}

static void test_one_by_itself(void **state)
{
    struct datagram_socket one = open_at("127.0.0.1", &plain),
                           other = open_at("127.0.0.1", &plain),
                           closed = open_at("127.0.0.1", &plain);
    struct address to = address_at(&other), nobody = address_at(&closed),
                   port_0 = endpoint_of("127.0.0.1", 0);
    struct datagram_batch *batch = datagram_batch_new();
    (void)state;

    datagram_socket_close(&closed);
    for (int i = 0; i < 3; i++)
        assert_int_equal(datagram_socket_send(&one, &nobody, "x", 1), OK);
    assert_int_equal(datagram_socket_send(&one, &port_0, "x", 1), ERROR_SYSTEM);
    assert_int_equal(datagram_socket_send(&one, &to, "yz", 2), OK);
    assert_int_equal(receive(&other, batch), 1);
    assert_int_equal(datagram_batch_at(batch, 0)->length, 2);
    assert_memory_equal(datagram_batch_at(batch, 0)->bytes, "yz", 2);
    datagram_socket_close(&one);
    datagram_socket_close(&other);
    datagram_batch_free(batch);
}

static void test_addresses_that_are_not_there(void **state)
{
    const struct datagram_socket_options later = {.absent = true,
                                                  .class = DESCRIPTOR_CLIENT};
    struct address absent = endpoint_of("192.0.2.1", 0);
    struct datagram_socket socket;
    (void)state;

    assert_int_equal(datagram_socket_open(&socket, &absent, &plain), ERROR_SYSTEM);
    assert_int_equal(errno, EADDRNOTAVAIL);
    assert_int_equal(socket.fd, -1);
    datagram_socket_close(&socket);
    assert_int_equal(datagram_socket_open(&socket, &absent, &later), OK);
    datagram_socket_close(&socket);
}

UNIT_MAIN(cmocka_unit_test(test_sizes), cmocka_unit_test(test_the_longest_of_ipv6),
          cmocka_unit_test(test_batches), cmocka_unit_test(test_large_batches),
          cmocka_unit_test(test_destinations), cmocka_unit_test(test_both_families),
          cmocka_unit_test(test_unreachable_ports), cmocka_unit_test(test_lost_datagrams),
          cmocka_unit_test(test_one_by_itself),
          cmocka_unit_test(test_addresses_that_are_not_there))
