/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/socket.h>

#include "socket_tune.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static int new_probe(uint8_t family)
{
    return socket(family == ADDRESS_IPV6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC,
                  0);
}

bool socket_may_bind_interface(void)
{
    static const char loopback[] = "lo";
    int fd = new_probe(ADDRESS_IPV4);
    bool refused;

    if (fd < 0)
        return true; /* then nothing works, for another reason */
    refused =
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, loopback, sizeof(loopback) - 1) != 0 &&
        errno == EPERM;
    close(fd);
    return !refused;
}

bool socket_address_is_local(const struct address *address)
{
    struct address any_port = *address;
    struct sockaddr_storage storage;
    int fd = new_probe(address->family);
    socklen_t length;
    bool local;

    any_port.port = 0;
    length = socket_address_put(&any_port, &storage);
    local = fd < 0 || bind(fd, (struct sockaddr *)&storage, length) == 0 ||
            errno != EADDRNOTAVAIL;
    if (fd >= 0)
        close(fd);
    return local;
}

struct address socket_source_to(const struct address *to)
{
    struct address source = {.family = ADDRESS_NONE};
    struct sockaddr_storage storage;
    socklen_t length = socket_address_put(to, &storage);
    int fd = new_probe(to->family);

    if (fd < 0)
        return source;
    /* For a datagram socket, connect() looks up the route and sends nothing. */
    if (connect(fd, (struct sockaddr *)&storage, length) == 0) {
        source = socket_local_address(fd);
        source.port = 0;
    }
    close(fd);
    return source;
}

int socket_try_bind(const struct address *address, bool datagrams)
{
    int family = address->family == ADDRESS_IPV6 ? AF_INET6 : AF_INET, error = 0;
    int fd = socket(family, (datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    struct sockaddr_storage storage;
    socklen_t length = socket_address_put(address, &storage);

    if (fd < 0)
        return errno;
    /* As socket_listen() does; binding still fails if another process listens. */
    if (!datagrams)
        socket_tune(fd, TUNE_REUSEADDR, 1);
    if (address_is_any_ipv6(address))
        socket_tune(fd, TUNE_V6ONLY, 1);
    if (bind(fd, (struct sockaddr *)&storage, length) != 0)
        error = errno;
    close(fd);
    return error;
}

void socket_try_congestion_control(const char *name)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

    if (fd < 0)
        return;
    socket_tune_congestion(fd, name);
    close(fd);
}
