/* SPDX-License-Identifier: MIT */
/*
 * `splitsocks connect`: a SOCKS5 client on a connected socket, which then copies bytes
 * between the socket and standard input and output. Each direction closes by itself.
 *
 * Standard input and output stay in blocking mode: that is a property of the open file,
 * which other processes may share.
 */
#ifndef APP_BRIDGE_H
#define APP_BRIDGE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/io/hangup.h>
#include <splitsocks/proxy/socks5_client.h>

#include <ev.h>
#include <stdbool.h>

#define BRIDGE_BUFFER_SIZE (64 * 1024)

/* Bytes on their way in one direction. */
struct bridge_lane {
    struct bridge *bridge;
    ev_io from, to;
    size_t start, end; /* the unwritten part of the buffer */
    bool read_ended, ended;
    uint8_t buffer[BRIDGE_BUFFER_SIZE];
};

struct bridge {
    struct ev_loop *loop; /* borrowed */
    int fd;               /* owned */
    const char *host;     /* borrowed; the target, for the log */
    uint16_t port;
    ev_io negotiation;
    struct socks5_client client;
    bool out_is_socket;
    struct hangup_set hangups;
    struct hangup out_gone, fd_gone; /* the output has no reader; the proxy has hung up */
    int error;                       /* of the proxy's socket, which is read on */
    struct bridge_lane up, down;     /* input to socket, socket to output */
    /* Set by the owner before the start. */
    uint64_t keepalive_ns; /* 0: the end of a running local may go unnoticed */
    void (*done)(struct bridge *bridge, bool good);
    void *context;
};

/* Asks for `host` and `port` through `fd`, a connected non-blocking socket, which it takes
 * over. `user` and `password` are both NULL or both given; all texts are borrowed. `done`
 * is called once, from the loop; failures are logged before. Returns OK; or ERROR_INVALID
 * when the host or port cannot be asked for. */
int bridge_start(struct bridge *bridge, struct ev_loop *loop, int fd, const char *host,
                 uint16_t port, const char *user, const char *password) MUST_CHECK;
/* Closes the socket. */
void bridge_deinit(struct bridge *bridge);

#endif
