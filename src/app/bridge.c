/* SPDX-License-Identifier: MIT */
#include "bridge.h"

#include <splitsocks/base/list.h>
#include <splitsocks/base/log.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/local/stream_failure.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void finish(struct bridge *bridge, bool good)
{
    bridge_deinit(bridge);
    bridge->done(bridge, good);
}

static void fail(struct bridge *bridge, const char *what)
{
    log_error("%s: %s", what, strerror(errno));
    finish(bridge, false);
}

/* ---- lanes ---- */

/* Reads while there is nothing to write, and writes while there is. */
static void watch(struct bridge_lane *lane)
{
    struct ev_loop *loop = lane->bridge->loop;
    bool full = lane->start < lane->end;

    io_watch(loop, &lane->from, full || lane->read_ended ? 0 : EV_READ);
    io_watch(loop, &lane->to, full ? EV_WRITE : 0);
}

/* Nobody reads our output any more, or the proxy accepts no more input: the program that
 * started this one is gone, or needs no more. */
static void on_out_gone(struct hangup *hangup, int error)
{
    struct bridge *bridge = container_of(hangup, struct bridge, out_gone);

    errno = error;
    fail(bridge, "cannot write");
}

static void on_fd_gone(struct hangup *hangup, int error)
{
    struct bridge *bridge = container_of(hangup, struct bridge, fd_gone);

    /* Both sides have ended in order: read the rest. */
    if (error == EPIPE && bridge->up.ended && !bridge->down.read_ended)
        return;
    bridge->error = error;
    if (bridge->down.read_ended) {
        errno = error;
        fail(bridge, "the connection has failed");
    }
}

static void end_output(struct bridge *bridge)
{
    hangup_unwatch(&bridge->hangups, &bridge->out_gone);
    /* Standard input may be the same socket. */
    if (bridge->out_is_socket)
        (void)shutdown(STDOUT_FILENO, SHUT_WR);
    close(STDOUT_FILENO);
}

/* Passes on the end of file. The bridge may have ended afterwards. */
static void end_lane(struct bridge_lane *lane)
{
    struct bridge *bridge = lane->bridge;

    lane->ended = true;
    if (lane == &bridge->up)
        (void)shutdown(bridge->fd, SHUT_WR);
    else
        end_output(bridge);
    if (bridge->up.ended && bridge->down.ended)
        finish(bridge, true);
}

/* Writing must not block for long, even in blocking mode: a writable pipe takes PIPE_BUF
 * bytes. */
static ssize_t write_lane(struct bridge_lane *lane)
{
    struct bridge *bridge = lane->bridge;
    const uint8_t *bytes = lane->buffer + lane->start;
    size_t length = lane->end - lane->start;

    if (lane == &bridge->up || bridge->out_is_socket)
        return send(lane->to.fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    return write(lane->to.fd, bytes, MIN(length, (size_t)PIPE_BUF));
}

static void on_to(struct ev_loop *loop, ev_io *io, int events)
{
    struct bridge_lane *lane = io->data;
    ssize_t n = write_lane(lane);
    (void)loop;
    (void)events;

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            fail(lane->bridge, "cannot write");
        return;
    }
    lane->start += (size_t)n;
    if (lane->start == lane->end)
        lane->start = lane->end = 0;
    watch(lane);
}

static void on_from(struct ev_loop *loop, ev_io *io, int events)
{
    struct bridge_lane *lane = io->data;
    ssize_t n = read(io->fd, lane->buffer, sizeof(lane->buffer));
    (void)loop;
    (void)events;

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            fail(lane->bridge, "cannot read");
        return;
    }
    if (n == 0 && lane == &lane->bridge->down && lane->bridge->error != 0) {
        errno = lane->bridge->error; /* the kernel reports an error only once */
        fail(lane->bridge, "cannot read");
        return;
    }
    if (n == 0) {
        lane->read_ended = true;
        if (lane == &lane->bridge->down)
            hangup_note_ended(&lane->bridge->hangups, &lane->bridge->fd_gone);
        watch(lane);
        end_lane(lane);
        return;
    }
    lane->start = 0;
    lane->end = (size_t)n;
    watch(lane);
}

static void init_lane(struct bridge *bridge, struct bridge_lane *lane, int from, int to)
{
    lane->bridge = bridge;
    lane->start = lane->end = 0;
    lane->read_ended = lane->ended = false;
    ev_io_init(&lane->from, on_from, from, EV_READ);
    ev_io_init(&lane->to, on_to, to, EV_WRITE);
    lane->from.data = lane->to.data = lane;
}

