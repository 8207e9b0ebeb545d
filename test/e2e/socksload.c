/* SPDX-License-Identifier: MIT */
/* A SOCKS5 client that opens many streams to an origin (see load.h), moves bytes both ways,
 * checks every one of them and prints its report as one JSON object.
 *
 *     socksload --proxy ADDRESS:PORT --dest HOST:PORT [options]
 *     socksload --direct ADDRESS:PORT [options]              the same without a proxy
 *
 *     --user NAME:PASSWORD   --count N (streams in all, 1)   --parallel N (at once, 1)
 *     --up SIZE  --down SIZE (bytes per stream)              --seed N
 *     --mode late|early|deaf (half-closes, see load.h)       --for DURATION (then cut what
 * runs)
 *     --ping N  --size BYTES (request and answer, N times)   --read-rate RATE (per stream;
 * of the answers of pings)
 *     --hold (open the streams, print "open N", and keep them idle until standard input
 * ends)
 *     --cut (what runs, when standard input ends)
 *
 * Exits with 0 when every stream was good, or was cut by --for, --hold or --cut in its
 * time, else 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"
#include "pattern.h"
#include "socksload_options.h"
#include "tool.h"

enum { CHUNK = 256 * 1024, MAX_EVENTS = 1024, MAX_SAMPLES = 4096, REPLIES = 256 };

enum state { CONNECTING, METHOD, AUTHENTICATION, REPLY, RUNNING };
enum outcome { GOOD, BAD, BROKEN, REFUSED, CUT, OUTCOMES };

struct stream {
    struct stream *next, **previous;
    int fd;
    enum state state;
    uint32_t interest;
    uint8_t output[600]; /* the handshake's next message, or the load header */
    size_t output_length, output_sent;
    uint8_t input[300]; /* the answer to it, or the trailer */
    size_t input_length;
    uint64_t seed, sent, received, started_at_ns;
    uint64_t pings_done, ping_started_at_ns, ping_sent, ping_received;
    uint64_t read_again_at_ns; /* pacing: nothing is read before */
    bool ended, mismatch;
};

struct load {
    struct options options;
    int epoll;
    bool stop;
    struct stream *first;
    uint64_t started, running, begun_at_ns, finished_at_ns;
    uint64_t outcomes[OUTCOMES], replies[REPLIES];
    uint64_t sent, received, connect_ns, slowest_connect_ns;
    uint64_t samples[2][MAX_SAMPLES]; /* bytes up and down in each second */
    uint32_t *latencies;              /* of pings, in microseconds; owned */
    size_t latency_count;
};

static struct load load;

static void finish(struct stream *stream, enum outcome outcome)
{
    load.outcomes[outcome]++;
    load.running--;
    if (outcome != GOOD)
        reset_on_close(stream->fd);
    close(stream->fd);
    *stream->previous = stream->next;
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    free(stream);
}

static void count_bytes(int direction, size_t length)
{
    uint64_t second = (now_ns() - load.begun_at_ns) / NS_PER_S;

    if (second < MAX_SAMPLES)
        load.samples[direction][second] += length;
    *(direction == 0 ? &load.sent : &load.received) += length;
}

static void set_interest(struct stream *stream, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = stream};

    if (stream->interest == interest)
        return;
    if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, stream->fd, &event) != 0)
        die_errno("epoll_ctl");
    stream->interest = interest;
}

static void say(struct stream *stream, enum state state, size_t length)
{
    stream->state = state;
    stream->output_length = length;
    stream->output_sent = 0;
    stream->input_length = 0;
}

static void say_method(struct stream *stream)
{
    memcpy(stream->output, load.options.name == NULL ? "\5\1\0" : "\5\1\2", 3);
    say(stream, METHOD, 3);
}

static void say_authentication(struct stream *stream)
{
    size_t name = strlen(load.options.name);
    size_t password = strlen(load.options.password);

    stream->output[0] = 1;
    stream->output[1] = (uint8_t)name;
    memcpy(stream->output + 2, load.options.name, name);
    stream->output[2 + name] = (uint8_t)password;
    memcpy(stream->output + 3 + name, load.options.password, password);
    say(stream, AUTHENTICATION, 3 + name + password);
}

