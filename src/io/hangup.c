/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/hangup.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Keepalive begins no later than this after the end of the peer's direction: by then (60 s
 * is Linux's tcp_fin_timeout) the peer's machine has forgotten a connection that was
 * closed there. */
#define ENDED_KEEPALIVE_NS (75 * NS_PER_S)

/* So many connections get their watch at once, and the next ones after a pause: 64 times
 * six system calls of up to 1 us are 0.4 ms of each 10. */
#define BATCH 64
#define PAUSE_NS (10 * NS_PER_MS)

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

/* ---- connections that have lasted ---- */

static void keep_alive(const struct hangup_set *set, const struct hangup *hangup)
{
    socket_keepalive(hangup->fd, hangup->ended ? MIN(set->keepalive_ns, ENDED_KEEPALIVE_NS)
                                               : set->keepalive_ns);
}

static void settle(struct hangup_set *set, struct hangup *hangup)
{
    struct epoll_event event = {.events = EPOLLET, .data.ptr = hangup};

    list_remove(&hangup->node);
    /* A file that is always ready cannot be in the set, and never hangs up. */
    if (set->io.fd >= 0 && epoll_ctl(set->io.fd, EPOLL_CTL_ADD, hangup->fd, &event) != 0 &&
        errno != EPERM)
        log_failure("epoll_ctl");
    keep_alive(set, hangup);
}

static void run_timer(struct hangup_set *set, uint64_t now)
{
    const struct hangup *first = list_first(&set->young, struct hangup, node);
    uint64_t when = list_empty(&set->young)
                        ? TIME_NEVER
                        : MAX(first->since_ns + HANGUP_YOUNG_NS, now + PAUSE_NS);

    io_watch_until(set->loop, &set->timer, when, now);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct hangup_set *set = timer->data;
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    for (int i = 0; i < BATCH && !list_empty(&set->young); i++) {
        struct hangup *first = list_first(&set->young, struct hangup, node);

        if (now - first->since_ns < HANGUP_YOUNG_NS)
            break;
        settle(set, first);
    }
    run_timer(set, now);
}

/* ---- the calls ---- */

void hangup_set_init(struct hangup_set *set, struct ev_loop *loop)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    *set = (struct hangup_set){.loop = loop};
    list_init(&set->young);
    ev_init(&set->timer, on_timer);
    set->timer.data = set;
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
    if (set->loop == NULL)
        return;
    ev_timer_stop(set->loop, &set->timer);
    if (set->io.fd < 0)
        return;
    ev_io_stop(set->loop, &set->io);
    close(set->io.fd);
    set->io.fd = -1;
}

void hangup_set_keepalive(struct hangup_set *set, uint64_t keepalive_ns)
{
    set->keepalive_ns = keepalive_ns;
}

void hangup_init(struct hangup *hangup, void (*gone)(struct hangup *hangup, int error))
{
    *hangup = (struct hangup){.fd = -1, .gone = gone};
    list_init(&hangup->node);
}

void hangup_watch(struct hangup_set *set, struct hangup *hangup, int fd)
{
    hangup->fd = fd;
    hangup->since_ns = clock_now();
    list_append(&set->young, &hangup->node);
    if (!ev_is_active(&set->timer))
        run_timer(set, hangup->since_ns);
}

void hangup_unwatch(struct hangup_set *set, struct hangup *hangup)
{
    struct epoll_event event = {.events = 0};

    if (list_linked(&hangup->node))
        list_remove(&hangup->node);
    else if (hangup->fd >= 0 && set->io.fd >= 0)
        (void)epoll_ctl(set->io.fd, EPOLL_CTL_DEL, hangup->fd, &event);
    hangup->fd = -1;
}

void hangup_note_ended(struct hangup_set *set, struct hangup *hangup)
{
    hangup->ended = true;
    if (!list_linked(&hangup->node))
        keep_alive(set, hangup);
}
