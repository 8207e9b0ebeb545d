/* SPDX-License-Identifier: MIT */
#include "io_pair.h"

#include <splitsocks/crypto/key.h>
#include <splitsocks/io/clock.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_SECONDS 0.002
#define BUFFERED (16 * 1024 * 1024)

/* ---- waiting ---- */

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fail_msg("%s", "what the test waits for does not come");
}

void io_pair_turn(struct io_pair *pair)
{
    ev_run(pair->loop, EVRUN_ONCE);
}

void io_pair_wait(struct io_pair *pair, io_pair_condition *condition)
{
    ev_timer_again(pair->loop, &pair->patience);
    while (!condition(pair))
        io_pair_turn(pair);
}

bool io_pair_is_up(struct io_pair *pair)
{
    return pair->proven > 0;
}

/* ---- local's role ---- */

static struct io_pair *pair_of(const struct driver *driver)
{
    return driver->context;
}

static void dial(struct driver *driver, struct subflow_io *io)
{
    const struct socket_connect_options options = {.subflow = true};

    subflow_io_connect(io, &pair_of(driver)->relay_at, &options);
}

static void note_dialled(struct driver *driver, const struct subflow_io *io, int error)
{
    struct io_pair *pair = pair_of(driver);
    (void)io;

    if (error == 0) {
        pair->dials_good++;
        return;
    }
    pair->dials_bad++;
    pair->dial_error = error;
}

static void note_proven(struct driver *driver, const struct subflow_io *io)
{
    (void)io;
    pair_of(driver)->proven++;
}

static void note_unproven(struct driver *driver, const struct subflow_io *io,
                          enum unproven how)
{
    (void)io;
    pair_of(driver)->unproven++;
    pair_of(driver)->unproven_how = how;
}

static uint64_t stamp(struct driver *driver)
{
    static uint64_t last;
    (void)driver;

    last = MAX(clock_wall(), last + 1);
    return last;
}

static void ignore_change(struct driver *driver, const struct session_event *event)
{
    (void)driver;
    (void)event;
}

static bool end(struct driver *driver, enum error error, enum close_code code,
                const char *reason)
{
    struct io_pair *pair = pair_of(driver);
    (void)reason;

    pair->ended = error;
    pair->ended_code = code;
    driver_deinit(driver);
    session_free(pair->session);
    pair->session = NULL;
    return true;
}

static const struct driver_role role = {
    .dial = dial,
    .dialled = note_dialled,
    .proven = note_proven,
    .unproven = note_unproven,
    .stamp = stamp,
    .changed = ignore_change,
    .ended = end,
};

/* ---- life ---- */

struct config_relay *io_pair_config(const struct io_pair *pair, const char *members,
                                    bool clients)
{
    uint8_t public_key[KEY_SIZE];
    char key[KEY_TEXT_LENGTH + 1], client[256] = "", text[2048];
    struct config_relay *config;
    struct config_error error;

    assert_int_equal(key_public(public_key, pair->local_key), OK);
    key_format(key, public_key);
    if (clients)
        snprintf(client, sizeof(client), "{\"name\": \"laptop\", \"public_key\": \"%s\"}",
                 key);
    snprintf(text, sizeof(text),
             "{\"listen\": [{\"address\": \"127.0.0.1\", \"ports\": [%u]}], "
             "\"private_key_file\": \"relay.key\", \"clients\": [%s], "
             "\"destinations\": {\"allow\": [\"127.0.0.0/8\"]}%s}",
             pair->relay_at.port, client, members);
    if (config_relay_parse(text, strlen(text), "relay.json", &config, &error) != OK)
        fail_msg("%s", error.problems[0].text);
    return config;
}

/* The configuration needs a port by number, and another program may take a free one before
 * the relay does. */
static void start_relay(struct io_pair *pair, const char *members)
{
    const struct socket_listen_options options = {.at_once = true};

    for (;;) {
        struct address address = address_of("127.0.0.1");
        int fd;

        assert_int_equal(socket_listen(&address, &options, &fd), OK);
        pair->relay_at = socket_local_address(fd);
        close(fd);
        assert_int_equal(relay_new(pair->loop, io_pair_config(pair, members, true), NULL,
                                   NULL, pair->relay_key, &pair->relay),
                         OK);
        if (relay_listen(pair->relay) == OK)
            break;
        relay_free(pair->relay);
    }
    assert_int_equal(relay_start(pair->relay), OK);
}

void io_pair_stop_relay(struct io_pair *pair)
{
    relay_free(pair->relay);
    pair->relay = NULL;
}

static void start_local(struct io_pair *pair)
{
    struct session_config config = {.role = SESSION_LOCAL,
                                    .pages = &pair->worker.pages,
                                    .chunk_size = IO_PAIR_CHUNK_SIZE,
                                    .linger_ns = 60 * NS_PER_S,
                                    .pool_size = 2,
                                    .pool_idle = 1,
                                    .pool_burst = 4,
                                    .budget_up = SESSION_UNLIMITED,
                                    .budget_down = SESSION_UNLIMITED,
                                    .path_count = 1,
                                    .port_count = 1,
                                    .seed = 7};

    memcpy(config.private_key, pair->local_key, KEY_SIZE);
    assert_int_equal(key_public(config.relay_public_key, pair->relay_key), OK);
    assert_int_equal(worker_init(&pair->worker, pair->loop, BUFFERED, NS_PER_S), OK);
    pair->session = session_new(&config, clock_now());
    assert_non_null(pair->session);
    driver_init(&pair->driver, &pair->worker, pair->session, &role, pair);
}

