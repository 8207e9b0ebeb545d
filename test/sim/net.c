/* SPDX-License-Identifier: MIT */
#include "net_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const packet_names[] = {"syn", "syn-ack", "refusal", "data",
                                           "ack", "probe",   "reset"};

static void packet_arrives(struct sim_timer *timer);

/* ---- net ---- */

void sim_net_init(struct sim_net *net, struct sim_clock *clock)
{
    memset(net, 0, sizeof *net);
    net->clock = clock;
    net->began_at_ns = clock->now_ns;
    list_init(&net->connections);
    list_init(&net->free_packets);
}

static void tcp_free(struct sim_tcp *tcp)
{
    for (int side = 0; side < 2; side++) {
        struct sim_pipe *pipe = &tcp->pipe[side];

        sim_timer_cancel(tcp->net->clock, &pipe->timer);
        ring_deinit(&pipe->segments);
        free(pipe->data);
        sim_timer_cancel(tcp->net->clock, &tcp->end[side].patience);
    }
    box_forget(tcp);
    list_remove(&tcp->link);
    free(tcp);
}

void sim_net_deinit(struct sim_net *net)
{
    /* Packets in flight are found by the timers that carry them. */
    for (size_t i = net->clock->count; i-- > 0;) {
        struct sim_timer *timer = net->clock->heap[i];

        if (timer->fire != packet_arrives)
            continue;
        sim_timer_cancel(net->clock, timer);
        free(container_of(timer, struct packet, timer));
        i = net->clock->count;
    }
    list_foreach(&net->connections, node, after)
        tcp_free(list_entry(node, struct sim_tcp, link));
    list_foreach(&net->free_packets, node, after)
        free(list_entry(node, struct packet, link));
    boxes_deinit(net);
}

void tcp_free_if_gone(struct sim_tcp *tcp)
{
    if (tcp->end[SIM_LOCAL].state == SIM_TCP_GONE &&
        tcp->end[SIM_RELAY].state == SIM_TCP_GONE && tcp->holds == 0)
        tcp_free(tcp);
}

/* ---- packets ---- */

/* When a packet handed to the link now arrives; TIME_NEVER when it is lost. */
static uint64_t link_carry(struct sim_net *net, struct sim_link *link, uint64_t bytes)
{
    uint64_t now = net->clock->now_ns;
    uint64_t waits_ns = link->busy_until_ns > now ? link->busy_until_ns - now : 0;
    uint64_t waiting = (uint64_t)((double)waits_ns * (double)link->rate / 1e9);

    if (link->blackhole || (waits_ns > 0 && waiting + bytes > link->queue_bytes))
        return TIME_NEVER;
    link->busy_until_ns = now + waits_ns + bytes * NS_PER_S / link->rate;
    if (sim_random_chance(&net->clock->random, link->loss_millionths))
        link->losing = MAX(link->loss_run, 1);
    if (link->losing > 0) {
        link->losing--;
        return TIME_NEVER;
    }
    uint64_t arrival = link->busy_until_ns + link->delay_ns;

    if (link->jitter_ns > 0)
        arrival += sim_random_range(&net->clock->random, 0, link->jitter_ns);
    return arrival;
}

static bool connection_is_stalled(const struct sim_tcp *tcp)
{
    const struct sim_path *path = &tcp->net->path[tcp->path];

    return path->off || tcp->net->clock->now_ns < tcp->stalled_until_ns ||
           (path->stall_after_bytes > 0 &&
            tcp->pipe[SIM_LOCAL].sent + tcp->pipe[SIM_RELAY].sent >
                path->stall_after_bytes);
}

/* The NAT stands beside local: it sees what local sends at once, and what the relay sends
 * about when that arrives. Whether it knows the connection. */
static bool nat_passes(struct sim_tcp *tcp, const struct packet *packet)
{
    const struct sim_path *path = &tcp->net->path[tcp->path];
    uint64_t now = tcp->net->clock->now_ns;

    if (path->nat_idle_ns == 0)
        return true;
    tcp->forgotten |=
        packet->kind != PACKET_SYN && now - tcp->passed_at_ns > path->nat_idle_ns;
    if (!tcp->forgotten)
        tcp->passed_at_ns = now;
    return !tcp->forgotten;
}

