/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets that talk to any number of peers, read and written in batches.
 *
 * An IPv4-mapped address never leaves this module: peers of a socket that serves both
 * families have IPv4 addresses. Datagrams up to the path's packet size travel with "don't
 * fragment", larger ones are fragmented, as the kernel does for applications by default
 * (ip(7), IP_PMTUDISC_WANT). ICMP errors of one peer end nothing.
 */
#ifndef SPLITSOCKS_DATAGRAM_SOCKET_H
#define SPLITSOCKS_DATAGRAM_SOCKET_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/io/descriptors.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest datagram that is sent: a packet's 65,535 bytes without the headers of IPv4
 * and UDP. IPv6 has room for 20 more, which nobody uses; such a datagram may still come. */
#define DATAGRAM_BYTES_MAX 65507
/* Datagrams in one system call: more save little time, and hold the loop for longer. */
#define DATAGRAM_BATCH 32

struct datagram_socket {
    int fd; /* -1: closed */
    uint8_t family;
};

struct datagram_socket_options {
    /* Tells for each datagram to which of this machine's addresses it was sent: for sockets
     * that are bound to no address. */
    bool destinations;
    /* Binds even to an address that is not there yet. */
    bool absent;
    enum descriptor_class class;
};

struct datagram_in {
    struct address peer;  /* where it came from */
    struct address local; /* where it was sent to, port 0; ADDRESS_NONE: not asked for */
    const uint8_t *bytes; /* valid until the next call for the batch */
    size_t length;
};

/* Memory that all sockets of a thread use in turn: a batch that was received, and one that
 * is being sent. */
struct datagram_batch;

struct datagram_batch *datagram_batch_new(void) MUST_CHECK; /* NULL: no memory */
void datagram_batch_free(struct datagram_batch *batch);     /* NULL is allowed */

/* Binds a new socket, non-blocking and close-on-exec. Port 0: the kernel chooses one.
 * Returns OK, or ERROR_SYSTEM with errno set; EMFILE when the class has no descriptor left.
 */
int datagram_socket_open(struct datagram_socket *socket, const struct address *address,
                         const struct datagram_socket_options *options) MUST_CHECK;
/* Safe on a closed one. */
void datagram_socket_close(struct datagram_socket *socket);

/* Reads up to `most` datagrams, and DATAGRAM_BATCH, and returns their number; 0: none
 * waits. */
size_t datagram_socket_receive(const struct datagram_socket *socket,
                               struct datagram_batch *batch, size_t most);
/* Datagram `index` of those that were just received. */
const struct datagram_in *datagram_batch_at(const struct datagram_batch *batch,
                                            size_t index);

/* Sends one datagram by itself. Returns OK; ERROR_LIMIT when the kernel's queue is full;
 * or ERROR_SYSTEM with errno set: it cannot be sent to this peer. */
int datagram_socket_send(const struct datagram_socket *socket, const struct address *peer,
                         const void *bytes, size_t length) MUST_CHECK;
/* Adds a datagram to the batch for `socket`, and returns where to write its `length` bytes
 * (at most DATAGRAM_BYTES_MAX); sends the batch first when it is full, or has datagrams of
 * another socket. `local` is the address of this machine to send from, or NULL: the
 * kernel's choice. */
uint8_t *datagram_socket_put(const struct datagram_socket *socket,
                             struct datagram_batch *batch, const struct address *peer,
                             const struct address *local, size_t length);
/* Sends the batch. Must be called before the socket is closed, and before the loop waits.
 * Returns how many datagrams the kernel has not taken since the last call: they are lost.
 */
size_t datagram_batch_flush(struct datagram_batch *batch);

#endif