static void say_request(struct stream *stream)
{
    uint8_t *output = stream->output;
    uint8_t *end = output + 4;
    uint16_t port = htons(load.options.port);

    memcpy(output, "\5\1\0\3", 4);
    if (inet_pton(AF_INET, load.options.host, end) == 1) {
        output[3] = 1;
        end += 4;
    } else if (inet_pton(AF_INET6, load.options.host, end) == 1) {
        output[3] = 4;
        end += 16;
    } else {
        *end = (uint8_t)strlen(load.options.host);
        memcpy(end + 1, load.options.host, *end);
        end += 1 + *end;
    }
    memcpy(end, &port, sizeof(port));
    say(stream, REPLY, (size_t)(end + 2 - output));
}

static void say_header(struct stream *stream)
{
    struct load_header header = {.flags = load.options.flags,
                                 .seed = stream->seed,
                                 .up = load.options.up,
                                 .down = load.options.down};
    uint64_t took = now_ns() - stream->started_at_ns;

    load.connect_ns += took;
    load.slowest_connect_ns = MAX(load.slowest_connect_ns, took);
    load_header_encode(&header, stream->output);
    say(stream, RUNNING, LOAD_HEADER_SIZE);
}

/* The length of the answer expected now, as far as its first bytes tell. */
static size_t answer_length(const struct stream *stream)
{
    const uint8_t *input = stream->input;

    if (stream->state != REPLY)
        return 2;
    if (stream->input_length < 5)
        return 5;
    return input[3] == 1 ? 10 : input[3] == 4 ? 22 : 7 + (size_t)input[4];
}

/* A whole answer of the proxy is there. False when the stream was finished. */
static bool take_answer(struct stream *stream)
{
    uint8_t code = stream->input[1];

    if (stream->state == METHOD && code != 0xff) {
        if (load.options.name != NULL)
            say_authentication(stream);
        else
            say_request(stream);
        return true;
    }
    if (code == 0 && stream->state == AUTHENTICATION) {
        say_request(stream);
        return true;
    }
    if (code == 0 && stream->state == REPLY) {
        say_header(stream);
        return true;
    }
    load.replies[code]++;
    finish(stream, REFUSED);
    return false;
}

static bool read_answer(struct stream *stream)
{
    size_t wanted = answer_length(stream);
    ssize_t got = read(stream->fd, stream->input + stream->input_length,
                       wanted - stream->input_length);

    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0) {
        finish(stream, BROKEN);
        return false;
    }
    stream->input_length += (size_t)got;
    if (stream->input_length < answer_length(stream))
        return true;
    return take_answer(stream);
}

static bool has_trailer(void)
{
    return (load.options.flags & (LOAD_ECHO | LOAD_EARLY | LOAD_DEAF)) == 0;
}

/* The end of the stream: whether everything came that had to. */
static enum outcome judge(const struct stream *stream)
{
    struct load_trailer trailer;

    if (stream->mismatch || stream->received != load.options.down)
        return BAD;
    if (load.options.pings != 0)
        return stream->pings_done == load.options.pings ? GOOD : BAD;
    if (!has_trailer())
        return GOOD;
    if (stream->input_length != LOAD_TRAILER_SIZE)
        return BAD;
    load_trailer_decode(&trailer, stream->input);
    return trailer.received == load.options.up && trailer.mismatch == UINT64_MAX ? GOOD
                                                                                 : BAD;
}

static void take_pong(struct stream *stream, size_t length)
{
    uint64_t now = now_ns();

    stream->ping_received += length;
    if (stream->ping_received < load.options.ping_size)
        return;
    load.latencies[load.latency_count++] =
        (uint32_t)MIN((now - stream->ping_started_at_ns) / 1000, UINT32_MAX);
    stream->pings_done++;
    stream->ping_sent = stream->ping_received = 0;
}

/* Checks payload, and keeps the bytes behind it as the trailer. */
static void take_payload(struct stream *stream, const uint8_t *bytes, size_t length)
{
    size_t payload = (size_t)MIN(load.options.down - stream->received, length);
    size_t rest = length - payload;

    if (load.options.pings != 0) {
        take_pong(stream, length);
        return;
    }
    if (pattern_check(~stream->seed, stream->received, bytes, payload) < payload)
        stream->mismatch = true;
    stream->received += payload;
    count_bytes(1, payload);
    if (rest > LOAD_TRAILER_SIZE - MIN(stream->input_length, (size_t)LOAD_TRAILER_SIZE)) {
        stream->mismatch = true;
        return;
    }
    memcpy(stream->input + stream->input_length, bytes + payload, rest);
    stream->input_length += rest;
}

