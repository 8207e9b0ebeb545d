/* SPDX-License-Identifier: MIT */
#include "dns_server.h"
#include "addresses.h"

#include <splitsocks/base/wire.h>
#include <splitsocks/io/socket.h>

#include <unistd.h>

enum { TYPE_A = 1, TYPE_AAAA = 28 };
enum { FLAG_ANSWER = 0x8180, FLAG_TRUNCATED = 0x0200, NXDOMAIN = 3, SERVFAIL = 2 };

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

static void write_record(struct wire_writer *w, uint16_t type, uint32_t ttl,
                         uint16_t claimed_length, uint8_t last)
{
    uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8};

    wire_write_u16(w, 0xc00c); /* the question's name */
    wire_write_u16(w, type);
    wire_write_u16(w, 1);
    wire_write_u32(w, ttl);
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
    uint32_t ttl = strcmp(label, "ttl0") == 0 ? 0 : 60;
    unsigned count = strcmp(label, "many") == 0    ? 15
                     : strcmp(label, "crowd") == 0 ? (type == TYPE_A ? 20 : 2)
                                                   : 1;

    if (strcmp(label, "liar") == 0) {
        write_record(w, type, ttl, 60000, 1);
        return 1;
    }
    if (strcmp(label, "empty") == 0 || (strcmp(label, "four") == 0 && type != TYPE_A))
        return 0;
    for (unsigned i = 0; i < count; i++)
        write_record(w, type, ttl, type == TYPE_A ? 4 : 16, (uint8_t)(i + 7));
    return (uint16_t)count;
}

/* A record in the authority section that says how long an absence holds. */
static void write_absence(struct wire_writer *w)
{
    const uint8_t soa[22] = {[21] = 60};

    wire_write_u16(w, 0xc00c);
    wire_write_u16(w, 6);
    wire_write_u16(w, 1);
    wire_write_u32(w, 60);
    wire_write_u16(w, sizeof(soa));
    wire_write_bytes(w, soa, sizeof(soa));
}

/* Whether a question of that type meets silence. */
static bool is_silent(const struct dns_server *server, const char *label, uint16_t type)
{
    return server->deaf || strcmp(label, "silent") == 0 ||
           (strcmp(label, "onlyfour") == 0 && type == TYPE_AAAA) ||
           (strcmp(label, "onlysix") == 0 && type == TYPE_A);
}

static uint16_t flags_for(const char *label, uint16_t type)
{
    bool four = type == TYPE_A;

    if (strcmp(label, "missing") == 0 || (strcmp(label, "halfmissing") == 0 && !four))
        return FLAG_ANSWER | NXDOMAIN;
    if (strcmp(label, "broken") == 0 || (strcmp(label, "halfbroken") == 0 && !four))
        return FLAG_ANSWER | SERVFAIL;
    if (strncmp(label, "truncated", 9) == 0)
        return FLAG_ANSWER | FLAG_TRUNCATED;
    return FLAG_ANSWER;
}

static void on_question(struct ev_loop *loop, ev_io *io, int events)
{
    struct dns_server *server = io->data;
    struct sockaddr_storage from;
    socklen_t from_length = sizeof(from);
    uint8_t question[512], answer[1024];
    char label[64];
    uint16_t type, flags, count = 0;
    bool absent;
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
    if (is_silent(server, label, type))
        return;
    flags = flags_for(label, type);
    wire_writer_init(&body, answer + header, sizeof(answer) - header);
    if (flags == FLAG_ANSWER || strcmp(label, "truncatedfull") == 0)
        count = write_answer(&body, label, type);
    absent = count == 0 && (flags & 0xf) != SERVFAIL;
    if (absent)
        write_absence(&body);
    wire_writer_init(&w, answer + 2, 10);
    wire_write_u16(&w, flags);
    wire_write_u16(&w, 1);
    wire_write_u16(&w, count);
    wire_write_u16(&w, absent);
    wire_write_u16(&w, 0);
    n = (ssize_t)(header + wire_length(&body));
    if (strcmp(label, "short") == 0)
        n = 11; /* not even a header */
    assert_int_equal(
        sendto(io->fd, answer, (size_t)n, 0, (struct sockaddr *)&from, from_length), n);
}

void dns_server_start(struct dns_server *server, struct ev_loop *loop)
{
    struct sockaddr_storage storage;
    socklen_t length;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    server->address = address_of("127.0.0.1");
    length = socket_address_put(&server->address, &storage);
    assert_int_equal(bind(fd, (struct sockaddr *)&storage, length), 0);
    server->address = socket_local_address(fd);
    ev_io_init(&server->io, on_question, fd, EV_READ);
    server->io.data = server;
    ev_io_start(loop, &server->io);
}

void dns_server_stop(struct dns_server *server, struct ev_loop *loop)
{
    if (!ev_is_active(&server->io))
        return;
    ev_io_stop(loop, &server->io);
    close(server->io.fd);
}
