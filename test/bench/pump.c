/* SPDX-License-Identifier: MIT */
/*
 * Bulk traffic that costs next to nothing beside what it measures: the sender sends one
 * page of memory over and over by sendfile(), the receiver lets the kernel drop what has
 * arrived (MSG_TRUNC), so that neither touches the bytes. test/e2e's load checks every byte
 * instead.
 *
 *   pump serve ADDRESS                                  the destination
 *   pump run (--proxy ADDRESS | --direct) --dest ADDRESS [--up N] [--down N]
 *            [--parallel N] [--for DURATION] [--stall N]
 *
 * A client's first bytes are two sizes, what it sends and what it wants to have after
 * that, and a time of the machine's clock at which both stop. By then a sender's bytes may
 * lie in many buffers: the destination tells it how many it has read, and the client resets
 * the stream, so that the rest takes no part in what is measured next. With --stall N the
 * client opens N more streams that ask for data and read none. Prints JSON.
 */
#include "../e2e/tool.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define SOURCE_SIZE (1024 * 1024)
#define DROP_SIZE (4 * 1024 * 1024)
#define THREADS_MAX 1024

struct request {
    uint64_t up, down;  /* bytes; UINT64_MAX = until the connection ends */
    uint64_t end_at_ns; /* UINT64_MAX: when they have been moved */
};

struct client {
    pthread_t thread;
    const struct endpoint *proxy;
    const struct endpoint *dest;
    bool direct;
    struct request request;
    uint64_t moved;
};

static int source = -1;

static void create_source(void)
{
    source = memfd_create("pump", MFD_CLOEXEC);
    if (source < 0 || ftruncate(source, SOURCE_SIZE) != 0)
        die_errno("memfd_create");
}

static uint64_t send_bytes(int fd, uint64_t length, uint64_t end_at_ns)
{
    uint64_t sent = 0;

    while (sent < length && now_ns() < end_at_ns) {
        off_t offset = 0;
        size_t part = length - sent < SOURCE_SIZE ? (size_t)(length - sent) : SOURCE_SIZE;
        ssize_t put = sendfile(fd, source, &offset, part);

        if (put <= 0)
            break;
        sent += (uint64_t)put;
    }
    return sent;
}

/* Stops at `length`, at the end of file, or at the time. */
static uint64_t drop_bytes(int fd, uint64_t length, uint64_t end_at_ns)
{
    uint64_t got = 0;

    while (got < length && now_ns() < end_at_ns) {
        size_t part = length - got < DROP_SIZE ? (size_t)(length - got) : DROP_SIZE;
        ssize_t taken = recv(fd, NULL, part, MSG_TRUNC);

        if (taken <= 0)
            break;
        got += (uint64_t)taken;
    }
    return got;
}

static bool exchange(int fd, const void *out, size_t out_length, void *in, size_t in_length)
{
    if (send(fd, out, out_length, MSG_NOSIGNAL) != (ssize_t)out_length)
        return false;
    return in_length == 0 || recv(fd, in, in_length, MSG_WAITALL) == (ssize_t)in_length;
}

/* ---- the destination ---- */

static void *serve_one(void *argument)
{
    int fd = (int)(intptr_t)argument;
    struct request request;

    if (recv(fd, &request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
        uint64_t got = drop_bytes(fd, request.up, request.end_at_ns);

        if (request.up > 0)
            send(fd, &got, sizeof(got), MSG_NOSIGNAL);
        send_bytes(fd, request.down, request.end_at_ns);
        shutdown(fd, SHUT_WR);
        /* The client has everything once it has closed its side. */
        drop_bytes(fd, UINT64_MAX, UINT64_MAX);
    }
    close(fd);
    return NULL;
}

static void serve(const char *address)
{
    struct endpoint endpoint = endpoint_parse(address);
    int one = 1;
    int listener = socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 ||
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(listener, (struct sockaddr *)&endpoint.address, endpoint.length) != 0 ||
        listen(listener, 1024) != 0)
        die_errno("cannot listen on %s", address);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;

        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) != 0)
            die("out of threads");
        pthread_detach(thread);
    }
}

/* ---- the client ---- */

/* RFC 1928 without authentication, by IPv4 address. */
static bool ask_proxy(int fd, const struct endpoint *dest)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&dest->address;
    uint8_t request[10] = {5, 1, 0, 1};
    uint8_t answer[10];

    memcpy(request + 4, &in->sin_addr, 4);
    memcpy(request + 8, &in->sin_port, 2);
    return exchange(fd, "\5\1\0", 3, answer, 2) && answer[1] == 0 &&
           exchange(fd, request, sizeof(request), answer, sizeof(answer)) && answer[1] == 0;
}

