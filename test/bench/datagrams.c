/* SPDX-License-Identifier: MIT */
/*
 * Datagrams both ways between a client and a server, which are both in this process, each
 * in a network namespace of its own if asked to. So one clock tells one-way delays.
 *
 *   datagrams WORK --way udp|socks|tcp --to ADDRESS --server ADDRESS [--source ADDRESS]
 *             [--client-netns PATH] [--server-netns PATH]
 *     call  --count N --rate N --size N     N a second each way, as a call has
 *     echo  --count N --rate N --size N     the server returns each
 *     query --count N --rate N --size N     each from a socket of its own, and answered
 *     flood --seconds DURATION --size N --window N   the answer to one lets the next go
 *
 * Prints JSON. Times in milliseconds; "late" counts what took longer than --late, and what
 * never came.
 */
#include "way.h"

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* After the last was sent: what comes later than this counts as lost. */
#define LAST_WAIT_NS (2 * NS_PER_S)
/* Sockets of queries that are kept open for their answers. */
#define QUERY_SOCKETS 512
/* In a flood, a datagram without an answer for so long is taken for lost. */
#define FLOOD_LOST_NS (200 * NS_PER_MS)
/* What is sent before the count begins, so that the flow and its subflows are there. */
#define WARM_UP 20

enum direction { UP, DOWN };

struct message {
    uint64_t number, sent_at_ns;
};

static struct {
    struct way_options way;
    uint64_t count, rate, size, seconds_ns, window, late_ns;
} options = {.count = 1000,
             .rate = 50,
             .size = 200,
             .seconds_ns = 5 * NS_PER_S,
             .window = 64,
             .late_ns = 60 * NS_PER_MS};

/* One direction's datagrams. */
struct tally {
    uint64_t *delays_ns; /* by number; 0: has not come */
    uint64_t sent, received, duplicates, reordered, highest;
    uint64_t last_at_ns, gap_ns; /* the longest time between two that came */
};

static struct tally tallies[2];

static void send_message(struct way_end *end, uint64_t number, uint64_t now)
{
    uint8_t bytes[DATAGRAM_SIZE_MAX] = {0};
    const struct message message = {.number = number, .sent_at_ns = now};

    memcpy(bytes, &message, sizeof(message));
    (void)way_send(end, bytes, options.size);
}

static bool next_message(struct way_end *end, struct message *message)
{
    uint8_t bytes[DATAGRAM_SIZE_MAX + SOCKS_HEADER];
    size_t at;

    if (way_receive(end, bytes, &at) < (long)sizeof(*message))
        return false;
    memcpy(message, bytes + at, sizeof(*message));
    return true;
}

static void note(struct tally *tally, const struct message *message, uint64_t now)
{
    if (message->number >= options.count)
        return; /* of the warm-up */
    if (tally->delays_ns[message->number] != 0) {
        tally->duplicates++;
        return;
    }
    tally->delays_ns[message->number] = now - message->sent_at_ns;
    if (tally->received > 0) {
        tally->gap_ns = MAX(tally->gap_ns, now - tally->last_at_ns);
        tally->reordered += message->number < tally->highest;
    }
    tally->highest = MAX(tally->highest, message->number);
    tally->last_at_ns = now;
    tally->received++;
}

/* ---- the report ---- */

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void print_tally(const char *name, struct tally *tally)
{
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    uint64_t late = tally->sent - tally->received;
    uint64_t *delays_ns = allocate(tally->received + 1, sizeof(*delays_ns));
    size_t n = 0;

    for (uint64_t i = 0; i < options.count; i++)
        if (tally->delays_ns[i] != 0)
            delays_ns[n++] = tally->delays_ns[i];
    qsort(delays_ns, n, sizeof(*delays_ns), by_value);
    for (size_t i = 0; i < n; i++)
        late += delays_ns[i] > options.late_ns;
    printf("\"%s\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64
           ", \"duplicates\": %" PRIu64 ", \"reordered\": %" PRIu64 ", \"late\": %" PRIu64
           ", \"gap\": %.3f",
           name, tally->sent, tally->received, tally->duplicates, tally->reordered, late,
           (double)tally->gap_ns * 1e-6);
    for (size_t i = 0; i < ARRAY_LENGTH(shares) && n > 0; i++)
        printf(", \"%s\": %.3f", shares[i].name,
               (double)delays_ns[(size_t)((double)(n - 1) * shares[i].share)] * 1e-6);
    printf("}");
    free(delays_ns);
}

