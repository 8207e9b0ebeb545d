/* SPDX-License-Identifier: MIT */
/*
 * Many short connections, or one that is asked again and again, through a SOCKS5 proxy; the
 * destination is a child process. As most programs do, the client ends a connection by
 * closing it, not by half-closing: some proxies take that for the end of both directions.
 *
 *   dial --proxy ADDRESS --count N --parallel N [--bytes N]    each asks once, and closes
 *   dial --proxy ADDRESS --count N --echo [--bytes N]          one asks N times, one by one
 *
 * Prints JSON.
 */
#include "server.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES_MAX 65536
#define PARALLEL_MAX 4096
#define EVENTS_MAX 256
/* The bytes of a request; they carry no meaning. */
#define QUESTION_SIZE 100

static struct {
    struct endpoint proxy;
    uint64_t count, parallel, bytes;
    bool echo;
} options = {.parallel = 1, .bytes = 1024};

static uint8_t socks_request[10] = {5, 1, 0, 1};
static uint8_t question[QUESTION_SIZE];

static void watch(int epoll, int fd, void *data, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = data};

    if (epoll_ctl(epoll, operation, fd, &event) != 0)
        die_errno("epoll_ctl");
}

static void no_delay(int fd)
{
    const int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* ---- the destination ---- */

struct asker {
    int fd;
    size_t received; /* of the question under way */
};

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct asker *asker = allocate(1, sizeof(*asker));

        asker->fd = fd;
        no_delay(fd);
        watch(epoll, fd, asker, EPOLLIN, EPOLL_CTL_ADD);
    }
}

/* Answers are small enough for a fresh socket to take whole. */
static void answer(struct asker *asker)
{
    static uint8_t buffer[BYTES_MAX];
    ssize_t got = recv(asker->fd, buffer, sizeof(buffer), 0);

    if (got <= 0) {
        close(asker->fd);
        free(asker);
        return;
    }
    asker->received += (size_t)got;
    for (; asker->received >= QUESTION_SIZE; asker->received -= QUESTION_SIZE)
        (void)send(asker->fd, buffer, options.bytes, MSG_NOSIGNAL);
}

_Noreturn static void serve(int listener)
{
    struct epoll_event events[EVENTS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    watch(epoll, listener, NULL, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(epoll, listener);
            else
                answer(events[i].data.ptr);
        }
    }
}

/* ---- many connections ---- */

enum state { CONNECTING, METHOD, REPLY, ANSWER };

struct dialler {
    int fd;
    enum state state;
    size_t received; /* in this state */
};

static uint64_t failed;

static void start(int epoll, struct dialler *dialler)
{
    *dialler = (struct dialler){.fd = connect_tcp(&options.proxy), .state = CONNECTING};
    if (dialler->fd < 0)
        die_errno("connect");
    no_delay(dialler->fd);
    watch(epoll, dialler->fd, dialler, EPOLLOUT, EPOLL_CTL_ADD);
}

