/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/subflow_io.h>

#include <splitsocks/crypto/key.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_turn.h>
#include <splitsocks/io/io_watch.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A fresh connection takes so much: ten segments, and the unsent bytes that it may
 * hold. */
#define WRITE_SIZE_MIN (32 * 1024)
/* A write below this cannot have filled the socket by itself. */
#define WRITE_SIZE_CHECKED (8 * 1024)

static void on_event(struct ev_loop *loop, ev_io *watcher, int events);

/* The only place that decides which events are watched. */
static void watch(struct subflow_io *io)
{
    int events = 0;

    switch ((enum subflow_io_state)io->state) {
    case SUBFLOW_IO_WAITING: break;
    case SUBFLOW_IO_CONNECTING: events = EV_WRITE; break;
    case SUBFLOW_IO_OPEN: events = EV_READ | (io->blocked ? EV_WRITE : 0); break;
    case SUBFLOW_IO_ENDING: events = EV_READ; break;
    case SUBFLOW_IO_CLOSED: break;
    }
    io_watch(io->driver->worker->loop, &io->io, events);
}

static void set_blocked(struct subflow_io *io, bool blocked)
{
    if (io->blocked == blocked)
        return;
    io->blocked = blocked;
    session_subflow_writable(io->driver->session, io->subflow, !blocked);
    watch(io);
}

static struct subflow_io *new_io(struct driver *driver, struct subflow *subflow, int fd,
                                 enum subflow_io_state state)
{
    struct subflow_io *io = calloc(1, sizeof(*io));

    if (io == NULL)
        return NULL;
    io->driver = driver;
    io->subflow = subflow;
    io->state = (uint8_t)state;
    io->write_size = WRITE_SIZE_MIN;
    list_init(&io->node);
    list_init(&io->unfinished);
    list_append(&driver->subflows, &io->node);
    ev_io_init(&io->io, on_event, fd, 0);
    io->io.data = io;
    subflow_set_user(subflow, io);
    watch(io);
    return io;
}

/* ---- the end ---- */

/* The caller gives the socket away or closes it. */
static int release_socket(struct subflow_io *io)
{
    io->state = SUBFLOW_IO_CLOSED;
    watch(io);
    list_remove(&io->unfinished);
    list_remove(&io->node);
    list_append(&io->driver->closed, &io->node);
    return io->io.fd;
}

void subflow_io_close(struct subflow_io *io)
{
    int fd;

    if (io->state == SUBFLOW_IO_CLOSED)
        return;
    fd = release_socket(io);
    if (fd >= 0)
        socket_close_reset(fd);
}

void subflow_io_free(struct subflow_io *io)
{
    assert(io->state == SUBFLOW_IO_CLOSED);
    list_remove(&io->node);
    free(io->tail);
    free(io->part);
    free(io);
}

void subflow_io_give_up(struct driver *driver, const struct session_event *event)
{
    struct subflow_io *io = subflow_user(event->subflow);

    if (io == NULL || io->state == SUBFLOW_IO_CLOSED)
        return;
    io->subflow = NULL;
    if (event->unproven == UNPROVEN_DIAL && io->state == SUBFLOW_IO_CONNECTING)
        driver->role->dialled(driver, io, ETIMEDOUT);
    else if (event->unproven != UNPROVEN_NOT && io->state != SUBFLOW_IO_WAITING)
        driver->role->unproven(driver, io, event->unproven);
    if (event->silent && driver->role->silence != NULL)
        driver->role->silence(driver, release_socket(io));
    else
        subflow_io_close(io);
}

/* Tells the role that a dialled connection has ended. */
static void note_end(struct subflow_io *io, enum subflow_end end)
{
    bool connected = io->state == SUBFLOW_IO_OPEN || io->state == SUBFLOW_IO_ENDING;
    enum unproven how = io->part_length > 0     ? UNPROVEN_STRANGE
                        : end == SUBFLOW_FAILED ? UNPROVEN_SILENT
                                                : UNPROVEN_CLOSED;

    /* When a session ends, the relay also closes connections that it has not looked at. */
    if (connected && io->driver->role->unproven != NULL && !subflow_proven(io->subflow) &&
        !session_is_closing(io->driver->session))
        io->driver->role->unproven(io->driver, io, how);
}

