/* SPDX-License-Identifier: MIT */
/* A TCP proxy that stands between local and relay and sees what is on the wire: counts
 * bytes and connections, records, and does harm on request.
 *
 *     wireproxy --control PATH {--forward LISTEN=SERVER}...
 *
 * Prints "ready" when it listens. An upstream connection that fails resets the client's.
 * Commands:
 *
 *     report                                       the counters as JSON
 *     zero                                         sets them to zero (open connections
 * stay) delay {up|down|both} DURATION                holds bytes back stall {all|open}
 * nothing passes: for ever newer connections as well, or only for those open now resume
 * ends every stall reset                                        resets every open
 * connection refuse / accept                              closes the listening sockets,
 * opens them again fault {flip|cut|reset} {up|down} OFFSET {any|NUMBER}, fault none record
 * DIRECTORY COUNT                       the next connections' bytes, N.up and N.down quit
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "tool.h"
#include "wirepair.h"

enum { MAX_FORWARDS = 32, MAX_EVENTS = 4096 };

struct forward {
    struct endpoint listen, server;
    int fd; /* -1 while connections are refused */
};

struct proxy {
    struct wire wire;
    struct control control;
    struct forward forwards[MAX_FORWARDS];
    size_t count;
    char record_directory[400];
    int watched_control;
    bool quit;
};

static void watch(struct proxy *proxy, int fd, void *pointer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};

    if (epoll_ctl(proxy->wire.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die_errno("epoll_ctl");
}

static void open_forward(struct proxy *proxy, struct forward *forward)
{
    if (forward->fd >= 0)
        return;
    forward->fd = listen_tcp(&forward->listen);
    watch(proxy, forward->fd, forward);
}

static void add_forward(struct proxy *proxy, char *text)
{
    struct forward *forward = &proxy->forwards[proxy->count];
    char *equals = strchr(text, '=');

    if (proxy->count == MAX_FORWARDS || equals == NULL)
        die("--forward LISTEN=SERVER, at most %d times", MAX_FORWARDS);
    *equals = '\0';
    forward->listen = endpoint_parse(text);
    forward->server = endpoint_parse(equals + 1);
    forward->fd = -1;
    open_forward(proxy, forward);
    proxy->count++;
}

static void refuse(struct proxy *proxy)
{
    for (size_t i = 0; i < proxy->count; i++) {
        if (proxy->forwards[i].fd >= 0)
            close(proxy->forwards[i].fd);
        proxy->forwards[i].fd = -1;
    }
}

static void update_all(struct proxy *proxy)
{
    for (struct pair *pair = proxy->wire.first, *next; pair != NULL; pair = next) {
        next = pair->next;
        pair_update(pair);
    }
}

static void set_stall(struct proxy *proxy, bool open, bool all)
{
    proxy->wire.stalled = all;
    for (struct pair *pair = proxy->wire.first; pair != NULL; pair = pair->next)
        pair->stalled = open || all;
    update_all(proxy);
}

static bool command_delay(struct proxy *proxy, char **argv)
{
    uint64_t delay;

    if (!parse_duration(argv[2], &delay))
        return false;
    if (strcmp(argv[1], "down") != 0)
        proxy->wire.delay_ns[UP] = delay;
    if (strcmp(argv[1], "up") != 0)
        proxy->wire.delay_ns[DOWN] = delay;
    return true;
}

static bool command_fault(struct proxy *proxy, int argc, char **argv)
{
    static const char *const kinds[] = {"none", "flip", "cut", "reset"};
    struct fault fault = {.kind = FAULT_NONE};

    while (strcmp(argv[1], kinds[fault.kind]) != 0) {
        if (fault.kind == FAULT_RESET)
            return false;
        fault.kind++;
    }
    if (fault.kind != FAULT_NONE) {
        if (argc != 5)
            return false;
        fault.lane = strcmp(argv[2], "down") == 0 ? DOWN : UP;
        fault.offset = strtoull(argv[3], NULL, 10);
        fault.connection =
            strcmp(argv[4], "any") == 0 ? FAULT_ANY : strtoull(argv[4], NULL, 10);
    }
    proxy->wire.fault = fault;
    return true;
}

static void report(const struct wire *wire, FILE *out)
{
    fprintf(out,
            "{\"connections\":%" PRIu64 ",\"open\":%" PRIu64 ",\"max_open\":%" PRIu64
            ",\"connect_failed\":%" PRIu64 ",\"up\":%" PRIu64 ",\"down\":%" PRIu64
            ",\"max_up\":%" PRIu64 ",\"max_down\":%" PRIu64 ",\"client_resets\":%" PRIu64
            ",\"server_resets\":%" PRIu64 ",\"client_fins\":%" PRIu64
            ",\"server_fins\":%" PRIu64 ",\"faults\":%" PRIu64 "}",
            wire->connections, wire->open, wire->max_open, wire->connect_failed,
            wire->bytes[UP], wire->bytes[DOWN], wire->max_bytes[UP], wire->max_bytes[DOWN],
            wire->resets[CLIENT], wire->resets[SERVER], wire->fins[CLIENT],
            wire->fins[SERVER], wire->faults);
}

static void zero(struct wire *wire)
{
    wire->connections = wire->open;
    wire->max_open = wire->open;
    wire->connect_failed = wire->faults = 0;
    for (int i = 0; i < 2; i++)
        wire->bytes[i] = wire->max_bytes[i] = wire->resets[i] = wire->fins[i] = 0;
}

/* Carries out a command without an answer of its own. False: there is no such. */
static bool carry_out(struct proxy *proxy, int argc, char **argv)
{
    const char *name = argv[0];

    if (strcmp(name, "zero") == 0) {
        zero(&proxy->wire);
    } else if (strcmp(name, "delay") == 0 && argc == 3) {
        return command_delay(proxy, argv);
    } else if (strcmp(name, "stall") == 0 && argc == 2) {
        set_stall(proxy, true, strcmp(argv[1], "all") == 0);
    } else if (strcmp(name, "resume") == 0) {
        set_stall(proxy, false, false);
    } else if (strcmp(name, "reset") == 0) {
        while (proxy->wire.first != NULL)
            pair_reset(proxy->wire.first);
    } else if (strcmp(name, "refuse") == 0) {
        refuse(proxy);
    } else if (strcmp(name, "accept") == 0) {
        for (size_t i = 0; i < proxy->count; i++)
            open_forward(proxy, &proxy->forwards[i]);
    } else if (strcmp(name, "fault") == 0 && argc >= 2) {
        return command_fault(proxy, argc, argv);
    } else if (strcmp(name, "record") == 0 && argc == 3) {
        snprintf(proxy->record_directory, sizeof(proxy->record_directory), "%s", argv[1]);
        proxy->wire.record_directory = proxy->record_directory;
        proxy->wire.record_left = strtoull(argv[2], NULL, 10);
    } else if (strcmp(name, "quit") == 0) {
        proxy->quit = true;
    } else {
        return false;
    }
    return true;
}

static void on_command(void *context, int argc, char **argv, FILE *answer)
{
    struct proxy *proxy = context;

    if (strcmp(argv[0], "report") == 0)
        report(&proxy->wire, answer);
    else
        fputs(carry_out(proxy, argc, argv) ? "ok" : "error", answer);
}

/* Follows the control channel from its listening socket to its client and back. */
static void watch_control(struct proxy *proxy)
{
    int fd = control_fd(&proxy->control);

    if (fd == proxy->watched_control)
        return;
    /* A client that has gone was closed, and left epoll thereby. */
    if (proxy->watched_control == proxy->control.listener)
        epoll_ctl(proxy->wire.epoll, EPOLL_CTL_DEL, proxy->watched_control, NULL);
    watch(proxy, fd, &proxy->control);
    proxy->watched_control = fd;
}

static bool is_forward(const struct proxy *proxy, const void *pointer)
{
    return (const struct forward *)pointer >= proxy->forwards &&
           (const struct forward *)pointer < proxy->forwards + MAX_FORWARDS;
}

/* Handles the events of connections that are known; leaves listening sockets alone. */
static void handle_pairs(struct proxy *proxy, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        void *pointer = events[i].data.ptr;

        if (pointer != &proxy->control && !is_forward(proxy, pointer))
            pair_event(pointer, events[i].events);
    }
}

