/* SPDX-License-Identifier: MIT */
#include "net_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SYN_TIMEOUT_NS NS_PER_S
#define SYN_TRIES 7
#define ORPHAN_NS (60 * NS_PER_S)

static void patience_over(struct sim_timer *timer);

static void tcp_wake(struct sim_tcp *tcp, enum sim_side side)
{
    struct sim_endpoint *end = &tcp->end[side];

    if (end->wake != NULL)
        end->wake(end->context, tcp);
}

/* ---- receiving ---- */

static void die(struct sim_tcp *tcp, enum sim_side side)
{
    tcp->end[side].state = SIM_TCP_GONE;
    sim_timer_cancel(tcp->net->clock, &tcp->end[side].patience);
    sim_timer_cancel(tcp->net->clock, &tcp->pipe[side].timer);
    if (side == SIM_LOCAL && !tcp->stranger)
        tcp->net->open--;
}

/* The first bytes are there: the process hears of the connection (TCP_DEFER_ACCEPT). */
static void offer(struct sim_tcp *tcp)
{
    struct sim_net *net = tcp->net;

    tcp->accepted = true;
    sim_timer_cancel(net->clock, &tcp->end[SIM_RELAY].patience);
    net->accept(net->context, tcp);
}

static void receive_data(struct sim_pipe *pipe, uint64_t number)
{
    enum sim_side to = sim_peer(pipe->from);
    struct sim_tcp *tcp = pipe->tcp;
    uint64_t received = pipe->received;

    if (number >= pipe->receive_segment) {
        struct segment *segment = ring_at(&pipe->segments, number - pipe->first_segment);

        segment->received = true;
    }
    while (pipe->receive_segment - pipe->first_segment < pipe->segments.count) {
        const struct segment *segment =
            ring_at(&pipe->segments, pipe->receive_segment - pipe->first_segment);

        if (!segment->received)
            break;
        pipe->received += segment->length;
        pipe->finish_received = segment->finish;
        pipe->receive_segment++;
    }
    packet_acknowledge(tcp, to, number);
    if (pipe->received == received && !pipe->finish_received)
        return;
    if (to == SIM_RELAY && !tcp->accepted)
        offer(tcp);
    else
        tcp_wake(tcp, to);
}

static void receive_reset(struct sim_tcp *tcp, enum sim_side side)
{
    struct sim_endpoint *end = &tcp->end[side];

    switch (end->state) {
    case SIM_TCP_SYN_SENT: end->state = SIM_TCP_REFUSED; break;
    case SIM_TCP_OPEN:
        end->state = SIM_TCP_RESET;
        if (tcp->net->reset_discards)
            tcp->pipe[sim_peer(side)].read = tcp->pipe[sim_peer(side)].received;
        break;
    case SIM_TCP_SYN_RECEIVED:
    case SIM_TCP_ORPHAN: die(tcp, side); return;
    default: return;
    }
    sim_timer_cancel(tcp->net->clock, &tcp->pipe[side].timer);
    sim_timer_cancel(tcp->net->clock, &end->patience);
    if (side == SIM_RELAY && !tcp->accepted)
        die(tcp, side);
    else
        tcp_wake(tcp, side);
}

static void receive_syn(struct sim_tcp *tcp)
{
    struct sim_net *net = tcp->net;
    struct sim_endpoint *end = &tcp->end[SIM_RELAY];

    if (net->port[tcp->port] == SIM_PORT_HANGS)
        return;
    if (net->port[tcp->port] == SIM_PORT_REFUSES || net->accept == NULL ||
        (tcp->answered && end->state == SIM_TCP_GONE)) {
        packet_send_plain(tcp, SIM_RELAY, PACKET_REFUSAL);
        return;
    }
    if (!tcp->answered) {
        tcp->answered = true;
        end->state = SIM_TCP_SYN_RECEIVED;
        sim_timer_set(net->clock, &end->patience, net->clock->now_ns + ORPHAN_NS);
    }
    packet_send_plain(tcp, SIM_RELAY, PACKET_SYN_ACK);
}

