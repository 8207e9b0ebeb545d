/* SPDX-License-Identifier: MIT */
/*
 * Whose sockets a loop reads, and what it does for whom, where the loop itself is the
 * bottleneck: fair queueing by start times over clients (Goyal, Vin and Cheng 1996), and
 * rounds over the sockets of each.
 *
 * Each client has a clock, which goes on by the bytes that its reads have brought. The
 * loop's clock is that of the client that is furthest behind among those that have more
 * to read, and no client that is TURN_BYTES ahead of it reads on. A client that had
 * nothing to read for a while may be behind by TURN_CREDIT, and no more. So clients that
 * always have something to read get the same, with one socket or with fifty. An iteration
 * stays short, and a client with little to do waits for nothing but its end: for two or
 * three reads, however many clients are busy. Sockets whose turn has not come are asked
 * again in the next iteration, as level-triggered events are.
 *
 * Some errands cost many times what the bytes cost that ask for them: a connection to a
 * destination, a name to look up, a stream to end. One read may bring thousands of them.
 * The loop does TURN_ERRANDS for a client in an iteration, and the rest in the next ones.
 * And where a client's frames take long for their size, the loop leaves a read half-way,
 * and goes on with it in an iteration in which the client's turn has come again.
 */
#ifndef SPLITSOCKS_TURNS_H
#define SPLITSOCKS_TURNS_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each client may read in an iteration, where several have more than that. The last
 * read of an iteration may exceed this, and counts against the next ones. */
#define TURN_BYTES (128 * 1024)
/* What one that is alone may. */
#define TURN_ALONE (1024 * 1024)
/* Several may read so much in an iteration together. Then the loop looks for clients that
 * have little to do, before it goes on with the rest. */
#define TURN_ITERATION (256 * 1024)
/* What a client may make up for, when for a moment it had nothing to read. */
#define TURN_CREDIT (1024 * 1024)
/* A read costs as much as so many bytes, however few it brings. */
#define TURN_READ_COST (8 * 1024)
/* An errand costs as much as so many bytes. */
#define TURN_ERRAND_COST (64 * 1024)
/* Errands for each client in an iteration, also for one that is alone: another one's data
 * may come at any time, and the next iteration costs little. */
#define TURN_ERRANDS (TURN_BYTES / TURN_ERRAND_COST)

/* After this time a read of frames is left half-way: twice as long as the largest read of
 * bulk takes. */
#define TURN_FRAMES_NS (NS_PER_MS / 2)
/* Such a half costs as much as the bulk that takes as long. */
#define TURN_FRAMES_COST (512 * 1024)

/* A loop's. Clocks are in bytes. */
struct turns {
    uint64_t iteration;
    uint64_t clock;
    uint64_t spent;   /* in this iteration, by all */
    unsigned before;  /* clients that had something to read in the iteration before */
    unsigned clients; /* in this one */
    uint64_t behind;  /* the least clock of those that had more to read; UINT64_MAX: none */
    uint64_t ahead;   /* the highest clock of all that read */
};

/* A client's. */
struct turn {
    uint64_t iteration; /* when it last had something to read */
    uint64_t clock;
    uint64_t most;  /* bytes that it may still read in that iteration */
    uint32_t round; /* of its sockets */
    uint32_t errands; /* done in that iteration */
    bool put_off;     /* some socket was, in this iteration */
};

/* Before the events of an iteration. */
void turns_next(struct turns *turns);
/* How many bytes may be read from a ready socket now; 0: its turn has not come. `round`
 * is the socket's own, 0 at first. */
size_t turn_most(struct turns *turns, struct turn *turn, uint32_t *round);
/* The socket was read, and `bytes` came; there may be `more`, since the read was full. */
void turn_read(struct turns *turns, struct turn *turn, size_t bytes, bool more);
/* Whether the client may read more in the iteration in which it was last asked for. */
bool turn_has_more(const struct turn *turn);
/* Whether the client may have another errand done in this iteration. */
bool turn_may_ask(struct turns *turns, struct turn *turn);
/* An errand was done. */
void turn_errand(struct turns *turns, struct turn *turn);
/* A read of frames was left half-way. */
void turn_left(struct turns *turns, struct turn *turn);

#endif
