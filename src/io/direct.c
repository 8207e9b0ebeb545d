#include <splitsocks/direct.h>

#include <splitsocks/clock.h>
#include <splitsocks/movement.h>
#include <splitsocks/socket.h>

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

/* The one place that says which events of a side matter. */
static void watch(struct direct_way *way)
{
    struct ev_loop *loop = way->direct->worker->loop;
    int events = (way->ended || way->tail != NULL ? 0 : EV_READ) |
                 (other(way)->tail != NULL ? EV_WRITE : 0);

    if (ev_is_active(&way->io) && (way->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(loop, &way->io);
    if (events == 0)
        return;
    ev_io_set(&way->io, way->io.fd, events);
    ev_io_start(loop, &way->io);
}

static void direct_free(struct direct *direct, void (*close_socket)(int fd))
{
    for (int i = 0; i < 2; i++) {
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

/* Writes to the other side what its socket takes. Returns how much that was, or -1. */
static ssize_t push(struct direct_way *way, const uint8_t *bytes, size_t length)
{
    ssize_t n = send(other(way)->io.fd, bytes, length, MSG_NOSIGNAL);

    if (n > 0)
        movement_note(way->direct->worker, clock_now());
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

/* Passes the end on, once nothing stands before it. Returns false when the direct is no
 * more. */
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

/* Writes what it can and keeps the rest. False: the other side has failed, or memory is
 * out. */
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

/* Returns false when the direct is no more. */
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
    way->ended = n == 0;
    return settle(way);
}

/* Returns false when the direct is no more. */
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

    /* An error shows as both events: an interest that is gone is looked at by the state. */
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
    }
    if (length > 0) {
        struct direct_way *way = &direct->ways[0];

        /* Written by the loop, as all of a tail: here nothing can fail any more. */
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
    watch(&direct->ways[0]);
    watch(&direct->ways[1]);
    return OK;
}
