/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/listener.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* At most so many per readiness, so that accepting cannot starve the rest of the loop. */
#define ACCEPT_BATCH 64
/* Pause between two tries while the process has no free descriptors; connections wait in
 * the kernel. */
#define PAUSE_SECONDS 0.1
/* How long clients wait for a descriptor: a burst is over by then. */
#define PATIENCE_NS NS_PER_S

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct listener *listener = timer->data;
    (void)events;

    ev_io_start(loop, &listener->io);
}

static void pause_for_descriptors(struct listener *listener)
{
    ev_io_stop(listener->loop, &listener->io);
    ev_timer_set(&listener->pause, PAUSE_SECONDS, 0.);
    ev_timer_start(listener->loop, &listener->pause);
}

/* Returns false when there is no point in another accept now. */
static bool accept_failed(struct listener *listener, int error)
{
    static _Thread_local struct log_limit limit;

    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        log_write_limited(&limit, clock_now(), LOG_WARNING, "cannot accept connections: %s",
                          strerror(error));
        pause_for_descriptors(listener);
        return false;
    case EAGAIN: return false;
    default: return true; /* that connection has failed already, see accept(2) */
    }
}

/* Accepts and closes the waiting connections. Each takes a descriptor that is kept for
 * other uses, for a moment. */
static void refuse_waiting(const struct listener *listener)
{
    int fd;

    for (int i = 0; i < ACCEPT_BATCH; i++) {
        fd = accept4(listener->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        socket_close_reset(fd);
    }
}

/* There is no descriptor for another connection. */
static void be_full(struct listener *listener)
{
    uint64_t now = clock_now();

    if (listener->full_since_ns == 0)
        listener->full_since_ns = now;
    if (listener->class == DESCRIPTOR_CLIENT &&
        now - listener->full_since_ns >= PATIENCE_NS)
        refuse_waiting(listener);
    pause_for_descriptors(listener);
}

/* Returns how many were accepted. */
static int accept_batch(struct listener *listener)
{
    ev_io *io = &listener->io;
    int count = 0;

    for (int i = 0; i < ACCEPT_BATCH && ev_is_active(io); i++) {
        struct sockaddr_storage storage;
        socklen_t length = sizeof(storage);
        int fd;

        if (!descriptors_have_room(io->fd, listener->class)) {
            be_full(listener);
            break;
        }
        listener->full_since_ns = 0;
        fd = accept4(io->fd, (struct sockaddr *)&storage, &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && !descriptors_admit(fd, listener->class)) {
            close(fd); /* another thread has taken the last free descriptor */
        } else if (fd >= 0) {
            /* Mapped addresses come where :: serves IPv4, too. */
            struct address mapped = socket_address_get((struct sockaddr *)&storage);
            struct address peer = address_unmap(&mapped);

            count++;
            if (!listener->accept(listener->context, fd, &peer))
                break;
        } else if (!accept_failed(listener, errno)) {
            break;
        }
    }
    return count;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;

    (void)accept_batch(io->data);
}

void listener_drain(struct listener *listener)
{
    while (accept_batch(listener) > 0)
        continue;
}

void listener_init(struct listener *listener, struct ev_loop *loop, int fd,
                   enum descriptor_class class, listener_accept *accept, void *context)
{
    listener->loop = loop;
    listener->class = class;
    listener->accept = accept;
    listener->context = context;
    ev_io_init(&listener->io, on_readable, fd, EV_READ);
    listener->io.data = listener;
    ev_init(&listener->pause, on_pause_over);
    listener->pause.data = listener;
    ev_io_start(loop, &listener->io);
}

void listener_deinit(struct listener *listener)
{
    if (listener->loop == NULL)
        return;
    ev_io_stop(listener->loop, &listener->io);
    ev_timer_stop(listener->loop, &listener->pause);
}
