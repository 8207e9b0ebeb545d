/* SPDX-License-Identifier: MIT */
/*
 * Notices that the other end of a connection is gone while neither reading nor writing
 * shows that: the reader is full, the end of file was read long ago, or the peer's machine
 * has vanished without a word.
 *
 * The event loop cannot notice it, because it watches only for reading and writing, and a
 * socket that must not be read yet would wake it again and again. So a worker's sockets
 * are in a separate epoll set, which asks only for errors and reports each once, and have
 * TCP's keepalive. Both take system calls, six for each connection, and most connections
 * are short: a connection gets them once it has lasted for HANGUP_YOUNG_NS. One timer of
 * the worker runs while there are younger ones.
 */
#ifndef SPLITSOCKS_HANGUP_H
#define SPLITSOCKS_HANGUP_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/list.h>

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

/* The shortest keepalive that may be configured: no probe is due before. */
#define HANGUP_YOUNG_NS NS_PER_S

/* One for each worker. */
struct hangup_set {
    struct ev_loop *loop; /* borrowed; NULL: not initialised */
    ev_io io;             /* of the epoll set; fd -1: there is no set */
    struct list young;    /* those that are not in the epoll set yet, oldest first */
    ev_timer timer;       /* for the oldest of them */
    uint64_t keepalive_ns;
};

/* Embedded in the object that owns the connection. */
struct hangup {
    int fd;            /* borrowed; -1: not watched */
    bool ended;        /* the peer has ended its direction */
    struct list node;  /* in `young` */
    uint64_t since_ns; /* when watching began */
    /* The connection has failed with `error`, an errno value. May free the object. */
    void (*gone)(struct hangup *hangup, int error);
};

/* Without descriptors or memory for the set only keepalive is left, and the log says so.
 * There is no keepalive before hangup_set_keepalive(). */
void hangup_set_init(struct hangup_set *set, struct ev_loop *loop);
void hangup_set_deinit(struct hangup_set *set);
/* For connections that are watched, or end their direction, later. TCP's keepalive begins
 * after so long without traffic; 0: no keepalive. */
void hangup_set_keepalive(struct hangup_set *set, uint64_t keepalive_ns);

void hangup_init(struct hangup *hangup, void (*gone)(struct hangup *hangup, int error));
/* `fd` may be of any kind. The caller calls hangup_unwatch() before it closes `fd` or
 * frees the object. */
void hangup_watch(struct hangup_set *set, struct hangup *hangup, int fd);
/* Does nothing to a connection that is not watched. */
void hangup_unwatch(struct hangup_set *set, struct hangup *hangup);

/* Call when the peer has ended its direction of the socket. A peer that is gone looks like
 * one that has only finished, until its machine gets a keepalive probe: it resets
 * connections that no process has any more. So probes begin sooner from now on. */
void hangup_note_ended(struct hangup_set *set, struct hangup *hangup);

#endif