static void receive_syn_ack(struct sim_tcp *tcp)
{
    struct sim_endpoint *end = &tcp->end[SIM_LOCAL];

    if (end->state == SIM_TCP_SYN_SENT) {
        end->state = SIM_TCP_OPEN;
        sim_timer_cancel(tcp->net->clock, &end->patience);
        if (tcp->handshakes == 1)
            pipe_sample_rtt(&tcp->pipe[SIM_LOCAL],
                            tcp->net->clock->now_ns - tcp->dialled_at_ns);
        packet_acknowledge(tcp, SIM_LOCAL, UINT64_MAX);
        tcp_wake(tcp, SIM_LOCAL);
    }
}

void tcp_take_packet(struct sim_tcp *tcp, const struct packet *packet)
{
    enum sim_side to = sim_peer(packet->from);
    struct sim_endpoint *end = &tcp->end[to];

    if (packet->kind == PACKET_SYN) {
        receive_syn(tcp);
        return;
    }
    if (packet->kind == PACKET_RESET || packet->kind == PACKET_REFUSAL) {
        receive_reset(tcp, to);
        return;
    }
    if (end->state == SIM_TCP_GONE ||
        (end->state == SIM_TCP_ORPHAN && packet->kind == PACKET_DATA)) {
        packet_send_plain(tcp, to, PACKET_RESET);
        return;
    }
    end->heard_at_ns = tcp->net->clock->now_ns;
    if (end->state == SIM_TCP_SYN_RECEIVED && packet->kind != PACKET_SYN_ACK)
        end->state = SIM_TCP_OPEN;
    if (packet->kind == PACKET_SYN_ACK)
        receive_syn_ack(tcp);
    else if (packet->kind == PACKET_DATA && end->state == SIM_TCP_OPEN)
        receive_data(&tcp->pipe[packet->from], packet->segment);
    else if (packet->kind == PACKET_PROBE && end->state == SIM_TCP_OPEN)
        packet_acknowledge(tcp, to, UINT64_MAX);
    else if (packet->kind == PACKET_ACK && pipe_may_send(tcp, to)) {
        pipe_acknowledged(&tcp->pipe[to], packet);
        if (end->state == SIM_TCP_ORPHAN && tcp->pipe[to].finish_sent &&
            tcp->pipe[to].segments.count == 0)
            die(tcp, to);
        else if (end->state == SIM_TCP_OPEN)
            tcp_wake(tcp, to);
    }
}

/* ---- the owner's face ---- */

static void send_syn(struct sim_tcp *tcp)
{
    struct sim_clock *clock = tcp->net->clock;

    packet_send_plain(tcp, SIM_LOCAL, PACKET_SYN);
    sim_timer_set(clock, &tcp->end[SIM_LOCAL].patience,
                  clock->now_ns + (SYN_TIMEOUT_NS << tcp->handshakes));
    tcp->handshakes++;
}

static void patience_over(struct sim_timer *timer)
{
    struct sim_endpoint *end = container_of(timer, struct sim_endpoint, patience);
    struct sim_tcp *tcp = end->tcp;

    if (end->state != SIM_TCP_SYN_SENT) {
        /* A handshake nobody finished, or an orphan nobody acknowledges. */
        die(tcp, end->side);
        tcp_free_if_gone(tcp);
    } else if (tcp->net->path[tcp->path].off || tcp->handshakes == SYN_TRIES) {
        end->state = SIM_TCP_REFUSED;
        tcp_wake(tcp, SIM_LOCAL);
    } else {
        send_syn(tcp);
    }
}

static struct sim_tcp *dial(struct sim_net *net, size_t path, size_t port, bool stranger,
                            sim_wake *wakes, void *context)
{
    struct sim_tcp *tcp = calloc(1, sizeof *tcp);

    if (tcp == NULL)
        abort();
    assert(path < net->paths && port < net->ports);
    tcp->net = net;
    tcp->number = net->number++;
    tcp->path = path;
    tcp->port = port;
    tcp->segment_bytes = SIM_SEGMENT_BYTES;
    tcp->stranger = stranger;
    tcp->dialled_at_ns = net->clock->now_ns;
    list_append(&net->connections, &tcp->link);
    for (int side = 0; side < 2; side++) {
        tcp->end[side] = (struct sim_endpoint){
            .tcp = tcp, .side = (enum sim_side)side, .state = SIM_TCP_GONE};
        sim_timer_init(&tcp->end[side].patience, patience_over);
        pipe_init(tcp, (enum sim_side)side);
        tcp->budget[side] = UINT64_MAX;
    }
    tcp->end[SIM_LOCAL].state = SIM_TCP_SYN_SENT;
    sim_tcp_own(tcp, SIM_LOCAL, wakes, context);
    if (!stranger) {
        net->dials++;
        net->path[path].dials++;
        net->open++;
        net->open_most = MAX(net->open_most, net->open);
    }
    if (net->path[path].off)
        sim_timer_set(net->clock, &tcp->end[SIM_LOCAL].patience, net->clock->now_ns);
    else
        send_syn(tcp);
    return tcp;
}

