/* SPDX-License-Identifier: MIT */
/*
 * The socket of one subflow: dialled by local, or taken over from an arrival at the relay.
 *
 * It belongs to its driver. What the session produces is written from the worker's shared
 * buffer, and only a tail that the socket did not take is kept here; what is read goes to
 * the session from the shared buffer, and only a part of a chunk is kept.
 */
#ifndef SPLITSOCKS_SUBFLOW_IO_H
#define SPLITSOCKS_SUBFLOW_IO_H

#include <splitsocks/io/driver.h>
#include <splitsocks/io/socket.h>

enum subflow_io_state {
    SUBFLOW_IO_WAITING, /* for the relay's name to be resolved; there is no socket yet */
    SUBFLOW_IO_CONNECTING,
    SUBFLOW_IO_OPEN,
    SUBFLOW_IO_ENDING, /* writing has failed; what was received is still read */
    SUBFLOW_IO_CLOSED, /* waits for the driver to free it */
};

struct subflow_io {
    struct driver *driver;   /* borrowed */
    struct subflow *subflow; /* the session's; NULL once that was told, or has given up */
    struct list node;        /* in driver.subflows or driver.closed */
    ev_io io;
    uint8_t state;        /* enum subflow_io_state */
    uint8_t end;          /* enum subflow_end, once writing has failed */
    bool hello;           /* the dial opens a session */
    bool proven;          /* of a dial: the role was told that it leads to the relay */
    bool blocked;         /* waits until the socket takes more */
    uint32_t write_size;  /* how much to produce at once: follows what the socket takes */
    uint32_t tail_length; /* bytes produced and not yet written */
    uint32_t tail_at;     /* those of the tail that are written meanwhile */
    uint32_t part_length; /* bytes received of a chunk that is not complete */
    uint8_t *tail, *part; /* owned; NULL when empty */
    unsigned path, port;  /* of a dial: indices, as the session chose */
    uint16_t packet_size; /* of a dial: bound on its IP packets; 0: none */
    struct address to;    /* of a dial: where it connects, once that is known */
    uint64_t dialled_ns;  /* when it did */
};

/* Local: SESSION_DIAL: asks the role where to connect. */
void subflow_io_dial(struct driver *driver, const struct session_event *event);
/* The role's answers for one that waits. What fails is told to the session and to the
 * role, at once or later. */
void subflow_io_connect(struct subflow_io *io, const struct address *to,
                        const struct socket_connect_options *options);
void subflow_io_cannot_connect(struct subflow_io *io);

/* Relay: takes over a connection whose first chunk has opened, with what was read behind
 * it. When memory is out the socket is closed and the session told. */
void subflow_io_adopt(struct driver *driver, struct subflow *subflow, int fd,
                      const uint8_t *rest, size_t rest_length);

/* The session marked it as next sender: produces once, and writes. */
void subflow_io_send(struct subflow_io *io, uint64_t now);
struct subflow_measure subflow_io_measure(const struct subflow_io *io);

/* SESSION_CLOSE_SUBFLOW: closes it as the event says. */
void subflow_io_give_up(struct driver *driver, const struct session_event *event);
/* Closes the socket with a reset, if it is open, and leaves the rest to the driver. */
void subflow_io_close(struct subflow_io *io);
/* The driver's: of one that was closed. */
void subflow_io_free(struct subflow_io *io);

#endif
