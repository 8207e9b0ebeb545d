#include <splitsocks/socks_connection.h>

#include <splitsocks/clock.h>
#include <splitsocks/farewell.h>
#include <splitsocks/log.h>
#include <splitsocks/plain.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One read; so much may have come behind the request. */
#define READ_SIZE 1024

struct socks_connection {
    struct socks_service *service; /* borrowed */
    struct list node;              /* in service.connections */
    ev_io io;
    ev_timer deadline;
    struct address peer;
    struct socks5 socks5;
    struct target target;         /* once the request is complete */
    struct resolver_query *query; /* NULL: none is under way */
    size_t early_length;          /* bytes of the stream that came with the request */
    uint8_t early[READ_SIZE];
};

static struct log_limit refusals;

static enum socks5_code reply_code(enum reset_code code)
{
    switch (code) {
    case RESET_DENIED: return SOCKS5_NOT_ALLOWED;
    case RESET_NETWORK_UNREACHABLE: return SOCKS5_NETWORK_UNREACHABLE;
    case RESET_HOST_UNREACHABLE:
    case RESET_NAME_NOT_FOUND: return SOCKS5_HOST_UNREACHABLE;
    case RESET_REFUSED: return SOCKS5_CONNECTION_REFUSED;
    case RESET_TIMED_OUT: return SOCKS5_TTL_EXPIRED;
    default: return SOCKS5_GENERAL_FAILURE;
    }
}

static size_t write_reply(uint8_t reply[PLAIN_REPLY_SIZE], bool opened,
                          enum reset_code code)
{
    return socks5_reply(reply, opened ? SOCKS5_SUCCEEDED : reply_code(code), NULL);
}

/* Lets go of everything but the socket. */
static void connection_free(struct socks_connection *connection)
{
    struct ev_loop *loop = connection->service->driver->worker->loop;

    ev_io_stop(loop, &connection->io);
    ev_timer_stop(loop, &connection->deadline);
    if (connection->query != NULL)
        resolver_cancel(connection->query);
    list_remove(&connection->node);
    explicit_bzero(&connection->socks5, sizeof(connection->socks5)); /* a password */
    explicit_bzero(connection->early, sizeof(connection->early));    /* it came in here */
    free(connection);
}

static void close_connection(struct socks_connection *connection)
{
    close(connection->io.fd);
    connection_free(connection);
}

static void refuse(struct socks_connection *connection, enum reset_code code)
{
    uint8_t reply[PLAIN_REPLY_SIZE];
    size_t length = write_reply(reply, false, code);

    log_debug("cannot connect to %s: %s", connection->target.name, reset_code_string(code));
    farewell(connection->service->driver->worker, connection->io.fd, reply, length);
    connection_free(connection);
}

static void open_stream(struct socks_connection *connection)
{
    struct socks_service *service = connection->service;
    struct driver *driver = service->driver;
    uint64_t now = clock_now();
    struct stream *stream;

    if (driver->session == NULL) {
        refuse(connection, RESET_RELAY_UNREACHABLE);
        return;
    }
    stream = session_stream_open(driver->session, &connection->target, NULL, now);
    if (stream == NULL) {
        refuse(connection, RESET_FAILURE);
        return;
    }
    driver_touch(driver);
    if (session_stream_write(driver->session, stream, connection->early,
                             connection->early_length, now) != connection->early_length ||
        plain_new(driver, stream, connection->io.fd, write_reply, &service->plains) ==
            NULL) {
        session_stream_reset(driver->session, stream, RESET_FAILURE, now);
        session_stream_release(driver->session, stream, now);
        refuse(connection, RESET_FAILURE);
        return;
    }
    /* The plain has its own watcher of the socket from here on. */
    connection_free(connection);
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    struct socks_connection *connection = context;
    struct target *target = &connection->target;

    connection->query = NULL;
    if (error != OK) {
        refuse(connection,
               error == ERROR_NOT_FOUND ? RESET_NAME_NOT_FOUND : RESET_NAME_FAILURE);
        return;
    }
    target->address_count = (uint8_t)MIN(count, (size_t)TARGET_ADDRESSES_MAX);
    memcpy(target->addresses, addresses, target->address_count * sizeof(*addresses));
    open_stream(connection);
}

static void proceed(struct socks_connection *connection)
{
    struct socks_service *service = connection->service;
    struct ev_loop *loop = service->driver->worker->loop;

    /* What else the client sends waits in the kernel. */
    ev_io_stop(loop, &connection->io);
    ev_timer_stop(loop, &connection->deadline);
    socks5_target(&connection->socks5, &connection->target);
    if (connection->target.address_count > 0 || service->resolver == NULL) {
        open_stream(connection);
    } else if (resolver_query(service->resolver, connection->target.name, on_resolved,
                              connection, &connection->query) != OK) {
        refuse(connection, RESET_NAME_FAILURE);
    }
}

static void turn_away(struct socks_connection *connection)
{
    char peer[ADDRESS_TEXT_SIZE];
    size_t length;
    const uint8_t *output = socks5_output(&connection->socks5, &length);

    log_write_limited(&refusals, clock_now(), LOG_WARNING, "refused a client at %s: %s",
                      address_format(&connection->peer, peer),
                      socks5_refusal(&connection->socks5));
    farewell(connection->service->driver->worker, connection->io.fd, output, length);
    connection_free(connection);
}

/* Writes what the negotiation has to say; a few bytes, which always fit. */
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

/* The connection may be no more afterwards. */
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
                          const struct socks5_user *users, size_t user_count)
{
    struct ev_loop *loop = service->driver->worker->loop;
    struct socks_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->service = service;
    connection->peer = *peer;
    list_init(&connection->node);
    list_append(&service->connections, &connection->node);
    socks5_init(&connection->socks5, users, user_count);
    ev_io_init(&connection->io, on_readable, fd, EV_READ);
    ev_timer_init(&connection->deadline, on_deadline, SOCKS_CONNECTION_SECONDS, 0.);
    connection->io.data = connection->deadline.data = connection;
    ev_io_start(loop, &connection->io);
    ev_timer_start(loop, &connection->deadline);
    /* The first bytes usually are what made the connection known. */
    read_once(connection);
}

void socks_service_init(struct socks_service *service, struct driver *driver,
                        struct resolver *resolver)
{
    service->driver = driver;
    service->resolver = resolver;
    list_init(&service->connections);
    list_init(&service->plains);
}

void socks_service_deinit(struct socks_service *service)
{
    while (!list_empty(&service->connections))
        close_connection(list_first(&service->connections, struct socks_connection, node));
    while (!list_empty(&service->plains))
        plain_abort(list_first(&service->plains, struct plain, node));
}
