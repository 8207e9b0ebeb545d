/* SPDX-License-Identifier: MIT */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_BUFFER (4 << 20)

/* ---- sockets in a namespace ---- */

/* A socket belongs to the namespace that its thread was in when it was made. */
static int socket_in(const char *netns, int family, int type)
{
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = netns != NULL ? open(netns, O_RDONLY | O_CLOEXEC) : -1;
    const int size = SOCKET_BUFFER, one = 1;
    int fd;

    if (netns != NULL && (there < 0 || setns(there, CLONE_NEWNET) != 0))
        die_errno("%s", netns);
    fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die_errno("socket");
    if (netns != NULL && setns(home, CLONE_NEWNET) != 0)
        die_errno("setns");
    if (there >= 0)
        close(there);
    close(home);
    if (type == SOCK_DGRAM) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    } else {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return fd;
}

static void bind_to(int fd, const struct endpoint *at)
{
    if (bind(fd, (const struct sockaddr *)&at->address, at->length) != 0)
        die_errno("bind");
}

static int connected(const struct way_options *options, int type, const struct endpoint *to)
{
    int fd = socket_in(options->client_netns, to->address.ss_family, type);

    if (options->source.length > 0)
        bind_to(fd, &options->source);
    if (connect(fd, (const struct sockaddr *)&to->address, to->length) != 0)
        die_errno("connect");
    return fd;
}

static void unblock(int fd)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die_errno("fcntl");
}

/* ---- SOCKS5 ---- */

static void expect(int fd, uint8_t *bytes, size_t length)
{
    if (recv(fd, bytes, length, MSG_WAITALL) != (ssize_t)length)
        die("the proxy has closed the connection");
}

/* Asks for an association; `*relay` is where its datagrams go. */
static int associate(const struct way_options *options, struct endpoint *relay)
{
    static const uint8_t hello[] = {5, 1, 0}, request[] = {5, 3, 0, 1, 0, 0, 0, 0, 0, 0};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&relay->address;
    uint8_t reply[10];
    int fd = connected(options, SOCK_STREAM, &options->to);

    if (send(fd, hello, sizeof(hello), 0) < 0)
        die_errno("send");
    expect(fd, reply, 2);
    if (send(fd, request, sizeof(request), 0) < 0)
        die_errno("send");
    expect(fd, reply, sizeof(reply));
    if (reply[1] != 0 || reply[3] != 1)
        die("the proxy refuses an association: %u", reply[1]);
    *relay = options->to;
    memcpy(&in->sin_addr, reply + 4, 4);
    memcpy(&in->sin_port, reply + 8, 2);
    return fd;
}

/* ---- ends ---- */

int way_listen(const struct way_options *options)
{
    int type = options->kind == WAY_TCP ? SOCK_STREAM : SOCK_DGRAM;
    int fd = socket_in(options->server_netns, options->server.address.ss_family, type);

    bind_to(fd, &options->server);
    if (type == SOCK_STREAM && listen(fd, 1) != 0)
        die_errno("listen");
    return fd;
}

void way_open(const struct way_options *options, struct way_end *end, int *control)
{
    const struct sockaddr_in *in =
        (const struct sockaddr_in *)(const void *)&options->server.address;
    struct endpoint to = options->to;

    *end = (struct way_end){.framed = options->kind == WAY_TCP};
    *control = -1;
    if (options->kind == WAY_SOCKS) {
        *control = associate(options, &to);
        end->header[3] = 1;
        memcpy(end->header + 4, &in->sin_addr, 4);
        memcpy(end->header + 8, &in->sin_port, 2);
        end->header_length = SOCKS_HEADER;
    }
    end->fd = connected(options, end->framed ? SOCK_STREAM : SOCK_DGRAM, &to);
    unblock(end->fd);
}

void way_accept(const struct way_options *options, int listener, struct way_end *end)
{
    const int one = 1;

    *end = (struct way_end){.fd = listener, .framed = options->kind == WAY_TCP};
    if (end->framed) {
        end->fd = accept(listener, NULL, NULL);
        if (end->fd < 0)
            die_errno("accept");
        (void)setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    unblock(end->fd);
}

/* ---- datagrams ---- */

static void await_room(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

    (void)poll(&poll_fd, 1, -1);
}

/* The rest of a frame has to follow at once, or the stream would be out of step. */
static bool send_framed(int fd, const uint8_t *bytes, size_t length)
{
    size_t sent = 0;

    while (sent < length) {
        ssize_t n = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            die_errno("send");
        if (n < 0 && sent == 0)
            return false;
        if (n < 0)
            await_room(fd);
        else
            sent += (size_t)n;
    }
    return true;
}

bool way_send(struct way_end *end, const void *bytes, size_t length)
{
    uint8_t whole[SOCKS_HEADER + DATAGRAM_SIZE_MAX];
    bool named = end->peer.length > 0;

    if (end->framed) {
        whole[0] = (uint8_t)(length >> 8);
        whole[1] = (uint8_t)length;
        memcpy(whole + 2, bytes, length);
        return send_framed(end->fd, whole, 2 + length);
    }
    memcpy(whole, end->header, end->header_length);
    memcpy(whole + end->header_length, bytes, length);
    return sendto(end->fd, whole, end->header_length + length, MSG_NOSIGNAL,
                  named ? (const struct sockaddr *)&end->peer.address : NULL,
                  named ? end->peer.length : 0) >= 0;
}

static long receive_framed(struct way_end *end, uint8_t *bytes)
{
    size_t length;
    ssize_t n = recv(end->fd, end->pending + end->pending_length,
                     sizeof(end->pending) - end->pending_length, 0);

    if (n > 0)
        end->pending_length += (size_t)n;
    if (end->pending_length < 2)
        return -1;
    length = (size_t)end->pending[0] << 8 | end->pending[1];
    if (end->pending_length < 2 + length)
        return -1;
    memcpy(bytes, end->pending + 2, length);
    end->pending_length -= 2 + length;
    memmove(end->pending, end->pending + 2 + length, end->pending_length);
    return (long)length;
}

long way_receive(struct way_end *end, uint8_t *bytes, size_t *at)
{
    struct endpoint from = {.length = sizeof(from.address)};
    ssize_t n;

    *at = end->header_length;
    if (end->framed)
        return receive_framed(end, bytes);
    n = recvfrom(end->fd, bytes, SOCKS_HEADER + DATAGRAM_SIZE_MAX, 0,
                 (struct sockaddr *)&from.address, &from.length);
    if (n < (ssize_t)end->header_length)
        return -1;
    if (end->header_length == 0)
        end->peer = from;
    return n - (ssize_t)end->header_length;
}