/* The packet passes on, or arrives, at that time. */
static void packet_set(struct sim_tcp *tcp, const struct packet *packet,
                       uint32_t payload_bytes, bool held, uint64_t when_ns)
{
    struct sim_net *net = tcp->net;
    struct packet *copy = list_first(&net->free_packets, struct packet, link);

    if (copy != NULL)
        list_remove(&copy->link);
    else if ((copy = malloc(sizeof *copy)) == NULL)
        abort();
    *copy = *packet;
    copy->tcp = tcp;
    copy->payload_bytes = payload_bytes;
    copy->held = held;
    list_init(&copy->link);
    sim_timer_init(&copy->timer, packet_arrives);
    sim_timer_set(net->clock, &copy->timer, when_ns);
    tcp->holds++;
}

static void packet_put(struct sim_tcp *tcp, const struct packet *packet,
                       uint32_t payload_bytes, bool lost)
{
    struct sim_net *net = tcp->net;
    struct sim_link *link = &net->path[tcp->path].link[packet->from];
    uint64_t arrival_at_ns = TIME_NEVER;

    if (link->largest_bytes != 0 && payload_bytes > link->largest_bytes)
        link->oversize++;
    else if (!lost && !connection_is_stalled(tcp))
        arrival_at_ns = link_carry(net, link, payload_bytes + SIM_HEADER_BYTES);
    sim_trace(net->clock, packet_names[packet->kind],
              tcp->number << 1 | (packet->from == SIM_RELAY), packet->segment,
              arrival_at_ns == TIME_NEVER ? 0 : arrival_at_ns);
    if (arrival_at_ns == TIME_NEVER)
        return;
    packet_set(tcp, packet, payload_bytes, false, arrival_at_ns);
    link->payload_bytes += payload_bytes;
}

void packet_cross(struct sim_tcp *tcp, const struct packet *packet, uint32_t payload_bytes)
{
    bool passes = nat_passes(tcp, packet);

    packet_put(tcp, packet, payload_bytes, !passes);
    if (!passes && packet->from == SIM_LOCAL && tcp->net->path[tcp->path].nat_resets)
        packet_put(tcp, &(struct packet){.kind = PACKET_RESET, .from = SIM_RELAY}, 0,
                   false);
}

void packet_hold(struct sim_tcp *tcp, const struct packet *packet, uint32_t payload_bytes,
                 uint64_t waits_ns)
{
    packet_set(tcp, packet, payload_bytes, true, tcp->net->clock->now_ns + waits_ns);
}

void packet_send(struct sim_tcp *tcp, const struct packet *packet, uint32_t payload_bytes)
{
    uint64_t waits_ns =
        packet->from == SIM_RELAY ? box_judge(tcp, packet, payload_bytes) : 0;

    if (waits_ns == 0)
        packet_cross(tcp, packet, payload_bytes);
    else if (waits_ns != TIME_NEVER)
        packet_hold(tcp, packet, payload_bytes, waits_ns);
}

void packet_send_plain(struct sim_tcp *tcp, enum sim_side from, enum packet_kind kind)
{
    packet_send(tcp, &(struct packet){.kind = kind, .from = from}, 0);
}

static uint64_t receive_window_end(const struct sim_pipe *pipe)
{
    return pipe->read + SIM_RECEIVE_BUFFER_BYTES;
}

void packet_acknowledge(struct sim_tcp *tcp, enum sim_side from, uint64_t segment)
{
    const struct sim_pipe *pipe = &tcp->pipe[sim_peer(from)];

    packet_send(tcp,
                &(struct packet){.kind = PACKET_ACK,
                                 .from = from,
                                 .segment = segment,
                                 .acknowledged = pipe->receive_segment,
                                 .window_end = receive_window_end(pipe)},
                0);
}

/* It has crossed the link, or leaves a box. */
static void packet_arrives(struct sim_timer *timer)
{
    struct packet *packet = container_of(timer, struct packet, timer);
    struct sim_tcp *tcp = packet->tcp;
    uint64_t waits_ns = packet->from == SIM_LOCAL && !packet->held
                            ? box_judge(tcp, packet, packet->payload_bytes)
                            : 0;

    if (packet->held && packet->from == SIM_RELAY)
        packet_cross(tcp, packet, packet->payload_bytes);
    else if (waits_ns == 0)
        tcp_take_packet(tcp, packet);
    else if (waits_ns != TIME_NEVER)
        packet_hold(tcp, packet, packet->payload_bytes, waits_ns);
    list_append(&tcp->net->free_packets, &packet->link);
    tcp->holds--;
    tcp_free_if_gone(tcp);
}
