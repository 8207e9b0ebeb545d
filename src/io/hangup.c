/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/hangup.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int get_option(int fd, int option, int *value)
{
    socklen_t length = sizeof(*value);

    return getsockopt(fd, SOL_SOCKET, option, value, &length);
}

/* The pending error of a socket. EPIPE for other ends, such as a pipe without readers, or
 * a local socket that is closed at the other end. 0 when both directions have ended in
 * order. */
static int error_of(int fd)
{
    int error = 0, domain = AF_UNSPEC;

    if (get_option(fd, SO_ERROR, &error) != 0)
        return EPIPE;
    if (error == 0 && get_option(fd, SO_DOMAIN, &domain) == 0 && domain == AF_UNIX)
        return EPIPE;
    return error;
}

/* Takes one event at a time: a callback may end other connections of the set. */
static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct epoll_event event;
    (void)loop;
    (void)events;

    while (epoll_wait(io->fd, &event, 1, 0) == 1) {
        struct hangup *hangup = event.data.ptr;
        int error = error_of(hangup->fd);

        if (error != 0)
            hangup->gone(hangup, error);
    }
}

static void log_failure(const char *what)
{
    static _Thread_local struct log_limit limit;

    log_write_limited(&limit, clock_now(), LOG_WARNING,
                      "%s: %s: a peer that hangs up may be noticed late", what,
                      strerror(errno));
}

void hangup_set_init(struct hangup_set *set, struct ev_loop *loop)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    set->loop = loop;
    ev_io_init(&set->io, on_readable, fd, EV_READ);
    /* Reading and writing come first: they may still find data. */
    ev_set_priority(&set->io, EV_MINPRI);
    if (fd >= 0)
        ev_io_start(loop, &set->io);
    else
        log_failure("epoll_create1");
}

void hangup_set_deinit(struct hangup_set *set)
{
    if (set->loop == NULL || set->io.fd < 0)
        return;
    ev_io_stop(set->loop, &set->io);
    close(set->io.fd);
    set->io.fd = -1;
}

void hangup_watch(struct hangup_set *set, struct hangup *hangup, int fd)
{
    struct epoll_event event = {.events = EPOLLET, .data.ptr = hangup};

    hangup->fd = fd;
    /* A file that is always ready cannot be in the set, and never hangs up. */
    if (set->io.fd >= 0 && epoll_ctl(set->io.fd, EPOLL_CTL_ADD, fd, &event) != 0 &&
        errno != EPERM)
        log_failure("epoll_ctl");
}

void hangup_unwatch(struct hangup_set *set, struct hangup *hangup)
{
    struct epoll_event event = {.events = 0};

    if (hangup->fd >= 0 && set->io.fd >= 0)
        (void)epoll_ctl(set->io.fd, EPOLL_CTL_DEL, hangup->fd, &event);
    hangup->fd = -1;
}
