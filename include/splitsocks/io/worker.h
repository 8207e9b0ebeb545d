/* SPDX-License-Identifier: MIT */
/*
 * State that one thread's sessions share: the event loop, the memory for stream data, and
 * two large buffers that all subflows read into and write from, in turn.
 */
#ifndef SPLITSOCKS_WORKER_H
#define SPLITSOCKS_WORKER_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/list.h>
#include <splitsocks/base/pages.h>
#include <splitsocks/base/turns.h>
#include <splitsocks/config/config.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/io/datagram_socket.h>
#include <splitsocks/io/half_closed.h>
#include <splitsocks/io/hangup.h>

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes in one read from a subflow, behind the kept part of a chunk. */
#define WORKER_READ_SIZE (256 * 1024)
#define WORKER_INPUT_SIZE (CHUNK_SIZE_MAX + WORKER_READ_SIZE)

struct worker {
    struct ev_loop *loop; /* borrowed */
    struct page_pool pages;
    uint8_t *input;         /* WORKER_INPUT_SIZE bytes, owned */
    uint8_t *output;        /* PRODUCE_MAX bytes, owned */
    struct datagram_batch *datagrams; /* owned; of all UDP sockets, in turn */
    struct turns turns;               /* relay: which client's sockets are read */
    struct list touched;    /* drivers with work to do before the loop waits again */
    struct list unfinished; /* relay: subflows of which a read was left half-way */
    struct list leavers;    /* connections that farewell() closes */
    struct list remainders; /* rest of ended sessions' streams, for slow readers */
    struct places remainder_places; /* relay: they are a user of its pages, too */
    struct page_account remainder_pages;
    struct hangup_set hangups;           /* plain sockets */
    struct half_closed_list half_closed; /* plains and directs */
    double patience_seconds;             /* after which a slow reader is cut off */
    ev_prepare prepare;
    ev_idle more;         /* active while a driver has left work to the next iteration */
    ev_timer quiet;       /* runs while there may be memory to give back */
    uint64_t moved_at_ns; /* when bytes last moved, see movement.h; 0: never */
    bool active;          /* a driver ran since `quiet` last fired */
    unsigned opened;      /* streams that got a socket since memory was last given back */
};

/* `buffered_bytes` bounds the stream data of all sessions, unless worker_share_pages()
 * does; `linger_ns` is how long the rest of an ended session waits for its readers. Returns
 * OK or ERROR_MEMORY. */
int worker_init(struct worker *worker, struct ev_loop *loop, uint64_t buffered_bytes,
                uint64_t linger_ns) MUST_CHECK;
/* The relay's clients share this bound of pages, in all its workers. Call before there are
 * sessions. */
void worker_share_pages(struct worker *worker, struct places_pool *pages);
/* For later connections, and for connections that are half-closed later; before this call
 * there are no time-outs. */
void worker_set_timeouts(struct worker *worker, const struct config_timeouts *timeouts);
/* Call when all sessions are gone. Safe on a zeroed worker. */
void worker_deinit(struct worker *worker);

#endif
