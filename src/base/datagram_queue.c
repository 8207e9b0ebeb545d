/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/datagram_queue.h>

#include <stdlib.h>
#include <string.h>

void datagram_queue_init(struct datagram_queue *queue, struct datagram_room *room)
{
    *queue = (struct datagram_queue){.room = room};
    list_init(&queue->items);
}

void datagram_queue_clear(struct datagram_queue *queue)
{
    struct queued_datagram *datagram;

    while ((datagram = datagram_queue_take(queue)) != NULL)
        free(datagram);
}

bool datagram_queue_keep(struct datagram_queue *queue, const void *bytes, size_t length)
{
    struct queued_datagram *datagram;

    if (queue->count == DATAGRAM_QUEUE_MAX || queue->room->used + length > queue->room->most)
        return false;
    datagram = malloc(sizeof(*datagram) + length);
    if (datagram == NULL)
        return false;
    datagram->length = length;
    memcpy(datagram->bytes, bytes, length);
    list_init(&datagram->node);
    list_append(&queue->items, &datagram->node);
    queue->count++;
    queue->room->used += length;
    return true;
}

struct queued_datagram *datagram_queue_take(struct datagram_queue *queue)
{
    struct queued_datagram *datagram =
        list_first(&queue->items, struct queued_datagram, node);

    if (datagram == NULL)
        return NULL;
    list_remove(&datagram->node);
    queue->count--;
    queue->room->used -= datagram->length;
    return datagram;
}