struct sim_tcp *sim_tcp_dial(struct sim_net *net, size_t path, size_t port, sim_wake *wakes,
                             void *context)
{
    return dial(net, path, port, false, wakes, context);
}

struct sim_tcp *sim_tcp_dial_stranger(struct sim_net *net, size_t path, size_t port,
                                      sim_wake *wakes, void *context)
{
    return dial(net, path, port, true, wakes, context);
}

void sim_tcp_own(struct sim_tcp *tcp, enum sim_side side, sim_wake *wakes, void *context)
{
    tcp->end[side].wake = wakes;
    tcp->end[side].context = context;
}

size_t sim_tcp_room(const struct sim_tcp *tcp, enum sim_side side)
{
    const struct sim_pipe *pipe = &tcp->pipe[side];
    uint64_t unsent = pipe->written - pipe->sent;

    if (tcp->end[side].state != SIM_TCP_OPEN || pipe->finish)
        return 0;
    return unsent < SIM_NOTSENT_BYTES ? (size_t)(SIM_NOTSENT_BYTES - unsent) : 0;
}

static void pipe_reserve(struct sim_pipe *pipe, uint64_t length)
{
    uint64_t begin = MIN(pipe->acknowledged, pipe->read);
    size_t capacity = pipe->data_capacity ? pipe->data_capacity : 2048;

    while (capacity < pipe->written + length - begin)
        capacity *= 2;
    if (capacity == pipe->data_capacity)
        return;
    uint8_t *data = malloc(capacity);

    if (data == NULL)
        abort();
    for (uint64_t at = begin; at < pipe->written;) {
        size_t from = (size_t)at & (pipe->data_capacity - 1);
        size_t to = (size_t)at & (capacity - 1);
        size_t part = MIN((size_t)(pipe->written - at), pipe->data_capacity - from);

        part = MIN(part, capacity - to);
        memcpy(data + to, pipe->data + from, part);
        at += part;
    }
    free(pipe->data);
    pipe->data = data;
    pipe->data_capacity = capacity;
}

size_t sim_tcp_write(struct sim_tcp *tcp, enum sim_side side, const void *data,
                     size_t length)
{
    struct sim_pipe *pipe = &tcp->pipe[side];
    const uint8_t *bytes = data;

    length = MIN(length, sim_tcp_room(tcp, side));
    if (length == 0)
        return 0;
    pipe_reserve(pipe, length);
    for (size_t done = 0; done < length;) {
        size_t to = (size_t)(pipe->written + done) & (pipe->data_capacity - 1);
        size_t part = MIN(length - done, pipe->data_capacity - to);

        memcpy(pipe->data + to, bytes + done, part);
        done += part;
    }
    if (side == SIM_LOCAL && tcp->record_length < SIM_RECORD_BYTES) {
        size_t part = MIN(length, SIM_RECORD_BYTES - tcp->record_length);

        memcpy(tcp->record + tcp->record_length, bytes, part);
        tcp->record_length += part;
    }
    pipe->written += length;
    if (pipe->written > tcp->budget[side])
        tcp->net->over_budget_bytes += MIN(length, pipe->written - tcp->budget[side]);
    pipe_send_more(pipe);
    return length;
}

size_t sim_tcp_readable(const struct sim_tcp *tcp, enum sim_side side)
{
    const struct sim_pipe *pipe = &tcp->pipe[sim_peer(side)];

    return (size_t)(pipe->received - pipe->read);
}

