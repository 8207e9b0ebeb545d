/* SPDX-License-Identifier: MIT */
/* Accepts connections from a listening socket and hands each to its owner. */
#ifndef SPLITSOCKS_LISTENER_H
#define SPLITSOCKS_LISTENER_H

#include <splitsocks/base/address.h>
#include <splitsocks/io/descriptors.h>

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

/* Takes over `fd`, non-blocking and close-on-exec. Returns whether others may follow in
 * this iteration of the loop; until then they wait in the kernel. */
typedef bool listener_accept(void *context, int fd, const struct address *peer);

struct listener {
    struct ev_loop *loop; /* borrowed */
    ev_io io;
    ev_timer
        pause; /* while the class is out of descriptors; connections wait in the kernel */
    enum descriptor_class class;
    uint64_t full_since_ns; /* since when it is out of descriptors; 0: it is not */
    listener_accept *accept;
    void *context;
};

/* Accepts from `fd`, which stays the caller's and may serve several threads, as long as
 * `class` has descriptors. Without descriptors, clients wait for a second and are then
 * refused, because a loop of connections may be waiting for just that. Other connections
 * wait. */
void listener_init(struct listener *listener, struct ev_loop *loop, int fd,
                   enum descriptor_class class, listener_accept *accept, void *context);
/* Stops; does not close the socket. Safe on a zeroed listener, and twice. */
void listener_deinit(struct listener *listener);

/* Accepts all waiting connections. */
void listener_drain(struct listener *listener);

#define LISTEN_FAILURE_SIZE 768

/* Whether the kernel allows to listen on only one of the two. */
bool listen_excludes(const struct address *one, const struct address *other);

/* Why the address cannot be listened on, by errno, and what helps. `rival` is an address
 * on which this process listens and which excludes it, or NULL. Returns `text`. */
const char *listen_failure(const struct address *address, int error,
                           const struct address *rival, char text[LISTEN_FAILURE_SIZE]);

/* Whether this machine does not have the address at present: nobody can connect to it. */
bool listen_is_absent(const struct address *address);
void listen_tell_absent(const struct address *address);

#endif
