/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/association.h>

#include <splitsocks/base/log.h>
#include <splitsocks/engine/session/session_flow.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/farewell.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/proxy/socks5.h>
#include <splitsocks/proxy/socks5_udp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct association {
    struct list node; /* first; in service.associations */
    struct datagram_client client;
    struct association_service *service;
    ev_io control;                 /* the client's connection */
    struct hangup hangup;          /* of the client, whose machine may vanish */
    ev_io io;                      /* of the socket */
    struct datagram_socket socket; /* closed while it waits for the relay's answer */
    struct address bound;          /* of the socket */
    struct address peer;           /* the client's; the port gets the answers; 0: unknown */
    bool fixed;                    /* the client has named its port */
};

static struct association *of_client(struct datagram_client *client)
{
    return container_of(client, struct association, client);
}

static struct ev_loop *loop_of(const struct association *association)
{
    return association->service->inbound->worker->loop;
}

/* Frees everything but the connection. */
static void association_free(struct association *association)
{
    datagram_client_deinit(&association->client);
    ev_io_stop(loop_of(association), &association->control);
    hangup_unwatch(&association->service->inbound->worker->hangups, &association->hangup);
    if (association->socket.fd >= 0)
        ev_io_stop(loop_of(association), &association->io);
    datagram_socket_close(&association->socket);
    list_remove(&association->node);
    free(association);
}

static void end(struct association *association)
{
    char text[ADDRESS_TEXT_SIZE];
    int fd = association->control.fd;

    log_debug("the association of %s ends", address_format(&association->peer, text));
    association_free(association);
    close(fd);
}

static void refuse(struct association *association, const uint8_t *reply, size_t length,
                   const char *reason)
{
    static struct log_limit limit;
    struct worker *worker = association->service->inbound->worker;
    int fd = association->control.fd;
    char text[ADDRESS_TEXT_SIZE];

    log_write_limited(&limit, clock_now(), LOG_WARNING, "no association for %s: %s",
                      address_format(&association->peer, text), reason);
    association_free(association);
    farewell(worker, fd, reply, length);
}

static void refuse_with(struct association *association, enum socks5_code code,
                        const char *reason)
{
    uint8_t reply[SOCKS5_REPLY_SIZE];

    refuse(association, reply, socks5_reply(reply, code, NULL), reason);
}

/* ---- datagrams ---- */

static bool is_client(const struct association *association, const struct address *from)
{
    const struct address *peer = &association->peer;

    return from->family == peer->family &&
           memcmp(from->bytes, peer->bytes, sizeof(peer->bytes)) == 0 &&
           (!association->fixed || from->port == peer->port);
}

static void take(struct association *association, const struct datagram_in *in,
                 uint64_t now)
{
    struct datagram_drops *drops = &association->service->datagrams->drops;
    struct target to;
    size_t at;

    if (!is_client(association, &in->peer)) {
        drops->foreign++;
        return;
    }
    if (socks5_udp_parse(in->bytes, in->length, &to, &at) != OK) {
        drops->malformed++;
        return;
    }
    /* Answers go to the port from which the client has sent last. */
    association->peer.port = in->peer.port;
    datagram_client_send(&association->client, &to, in->bytes + at, in->length - at, now);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct association *association = io->data;
    struct datagram_batch *batch = association->service->inbound->worker->datagrams;
    size_t count = datagram_socket_receive(&association->socket, batch, DATAGRAM_BATCH);
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    for (size_t i = 0; i < count; i++)
        take(association, datagram_batch_at(batch, i), now);
    datagram_service_flush(association->service->datagrams);
}

static void on_answer(struct datagram_client *client, const struct address *from,
                      const uint8_t *bytes, size_t length)
{
    struct association *association = of_client(client);
    uint8_t header[SOCKS5_UDP_HEADER_SIZE], *out;
    size_t size = socks5_udp_put(header, from);

    /* The largest datagrams do not fit behind a header. */
    if (association->peer.port == 0 || size + length > DATAGRAM_BYTES_MAX) {
        client->service->drops.lost++;
        return;
    }
    out = datagram_socket_put(&association->socket,
                              association->service->inbound->worker->datagrams,
                              &association->peer, NULL, size + length);
    memcpy(out, header, size);
    memcpy(out + size, bytes, length);
}

/* ---- the answer to the client ---- */

/* Binds to a port of the range, or to any. */
static int open_socket(struct association *association)
{
    const struct datagram_socket_options options = {.class = DESCRIPTOR_CLIENT};
    struct port_range ports = association->service->ports;
    int error = ERROR_SYSTEM;

    for (uint32_t port = ports.first; port <= ports.last && error != OK; port++) {
        association->bound.port = (uint16_t)port;
        error = datagram_socket_open(&association->socket, &association->bound, &options);
        if (error != OK && errno != EADDRINUSE)
            break;
    }
    if (error == OK)
        association->bound.port = socket_local_address(association->socket.fd).port;
    return error;
}