static bool read_payload(struct stream *stream)
{
    static uint8_t bytes[CHUNK];
    uint64_t rate = load.options.read_rate;
    size_t size = rate == 0 ? sizeof(bytes) : (size_t)MIN(MAX(rate / 80, 1), sizeof(bytes));
    ssize_t got;

    if (now_ns() < stream->read_again_at_ns)
        return true;
    got = read(stream->fd, bytes, size);
    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0) {
        finish(stream, got == 0 ? judge(stream) : BROKEN);
        return false;
    }
    if (rate != 0)
        stream->read_again_at_ns = now_ns() + (uint64_t)got * 8 * NS_PER_S / rate;
    take_payload(stream, bytes, (size_t)got);
    return true;
}

/* Finds the bytes that are to be sent next; returns how many there are. */
static size_t next_bytes(struct stream *stream, uint8_t *bytes, const uint8_t **source)
{
    size_t length = 0;

    if (stream->output_sent < stream->output_length) {
        *source = stream->output + stream->output_sent;
        return stream->output_length - stream->output_sent;
    }
    if (stream->state != RUNNING)
        return 0;
    if (load.options.pings != 0) {
        /* A paced ping begins when its answer may be read. */
        if (stream->pings_done < load.options.pings && now_ns() >= stream->read_again_at_ns)
            length = (size_t)MIN(load.options.ping_size - stream->ping_sent, CHUNK);
    } else {
        length = (size_t)MIN(load.options.up - stream->sent, CHUNK);
    }
    pattern_fill(stream->seed, stream->sent, bytes, length);
    *source = bytes;
    return length;
}

static void note_sent(struct stream *stream, size_t length)
{
    if (stream->output_sent < stream->output_length) {
        stream->output_sent += length;
        return;
    }
    if (load.options.pings != 0 && stream->ping_sent == 0)
        stream->ping_started_at_ns = now_ns();
    if (load.options.pings != 0)
        stream->ping_sent += length;
    else
        stream->sent += length;
    count_bytes(0, length);
}

static bool everything_sent(const struct stream *stream)
{
    if (stream->state != RUNNING || stream->output_sent < stream->output_length ||
        load.options.hold)
        return false;
    if (load.options.pings != 0)
        return stream->pings_done == load.options.pings;
    return stream->sent == load.options.up;
}

static bool write_stream(struct stream *stream, bool *full)
{
    static uint8_t bytes[CHUNK];
    const uint8_t *source;
    size_t length;

    while ((length = next_bytes(stream, bytes, &source)) > 0) {
        ssize_t put = send(stream->fd, source, length, MSG_NOSIGNAL);

        if (put < 0 && errno == EAGAIN) {
            *full = true;
            return true;
        }
        if (put < 0) {
            finish(stream, BROKEN);
            return false;
        }
        note_sent(stream, (size_t)put);
    }
    if (everything_sent(stream) && !stream->ended) {
        stream->ended = true;
        shutdown(stream->fd, SHUT_WR);
    }
    return true;
}

static void stream_event(struct stream *stream, uint32_t events)
{
    bool full = false;

    if (stream->state == CONNECTING) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
            finish(stream, BROKEN);
            return;
        }
        if (load.options.direct)
            say_header(stream);
        else
            say_method(stream);
    } else if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
        bool alive = stream->state == RUNNING ? read_payload(stream) : read_answer(stream);

        if (!alive)
            return;
    }
    if (!write_stream(stream, &full))
        return;
    set_interest(stream, (stream->read_again_at_ns > now_ns() ? 0 : (uint32_t)EPOLLIN) |
                             (full ? (uint32_t)EPOLLOUT : 0));
}

static void start_stream(void)
{
    struct stream *stream = allocate(1, sizeof(*stream));
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = stream};

    stream->fd = connect_tcp(&load.options.proxy);
    if (stream->fd < 0)
        die_errno("connect");
    bound_send_buffer(stream->fd);
    stream->seed = load.options.seed + load.started++;
    stream->started_at_ns = now_ns();
    stream->interest = EPOLLOUT;
    stream->next = load.first;
    stream->previous = &load.first;
    if (stream->next != NULL)
        stream->next->previous = &stream->next;
    load.first = stream;
    load.running++;
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, stream->fd, &event) != 0)
        die_errno("epoll_ctl");
}

