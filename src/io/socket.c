/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/socket.h>

#include "socket_tune.h"

#include <splitsocks/io/descriptors.h>

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* The kernel takes net.core.somaxconn of it: whoever expects more connections at once than
 * that raises it. Where the queue overflows, clients try again after 0.2 to 30 s. */
#define LISTEN_BACKLOG INT_MAX
/* Most reads from a socket that is about to be closed: more than its buffer holds. */
#define DISCARD_ROUNDS 64
/* Long enough for a first segment that was lost once; short, because a silent connection
 * occupies the kernel's queue of handshakes meanwhile. */
#define DEFER_ACCEPT_SECONDS 3

socklen_t socket_address_put(const struct address *address, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (address->family == ADDRESS_IPV6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(address->port);
        in6->sin6_scope_id = address->scope;
        memcpy(&in6->sin6_addr, address->bytes, 16);
        return sizeof(*in6);
    }
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;

    in->sin_family = AF_INET;
    in->sin_port = htons(address->port);
    memcpy(&in->sin_addr, address->bytes, 4);
    return sizeof(*in);
}

struct address socket_address_get(const struct sockaddr *in)
{
    struct address address = {.family = ADDRESS_NONE};

    if (in->sa_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)in;

        address.family = ADDRESS_IPV4;
        address.port = ntohs(in4->sin_port);
        memcpy(address.bytes, &in4->sin_addr, 4);
    } else if (in->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)in;

        address.family = ADDRESS_IPV6;
        address.port = ntohs(in6->sin6_port);
        address.scope = in6->sin6_scope_id;
        memcpy(address.bytes, &in6->sin6_addr, 16);
    }
    return address;
}

/* Closes the socket, and keeps errno. */
static void close_failed(int *fd)
{
    int saved = errno;

    close(*fd);
    *fd = -1;
    errno = saved;
}

static int new_socket(const struct address *address, enum descriptor_class class, int *fd)
{
    int family = address->family == ADDRESS_IPV6 ? AF_INET6 : AF_INET;

    *fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (*fd < 0)
        return ERROR_SYSTEM;
    if (descriptors_admit(*fd, class))
        return OK;
    errno = EMFILE;
    close_failed(fd);
    return ERROR_SYSTEM;
}

static void set_subflow_options(int fd, const char *congestion_control)
{
    socket_tune(fd, TUNE_NOTSENT_LOWAT, SOCKET_NOTSENT_LOWAT);
    socket_tune(fd, TUNE_USER_TIMEOUT, SOCKET_USER_TIMEOUT_MS);
    if (congestion_control != NULL)
        socket_tune_congestion(fd, congestion_control);
}

void socket_listen_at_once(int fd, bool at_once)
{
    socket_tune(fd, TUNE_DEFER_ACCEPT, at_once ? 0 : DEFER_ACCEPT_SECONDS);
}

bool socket_listener_is_dual(void)
{
    return socket_tune_lacks(TUNE_V6ONLY);
}

bool socket_listener_covers(const struct address *held, const struct address *wanted)
{
    return socket_listener_is_dual() && held->family != wanted->family &&
           held->port == wanted->port && address_is_any(held) && address_is_any(wanted);
}

/* Binds even to an address that is not there yet, for example because the network comes up
 * later, or IPv6's duplicate detection is not over: connections are accepted as soon as it
 * is. */
static int bind_listener(int fd, const struct sockaddr *address, socklen_t length)
{
    const int on = 1;

    if (bind(fd, address, length) == 0)
        return OK;
    if (errno != EADDRNOTAVAIL)
        return ERROR_SYSTEM;
    if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) != 0) {
        errno = EADDRNOTAVAIL; /* report the address as the problem, not the option */
        return ERROR_SYSTEM;
    }
    return bind(fd, address, length) == 0 ? OK : ERROR_SYSTEM;
}

int socket_listen(const struct address *address,
                  const struct socket_listen_options *options, int *fd)
{
    struct sockaddr_storage storage;
    socklen_t length = socket_address_put(address, &storage);
    int error = new_socket(address, DESCRIPTOR_OWN, fd);

    if (error != OK)
        return error;
    socket_tune(*fd, TUNE_REUSEADDR, 1);
    /* The option says nothing for other addresses than ::. */
    if (address_is_any_ipv6(address))
        socket_tune(*fd, TUNE_V6ONLY, 1);
    socket_tune(*fd, TUNE_NODELAY, 1);
    socket_listen_at_once(*fd, options->at_once);
    if (options->subflows)
        set_subflow_options(*fd, options->congestion_control);
    if (address_is_loopback(address))
        socket_tune(*fd, TUNE_RECEIVE_BUFFER, SOCKET_LOOPBACK_BUFFER);
    if (bind_listener(*fd, (struct sockaddr *)&storage, length) != OK ||
        listen(*fd, LISTEN_BACKLOG) != 0)
        error = ERROR_SYSTEM;
    if (error != OK)
        close_failed(fd);
    return error;
}

