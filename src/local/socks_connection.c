/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/socks_connection.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/farewell.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Size of one read; so many bytes may come behind the request. */
#define READ_SIZE 1024

struct socks_connection {
    struct socks_service *service; /* borrowed */
    struct list node;              /* in service.connections */
    ev_io io;
    ev_timer deadline;
    struct address peer;
    struct socks5 socks5;
    struct socks_terms terms;
    size_t early_length; /* bytes of the stream that came with the request */
    uint8_t early[READ_SIZE];
};

static struct log_limit refusals;

static size_t write_reply(uint8_t reply[PLAIN_REPLY_SIZE], bool opened,
                          enum reset_code code)
{
    return opened ? socks5_reply(reply, SOCKS5_SUCCEEDED, NULL)
                  : socks5_failure_reply(reply, code);
}

/* Frees everything but the socket. */
static void connection_free(struct socks_connection *connection)
{
    struct ev_loop *loop = connection->service->inbound->worker->loop;

    ev_io_stop(loop, &connection->io);
    ev_timer_stop(loop, &connection->deadline);
    list_remove(&connection->node);
    explicit_bzero(&connection->socks5, sizeof(connection->socks5)); /* a password */
    /* it passed through here */
    explicit_bzero(connection->early, sizeof(connection->early));
    free(connection);
}

static void close_connection(struct socks_connection *connection)
{
    close(connection->io.fd);
    connection_free(connection);
}

/* Hands the request and the socket to an inbound. */
static void proceed(struct socks_connection *connection)
{
    struct target target;
    const struct inbound_request request = {
        .fd = connection->io.fd,
        .listener = connection->terms.listener,
        .max_per_target = connection->terms.max_per_target,
        .target = &target,
        .otherwise = &connection->terms.policy,
        .early = connection->early,
        .early_length = connection->early_length,
        .reply = write_reply,
    };

    /* From now on the kernel keeps the client's data. */
    ev_io_stop(connection->service->inbound->worker->loop, &connection->io);
    socks5_target(&connection->socks5, &target);
    inbound_start(connection->service->inbound, &request);
    connection_free(connection);
}

/* Hands the request and the socket to an association. */
static void associate(struct socks_connection *connection)
{
    ev_io_stop(connection->service->inbound->worker->loop, &connection->io);
    association_new(connection->service->associations, connection->io.fd, &connection->peer,
                    socks5_client_port(&connection->socks5), &connection->terms.datagrams);
    connection_free(connection);
}

static void turn_away(struct socks_connection *connection)
{
    char peer[ADDRESS_TEXT_SIZE];
    size_t length;
    const uint8_t *output = socks5_output(&connection->socks5, &length);

    log_write_limited(&refusals, clock_now(), LOG_WARNING, "refused a client at %s: %s",
                      address_format(&connection->peer, peer),
                      socks5_refusal(&connection->socks5));
    farewell(connection->service->inbound->worker, connection->io.fd, output, length);
    connection_free(connection);
}

/* Writes the negotiation's reply; it has a few bytes, which always fit. */
static bool write_output(struct socks_connection *connection)
{
    size_t length;
    const uint8_t *output = socks5_output(&connection->socks5, &length);

    if (length == 0)
        return true;
    if (send(connection->io.fd, output, length, MSG_NOSIGNAL) != (ssize_t)length)
        return false;
    socks5_sent(&connection->socks5);
    return true;
}

/* The connection may be gone afterwards. */
static void read_once(struct socks_connection *connection)
{
    struct socks5 *socks5 = &connection->socks5;
    uint8_t *bytes = connection->early;
    ssize_t n = recv(connection->io.fd, bytes, READ_SIZE, 0);
    size_t used;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_connection(connection);
        return;
    }
    used = socks5_receive(socks5, bytes, (size_t)n);
    if (socks5_state(socks5) == SOCKS5_REFUSED) {
        turn_away(connection);
    } else if (!write_output(connection)) {
        close_connection(connection);
    } else if (socks5_state(socks5) == SOCKS5_CONNECT) {
        connection->early_length = (size_t)n - used;
        memmove(bytes, bytes + used, connection->early_length);
        proceed(connection);
    } else if (socks5_state(socks5) == SOCKS5_ASSOCIATE) {
        associate(connection);
    }
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;

    read_once(io->data);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;

    close_connection(timer->data);
}

void socks_connection_new(struct socks_service *service, int fd, const struct address *peer,
                          const struct socks_terms *terms)
{
    struct ev_loop *loop = service->inbound->worker->loop;
    struct socks_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->service = service;
    connection->peer = *peer;
    connection->terms = *terms;
    list_init(&connection->node);
    list_append(&service->connections, &connection->node);
    socks5_init(&connection->socks5, terms->users, terms->user_count);
    ev_io_init(&connection->io, on_readable, fd, EV_READ);
    ev_timer_init(&connection->deadline, on_deadline, SOCKS_CONNECTION_SECONDS, 0.);
    connection->io.data = connection->deadline.data = connection;
    ev_io_start(loop, &connection->io);
    ev_timer_start(loop, &connection->deadline);
    /* The listener usually reports a connection when its first bytes are there. */
    read_once(connection);
}

void socks_service_init(struct socks_service *service, struct inbound_service *inbound,
                        struct association_service *associations)
{
    service->inbound = inbound;
    service->associations = associations;
    list_init(&service->connections);
}

void socks_service_close(struct socks_service *service, uint32_t listener)
{
    list_foreach(&service->connections, node, after) {
        struct socks_connection *connection =
            list_entry(node, struct socks_connection, node);

        if (connection->terms.listener == listener)
            close_connection(connection);
    }
}

void socks_service_deinit(struct socks_service *service)
{
    while (!list_empty(&service->connections))
        close_connection(list_first(&service->connections, struct socks_connection, node));
}
