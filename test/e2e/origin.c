/* SPDX-License-Identifier: MIT */
/* The server that the load client talks to through the proxy: see load.h.
 *
 *     origin --control PATH --listen ADDRESS:PORT...
 *
 * Prints "ready" when it listens. Commands: "report" (JSON), "quit". A connection counts as
 * good when its client ended it in order after the bytes it had announced, unchanged; as
 * bad when bytes differed or were too few; as broken when it was reset. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control.h"
#include "load.h"
#include "pattern.h"
#include "tool.h"

/* Of one peer, before the others are looked at. */
#define SENDS_MAX 16

enum { CHUNK = 256 * 1024, ECHO_SIZE = 64 * 1024, MAX_EVENTS = 1024, MAX_LISTENERS = 8 };

struct server {
    int epoll;
    int watched_control;
    bool quit;
    struct control control;
    int listeners[MAX_LISTENERS];
    int count;
    uint64_t connections, open, max_open, good, bad, broken;
    uint64_t received, sent;
};

struct peer {
    struct server *server;
    int fd;
    uint32_t interest;
    struct load_header header;
    uint8_t first[LOAD_HEADER_SIZE];
    size_t first_length; /* of the header read so far */
    uint64_t received, sent, mismatch;
    bool end_read, ended;
    uint8_t trailer[LOAD_TRAILER_SIZE];
    size_t trailer_sent;
    uint8_t *echo; /* bytes that wait to be sent back; ECHO_SIZE, or NULL */
    size_t echo_length;
};

static void watch(struct server *server, int fd, void *pointer, uint32_t interest,
                  int operation)
{
    struct epoll_event event = {.events = interest, .data.ptr = pointer};

    if (epoll_ctl(server->epoll, operation, fd, &event) != 0)
        die_errno("epoll_ctl");
}

static void peer_close(struct peer *peer, bool broken)
{
    struct server *server = peer->server;
    bool complete =
        peer->first_length == LOAD_HEADER_SIZE && peer->end_read &&
        ((peer->header.flags & LOAD_ECHO) != 0 || peer->received == peer->header.up);

    if (broken)
        server->broken++;
    else if (complete && peer->mismatch == UINT64_MAX)
        server->good++;
    else
        server->bad++;
    server->open--;
    close(peer->fd);
    free(peer->echo);
    free(peer);
}

/* Takes payload; the bytes may be changed afterwards. */
static void take(struct peer *peer, const uint8_t *bytes, size_t length)
{
    size_t same;

    if ((peer->header.flags & LOAD_ECHO) != 0) {
        memcpy(peer->echo + peer->echo_length, bytes, length);
        peer->echo_length += length;
    } else if (peer->mismatch == UINT64_MAX) {
        same = pattern_check(peer->header.seed, peer->received, bytes, length);
        if (same < length)
            peer->mismatch = peer->received + same;
    }
    peer->received += length;
    peer->server->received += length;
}

static bool take_header(struct peer *peer)
{
    if (!load_header_decode(&peer->header, peer->first))
        return false;
    if ((peer->header.flags & LOAD_ECHO) != 0)
        peer->echo = allocate(ECHO_SIZE, 1);
    return true;
}

static bool wants_to_read(const struct peer *peer)
{
    if (peer->end_read)
        return false;
    if (peer->first_length < LOAD_HEADER_SIZE)
        return true;
    if ((peer->header.flags & LOAD_DEAF) != 0)
        return false;
    if ((peer->header.flags & LOAD_EARLY) != 0 && !peer->ended)
        return false;
    return peer->echo == NULL || peer->echo_length < ECHO_SIZE;
}

/* Reads once. False when the peer is to be closed: it is broken, or no client of ours. */
static bool peer_read(struct peer *peer, bool *broken)
{
    static uint8_t bytes[CHUNK];
    bool header = peer->first_length < LOAD_HEADER_SIZE;
    size_t room = header               ? LOAD_HEADER_SIZE - peer->first_length
                  : peer->echo != NULL ? ECHO_SIZE - peer->echo_length
                                       : sizeof(bytes);
    ssize_t got = read(peer->fd, header ? peer->first + peer->first_length : bytes, room);

    if (got < 0) {
        *broken = errno != EAGAIN;
        return !*broken;
    }
    if (got == 0) {
        peer->end_read = true;
        return !header;
    }
    if (!header) {
        take(peer, bytes, (size_t)got);
        return true;
    }
    peer->first_length += (size_t)got;
    return peer->first_length < LOAD_HEADER_SIZE || take_header(peer);
}

/* Finds the bytes that may be sent now: fills `bytes` or points elsewhere; returns how many
 * there are. */
static size_t next_bytes(struct peer *peer, uint8_t *bytes, const uint8_t **source)
{
    const struct load_header *header = &peer->header;
    struct load_trailer trailer = {peer->received, peer->mismatch};
    size_t length;

    if (peer->first_length < LOAD_HEADER_SIZE || (header->flags & LOAD_DEAF) != 0)
        return 0;
    if (peer->echo != NULL) {
        *source = peer->echo;
        return peer->echo_length;
    }
    if ((header->flags & LOAD_LATE) != 0 && !peer->end_read)
        return 0;
    if (peer->sent < header->down) {
        length = (size_t)MIN(header->down - peer->sent, CHUNK);
        pattern_fill(~header->seed, peer->sent, bytes, length);
        *source = bytes;
        return length;
    }
    if ((header->flags & LOAD_EARLY) != 0 || !peer->end_read)
        return 0;
    load_trailer_encode(&trailer, peer->trailer);
    *source = peer->trailer + peer->trailer_sent;
    return LOAD_TRAILER_SIZE - peer->trailer_sent;
}

