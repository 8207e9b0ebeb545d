/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/farewell.h>

#include <splitsocks/base/list.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/io/worker.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct leaver {
    struct worker *worker; /* borrowed */
    struct list node;      /* in worker.leavers */
    ev_io io;
    ev_timer timer;
};

static void leaver_free(struct leaver *leaver)
{
    ev_io_stop(leaver->worker->loop, &leaver->io);
    ev_timer_stop(leaver->worker->loop, &leaver->timer);
    list_remove(&leaver->node);
    close(leaver->io.fd);
    free(leaver);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct leaver *leaver = io->data;
    ssize_t n;
    (void)loop;
    (void)events;

    n = recv(io->fd, leaver->worker->input, WORKER_READ_SIZE, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        leaver_free(leaver);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct leaver *leaver = timer->data;
    (void)loop;
    (void)events;

    socket_discard(leaver->io.fd, leaver->worker->input, WORKER_READ_SIZE);
    leaver_free(leaver);
}

static void leave(struct worker *worker, int fd, double seconds)
{
    struct leaver *leaver = calloc(1, sizeof(*leaver));

    if (leaver == NULL) {
        close(fd);
        return;
    }
    leaver->worker = worker;
    list_init(&leaver->node);
    list_append(&worker->leavers, &leaver->node);
    ev_io_init(&leaver->io, on_readable, fd, EV_READ);
    ev_timer_init(&leaver->timer, on_timer, seconds, 0.);
    leaver->io.data = leaver->timer.data = leaver;
    ev_io_start(worker->loop, &leaver->io);
    ev_timer_start(worker->loop, &leaver->timer);
}

void farewell(struct worker *worker, int fd, const uint8_t *message, size_t length)
{
    if ((length > 0 && send(fd, message, length, MSG_NOSIGNAL) < 0) ||
        shutdown(fd, SHUT_WR) != 0)
        close(fd);
    else
        leave(worker, fd, FAREWELL_SECONDS);
}

void farewell_silent(struct worker *worker, int fd, double seconds)
{
    leave(worker, fd, seconds);
}

void farewell_cut(struct worker *worker)
{
    while (!list_empty(&worker->leavers))
        leaver_free(list_first(&worker->leavers, struct leaver, node));
}
