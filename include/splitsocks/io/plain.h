/* SPDX-License-Identifier: MIT */
/*
 * The plain socket at one end of a stream: the SOCKS client at local, the destination at
 * the relay. Bytes go from the socket straight into the session's pages and back, with no
 * buffer of its own, and each direction closes by itself.
 *
 * A plain frees itself when both directions have ended or one has failed.
 */
#ifndef SPLITSOCKS_PLAIN_H
#define SPLITSOCKS_PLAIN_H

#include <splitsocks/io/crowd.h>
#include <splitsocks/io/driver.h>

#include <stdbool.h>
#include <stdint.h>

/* Longest message that announces how the opening went. */
#define PLAIN_REPLY_SIZE 32

/* Writes to `reply` what the application is told before any data, when its stream is open
 * (`opened`) or was refused with `code`; returns the length. */
typedef size_t plain_reply(uint8_t reply[PLAIN_REPLY_SIZE], bool opened,
                           enum reset_code code);

/* The stream of the application at the other end of socket `fd` was reset with `code`.
 * `destination` is in words, `address` what is known of it: family ADDRESS_NONE, nothing. */
typedef void plain_failed(int fd, const char *destination, const struct address *address,
                          enum reset_code code);

/* One of these for each idle stream: keep it small. */
struct plain {
    struct stream_end end; /* first */
    struct driver *driver; /* borrowed */
    struct stream *stream;
    struct list node;          /* in the owner's list */
    struct crowd_place *place; /* set by the owner, given back here; NULL: it has none */
    plain_reply *reply; /* due when the stream is opened or refused; NULL: it is open */
    ev_io io;
    uint32_t read_size; /* how much to read at once: follows what there is */
    bool read_ended;    /* the socket's end of file was passed on */
    bool read_blocked;  /* the session has no room */
    bool write_ended;   /* the stream's end was passed on */
    bool write_blocked; /* the socket has no room */
    bool of_client;     /* the socket is an application's, and not a destination's */
    int error; /* the socket has failed so, and is read to its end; 0: it has not */
    struct hangup hangup;
    struct half_closed half;
    plain_failed *failed;       /* NULL: the socket is a destination's */
    struct address destination; /* for `failed`; family ADDRESS_NONE: not known */
};

/* Takes over the socket and becomes the user of `stream`. With a `reply` the stream is
 * still to be opened by the peer, and what the application sends already is taken; without,
 * it is open. With `failed` the socket is a client's: that is told when the stream is reset,
 * and given `destination`, the first address that the stream was opened for or family
 * ADDRESS_NONE. Without, the socket is a destination's.
 * `owned` lists all plains of an owner, for plain_abort(). NULL when memory is out: socket
 * and stream stay the caller's. */
struct plain *plain_new(struct driver *driver, struct stream *stream, int fd,
                        plain_reply *reply, plain_failed *failed,
                        const struct address *destination, struct list *owned) MUST_CHECK;

/* Resets socket and stream, and frees it. */
void plain_abort(struct plain *plain);

#endif
