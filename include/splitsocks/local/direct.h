/* SPDX-License-Identifier: MIT */
/*
 * A connection that a rule sends past the relay: two sockets, and the bytes of each go to
 * the other. Each direction closes by itself, and what one side does not take is not read
 * from the other, so that no more than DIRECT_READ_SIZE bytes wait in each direction.
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

/* What reaches one side and goes to the other. */
struct direct_way {
    struct direct *direct;
    ev_io io;       /* of the side that it comes from */
    uint8_t *tail;  /* read and not yet written: owned, NULL when there is none */
    size_t begin;   /* of what is left in it */
    size_t length;  /* of what is left in it */
    uint64_t bytes; /* passed on so far */
    bool ended;     /* the end was read */
    bool passed_on; /* and told to the other side */
    int error;      /* the side has failed so, and is read to its end; 0: it has not */
    struct hangup hangup;
};

struct direct {
    struct worker *worker; /* borrowed; its input buffer is used for a moment at a time */
    struct list node;      /* in the owner's list */
    struct half_closed half;
    struct direct_way ways[2]; /* what the application sends, and what it gets */
    struct crowd_place *place; /* given back at the end; may be NULL */
    char *destination;         /* owned; the target in words, NULL when memory was out */
};

/* Takes over both sockets, connected and non-blocking: the application's, and that of
 * `target`, which is copied. `early` (at most DIRECT_READ_SIZE
 * bytes) was read from `from` already. `owned` lists all directs of an owner, for
 * direct_abort(). `place` may be NULL. Returns OK, or ERROR_MEMORY, and then
 * sockets and place stay the caller's. */
int direct_start(struct worker *worker, const struct target *target, int from, int to,
                 const void *early, size_t length, struct crowd_place *place,
                 struct list *owned) MUST_CHECK;

/* Resets both sockets, and frees it. */
void direct_abort(struct direct *direct);

#endif
