/* SPDX-License-Identifier: MIT */
/* Which addresses are this machine's own, as its kernel says. */
#include "../../src/relay/own_addresses.h"

#include "addresses.h"

#include <libmnl/libmnl.h>
#include <sys/resource.h>
#include <unistd.h>

static struct own_addresses own;

static bool have(const char *text)
{
    struct address address = endpoint_of(text, 80);

    return own_addresses_have(&own, &address);
}

static void test_loopback_is_own_and_others_are_not(void **state)
{
    (void)state;

    own_addresses_init(&own);
    if (own.netlink == NULL) /* in a sandbox that forbids it */
        return;
    /* Again and again by one socket: each answer belongs to its question. */
    for (int i = 0; i < 3; i++) {
        assert_true(have("127.0.0.1"));
        assert_false(have("192.0.2.1"));
        assert_true(have("127.1.2.3"));
        assert_false(have("2001:db8::1"));
    }
    own_addresses_deinit(&own);
    own_addresses_deinit(&own);
}

/* The kernel gives no answer: nobody knows, so the address counts as own. */
static void test_without_an_answer_the_address_is_own(void **state)
{
    int pipes[2];
    (void)state;

    own_addresses_init(&own);
    if (own.netlink == NULL)
        return;
    /* Under the same number there is something else now, where nothing can be asked. */
    assert_int_equal(pipe(pipes), 0);
    assert_true(dup2(pipes[1], mnl_socket_get_fd(own.netlink)) >= 0);
    assert_true(have("192.0.2.1"));
    own_addresses_deinit(&own);
    close(pipes[0]);
    close(pipes[1]);
}

/* No netlink at all: a warning, and nothing is refused for it. */
static void test_without_netlink(void **state)
{
    struct rlimit old, none;
    (void)state;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    own_addresses_init(&own);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_null(own.netlink);
    assert_false(have("127.0.0.1"));
    own_addresses_deinit(&own);
}

UNIT_MAIN(cmocka_unit_test(test_loopback_is_own_and_others_are_not),
          cmocka_unit_test(test_without_an_answer_the_address_is_own),
          cmocka_unit_test(test_without_netlink))