static bool say(const struct dialler *dialler, const void *bytes, size_t length)
{
    return send(dialler->fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Takes the bytes that have arrived, and decides the next step. False on failure; `*done`
 * when it is complete. */
static bool advance(struct dialler *dialler, bool *done)
{
    static const size_t wanted[] = {[METHOD] = 2, [REPLY] = 10};
    uint8_t bytes[BYTES_MAX];
    size_t missing = (dialler->state == ANSWER ? options.bytes : wanted[dialler->state]) -
                     dialler->received;
    ssize_t got = recv(dialler->fd, bytes, missing, 0);

    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    dialler->received += (size_t)got;
    if ((size_t)got < missing)
        return true;
    dialler->received = 0;
    switch (dialler->state++) {
    case METHOD: return say(dialler, socks_request, sizeof(socks_request));
    case REPLY: return bytes[1] == 0 && say(dialler, question, sizeof(question));
    default: *done = true; return true;
    }
}

static bool handle(int epoll, struct dialler *dialler, bool *done)
{
    if (dialler->state != CONNECTING)
        return advance(dialler, done);
    dialler->state = METHOD;
    watch(epoll, dialler->fd, dialler, EPOLLIN, EPOLL_CTL_MOD);
    return say(dialler, "\5\1\0", 3);
}

static void run_many(void)
{
    static struct dialler diallers[PARALLEL_MAX];
    struct epoll_event events[EVENTS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t started = 0, ended = 0, begun_ns = now_ns();

    for (; started < options.parallel && started < options.count; started++)
        start(epoll, &diallers[started]);
    while (ended < options.count) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            struct dialler *dialler = events[i].data.ptr;
            bool done = false;

            if (handle(epoll, dialler, &done) && !done)
                continue;
            failed += !done;
            ended++;
            close(dialler->fd);
            if (started < options.count) {
                started++;
                start(epoll, dialler);
            }
        }
    }
    printf("{\"connections\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.6f}\n", ended,
           failed, (double)(now_ns() - begun_ns) / 1e9);
}

/* ---- one connection, asked again and again ---- */

static void exchange(int fd, const void *out, size_t out_length, size_t in_length)
{
    uint8_t in[BYTES_MAX];

    if (send(fd, out, out_length, MSG_NOSIGNAL) != (ssize_t)out_length ||
        recv(fd, in, in_length, MSG_WAITALL) != (ssize_t)in_length)
        die("the connection broke");
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void run_echo(void)
{
    uint64_t *times = allocate(options.count, sizeof(*times));
    int fd = socket(options.proxy.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&options.proxy.address,
                          options.proxy.length) != 0)
        die_errno("connect");
    no_delay(fd);
    exchange(fd, "\5\1\0", 3, 2);
    exchange(fd, socks_request, sizeof(socks_request), 10);
    for (uint64_t i = 0; i < options.count; i++) {
        uint64_t begun_ns = now_ns();

        exchange(fd, question, sizeof(question), options.bytes);
        times[i] = now_ns() - begun_ns;
    }
    close(fd);
    qsort(times, options.count, sizeof(*times), compare);
    printf("{\"p50_us\":%.1f,\"p99_us\":%.1f,\"least_us\":%.1f}\n",
           (double)times[options.count / 2] / 1e3,
           (double)times[options.count * 99 / 100] / 1e3, (double)times[0] / 1e3);
    free(times);
}

static uint64_t number(const char *text)
{
    uint64_t value;

    if (!parse_size(text, &value))
        die("'%s' is no such quantity", text);
    return value;
}

static void read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"proxy", required_argument, NULL, 'P'},    {"count", required_argument, NULL, 'c'},
        {"parallel", required_argument, NULL, 'p'}, {"bytes", required_argument, NULL, 'b'},
        {"echo", no_argument, NULL, 'e'},           {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0) {
        switch (option) {
        case 'P': options.proxy = endpoint_parse(optarg); break;
        case 'c': options.count = number(optarg); break;
        case 'p': options.parallel = number(optarg); break;
        case 'b': options.bytes = number(optarg); break;
        case 'e': options.echo = true; break;
        default: exit(2);
        }
    }
    if (options.proxy.length == 0 || options.count == 0 || options.bytes == 0 ||
        options.bytes > BYTES_MAX || options.parallel == 0 ||
        options.parallel > PARALLEL_MAX)
        die("--proxy ADDRESS --count N ...");
}

int main(int argc, char **argv)
{
    struct endpoint server = endpoint_parse("127.0.0.1:0");
    const struct sockaddr_in *in = (const struct sockaddr_in *)&server.address;
    pid_t child;

    read_options(argc, argv);
    raise_file_limit();
    child = server_fork(&server, serve);
    memcpy(socks_request + 4, &in->sin_addr, 4);
    memcpy(socks_request + 8, &in->sin_port, 2);
    if (options.echo)
        run_echo();
    else
        run_many();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}
