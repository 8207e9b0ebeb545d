/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/plain.h>

#include <splitsocks/base/log.h>
#include <splitsocks/engine/session/session_status.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/farewell.h>
#include <splitsocks/io/io_turn.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/movement.h>
#include <splitsocks/io/remainder.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE_MIN PAGE_SIZE
#define READ_SIZE_MAX (1024 * 1024)
/* Parts of one read or write: READ_SIZE_MAX in pages, and one for each ragged end. */
#define PARTS_MAX (READ_SIZE_MAX / PAGE_SIZE + 2)

/* The only place that decides which events are watched. */
static void watch(struct plain *plain)
{
    bool reads =
        !plain->read_ended && !plain->read_blocked && !list_linked(&plain->reading.node);
    int events = (reads ? EV_READ : 0) | (plain->write_blocked ? EV_WRITE : 0);

    io_watch(plain->driver->worker->loop, &plain->io, events);
}

/* Releases the stream and frees the object; the caller has dealt with the socket. */
static void release(struct plain *plain)
{
    session_stream_release(plain->driver->session, plain->stream, clock_now());
    driver_touch(plain->driver);
    list_remove(&plain->node);
    crowd_leave(plain->place);
    if (plain->driver->account != NULL) {
        share_give(&plain->driver->account->destinations, 1);
        account_give_stream(plain->driver->account);
    }
    free(plain);
}

static void stop(struct plain *plain)
{
    hangup_unwatch(&plain->driver->worker->hangups, &plain->hangup);
    half_closed_remove(&plain->half);
    pace_leave(&plain->driver->down, &plain->reading);
    pace_leave(&plain->driver->up, &plain->writing);
    ev_io_stop(plain->driver->worker->loop, &plain->io);
}

void plain_abort(struct plain *plain)
{
    stop(plain);
    socket_close_reset(plain->io.fd);
    session_stream_reset(plain->driver->session, plain->stream, RESET_CANCELLED,
                         clock_now());
    release(plain);
}

/* The application's socket has failed. */
static void fail(struct plain *plain, int error)
{
    enum reset_code code =
        error == ECONNRESET || error == EPIPE ? RESET_CANCELLED : RESET_FAILURE;

    stop(plain);
    socket_close_reset(plain->io.fd);
    session_stream_reset(plain->driver->session, plain->stream, code, clock_now());
    release(plain);
}

/* Call after either direction has ended. Returns false when the plain is gone. */
static bool check_ended(struct plain *plain)
{
    if (!plain->read_ended || !plain->write_ended)
        return true;
    stop(plain);
    close(plain->io.fd);
    release(plain);
    return false;
}

/* ---- ends that neither reading nor writing shows ---- */

/* The socket has failed, and may have something left to be read. A client that resets its
 * connection wants nothing more; a destination's data from before the failure is passed on
 * while there is room for it. Returns false when the plain is gone. */
static bool hung_up(struct plain *plain)
{
    if (!plain->read_ended && !(plain->of_client && plain->read_blocked))
        return true;
    fail(plain, plain->error);
    return false;
}

static void on_gone(struct hangup *hangup, int error)
{
    struct plain *plain = container_of(hangup, struct plain, hangup);
    struct driver *driver = plain->driver;

    /* Nothing is left to be written; what it sent is read to its end. */
    if (error == EPIPE && plain->write_ended && !plain->read_ended)
        return;
    plain->error = error;
    (void)hung_up(plain);
    driver_drain(driver);
}

/* Each side judges the direction that ends at its own socket, since it cannot know how far
 * the other side's reader has come: the relay judges after the client has finished, local
 * after the destination has. A client that pauses with something left to read is waited
 * for. */
static enum half_closed_state look(struct half_closed *half, uint64_t *moved)
{
    const struct plain *plain = container_of(half, struct plain, half);
    uint32_t queued_bytes = socket_queued_bytes(plain->io.fd);
    struct stream_status status;