/* Takes one waiting connection. Whatever its client closed before it opened this one has
 * reached us by now: those ends are handled before the open connections are counted. */
static bool accept_one(struct proxy *proxy, const struct forward *forward)
{
    static struct epoll_event events[MAX_EVENTS];
    int fd = accept4(forward->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return false;
    pair_new(&proxy->wire, fd, &forward->server);
    handle_pairs(proxy, events, epoll_wait(proxy->wire.epoll, events, MAX_EVENTS, 0));
    proxy->wire.max_open = MAX(proxy->wire.max_open, proxy->wire.open);
    return true;
}

static int timeout_ms(const struct proxy *proxy)
{
    uint64_t next = TIME_NEVER;
    uint64_t now;

    if (proxy->wire.delay_ns[UP] == 0 && proxy->wire.delay_ns[DOWN] == 0)
        return -1;
    for (const struct pair *pair = proxy->wire.first; pair != NULL; pair = pair->next)
        next = MIN(next, pair_next_at_ns(pair));
    now = now_ns();
    if (next == TIME_NEVER)
        return -1;
    return next <= now ? 0 : (int)MIN((next - now) / NS_PER_MS + 1, 60000);
}

static void handle_batch(struct proxy *proxy, const struct epoll_event *events, int count)
{
    handle_pairs(proxy, events, count);
    for (int i = 0; i < count; i++) {
        struct forward *forward = events[i].data.ptr;

        while (is_forward(proxy, forward) && forward->fd >= 0 &&
               accept_one(proxy, forward)) {
        }
    }
    /* Last: a command may change anything. */
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &proxy->control)
            control_ready(&proxy->control, on_command, proxy);
    }
    if (proxy->wire.delay_ns[UP] != 0 || proxy->wire.delay_ns[DOWN] != 0)
        update_all(proxy);
    wire_reap(&proxy->wire);
    watch_control(proxy);
}

static void run(struct proxy *proxy)
{
    static struct epoll_event events[MAX_EVENTS];

    watch_control(proxy);
    while (!proxy->quit) {
        int count = epoll_wait(proxy->wire.epoll, events, MAX_EVENTS, timeout_ms(proxy));

        if (count < 0 && errno != EINTR)
            die_errno("epoll_wait");
        handle_batch(proxy, events, count);
    }
    while (proxy->wire.first != NULL)
        pair_reset(proxy->wire.first);
    wire_reap(&proxy->wire);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"control", required_argument, NULL, 'c'},
                                            {"forward", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    static struct proxy proxy = {.control = {.listener = -1, .client = -1},
                                 .watched_control = -1};
    int option;

    raise_file_limit();
    proxy.wire.epoll = epoll_create1(EPOLL_CLOEXEC);
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (option) {
        case 'c': control_init(&proxy.control, optarg); break;
        case 'f': add_forward(&proxy, optarg); break;
        default: return 2;
        }
    }
    if (proxy.control.listener < 0 || proxy.count == 0)
        die("--control and --forward are needed");
    puts("ready");
    fflush(stdout);
    run(&proxy);
    return 0;
}
