/* SPDX-License-Identifier: MIT */
/* Datagrams that come in parts. All copies of a datagram have the same parts, so that any
 * of them may be put together. */
#include <splitsocks/engine/flow/flow.h>

#include <stdlib.h>
#include <string.h>

static const size_t slots_bytes = FLOW_ASSEMBLIES * sizeof(struct assembly);

static void clear(struct flows *flows, struct assembly *assembly)
{
    if (assembly->peer == NULL)
        return;
    for (unsigned i = 0; i < assembly->parts; i++)
        free(assembly->items[i].bytes);
    free(assembly->items);
    flows_give_bytes(flows, &flows->bytes_in,
                     assembly->parts * sizeof(*assembly->items) + assembly->length);
    flow_peer_unreference(flows, assembly->peer);
    *assembly = (struct assembly){0};
}

static void drop(struct flows *flows, struct flow *flow, struct assembly *assembly)
{
    flow_count_drop(flows, flow, FLOW_DROP_PART);
    clear(flows, assembly);
}

void flow_clear_parts(struct flows *flows, struct flow *flow)
{
    if (flow->assemblies == NULL)
        return;
    for (unsigned i = 0; i < FLOW_ASSEMBLIES; i++)
        clear(flows, &flow->assemblies[i]);
    flows_give_bytes(flows, &flows->bytes_in, slots_bytes);
    free(flow->assemblies);
    flow->assemblies = NULL;
}

/* The slots are made with the first part. False: there is no room for them. */
static bool has_slots(struct flows *flows, struct flow *flow)
{
    if (flow->assemblies != NULL)
        return true;
    if (!flows_take_bytes(flows, &flows->bytes_in, slots_bytes))
        return false;
    flow->assemblies = calloc(1, slots_bytes);
    if (flow->assemblies == NULL)
        flows_give_bytes(flows, &flows->bytes_in, slots_bytes);
    return flow->assemblies != NULL;
}

static bool begin(struct flows *flows, struct assembly *assembly, struct flow_peer *peer,
                  const struct frame *frame)
{
    size_t size = frame->datagram.parts * sizeof(*assembly->items);

    if (!flows_take_bytes(flows, &flows->bytes_in, size))
        return false;
    assembly->items = calloc(frame->datagram.parts, sizeof(*assembly->items));
    if (assembly->items == NULL) {
        flows_give_bytes(flows, &flows->bytes_in, size);
        return false;
    }
    assembly->sequence = frame->datagram.sequence;
    assembly->began_at_ns = flows->context->now;
    assembly->peer = peer;
    assembly->parts = assembly->missing = frame->datagram.parts;
    flow_peer_reference(peer);
    flows->parts_old_at_ns =
        MIN(flows->parts_old_at_ns, flows->context->now + FLOW_ASSEMBLY_NS);
    return true;
}

void flows_tick_parts(struct flows *flows)
{
    uint64_t now = flows->context->now;

    if (flows->parts_old_at_ns > now)
        return;
    flows->parts_old_at_ns = TIME_NEVER;
    list_foreach(&flows->all, node, after) {
        struct flow *flow = list_entry(node, struct flow, node);

        for (unsigned i = 0; flow->assemblies != NULL && i < FLOW_ASSEMBLIES; i++) {
            struct assembly *assembly = &flow->assemblies[i];

            if (assembly->peer == NULL)
                continue;
            if (assembly->began_at_ns + FLOW_ASSEMBLY_NS <= now)
                drop(flows, flow, assembly);
            else
                flows->parts_old_at_ns =
                    MIN(flows->parts_old_at_ns, assembly->began_at_ns + FLOW_ASSEMBLY_NS);
        }
    }
}

/* The datagram's slot; a new one takes the place of the oldest. NULL: there is no
 * memory. */
static struct assembly *slot_for(struct flows *flows, struct flow *flow,
                                 struct flow_peer *peer, const struct frame *frame)
{
    struct assembly *oldest = &flow->assemblies[0];

    for (unsigned i = 0; i < FLOW_ASSEMBLIES; i++) {
        struct assembly *assembly = &flow->assemblies[i];

        if (assembly->peer != NULL && assembly->sequence == frame->datagram.sequence)
            return assembly;
        if (oldest->peer != NULL &&
            (assembly->peer == NULL || assembly->began_at_ns < oldest->began_at_ns))
            oldest = assembly;
    }
    if (oldest->peer != NULL)
        drop(flows, flow, oldest);
    return begin(flows, oldest, peer, frame) ? oldest : NULL;
}

/* Copies the part; false when there is no room for it, or it is one of another whole. */
static bool add(struct flows *flows, struct assembly *assembly, const struct frame *frame)
{
    size_t length = frame->datagram.length;
    struct assembly_part *part = &assembly->items[frame->datagram.part];

    if (length == 0 || assembly->length + length > FLOW_DATAGRAM_MAX ||
        !flows_take_bytes(flows, &flows->bytes_in, length))
        return false;
    part->bytes = malloc(length);
    if (part->bytes == NULL) {
        flows_give_bytes(flows, &flows->bytes_in, length);
        return false;
    }
    memcpy(part->bytes, frame->datagram.bytes, length);
    part->length = (uint16_t)length;
    assembly->length += length;
    assembly->missing--;
    return true;
}

static struct received *put_together(struct flows *flows, struct flow *flow,
                                     struct assembly *assembly)
{
    struct received *whole = received_new(flows, assembly->peer, assembly->length);
    size_t at = 0;

    if (whole == NULL) {
        drop(flows, flow, assembly);
        return NULL;
    }
    for (unsigned i = 0; i < assembly->parts; i++) {
        memcpy(whole->bytes + at, assembly->items[i].bytes, assembly->items[i].length);
        at += assembly->items[i].length;
    }
    clear(flows, assembly);
    return whole;
}

struct received *flow_take_part(struct flows *flows, struct flow *flow,
                                struct flow_peer *peer, const struct frame *frame)
{
    struct assembly *assembly;

    if (!has_slots(flows, flow))
        return NULL;
    assembly = slot_for(flows, flow, peer, frame);
    if (assembly == NULL)
        return NULL;
    if (assembly->parts != frame->datagram.parts ||
        (assembly->items[frame->datagram.part].bytes == NULL &&
         !add(flows, assembly, frame))) {
        drop(flows, flow, assembly);
        return NULL;
    }
    return assembly->missing == 0 ? put_together(flows, flow, assembly) : NULL;
}
