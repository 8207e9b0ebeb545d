/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/remainder.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/movement.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Parts of one write: 1 MiB in pages, and one for each ragged end. */
#define PARTS_MAX (1024 * 1024 / PAGE_SIZE + 2)

struct remainder {
    struct worker *worker; /* borrowed */
    struct list node;      /* in worker.remainders */
    struct pages pages;    /* contain `unread` */
    struct range unread;
    ev_io io;
    ev_timer patience; /* restarts with each byte that the reader takes */
};

/* The caller has dealt with the socket. */
static void remainder_free(struct remainder *remainder)
{
    ev_io_stop(remainder->worker->loop, &remainder->io);
    ev_timer_stop(remainder->worker->loop, &remainder->patience);
    list_remove(&remainder->node);
    pages_deinit(&remainder->pages);
    free(remainder);
}

static void reset(struct remainder *remainder)
{
    socket_close_reset(remainder->io.fd);
    remainder_free(remainder);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    struct remainder *remainder = io->data;
    struct range *unread = &remainder->unread;
    struct iovec parts[PARTS_MAX];
    struct msghdr message = {.msg_iov = parts};
    ssize_t n = 0;
    (void)events;

    message.msg_iovlen =
        pages_view(&remainder->pages, unread->start, (size_t)(unread->end - unread->start),
                   parts, PARTS_MAX);
    if (message.msg_iovlen > 0)
        n = sendmsg(io->fd, &message, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            reset(remainder);
        return;
    }
    unread->start += (uint64_t)n;
    if (n > 0)
        movement_note(remainder->worker, clock_now());
    pages_release_before(&remainder->pages, unread->start);
    if (unread->start < unread->end) {
        ev_timer_again(loop, &remainder->patience);
        return;
    }
    close(io->fd);
    remainder_free(remainder);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    static _Thread_local struct log_limit limit;
    struct remainder *remainder = timer->data;
    (void)loop;
    (void)events;

    log_write_limited(&limit, clock_now(), LOG_INFO,
                      "cut off a reader that took nothing for %.0f s after its session had "
                      "ended (linger): %zu KiB are lost",
                      remainder->patience.repeat,
                      pages_used(&remainder->pages) * (PAGE_SIZE / 1024));
    reset(remainder);
}

static unsigned long long kib(const atomic_uint_least64_t *pages)
{
    return (unsigned long long)atomic_load(pages) * (PAGE_SIZE / 1024);
}

static void log_cut(const struct worker *worker, const struct remainder *remainder)
{
    static _Thread_local struct log_limit limit;
    const struct places *places = &worker->remainder_places;
    const struct places_pool *pool = places->pool;

    log_write_limited(&limit, clock_now(), LOG_WARNING,
                      "cut off a reader after its session had ended: %zu KiB are lost; "
                      "%llu of %llu KiB for stream data are in use, %llu by such readers, "
                      "which may have no more than is free",
                      pages_used(&remainder->pages) * (PAGE_SIZE / 1024), kib(&pool->used),
                      kib(&pool->most), kib(&places->used));
}

/* Without this bound a client could leave behind the rest of one session after the
 * other. */
static void keep_to_share(struct worker *worker)
{
    while (places_are_over(worker->remainder_pages.share.places) &&
           !list_empty(&worker->remainders)) {
        struct remainder *most = list_first(&worker->remainders, struct remainder, node);

        list_foreach(&worker->remainders, node, after) {
            struct remainder *remainder = list_entry(node, struct remainder, node);

            if (pages_used(&remainder->pages) > pages_used(&most->pages))
                most = remainder;
        }
        log_cut(worker, most);
        reset(most);
    }
}

bool remainder_new(struct worker *worker, int fd, struct pages *pages,
                   const struct range *unread)
{
    struct remainder *remainder = calloc(1, sizeof(*remainder));

    if (remainder == NULL)
        return false;
    remainder->worker = worker;
    pages_init(&remainder->pages, &worker->remainder_pages);
    pages_move(&remainder->pages, pages);
    remainder->unread = *unread;
    list_init(&remainder->node);
    list_append(&worker->remainders, &remainder->node);
    ev_io_init(&remainder->io, on_writable, fd, EV_WRITE);
    ev_init(&remainder->patience, on_patience);
    remainder->patience.repeat = worker->patience_seconds;
    remainder->io.data = remainder->patience.data = remainder;
    ev_io_start(worker->loop, &remainder->io);
    ev_timer_again(worker->loop, &remainder->patience);
    keep_to_share(worker);
    return true;
}

void remainder_cut(struct worker *worker)
{
    while (!list_empty(&worker->remainders))
        reset(list_first(&worker->remainders, struct remainder, node));
}
