/* SPDX-License-Identifier: MIT */
/* The datagrams that a flow has to send: their queue, their age, and what becomes of their
 * copies. scheduler_flows.c decides which goes on which subflow. */
#include <splitsocks/engine/flow/flow.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DNS 53
#define QUEUE_STEP 4096

static size_t memory_of(const struct datagram *datagram)
{
    return sizeof(*datagram) + datagram->length;
}

/* ---- rates ---- */

uint64_t flow_rate(const struct flow *flow, uint64_t now)
{
    uint64_t elapsed_ns = MAX(now - flow->window_began_at_ns, FLOW_RATE_WINDOW_NS);
    uint64_t running = flow->window_bytes * 1000 / (elapsed_ns / NS_PER_MS);

    return elapsed_ns < 2 * FLOW_RATE_WINDOW_NS ? MAX(flow->rate, running) : running;
}

static void note_offered(struct flow *flow, size_t bytes, uint64_t now)
{
    if (now - flow->window_began_at_ns >= FLOW_RATE_WINDOW_NS) {
        uint64_t elapsed_ms = (now - flow->window_began_at_ns) / NS_PER_MS;

        flow->rate = flow->window_bytes * 1000 / elapsed_ms;
        flow->window_bytes = 0;
        flow->window_began_at_ns = now;
    }
    flow->window_bytes += bytes;
}

bool flow_is_small(const struct flow *flow, uint64_t now)
{
    return flow_rate(flow, now) < FLOW_RATE_SMALL;
}

/* ---- age ---- */

uint64_t flow_age_ns(const struct flow *flow, const struct datagram *datagram)
{
    if (flow->policy.max_age_ns != 0)
        return flow->policy.max_age_ns;
    return datagram->peer->port == PORT_DNS ? FLOW_AGE_DNS_NS : FLOW_AGE_NS;
}

static uint64_t old_at_ns(const struct flow *flow, const struct datagram *datagram)
{
    return datagram->queued_at_ns + flow_age_ns(flow, datagram);
}

/* ---- lists ---- */

void flow_update_ready(struct flows *flows, struct flow *flow)
{
    bool has =
        flow->id != 0 && (!list_empty(&flow->waiting) || !list_empty(&flow->copying));
    bool large = !flow_is_small(flow, flows->context->now);

    if (has && list_linked(&flow->ready) && flow->large == large)
        return;
    list_remove(&flow->ready);
    flow->large = large;
    if (has)
        list_append(large ? &flows->large : &flows->small, &flow->ready);
}

static void leave_waiting(struct flows *flows, struct flow *flow, struct datagram *datagram)
{
    list_remove(&datagram->node);
    flow->waiting_count--;
    flow->waiting_bytes -= datagram->length;
    flows->waiting_bytes -= datagram->length;
}

static void release(struct flows *flows, struct datagram *datagram)
{
    assert(datagram->references == 0);
    list_remove(&datagram->node);
    flows_give_bytes(flows, &flows->bytes_out, memory_of(datagram));
    flow_peer_unreference(flows, datagram->peer);
    free(datagram);
}

/* Nothing refers to a datagram that was sent, and it wants no further copy. */
static void release_sent(struct flows *flows, struct datagram *datagram)
{
    datagram->flow->kept_bytes -= datagram->length;
    release(flows, datagram);
}

/* A datagram that was sent wants no further copy, or gets none. */
static void finish(struct flows *flows, struct datagram *datagram)
{
    list_remove(&datagram->node);
    datagram->flow->copying_count--;
    list_append(&datagram->flow->sent, &datagram->node);
    datagram->state = DATAGRAM_SENT;
    if (datagram->references == 0)
        release_sent(flows, datagram);
}

/* The one that is too old first is the first of the list: one that goes again passes those
 * that were queued after it. */
static void begin_copying(struct flows *flows, struct flow *flow, struct datagram *datagram)
{
    uint64_t old_at = old_at_ns(flow, datagram);
    struct list *later;

    if (flow->copying_count >= FLOW_COPYING_MAX)
        finish(flows, list_first(&flow->copying, struct datagram, node));
    list_remove(&datagram->node);
    later = &flow->copying;
    while (later->prev != &flow->copying &&
           old_at_ns(flow, list_entry(later->prev, struct datagram, node)) > old_at)
        later = later->prev;
    list_insert_before(later, &datagram->node);
    flow->copying_count++;
    datagram->state = DATAGRAM_COPYING;
}