/* Wakes the paced streams whose time has come; returns how long epoll may wait, in ms. */
static int pace(void)
{
    uint64_t now = now_ns();
    uint64_t end = load.begun_at_ns + load.options.duration_ns;

    if (load.options.duration_ns != 0 && now >= end)
        load.stop = true;
    if (load.options.read_rate != 0) {
        for (struct stream *stream = load.first; stream != NULL; stream = stream->next) {
            if (stream->read_again_at_ns <= now)
                set_interest(stream,
                             stream->interest | EPOLLIN |
                                 (load.options.pings != 0 ? (uint32_t)EPOLLOUT : 0));
        }
        return 5;
    }
    return load.options.duration_ns == 0 ? -1
                                         : (int)((end - MIN(now, end)) / NS_PER_MS + 1);
}

static bool all_open(void)
{
    if (load.running < load.options.count)
        return false;
    for (const struct stream *stream = load.first; stream != NULL; stream = stream->next) {
        if (stream->state != RUNNING || stream->output_sent < stream->output_length)
            return false;
    }
    return true;
}

/* Held streams: once all are open, says so. From then on standard input's end ends the
 * program; for those to be cut, from the beginning. */
static void hold(void)
{
    static bool announced;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    if (announced || !(load.options.cut || (load.options.hold && all_open())))
        return;
    announced = true;
    if (load.options.hold)
        printf("open %" PRIu64 "\n", load.running);
    fflush(stdout);
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
        die_errno("standard input must be a pipe");
}

static void run(void)
{
    static struct epoll_event events[MAX_EVENTS];
    char ignored[16];

    load.begun_at_ns = now_ns();
    while (!load.stop) {
        int count;

        while (load.running < load.options.parallel && load.started < load.options.count)
            start_stream();
        if (load.running == 0)
            break;
        hold();
        count = epoll_wait(load.epoll, events, MAX_EVENTS, pace());
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr != NULL)
                stream_event(events[i].data.ptr, events[i].events);
            else if (read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
                load.stop = true;
        }
    }
    load.finished_at_ns = now_ns();
    while (load.first != NULL)
        finish(load.first, load.first->mismatch ? BAD : CUT);
}

static int compare_latencies(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report_latencies(void)
{
    size_t count = load.latency_count;

    if (count == 0)
        return;
    qsort(load.latencies, count, sizeof(*load.latencies), compare_latencies);
    printf(",\"ping_us\":{\"count\":%zu,\"min\":%u,\"p50\":%u,\"p99\":%u,\"max\":%u}",
           count, load.latencies[0], load.latencies[count / 2],
           load.latencies[count * 99 / 100], load.latencies[count - 1]);
}

static void report_samples(const char *name, const uint64_t *samples)
{
    uint64_t seconds =
        MIN((load.finished_at_ns - load.begun_at_ns) / NS_PER_S, MAX_SAMPLES);

    printf(",\"%s\":[", name);
    for (uint64_t i = 0; i < seconds; i++)
        printf("%s%" PRIu64, i == 0 ? "" : ",", samples[i]);
    printf("]");
}

static void report(void)
{
    static const char *const names[OUTCOMES] = {"good", "bad", "broken", "refused", "cut"};
    double opened = (double)MAX(load.started, 1);
    bool first = true;

    printf("{\"streams\":%" PRIu64, load.started);
    for (size_t i = 0; i < OUTCOMES; i++)
        printf(",\"%s\":%" PRIu64, names[i], load.outcomes[i]);
    printf(",\"replies\":{");
    for (size_t i = 0; i < REPLIES; i++) {
        if (load.replies[i] != 0) {
            printf("%s\"%zu\":%" PRIu64, first ? "" : ",", i, load.replies[i]);
            first = false;
        }
    }
    printf("},\"up\":%" PRIu64 ",\"down\":%" PRIu64 ",\"seconds\":%.6f", load.sent,
           load.received, (double)(load.finished_at_ns - load.begun_at_ns) / 1e9);
    printf(",\"connect_ms\":%.3f,\"slowest_connect_ms\":%.3f",
           (double)load.connect_ns / 1e6 / opened, (double)load.slowest_connect_ns / 1e6);
    report_latencies();
    report_samples("up_samples", load.samples[0]);
    report_samples("down_samples", load.samples[1]);
    puts("}");
}

int main(int argc, char **argv)
{
    options_read(&load.options, argc, argv);
    raise_file_limit();
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.latencies =
        allocate((size_t)(load.options.pings * load.options.count + 1), sizeof(uint32_t));
    run();
    report();
    free(load.latencies);
    return load.outcomes[BAD] + load.outcomes[BROKEN] + load.outcomes[REFUSED] == 0 ? 0 : 1;
}
