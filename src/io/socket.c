#include <splitsocks/socket.h>

#include <splitsocks/log.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096
/* Reads of a socket that is about to be closed: more than its buffer holds. */
#define DISCARD_ROUNDS 64
/* Long enough for a first segment that was lost once; short, since a connection that
 * stays silent occupies the kernel's queue of handshakes meanwhile. */
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

bool address_is_loopback(const struct address *address)
{
    static const uint8_t loopback6[16] = {[15] = 1};
    struct address plain = address_unmap(address);

    if (plain.family == ADDRESS_IPV4)
        return plain.bytes[0] == 127;
    return plain.family == ADDRESS_IPV6 &&
           memcmp(plain.bytes, loopback6, sizeof(loopback6)) == 0;
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? OK : ERROR_SYSTEM;
}

static int new_socket(const struct address *address, int *fd)
{
    int family = address->family == ADDRESS_IPV6 ? AF_INET6 : AF_INET;

    *fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    return *fd >= 0 ? OK : ERROR_SYSTEM;
}

/* Closes and keeps errno. */
static void close_failed(int *fd)
{
    int saved = errno;

    close(*fd);
    *fd = -1;
    errno = saved;
}

static int set_subflow_options(int fd, const char *congestion_control)
{
    int error = set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, SOCKET_NOTSENT_LOWAT);

    if (error == OK)
        error = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, SOCKET_USER_TIMEOUT_MS);
    if (error == OK && congestion_control != NULL &&
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion_control,
                   (socklen_t)strlen(congestion_control)) != 0)
        error = ERROR_SYSTEM;
    return error;
}

int socket_listen_at_once(int fd, bool at_once)
{
    return set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT,
                      at_once ? 0 : DEFER_ACCEPT_SECONDS);
}

int socket_listen(const struct address *address,
                  const struct socket_listen_options *options, int *fd)
{
    struct sockaddr_storage storage;
    socklen_t length = socket_address_put(address, &storage);
    int error = new_socket(address, fd);

    if (error != OK)
        return error;
    error = set_option(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error == OK && address->family == ADDRESS_IPV6)
        error = set_option(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (error == OK)
        error = set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (error == OK)
        error = socket_listen_at_once(*fd, options->at_once);
    if (error == OK && options->subflows)
        error = set_subflow_options(*fd, options->congestion_control);
    if (error == OK && address_is_loopback(address))
        error = set_option(*fd, SOL_SOCKET, SO_RCVBUF, SOCKET_LOOPBACK_BUFFER);
    if (error == OK && (bind(*fd, (struct sockaddr *)&storage, length) != 0 ||
                        listen(*fd, LISTEN_BACKLOG) != 0))
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

/* Routes the socket through one interface. */
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
    /* The port is chosen at connect, when the whole four-tuple must be unique and not the
     * pair of address and port alone: recycling needs many. */
    int error = set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);

    if (error == OK && bind(fd, (struct sockaddr *)&storage, length) != 0)
        error = ERROR_SYSTEM;
    return error;
}

static int set_connect_options(int fd, const struct socket_connect_options *options)
{
    int error = OK;

    if (options->interface != NULL)
        error = bind_interface(fd, options->interface);
    if (error == OK && options->source.family != ADDRESS_NONE)
        error = bind_source(fd, &options->source);
    if (error == OK && options->subflow)
        error = set_subflow_options(fd, options->congestion_control);
    return error;
}

int socket_connect(const struct address *to, const struct socket_connect_options *options,
                   int *fd)
{
    struct sockaddr_storage storage;
    socklen_t length = socket_address_put(to, &storage);
    int error = new_socket(to, fd);

    if (error != OK)
        return error;
    error = set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (error == OK && options != NULL)
        error = set_connect_options(*fd, options);
    if (error == OK && address_is_loopback(to))
        error = set_option(*fd, SOL_SOCKET, SO_RCVBUF, SOCKET_LOOPBACK_BUFFER);
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

void socket_raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_debug("cannot raise the limit of open files");
}