/* ---- dropping ---- */

/* Drops the oldest datagram that waits, all of its parts. */
static void drop_first(struct flows *flows, struct flow *flow, enum flow_drop reason)
{
    unsigned left;

    do {
        struct datagram *datagram = list_first(&flow->waiting, struct datagram, node);

        left = datagram->parts - datagram->part - 1u;
        leave_waiting(flows, flow, datagram);
        release(flows, datagram);
    } while (left > 0);
    flow_count_drop(flows, flow, reason);
}

void flow_drop_old(struct flows *flows, struct flow *flow)
{
    uint64_t now = flows->context->now;
    struct datagram *datagram;

    while ((datagram = list_first(&flow->waiting, struct datagram, node)) != NULL &&
           old_at_ns(flow, datagram) <= now)
        drop_first(flows, flow, FLOW_DROP_AGE);
    while ((datagram = list_first(&flow->copying, struct datagram, node)) != NULL &&
           old_at_ns(flow, datagram) <= now)
        finish(flows, datagram);
    flow_update_ready(flows, flow);
}

void flows_drop_old(struct flows *flows)
{
    list_foreach(&flows->small, node, after) {
        flow_drop_old(flows, list_entry(node, struct flow, ready));
    }
    list_foreach(&flows->large, node, after) {
        flow_drop_old(flows, list_entry(node, struct flow, ready));
    }
}

static uint64_t next_age_of(const struct list *ready)
{
    uint64_t when = TIME_NEVER;

    list_foreach_const(ready, node) {
        const struct flow *flow =
            (const struct flow *)(const void *)((const char *)node -
                                                offsetof(struct flow, ready));
        const struct datagram *datagram = list_first(&flow->waiting, struct datagram, node);

        if (datagram != NULL)
            when = MIN(when, old_at_ns(flow, datagram));
    }
    return when;
}

uint64_t flows_next_age(const struct flows *flows)
{
    return MIN(next_age_of(&flows->small), next_age_of(&flows->large));
}

/* ---- queueing ---- */

/* Makes room in the queue; one datagram always fits. */
static void make_room(struct flows *flows, struct flow *flow, size_t length)
{
    while (flow->waiting_count > 0 && (flow->waiting_count >= FLOW_QUEUE_MAX ||
                                       flow->waiting_bytes + length > FLOW_QUEUE_BYTES))
        drop_first(flows, flow, FLOW_DROP_QUEUE);
}

static struct datagram *make(struct flows *flows, struct flow *flow, struct flow_peer *peer,
                             const void *bytes, size_t length)
{
    struct datagram *datagram;

    if (!flows_take_bytes(flows, &flows->bytes_out, sizeof(*datagram) + length))
        return NULL;
    datagram = malloc(sizeof(*datagram) + length);
    if (datagram == NULL) {
        flows_give_bytes(flows, &flows->bytes_out, sizeof(*datagram) + length);
        return NULL;
    }
    *datagram = (struct datagram){.flow = flow,
                                  .peer = peer,
                                  .queued_at_ns = flows->context->now,
                                  .length = (uint16_t)length};
    flow_peer_reference(peer);
    list_init(&datagram->node);
    if (length > 0)
        memcpy(datagram->bytes, bytes, length);
    return datagram;
}

/* Queues all parts. False when there is no memory for them: then none of them. */
static bool queue_parts(struct flows *flows, struct flow *flow, struct flow_peer *peer,
                        const uint8_t *bytes, size_t length, size_t most)
{
    size_t parts = length == 0 ? 1 : (length + most - 1) / most;

    for (size_t part = 0; part < parts; part++) {
        size_t from = part * most;
        struct datagram *datagram =
            make(flows, flow, peer, bytes + from, MIN(most, length - from));

        if (datagram == NULL) {
            for (; part > 0; part--) {
                datagram = list_entry(flow->waiting.prev, struct datagram, node);
                leave_waiting(flows, flow, datagram);
                release(flows, datagram);
            }
            return false;
        }
        datagram->part = (uint8_t)part;
        datagram->parts = (uint8_t)parts;
        list_append(&flow->waiting, &datagram->node);
        flow->waiting_count++;
        flow->waiting_bytes += datagram->length;
        flows->waiting_bytes += datagram->length;
    }
    return true;
}

