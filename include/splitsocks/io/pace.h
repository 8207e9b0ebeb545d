/* SPDX-License-Identifier: MIT */
/*
 * Keeps all that a client's sessions move within one rate, and all clients together within
 * another, in one direction.
 *
 * A pace_rate is shared by the sessions of a client, in whatever threads they run. Each
 * driver has a pace for it. A socket asks pace_take() before it moves bytes, and says by
 * pace_settle() how many it has moved. A socket that gets none waits in the pace's queue,
 * and must not ask for events meanwhile.
 *
 * The first socket of a queue has its piece reserved: it is spent at once, and the socket's
 * turn comes when the debt of that is paid. So sessions that wait take turns whichever
 * thread comes first, and in any time t at most rate x t + RATE_LIMIT_BURST_NS x rate + one
 * piece is moved. A timer runs only while somebody waits.
 *
 * Of the rate of all clients, each one that waits gets the same share, however many
 * sessions and sockets it has: its pieces come no faster than that. A round of all their
 * pieces takes 1 / PIECES_A_SECOND, which one who has little to move waits for.
 */
#ifndef SPLITSOCKS_PACE_H
#define SPLITSOCKS_PACE_H

#include <splitsocks/base/list.h>
#include <splitsocks/base/rate_limit.h>

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

/* The least piece that is reserved: a packet. */
#define PACE_PACKET 1536

struct pace_rate {
    pthread_mutex_t lock; /* a client's is taken first */
    struct rate_limit limit;
    atomic_bool bounded;     /* `limit` has a rate */
    unsigned waiting;        /* a client's: paces with a reserved piece; else clients */
    struct pace_rate *whole; /* borrowed: of all clients together; NULL: there is none */
    struct rate_limit share; /* a client's part of it */
};

/* `whole` outlives the rate. */
void pace_rate_init(struct pace_rate *rate, struct pace_rate *whole);
void pace_rate_deinit(struct pace_rate *rate);
/* Bytes a second; 0: no bound. Applies from now on, to those that wait after
 * pace_renew(). */
void pace_rate_set(struct pace_rate *rate, uint64_t bytes, uint64_t now);

/* A driver's. */
struct pace {
    struct pace_rate *rate; /* borrowed; NULL: there is no bound */
    struct ev_loop *loop;
    struct list waiting; /* of struct pace_turn, the next one first */
    ev_timer timer;
    uint64_t reserved; /* bytes for the first that waits; 0: nobody waits */
};

/* A socket's place in the queue. */
struct pace_turn {
    struct list node; /* list_init(), and linked while it waits */
    /* Its turn has come: it may move `bytes`, and settles them. */
    void (*go)(struct pace_turn *turn, uint64_t bytes);
};

void pace_init(struct pace *pace, struct ev_loop *loop, struct pace_rate *rate);
/* Nobody waits any more. */
void pace_deinit(struct pace *pace);

/* How many of the `wanted` bytes may be moved now, a piece at least or all of them; 0:
 * `turn` waits. */
uint64_t pace_take(struct pace *pace, struct pace_turn *turn, uint64_t wanted,
                   uint64_t now);
/* Of the bytes that were taken, so many have been moved: fewer, or even more, as where the
 * size of a datagram was not known before. */
void pace_settle(struct pace *pace, uint64_t taken, uint64_t moved, uint64_t now);
/* Safe when it does not wait. */
void pace_leave(struct pace *pace, struct pace_turn *turn);
/* The rate may have changed. */
void pace_renew(struct pace *pace);

#endif
