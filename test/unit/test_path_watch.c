/* SPDX-License-Identifier: MIT */
/* The watch on this machine's own interfaces, and in a network namespace of its own. */
#include "unit.h"

#include <splitsocks/base/log.h>
#include <splitsocks/local/path_watch.h>

#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BOUND_SECONDS 20.

struct waiter {
    struct ev_loop *loop;
    unsigned calls;
};

static void on_changed(void *context)
{
    struct waiter *waiter = context;

    waiter->calls++;
    ev_break(waiter->loop, EVBREAK_ALL);
}

static void on_bound(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;

    ev_break(loop, EVBREAK_ALL);
}

/* Runs the loop until the next call, or in vain. */
static void wait_change(struct waiter *waiter)
{
    unsigned before = waiter->calls;
    ev_timer bound;

    ev_timer_init(&bound, on_bound, BOUND_SECONDS, 0.);
    ev_timer_start(waiter->loop, &bound);
    ev_run(waiter->loop, 0);
    ev_timer_stop(waiter->loop, &bound);
    assert_int_equal(waiter->calls, before + 1);
}

/* Sets or clears IFF_UP of the loopback interface. */
static void set_loopback(bool up)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
    request.ifr_flags =
        (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

/* Runs until the table is as wanted: the first changes may be steps on the way. */
static void wait_loopback(struct waiter *waiter, const struct path_watch *watch, bool up)
{
    const struct address address = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};

    for (;;) {
        const struct interface *lo = interface_table_find(&watch->table, "lo");

        assert_non_null(lo);
        if (lo->up == up && lo->running == up &&
            (!up || interface_table_owner(&watch->table, &address) == lo))
            return;
        wait_change(waiter);
    }
}

static void test_changes_are_told(void **state)
{
    struct waiter waiter = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct path_watch watch;
    (void)state;

    if (unshare(CLONE_NEWNET) != 0) {
        ev_loop_destroy(waiter.loop);
        UNIT_SKIP("not allowed to make a network namespace");
    }
    path_watch_init(&watch, waiter.loop, on_changed, &waiter);
    assert_false(path_watch_blind(&watch));
    assert_false(watch.known);
    wait_change(&waiter);
    assert_true(watch.known);
    wait_loopback(&waiter, &watch, false);
    for (int i = 0; i < 3; i++) {
        set_loopback(true);
        wait_loopback(&waiter, &watch, true);
        set_loopback(false);
        wait_loopback(&waiter, &watch, false);
    }
    path_watch_deinit(&watch);
    path_watch_deinit(&watch);
    ev_loop_destroy(waiter.loop);
}

/* More happens than the kernel keeps for one that does not read: nothing is missed. */
static void test_what_does_not_fit(void **state)
{
    struct waiter waiter = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct path_watch watch;
    int least = 0;
    (void)state;

    if (unshare(CLONE_NEWNET) != 0) {
        ev_loop_destroy(waiter.loop);
        UNIT_SKIP("not allowed to make a network namespace");
    }
    path_watch_init(&watch, waiter.loop, on_changed, &waiter);
    wait_change(&waiter);
    assert_int_equal(
        setsockopt(watch.news_io.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
    for (int i = 0; i < 200; i++)
        set_loopback(i % 2 == 0);
    set_loopback(true);
    wait_loopback(&waiter, &watch, true);
    path_watch_deinit(&watch);
    ev_loop_destroy(waiter.loop);
}

static void keep_line(enum log_level level, const char *line, void *context)
{
    (void)level;
    snprintf(context, 256, "%s", line);
}

/* Sockets cannot be had: as good as a sandbox that knows no netlink. */
static void test_without_netlink(void **state)
{
    struct waiter waiter = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct rlimit limit, none;
    struct path_watch watch;
    char line[256] = "";
    (void)state;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    log_set_sink(keep_line, line);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    path_watch_init(&watch, waiter.loop, on_changed, &waiter);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    log_set_sink(NULL, NULL);
    assert_true(path_watch_blind(&watch));
    assert_false(watch.known);
    assert_non_null(strstr(line, "cannot watch the network's interfaces"));
    ev_run(waiter.loop, 0); /* it waits for nothing */
    assert_int_equal(waiter.calls, 0);
    path_watch_deinit(&watch);
    ev_loop_destroy(waiter.loop);
}

UNIT_MAIN(cmocka_unit_test(test_changes_are_told), cmocka_unit_test(test_what_does_not_fit),
          cmocka_unit_test(test_without_netlink))