/* What a header in front of `length` bytes takes at most: it names the peer until that is
 * confirmed, and again when that is forgotten. A flow without an id may get a long one. */
static size_t header_length(const struct flow *flow, const struct flow_peer *peer,
                            size_t length, bool split)
{
    struct frame frame = {.type = FRAME_DATAGRAM};

    frame.datagram.flow = flow->id != 0 ? flow->id : UINT32_MAX / 4;
    frame.datagram.sequence = flow->next_sequence + flow->waiting_count;
    frame.datagram.peer = peer->index;
    frame.datagram.has_target = true;
    wire_reader_init(&frame.datagram.target, peer->target, peer->length);
    frame.datagram.part = split ? FRAME_PARTS_MAX - 1 : 0;
    frame.datagram.parts = split ? FRAME_PARTS_MAX : 1;
    frame.datagram.length = length;
    return frame_datagram_header_length(&frame, true);
}

/* How many bytes of the datagram go into each part, where frames have `room`. */
static size_t part_length(const struct flow *flow, const struct flow_peer *peer,
                          size_t length, size_t room)
{
    size_t header = header_length(flow, peer, length, false);

    if (header + length > room)
        header = header_length(flow, peer, room, true);
    return room - MIN(room, header);
}

void flow_queue(struct flows *flows, struct flow *flow, const struct target *target,
                const void *bytes, size_t length, size_t room)
{
    struct flow_peer *peer = flow_peer_out(flows, flow, target);
    uint64_t before = flows->waiting_bytes;
    size_t most;

    flow_note_used(flows, flow);
    note_offered(flow, length, flows->context->now);
    if (peer == NULL) {
        flow_count_drop(flows, flow, FLOW_DROP_PEER);
        return;
    }
    most = part_length(flow, peer, length, room);
    if (length > FLOW_DATAGRAM_MAX || most == 0 || length > most * FRAME_PARTS_MAX) {
        flow_count_drop(flows, flow, FLOW_DROP_SIZE);
        return;
    }
    flow_drop_old(flows, flow);
    make_room(flows, flow, length);
    if (!queue_parts(flows, flow, peer, bytes, length, most))
        flow_count_drop(flows, flow, FLOW_DROP_QUEUE);
    flow_update_ready(flows, flow);
    /* The pool looks at a queue that grows, not at each datagram. */
    if (before / QUEUE_STEP != flows->waiting_bytes / QUEUE_STEP)
        flows->context->pool_dirty = true;
}

/* ---- sending ---- */

void datagram_frame(const struct datagram *datagram, struct frame *frame)
{
    const struct flow_peer *peer = datagram->peer;

    *frame = (struct frame){.type = FRAME_DATAGRAM};
    frame->datagram.flow = datagram->flow->id;
    frame->datagram.sequence =
        datagram->numbered ? datagram->sequence : datagram->flow->next_sequence;
    frame->datagram.peer = peer->index;
    frame->datagram.has_target = !peer->confirmed || peer->forgotten;
    wire_reader_init(&frame->datagram.target, peer->target, peer->length);
    frame->datagram.part = datagram->part;
    frame->datagram.parts = datagram->parts;
    frame->datagram.bytes = datagram->bytes;
    frame->datagram.length = datagram->length;
}

/* The datagram's first part goes first: its number is that of all of them. */
static void number(struct flow *flow, struct datagram *datagram)
{
    struct list *node = &datagram->node;

    for (unsigned part = datagram->part; part < datagram->parts; part++) {
        struct datagram *one = list_entry(node, struct datagram, node);

        one->sequence = flow->next_sequence;
        one->numbered = true;
        node = node->next;
    }
    flow->next_sequence++;
}

