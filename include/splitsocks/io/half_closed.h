/* SPDX-License-Identifier: MIT */
/*
 * Ends connections whose one direction has ended and on which nothing moves any more (the
 * key timeouts.half_closed). One timer for all connections of a worker looks at them four
 * times in that time, so that a connection ends at most a quarter of it late. Without
 * connections the timer does not run.
 */
#ifndef SPLITSOCKS_HALF_CLOSED_H
#define SPLITSOCKS_HALF_CLOSED_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/list.h>

#include <ev.h>
#include <stdint.h>

/* One for each worker. */
struct half_closed_list {
    struct ev_loop *loop; /* borrowed */
    struct list members;
    ev_timer timer;
    uint64_t after_ns; /* 0: half-closed connections may stay for ever */
};

struct half_closed;

enum half_closed_state {
    HALF_CLOSED_NOT,   /* drop it from the list until it is added again */
    HALF_CLOSED_LATER, /* not half-closed now, but may become so unnoticed */
    HALF_CLOSED,
};

struct half_closed_type {
    /* Sets `*moved` to a number that changes whenever bytes move, in either direction. */
    enum half_closed_state (*look)(struct half_closed *half, uint64_t *moved);
    /* Ends the connection, and frees the object. */
    void (*end)(struct half_closed *half);
};

/* Embedded in the object that owns the connection. */
struct half_closed {
    struct list node;        /* in members; the owner initialises it */
    uint64_t moved;          /* value at the last look; any before the first */
    uint64_t quiet_since_ns; /* since when `moved` has not changed */
    const struct half_closed_type *type;
};

void half_closed_list_init(struct half_closed_list *list, struct ev_loop *loop);
void half_closed_list_deinit(struct half_closed_list *list);
void half_closed_set_after(struct half_closed_list *list, uint64_t after_ns);

/* Adds a connection that may be half-closed from now on, unless it is in the list
 * already. */
void half_closed_add(struct half_closed_list *list, struct half_closed *half);
void half_closed_remove(struct half_closed *half);

#endif
