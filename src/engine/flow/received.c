/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/flow/flow.h>

#include <stdlib.h>

struct received *received_new(struct flows *flows, struct flow_peer *peer, size_t length)
{
    struct received *received;

    if (!flows_take_bytes(flows, &flows->bytes_in, sizeof(*received) + length))
        return NULL;
    received = malloc(sizeof(*received) + length);
    if (received == NULL) {
        flows_give_bytes(flows, &flows->bytes_in, sizeof(*received) + length);
        return NULL;
    }
    list_init(&received->node);
    received->peer = peer;
    received->length = length;
    flow_peer_reference(peer);
    return received;
}

void received_free(struct flows *flows, struct received *received)
{
    if (received == NULL)
        return;
    flows_give_bytes(flows, &flows->bytes_in, sizeof(*received) + received->length);
    flow_peer_unreference(flows, received->peer);
    list_remove(&received->node);
    free(received);
}