static void count_first(struct flows *flows, struct flow *flow,
                        const struct datagram *datagram)
{
    struct flow_counters *all = &flows->context->counters.flows;

    flow->counters.bytes_sent += datagram->length;
    all->bytes_sent += datagram->length;
    if (datagram->part > 0)
        return;
    flow->counters.datagrams_sent++;
    all->datagrams_sent++;
}

bool datagram_sent(struct flows *flows, struct datagram *datagram, const void *way,
                   unsigned path, bool finished)
{
    struct flow *flow = datagram->flow;
    bool first = datagram->copies == 0, kept;

    if (!datagram->numbered)
        number(flow, datagram);
    if (first) {
        leave_waiting(flows, flow, datagram);
        begin_copying(flows, flow, datagram);
        count_first(flows, flow, datagram);
        flow->kept_bytes += datagram->length;
    } else {
        flow->counters.copies_sent++;
        flows->context->counters.flows.copies_sent++;
    }
    datagram->ways[datagram->copies % DATAGRAM_WAYS] = way;
    datagram->twice |= datagram->paths & (uint16_t)(1u << path);
    datagram->paths |= (uint16_t)(1u << path);
    datagram->copies++;
    /* The ledger of a binding's first datagram confirms the binding. */
    kept = flow->kept_bytes <= FLOW_KEPT_BYTES || !first || !finished ||
           !datagram->peer->confirmed;
    if (kept)
        datagram->references++;
    flow->last_way = way;
    flow_note_used(flows, flow);
    if (finished)
        finish(flows, datagram);
    flow_update_ready(flows, flow);
    return kept;
}

/* ---- what became of it ---- */

static bool is_young(const struct flows *flows, const struct datagram *datagram)
{
    return old_at_ns(datagram->flow, datagram) > flows->context->now;
}

/* The ledger of a subflow lets go of a copy. */
static void unreference(struct flows *flows, struct datagram *datagram)
{
    if (--datagram->references > 0)
        return;
    if (datagram->flow == NULL)
        release(flows, datagram);
    else if (datagram->state == DATAGRAM_SENT)
        release_sent(flows, datagram);
}

void datagram_acked(struct flows *flows, struct datagram *datagram)
{
    struct flow *flow = datagram->flow;

    datagram->peer->confirmed = true;
    datagram->delivered = true;
    if (flow == NULL || datagram->state == DATAGRAM_SENT) {
        unreference(flows, datagram);
        return;
    }
    datagram->references--;
    finish(flows, datagram);
    flow_update_ready(flows, flow);
}

/* Asks for the one further copy. */
static void send_again(struct flows *flows, struct datagram *datagram)
{
    struct flow *flow = datagram->flow;

    datagram->again = true;
    begin_copying(flows, flow, datagram);
    flow_update_ready(flows, flow);
}

/* Whether the further copy may be asked for: only one copy is on its way. */
static bool may_go_again(const struct flows *flows, const struct datagram *datagram)
{
    return datagram->flow != NULL && datagram->state == DATAGRAM_SENT &&
           !datagram->delivered && !datagram->again && datagram->references == 1 &&
           is_young(flows, datagram);
}

void datagram_lost(struct flows *flows, struct datagram *datagram)
{
    if (may_go_again(flows, datagram))
        send_again(flows, datagram);
    unreference(flows, datagram);
}

void datagram_late(struct flows *flows, struct datagram *datagram)
{
    if (may_go_again(flows, datagram))
        send_again(flows, datagram);
}

void datagram_forget(struct flows *flows, struct datagram *datagram)
{
    unreference(flows, datagram);
}

static void clear_list(struct flows *flows, struct list *list)
{
    list_foreach(list, node, after) {
        struct datagram *datagram = list_entry(node, struct datagram, node);

        list_remove(&datagram->node);
        datagram->flow = NULL;
        if (datagram->references == 0)
            release(flows, datagram);
    }
}

void flow_clear_out(struct flows *flows, struct flow *flow)
{
    flows->waiting_bytes -= flow->waiting_bytes;
    clear_list(flows, &flow->waiting);
    clear_list(flows, &flow->copying);
    clear_list(flows, &flow->sent);
    list_remove(&flow->ready);
    flow->waiting_count = flow->copying_count = 0;
    flow->waiting_bytes = flow->kept_bytes = 0;
    flow->next_sequence = 0;
}
