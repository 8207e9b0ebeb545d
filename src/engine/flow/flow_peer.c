/* SPDX-License-Identifier: MIT */
/*
 * Bindings: an index stands for a flow's peer, so that a datagram needs one byte for it
 * instead of an address. Each side has its own for what it sends; indices rise by 1. The
 * first datagrams of a binding also carry the target, until one of them is acknowledged.
 * Both sides keep the newest FLOW_PEERS: a datagram that waits for longer than its binding
 * is kept carries its target again.
 */
#include <splitsocks/engine/flow/flow.h>

#include <stdlib.h>
#include <string.h>

static size_t memory_of(size_t length)
{
    return sizeof(struct flow_peer) + length;
}

/* One reference, the caller's. */
static struct flow_peer *make(struct flows *flows, uint64_t index, const uint8_t *target,
                              size_t length)
{
    struct flow_peer *peer;

    if (!flows_take_bytes(flows, &flows->bytes_peers, memory_of(length)))
        return NULL;
    peer = malloc(memory_of(length));
    if (peer == NULL) {
        flows_give_bytes(flows, &flows->bytes_peers, memory_of(length));
        return NULL;
    }
    *peer = (struct flow_peer){
        .index = index,
        .references = 1,
        .port = (uint16_t)(target[0] << 8 | target[1]),
        .length = (uint16_t)length,
    };
    memcpy(peer->target, target, length);
    return peer;
}

void flow_peer_reference(struct flow_peer *peer)
{
    peer->references++;
}

void flow_peer_unreference(struct flows *flows, struct flow_peer *peer)
{
    if (--peer->references > 0)
        return;
    flows_give_bytes(flows, &flows->bytes_peers, memory_of(peer->length));
    free(peer);
}

void flow_peer_target(const struct flow_peer *peer, struct target *target)
{
    struct wire_reader r;

    wire_reader_init(&r, peer->target, peer->length);
    (void)frame_peer_read(r, target); /* checked when the binding was made */
}

/* ---- the table ---- */

static struct flow_peer **slot_of(const struct flow_peers *peers, uint64_t index)
{
    return &peers->slots[index & (peers->capacity - 1)];
}

static size_t table_memory(uint32_t capacity)
{
    return capacity * sizeof(struct flow_peer *);
}

static bool grow(struct flows *flows, struct flow_peers *peers)
{
    struct flow_peers larger = {.capacity = peers->capacity == 0 ? 1 : 2 * peers->capacity,
                                .last = peers->last};
    size_t more = table_memory(larger.capacity) - table_memory(peers->capacity);

    if (!flows_take_bytes(flows, &flows->bytes_peers, more))
        return false;
    larger.slots = calloc(larger.capacity, sizeof(struct flow_peer *));
    if (larger.slots == NULL) {
        flows_give_bytes(flows, &flows->bytes_peers, more);
        return false;
    }
    for (uint32_t i = 0; i < peers->capacity; i++)
        if (peers->slots[i] != NULL)
            *slot_of(&larger, peers->slots[i]->index) = peers->slots[i];
    free(peers->slots);
    *peers = larger;
    return true;
}

/* The table takes over the reference. False: there is no room, and nothing has changed. */
static bool put(struct flows *flows, struct flow_peers *peers, struct flow_peer *peer)
{
    struct flow_peer **slot;

    while (peers->capacity == 0 ||
           (*slot_of(peers, peer->index) != NULL && peers->capacity < FLOW_PEERS))
        if (!grow(flows, peers))
            return false;
    slot = slot_of(peers, peer->index);
    if (*slot != NULL) {
        if (peers->last == *slot)
            peers->last = NULL;
        (*slot)->forgotten = true;
        flow_peer_unreference(flows, *slot);
    }
    *slot = peer;
    return true;
}

static void clear(struct flows *flows, struct flow_peers *peers)
{
    for (uint32_t i = 0; i < peers->capacity; i++)
        if (peers->slots[i] != NULL)
            flow_peer_unreference(flows, peers->slots[i]);
    free(peers->slots);
    flows_give_bytes(flows, &flows->bytes_peers, table_memory(peers->capacity));
    *peers = (struct flow_peers){0};
}

void flow_peers_clear(struct flows *flows, struct flow *flow)
{
    clear(flows, &flow->peers_out);
    clear(flows, &flow->peers_in);
    flow->next_peer = 0;
}

/* ---- sending ---- */

static bool is_of(const struct flow_peer *peer, const uint8_t *target, size_t length)
{
    return peer != NULL && peer->length == length &&
           memcmp(peer->target, target, length) == 0;
}

static struct flow_peer *find(struct flow_peers *peers, const uint8_t *target,
                              size_t length)
{
    if (is_of(peers->last, target, length))
        return peers->last;
    for (uint32_t i = 0; i < peers->capacity; i++)
        if (is_of(peers->slots[i], target, length))
            return peers->last = peers->slots[i];
    return NULL;
}

static size_t encode(const struct target *target, uint8_t bytes[FRAME_PEER_MAX])
{
    struct wire_writer w;

    wire_writer_init(&w, bytes, FRAME_PEER_MAX);
    frame_write_peer(&w, target);
    return wire_length(&w);
}

static bool is_valid(const uint8_t *bytes, size_t length)
{
    struct wire_reader r;
    struct target target;

    wire_reader_init(&r, bytes, length);
    return frame_peer_read(r, &target) == OK;
}

struct flow_peer *flow_peer_out(struct flows *flows, struct flow *flow,
                                const struct target *target)
{
    uint8_t bytes[FRAME_PEER_MAX];
    size_t length = encode(target, bytes);
    struct flow_peer *peer;

    peer = find(&flow->peers_out, bytes, length);
    if (peer != NULL)
        return peer;
    if (!is_valid(bytes, length))
        return NULL;
    peer = make(flows, flow->next_peer, bytes, length);
    if (peer == NULL)
        return NULL;
    if (!put(flows, &flow->peers_out, peer)) {
        flow_peer_unreference(flows, peer);
        return NULL;
    }
    flow->next_peer++;
    return flow->peers_out.last = peer;
}

/* ---- receiving ---- */

struct flow_peer *flow_peer_in(struct flows *flows, struct flow *flow,
                               const struct frame *frame)
{
    struct flow_peers *peers = &flow->peers_in;
    const struct wire_reader *target = &frame->datagram.target;
    struct flow_peer *peer =
        peers->capacity == 0 ? NULL : *slot_of(peers, frame->datagram.peer);
    /* Where a newer binding has the place for good, this one serves one datagram. */
    bool kept =
        peer == NULL || peers->capacity < FLOW_PEERS || peer->index < frame->datagram.peer;

    if (peer != NULL && peer->index == frame->datagram.peer) {
        flow_peer_reference(peer);
        return peer;
    }
    if (!frame->datagram.has_target)
        return NULL;
    peer = make(flows, frame->datagram.peer, target->at, wire_remaining(target));
    if (peer != NULL && kept && put(flows, peers, peer))
        flow_peer_reference(peer);
    return peer;
}