static void report(const char *up, const char *down)
{
    printf("{");
    print_tally(up, &tallies[UP]);
    if (down != NULL) {
        printf(", ");
        print_tally(down, &tallies[DOWN]);
    }
    printf("}\n");
}

/* ---- a call ---- */

static void await(const struct way_end *ends, size_t count, uint64_t until_ns)
{
    struct pollfd fds[2];
    uint64_t now = now_ns();
    struct timespec wait = {0};

    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = ends[i].fd, .events = POLLIN};
    if (until_ns > now) {
        wait.tv_sec = (time_t)((until_ns - now) / NS_PER_S);
        wait.tv_nsec = (long)((until_ns - now) % NS_PER_S);
    }
    (void)ppoll(fds, count, &wait, NULL);
}

/* Until the server knows its client, numbers beyond the count go up. */
static void warm_up(struct way_end ends[2])
{
    struct message message;

    for (unsigned i = 0; i < WARM_UP; i++) {
        send_message(&ends[UP], options.count + i, now_ns());
        await(&ends[DOWN], 1, now_ns() + NS_PER_S / 5);
        while (next_message(&ends[DOWN], &message))
            ;
        if (ends[DOWN].peer.length > 0 || ends[DOWN].framed)
            send_message(&ends[DOWN], options.count + i, now_ns());
        await(&ends[UP], 1, now_ns() + NS_PER_S / 5);
        while (next_message(&ends[UP], &message))
            ;
    }
    if (ends[DOWN].peer.length == 0 && !ends[DOWN].framed)
        die("nothing arrives");
}

static void answer_all(struct way_end *server)
{
    struct message message;

    while (next_message(server, &message))
        send_message(server, message.number, message.sent_at_ns);
}

/* With `echo` the client alone sends, and the server returns it. */
static void run_call(struct way_end ends[2], bool echo)
{
    uint64_t interval_ns = NS_PER_S / options.rate, begin = now_ns();
    uint64_t end = begin + options.count * interval_ns + LAST_WAIT_NS;
    struct message message;

    for (uint64_t now = begin; now < end; now = now_ns()) {
        uint64_t next = begin + tallies[UP].sent * interval_ns;

        if (tallies[UP].sent < options.count && next <= now) {
            send_message(&ends[UP], tallies[UP].sent++, now);
            if (!echo)
                send_message(&ends[DOWN], tallies[DOWN].sent++, now);
            continue;
        }
        await(ends, 2, tallies[UP].sent < options.count ? next : end);
        now = now_ns();
        if (echo)
            answer_all(&ends[DOWN]);
        while (next_message(&ends[DOWN], &message))
            note(&tallies[UP], &message, now);
        while (next_message(&ends[UP], &message))
            note(&tallies[echo ? UP : DOWN], &message, now);
    }
}

/* ---- queries ---- */

static void run_queries(struct way_end *server)
{
    static struct way_end *clients[QUERY_SOCKETS];
    uint64_t interval_ns = NS_PER_S / options.rate, begin = now_ns();
    uint64_t end = begin + options.count * interval_ns + LAST_WAIT_NS;
    struct pollfd fds[QUERY_SOCKETS + 1] = {{.fd = server->fd, .events = POLLIN}};
    struct message message;
    int control;

    for (size_t i = 0; i < QUERY_SOCKETS; i++)
        fds[i + 1] = (struct pollfd){.fd = -1, .events = POLLIN};
    for (uint64_t now = begin; now < end; now = now_ns()) {
        uint64_t next = begin + tallies[UP].sent * interval_ns;
        size_t place = tallies[UP].sent % QUERY_SOCKETS;

        if (tallies[UP].sent < options.count && next <= now) {
            if (clients[place] == NULL)
                clients[place] = allocate(1, sizeof(*clients[place]));
            else
                close(clients[place]->fd);
            way_open(&options.way, clients[place], &control);
            fds[place + 1].fd = clients[place]->fd;
            send_message(clients[place], tallies[UP].sent++, now_ns());
        }
        (void)poll(fds, QUERY_SOCKETS + 1, 1);
        answer_all(server);
        now = now_ns();
        for (size_t i = 0; i < QUERY_SOCKETS; i++)
            while (fds[i + 1].revents & POLLIN && next_message(clients[i], &message))
                note(&tallies[UP], &message, now);
    }
}

/* ---- a flood ---- */

