/* The resolver against a DNS server in this process, which misbehaves by name. */
#include "unit.h"

#include <splitsocks/resolver.h>
#include <splitsocks/socket.h>
#include <splitsocks/wire.h>

#include <ev.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_AAAA = 28 };
enum { FLAG_ANSWER = 0x8180, FLAG_TRUNCATED = 0x0200, NXDOMAIN = 3, SERVFAIL = 2 };

struct server {
    ev_io io;
    struct address address;
    unsigned asked;
};

struct report {
    unsigned calls;
    int error;
    size_t count;
    struct address addresses[TARGET_ADDRESSES_MAX];
};

struct fixture {
    struct ev_loop *loop;
    struct server server;
    struct resolver *resolver;
};

/* Reads the first label of the question; the rest is skipped. */
static void read_question(struct wire_reader *r, char label[64], uint16_t *type)
{
    uint8_t length = wire_read_u8(r);
    const uint8_t *text = wire_read_bytes(r, length);

    assert_non_null(text);
    memcpy(label, text, length);
    label[length] = '\0';
    while ((length = wire_read_u8(r)) != 0)
        (void)wire_read_bytes(r, length);
    *type = wire_read_u16(r);
    (void)wire_read_u16(r);
    assert_true(wire_ok(r));
}

static void write_record(struct wire_writer *w, uint16_t type, uint16_t claimed_length,
                         uint8_t last)
{
    uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8};

    wire_write_u16(w, 0xc00c); /* the question's name */
    wire_write_u16(w, type);
    wire_write_u16(w, 1);
    wire_write_u32(w, 60);
    wire_write_u16(w, claimed_length);
    if (type == TYPE_A) {
        const uint8_t ipv4[4] = {192, 0, 2, last};

        wire_write_bytes(w, ipv4, sizeof(ipv4));
    } else {
        bytes[15] = last;
        wire_write_bytes(w, bytes, sizeof(bytes));
    }
}

/* Returns how many records were written. */
static uint16_t write_answer(struct wire_writer *w, const char *label, uint16_t type)
{
    if (strcmp(label, "many") == 0 && type == TYPE_A) {
        for (uint8_t i = 0; i < 20; i++)
            write_record(w, type, 4, i);
        return 20;
    }
    if (strcmp(label, "liar") == 0) {
        write_record(w, type, 60000, 1);
        return 1;
    }
    if (strcmp(label, "empty") == 0 || (strcmp(label, "four") == 0 && type != TYPE_A))
        return 0;
    write_record(w, type, type == TYPE_A ? 4 : 16, 7);
    return 1;
}

static void on_question(struct ev_loop *loop, ev_io *io, int events)
{
    struct server *server = io->data;
    struct sockaddr_storage from;
    socklen_t from_length = sizeof(from);
    uint8_t question[512], answer[1024];
    char label[64];
    uint16_t type, flags = FLAG_ANSWER, count = 0;
    struct wire_reader r;
    struct wire_writer w, body;
    ssize_t n = recvfrom(io->fd, question, sizeof(question), 0, (struct sockaddr *)&from,
                         &from_length);
    size_t header;
    (void)loop;
    (void)events;

    assert_true(n > 12);
    server->asked++;
    wire_reader_init(&r, question, (size_t)n);
    (void)wire_read_bytes(&r, 12);
    read_question(&r, label, &type);
    header = (size_t)(r.at - question);
    memcpy(answer, question, header);
    if (strcmp(label, "silent") == 0)
        return;
    if (strcmp(label, "missing") == 0)
        flags |= NXDOMAIN;
    else if (strcmp(label, "broken") == 0)
        flags |= SERVFAIL;
    else if (strcmp(label, "truncated") == 0)
        flags |= FLAG_TRUNCATED;
    wire_writer_init(&body, answer + header, sizeof(answer) - header);
    if (flags == FLAG_ANSWER)
        count = write_answer(&body, label, type);
    wire_writer_init(&w, answer + 2, 10);
    wire_write_u16(&w, flags);
    wire_write_u16(&w, 1);
    wire_write_u16(&w, count);
    wire_write_u32(&w, 0);
    n = (ssize_t)(header + wire_length(&body));
    if (strcmp(label, "short") == 0)
        n = 11; /* not even a header */
    assert_int_equal(
        sendto(io->fd, answer, (size_t)n, 0, (struct sockaddr *)&from, from_length), n);
}

static void server_start(struct server *server, struct ev_loop *loop)
{
    struct sockaddr_storage storage;
    socklen_t length;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(address_parse(&server->address, "127.0.0.1"), OK);
    length = socket_address_put(&server->address, &storage);
    assert_int_equal(bind(fd, (struct sockaddr *)&storage, length), 0);
    server->address = socket_local_address(fd);
    ev_io_init(&server->io, on_question, fd, EV_READ);
    server->io.data = server;
    ev_io_start(loop, &server->io);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct resolver_options options = {.server_count = 1};

    memset(&fixture, 0, sizeof(fixture));
    fixture.loop = ev_loop_new(EVFLAG_AUTO);
    server_start(&fixture.server, fixture.loop);
    options.servers = &fixture.server.address;
    *state = &fixture;
    return resolver_new(fixture.loop, &options, &fixture.resolver);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    resolver_free(fixture->resolver);
    ev_io_stop(fixture->loop, &fixture->server.io);
    close(fixture->server.io.fd);
    ev_loop_destroy(fixture->loop);
    return 0;
}

