/* SPDX-License-Identifier: MIT */
/* A relay's workers: what arrives, what fails, reloads, and the end. */
#include "faults.h"
#include "io_pair.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/wire/handshake.h>

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct io_pair pair;

static bool has_ended(struct io_pair *p)
{
    return p->session == NULL;
}

static bool has_failed(struct io_pair *p)
{
    return p->failed > 0;
}

static bool has_unproven(struct io_pair *p)
{
    return p->unproven > 0;
}

static void finish(void)
{
    fault_clear();
    io_pair_end(&pair);
}

/* The relay serves a stream now. */
static void expect_service(void)
{
    int app = io_pair_open(&pair, NULL);
    int destination = io_pair_accept(&pair);

    io_pair_transfer(&pair, app, destination, 10000);
    io_pair_transfer(&pair, destination, app, 10000);
    close(app);
    close(destination);
}

/* ---- arrivals ---- */

static void test_no_descriptors_to_accept_with(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ECONNABORTED, EINTR};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        io_pair_begin(&pair, "");
        fault_fail(FAULT_ACCEPT, FAULT_ANY_FD, 1, errors[i]);
        io_pair_wait(&pair, io_pair_is_up);
        assert_int_equal(fault_left(FAULT_ACCEPT), 0);
        expect_service();
        finish();
    }
}

/* The relay reads first, since local has nothing to read before the answer. */
static void test_the_hello_cannot_be_read(void **state)
{
    static const int errors[] = {ECONNRESET, ENOBUFS, ETIMEDOUT};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        io_pair_begin(&pair, "");
        fault_fail(FAULT_RECV, FAULT_ANY_FD, 1, errors[i]);
        io_pair_wait(&pair, has_unproven);
        io_pair_wait(&pair, io_pair_is_up);
        expect_service();
        finish();
    }
}

static void test_the_hello_comes_in_pieces(void **state)
{
    (void)state;

    io_pair_begin(&pair, "");
    fault_shorten(FAULT_RECV, FAULT_ANY_FD, 1);
    io_pair_wait(&pair, io_pair_is_up);
    assert_int_equal(pair.unproven, 0);
    fault_clear();
    expect_service();
    finish();
}

/* The first bytes that are sent are local's HELLO, and the next ones its answer. */
static void test_the_answer_cannot_be_sent(void **state)
{
    static const int errors[] = {EAGAIN, ECONNRESET, ENOBUFS};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        io_pair_begin(&pair, "");
        fault_fail_after(FAULT_SEND, 1, 1, errors[i]);
        io_pair_wait(&pair, has_unproven);
        assert_int_equal(pair.unproven_how, UNPROVEN_CLOSED);
        io_pair_wait(&pair, io_pair_is_up);
        expect_service();
        finish();
    }
}

static int connect_stranger(const char *bytes)
{
    struct pollfd stranger = {.events = POLLOUT};

    assert_int_equal(socket_connect(&pair.relay_at, NULL, &stranger.fd), OK);
    assert_int_equal(poll(&stranger, 1, (int)IO_PAIR_PATIENCE * 1000), 1);
    assert_int_equal(write(stranger.fd, bytes, strlen(bytes)), strlen(bytes));
    return stranger.fd;
}

/* A stranger gets no answer and no end, whatever it says, and may go as it likes. */
static void test_strangers(void **state)
{
    int fds[3];
    char byte;
    (void)state;

    io_pair_begin(&pair, "");
    fds[0] = connect_stranger("GET / HTTP/1.1\r\n\r\n");
    fds[1] = connect_stranger("\x16\x03\x01");
    fds[2] = connect_stranger("SSH-2.0-OpenSSH_9.6\r\n");
    io_pair_wait(&pair, io_pair_is_up);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        assert_int_equal(read(fds[i], &byte, 1), -1);
        assert_int_equal(errno, EAGAIN);
    }
    socket_close_reset(fds[0]);
    close(fds[1]);
    expect_service();
    close(fds[2]);
    finish();
}

/* The session lives in one worker, and its connections arrive at any. */
static void test_two_workers(void **state)
{
    (void)state;

    io_pair_begin(&pair, ", \"workers\": 2");
    io_pair_wait(&pair, io_pair_is_up);
    for (int i = 0; i < 5; i++)
        expect_service();
    finish();
}

/* ---- status ---- */

struct answer {
    json_t *document;
    unsigned count;
};

static void on_status(void *context, json_t *document)
{
    struct answer *answer = context;

    json_decref(answer->document);
    answer->document = document;
    answer->count++;
}

static void wait_answer(const struct answer *answer)
{
    while (answer->count == 0)
        io_pair_turn(&pair);
    assert_int_equal(answer->count, 1);
    assert_non_null(answer->document);
}

static int number(const json_t *object, const char *a, const char *b)
{
    return (int)json_integer_value(json_object_get(json_object_get(object, a), b));
}