    session_stream_status(plain->driver->session, plain->stream, &status);
    *moved = status.bytes_acked + status.bytes_read - queued_bytes;
    if (plain->of_client)
        return queued_bytes > 0 && !plain->read_ended ? HALF_CLOSED_LATER : HALF_CLOSED;
    if (status.peer_finished)
        return HALF_CLOSED;
    return plain->write_blocked ? HALF_CLOSED_LATER : HALF_CLOSED_NOT;
}

static void end_half(struct half_closed *half)
{
    struct plain *plain = container_of(half, struct plain, half);

    stop(plain);
    socket_close_reset(plain->io.fd);
    session_stream_reset(plain->driver->session, plain->stream, RESET_HALF_CLOSED,
                         clock_now());
    release(plain);
}

static const struct half_closed_type half_type = {.look = look, .end = end_half};

/* Relay: while the destination takes nothing, it does not notice that the peer has
 * finished its direction. */
static void note_half_closed(struct plain *plain)
{
    if (plain->write_ended || (plain->write_blocked && !plain->of_client))
        half_closed_add(&plain->driver->worker->half_closed, &plain->half);
}

/* `room`: what could have been taken. */
static void adapt_read_size(struct plain *plain, size_t taken, size_t room)
{
    if (taken == plain->read_size)
        plain->read_size = MIN(plain->read_size * 4, (uint32_t)READ_SIZE_MAX);
    else if (taken < room && taken < plain->read_size / 4)
        plain->read_size = MAX(plain->read_size / 2, (uint32_t)READ_SIZE_MIN);
}