/* All received bytes have been passed on: tells the session, and closes. */
static void report_down(struct subflow_io *io, enum subflow_end end)
{
    struct subflow *subflow = io->subflow;

    if (subflow != NULL)
        note_end(io, end);
    subflow_io_close(io);
    if (subflow == NULL)
        return;
    io->subflow = NULL;
    session_subflow_down(io->driver->session, subflow, end, clock_now());
    io->driver->touch(io->driver);
}

static enum subflow_end end_of_errno(int error)
{
    return error == ECONNRESET || error == EPIPE ? SUBFLOW_RESET : SUBFLOW_FAILED;
}

/* A write has failed. Bytes that the peer sent before are still in the socket and are read
 * first: they may acknowledge chunks, which need not be sent again then. */
static void write_failed(struct subflow_io *io, int error)
{
    io->state = SUBFLOW_IO_ENDING;
    io->end = (uint8_t)end_of_errno(error);
    session_subflow_writable(io->driver->session, io->subflow, false);
    watch(io);
}

static void note_moved(struct subflow_io *io, size_t bytes)
{
    if (io->driver->tally != NULL)
        tally_add(io->driver->tally, bytes);
}

/* ---- sending ---- */

static size_t write_some(struct subflow_io *io, const uint8_t *bytes, size_t length)
{
    ssize_t n = send(io->io.fd, bytes, length, MSG_NOSIGNAL);

    if (n >= 0) {
        note_moved(io, (size_t)n);
        return (size_t)n;
    }
    if (errno != EAGAIN && errno != EINTR)
        write_failed(io, errno);
    return 0;
}

static void keep_tail(struct subflow_io *io, const uint8_t *bytes, size_t length)
{
    io->tail = malloc(length);
    if (io->tail == NULL) {
        write_failed(io, ENOMEM);
        return;
    }
    memcpy(io->tail, bytes, length);
    io->tail_length = (uint32_t)length;
    io->tail_at = 0;
    set_blocked(io, true);
}

void subflow_io_send(struct subflow_io *io, uint64_t now)
{
    uint8_t *output = io->driver->worker->output;
    size_t length =
        session_produce(io->driver->session, io->subflow, output, io->write_size, now);
    size_t written;

    if (length == 0)
        return;
    written = write_some(io, output, length);
    if (io->state != SUBFLOW_IO_OPEN)
        return;
    if (written < length) {
        /* Next time, give this subflow no more than the socket took now. */
        io->write_size = (uint32_t)MAX(written, WRITE_SIZE_MIN);
        keep_tail(io, output + written, length - written);
    } else {
        if (length >= io->write_size / 2)
            io->write_size = MIN(io->write_size * 2, PRODUCE_MAX);
        if (length >= WRITE_SIZE_CHECKED &&
            socket_unsent_bytes(io->io.fd) >= SOCKET_NOTSENT_LOWAT)
            set_blocked(io, true);
    }
}

static void on_writable(struct subflow_io *io)
{
    if (io->tail != NULL) {
        io->tail_at +=
            (uint32_t)write_some(io, io->tail + io->tail_at, io->tail_length - io->tail_at);
        if (io->state != SUBFLOW_IO_OPEN || io->tail_at < io->tail_length)
            return;
        free(io->tail);
        io->tail = NULL;
        io->tail_length = io->tail_at = 0;
    }
    set_blocked(io, false);
    io->driver->touch(io->driver);
}

struct subflow_measure subflow_io_measure(const struct subflow_io *io)
{
    struct socket_info info = socket_info_get(io->io.fd);