static void test_all_workers_tell_the_status(void **state)
{
    struct answer answer = {0};
    const json_t *client, *worker;
    int app, destination;
    size_t index;
    (void)state;

    io_pair_begin(&pair, ", \"workers\": 2");
    app = io_pair_open(&pair, NULL);
    destination = io_pair_accept(&pair);
    io_pair_transfer(&pair, app, destination, 10000);
    /* The second question joins the first. */
    relay_status_ask(pair.relay, on_status, &answer);
    relay_status_ask(pair.relay, on_status, &answer);
    wait_answer(&answer);
    assert_int_equal(json_array_size(json_object_get(answer.document, "workers")), 2);
    json_array_foreach(json_object_get(answer.document, "workers"), index, worker)
        assert_true(json_is_true(json_object_get(worker, "answered")));
    client = json_array_get(json_object_get(answer.document, "clients"), 0);
    assert_int_equal(json_array_size(json_object_get(client, "sessions")), 1);
    assert_int_equal(number(client, "held", "streams"), 1);
    assert_int_equal(number(client, "held", "destinations"), 1);
    assert_int_equal(json_integer_value(json_object_get(client, "dials")), 1);
    assert_int_equal(number(json_object_get(answer.document, "process"), "held", "streams"),
                     1);
    json_decref(answer.document);
    close(app);
    close(destination);
    finish();
}

/* Its thread does not run. */
static void test_a_worker_that_does_not_answer(void **state)
{
    struct answer answer = {0};
    struct relay *lame;
    json_t *workers;
    (void)state;

    io_pair_begin(&pair, "");
    assert_int_equal(relay_new(pair.loop, io_pair_config(&pair, ", \"workers\": 2", true),
                               NULL, NULL, pair.relay_key, &lame),
                     OK);
    relay_status_ask(lame, on_status, &answer);
    wait_answer(&answer);
    workers = json_object_get(answer.document, "workers");
    assert_true(json_is_true(json_object_get(json_array_get(workers, 0), "answered")));
    assert_true(json_is_false(json_object_get(json_array_get(workers, 1), "answered")));
    json_decref(answer.document);
    /* A question that the end overtakes. */
    answer = (struct answer){0};
    relay_status_ask(lame, on_status, &answer);
    relay_free(lame);
    assert_int_equal(answer.count, 0);
    finish();
}

/* ---- reloads ---- */

static void test_a_reload_without_the_client(void **state)
{
    int app, destination;
    (void)state;

    io_pair_begin(&pair, "");
    app = io_pair_open(&pair, NULL);
    destination = io_pair_accept(&pair);
    assert_int_equal(relay_reload(pair.relay, io_pair_config(&pair, "", false)), OK);
    io_pair_wait(&pair, has_ended);
    assert_int_equal(pair.ended_code, CLOSE_REMOVED);
    assert_int_equal(io_pair_wait_end(&pair, app), ECONNRESET);
    assert_int_equal(io_pair_wait_end(&pair, destination), ECONNRESET);
    close(app);
    close(destination);
    finish();
}

/* Streams go on, and the new timeouts and servers are used. */
static void test_a_reload_with_the_client(void **state)
{
    int app, destination;
    (void)state;

    io_pair_begin(&pair, "");
    app = io_pair_open(&pair, NULL);
    destination = io_pair_accept(&pair);
    assert_int_equal(
        relay_reload(
            pair.relay,
            io_pair_config(&pair, ", \"dns\": {\"servers\": [\"127.0.0.1\"]}", true)),
        OK);
    io_pair_transfer(&pair, app, destination, 1000);
    expect_service();
    close(app);
    close(destination);
    finish();
}

/* ---- the end ---- */

static void test_a_stop_without_streams(void **state)
{
    (void)state;

    io_pair_begin(&pair, "");
    io_pair_wait(&pair, io_pair_is_up);
    relay_stop(pair.relay, 3600 * NS_PER_S);
    io_pair_wait(&pair, has_ended);
    assert_int_equal(pair.ended_code, CLOSE_STOPPED);
    finish();
}

static void test_a_stop_opens_no_more_streams(void **state)
{
    int app, destination, late;
    (void)state;

    io_pair_begin(&pair, "");
    app = io_pair_open(&pair, NULL);
    destination = io_pair_accept(&pair);
    relay_stop(pair.relay, 3600 * NS_PER_S);
    late = io_pair_open(&pair, NULL);
    io_pair_wait(&pair, has_failed);
    assert_int_equal(io_pair_wait_end(&pair, late), ECONNRESET);
    relay_stop(pair.relay, 0);
    io_pair_wait(&pair, has_ended);
    assert_int_equal(io_pair_wait_end(&pair, app), ECONNRESET);
    close(app);
    close(late);
    close(destination);
    finish();
}

enum { HELLOS = 40 };

