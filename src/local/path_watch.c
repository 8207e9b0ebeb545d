/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/path_watch.h>

#include <splitsocks/base/log.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Changes come in groups: an interface that comes up gets its addresses and routes. */
#define GATHER_SECONDS 0.02
/* A look takes long where there are many routes: it may take at most a tenth of the
 * time. */
#define REST_FACTOR 9
#define REST_SECONDS_MAX 0.5
#define RETRY_SECONDS 1.
/* Enough for one message of the kernel's answer. */
#define ANSWER_SIZE (32 * 1024)
/* Most reads in one turn of the loop. */
#define READS_MAX 64
/* The kernel answers at once; a longer silence comes from a sandbox. */
#define PATIENCE_SECONDS 2.
/* How many looks in a row may fail before anything is known. */
#define FAILURES_MAX 3

static const uint16_t dumps[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE};

/* ---- looking ---- */

/* NULL, with errno set, when there is no netlink. */
static struct mnl_socket *open_netlink(void)
{
    struct mnl_socket *netlink =
        mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int saved;

    if (netlink == NULL || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) == 0)
        return netlink;
    saved = errno;
    mnl_socket_close(netlink);
    errno = saved;
    return NULL;
}

static void look_later(struct path_watch *watch, ev_tstamp seconds)
{
    if (watch->step != 0) {
        watch->again = true;
        return;
    }
    if (ev_is_active(&watch->timer))
        return;
    ev_timer_set(&watch->timer, seconds, 0.);
    ev_timer_start(watch->loop, &watch->timer);
}

static bool ask(struct path_watch *watch)
{
    union {
        struct nlmsghdr header; /* for its alignment */
        uint8_t bytes[NLMSG_SPACE(sizeof(struct rtmsg)) +
                      NLMSG_SPACE(sizeof(struct ifinfomsg))];
    } buffer;
    struct nlmsghdr *request = mnl_nlmsg_put_header(&buffer);

    request->nlmsg_type = dumps[watch->step - 1];
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = ++watch->sequence;
    /* The longest of the three kinds of body; all zero it asks for everything. */
    mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
    return mnl_socket_sendto(watch->answers, request, request->nlmsg_len) >= 0;
}

static void end_look(struct path_watch *watch, ev_tstamp seconds)
{
    watch->step = 0;
    ev_io_stop(watch->loop, &watch->answers_io);
    ev_timer_stop(watch->loop, &watch->patience);
    if (watch->again || !watch->known)
        look_later(watch, seconds);
    watch->again = false;
}

/* A sandbox may allow to make and bind the sockets, and forbid their use. */
static bool is_forbidden(int error)
{
    return error == EPERM || error == EACCES || error == ENOSYS || error == EOPNOTSUPP;
}

static void close_netlink(struct path_watch *watch)
{
    if (watch->news == NULL)
        return;
    ev_io_stop(watch->loop, &watch->news_io);
    ev_io_stop(watch->loop, &watch->answers_io);
    ev_timer_stop(watch->loop, &watch->patience);
    ev_timer_stop(watch->loop, &watch->timer);
    if (watch->answers != NULL)
        mnl_socket_close(watch->answers);
    mnl_socket_close(watch->news);
    watch->news = watch->answers = NULL;
}

static void warn_blind(const char *why)
{
    log_warning(
        "cannot watch the network's interfaces (netlink: %s): only its connections show "
        "that a path is lost",
        why);
}

/* Looks will not succeed: goes on without, as without netlink. */
static void give_up(struct path_watch *watch, const char *why)
{
    warn_blind(why);
    watch->step = 0;
    close_netlink(watch);
    watch->changed(watch->context);
}

/* The old table may still be right. A new socket gets no old answers. */
static void look_failed(struct path_watch *watch, const char *why, int error)
{
    struct mnl_socket *fresh;

    watch->failures++;
    if (!watch->known && (is_forbidden(error) || watch->failures >= FAILURES_MAX)) {
        give_up(watch, why);
        return;
    }
    fresh = open_netlink();
    if (!watch->troubled)
        log_warning("cannot read the network's interfaces: %s; trying again", why);
    watch->troubled = true;
    watch->again = true;
    end_look(watch, RETRY_SECONDS);
    if (fresh == NULL)
        return;
    mnl_socket_close(watch->answers);
    watch->answers = fresh;
    ev_io_set(&watch->answers_io, mnl_socket_get_fd(fresh), EV_READ);
}

static void begin_look(struct path_watch *watch)
{
    interface_table_clear(&watch->next);
    watch->step = 1;
    watch->again = watch->spoilt = false;
    ev_now_update(watch->loop);
    watch->began = ev_now(watch->loop);
    if (!ask(watch)) {
        look_failed(watch, strerror(errno), errno);
        return;
    }
    ev_io_start(watch->loop, &watch->answers_io);
    ev_timer_set(&watch->patience, PATIENCE_SECONDS, 0.);
    ev_timer_start(watch->loop, &watch->patience);
}

