/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/listener.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* For kernels before 4.11, which lack the sysctl. */
#define FIRST_OPEN_PORT 1024

/* The first port that needs no capability. */
static unsigned first_open_port(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    unsigned port = FIRST_OPEN_PORT;

    if (file == NULL)
        return port;
    if (fscanf(file, "%u", &port) != 1)
        port = FIRST_OPEN_PORT;
    fclose(file);
    return port;
}

static void explain_privilege(const struct address *address, char *text, size_t size)
{
    char program[256] = "splitsocks";
    unsigned first = first_open_port();
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (address->port >= first) {
        text[0] = '\0';
        return;
    }
    if (length > 0)
        program[length] = '\0';
    snprintf(text, size,
             "; ports below %u are for root and CAP_NET_BIND_SERVICE. Any of these helps: "
             "sudo setcap cap_net_bind_service=+ep %s; in a systemd unit "
             "AmbientCapabilities=CAP_NET_BIND_SERVICE; "
             "sudo sysctl net.ipv4.ip_unprivileged_port_start=%u",
             first, program, address->port);
}

bool listen_excludes(const struct address *one, const struct address *other)
{
    if (one->port != other->port)
        return false;
    /* Where :: cannot be confined to IPv6, it takes the port of every IPv4 address. */
    if (one->family != other->family)
        return socket_listener_is_dual() &&
               (address_is_any_ipv6(one) || address_is_any_ipv6(other));
    return address_is_any(one) || address_is_any(other) || address_equal(one, other);
}

const char *listen_failure(const struct address *address, int error,
                           const struct address *rival, char text[LISTEN_FAILURE_SIZE])
{
    char hint[LISTEN_FAILURE_SIZE / 2] = "", name[ADDRESS_TEXT_SIZE];

    if (error == EACCES || error == EPERM)
        explain_privilege(address, hint, sizeof(hint));
    else if (error == EADDRINUSE && rival != NULL)
        snprintf(hint, sizeof(hint), " by %s, which this configuration listens on too",
                 address_format(rival, name));
    else if (error == EADDRINUSE)
        snprintf(hint, sizeof(hint),
                 "; another program has the port: sudo ss -lntup sport = :%u shows which",
                 address->port);
    else if (error == EADDRNOTAVAIL)
        snprintf(hint, sizeof(hint), "; this machine does not have that address now");
    snprintf(text, LISTEN_FAILURE_SIZE, "cannot listen on %s: %s%s",
             address_format(address, name), strerror(error), hint);
    return text;
}

bool listen_is_absent(const struct address *address)
{
    return !address_is_any(address) && !socket_address_is_local(address);
}

void listen_tell_absent(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    log_warning(
        "%s is no address of this machine now; nobody can connect there until it is",
        address_format(address, text));
}
