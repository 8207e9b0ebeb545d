/* SPDX-License-Identifier: MIT */
/*
 * Socket options for tuning: connections also work without them. A kernel that lacks one
 * (WSL, gVisor, old ones) is used all the same, with one warning.
 */
#ifndef IO_SOCKET_TUNE_H
#define IO_SOCKET_TUNE_H

#include <stdbool.h>

enum socket_tuning {
    TUNE_REUSEADDR,
    TUNE_V6ONLY,
    TUNE_RECEIVE_BUFFER,
    TUNE_NODELAY,
    TUNE_DEFER_ACCEPT,
    TUNE_NOTSENT_LOWAT,
    TUNE_USER_TIMEOUT,
    TUNE_BIND_NO_PORT,
    TUNE_SEGMENT_SIZE,
    TUNE_KEEPALIVE,
    TUNE_KEEPALIVE_IDLE,
    TUNE_KEEPALIVE_INTERVAL,
    TUNE_KEEPALIVE_COUNT,
    TUNE_FREEBIND,
    TUNE_FRAGMENTS_IPV4,
    TUNE_FRAGMENTS_IPV6,
    TUNE_DESTINATION_IPV4,
    TUNE_DESTINATION_IPV6,
    /* Only read, never set. */
    TUNE_INFO,
    TUNE_QUEUED,
    TUNE_COUNT
};

/* Sets the option. A failure is logged, with its consequence, once in each process. False:
 * the kernel did not accept the option. Keeps errno. */
bool socket_tune(int fd, enum socket_tuning tuning, int value);
/* Warns as socket_tune() does, after reading has failed with errno. */
void socket_tune_warn(enum socket_tuning tuning);
/* Whether the kernel has refused the option in this process. */
bool socket_tune_lacks(enum socket_tuning tuning);
/* As socket_tune(), for TCP_CONGESTION; one warning for each name. */
bool socket_tune_congestion(int fd, const char *name);

#endif