static int open_stream(const struct client *client)
{
    const struct endpoint *first = client->direct ? client->dest : client->proxy;
    int fd = socket(first->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&first->address, first->length) != 0)
        die_errno("connect");
    if ((!client->direct && !ask_proxy(fd, client->dest)) ||
        !exchange(fd, &client->request, sizeof(client->request), NULL, 0))
        die("the proxy refused the stream");
    return fd;
}

static void *run_client(void *argument)
{
    const struct linger reset = {.l_onoff = 1};
    struct client *client = argument;
    int fd = open_stream(client);

    if (client->request.up > 0) {
        send_bytes(fd, client->request.up, client->request.end_at_ns);
        if (recv(fd, &client->moved, sizeof(client->moved), MSG_WAITALL) !=
            sizeof(client->moved))
            die("the stream ended before the destination said what it has read");
    } else {
        client->moved = drop_bytes(fd, client->request.down, client->request.end_at_ns);
    }
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    return NULL;
}

static void stall(const struct client *model, unsigned count)
{
    struct client client = *model;

    client.request = (struct request){.down = UINT64_C(1) << 40, .end_at_ns = UINT64_MAX};
    for (unsigned i = 0; i < count; i++)
        (void)open_stream(&client); /* left open until we end */
    /* Its data is on its way, and stuck, when the measure begins. */
    if (count > 0)
        sleep(2);
}

static void run(const struct client *model, unsigned parallel, unsigned stalled,
                uint64_t duration_ns)
{
    struct client *clients = allocate(parallel, sizeof(*clients));
    uint64_t moved = 0, begun_at_ns;

    stall(model, stalled);
    begun_at_ns = now_ns();
    for (unsigned i = 0; i < parallel; i++) {
        clients[i] = *model;
        clients[i].request.end_at_ns =
            duration_ns != 0 ? begun_at_ns + duration_ns : UINT64_MAX;
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0)
            die("out of threads");
    }
    for (unsigned i = 0; i < parallel; i++) {
        pthread_join(clients[i].thread, NULL);
        moved += clients[i].moved;
    }
    printf("{\"bytes\":%" PRIu64 ",\"seconds\":%.6f}\n", moved,
           (double)(now_ns() - begun_at_ns) / 1e9);
    free(clients);
}

static uint64_t number(const char *text, bool parse(const char *text, uint64_t *value))
{
    uint64_t value;

    if (!parse(text, &value))
        die("'%s' is no such quantity", text);
    return value;
}

static void run_command(int argc, char **argv)
{
    static const struct option table[] = {{"proxy", required_argument, NULL, 'P'},
                                          {"direct", no_argument, NULL, 'D'},
                                          {"dest", required_argument, NULL, 'd'},
                                          {"up", required_argument, NULL, 'u'},
                                          {"down", required_argument, NULL, 'w'},
                                          {"parallel", required_argument, NULL, 'p'},
                                          {"for", required_argument, NULL, 'f'},
                                          {"stall", required_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    struct endpoint proxy = {0}, dest = {0};
    struct client model = {.proxy = &proxy, .dest = &dest};
    uint64_t parallel = 1, stalled = 0, duration_ns = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0) {
        switch (option) {
        case 'P': proxy = endpoint_parse(optarg); break;
        case 'D': model.direct = true; break;
        case 'd': dest = endpoint_parse(optarg); break;
        case 'u': model.request.up = number(optarg, parse_size); break;
        case 'w': model.request.down = number(optarg, parse_size); break;
        case 'p': parallel = number(optarg, parse_size); break;
        case 'f': duration_ns = number(optarg, parse_duration); break;
        case 's': stalled = number(optarg, parse_size); break;
        default: exit(2);
        }
    }
    if (dest.length == 0 || (proxy.length == 0 && !model.direct) || parallel == 0 ||
        parallel > THREADS_MAX || stalled > THREADS_MAX)
        die("run (--proxy ADDRESS | --direct) --dest ADDRESS ...");
    run(&model, (unsigned)parallel, (unsigned)stalled, duration_ns);
}

int main(int argc, char **argv)
{
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN); /* sendfile() has no flag against it */
    create_source();
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2]);
    else if (argc > 2 && strcmp(argv[1], "run") == 0)
        run_command(argc - 1, argv + 1);
    else
        die("serve ADDRESS, or run ...");
    return 0;
}
