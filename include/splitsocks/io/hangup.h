/* SPDX-License-Identifier: MIT */
/*
 * Notices that the other end of a connection is gone while nothing is read from it and
 * nothing written to it: when its reader is full, or its end of file was read long ago. The
 * event loop cannot, as it watches only what can be read or written, and what may not be
 * read yet would wake it again and again. So all of a worker's sockets are in an epoll set
 * of its own, which asks for nothing but errors, each told once. Traffic and idleness cost
 * nothing.
 */
#ifndef SPLITSOCKS_HANGUP_H
#define SPLITSOCKS_HANGUP_H

#include <ev.h>

/* A worker's. */
struct hangup_set {
    struct ev_loop *loop; /* borrowed; NULL: not initialised */
    ev_io io;             /* of the epoll set; fd -1: there is none */
};

/* Embedded in the object whose connection it is. */
struct hangup {
    int fd; /* borrowed */
    /* The connection has failed with `error`, an errno value. May free the object. */
    void (*gone)(struct hangup *hangup, int error);
};

/* Without descriptors or memory for it, nothing is noticed, and the log says so. */
void hangup_set_init(struct hangup_set *set, struct ev_loop *loop);
void hangup_set_deinit(struct hangup_set *set);

/* Whatever `fd` is. The caller has set `gone`, and calls hangup_unwatch() before it closes
 * `fd` or frees the object. */
void hangup_watch(struct hangup_set *set, struct hangup *hangup, int fd);
void hangup_unwatch(struct hangup_set *set, struct hangup *hangup);

#endif
