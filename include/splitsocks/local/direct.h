/* SPDX-License-Identifier: MIT */
/*
 * A connection that a rule sends past the relay: two sockets, and the bytes of each go to
 * the other. Each direction closes by itself. While one side takes nothing, the other is
 * not read, so that at most DIRECT_READ_SIZE bytes wait in each direction.
 *
 * A direct frees itself when both directions have ended or one socket has failed.
 */
#ifndef SPLITSOCKS_DIRECT_H
#define SPLITSOCKS_DIRECT_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/target.h>
#include <splitsocks/io/crowd.h>
#include <splitsocks/io/worker.h>

#define DIRECT_READ_SIZE (64 * 1024)

struct direct;

/* One direction: from one socket to the other. */
struct direct_way {
    struct direct *direct;
    ev_io io;       /* watches the socket that the bytes come from */
    uint8_t *tail;  /* read and not yet written: owned, NULL when there is none */
    size_t begin;   /* where the unwritten bytes begin in `tail` */
    size_t length;  /* number of unwritten bytes */
    uint64_t bytes; /* passed on so far */
    bool ended;     /* the end was read */
    bool passed_on; /* the end was told to the other side */
    int error;      /* errno of a failed side, still read; 0: none */
    struct hangup hangup;
};

struct direct {
    struct worker *worker; /* borrowed; its input buffer is used for a moment at a time */
    struct list node;      /* in the owner's list */
    struct half_closed half;
    struct direct_way ways[2]; /* from the application, and to it */
    struct crowd_place *place; /* given back at the end; may be NULL */
    char *destination;         /* owned; the target in words; NULL when memory was out */
};

/* Takes over both sockets, connected and non-blocking: the application's, and that of
 * `target`, which is copied. `early` (at most DIRECT_READ_SIZE
 * bytes) was read from `from` already. `owned` lists all directs of an owner, for
 * direct_abort(). `place` may be NULL. Returns OK, or ERROR_MEMORY, and then
 * sockets and place stay the caller's. */
int direct_start(struct worker *worker, const struct target *target, int from, int to,
                 const void *early, size_t length, struct crowd_place *place,
                 struct list *owned) MUST_CHECK;

/* Resets both sockets, and frees the direct. */
void direct_abort(struct direct *direct);

#endif