/* ---- negotiation ---- */

static bool write_output(struct bridge *bridge)
{
    size_t length;
    const uint8_t *output = socks5_client_output(&bridge->client, &length);

    if (length > 0 && send(bridge->fd, output, length, MSG_NOSIGNAL) != (ssize_t)length)
        return false;
    socks5_client_sent(&bridge->client);
    return true;
}

static void log_refusal(const struct bridge *bridge)
{
    enum reset_code code = socks5_client_code(&bridge->client);
    struct address address = {.family = ADDRESS_NONE};
    char text[STREAM_FAILURE_TEXT_SIZE];

    (void)!address_parse(&address, bridge->host);
    log_error("cannot connect to %s port %u: %s", bridge->host, bridge->port,
              code == RESET_FAILURE ? socks5_client_failure(&bridge->client)
                                    : stream_failure_format(code, &address, text));
}

static void on_negotiation(struct ev_loop *loop, ev_io *io, int events)
{
    struct bridge *bridge = io->data;
    struct bridge_lane *down = &bridge->down;
    ssize_t n = recv(bridge->fd, down->buffer, sizeof(down->buffer), 0);
    (void)events;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        fail(bridge, "cannot read from the proxy");
        return;
    }
    if (n == 0) {
        log_error("the proxy has closed the connection");
        finish(bridge, false);
        return;
    }
    down->start = socks5_client_receive(&bridge->client, down->buffer, (size_t)n);
    down->end = (size_t)n;
    switch (socks5_client_state(&bridge->client)) {
    case SOCKS5_CLIENT_NEGOTIATING:
        if (!write_output(bridge))
            fail(bridge, "cannot write to the proxy");
        break;
    case SOCKS5_CLIENT_OPEN:
        ev_io_stop(loop, &bridge->negotiation);
        watch(&bridge->up);
        watch(down);
        break;
    case SOCKS5_CLIENT_FAILED:
        log_refusal(bridge);
        finish(bridge, false);
        break;
    }
}

int bridge_start(struct bridge *bridge, struct ev_loop *loop, int fd, const char *host,
                 uint16_t port, const char *user, const char *password)
{
    struct stat status;

    bridge->loop = loop;
    bridge->fd = fd;
    bridge->host = host;
    bridge->port = port;
    bridge->out_is_socket = fstat(STDOUT_FILENO, &status) == 0 && S_ISSOCK(status.st_mode);
    bridge->error = 0;
    hangup_set_init(&bridge->hangups, loop);
    hangup_set_keepalive(&bridge->hangups, bridge->keepalive_ns);
    hangup_init(&bridge->out_gone, on_out_gone);
    hangup_watch(&bridge->hangups, &bridge->out_gone, STDOUT_FILENO);
    hangup_init(&bridge->fd_gone, on_fd_gone);
    hangup_watch(&bridge->hangups, &bridge->fd_gone, fd);
    init_lane(bridge, &bridge->up, STDIN_FILENO, fd);
    init_lane(bridge, &bridge->down, fd, STDOUT_FILENO);
    ev_io_init(&bridge->negotiation, on_negotiation, fd, EV_READ);
    bridge->negotiation.data = bridge;
    if (socks5_client_init(&bridge->client, host, port, user, password) != OK) {
        bridge_deinit(bridge);
        return ERROR_INVALID;
    }
    /* If writing fails, reading will fail, too. */
    (void)write_output(bridge);
    ev_io_start(loop, &bridge->negotiation);
    return OK;
}

void bridge_deinit(struct bridge *bridge)
{
    ev_io *watchers[] = {&bridge->negotiation, &bridge->up.from, &bridge->up.to,
                         &bridge->down.from, &bridge->down.to};

    for (size_t i = 0; i < ARRAY_LENGTH(watchers); i++)
        ev_io_stop(bridge->loop, watchers[i]);
    hangup_unwatch(&bridge->hangups, &bridge->out_gone);
    hangup_unwatch(&bridge->hangups, &bridge->fd_gone);
    hangup_set_deinit(&bridge->hangups);
    if (bridge->fd >= 0)
        close(bridge->fd);
    bridge->fd = -1;
    explicit_bzero(&bridge->client, sizeof(bridge->client)); /* it contains a password */
}
