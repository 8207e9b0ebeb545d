/* SPDX-License-Identifier: MIT */
/*
 * The socket of one subflow: dialled by local, or taken over from an arrival at the relay.
 *
 * Its driver owns it. The session's bytes are written from the worker's shared buffer, and
 * only a tail that the socket did not take is kept here. Received bytes go to the session
 * from the shared buffer, and only a part of a chunk is kept. At the relay the chunks of a
 * read that takes long are kept too: the rest of one read for each client.
 */
#ifndef SPLITSOCKS_SUBFLOW_IO_H
#define SPLITSOCKS_SUBFLOW_IO_H

#include <splitsocks/io/driver.h>
#include <splitsocks/io/socket.h>

enum subflow_io_state {
    SUBFLOW_IO_WAITING, /* waits for the relay's name to be resolved; no socket yet */
    SUBFLOW_IO_CONNECTING,
    SUBFLOW_IO_OPEN,
    SUBFLOW_IO_ENDING, /* writing has failed; received bytes are still read */
    SUBFLOW_IO_CLOSED, /* the driver will free it */
};

struct subflow_io {
    struct driver *driver;   /* borrowed */
    struct subflow *subflow; /* the session's; NULL once it has ended */
    struct list node;        /* in driver.subflows or driver.closed */
    struct list unfinished;  /* in worker.unfinished, while `part` may hold whole chunks */
    ev_io io;
    uint8_t state;        /* enum subflow_io_state */
    uint8_t end;          /* enum subflow_end, once writing has failed */
    bool hello;           /* the dial opens a session */
    bool proven;          /* local: the role knows that it leads to the relay */
    bool blocked;         /* waits until the socket takes more */
    uint32_t write_size;  /* how much to produce at once; adapts */
    uint32_t tail_length; /* bytes produced and not yet written */
    uint32_t tail_at;     /* the part of the tail that has been written */
    uint32_t round;       /* for io_turn() */
    uint32_t part_length; /* received bytes that the session has not taken */
    uint8_t *tail, *part; /* owned; NULL when empty */
    unsigned path, port;  /* local: indices, chosen by the session */
    uint16_t packet_size; /* local: bound of its IP packets; 0: none */
    struct address to;    /* local: where it connects, once known */
    uint64_t dialled_at_ns; /* when it began to connect */
};

/* Local: SESSION_DIAL: asks the role where to connect. */
void subflow_io_dial(struct driver *driver, const struct session_event *event);
/* The role's answers for a waiting dial. A failure is told to the session and to the role,
 * at once or later. */
void subflow_io_connect(struct subflow_io *io, const struct address *to,
                        const struct socket_connect_options *options);
void subflow_io_cannot_connect(struct subflow_io *io);

/* Relay: takes over a connection whose first chunk has opened, and the bytes read behind
 * it. When memory is out the socket is closed and the session told. */
void subflow_io_adopt(struct driver *driver, struct subflow *subflow, int fd,
                      const uint8_t *rest, size_t rest_length);

/* For the worker: the next iteration has begun, and the subflow has an unfinished read. */
void subflow_io_go_on(struct subflow_io *io);

/* The session chose it as the next sender: produces once, and writes. */
void subflow_io_send(struct subflow_io *io, uint64_t now);
struct subflow_measure subflow_io_measure(const struct subflow_io *io);

/* SESSION_CLOSE_SUBFLOW: closes the socket in the way that the event asks for. */
void subflow_io_give_up(struct driver *driver, const struct session_event *event);
/* Closes the socket with a reset, if it is open, and leaves the rest to the driver. */
void subflow_io_close(struct subflow_io *io);
/* For the driver: frees a closed one. */
void subflow_io_free(struct subflow_io *io);

#endif