static void note_sent(struct peer *peer, size_t length)
{
    if (peer->echo != NULL) {
        peer->echo_length -= length;
        memmove(peer->echo, peer->echo + length, peer->echo_length);
    } else if (peer->sent == peer->header.down) {
        peer->trailer_sent += length;
        return;
    }
    peer->sent += length;
    peer->server->sent += length;
}

static bool all_sent(const struct peer *peer)
{
    if (peer->first_length < LOAD_HEADER_SIZE || (peer->header.flags & LOAD_DEAF) != 0)
        return false;
    if (peer->echo != NULL)
        return peer->end_read && peer->echo_length == 0;
    return peer->sent == peer->header.down && ((peer->header.flags & LOAD_EARLY) != 0 ||
                                               peer->trailer_sent == LOAD_TRAILER_SIZE);
}

/* Sends until the socket is full or nothing is left, or others should have their turn: a
 * reader that keeps up would have all of them. False when it is broken. */
static bool peer_write(struct peer *peer, bool *full)
{
    static uint8_t bytes[CHUNK];
    const uint8_t *source;
    size_t length;

    for (unsigned sends = 0; (length = next_bytes(peer, bytes, &source)) > 0; sends++) {
        if (sends == SENDS_MAX) {
            *full = true;
            return true;
        }
        ssize_t put = send(peer->fd, source, length, MSG_NOSIGNAL);

        if (put < 0) {
            *full = errno == EAGAIN;
            return *full;
        }
        note_sent(peer, (size_t)put);
    }
    if (all_sent(peer) && !peer->ended) {
        peer->ended = true;
        shutdown(peer->fd, SHUT_WR);
    }
    return true;
}

static void peer_event(struct peer *peer, uint32_t events)
{
    bool full = false;
    bool broken = false;
    uint32_t interest;

    if ((events & EPOLLIN) != 0 && wants_to_read(peer) && !peer_read(peer, &broken)) {
        peer_close(peer, broken);
        return;
    }
    if (!peer_write(peer, &full) || (events & EPOLLERR) != 0) {
        peer_close(peer, true);
        return;
    }
    if (peer->ended && peer->end_read) {
        peer_close(peer, false);
        return;
    }
    interest =
        (wants_to_read(peer) ? (uint32_t)EPOLLIN : 0) | (full ? (uint32_t)EPOLLOUT : 0);
    if (interest != peer->interest)
        watch(peer->server, peer->fd, peer, interest, EPOLL_CTL_MOD);
    peer->interest = interest;
}

static void accept_all(struct server *server, int listener)
{
    int one = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *peer = allocate(1, sizeof(*peer));

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        bound_send_buffer(fd);
        *peer = (struct peer){
            .server = server, .fd = fd, .mismatch = UINT64_MAX, .interest = EPOLLIN};
        server->connections++;
        server->open++;
        server->max_open = MAX(server->max_open, server->open);
        watch(server, fd, peer, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void on_command(void *context, int argc, char **argv, FILE *answer)
{
    struct server *server = context;

    (void)argc;
    if (strcmp(argv[0], "quit") == 0)
        server->quit = true;
    fprintf(answer,
            "{\"connections\":%" PRIu64 ",\"open\":%" PRIu64 ",\"max_open\":%" PRIu64
            ",\"good\":%" PRIu64 ",\"bad\":%" PRIu64 ",\"broken\":%" PRIu64
            ",\"received\":%" PRIu64 ",\"sent\":%" PRIu64 "}",
            server->connections, server->open, server->max_open, server->good, server->bad,
            server->broken, server->received, server->sent);
}

static void watch_control(struct server *server)
{
    int fd = control_fd(&server->control);

    if (fd == server->watched_control)
        return;
    if (server->watched_control == server->control.listener)
        epoll_ctl(server->epoll, EPOLL_CTL_DEL, server->watched_control, NULL);
    watch(server, fd, &server->control, EPOLLIN, EPOLL_CTL_ADD);
    server->watched_control = fd;
}

static void handle(struct server *server, const struct epoll_event *event)
{
    void *pointer = event->data.ptr;
    int *listener = pointer;

    if (pointer == &server->control)
        control_ready(&server->control, on_command, server);
    else if (listener >= server->listeners && listener < server->listeners + MAX_LISTENERS)
        accept_all(server, *listener);
    else
        peer_event(pointer, event->events);
}

static void run(struct server *server)
{
    static struct epoll_event events[MAX_EVENTS];

    while (!server->quit) {
        int count;

        watch_control(server);
        count = epoll_wait(server->epoll, events, MAX_EVENTS, -1);
        if (count < 0 && errno != EINTR)
            die_errno("epoll_wait");
        for (int i = 0; i < count; i++)
            handle(server, &events[i]);
    }
}

static void add_listener(struct server *server, const char *text)
{
    struct endpoint endpoint = endpoint_parse(text);
    int *listener = &server->listeners[server->count];

    if (server->count == MAX_LISTENERS)
        die("more than %d --listen", MAX_LISTENERS);
    *listener = listen_tcp(&endpoint);
    watch(server, *listener, listener, EPOLLIN, EPOLL_CTL_ADD);
    server->count++;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"control", required_argument, NULL, 'c'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    static struct server server = {.control = {.listener = -1, .client = -1},
                                   .watched_control = -1};
    int option;

    raise_file_limit();
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (option) {
        case 'c': control_init(&server.control, optarg); break;
        case 'l': add_listener(&server, optarg); break;
        default: return 2;
        }
    }
    if (server.control.listener < 0 || server.count == 0)
        die("--control and --listen are needed");
    puts("ready");
    fflush(stdout);
    run(&server);
    return 0;
}
