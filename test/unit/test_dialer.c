/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/dialer.h>
#include <splitsocks/io/socket.h>

#include <ev.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

struct result {
    unsigned calls;
    int fd;
    enum reset_code code;
};

static void on_done(void *context, int fd, enum reset_code code)
{
    struct result *result = context;

    result->calls++;
    result->fd = fd;
    result->code = code;
}

static int listen_at(const char *text, uint16_t *port)
{
    const struct socket_listen_options options = {.subflows = false};
    struct address address = endpoint_of(text, *port);
    int fd;

    assert_int_equal(socket_listen(&address, &options, &fd), OK);
    *port = socket_local_address(fd).port;
    return fd;
}

/* Dials and runs the loop until there is a result. */
static struct result dial(const struct destination_rules *rules,
                          const struct address *addresses, size_t count, uint16_t port)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct result result = {.fd = -1};
    struct dialer_ways ways = {.loop = loop};
    struct dialer dialer = {0};

    dialer_start(&dialer, &ways, rules, NULL, addresses, count, port, on_done, &result);
    while (result.calls == 0)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(result.calls, 1);
    dialer_cancel(&dialer); /* allowed after the result */
    ev_loop_destroy(loop);
    return result;
}

static void test_the_first_that_answers(void **state)
{
    const struct address addresses[] = {address_of("127.0.0.2"), address_of("127.0.0.3"),
                                        address_of("127.0.0.4")};
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    struct address peer;
    uint16_t port = 0;
    int listener = listen_at("127.0.0.3", &port);
    struct result result = dial(NULL, addresses, ARRAY_LENGTH(addresses), port);
    (void)state;

    assert_true(result.fd >= 0);
    assert_int_equal(getpeername(result.fd, (struct sockaddr *)&storage, &length), 0);
    peer = socket_address_get((struct sockaddr *)&storage);
    assert_int_equal(peer.bytes[3], 3);
    close(result.fd);
    close(listener);
}

static void test_refused(void **state)
{
    const struct address address = address_of("127.0.0.1");
    uint16_t port = 0;
    struct result result;
    (void)state;

    close(listen_at("127.0.0.1", &port));
    result = dial(NULL, &address, 1, port);
    assert_int_equal(result.fd, -1);
    assert_int_equal(result.code, RESET_REFUSED);
}

static void test_denied_by_default(void **state)
{
    static const char *const texts[] = {
        "127.0.0.1",       "::1",       "::ffff:127.0.0.1", "10.0.0.1",
        "169.254.169.254", "224.0.0.1", "fe80::1",          "0.0.0.0"};
    const struct destination_rules rules = {.allow_count = 0};
    uint16_t port = 0;
    int listener = listen_at("127.0.0.1", &port);
    struct pollfd poll_fd = {.fd = listener, .events = POLLIN};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        const struct address address = address_of(texts[i]);
        struct result result = dial(&rules, &address, 1, port);

        assert_int_equal(result.fd, -1);
        assert_int_equal(result.code, RESET_DENIED);
    }
    assert_int_equal(poll(&poll_fd, 1, 0), 0); /* not even tried */
    close(listener);
}

/* Each address is checked by itself: a name may lead to allowed and denied ones. */
static void test_denied_ones_are_passed_by(void **state)
{
    const struct address addresses[] = {address_of("127.0.0.2"), address_of("127.0.0.1")};
    const struct address_block only = block_of("127.0.0.1/32");
    struct destination_rules rules = {.allow = &only, .allow_count = 1};
    uint16_t port = 0;
    int listener = listen_at("127.0.0.1", &port), other = listen_at("127.0.0.2", &port);
    struct pollfd poll_fd = {.fd = other, .events = POLLIN};
    struct result result;
    (void)state;

    result = dial(&rules, addresses, ARRAY_LENGTH(addresses), port);
    assert_true(result.fd >= 0);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    close(result.fd);
    close(listener);
    close(other);
}

static void test_no_addresses(void **state)
{
    struct result result = dial(NULL, NULL, 0, 1);
    (void)state;

    assert_int_equal(result.fd, -1);
}

static void test_cancelled(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    const struct address address = address_of("127.0.0.1");
    struct result result = {.fd = -1};
    struct dialer_ways ways = {.loop = loop};
    struct dialer dialer = {0};
    uint16_t port = 0;
    int listener = listen_at("127.0.0.1", &port);
    (void)state;

    dialer_cancel(&dialer); /* zeroed */
    dialer_start(&dialer, &ways, NULL, NULL, &address, 1, port, on_done, &result);
    dialer_cancel(&dialer);
    ev_run(loop, 0); /* nothing is left to wait for */
    assert_int_equal(result.calls, 0);
    close(listener);
    ev_loop_destroy(loop);
}

UNIT_MAIN(cmocka_unit_test(test_the_first_that_answers), cmocka_unit_test(test_refused),
          cmocka_unit_test(test_denied_by_default),
          cmocka_unit_test(test_denied_ones_are_passed_by),
          cmocka_unit_test(test_no_addresses), cmocka_unit_test(test_cancelled))