static void on_done(void *context, int error, const struct address *addresses, size_t count)
{
    struct report *report = context;

    report->calls++;
    report->error = error;
    report->count = count;
    if (count > 0)
        memcpy(report->addresses, addresses, count * sizeof(*addresses));
}

static struct resolver_query *ask(struct fixture *fixture, const char *name,
                                  struct report *report)
{
    struct resolver_query *query;

    *report = (struct report){0};
    assert_int_equal(resolver_query(fixture->resolver, name, on_done, report, &query), OK);
    assert_int_equal(report->calls, 0); /* never from within */
    return query;
}

static void wait_for(struct fixture *fixture, const struct report *report)
{
    while (report->calls == 0)
        ev_run(fixture->loop, EVRUN_ONCE);
    assert_int_equal(report->calls, 1);
}

static void test_both_families(void **state)
{
    struct fixture *fixture = *state;
    struct report report;
    unsigned families = 0;

    ask(fixture, "both.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.count, 2);
    for (size_t i = 0; i < report.count; i++) {
        families |= report.addresses[i].family;
        assert_int_equal(report.addresses[i].port, 0);
    }
    assert_int_equal(families, ADDRESS_IPV4 | ADDRESS_IPV6);

    ask(fixture, "four.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.addresses[0].family, ADDRESS_IPV4);
}

static void test_literals_and_localhost_ask_nobody(void **state)
{
    static const char *const localhost[] = {"localhost", "LocalHost.", "a.localhost"};
    struct fixture *fixture = *state;
    struct report report;

    ask(fixture, "192.0.2.9", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.addresses[0].bytes[3], 9);
    ask(fixture, "2001:db8::9", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.addresses[0].family, ADDRESS_IPV6);
    for (size_t name = 0; name < ARRAY_LENGTH(localhost); name++) {
        ask(fixture, localhost[name], &report);
        wait_for(fixture, &report);
        assert_int_equal(report.error, OK);
        assert_int_equal(report.count, 2);
        for (size_t i = 0; i < report.count; i++)
            assert_true(address_is_loopback(&report.addresses[i]));
    }
    assert_int_equal(fixture->server.asked, 0);
    ask(fixture, "notlocalhost", &report);
    wait_for(fixture, &report);
    assert_int_not_equal(fixture->server.asked, 0);
}

static void test_failures_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        int error;
    } cases[] = {
        {"missing.test", ERROR_NOT_FOUND}, {"empty.test", ERROR_NOT_FOUND},
        {"broken.test", ERROR_SYSTEM},     {"truncated.test", ERROR_SYSTEM},
        {"liar.test", ERROR_SYSTEM},
    };
    struct fixture *fixture = *state;
    struct report report;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        ask(fixture, cases[i].name, &report);
        wait_for(fixture, &report);
        if (report.error != cases[i].error)
            fail_msg("%s: %s", cases[i].name, error_string(report.error));
    }
}

static void test_more_addresses_than_fit(void **state)
{
    struct fixture *fixture = *state;
    struct report report;

    ask(fixture, "many.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.count, TARGET_ADDRESSES_MAX);
}

/* Silence costs the query that met it, and no other. */
static void test_silence_is_bounded_and_alone(void **state)
{
    struct fixture *fixture = *state;
    struct report silent[50], garbled, good;

    for (size_t i = 0; i < ARRAY_LENGTH(silent); i++) {
        char name[32];

        snprintf(name, sizeof(name), "silent.%zu.test", i);
        ask(fixture, name, &silent[i]);
    }
    ask(fixture, "short.test", &garbled);
    ask(fixture, "good.test", &good);
    wait_for(fixture, &good);
    assert_int_equal(good.error, OK);
    assert_int_equal(silent[0].calls, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(silent); i++) {
        wait_for(fixture, &silent[i]);
        assert_int_equal(silent[i].error, ERROR_TIMEOUT);
    }
    wait_for(fixture, &garbled);
    assert_int_not_equal(garbled.error, OK);
    ask(fixture, "after.test", &good);
    wait_for(fixture, &good);
    assert_int_equal(good.error, OK);
}

static void test_cancelled_is_not_reported(void **state)
{
    struct fixture *fixture = *state;
    struct report first, second, third;
    struct resolver_query *query = ask(fixture, "first.test", &first);
    struct resolver_query *literal = ask(fixture, "192.0.2.1", &third);

    resolver_cancel(query);
    resolver_cancel(literal); /* its report is due already */
    ask(fixture, "second.test", &second);
    wait_for(fixture, &second);
    assert_int_equal(second.error, OK);
    assert_int_equal(first.calls, 0);
    assert_int_equal(third.calls, 0);
    /* One more is under way when the resolver goes. */
    ask(fixture, "silent.test", &first);
}

static void test_too_many(void **state)
{
    struct fixture *fixture = *state;
    struct resolver_query *query;
    struct report report = {0};
    unsigned taken = 0;

    while (resolver_query(fixture->resolver, "192.0.2.1", on_done, &report, &query) == OK)
        taken++;
    assert_int_equal(taken, RESOLVER_QUERIES_MAX);
    while (report.calls < taken)
        ev_run(fixture->loop, EVRUN_ONCE);
    assert_int_equal(resolver_query(fixture->resolver, "::1", on_done, &report, &query),
                     OK);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_MAIN(TEST(test_both_families), TEST(test_literals_and_localhost_ask_nobody),
          TEST(test_failures_are_told_apart), TEST(test_more_addresses_than_fit),
          TEST(test_silence_is_bounded_and_alone), TEST(test_cancelled_is_not_reported),
          TEST(test_too_many))