static int send_hello(const struct key_pair *local, const struct key_pair *relay,
                      uint64_t stamp)
{
    const struct hello_offer offer = {.stamp = stamp,
                                      .ciphers = ciphers_supported(),
                                      .linger_s = 10,
                                      .chunk_size = CHUNK_SIZE_MAX,
                                      .stream_window = 1 << 20,
                                      .session_window = 1 << 20};
    uint8_t hello[HELLO_MAX], ephemeral[KEY_SIZE];
    struct noise noise;
    struct wire_writer w;
    int fd = connect_stranger("");

    random_fill(ephemeral, sizeof(ephemeral));
    wire_writer_init(&w, hello, sizeof(hello));
    assert_int_equal(
        hello_write(&noise, &w, local, relay->public_key, ephemeral, 0, &offer), OK);
    noise_deinit(&noise);
    assert_int_equal(write(fd, hello, wire_length(&w)), wire_length(&w));
    return fd;
}

/* How many of the sockets have something to be read. */
static unsigned count_answers(const int fds[HELLOS])
{
    unsigned count = 0;

    for (unsigned i = 0; i < HELLOS; i++) {
        struct pollfd answer = {.fd = fds[i], .events = POLLIN};

        count += poll(&answer, 1, 0) == 1;
    }
    return count;
}

/* Handshakes that come together are answered in several iterations of the loop, which does
 * not wait between them. */
static void test_many_hellos_at_once(void **state)
{
    struct key_pair local, relay;
    unsigned answers = 0;
    int fds[HELLOS];
    (void)state;

    io_pair_begin(&pair, "");
    io_pair_wait(&pair, io_pair_is_up);
    assert_int_equal(key_pair_init(&local, pair.local_key), OK);
    assert_int_equal(key_pair_init(&relay, pair.relay_key), OK);
    for (unsigned i = 0; i < HELLOS; i++)
        fds[i] = send_hello(&local, &relay, clock_wall() + i);
    ev_timer_stop(pair.loop, &pair.tick);
    while (answers < HELLOS) {
        unsigned most = answers + 6;

        io_pair_turn(&pair);
        answers = count_answers(fds);
        assert_in_range(answers, 0, most);
    }
    ev_timer_start(pair.loop, &pair.tick);
    for (unsigned i = 0; i < HELLOS; i++)
        close(fds[i]);
    key_pair_deinit(&local);
    key_pair_deinit(&relay);
    expect_service();
    finish();
}

/* ---- errands ---- */

enum { STREAMS = 100 };

/* One turn of the loop; returns how many connections the destination has then. */
static unsigned accepted_in_a_turn(int destinations[STREAMS], unsigned count)
{
    int fd;

    io_pair_turn(&pair);
    while ((fd = accept(pair.destination, NULL, NULL)) >= 0) {
        assert_true(count < STREAMS);
        destinations[count++] = fd;
    }
    return count;
}

/* One chunk asks for many connections, and the end of a session ends all of them: both in
 * many iterations of the loop, which does not wait between them. All iterations count: on a
 * busy machine the kernel shows what two of them did at once. */
static void test_many_streams_at_once(void **state)
{
    int apps[STREAMS], destinations[STREAMS];
    unsigned count = 0, ended = 0;
    (void)state;

    io_pair_begin(&pair, "");
    io_pair_wait(&pair, io_pair_is_up);
    for (unsigned i = 0; i < STREAMS; i++)
        apps[i] = io_pair_open(&pair, NULL);
    ev_timer_stop(pair.loop, &pair.tick);
    for (unsigned turns = 1; count < STREAMS; turns++) {
        count = accepted_in_a_turn(destinations, count);
        assert_in_range(count, 0, turns * TURN_ERRANDS);
    }
    ev_timer_start(pair.loop, &pair.tick);
    session_close(pair.session, CLOSE_STOPPED, "the test", clock_now());
    driver_touch(&pair.driver);
    for (unsigned turns = 1; ended < STREAMS; turns++) {
        io_pair_turn(&pair);
        for (ended = 0; ended < STREAMS; ended++) {
            struct pollfd end = {.fd = destinations[ended], .events = POLLIN};

            if (poll(&end, 1, 0) != 1)
                break;
        }
        assert_in_range(ended, 0, turns * TURN_ERRANDS);
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        close(apps[i]);
        close(destinations[i]);
    }
    finish();
}

UNIT_MAIN(cmocka_unit_test(test_no_descriptors_to_accept_with),
          cmocka_unit_test(test_the_hello_cannot_be_read),
          cmocka_unit_test(test_the_hello_comes_in_pieces),
          cmocka_unit_test(test_the_answer_cannot_be_sent),
          cmocka_unit_test(test_strangers), cmocka_unit_test(test_two_workers),
          cmocka_unit_test(test_all_workers_tell_the_status),
          cmocka_unit_test(test_a_worker_that_does_not_answer),
          cmocka_unit_test(test_a_reload_without_the_client),
          cmocka_unit_test(test_a_reload_with_the_client),
          cmocka_unit_test(test_a_stop_without_streams),
          cmocka_unit_test(test_a_stop_opens_no_more_streams),
          cmocka_unit_test(test_many_hellos_at_once),
          cmocka_unit_test(test_many_streams_at_once))
