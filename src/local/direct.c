/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/direct.h>

#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/movement.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(DIRECT_READ_SIZE <= WORKER_INPUT_SIZE, "a read fits the worker's buffer");

static struct direct_way *other(struct direct_way *way)
{
    struct direct *direct = way->direct;

    return &direct->ways[way == &direct->ways[0]];
}

/* The only place that decides which events of a side are watched. */
static void watch(struct direct_way *way)
{
    int events = (way->ended || way->tail != NULL ? 0 : EV_READ) |
                 (other(way)->tail != NULL ? EV_WRITE : 0);

    io_watch(way->direct->worker->loop, &way->io, events);
}

static void direct_free(struct direct *direct, void (*close_socket)(int fd))
{
    half_closed_remove(&direct->half);
    for (int i = 0; i < 2; i++) {
        hangup_unwatch(&direct->worker->hangups, &direct->ways[i].hangup);
        ev_io_stop(direct->worker->loop, &direct->ways[i].io);
        close_socket(direct->ways[i].io.fd);
        free(direct->ways[i].tail);
    }
    list_remove(&direct->node);
    crowd_leave(direct->place);
    free(direct->destination);
    free(direct);
}

static void close_plainly(int fd)
{
    close(fd);
}

void direct_abort(struct direct *direct)
{
    direct_free(direct, socket_close_reset);
}

/* ---- ends that neither reading nor writing shows ---- */

static bool of_client(const struct direct_way *way)
{
    return way == &way->direct->ways[0];
}

/* The side has failed, and may have something left to be read. A client that resets its
 * connection wants nothing more; a destination's data from before the failure is passed
 * on. Returns false when the direct is gone. */
static bool hung_up(struct direct_way *way)
{
    if (!way->ended && !(of_client(way) && way->tail != NULL))
        return true;
    direct_abort(way->direct);
    return false;
}

static void on_gone(struct hangup *hangup, int error)
{
    struct direct_way *way = container_of(hangup, struct direct_way, hangup);

    /* Nothing is left to be written; what it sent is read to its end. */
    if (error == EPIPE && other(way)->passed_on && !way->ended)
        return;
    way->error = error;
    (void)hung_up(way);
}

/* A client that pauses with something left to read is waited for. */
static enum half_closed_state look(struct half_closed *half, uint64_t *moved)
{
    const struct direct *direct = container_of(half, struct direct, half);
    const struct direct_way *up = &direct->ways[0], *down = &direct->ways[1];
    uint32_t unread_bytes = socket_queued_bytes(up->io.fd);

    *moved = up->bytes + down->bytes - unread_bytes - socket_queued_bytes(down->io.fd);
    if (up->ended)
        return HALF_CLOSED;
    if (!down->ended)
        return HALF_CLOSED_NOT;
    return down->passed_on && unread_bytes == 0 ? HALF_CLOSED : HALF_CLOSED_LATER;
}

static void end_half(struct half_closed *half)
{
    direct_abort(container_of(half, struct direct, half));
}

static const struct half_closed_type half_type = {.look = look, .end = end_half};

static void note_ended(struct direct_way *way)
{
    struct worker *worker = way->direct->worker;

    way->ended = true;
    half_closed_add(&worker->half_closed, &way->direct->half);
    if (of_client(way))
        hangup_note_ended(&worker->hangups, &way->hangup);
}

/* Writes to the other side's socket as much as that takes. Returns how much, or -1. */
static ssize_t push(struct direct_way *way, const uint8_t *bytes, size_t length)
{
    ssize_t n = send(other(way)->io.fd, bytes, length, MSG_NOSIGNAL);

    if (n > 0)
        movement_note(way->direct->worker, clock_now());
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

/* Passes the end on once all bytes before it are written. Returns false when the direct is
 * gone. */
static bool settle(struct direct_way *way)
{
    struct direct *direct = way->direct;

    if (way->ended && way->tail == NULL && !way->passed_on) {
        (void)shutdown(other(way)->io.fd, SHUT_WR);
        way->passed_on = true;
    }
    if (direct->ways[0].passed_on && direct->ways[1].passed_on) {
        direct_free(direct, close_plainly);
        return false;
    }
    watch(way);
    watch(other(way));
    return true;
}

/* Writes as much as possible and keeps the rest. False: the other side has failed, or
 * memory is out. */
static bool pass_on(struct direct_way *way, const uint8_t *bytes, size_t length)
{
    ssize_t n = push(way, bytes, length);

    if (n < 0)
        return false;
    way->bytes += (size_t)n;
    if ((size_t)n == length)
        return true;
    way->length = length - (size_t)n;
    way->begin = 0;
    way->tail = malloc(way->length);
    if (way->tail == NULL)
        return false;
    memcpy(way->tail, bytes + n, way->length);
    return true;
}

/* Returns false when the direct is gone. */
static bool pump_in(struct direct_way *way)
{
    uint8_t *buffer = way->direct->worker->input;
    ssize_t n = recv(way->io.fd, buffer, DIRECT_READ_SIZE, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0 || (n > 0 && !pass_on(way, buffer, (size_t)n))) {
        direct_abort(way->direct);
        return false;
    }
    if (n == 0)
        note_ended(way);
    /* The kernel reports an error only once: later reads look like an orderly end. */
    if (way->error != 0 && !hung_up(way))
        return false;
    return settle(way);
}

/* Returns false when the direct is gone. */
static bool pump_tail(struct direct_way *way)
{
    ssize_t n = push(way, way->tail + way->begin, way->length);

    if (n < 0) {
        direct_abort(way->direct);
        return false;
    }
    way->bytes += (size_t)n;
    way->begin += (size_t)n;
    way->length -= (size_t)n;
    if (way->length > 0)
        return true;
    free(way->tail);
    way->tail = NULL;
    return settle(way);
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
    struct direct_way *way = io->data;
    (void)loop;

    /* An error shows as both events: the state tells which interest is gone meanwhile. */
    if (events & EV_WRITE && other(way)->tail != NULL && !pump_tail(other(way)))
        return;
    if (events & EV_READ && !way->ended && way->tail == NULL)
        (void)pump_in(way);
}

int direct_start(struct worker *worker, const struct target *target, int from, int to,
                 const void *early, size_t length, struct crowd_place *place,
                 struct list *owned)
{
    struct direct *direct = calloc(1, sizeof(*direct));
    const int sockets[2] = {from, to};
    char text[TARGET_TEXT_SIZE];

    if (direct == NULL)
        return ERROR_MEMORY;
    direct->worker = worker;
    for (int i = 0; i < 2; i++) {
        direct->ways[i].direct = direct;
        ev_io_init(&direct->ways[i].io, on_event, sockets[i], 0);
        direct->ways[i].io.data = &direct->ways[i];
        hangup_init(&direct->ways[i].hangup, on_gone);
    }
    direct->half.type = &half_type;
    list_init(&direct->half.node);
    if (length > 0) {
        struct direct_way *way = &direct->ways[0];

        /* The loop writes it, as it writes every tail: here nothing can fail any more. */
        way->tail = malloc(length);
        if (way->tail == NULL) {
            free(direct);
            return ERROR_MEMORY;
        }
        memcpy(way->tail, early, length);
        way->length = length;
    }
    direct->place = place;
    direct->destination = strdup(target_format(target, text));
    list_init(&direct->node);
    list_append(owned, &direct->node);
    for (int i = 0; i < 2; i++)
        hangup_watch(&worker->hangups, &direct->ways[i].hangup, sockets[i]);
    watch(&direct->ways[0]);
    watch(&direct->ways[1]);
    return OK;
}
