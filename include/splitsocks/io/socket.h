/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets: how to make them, their options, and the kernel's figures about them. All
 * are non-blocking and close-on-exec. Functions that fail return ERROR_SYSTEM with errno
 * set.
 */
#ifndef SPLITSOCKS_SOCKET_H
#define SPLITSOCKS_SOCKET_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* The most unsent bytes of a subflow in the kernel: the scheduler can still choose another
 * subflow for later bytes. */
#define SOCKET_NOTSENT_LOWAT (16 * 1024)
/* Receive buffer of sockets whose peer is on this machine: data arrives at once, and
 * larger buffers only lose the processor's cache. */
#define SOCKET_LOOPBACK_BUFFER (256 * 1024)

/* Fills in `out` and returns its length. */
socklen_t socket_address_put(const struct address *address, struct sockaddr_storage *out);
/* Other families than IPv4 and IPv6 become ADDRESS_NONE. */
struct address socket_address_get(const struct sockaddr *in);

/* A subflow fails when its peer's TCP acknowledges nothing for so long. The session gives
 * subflows up sooner, after a few round trips; this is for cases that it does not see. */
#define SOCKET_USER_TIMEOUT_MS 10000

struct socket_listen_options {
    bool subflows;                  /* accepted sockets are subflows: see below */
    bool at_once;                   /* as in socket_listen_at_once() */
    const char *congestion_control; /* NULL: the kernel's default */
};

/* Listens on an address; accepted sockets inherit TCP_NODELAY and, for subflows,
 * TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT and the congestion control. A connection is reported
 * when its first bytes have arrived, or after a few seconds without any, unless `at_once`
 * is set. Options for tuning alone are set if the kernel accepts them; socket_tune.h says
 * which failures are logged. */
int socket_listen(const struct address *address,
                  const struct socket_listen_options *options, int *fd) MUST_CHECK;
/* Changes when a listening socket reports a connection: at once, since a client may wait
 * for the server to speak first; or as in socket_listen(). */
void socket_listen_at_once(int fd, bool at_once);
/* Whether a listener on :: also takes connections to IPv4 addresses, because the kernel
 * cannot confine it to IPv6. */
bool socket_listener_is_dual(void);
/* Whether our own listener on `held` can be the reason for EADDRINUSE for `wanted`:
 * 0.0.0.0 and :: exclude each other where the kernel does not accept IPV6_V6ONLY. Then ::
 * accepts the connections to both, and IPv4 peers have mapped addresses. */
bool socket_listener_covers(const struct address *held, const struct address *wanted);
/* The address the socket is bound to: with the port that the kernel has chosen. */
struct address socket_local_address(int fd);
/* The address at the other end; family ADDRESS_NONE when it is gone, or the socket is not
 * an IP socket. */
struct address socket_peer_address(int fd);

struct socket_connect_options {
    const char *interface; /* NULL: the kernel's routes decide */
    struct address source; /* ADDRESS_NONE: the kernel chooses */
    bool subflow;          /* TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT, congestion control */
    const char *congestion_control; /* NULL: the kernel's default */
    uint16_t packet_size; /* IP packets of both sides are no larger; 0: the link's own */
};

/* Begins to connect, with a descriptor of the class of subflows or of destinations: EMFILE
 * when that class has none left. On OK, *fd becomes writable when the outcome is known,
 * for socket_outcome(). `options` NULL: none. */
int socket_connect(const struct address *to, const struct socket_connect_options *options,
                   int *fd) MUST_CHECK;
/* 0 when the connection is established, EINPROGRESS while it is not yet known, or the
 * errno value of its failure. */
int socket_outcome(int fd);

/* Makes the kernel probe the peer once nothing has come for `idle_for_ns`, and end the
 * connection when SOCKET_KEEPALIVE_PROBES in a row are not answered, or when a machine
 * answers that does not know the connection. 0: leaves the socket as it is. */
void socket_keepalive(int fd, uint64_t idle_for_ns);
/* A probe follows the last one after a tenth of the idle time, but no later than the
 * kernel's own default: so all probes together take at most half of the idle time. */
#define SOCKET_KEEPALIVE_PROBES 5
#define SOCKET_KEEPALIVE_INTERVAL_MAX 75 /* s */

/* Reads received bytes into `buffer` and discards them, so that a close is not a reset.
 * Stops after a bounded number of reads, in case the peer sends faster. */
void socket_discard(int fd, void *buffer, size_t size);
/* Closes with a reset to the peer, so that neither side keeps TIME_WAIT. */
void socket_close_reset(int fd);

struct socket_info {
    uint64_t srtt_ns;
    uint64_t rate;         /* bytes a second; 0 = unknown */
    uint32_t queued_bytes; /* written and not yet acknowledged by the peer's TCP */
    uint32_t unsent_bytes; /* the part that was never sent yet */
    uint32_t flying_bytes; /* sent, and neither arrived nor lost */
    /* Time since the peer's TCP last acknowledged anything; TIME_NEVER: unknown. */
    uint64_t silent_for_ns;
};

/* The payload of the largest segments that the socket sends; 0 when the kernel does not
 * tell. */
uint32_t socket_payload_bytes(int fd);
/* Fields that the kernel does not tell are 0. */
struct socket_info socket_info_get(int fd);
/* Bytes written and not yet acknowledged by the peer's TCP; for a local socket, not yet
 * read by the peer. 0 when the kernel does not tell. */
uint32_t socket_queued_bytes(int fd);
/* Bytes written and not yet sent for the first time. */
uint32_t socket_unsent_bytes(int fd);

/* Whether this process may bind a socket to an interface: since Linux 5.7 every process
 * may, before that it needed CAP_NET_RAW. */
bool socket_may_bind_interface(void);
/* Whether connections can be made from the address now. */
bool socket_address_is_local(const struct address *address);
/* The address from which the kernel would connect now; ADDRESS_NONE without a route. */
struct address socket_source_to(const struct address *to);
/* Whether a listener for streams or for datagrams could have the address, without
 * listening on it: 0, or an errno. */
int socket_try_bind(const struct address *address, bool datagrams) MUST_CHECK;
/* Warns if the kernel does not accept the congestion control. */
void socket_try_congestion_control(const char *name);

#endif