static size_t total_length(const struct iovec *parts, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

/* From the socket to the stream, where the rate lets so many bytes pass. `*moved`: so many
 * have. Returns false when the plain is gone. */
static bool pump_in(struct plain *plain, uint64_t granted, uint64_t *moved)
{
    struct session *session = plain->driver->session;
    struct iovec parts[PARTS_MAX];
    size_t most = (size_t)MIN(granted, (uint64_t)plain->read_size);
    size_t count = session_stream_reserve(session, plain->stream, most, parts, PARTS_MAX);
    size_t room = total_length(parts, count);
    uint64_t now;
    ssize_t n;
    int error;

    *moved = 0;
    if (count == 0) {
        pace_settle(&plain->driver->down, granted, 0, clock_now());
        plain->read_blocked = true;
        if (plain->error != 0)
            return hung_up(plain);
        watch(plain);
        return true;
    }
    n = readv(plain->io.fd, parts, (int)count);
    error = errno;
    now = clock_now();
    session_stream_commit(session, plain->stream, n > 0 ? (size_t)n : 0, now);
    pace_settle(&plain->driver->down, granted, n > 0 ? (uint64_t)n : 0, now);
    if (n > 0) {
        *moved = (uint64_t)n;
        movement_note(plain->driver->worker, now);
        /* A read that credit or the rate has cut short says nothing of more. */
        io_turn_read(plain->driver, (size_t)n,
                     (size_t)n >= MIN(plain->read_size, TURN_BYTES));
        adapt_read_size(plain, (size_t)n, room);
        return true;
    }
    if (n == 0 && plain->error != 0) {
        fail(plain, plain->error); /* the kernel reports an error only once */
        return false;
    }
    if (n == 0) {
        session_stream_finish(session, plain->stream, clock_now());
        plain->read_ended = true;
        if (plain->of_client)
            hangup_note_ended(&plain->driver->worker->hangups, &plain->hangup);
        watch(plain);
        return check_ended(plain);
    }
    if (error == EAGAIN || error == EINTR)
        return true;
    fail(plain, error);
    return false;
}

/* The socket is readable, and `most` bytes may be read. Returns false when the plain is
 * gone. */
static bool read_some(struct plain *plain, size_t most)
{
    uint64_t wanted = MIN(most, plain->read_size);
    uint64_t granted =
        pace_take(&plain->driver->down, &plain->reading, wanted, clock_now());
    uint64_t moved;

    if (granted > 0)
        return pump_in(plain, granted, &moved);
    watch(plain);
    return true;
}

static void on_read_turn(struct pace_turn *turn, uint64_t granted)
{
    struct plain *plain = container_of(turn, struct plain, reading);
    struct driver *driver = plain->driver;
    uint64_t moved;
    bool there = pump_in(plain, granted, &moved);

    /* There may be more: the client waits again at once, lest the others' shares be
     * reckoned without it meanwhile. */
    if (there && moved == granted)
        there = read_some(plain, plain->read_size);
    if (there)
        watch(plain);
    driver_drain(driver);
}

/* Leaves so many bytes in the parts. */
static void cut_parts(struct iovec *parts, size_t count, uint64_t most)
{
    for (size_t i = 0; i < count; i++) {
        parts[i].iov_len = (size_t)MIN((uint64_t)parts[i].iov_len, most);
        most -= parts[i].iov_len;
    }
}

/* Writes the stream's data until the stream has no more, the socket is full, or the rate
 * lets no more pass: it lets `granted` bytes, and is asked for more. Returns 0, EAGAIN or
 * the error; `*finished` as session_stream_peek() sets it for the written data. */
static int write_stream(struct plain *plain, uint64_t granted, bool *finished)
{
    struct session *session = plain->driver->session;
    struct pace *pace = &plain->driver->up;
    struct iovec parts[PARTS_MAX];
    uint64_t now = clock_now();

    for (;; granted = 0) {
        size_t count =
            session_stream_peek(session, plain->stream, parts, PARTS_MAX, finished);
        size_t total = total_length(parts, count);
        const struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        bool whole;
        ssize_t n;
        int error;

        if (granted == 0 && total > 0)
            granted = pace_take(pace, &plain->writing, total, now);
        whole = granted >= total;
        *finished = *finished && whole;
        if (total == 0 || granted == 0) {
            pace_settle(pace, granted, 0, now);
            return 0;
        }
        cut_parts(parts, count, granted);
        n = sendmsg(plain->io.fd, &message, MSG_NOSIGNAL);
        error = errno;
        now = clock_now();
        pace_settle(pace, granted, n > 0 ? (uint64_t)n : 0, now);
        if (n < 0)
            return error == EINTR ? EAGAIN : error;
        session_stream_consume(session, plain->stream, (size_t)n, now);
        movement_note(plain->driver->worker, now);
        if ((uint64_t)n < MIN((uint64_t)total, granted))
            return EAGAIN;
        if (*finished)
            return 0;
    }
}

/* From the stream to the socket; `granted` as in write_stream(). Returns false when the
 * plain is gone. */
static bool pump_out(struct plain *plain, uint64_t granted)
{
    bool finished = false;
    int error;

    if (plain->reply != NULL || plain->write_ended)
        return true;
    error = write_stream(plain, granted, &finished);
    if (error != 0 && error != EAGAIN) {
        fail(plain, error);
        return false;
    }
    plain->write_blocked = error == EAGAIN;
    if (error == 0 && finished) {
        (void)shutdown(plain->io.fd, SHUT_WR);
        plain->write_ended = true;
    }
    note_half_closed(plain);
    watch(plain);
    return check_ended(plain);
}

static void on_write_turn(struct pace_turn *turn, uint64_t granted)
{
    struct plain *plain = container_of(turn, struct plain, writing);
    struct driver *driver = plain->driver;

    (void)pump_out(plain, granted);
    driver_drain(driver);
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
    struct plain *plain = io->data;
    struct driver *driver = plain->driver;
    size_t most = events & EV_READ ? io_turn(driver, &plain->round) : 0;
    (void)loop;

    if (most == 0)
        events &= ~EV_READ;
    /* Events are level-triggered, and an error shows as both: the flags tell which
     * interest is gone meanwhile. */
    if (!(events & EV_READ) || plain->read_ended || read_some(plain, most))
        if (events & EV_WRITE && plain->write_blocked)
            (void)pump_out(plain, 0);
    driver_drain(driver);
}

/* ---- the session's events ---- */

static struct plain *plain_of(struct stream_end *end)
{
    return container_of(end, struct plain, end);
}

static void on_opened(struct stream_end *end)
{
    struct plain *plain = plain_of(end);
    uint8_t reply[PLAIN_REPLY_SIZE];
    size_t length;

    if (plain->reply == NULL)
        return;
    length = plain->reply(reply, true, RESET_CANCELLED);
    plain->reply = NULL;
    /* The send buffer of a socket that has carried a few bytes so far takes the whole
     * reply. */
    if (send(plain->io.fd, reply, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail(plain, ECONNRESET);
    else
        (void)pump_out(plain, 0);
}

static void on_stream_readable(struct stream_end *end)
{
    struct plain *plain = plain_of(end);

    /* While the socket is full, or the rate is met, wait. */
    if (!plain->write_blocked && !list_linked(&plain->writing.node))
        (void)pump_out(plain, 0);
}

static void on_stream_writable(struct stream_end *end)
{
    struct plain *plain = plain_of(end);

    plain->read_blocked = false;
    watch(plain);
}

/* The session has ended, but the stream has not failed: the rest goes on without it. */
static bool leave_remainder(struct plain *plain)
{
    struct driver *driver = plain->driver;
    struct pages pages;
    struct range unread;

    pages_init(&pages, &driver->worker->remainder_pages);
    if (!session_stream_take(driver->session, plain->stream, &pages, &unread))
        return false;
    if (remainder_new(driver->worker, plain->io.fd, &pages, &unread)) {
        /* It is written at once, and counts against what the client sends next. */
        pace_settle(&driver->up, 0, unread.end - unread.start, clock_now());
        return true;
    }
    pages_deinit(&pages);
    return false;
}

static void on_reset(struct stream_end *end, enum reset_code code)
{
    struct plain *plain = plain_of(end);
    uint8_t reply[PLAIN_REPLY_SIZE];
    int fd = plain->io.fd;

    if (plain->failed != NULL)
        plain->failed(fd, stream_destination(plain->stream), &plain->destination, code);
    stop(plain);
    if (plain->reply != NULL) {
        size_t length = plain->reply(reply, false, code);

        farewell(plain->driver->worker, fd, reply, length);
    } else if (!leave_remainder(plain)) {
        socket_close_reset(fd);
    }
    release(plain);
}

static const struct stream_end_type end_type = {
    .opened = on_opened,
    .readable = on_stream_readable,
    .writable = on_stream_writable,
    .reset = on_reset,
};

struct plain *plain_new(struct driver *driver, struct stream *stream, int fd,
                        plain_reply *reply, plain_failed *failed,
                        const struct address *destination, struct list *owned)
{
    struct plain *plain = calloc(1, sizeof(*plain));
    struct iovec part;
    bool finished = false;

    if (plain == NULL)
        return NULL;
    plain->end.type = &end_type;
    plain->driver = driver;
    plain->stream = stream;
    plain->reply = reply;
    plain->of_client = failed != NULL;
    plain->failed = failed;
    plain->destination = *destination;
    plain->read_size = READ_SIZE_MIN;
    ev_io_init(&plain->io, on_event, fd, 0);
    plain->io.data = plain;
    hangup_init(&plain->hangup, on_gone);
    hangup_watch(&driver->worker->hangups, &plain->hangup, fd);
    plain->half.type = &half_type;
    list_init(&plain->half.node);
    list_init(&plain->reading.node);
    plain->reading.go = on_read_turn;
    list_init(&plain->writing.node);
    plain->writing.go = on_write_turn;
    list_init(&plain->node);
    list_append(owned, &plain->node);
    stream_set_user(stream, plain);
    driver->worker->opened++;
    /* Data may have come before the stream had a socket; it is not announced again. */
    plain->write_blocked =
        reply == NULL &&
        (session_stream_peek(driver->session, stream, &part, 1, &finished) > 0 || finished);
    watch(plain);
    return plain;
}
