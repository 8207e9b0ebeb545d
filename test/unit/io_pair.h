/* SPDX-License-Identifier: MIT */
/*
 * Local's driver with a session, and a whole relay, joined by real sockets on loopback and
 * run by one loop: for tests of the code between the engine and its sockets. An application
 * and a destination stand at both ends of each stream.
 */
#ifndef TEST_IO_PAIR_H
#define TEST_IO_PAIR_H

#include "addresses.h"

#include <splitsocks/io/plain.h>
#include <splitsocks/io/subflow_io.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/relay/relay.h>

#include <ev.h>
#include <stdbool.h>

/* Waiting for something that never comes ends the test after so many seconds: a bound for
 * a slow machine, which no test that passes comes near to. */
#define IO_PAIR_PATIENCE 120.
/* Local's: many chunks come with a read. */
#define IO_PAIR_CHUNK_SIZE 1024

struct io_pair {
    struct ev_loop *loop;
    ev_timer tick; /* lets a test look at its own sockets */
    ev_timer patience;
    struct relay *relay; /* owned; NULL: there is none */
    struct address relay_at;
    struct worker worker;
    struct session *session; /* owned; NULL once it has ended */
    struct driver driver;
    struct list plains;
    int destination; /* a listener */
    uint16_t destination_port;
    uint8_t relay_key[32], local_key[32]; /* private */
    unsigned dials_good, dials_bad;
    int dial_error; /* of the last bad one */
    unsigned proven, unproven;
    enum unproven unproven_how; /* of the last */
    enum error ended;
    enum close_code ended_code;
    unsigned failed; /* streams reset, as told to their applications */
    enum reset_code failed_code;
};

/* With a relay whose configuration has `members` more, each with a comma in front. */
void io_pair_begin(struct io_pair *pair, const char *members);
void io_pair_end(struct io_pair *pair);

/* The configuration of the relay; `clients` false: it lists none. */
struct config_relay *io_pair_config(const struct io_pair *pair, const char *members,
                                    bool clients);
void io_pair_stop_relay(struct io_pair *pair);

typedef bool io_pair_condition(struct io_pair *pair);
void io_pair_wait(struct io_pair *pair, io_pair_condition *condition);
/* One turn of the loop, which lasts until something happens, 2 ms at most. */
void io_pair_turn(struct io_pair *pair);
bool io_pair_is_up(struct io_pair *pair);

/* Two connected sockets on loopback that do not block. */
void io_pair_sockets(int ends[2]);
/* Opens a stream to the destination for a new application, with a plain at local. Returns
 * the application's end. */
int io_pair_open(struct io_pair *pair, plain_reply *reply);
/* A reply of two bytes, and the wait for it at the application's end. */
plain_reply io_pair_reply;
void io_pair_expect_reply(struct io_pair *pair, int app, bool opened, enum reset_code code);
/* Waits until the relay has connected to the destination; returns the destination's end. */
int io_pair_accept(struct io_pair *pair);
/* Sends `length` bytes at `from`, and waits until they have come out at `to`. */
void io_pair_transfer(struct io_pair *pair, int from, int to, size_t length);
/* Waits until the end of file (0) or an error, an errno value; skips data. */
int io_pair_wait_end(struct io_pair *pair, int fd);
/* A connection of the session that is in the state; -1: there is none. */
int io_pair_subflow(const struct io_pair *pair, enum subflow_io_state state);

#endif