    return (struct subflow_measure){
        .srtt_ns = info.srtt_ns,
        .rate = info.rate,
        .queued_bytes = info.queued_bytes + (io->tail_length - io->tail_at),
        .unsent_bytes = info.unsent_bytes + (io->tail_length - io->tail_at),
        .flying_bytes = info.flying_bytes,
        .silent_for_ns = info.silent_for_ns,
    };
}

/* ---- receiving ---- */

/* Keeps received bytes for later. */
static bool keep_part(struct subflow_io *io, const uint8_t *bytes, size_t length)
{
    uint8_t *part = NULL;

    if (length > 0) {
        part = realloc(io->part, length);
        if (part == NULL)
            return false;
        memcpy(part, bytes, length);
    } else {
        free(io->part);
    }
    io->part = part;
    io->part_length = (uint32_t)length;
    return true;
}

static void note_proof(struct subflow_io *io)
{
    if (io->proven || io->driver->role->proven == NULL || !subflow_proven(io->subflow))
        return;
    io->proven = true;
    io->driver->role->proven(io->driver, io);
}

/* Passes chunks from the first `length` bytes of the worker's input to the session, until
 * a client's time for frames is over. Returns how many bytes were used. */
static size_t pass_chunks(struct subflow_io *io, size_t length, bool *closed, uint64_t now)
{
    struct driver *driver = io->driver;
    uint8_t *input = driver->worker->input;
    uint64_t end_ns = now + MIN(io_turn_frames_ns(driver), TIME_NEVER - now);
    enum session_received received;
    size_t used = 0;

    do {
        used += session_receive(driver->session, io->subflow, input + used, length - used,
                                &received, now);
        if (received == SESSION_RECEIVED_PART && clock_now() >= end_ns) {
            list_append(&driver->worker->unfinished, &io->unfinished);
            io_turn_left(driver);
            break;
        }
    } while (received == SESSION_RECEIVED_PART);
    *closed = received == SESSION_RECEIVED_CLOSED;
    return used;
}

/* Passes the first `length` bytes of the worker's input to the session, and the data in
 * them to the streams. */
static void deliver(struct subflow_io *io, size_t length)
{
    struct driver *driver = io->driver;
    uint64_t now = clock_now();
    bool closed = false;
    size_t used = pass_chunks(io, length, &closed, now);
    /* Bytes that an ended session has not taken are never needed. */
    bool kept = keep_part(io, driver->worker->input + used, closed ? 0 : length - used);

    note_proof(io);
    driver->drain(driver);
    session_settle(driver->session, now);
    if (!kept && io->state != SUBFLOW_IO_CLOSED)
        report_down(io, SUBFLOW_FAILED);
}

/* Passes what was kept to the session, and `length` bytes behind its place in the worker's
 * input. */
static void deliver_all(struct subflow_io *io, size_t length)
{
    if (io->part_length > 0)
        memcpy(io->driver->worker->input, io->part, io->part_length);
    deliver(io, io->part_length + length);
}

static void on_readable(struct subflow_io *io, size_t most)
{
    size_t size = MIN(most, WORKER_READ_SIZE);
    ssize_t n;

    assert(io->part_length <= CHUNK_SIZE_MAX);
    n = recv(io->io.fd, io->driver->worker->input + io->part_length, size, 0);
    if (n > 0) {
        note_moved(io, (size_t)n);
        io_turn_read(io->driver, (size_t)n, (size_t)n == size);
        deliver_all(io, (size_t)n);
    } else if (n == 0) {
        report_down(io, io->state == SUBFLOW_IO_ENDING ? (enum subflow_end)io->end
                                                       : SUBFLOW_EOF);
    } else if (errno != EAGAIN && errno != EINTR) {
        report_down(io, end_of_errno(errno));
    }
}

/* Whether frames of the client, of this or another subflow, wait for their turn. So a
 * client has one unfinished read at most, with the memory that it takes. */
static bool has_unfinished(const struct subflow_io *io)
{
    list_foreach(&io->driver->worker->unfinished, node, after) {
        if (list_entry(node, struct subflow_io, unfinished)->driver->account ==
            io->driver->account)
            return true;
    }
    return false;
}

