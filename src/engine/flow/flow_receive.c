/* SPDX-License-Identifier: MIT */
/* Datagrams that have come: each number once, and a queue for the driver. */
#include <splitsocks/engine/flow/flow.h>

#include <string.h>

/* ---- which have come ---- */

/* What the window takes beyond its first size, which belongs to the flow's record. */
static size_t window_memory(const struct flow *flow)
{
    return flow->seen.used == NULL ? 0 : (flow->seen.width - DATAGRAM_WINDOW) / 8;
}

static bool widen(struct flows *flows, struct flow *flow)
{
    size_t more = flow->seen.width / 8;

    if (!flows_take_bytes(flows, &flows->bytes_in, more))
        return false;
    if (number_window_grow(&flow->seen, 2 * flow->seen.width) == OK)
        return true;
    flows_give_bytes(flows, &flows->bytes_in, more);
    return false;
}

/* The window must reach back as far as a datagram may come late: by the age that it may
 * have when it is sent, and the time that it travels. It grows when half of it is not
 * enough for the numbers that have come in such a time, so that all of it is. */
static void cover(struct flows *flows, struct flow *flow, uint64_t sequence)
{
    uint64_t age_ns = flow->policy.max_age_ns != 0 ? flow->policy.max_age_ns : FLOW_AGE_NS;
    uint64_t now = flows->context->now;

    if (now - flow->seen_since_ns > age_ns + FLOW_LATENESS_NS) {
        flow->seen_since = flow->seen.end;
        flow->seen_since_ns = now;
    }
    while (sequence >= flow->seen_since + flow->seen.width / 2 &&
           flow->seen.width < FLOW_WINDOW_MAX)
        if (!widen(flows, flow))
            return; /* late ones may be dropped */
}

/* Whether the number is new; counts it if it is not. */
static bool is_new(struct flows *flows, struct flow *flow, uint64_t sequence)
{
    if (flow->seen.used == NULL) {
        flow->seen_since_ns = flows->context->now;
        flow->seen_since = 0;
        if (number_window_init(&flow->seen, DATAGRAM_WINDOW) != OK) {
            flow_count_drop(flows, flow, FLOW_DROP_READER);
            return false;
        }
    }
    if (number_window_check(&flow->seen, sequence) == OK)
        return true;
    flow_count_drop(flows, flow,
                    flow->seen.end - sequence > flow->seen.width ? FLOW_DROP_LATE
                                                                 : FLOW_DROP_DUPLICATE);
    return false;
}

/* ---- the queue ---- */

static void tell_readable(struct flows *flows, struct flow *flow)
{
    if (flow->told || flow->incoming)
        return;
    flow->told = true;
    outbox_push(flows->context, SESSION_FLOW_READABLE)->flow = flow;
    flow->events++;
}

static struct received *take_whole(struct flows *flows, struct flow_peer *peer,
                                   const struct frame *frame)
{
    struct received *received = received_new(flows, peer, frame->datagram.length);

    if (received != NULL && received->length > 0)
        memcpy(received->bytes, frame->datagram.bytes, received->length);
    return received;
}

static void append(struct flows *flows, struct flow *flow, struct received *received)
{
    struct flow_counters *all = &flows->context->counters.flows;

    flow->counters.datagrams_received++;
    flow->counters.bytes_received += received->length;
    all->datagrams_received++;
    all->bytes_received += received->length;
    list_append(&flow->readable, &received->node);
    flow->readable_bytes += sizeof(*received) + received->length;
    tell_readable(flows, flow);
}

static void take(struct flows *flows, struct flow *flow, struct flow_peer *peer,
                 const struct frame *frame)
{
    struct received *received;

    if (!is_new(flows, flow, frame->datagram.sequence))
        return;
    cover(flows, flow, frame->datagram.sequence);
    if (flow->readable_bytes + frame->datagram.length > FLOW_READ_BYTES) {
        flow_count_drop(flows, flow, FLOW_DROP_READER);
        return;
    }
    received = frame->datagram.parts > 1 ? flow_take_part(flows, flow, peer, frame)
                                         : take_whole(flows, peer, frame);
    if (received == NULL) {
        if (frame->datagram.parts == 1)
            flow_count_drop(flows, flow, FLOW_DROP_READER);
        return;
    }
    number_window_mark(&flow->seen, frame->datagram.sequence);
    append(flows, flow, received);
}

void flow_receive(struct flows *flows, struct flow *flow, const struct frame *frame)
{
    struct flow_peer *peer = flow_peer_in(flows, flow, frame);

    flow_note_used(flows, flow);
    if (peer == NULL) {
        flow_count_drop(flows, flow, FLOW_DROP_PEER);
        return;
    }
    take(flows, flow, peer, frame);
    flow_peer_unreference(flows, peer);
}

struct received *flow_read(struct flows *flows, struct flow *flow)
{
    received_free(flows, flow->given);
    flow->given = list_first(&flow->readable, struct received, node);
    if (flow->given == NULL) {
        flow->told = false;
        return NULL;
    }
    list_remove(&flow->given->node);
    flow->readable_bytes -= sizeof(*flow->given) + flow->given->length;
    return flow->given;
}

void flow_tell_incoming(struct flows *flows, struct flow *flow)
{
    flow->incoming = false;
    outbox_push(flows->context, SESSION_FLOW_INCOMING)->flow = flow;
    flow->events++;
    if (!list_empty(&flow->readable))
        tell_readable(flows, flow);
}

void flow_clear_in(struct flows *flows, struct flow *flow)
{
    received_free(flows, flow->given);
    flow->given = NULL;
    list_foreach(&flow->readable, node, after) {
        received_free(flows, list_entry(node, struct received, node));
    }
    flow->readable_bytes = 0;
    flow_clear_parts(flows, flow);
    flows_give_bytes(flows, &flows->bytes_in, window_memory(flow));
    number_window_deinit(&flow->seen);
    flow->seen = (struct number_window){0};
}
