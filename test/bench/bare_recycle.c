/* SPDX-License-Identifier: MIT */
/*
 * The bare loop that recycling is measured against: connect, send so many bytes, read so
 * many, reset. Two processes, as local and relay are two; each does nothing but the system
 * calls.
 *
 *   bare_recycle --for DURATION [--bytes N] [--parallel N]
 *
 * `--bytes 0` is the loop of connect and reset alone. Prints JSON: cycles, seconds and the
 * CPU seconds of both processes.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES_MAX 65536
#define PARALLEL_MAX 256

static size_t bytes = 1000;
static uint8_t buffer[BYTES_MAX];

struct slot {
    int fd;
    bool connected;
    size_t received;
};

static void watch(int epoll, int fd, void *data, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = data};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die_errno("epoll_ctl");
}

/* ---- the server: answers with as many bytes as it has read ---- */

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct slot *slot = allocate(1, sizeof(*slot));

        slot->fd = fd;
        watch(epoll, fd, slot, EPOLLIN);
    }
}

static void answer(struct slot *slot)
{
    ssize_t got = recv(slot->fd, buffer, sizeof(buffer), 0);

    if (got <= 0) {
        reset_on_close(slot->fd);
        close(slot->fd);
        free(slot);
        return;
    }
    slot->received += (size_t)got;
    if (slot->received == bytes && send(slot->fd, buffer, bytes, MSG_NOSIGNAL) < 0)
        slot->received = 0; /* the reset is on its way: the next event says so */
}

_Noreturn static void serve(int listener)
{
    struct epoll_event events[64];
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    watch(epoll, listener, NULL, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(epoll, listener);
            else
                answer(events[i].data.ptr);
        }
    }
}

/* ---- the client ---- */

static void dial(int epoll, struct slot *slot, const struct endpoint *server)
{
    slot->fd = connect_tcp(server);
    slot->connected = false;
    slot->received = 0;
    if (slot->fd < 0)
        die_errno("connect");
    watch(epoll, slot->fd, slot, EPOLLOUT);
}

static void hang_up(struct slot *slot)
{
    reset_on_close(slot->fd);
    close(slot->fd);
}

/* True when the cycle is complete. */
static bool advance(int epoll, struct slot *slot)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
    ssize_t got;

    if (!slot->connected) {
        slot->connected = true;
        if (bytes == 0)
            return true;
        if (send(slot->fd, buffer, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
            die_errno("send");
        if (epoll_ctl(epoll, EPOLL_CTL_MOD, slot->fd, &event) != 0)
            die_errno("epoll_ctl");
        return false;
    }
    got = recv(slot->fd, buffer, sizeof(buffer), 0);
    if (got <= 0)
        die_errno("recv");
    slot->received += (size_t)got;
    return slot->received >= bytes;
}

static uint64_t run(const struct endpoint *server, unsigned parallel, uint64_t until_ns)
{
    static struct slot slots[PARALLEL_MAX];
    struct epoll_event events[64];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t cycles = 0;

    for (unsigned i = 0; i < parallel; i++)
        dial(epoll, &slots[i], server);
    while (now_ns() < until_ns) {
        int count = epoll_wait(epoll, events, 64, 100);

        for (int i = 0; i < count; i++) {
            struct slot *slot = events[i].data.ptr;

            if (!advance(epoll, slot))
                continue;
            hang_up(slot);
            cycles++;
            dial(epoll, slot, server);
        }
    }
    return cycles;
}

static double cpu_seconds(int who)
{
    struct rusage usage;

    if (getrusage(who, &usage) != 0)
        die_errno("getrusage");
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint64_t number(const char *text, bool parse(const char *text, uint64_t *value))
{
    uint64_t value;

    if (!parse(text, &value))
        die("'%s' is no such quantity", text);
    return value;
}

int main(int argc, char **argv)
{
    static const struct option table[] = {{"for", required_argument, NULL, 'f'},
                                          {"bytes", required_argument, NULL, 'b'},
                                          {"parallel", required_argument, NULL, 'p'},
                                          {NULL, 0, NULL, 0}};
    struct endpoint server = endpoint_parse("127.0.0.1:0");
    uint64_t duration_ns = 0, parallel = 8, begun_at_ns, cycles;
    int option;
    double seconds;
    pid_t child;

    while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0) {
        switch (option) {
        case 'f': duration_ns = number(optarg, parse_duration); break;
        case 'b': bytes = (size_t)number(optarg, parse_size); break;
        case 'p': parallel = number(optarg, parse_size); break;
        default: exit(2);
        }
    }
    if (duration_ns == 0 || bytes > BYTES_MAX || parallel == 0 || parallel > PARALLEL_MAX)
        die("--for DURATION [--bytes N] [--parallel N]");
    child = server_fork(&server, serve);
    begun_at_ns = now_ns();
    cycles = run(&server, (unsigned)parallel, begun_at_ns + duration_ns);
    seconds = (double)(now_ns() - begun_at_ns) / 1e9;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    printf("{\"cycles\":%" PRIu64 ",\"seconds\":%.3f,\"cpu_seconds\":%.3f}\n", cycles,
           seconds, cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN));
    return 0;
}
