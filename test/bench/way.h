/* SPDX-License-Identifier: MIT */
/* How datagrams get from a client's socket to a server's, and back. */
#ifndef BENCH_WAY_H
#define BENCH_WAY_H

#include "../e2e/tool.h"

#define DATAGRAM_SIZE_MAX 1400
/* The header of SOCKS5's datagrams with an IPv4 address: RFC 1928 section 7. */
#define SOCKS_HEADER 10

enum way_kind {
    WAY_UDP,   /* to the server, or to a forwarder */
    WAY_SOCKS, /* an association of a SOCKS5 proxy */
    WAY_TCP,   /* one connection; two bytes of length before each */
};

struct way_end {
    int fd; /* datagrams or, with WAY_TCP, the connection */
    bool framed;
    uint8_t header[SOCKS_HEADER]; /* before each datagram */
    size_t header_length;
    struct endpoint peer;   /* length 0: connected */
    uint8_t pending[65536]; /* of a connection */
    size_t pending_length;
};

struct way_options {
    enum way_kind kind;
    struct endpoint to;     /* server, forwarder or proxy, as the client sees it */
    struct endpoint server; /* where the server listens */
    struct endpoint source; /* the client's; length 0: any */
    const char *client_netns, *server_netns; /* paths; NULL: this one */
};

/* The server's socket; with WAY_TCP it listens. */
int way_listen(const struct way_options *options);
/* The client's end. With WAY_SOCKS, *control is the connection that keeps the association.
 */
void way_open(const struct way_options *options, struct way_end *end, int *control);
/* The server's end: for datagrams its socket, for WAY_TCP the accepted connection. */
void way_accept(const struct way_options *options, int listener, struct way_end *end);

/* Sends one; false when the socket has no room for it now. */
bool way_send(struct way_end *end, const void *bytes, size_t length);
/* The next datagram, in `bytes` of DATAGRAM_SIZE_MAX + SOCKS_HEADER; its length, or -1 when
 * there is none now. `*at` is where it begins. The server's end learns its peer. */
long way_receive(struct way_end *end, uint8_t *bytes, size_t *at);

#endif