static void finish_look(struct path_watch *watch)
{
    struct interface_table found = watch->next;
    bool changed = !watch->known || !interface_table_equal(&found, &watch->table);

    watch->next = watch->table;
    watch->table = found;
    watch->known = true;
    watch->troubled = false;
    watch->failures = 0;
    ev_now_update(watch->loop);
    watch->rest = MIN((ev_now(watch->loop) - watch->began) * REST_FACTOR, REST_SECONDS_MAX);
    end_look(watch, MAX(GATHER_SECONDS, watch->rest));
    if (changed)
        watch->changed(watch->context);
}

static void finish_dump(struct path_watch *watch)
{
    if (watch->spoilt) {
        watch->again = true;
        end_look(watch, GATHER_SECONDS);
    } else if (watch->step == ARRAY_LENGTH(dumps)) {
        finish_look(watch);
    } else {
        watch->step++;
        if (!ask(watch))
            look_failed(watch, strerror(errno), errno);
    }
}

/* Reads one part of an answer; false when nothing can be read at the moment. */
static bool take_answer(struct path_watch *watch)
{
    _Alignas(struct nlmsghdr) char buffer[ANSWER_SIZE];
    ssize_t length = mnl_socket_recvfrom(watch->answers, buffer, sizeof(buffer));
    bool done = false;
    int error;

    if (length < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return false;
        look_failed(watch, strerror(errno), errno);
        return false;
    }
    error =
        interface_table_add(&watch->next, buffer, (size_t)length, watch->sequence, &done);
    if (error == ERROR_CLOSED)
        watch->spoilt = true;
    else if (error != OK)
        look_failed(watch,
                    error == ERROR_SYSTEM ? strerror(errno)
                                          : error_string((enum error)error),
                    error == ERROR_SYSTEM ? errno : 0);
    if (done && watch->step != 0)
        finish_dump(watch);
    return watch->step != 0;
}

static void on_answer(struct ev_loop *loop, ev_io *io, int events)
{
    struct path_watch *watch = io->data;
    (void)loop;
    (void)events;

    for (int i = 0; i < READS_MAX && take_answer(watch); i++)
        ;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;

    begin_look(timer->data);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;

    look_failed(timer->data, "no answer", 0);
}

/* ---- notifications ---- */

static void on_news(struct ev_loop *loop, ev_io *io, int events)
{
    struct path_watch *watch = io->data;
    _Alignas(struct nlmsghdr) char buffer[ANSWER_SIZE];
    (void)loop;
    (void)events;

    for (int i = 0; i < READS_MAX; i++) {
        ssize_t length = mnl_socket_recvfrom(watch->news, buffer, sizeof(buffer));

        if (length < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        /* ENOBUFS: some were lost. Whatever they said, the look finds it. */
        if (length < 0 || interface_table_concerned(buffer, (size_t)length))
            look_later(watch, MAX(GATHER_SECONDS, watch->rest));
        if (length < 0)
            return;
    }
}

static bool subscribe(struct mnl_socket *news)
{
    static int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                           RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};

    for (size_t i = 0; i < ARRAY_LENGTH(groups); i++)
        if (mnl_socket_setsockopt(news, NETLINK_ADD_MEMBERSHIP, &groups[i],
                                  sizeof(groups[i])) < 0)
            return false;
    return true;
}

/* ---- life ---- */

/* False, with errno set, when there is no netlink. */
static bool open_sockets(struct path_watch *watch)
{
    watch->news = open_netlink();
    if (watch->news == NULL)
        return false;
    ev_io_init(&watch->news_io, on_news, mnl_socket_get_fd(watch->news), EV_READ);
    ev_io_init(&watch->answers_io, on_answer, -1, EV_READ);
    watch->answers = open_netlink();
    if (watch->answers == NULL || !subscribe(watch->news))
        return false;
    ev_io_set(&watch->answers_io, mnl_socket_get_fd(watch->answers), EV_READ);
    return true;
}

void path_watch_init(struct path_watch *watch, struct ev_loop *loop,
                     void (*changed)(void *context), void *context)
{
    *watch = (struct path_watch){.loop = loop, .changed = changed, .context = context};
    ev_init(&watch->timer, on_timer);
    ev_init(&watch->patience, on_patience);
    if (!open_sockets(watch)) {
        warn_blind(strerror(errno));
        close_netlink(watch);
        return;
    }
    watch->news_io.data = watch->answers_io.data = watch;
    watch->timer.data = watch->patience.data = watch;
    ev_io_start(loop, &watch->news_io);
    /* Look from the loop: the owner is not ready yet, and must be told if the look fails
     * at once. */
    look_later(watch, 0.);
}

void path_watch_deinit(struct path_watch *watch)
{
    if (watch->loop == NULL)
        return;
    close_netlink(watch);
    interface_table_deinit(&watch->table);
    interface_table_deinit(&watch->next);
    *watch = (struct path_watch){.loop = NULL};
}