struct address socket_local_address(int fd)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(storage);

    if (getsockname(fd, (struct sockaddr *)&storage, &length) != 0)
        return (struct address){.family = ADDRESS_NONE};
    return socket_address_get((struct sockaddr *)&storage);
}

struct address socket_peer_address(int fd)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(storage);

    if (getpeername(fd, (struct sockaddr *)&storage, &length) != 0)
        return (struct address){.family = ADDRESS_NONE};
    return socket_address_get((struct sockaddr *)&storage);
}

/* Binds the socket to an interface. */
static int bind_interface(int fd, const char *interface)
{
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
                      (socklen_t)strlen(interface)) == 0
               ? OK
               : ERROR_SYSTEM;
}

static int bind_source(int fd, const struct address *source)
{
    struct sockaddr_storage storage;
    socklen_t length = socket_address_put(source, &storage);
    /* Choose the port at connect, when only the whole four-tuple must be unique, and not
     * address and port alone: recycling needs many ports. */
    socket_tune(fd, TUNE_BIND_NO_PORT, 1);
    return bind(fd, (struct sockaddr *)&storage, length) == 0 ? OK : ERROR_SYSTEM;
}

/* The bound of TCP_MAXSEG in tcp(7). */
#define SEGMENT_SIZE_MAX 32767

/* The maximum segment size counts neither headers nor their options (RFC 6691). Set before
 * connecting, it bounds the peer's segments, too. */
static void bound_packets(int fd, const struct address *to, uint16_t packet_size)
{
    int headers = to->family == ADDRESS_IPV6 ? 60 : 40;

    socket_tune(fd, TUNE_SEGMENT_SIZE, MIN(packet_size - headers, SEGMENT_SIZE_MAX));
}

static int set_connect_options(int fd, const struct socket_connect_options *options)
{
    int error = OK;

    if (options->interface != NULL)
        error = bind_interface(fd, options->interface);
    if (error == OK && options->source.family != ADDRESS_NONE)
        error = bind_source(fd, &options->source);
    if (error == OK && options->subflow)
        set_subflow_options(fd, options->congestion_control);
    return error;
}

int socket_connect(const struct address *to, const struct socket_connect_options *options,
                   int *fd)
{
    struct sockaddr_storage storage;
    socklen_t length = socket_address_put(to, &storage);
    bool subflow = options != NULL && options->subflow;
    int error = new_socket(to, subflow ? DESCRIPTOR_SUBFLOW : DESCRIPTOR_CLIENT, fd);

    if (error != OK)
        return error;
    socket_tune(*fd, TUNE_NODELAY, 1);
    if (options != NULL)
        error = set_connect_options(*fd, options);
    if (options != NULL && options->packet_size != 0)
        bound_packets(*fd, to, options->packet_size);
    if (address_is_loopback(to))
        socket_tune(*fd, TUNE_RECEIVE_BUFFER, SOCKET_LOOPBACK_BUFFER);
    if (error == OK && connect(*fd, (struct sockaddr *)&storage, length) != 0 &&
        errno != EINPROGRESS)
        error = ERROR_SYSTEM;
    if (error != OK)
        close_failed(fd);
    return error;
}

int socket_outcome(int fd)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    int outcome = 0;

    if (getpeername(fd, (struct sockaddr *)&storage, &length) == 0)
        return 0;
    length = sizeof(outcome);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &outcome, &length) != 0)
        return errno;
    return outcome != 0 ? outcome : EINPROGRESS;
}

void socket_keepalive(int fd, uint64_t idle_for_ns)
{
    int idle = (int)((idle_for_ns + NS_PER_S - 1) / NS_PER_S);

    /* A local socket knows when its peer is gone. */
    if (idle == 0 || socket_local_address(fd).family == ADDRESS_NONE)
        return;
    (void)socket_tune(fd, TUNE_KEEPALIVE_IDLE, idle);
    (void)socket_tune(fd, TUNE_KEEPALIVE_INTERVAL,
                      MIN(MAX(idle / 10, 1), SOCKET_KEEPALIVE_INTERVAL_MAX));
    (void)socket_tune(fd, TUNE_KEEPALIVE_COUNT, SOCKET_KEEPALIVE_PROBES);
    (void)socket_tune(fd, TUNE_KEEPALIVE, 1);
}

void socket_discard(int fd, void *buffer, size_t size)
{
    for (int i = 0; i < DISCARD_ROUNDS; i++)
        if (recv(fd, buffer, size, 0) <= 0)
            return;
}

void socket_close_reset(int fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}
