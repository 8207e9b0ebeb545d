/* SPDX-License-Identifier: MIT */
#include "socket_tune.h"

#include <splitsocks/base/log.h>
#include <splitsocks/config/config.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const struct {
    int level, option;
    const char *name;
    const char *loss; /* the loss without the option, in words */
} tunings[TUNE_COUNT] = {
    [TUNE_REUSEADDR] = {SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR",
                        "a restart may find its port in use for a minute"},
    [TUNE_V6ONLY] = {IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY",
                     "the port of a listener on :: is taken for IPv4 as well"},
    [TUNE_RECEIVE_BUFFER] = {SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF",
                             "connections within this machine are slower"},
    [TUNE_NODELAY] = {IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY",
                      "small messages may wait for an acknowledgement"},
    [TUNE_DEFER_ACCEPT] = {IPPROTO_TCP, TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT",
                           "connections that say nothing take a descriptor"},
    [TUNE_NOTSENT_LOWAT] = {IPPROTO_TCP, TCP_NOTSENT_LOWAT, "TCP_NOTSENT_LOWAT",
                            "more data waits in the kernel, so that small answers and "
                            "changes of the path are slower"},
    [TUNE_USER_TIMEOUT] = {IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT",
                           "a connection whose peer is gone may be kept for longer"},
    [TUNE_BIND_NO_PORT] = {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT",
                           "a source address has fewer ports for connections"},
    [TUNE_SEGMENT_SIZE] = {IPPROTO_TCP, TCP_MAXSEG, "TCP_MAXSEG",
                           "packets that are too large for a path are sent all the same"},
    [TUNE_KEEPALIVE] = {SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE",
                        "a peer that vanishes silently may never be noticed"},
    [TUNE_KEEPALIVE_IDLE] = {IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE",
                             "a peer that vanishes is noticed after the kernel's own time"},
    [TUNE_KEEPALIVE_INTERVAL] = {IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL",
                                 "a peer that vanishes is noticed later"},
    [TUNE_KEEPALIVE_COUNT] = {IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT",
                              "a peer that vanishes is noticed later"},
    [TUNE_FREEBIND] = {IPPROTO_IP, IP_FREEBIND, "IP_FREEBIND",
                       "an address that comes later cannot be listened on"},
    [TUNE_FRAGMENTS_IPV4] = {IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER",
                             "datagrams that are too large for a path may be lost"},
    [TUNE_FRAGMENTS_IPV6] = {IPPROTO_IPV6, IPV6_MTU_DISCOVER, "IPV6_MTU_DISCOVER",
                             "datagrams that are too large for a path may be lost"},
    [TUNE_DESTINATION_IPV4] = {IPPROTO_IP, IP_PKTINFO, "IP_PKTINFO",
                               "answers to datagrams may come from another address of this "
                               "machine"},
    [TUNE_DESTINATION_IPV6] = {IPPROTO_IPV6, IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO",
                               "answers to datagrams may come from another address of this "
                               "machine"},
    [TUNE_INFO] = {0, 0, "TCP_INFO",
                   "rates and round trips are estimated from acknowledgements alone"},
    [TUNE_QUEUED] = {0, 0, "SIOCOUTQ", "the bytes that wait in the kernel are estimated"},
};

static atomic_bool lacks[TUNE_COUNT];

bool socket_tune_lacks(enum socket_tuning tuning)
{
    return atomic_load(&lacks[tuning]);
}

void socket_tune_warn(enum socket_tuning tuning)
{
    if (!atomic_exchange(&lacks[tuning], true))
        log_warning("the kernel does not take the socket option %s (%s): %s",
                    tunings[tuning].name, strerror(errno), tunings[tuning].loss);
}

bool socket_tune(int fd, enum socket_tuning tuning, int value)
{
    int saved = errno;
    bool good = setsockopt(fd, tunings[tuning].level, tunings[tuning].option, &value,
                           sizeof(value)) == 0;

    if (!good)
        socket_tune_warn(tuning);
    errno = saved;
    return good;
}

bool socket_tune_congestion(int fd, const char *name)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char told[CONFIG_CONGESTION_CONTROL_SIZE]; /* the last name that failed */
    int saved = errno, error;
    bool first;

    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) == 0)
        return true;
    error = errno;
    pthread_mutex_lock(&lock);
    first = strcmp(told, name) != 0;
    snprintf(told, sizeof(told), "%s", name);
    pthread_mutex_unlock(&lock);
    if (first)
        log_warning("the kernel does not take the congestion control \"%s\" "
                    "(TCP_CONGESTION: %s) and uses its own choice%s",
                    name, strerror(error),
                    error == EPERM ? "; net.ipv4.tcp_allowed_congestion_control must list "
                                     "it for a user who is not root"
                                   : "");
    errno = saved;
    return false;
}
