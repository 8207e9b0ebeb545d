/* SPDX-License-Identifier: MIT */
/* One proxied TCP connection of wireproxy: two sockets and what travels between them. Bytes
 * are counted as they are read, so they are what the sender put on the wire. Ends are
 * passed on as what they are: FIN as FIN, a reset as a reset that overtakes whatever is
 * still queued. */
#ifndef TEST_E2E_WIREPAIR_H
#define TEST_E2E_WIREPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "tool.h"

enum { CLIENT, SERVER }; /* sides */
enum { UP, DOWN };       /* lanes: lane n reads from side n and writes to the other */

/* The damage that a fault does at its byte. */
enum fault_kind {
    FAULT_NONE,
    FAULT_FLIP,  /* inverts the lowest bit */
    FAULT_CUT,   /* FIN instead of this byte and all that follow */
    FAULT_RESET, /* resets both sides instead */
};

#define FAULT_ANY UINT64_MAX

struct fault {
    enum fault_kind kind;
    int lane;
    uint64_t offset;     /* of the byte, from 0 */
    uint64_t connection; /* its number, or FAULT_ANY */
};

/* Shared by all pairs; owned by the proxy. */
struct wire {
    int epoll;
    uint64_t delay_ns[2]; /* by lane */
    bool stalled;         /* nothing is read or written */
    struct fault fault;
    const char *record_directory; /* NULL: nothing is recorded */
    uint64_t record_left;         /* connections still to be recorded */

    uint64_t connections, open, max_open; /* open: on the client's side */
    uint64_t connect_failed;
    uint64_t bytes[2], max_bytes[2]; /* by lane: sum, and most of one connection */
    uint64_t resets[2], fins[2];     /* by the side that sent them */
    uint64_t faults;                 /* how often one struck */
    struct pair *first;              /* every pair; newest first */
    struct pair *dead;               /* to be freed between batches of events */
};

/* One end of a pair; epoll's data.ptr points at it. */
struct side {
    struct pair *pair;
    int fd; /* -1: closed */
    int index;
    bool connecting;
    bool broken; /* a write found it reset */
    uint32_t interest;
};

struct piece; /* bytes that wait */

struct lane {
    struct piece *first, **last;
    size_t queued;
    uint64_t read;  /* bytes */
    bool read_done; /* nothing more is read */
    bool written_fin;
    uint64_t fin_at_ns, reset_at_ns; /* when they are due; TIME_NEVER: not seen */
    int record;                      /* -1 or a file */
};

struct pair {
    struct pair *next, **previous;
    struct wire *wire;
    uint64_t number;
    bool stalled, dead;
    struct side side[2];
    struct lane lane[2];
};

/* Takes over the accepted socket and connects to `server`. The pair belongs to the wire. */
struct pair *pair_new(struct wire *wire, int client, const struct endpoint *server);

/* Handles epoll's events of one side. */
void pair_event(struct side *side, uint32_t events);

/* Writes the bytes that are due, and sets the events to wait for; after a change of the
 * wire or of a stall.
 */
void pair_update(struct pair *pair);

/* When pair_update has to be called for a delay; TIME_NEVER for none. */
uint64_t pair_next_at_ns(const struct pair *pair);

/* Resets both sides. */
void pair_reset(struct pair *pair);

/* Frees the pairs that have ended; none of their events may be handled afterwards. */
void wire_reap(struct wire *wire);

#endif