size_t sim_tcp_read(struct sim_tcp *tcp, enum sim_side side, void *buffer, size_t capacity)
{
    struct sim_pipe *pipe = &tcp->pipe[sim_peer(side)];
    uint8_t *bytes = buffer;
    size_t length = MIN(capacity, sim_tcp_readable(tcp, side));
    bool was_closed =
        pipe->read + SIM_RECEIVE_BUFFER_BYTES < pipe->received + SIM_SEGMENT_BYTES;

    for (size_t done = 0; done < length;) {
        size_t from = (size_t)(pipe->read + done) & (pipe->data_capacity - 1);
        size_t part = MIN(length - done, pipe->data_capacity - from);

        memcpy(bytes + done, pipe->data + from, part);
        done += part;
    }
    pipe->read += length;
    if (tcp->corrupt[side] && length > 0) {
        bytes[sim_random_range(&tcp->net->clock->random, 0, length - 1)] ^= 1;
        tcp->corrupt[side] = false;
    }
    if (was_closed && length > 0 && tcp->end[side].state == SIM_TCP_OPEN)
        packet_acknowledge(tcp, side, UINT64_MAX);
    return length;
}

bool sim_tcp_at_end(const struct sim_tcp *tcp, enum sim_side side)
{
    const struct sim_pipe *pipe = &tcp->pipe[sim_peer(side)];

    return pipe->read == pipe->received &&
           (pipe->finish_received || tcp->end[side].state == SIM_TCP_RESET);
}

void sim_tcp_info(const struct sim_tcp *tcp, enum sim_side side, struct sim_tcp_info *info)
{
    const struct sim_pipe *pipe = &tcp->pipe[side];

    info->rtt_ns = pipe->rtt_ns;
    info->rate = pipe->rate;
    if (pipe->rtt_ns > 0)
        info->rate = MAX(info->rate, pipe->congestion_bytes * NS_PER_S / pipe->rtt_ns);
    info->queued = pipe->written - pipe->acknowledged;
    info->unsent = pipe->written - pipe->sent;
    info->flying = pipe->in_flight_bytes;
    info->silent_for_ns = tcp->net->clock->now_ns - tcp->end[side].heard_at_ns;
}

static bool has_peer(const struct sim_tcp *tcp, enum sim_side side)
{
    enum sim_tcp_state state = tcp->end[side].state;

    return state == SIM_TCP_OPEN || state == SIM_TCP_ORPHAN ||
           state == SIM_TCP_SYN_RECEIVED;
}

void sim_tcp_reset(struct sim_tcp *tcp, enum sim_side side)
{
    sim_tcp_own(tcp, side, NULL, NULL);
    if (has_peer(tcp, side))
        packet_send_plain(tcp, side, PACKET_RESET);
    sim_tcp_vanish(tcp, side);
}

void sim_tcp_close(struct sim_tcp *tcp, enum sim_side side)
{
    struct sim_clock *clock = tcp->net->clock;

    /* Closing with something unread resets (RFC 2525 section 2.17). */
    if (tcp->end[side].state != SIM_TCP_OPEN || sim_tcp_readable(tcp, side) > 0) {
        sim_tcp_reset(tcp, side);
        return;
    }
    sim_tcp_own(tcp, side, NULL, NULL);
    tcp->end[side].state = SIM_TCP_ORPHAN;
    tcp->pipe[side].finish = true;
    sim_timer_set(clock, &tcp->end[side].patience, clock->now_ns + ORPHAN_NS);
    pipe_send_more(&tcp->pipe[side]);
}

void sim_tcp_vanish(struct sim_tcp *tcp, enum sim_side side)
{
    sim_tcp_own(tcp, side, NULL, NULL);
    if (tcp->end[side].state != SIM_TCP_GONE)
        die(tcp, side);
    tcp_free_if_gone(tcp);
}

void sim_tcp_cut(struct sim_tcp *tcp, bool local, bool relay)
{
    tcp->holds++;
    if (local)
        receive_reset(tcp, SIM_LOCAL);
    if (relay)
        receive_reset(tcp, SIM_RELAY);
    tcp->holds--;
    tcp_free_if_gone(tcp);
}
