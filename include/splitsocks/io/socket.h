/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets: making them, their options, and what the kernel knows of them. All are
 * non-blocking and close-on-exec. Functions that fail return ERROR_SYSTEM with errno set.
 */
#ifndef SPLITSOCKS_SOCKET_H
#define SPLITSOCKS_SOCKET_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* A subflow holds no more unsent bytes than this in the kernel, so that the scheduler
 * can still choose another for what comes next. */
#define SOCKET_NOTSENT_LOWAT (16 * 1024)
/* Receive buffer of sockets whose peer is on this machine: it is there at once, and larger
 * ones only lose the processor's cache. */
#define SOCKET_LOOPBACK_BUFFER (256 * 1024)

/* Returns the length of what was put into `out`. */
socklen_t socket_address_put(const struct address *address, struct sockaddr_storage *out);
/* Other families than IPv4 and IPv6 become ADDRESS_NONE. */
struct address socket_address_get(const struct sockaddr *in);

/* A subflow whose peer's TCP acknowledges nothing for so long has failed. The session gives
 * it up sooner, after a few round trips; this is for what it does not see. */
#define SOCKET_USER_TIMEOUT_MS 10000

struct socket_listen_options {
    bool subflows;                  /* accepted sockets are subflows: see below */
    bool at_once;                   /* as in socket_listen_at_once() */
    const char *congestion_control; /* NULL: the kernel's default */
};

/* Listens on an address; accepted sockets inherit TCP_NODELAY and, for subflows,
 * TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT and the congestion control. A connection is reported
 * when its first bytes are there, or after a few seconds without any, unless `at_once` is
 * set. Options that only tune are set as far as the kernel takes them; see
 * socket_tune.h for what is warned of. */
int socket_listen(const struct address *address,
                  const struct socket_listen_options *options, int *fd) MUST_CHECK;
/* Changes when a listening socket reports a connection: at once, since the one who connects
 * may wait for the other to speak first; or as socket_listen() says. */
void socket_listen_at_once(int fd, bool at_once);
/* Whether a listener on :: takes connections to IPv4 addresses too, since the kernel cannot
 * confine it to IPv6. */
bool socket_listener_is_dual(void);
/* Whether EADDRINUSE for `wanted` can be due to our own listener on `held`: 0.0.0.0 and ::
 * exclude each other where the kernel does not take IPV6_V6ONLY. Then :: accepts what
 * comes for both, and IPv4 peers have mapped addresses. */
bool socket_listener_covers(const struct address *held, const struct address *wanted);
/* The address the socket is bound to: with the port that the kernel has chosen. */
struct address socket_local_address(int fd);
/* The address at the other end; family ADDRESS_NONE where there is none any more, or the
 * socket is no IP socket. */
struct address socket_peer_address(int fd);

struct socket_connect_options {
    const char *interface; /* NULL: what the kernel routes */
    struct address source; /* ADDRESS_NONE: what the kernel chooses */
    bool subflow;          /* TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT, congestion control */
    const char *congestion_control; /* NULL: the kernel's default */
    uint16_t packet_size; /* IP packets of both sides are no larger; 0: the link's own */
};

/* Begins to connect, from the descriptors of subflows or else of destinations: EMFILE when
 * that class has none left. On OK, *fd becomes writable when the outcome is known, for
 * socket_outcome(). `options` NULL: none. */
int socket_connect(const struct address *to, const struct socket_connect_options *options,
                   int *fd) MUST_CHECK;
/* 0 when the connection is established, EINPROGRESS while it is not yet known, or the
 * errno value of its failure. */
int socket_outcome(int fd);

/* Has the kernel ask the peer whether it is there once nothing has come for `idle_ns`, and
 * end the connection when SOCKET_KEEPALIVE_PROBES in a row are not answered, or one is
 * answered by a machine that knows nothing of it. 0: leaves the socket as it is. */
void socket_keepalive(int fd, uint64_t idle_ns);
/* A probe follows the last one after a tenth of the idle time, but no later than the kernel
 * would do it by itself: so the whole takes half as long again as the idle time. */
#define SOCKET_KEEPALIVE_PROBES 5
#define SOCKET_KEEPALIVE_INTERVAL_MAX 75 /* s */

/* Reads what is there into `buffer` and forgets it, so that a close is no reset. Ends also
 * with a peer that sends faster than this reads. */
void socket_discard(int fd, void *buffer, size_t size);
/* Closes so that the peer gets a reset and neither side keeps TIME_WAIT. */
void socket_close_reset(int fd);

struct socket_info {
    uint64_t srtt_ns;
    uint64_t rate;         /* bytes a second; 0 = unknown */
    uint32_t queued_bytes; /* written and not yet acknowledged by the peer's TCP */
    uint32_t unsent_bytes; /* of them: not yet sent for the first time */
    uint32_t flying_bytes; /* of them: sent, and neither known to have arrived nor lost */
    /* Since an acknowledgement of the peer's TCP came, of any kind; TIME_NEVER: unknown. */
    uint64_t silent_ns;
};

/* The payload of the largest segments that it sends; 0 when the kernel does not tell. */
uint32_t socket_payload_bytes(int fd);
/* Zeros for what the kernel does not tell. */
struct socket_info socket_info_get(int fd);
/* Bytes written and not yet acknowledged by the peer's TCP; of a local socket, not yet read
 * by the peer. 0 when the kernel does not tell. */
uint32_t socket_queued_bytes(int fd);
/* Bytes written and not yet sent for the first time. */
uint32_t socket_unsent_bytes(int fd);

/* Whether this process may route a socket through an interface of its choice: since Linux
 * 5.7 anybody may, before it took CAP_NET_RAW. */
bool socket_may_bind_interface(void);
/* Whether connections can come from the address, now. */
bool socket_address_is_local(const struct address *address);
/* The address that the kernel would connect from now; ADDRESS_NONE when it has no way. */
struct address socket_source_to(const struct address *to);
/* Whether a listener could have the address, without listening on it: 0, or an errno. */
int socket_try_bind(const struct address *address) MUST_CHECK;
/* Warns where the kernel would not take the congestion control. */
void socket_try_congestion_control(const char *name);

#endif