void io_pair_begin(struct io_pair *pair, const char *members)
{
    const struct socket_listen_options options = {.at_once = true};
    struct address address = address_of("127.0.0.1");

    *pair = (struct io_pair){.relay_key = {5}, .local_key = {3}};
    pair->loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&pair->tick, on_tick, TICK_SECONDS, TICK_SECONDS);
    ev_timer_start(pair->loop, &pair->tick);
    ev_init(&pair->patience, on_patience);
    pair->patience.repeat = IO_PAIR_PATIENCE;
    ev_timer_again(pair->loop, &pair->patience);
    list_init(&pair->plains);
    assert_int_equal(socket_listen(&address, &options, &pair->destination), OK);
    pair->destination_port = socket_local_address(pair->destination).port;
    start_relay(pair, members);
    start_local(pair);
}

void io_pair_end(struct io_pair *pair)
{
    while (!list_empty(&pair->plains))
        plain_abort(list_first(&pair->plains, struct plain, node));
    if (pair->session != NULL) {
        driver_deinit(&pair->driver);
        session_free(pair->session);
    }
    io_pair_stop_relay(pair);
    worker_deinit(&pair->worker);
    close(pair->destination);
    ev_timer_stop(pair->loop, &pair->tick);
    ev_timer_stop(pair->loop, &pair->patience);
    ev_loop_destroy(pair->loop);
}

/* ---- streams ---- */

void io_pair_sockets(int ends[2])
{
    const struct socket_listen_options options = {.at_once = true};
    struct address address = address_of("127.0.0.1");
    struct pollfd ready = {.events = POLLIN};

    assert_int_equal(socket_listen(&address, &options, &ready.fd), OK);
    address = socket_local_address(ready.fd);
    assert_int_equal(socket_connect(&address, NULL, &ends[0]), OK);
    assert_int_equal(poll(&ready, 1, (int)IO_PAIR_PATIENCE * 1000), 1);
    ends[1] = accept4(ready.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(ends[1] >= 0);
    close(ready.fd);
}

/* A plain calls it without any context: there is one pair at a time. */
static struct io_pair *opener;

static void note_failed(int fd, const char *destination, const struct address *address,
                        enum reset_code code)
{
    (void)fd;
    (void)destination;
    (void)address;
    opener->failed++;
    opener->failed_code = code;
}

int io_pair_open(struct io_pair *pair, plain_reply *reply)
{
    const struct stream_policy policy = {.mode = STREAM_MODE_SPLIT};
    struct target target = {.port = pair->destination_port, .address_count = 1};
    struct stream *stream;
    int ends[2];

    opener = pair;
    target.addresses[0] = endpoint_of("127.0.0.1", pair->destination_port);
    io_pair_sockets(ends);
    stream = session_stream_open(pair->session, &target, &policy, clock_now());
    assert_non_null(stream);
    driver_touch(&pair->driver);
    assert_non_null(plain_new(&pair->driver, stream, ends[1], reply, note_failed,
                              &target.addresses[0], &pair->plains));
    return ends[0];
}

size_t io_pair_reply(uint8_t reply[PLAIN_REPLY_SIZE], bool opened, enum reset_code code)
{
    reply[0] = opened ? '+' : '-';
    reply[1] = (uint8_t)('a' + code);
    return 2;
}

void io_pair_expect_reply(struct io_pair *pair, int app, bool opened, enum reset_code code)
{
    uint8_t found[2], expected[PLAIN_REPLY_SIZE];
    size_t length = io_pair_reply(expected, opened, code);

    ev_timer_again(pair->loop, &pair->patience);
    while (read(app, found, length) != (ssize_t)length)
        io_pair_turn(pair);
    assert_memory_equal(found, expected, length);
}

int io_pair_accept(struct io_pair *pair)
{
    int fd;

    ev_timer_again(pair->loop, &pair->patience);
    while ((fd = accept4(pair->destination, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) <
           0) {
        assert_int_equal(errno, EAGAIN);
        io_pair_turn(pair);
    }
    return fd;
}

static uint8_t byte_at(size_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 9));
}

static size_t send_some(int fd, size_t offset, size_t length)
{
    uint8_t bytes[8192];
    ssize_t n;

    length = MIN(length, sizeof(bytes));
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at(offset + i);
    n = write(fd, bytes, length);
    assert_true(n >= 0 || errno == EAGAIN);
    return n > 0 ? (size_t)n : 0;
}

static size_t receive_some(int fd, size_t offset)
{
    uint8_t bytes[8192];
    ssize_t n = read(fd, bytes, sizeof(bytes));

    assert_true(n > 0 || (n < 0 && errno == EAGAIN));
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], byte_at(offset + (size_t)i));
    return n > 0 ? (size_t)n : 0;
}

void io_pair_transfer(struct io_pair *pair, int from, int to, size_t length)
{
    size_t sent = 0, received = 0;

    ev_timer_again(pair->loop, &pair->patience);
    while (received < length) {
        size_t before = sent + received, n;

        while ((n = send_some(from, sent, length - sent)) > 0)
            sent += n;
        received += receive_some(to, received);
        if (sent + received == before)
            io_pair_turn(pair);
        else
            ev_run(pair->loop, EVRUN_NOWAIT);
    }
    assert_int_equal(received, length);
}

int io_pair_wait_end(struct io_pair *pair, int fd)
{
    uint8_t bytes[8192];
    ssize_t n;

    ev_timer_again(pair->loop, &pair->patience);
    while ((n = read(fd, bytes, sizeof(bytes))) != 0 && (n > 0 || errno == EAGAIN))
        io_pair_turn(pair);
    return n == 0 ? 0 : errno;
}

int io_pair_subflow(const struct io_pair *pair, enum subflow_io_state state)
{
    list_foreach(&pair->driver.subflows, node, after) {
        const struct subflow_io *io = list_entry(node, struct subflow_io, node);

        if (io->state == state)
            return io->io.fd;
    }
    return -1;
}