/* The number of answers; `*seconds` is how long it took. */
static uint64_t run_flood(struct way_end ends[2], double *seconds)
{
    uint64_t begin = now_ns(), now = begin, heard_at_ns = begin, answers = 0, number = 0;
    uint64_t flying = 0;
    struct message message;

    while (now < begin + options.seconds_ns) {
        while (flying < options.window) {
            send_message(&ends[UP], options.count + number++, now);
            flying++;
        }
        await(ends, 2, now + FLOOD_LOST_NS / 4);
        answer_all(&ends[DOWN]);
        now = now_ns();
        while (next_message(&ends[UP], &message)) {
            answers++;
            flying -= flying > 0;
            heard_at_ns = now;
        }
        if (now - heard_at_ns > FLOOD_LOST_NS) {
            flying = 0;
            heard_at_ns = now;
        }
    }
    *seconds = (double)(now - begin) * 1e-9;
    tallies[UP].sent = number;
    return answers;
}

/* ---- options ---- */

static uint64_t number_of(const char *text)
{
    uint64_t value;

    if (!parse_size(text, &value) || value == 0)
        die("not a number: %s", text);
    return value;
}

static uint64_t duration_of(const char *text)
{
    uint64_t value;

    if (!parse_duration(text, &value))
        die("not a duration: %s", text);
    return value;
}

static enum way_kind way_of(const char *text)
{
    static const char *const words[] = {"udp", "socks", "tcp"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (strcmp(text, words[i]) == 0)
            return (enum way_kind)i;
    die("no such way: %s", text);
}

static void take_option(int option, const char *value)
{
    switch (option) {
    case 'w': options.way.kind = way_of(value); break;
    case 't': options.way.to = endpoint_parse(value); break;
    case 's': options.way.server = endpoint_parse(value); break;
    case 'f': options.way.source = endpoint_parse(value); break;
    case 'C': options.way.client_netns = value; break;
    case 'S': options.way.server_netns = value; break;
    case 'c': options.count = number_of(value); break;
    case 'r': options.rate = number_of(value); break;
    case 'z': options.size = number_of(value); break;
    case 'd': options.seconds_ns = duration_of(value); break;
    case 'W': options.window = number_of(value); break;
    case 'l': options.late_ns = duration_of(value); break;
    default: exit(2);
    }
}

static void parse_options(int argc, char *argv[])
{
    static const struct option longs[] = {
        {"way", 1, NULL, 'w'},
        {"to", 1, NULL, 't'},
        {"server", 1, NULL, 's'},
        {"source", 1, NULL, 'f'},
        {"client-netns", 1, NULL, 'C'},
        {"server-netns", 1, NULL, 'S'},
        {"count", 1, NULL, 'c'},
        {"rate", 1, NULL, 'r'},
        {"size", 1, NULL, 'z'},
        {"seconds", 1, NULL, 'd'},
        {"window", 1, NULL, 'W'},
        {"late", 1, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) >= 0)
        take_option(option, optarg);
    if (optind != argc || options.size > DATAGRAM_SIZE_MAX ||
        options.size < sizeof(struct message))
        die("sizes are %zu to %d", sizeof(struct message), DATAGRAM_SIZE_MAX);
}

int main(int argc, char *argv[])
{
    static struct way_end ends[2];
    const char *work = argc > 1 ? argv[1] : "";
    double seconds;
    int listener, control;

    parse_options(argc - 1, argv + 1);
    for (int i = UP; i <= DOWN; i++)
        tallies[i].delays_ns = allocate(options.count, sizeof(uint64_t));
    raise_file_limit();
    listener = way_listen(&options.way);
    if (strcmp(work, "query") == 0) {
        way_accept(&options.way, listener, &ends[DOWN]);
        run_queries(&ends[DOWN]);
        report("queries", NULL);
        return 0;
    }
    way_open(&options.way, &ends[UP], &control);
    way_accept(&options.way, listener, &ends[DOWN]);
    warm_up(ends);
    if (strcmp(work, "flood") == 0) {
        uint64_t answers = run_flood(ends, &seconds);

        printf("{\"answers\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"seconds\": %.3f}\n",
               answers, tallies[UP].sent, seconds);
        return 0;
    }
    if (strcmp(work, "call") != 0 && strcmp(work, "echo") != 0)
        die("the work is call, echo, query or flood");
    run_call(ends, work[0] == 'e');
    if (work[0] == 'e')
        report("echoes", NULL);
    else
        report("up", "down");
    return 0;
}
