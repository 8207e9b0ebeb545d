/* SPDX-License-Identifier: MIT */
/*
 * Ends connections of which one direction has ended and on which nothing moves any more
 * (the key timeouts.half_closed). One timer for all of a worker's looks at them four times
 * in that time, so that one ends at most a quarter later than it might; without any, it
 * does not run.
 */
#ifndef SPLITSOCKS_HALF_CLOSED_H
#define SPLITSOCKS_HALF_CLOSED_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/list.h>

#include <ev.h>
#include <stdint.h>

/* A worker's. */
struct half_closed_list {
    struct ev_loop *loop; /* borrowed */
    struct list members;
    ev_timer timer;
    uint64_t after_ns; /* 0: they may stay for ever */
};

struct half_closed;

enum half_closed_state {
    HALF_CLOSED_NOT,   /* it need not be looked at before it is added again */
    HALF_CLOSED_LATER, /* not now; it may become so unnoticed */
    HALF_CLOSED,
};

struct half_closed_type {
    /* `*moved` becomes a number that changes whenever something moves, in either direction.
     */
    enum half_closed_state (*look)(struct half_closed *half, uint64_t *moved);
    /* Ends it, and frees the object. */
    void (*end)(struct half_closed *half);
};

/* Embedded in the object whose connection it is. */
struct half_closed {
    struct list node;     /* in members; the owner initialises it */
    uint64_t moved;       /* as it was when last looked at */
    uint64_t quiet_since; /* it has been so since then */
    const struct half_closed_type *type;
};

void half_closed_list_init(struct half_closed_list *list, struct ev_loop *loop);
void half_closed_list_deinit(struct half_closed_list *list);
void half_closed_set_after(struct half_closed_list *list, uint64_t after_ns);

/* It may be half-closed from now on. To add one that is there already does nothing. */
void half_closed_add(struct half_closed_list *list, struct half_closed *half);
void half_closed_remove(struct half_closed *half);

/* The peer has ended its direction of the socket. A peer that is gone and one that has only
 * finished look alike, until its machine is asked: it resets a connection that nobody there
 * has any more. `keepalive_ns` is the configured one; 0: nothing is asked. */
void half_closed_ask(int fd, uint64_t keepalive_ns);

#endif
