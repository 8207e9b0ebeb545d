/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/datagram_direct.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of IPv4 and of IPv6. */
#define SOCKETS 2

struct datagram_direct {
    struct worker *worker; /* borrowed */
    datagram_direct_answer *answer;
    datagram_direct_settle *settle;
    void *context;
    struct one {
        struct datagram_direct *direct;
        struct datagram_socket socket;
        ev_io io;
    } sockets[SOCKETS];
};

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct one *one = io->data;
    struct datagram_direct *direct = one->direct;
    struct datagram_batch *batch = direct->worker->datagrams;
    size_t count = datagram_socket_receive(&one->socket, batch, DATAGRAM_BATCH);
    (void)loop;
    (void)events;

    for (size_t i = 0; i < count; i++) {
        const struct datagram_in *in = datagram_batch_at(batch, i);

        direct->answer(direct->context, &in->peer, in->bytes, in->length);
    }
    direct->settle(direct->context);
}

struct datagram_direct *datagram_direct_new(struct worker *worker,
                                            datagram_direct_answer *answer,
                                            datagram_direct_settle *settle, void *context)
{
    struct datagram_direct *direct = calloc(1, sizeof(*direct));

    if (direct == NULL)
        return NULL;
    direct->worker = worker;
    direct->answer = answer;
    direct->settle = settle;
    direct->context = context;
    for (size_t i = 0; i < SOCKETS; i++)
        direct->sockets[i] = (struct one){.direct = direct, .socket.fd = -1};
    return direct;
}

void datagram_direct_free(struct datagram_direct *direct)
{
    if (direct == NULL)
        return;
    for (size_t i = 0; i < SOCKETS; i++) {
        struct one *one = &direct->sockets[i];

        if (one->socket.fd >= 0)
            ev_io_stop(direct->worker->loop, &one->io);
        datagram_socket_close(&one->socket);
    }
    free(direct);
}

static bool open_socket(struct one *one, uint8_t family)
{
    static struct log_limit limit;
    const struct datagram_socket_options options = {.class = DESCRIPTOR_CLIENT};
    const struct address any = {.family = family};

    if (datagram_socket_open(&one->socket, &any, &options) != OK) {
        log_write_limited(&limit, clock_now(), LOG_WARNING,
                          "cannot send datagrams from this machine: %s", strerror(errno));
        return false;
    }
    ev_io_init(&one->io, on_readable, one->socket.fd, EV_READ);
    one->io.data = one;
    ev_io_start(one->direct->worker->loop, &one->io);
    return true;
}

/* The socket for the address, open; NULL: there is none. */
static struct one *socket_for(struct datagram_direct *direct, const struct address *to)
{
    struct one *one = &direct->sockets[to->family == ADDRESS_IPV6];

    return one->socket.fd >= 0 || open_socket(one, to->family) ? one : NULL;
}

bool datagram_direct_send(struct datagram_direct *direct, const struct address *to,
                          const uint8_t *bytes, size_t length)
{
    struct one *one = socket_for(direct, to);

    if (one == NULL)
        return false;
    memcpy(datagram_socket_put(&one->socket, direct->worker->datagrams, to, NULL, length),
           bytes, length);
    return true;
}

int datagram_direct_try(struct datagram_direct *direct, const struct address *to,
                        const uint8_t *bytes, size_t length)
{
    struct one *one = socket_for(direct, to);

    return one == NULL ? ERROR_SYSTEM
                       : datagram_socket_send(&one->socket, to, bytes, length);
}
