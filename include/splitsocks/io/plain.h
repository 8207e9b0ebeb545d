/* SPDX-License-Identifier: MIT */
/*
 * The plain socket at one end of a stream: the SOCKS client at local, the destination at
 * the relay. Bytes go from the socket straight into the session's pages and back, without
 * a buffer between, and each direction closes by itself.
 *
 * A plain frees itself when both directions have ended or one has failed.
 */
#ifndef SPLITSOCKS_PLAIN_H
#define SPLITSOCKS_PLAIN_H

#include <splitsocks/io/crowd.h>
#include <splitsocks/io/driver.h>

#include <stdbool.h>
#include <stdint.h>

/* Longest reply to the application about the opening of its stream. */
#define PLAIN_REPLY_SIZE 32

/* Writes the reply that the application gets before any data: its stream is open
 * (`opened`), or was refused with `code`. Returns the length. */
typedef size_t plain_reply(uint8_t reply[PLAIN_REPLY_SIZE], bool opened,
                           enum reset_code code);

/* The stream of the application at the other end of socket `fd` was reset with `code`.
 * `destination` is for people; `address` is the destination's address, if it is known. */
typedef void plain_failed(int fd, const char *destination, const struct address *address,
                          enum reset_code code);

/* There is one for each idle stream: keep it small. */
struct plain {
    struct stream_end end; /* first */
    struct driver *driver; /* borrowed */
    struct stream *stream;
    struct list node;          /* in the owner's list */
    struct crowd_place *place; /* set by the owner, given back here; NULL: none */
    plain_reply *reply; /* due when the stream is opened or refused; NULL: it is open */
    ev_io io;
    uint32_t read_size; /* how much to read at once: adapts to the traffic */
    uint32_t round;     /* for io_turn() */
    struct pace_turn reading, writing; /* wait for the rate of a relay's client */
    bool read_ended;    /* the socket's end of file was passed on */
    bool read_blocked;  /* the session has no room */
    bool write_ended;   /* the stream's end was passed on */
    bool write_blocked; /* the socket has no room */
    bool of_client;     /* the socket is an application's, not a destination's */
    int error; /* errno with which the socket has failed; it is still read to its end; 0:
                  none */
    struct hangup hangup;
    struct half_closed half;
    plain_failed *failed;       /* NULL: the socket is a destination's */
    struct address destination; /* for `failed`; family ADDRESS_NONE: unknown */
};

/* Takes over the socket and becomes the user of `stream`. With a `reply` the peer has yet
 * to open the stream, and data that the application sends meanwhile is taken; without, the
 * stream is open. With `failed` the socket is a client's: `failed` is called when the
 * stream is reset, with `destination`, the first address that the stream was opened for,
 * or family ADDRESS_NONE. Without, the socket is a destination's, and charged to the
 * driver's account. `owned` lists all plains of an owner, for plain_abort(). NULL when
 * memory is out: socket and stream stay the caller's. */
struct plain *plain_new(struct driver *driver, struct stream *stream, int fd,
                        plain_reply *reply, plain_failed *failed,
                        const struct address *destination, struct list *owned) MUST_CHECK;

/* Resets socket and stream, and frees the plain. */
void plain_abort(struct plain *plain);

#endif
