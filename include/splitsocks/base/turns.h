/* SPDX-License-Identifier: MIT */
/*
 * Whose sockets a loop reads, where the loop itself is the bottleneck: deficit round robin
 * over clients, and rounds over the sockets of each (Shreedhar and Varghese 1996).
 *
 * In each iteration of the loop a client may handle as much as the busiest other one that
 * had all its ready sockets read in the iteration before; what it exceeds counts against
 * the next ones. So a client with one socket is read as often as its socket is ready, and
 * one with fifty sockets gets as much in all. A client that is alone has no bound. Sockets
 * whose turn has not come are asked again in the next iteration, as level-triggered events
 * are.
 */
#ifndef SPLITSOCKS_TURNS_H
#define SPLITSOCKS_TURNS_H

#include <stdbool.h>
#include <stdint.h>

/* What each client may handle in an iteration, where all have more to do than that. */
#define TURN_BYTES (256 * 1024)
/* A read costs as much as so many bytes, however few it brings. */
#define TURN_READ_COST (8 * 1024)

struct turn;

/* A loop's. */
struct turns {
    uint64_t iteration;
    /* Of this iteration, and of the one before. */
    struct turns_seen {
        unsigned clients;           /* that had something to read */
        const struct turn *client;  /* the busiest of those that had their sockets read */
        uint64_t bytes, next_bytes; /* its, and those of the next busiest */
    } now, before;
};

/* A client's. */
struct turn {
    uint64_t iteration; /* when it last had something to read */
    uint64_t bytes;     /* handled in that iteration */
    int64_t allowance;  /* bytes; negative: exceeded earlier */
    uint32_t round;     /* of its sockets */
    bool put_off;       /* some socket was, in this iteration */
    bool was_put_off;   /* in the one before */
};

/* Before the events of an iteration. */
void turns_next(struct turns *turns);
/* Whether a ready socket may be read now. `round` is the socket's own, 0 at first. */
bool turn_may_read(struct turns *turns, struct turn *turn, uint32_t *round);
/* It was read, and `bytes` came. */
void turn_read(struct turns *turns, struct turn *turn, uint64_t bytes);

#endif
