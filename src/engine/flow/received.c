/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/flow/flow.h>

#include <stdlib.h>

struct received *received_new(struct flows *flows, struct flow_peer *peer, size_t length)
{
    struct received *received;

    if (flows->bytes_in + sizeof(*received) + length > FLOWS_BYTES_MAX)
        return NULL;
    received = malloc(sizeof(*received) + length);
    if (received == NULL)
        return NULL;
    list_init(&received->node);
    received->peer = peer;
    received->length = length;
    flow_peer_reference(peer);
    flows->bytes_in += sizeof(*received) + length;
    return received;
}

void received_free(struct flows *flows, struct received *received)
{
    if (received == NULL)
        return;
    flows->bytes_in -= sizeof(*received) + received->length;
    flow_peer_unreference(flows, received->peer);
    list_remove(&received->node);
    free(received);
}