/* The address that the client is told. One on this machine needs no other than ours, and
 * the socket takes what comes to an address of its family. */
static struct address told_address(const struct association *association)
{
    struct address told = association->service->advertise;

    if (told.family != association->bound.family ||
        address_is_loopback(&association->bound))
        return association->bound;
    told.port = association->bound.port;
    return told;
}

static void begin(struct association *association)
{
    int fd = association->control.fd;
    struct address mapped = socket_local_address(fd);
    uint8_t reply[SOCKS5_REPLY_SIZE];
    char client[ADDRESS_TEXT_SIZE], told[ADDRESS_TEXT_SIZE];
    struct address address;
    size_t length;

    association->bound = address_unmap(&mapped);
    if (open_socket(association) != OK) {
        refuse_with(association, SOCKS5_GENERAL_FAILURE, strerror(errno));
        return;
    }
    ev_io_init(&association->io, on_readable, association->socket.fd, EV_READ);
    association->io.data = association;
    ev_io_start(loop_of(association), &association->io);
    address = told_address(association);
    length = socks5_reply(reply, SOCKS5_SUCCEEDED, &address);
    log_debug("an association of %s begins on %s",
              address_format(&association->peer, client), address_format(&address, told));
    if (send(fd, reply, length, MSG_NOSIGNAL) != (ssize_t)length)
        end(association);
}

/* Answers the client, unless the relay has not said yet what it can do. */
static void decide(struct association *association)
{
    const struct inbound_service *inbound = association->service->inbound;
    const struct session *session = inbound->driver->session;
    uint8_t reply[SOCKS5_REPLY_SIZE];

    if (session == NULL) {
        refuse(association, reply, socks5_failure_reply(reply, inbound->sessionless),
               reset_code_string(inbound->sessionless));
        return;
    }
    switch (session_flow_support(session)) {
    case FLOWS_UNKNOWN: break;
    case FLOWS_SUPPORTED: begin(association); break;
    case FLOWS_UNSUPPORTED:
        refuse_with(association, SOCKS5_COMMAND_NOT_SUPPORTED,
                    "the relay does not carry UDP");
        break;
    }
}

/* ---- the connection ---- */

/* Nothing that the client sends on it has a meaning; its end ends the association. */
static void on_control(struct ev_loop *loop, ev_io *io, int events)
{
    struct association *association = io->data;
    char bytes[256];
    ssize_t n = recv(io->fd, bytes, sizeof(bytes), 0);
    (void)loop;
    (void)events;

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        end(association);
}

static void on_gone(struct hangup *hangup, int error)
{
    (void)error;

    end(container_of(hangup, struct association, hangup));
}

static void on_idle(struct datagram_client *client)
{
    datagram_client_rest(client);
}

static const char *describe(struct datagram_client *client, char text[ADDRESS_TEXT_SIZE])
{
    return address_format(&of_client(client)->peer, text);
}

static const struct datagram_client_type client_type = {
    .answer = on_answer,
    .idle = on_idle,
    .describe = describe,
};

void association_new(struct association_service *service, int fd,
                     const struct address *peer, uint16_t port,
                     const struct datagram_terms *terms)
{
    struct association *association = calloc(1, sizeof(*association));

    if (association == NULL) {
        close(fd);
        return;
    }
    datagram_client_init(&association->client, service->datagrams, &client_type, terms);
    association->service = service;
    association->socket.fd = -1;
    association->peer = *peer;
    association->peer.port = port;
    association->fixed = port != 0;
    list_init(&association->node);
    list_append(&service->associations, &association->node);
    ev_io_init(&association->control, on_control, fd, EV_READ);
    association->control.data = association;
    ev_io_start(loop_of(association), &association->control);
    hangup_init(&association->hangup, on_gone);
    hangup_watch(&service->inbound->worker->hangups, &association->hangup, fd);
    if (!service->enabled || peer->family == ADDRESS_NONE)
        refuse_with(association, SOCKS5_COMMAND_NOT_SUPPORTED,
                    service->enabled ? "its connection has no address"
                                     : "udp.enabled is false");
    else
        decide(association);
}

/* ---- all associations ---- */

void association_service_init(struct association_service *service)
{
    list_init(&service->associations);
}

void association_service_deinit(struct association_service *service)
{
    while (!list_empty(&service->associations))
        end(list_first(&service->associations, struct association, node));
}

void association_service_note_session(struct association_service *service)
{
    list_foreach(&service->associations, node, after) {
        struct association *association = list_entry(node, struct association, node);

        if (association->socket.fd < 0)
            decide(association);
    }
}

bool association_service_has(const struct association_service *service,
                             const struct address *address)
{
    list_foreach_const(&service->associations, node) {
        const struct association *association = (const struct association *)node;

        if (association->socket.fd >= 0 && address_equal(&association->bound, address))
            return true;
    }
    return false;
}
