/* SPDX-License-Identifier: MIT */
/*
 * Socket options that only tune: a connection works without them, so that a kernel that
 * lacks one (WSL, gVisor, old ones) is warned of once and used all the same.
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
    /* These are asked for, not set. */
    TUNE_INFO,
    TUNE_QUEUED,
    TUNE_COUNT
};

/* Sets the option. What is lost without it is logged, once in each process. False: the
 * kernel did not take it. Keeps errno. */
bool socket_tune(int fd, enum socket_tuning tuning, int value);
/* Warns as socket_tune() does, after asking has failed with errno. */
void socket_tune_warn(enum socket_tuning tuning);
/* Whether the kernel has refused the option in this process. */
bool socket_tune_lacks(enum socket_tuning tuning);
/* As socket_tune(), for TCP_CONGESTION; each name is warned of once. */
bool socket_tune_congestion(int fd, const char *name);

#endif
