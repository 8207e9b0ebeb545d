/* SPDX-License-Identifier: MIT */
/*
 * Notices that the other end of a connection is gone while nothing is read from the socket
 * and nothing written to it: its reader is full, or its end of file was read long ago. The
 * event loop cannot notice that, because it watches only for reading and writing, and a
 * socket that must not be read yet would wake it again and again. So all of a worker's
 * sockets are in a separate epoll set, which asks only for errors and reports each once.
 * Traffic and idleness cost nothing.
 */
#ifndef SPLITSOCKS_HANGUP_H
#define SPLITSOCKS_HANGUP_H

#include <ev.h>

/* One for each worker. */
struct hangup_set {
    struct ev_loop *loop; /* borrowed; NULL: not initialised */
    ev_io io;             /* of the epoll set; fd -1: there is no set */
};

/* Embedded in the object that owns the connection. */
struct hangup {
    int fd; /* borrowed */
    /* The connection has failed with `error`, an errno value. May free the object. */
    void (*gone)(struct hangup *hangup, int error);
};

/* Without descriptors or memory for the set nothing is noticed, and the log says so. */
void hangup_set_init(struct hangup_set *set, struct ev_loop *loop);
void hangup_set_deinit(struct hangup_set *set);

/* `fd` may be of any kind. The caller has set `gone`, and calls hangup_unwatch() before it
 * closes `fd` or frees the object. */
void hangup_watch(struct hangup_set *set, struct hangup *hangup, int fd);
void hangup_unwatch(struct hangup_set *set, struct hangup *hangup);

#endif
