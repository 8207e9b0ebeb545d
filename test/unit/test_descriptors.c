/* SPDX-License-Identifier: MIT */
/* How descriptors are shared out between clients, subflows and the rest. */
#include "unit.h"

#include <splitsocks/io/descriptors.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

static void test_shares(void **state)
{
    static const struct {
        unsigned long limit, held, subflows, own;
        unsigned long clients, with_subflows; /* the bounds that are wanted */
    } cases[] = {
        {1048576, 0, 96, 41, 1048439, 1048535}, /* as needed where there are plenty */
        {200, 0, 96, 41, 100, 175}, /* half for clients, an eighth for the rest */
        {200, 0, 10, 5, 185, 195},
        {200, 120, 96, 41, 160, 190}, /* of those that are not held from the start */
        {64, 0, 1000, 1000, 32, 56},
        {8, 0, 96, 41, 4, 7},
        {8, 9, 96, 41, 8, 8},
        {0, 0, 96, 41, 0, 0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct descriptor_needs needs = {.held = cases[i].held,
                                               .subflows = cases[i].subflows,
                                               .own = cases[i].own};
        unsigned long bounds[DESCRIPTOR_CLASSES];

        descriptors_divide(cases[i].limit, &needs, bounds);
        assert_int_equal(bounds[DESCRIPTOR_CLIENT], cases[i].clients);
        assert_int_equal(bounds[DESCRIPTOR_SUBFLOW], cases[i].with_subflows);
        assert_int_equal(bounds[DESCRIPTOR_OWN], cases[i].limit);
    }
}

static int connect_once(const struct address *to, bool subflow)
{
    const struct socket_connect_options options = {.subflow = subflow};
    int fd;

    return socket_connect(to, &options, &fd) == OK ? fd : -errno;
}

/* Opens sockets of one class until it has no more; returns how many there were. */
static int fill(const struct address *to, bool subflow)
{
    int count = 0, fd;

    while ((fd = connect_once(to, subflow)) >= 0)
        count++;
    assert_int_equal(fd, -EMFILE);
    return count;
}

/* Holes that others leave may go to clients, but the reserve of the others never does. */
static void test_clients_leave_the_rest(void **state)
{
    const struct address anywhere = {
        .family = ADDRESS_IPV4, .port = 9, .bytes = {127, 0, 0, 1}};
    const struct descriptor_needs needs = {.subflows = 10, .own = 5};
    struct rlimit limit = {.rlim_cur = 64};
    int subflows[5], own[5];
    (void)state;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(descriptors_for_subflows(), INT_MAX);
    descriptors_reserve(&needs);
    assert_int_equal(descriptors_limit(), 64);
    assert_int_equal(descriptors_for_subflows(), 10);
    for (size_t i = 0; i < ARRAY_LENGTH(subflows); i++)
        subflows[i] = connect_once(&anywhere, true);
    assert_true(fill(&anywhere, false) > 0);
    assert_false(descriptors_have_room(0, DESCRIPTOR_CLIENT));
    assert_true(descriptors_have_room(0, DESCRIPTOR_SUBFLOW));
    for (size_t i = 0; i < ARRAY_LENGTH(subflows); i++)
        close(subflows[i]);
    assert_int_equal(fill(&anywhere, false), ARRAY_LENGTH(subflows));
    assert_int_equal(fill(&anywhere, true), 10);
    assert_false(descriptors_have_room(0, DESCRIPTOR_SUBFLOW));
    for (size_t i = 0; i < ARRAY_LENGTH(own); i++) {
        assert_true(descriptors_have_room(0, DESCRIPTOR_OWN));
        own[i] = fcntl(0, F_DUPFD_CLOEXEC, 0);
        assert_true(own[i] >= 0);
    }
    assert_false(descriptors_have_room(0, DESCRIPTOR_OWN));
    for (size_t i = 0; i < ARRAY_LENGTH(own); i++)
        close(own[i]);
}

/* Where clients are counted, strangers and subflows in low numbers keep nobody away. */
static void test_who_counts_may_have_any_number(void **state)
{
    const struct descriptor_needs needs = {
        .held = 4, .subflows = 10, .own = 5, .counted = true};
    (void)state;

    descriptors_reserve(&needs);
    assert_int_equal(descriptors_for_clients(), descriptors_limit() - 4 - 10 - 5);
    assert_int_equal(descriptors_for_subflows(), 10);
    assert_true(descriptors_admit((int)descriptors_limit() - 6, DESCRIPTOR_CLIENT));
    assert_false(descriptors_admit((int)descriptors_limit() - 5, DESCRIPTOR_CLIENT));
}

UNIT_MAIN(cmocka_unit_test(test_shares), cmocka_unit_test(test_clients_leave_the_rest),
          cmocka_unit_test(test_who_counts_may_have_any_number))
