/* SPDX-License-Identifier: MIT */
/* Datagrams that wait until it is known where they go, for example for a name. Several
 * queues may share the room in bytes. */
#ifndef SPLITSOCKS_DATAGRAM_QUEUE_H
#define SPLITSOCKS_DATAGRAM_QUEUE_H

#include <splitsocks/base/list.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Datagrams of one queue: the first flight of a QUIC client, and more than others send
 * before the first answer. */
#define DATAGRAM_QUEUE_MAX 16

struct datagram_room {
    size_t used, most; /* bytes of all queues that share this */
};

struct queued_datagram {
    struct list node;
    size_t length;
    uint8_t bytes[];
};

struct datagram_queue {
    struct datagram_room *room; /* borrowed */
    struct list items;          /* of queued_datagram */
    unsigned count;
};

void datagram_queue_init(struct datagram_queue *queue, struct datagram_room *room);
/* Frees all that wait. */
void datagram_queue_clear(struct datagram_queue *queue);

/* Keeps a copy. False: too many wait, and the datagram is not kept. */
bool datagram_queue_keep(struct datagram_queue *queue, const void *bytes, size_t length);
/* Takes the oldest one, for free(); NULL: none. */
struct queued_datagram *datagram_queue_take(struct datagram_queue *queue);

#endif