void subflow_io_go_on(struct subflow_io *io)
{
    list_remove(&io->unfinished);
    if (io_turn(io->driver, &io->round) > 0)
        deliver_all(io, 0);
    else
        list_append(&io->driver->worker->unfinished, &io->unfinished);
}

/* ---- dialling ---- */

static enum subflow_end end_of_dial(int error)
{
    return error == ECONNREFUSED ? SUBFLOW_REFUSED : SUBFLOW_UNREACHABLE;
}

static void dial_failed(struct subflow_io *io, int error)
{
    io->driver->role->dialled(io->driver, io, error);
    report_down(io, end_of_dial(error));
}

static void on_outcome(struct subflow_io *io)
{
    struct driver *driver = io->driver;
    int outcome = socket_outcome(io->io.fd);
    struct session_fresh fresh = {.stamp = 0};

    if (outcome == EINPROGRESS)
        return;
    if (outcome != 0) {
        dial_failed(io, outcome);
        return;
    }
    driver->role->dialled(driver, io, 0);
    io->state = SUBFLOW_IO_OPEN;
    watch(io);
    subflow_set_payload(io->subflow, socket_payload_bytes(io->io.fd));
    if (io->hello) {
        random_fill(fresh.ephemeral, sizeof(fresh.ephemeral));
        fresh.stamp = driver->role->stamp(driver);
        fresh.clock_ns = clock_wall();
    }
    session_subflow_up(driver->session, io->subflow, &fresh, clock_now());
    key_wipe(&fresh, sizeof(fresh));
    driver->drain(driver);
}

static void on_event(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct subflow_io *io = watcher->data;
    size_t most;
    (void)loop;

    if (io->state == SUBFLOW_IO_CONNECTING) {
        on_outcome(io);
        return;
    }
    most = events & EV_READ && !has_unfinished(io) ? io_turn(io->driver, &io->round) : 0;
    if (most > 0)
        on_readable(io, most);
    if (events & EV_WRITE && io->state == SUBFLOW_IO_OPEN)
        on_writable(io);
}

void subflow_io_dial(struct driver *driver, const struct session_event *event)
{
    struct subflow_io *io = new_io(driver, event->subflow, -1, SUBFLOW_IO_WAITING);

    if (io == NULL) {
        session_subflow_down(driver->session, event->subflow, SUBFLOW_UNREACHABLE,
                             clock_now());
        return;
    }
    io->hello = event->hello;
    io->path = event->path;
    io->port = event->port;
    io->packet_size = event->packet_size;
    driver->role->dial(driver, io);
}

void subflow_io_connect(struct subflow_io *io, const struct address *to,
                        const struct socket_connect_options *options)
{
    int fd;

    assert(io->state == SUBFLOW_IO_WAITING);
    io->to = *to;
    io->dialled_at_ns = clock_now();
    if (socket_connect(to, options, &fd) != OK) {
        dial_failed(io, errno);
        return;
    }
    ev_io_set(&io->io, fd, EV_WRITE);
    io->state = SUBFLOW_IO_CONNECTING;
    watch(io);
}

void subflow_io_cannot_connect(struct subflow_io *io)
{
    assert(io->state == SUBFLOW_IO_WAITING);
    report_down(io, SUBFLOW_UNREACHABLE);
}

void subflow_io_adopt(struct driver *driver, struct subflow *subflow, int fd,
                      const uint8_t *rest, size_t rest_length)
{
    struct subflow_io *io = new_io(driver, subflow, fd, SUBFLOW_IO_OPEN);

    if (io == NULL) {
        socket_close_reset(fd);
        session_subflow_down(driver->session, subflow, SUBFLOW_FAILED, clock_now());
        driver->drain(driver);
        return;
    }
    subflow_set_payload(subflow, socket_payload_bytes(fd));
    driver->touch(driver);
    if (rest_length > 0) {
        memcpy(driver->worker->input, rest, rest_length);
        deliver(io, rest_length);
    }
}
