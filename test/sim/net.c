#include "net.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 52 /* IPv4 and TCP with time stamps */
#define RTO_LEAST_NS (200 * NS_PER_MS)
#define RTO_MOST_NS (120 * NS_PER_S)
#define SYN_TIMEOUT_NS NS_PER_S
#define SYN_TRIES 7
#define ORPHAN_NS (60 * NS_PER_S)
#define WINDOW_MOST_BYTES (16 * 1024 * 1024)

/* A run of the stream that travels as one packet; never cut anew when sent again. */
struct segment {
    uint64_t begin;
    uint32_t length;
    uint32_t sendings;
    uint64_t sent_ns;
    uint64_t delivered_before; /* the pipe's `delivered` when it was last sent */
    bool finish;
    bool received;     /* known at the receiver */
    bool acknowledged; /* known at the sender, perhaps selectively */
    bool lost;         /* held lost by the sender */
};

enum packet_kind {
    PACKET_SYN,
    PACKET_SYN_ACK,
    PACKET_REFUSAL, /* a reset in answer to a SYN */
    PACKET_DATA,
    PACKET_ACK,
    PACKET_PROBE,
    PACKET_RESET,
};

static const char *const packet_names[] = {"syn", "syn-ack", "refusal", "data",
                                           "ack", "probe",   "reset"};

struct packet {
    struct sim_timer timer;
    struct list link; /* the free list */
    struct sim_tcp *tcp;
    enum packet_kind kind;
    enum sim_side from;
    uint64_t segment;      /* DATA: its number; ACK: the one that caused it */
    uint64_t acknowledged; /* ACK: number of the first segment that is missing */
    uint64_t window_end;   /* ACK */
};

static void packet_arrives(struct sim_timer *timer);
static void pipe_timeout(struct sim_timer *timer);
static void patience_over(struct sim_timer *timer);

/* ---- net ---- */

void sim_net_init(struct sim_net *net, struct sim_clock *clock)
{
    memset(net, 0, sizeof *net);
    net->clock = clock;
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
}

/* A connection goes when neither side, nor a packet, knows it any more. */
static void free_if_gone(struct sim_tcp *tcp)
{
    if (tcp->end[SIM_LOCAL].state == SIM_TCP_GONE &&
        tcp->end[SIM_RELAY].state == SIM_TCP_GONE && tcp->holds == 0)
        tcp_free(tcp);
}

static void wake(struct sim_tcp *tcp, enum sim_side side)
{
    struct sim_endpoint *end = &tcp->end[side];

    if (end->wake != NULL)
        end->wake(end->context, tcp);
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
        return TIME_NEVER;
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

/* Puts a copy of `packet` on the path; it may get lost. */
static void packet_send(struct sim_tcp *tcp, const struct packet *packet,
                        uint32_t payload_bytes)
{
    struct sim_net *net = tcp->net;
    struct sim_link *link = &net->path[tcp->path].link[packet->from];
    uint64_t arrival_ns = TIME_NEVER;

    if (!connection_is_stalled(tcp))
        arrival_ns = link_carry(net, link, payload_bytes + HEADER_BYTES);
    sim_trace(net->clock, packet_names[packet->kind],
              tcp->number << 1 | (packet->from == SIM_RELAY), packet->segment,
              arrival_ns == TIME_NEVER ? 0 : arrival_ns);
    if (arrival_ns == TIME_NEVER)
        return;
    struct packet *copy = list_first(&net->free_packets, struct packet, link);

    if (copy != NULL)
        list_remove(&copy->link);
    else if ((copy = malloc(sizeof *copy)) == NULL)
        abort();
    *copy = *packet;
    copy->tcp = tcp;
    list_init(&copy->link);
    sim_timer_init(&copy->timer, packet_arrives);
    sim_timer_set(net->clock, &copy->timer, arrival_ns);
    link->payload_bytes += payload_bytes;
    tcp->holds++;
}

static void send_plain(struct sim_tcp *tcp, enum sim_side from, enum packet_kind kind)
{
    packet_send(tcp, &(struct packet){.kind = kind, .from = from}, 0);
}

static uint64_t receive_window_end(const struct sim_pipe *pipe)
{
    return pipe->read + SIM_RECEIVE_BUFFER_BYTES;
}

/* `from` acknowledges what its peer sent. */
static void send_acknowledgement(struct sim_tcp *tcp, enum sim_side from, uint64_t segment)
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

/* ---- sending ---- */

static uint64_t timeout_ns(const struct sim_pipe *pipe)
{
    uint64_t rto = pipe->rtt_ns + MAX(4 * pipe->rtt_variance_ns, RTO_LEAST_NS);

    if (pipe->rtt_ns == 0)
        rto = NS_PER_S;
    for (unsigned i = 0; i < pipe->backoff && rto < RTO_MOST_NS; i++)
        rto *= 2;
    return MIN(rto, RTO_MOST_NS);
}

static bool pipe_has_unsent(const struct sim_pipe *pipe)
{
    return pipe->sent < pipe->written || (pipe->finish && !pipe->finish_sent);
}

static void arm_timeout(struct sim_pipe *pipe)
{
    struct sim_clock *clock = pipe->tcp->net->clock;

    if (pipe->segments.count > 0 || pipe_has_unsent(pipe))
        sim_timer_set(clock, &pipe->timer, clock->now_ns + timeout_ns(pipe));
    else
        sim_timer_cancel(clock, &pipe->timer);
}

static void send_segment(struct sim_pipe *pipe, uint64_t number)
{
    struct segment *segment = ring_at(&pipe->segments, number - pipe->first_segment);

    if (segment->lost) {
        segment->lost = false;
        pipe->lost_segments--;
    }
    segment->sendings++;
    segment->sent_ns = pipe->tcp->net->clock->now_ns;
    segment->delivered_before = pipe->delivered;
    pipe->in_flight_bytes += segment->length;
    packet_send(
        pipe->tcp,
        &(struct packet){.kind = PACKET_DATA, .from = pipe->from, .segment = number},
        segment->length);
}

static void send_lost(struct sim_pipe *pipe)
{
    for (size_t i = 0; i < pipe->segments.count && pipe->lost_segments > 0; i++) {
        const struct segment *segment = ring_at(&pipe->segments, i);

        if (!segment->lost)
            continue;
        if (pipe->in_flight_bytes > 0 &&
            pipe->in_flight_bytes + segment->length > pipe->congestion_bytes)
            break;
        send_segment(pipe, pipe->first_segment + i);
    }
}

static bool may_send(const struct sim_tcp *tcp, enum sim_side side)
{
    enum sim_tcp_state state = tcp->end[side].state;

    return state == SIM_TCP_OPEN || state == SIM_TCP_ORPHAN;
}

static void send_more(struct sim_pipe *pipe)
{
    if (!may_send(pipe->tcp, pipe->from))
        return;
    send_lost(pipe);
    while (pipe_has_unsent(pipe) && pipe->lost_segments == 0) {
        uint64_t length = MIN(pipe->written - pipe->sent, SIM_SEGMENT_BYTES);
        bool last = pipe->sent + length == pipe->written;

        if (length > 0 && pipe->sent + length > pipe->window_end)
            break;
        if (pipe->in_flight_bytes > 0 &&
            pipe->in_flight_bytes + length > pipe->congestion_bytes)
            break;
        struct segment *segment = ring_push(&pipe->segments);

        if (segment == NULL)
            abort();
        *segment = (struct segment){.begin = pipe->sent,
                                    .length = (uint32_t)length,
                                    .finish = last && pipe->finish};
        pipe->sent += length;
        pipe->finish_sent = segment->finish;
        send_segment(pipe, pipe->first_segment + pipe->segments.count - 1);
    }
    if (!sim_timer_is_set(&pipe->timer))
        arm_timeout(pipe);
}

static void hold_lost(struct sim_pipe *pipe, struct segment *segment)
{
    segment->lost = true;
    pipe->lost_segments++;
    pipe->in_flight_bytes -= segment->length;
}

static void cut_window(struct sim_pipe *pipe)
{
    pipe->threshold_bytes =
        MAX(pipe->congestion_bytes * 7 / 10, 2 * (uint64_t)SIM_SEGMENT_BYTES);
    pipe->recovery_end = pipe->first_segment + pipe->segments.count;
}

static void pipe_timeout(struct sim_timer *timer)
{
    struct sim_pipe *pipe = container_of(timer, struct sim_pipe, timer);

    if (!may_send(pipe->tcp, pipe->from))
        return;
    pipe->backoff++;
    if (pipe->segments.count == 0) {
        send_plain(pipe->tcp, pipe->from, PACKET_PROBE);
    } else {
        for (size_t i = 0; i < pipe->segments.count; i++) {
            struct segment *segment = ring_at(&pipe->segments, i);

            if (!segment->acknowledged && !segment->lost)
                hold_lost(pipe, segment);
        }
        cut_window(pipe);
        pipe->congestion_bytes = SIM_SEGMENT_BYTES;
        send_more(pipe);
    }
    arm_timeout(pipe);
}

/* ---- acknowledgements ---- */

/* RFC 6298 section 2. */
static void sample_rtt(struct sim_pipe *pipe, uint64_t rtt_ns)
{
    if (pipe->rtt_ns == 0) {
        pipe->rtt_ns = pipe->rtt_least_ns = rtt_ns;
        pipe->rtt_variance_ns = rtt_ns / 2;
        return;
    }
    uint64_t difference =
        pipe->rtt_ns > rtt_ns ? pipe->rtt_ns - rtt_ns : rtt_ns - pipe->rtt_ns;

    pipe->rtt_variance_ns = (3 * pipe->rtt_variance_ns + difference) / 4;
    pipe->rtt_ns = (7 * pipe->rtt_ns + rtt_ns) / 8;
    pipe->rtt_least_ns = MIN(pipe->rtt_least_ns, rtt_ns);
    /* A queue builds: leave slow start before it overflows (HyStart's delay test). */
    if (pipe->congestion_bytes < pipe->threshold_bytes &&
        pipe->congestion_bytes > 2 * SIM_INITIAL_WINDOW_BYTES &&
        rtt_ns > pipe->rtt_least_ns + MAX(pipe->rtt_least_ns / 8, 4 * NS_PER_MS))
        pipe->threshold_bytes = pipe->congestion_bytes;
}

static void sample_rate(struct sim_pipe *pipe, const struct segment *segment)
{
    uint64_t elapsed_ns = pipe->tcp->net->clock->now_ns - segment->sent_ns;
    uint64_t rate =
        (pipe->delivered - segment->delivered_before) * NS_PER_S / MAX(elapsed_ns, 1);

    /* A sample taken while the application had nothing to send shows too little. */
    if (rate >= pipe->rate || pipe_has_unsent(pipe))
        pipe->rate = rate;
}

static void grow_window(struct sim_pipe *pipe, uint64_t bytes, uint64_t in_flight_before)
{
    /* RFC 7661: a window that was not used is not raised. */
    if (in_flight_before * 2 < pipe->congestion_bytes)
        return;
    if (pipe->congestion_bytes < pipe->threshold_bytes)
        pipe->congestion_bytes += bytes;
    else
        pipe->congestion_bytes += SIM_SEGMENT_BYTES * bytes / pipe->congestion_bytes;
    pipe->congestion_bytes = MIN(pipe->congestion_bytes, (uint64_t)WINDOW_MOST_BYTES);
}

static void segment_acknowledged(struct sim_pipe *pipe, struct segment *segment)
{
    uint64_t in_flight_before = pipe->in_flight_bytes;

    if (segment->acknowledged)
        return;
    segment->acknowledged = true;
    pipe->delivered += segment->length;
    if (segment->lost) {
        segment->lost = false;
        pipe->lost_segments--;
    } else {
        pipe->in_flight_bytes -= segment->length;
    }
    if (segment->sendings == 1)
        sample_rtt(pipe, pipe->tcp->net->clock->now_ns - segment->sent_ns);
    sample_rate(pipe, segment);
    grow_window(pipe, segment->length, in_flight_before);
}

/* What was sent well before something that has arrived is lost (RFC 8985). */
static void detect_losses(struct sim_pipe *pipe, uint64_t newest, uint64_t newest_sent_ns)
{
    bool cut = false;

    for (uint64_t number = pipe->first_segment; number < newest; number++) {
        struct segment *segment = ring_at(&pipe->segments, number - pipe->first_segment);

        if (segment->acknowledged || segment->lost ||
            segment->sent_ns + pipe->rtt_least_ns / 4 >= newest_sent_ns)
            continue;
        hold_lost(pipe, segment);
        cut = cut || number >= pipe->recovery_end;
    }
    if (cut) {
        cut_window(pipe);
        pipe->congestion_bytes = pipe->threshold_bytes;
    }
}

static void receive_acknowledgement(struct sim_pipe *pipe, const struct packet *packet)
{
    uint64_t newest = 0;
    uint64_t newest_sent_ns = 0;

    pipe->window_end = MAX(pipe->window_end, packet->window_end);
    if (packet->segment >= pipe->first_segment &&
        packet->segment - pipe->first_segment < pipe->segments.count) {
        struct segment *segment =
            ring_at(&pipe->segments, packet->segment - pipe->first_segment);

        newest = packet->segment;
        newest_sent_ns = segment->sent_ns;
        segment_acknowledged(pipe, segment);
    }
    if (packet->acknowledged > pipe->first_segment) {
        pipe->backoff = 0;
        sim_timer_cancel(pipe->tcp->net->clock, &pipe->timer);
    }
    while (pipe->first_segment < packet->acknowledged) {
        struct segment *segment = ring_at(&pipe->segments, 0);

        segment_acknowledged(pipe, segment);
        pipe->acknowledged = segment->begin + segment->length;
        ring_pop(&pipe->segments);
        pipe->first_segment++;
    }
    detect_losses(pipe, newest, newest_sent_ns);
    send_more(pipe);
    if (pipe->segments.count == 0 && !pipe_has_unsent(pipe))
        sim_timer_cancel(pipe->tcp->net->clock, &pipe->timer);
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
    send_acknowledgement(tcp, to, number);
    if (pipe->received == received && !pipe->finish_received)
        return;
    if (to == SIM_RELAY && !tcp->accepted)
        offer(tcp);
    else
        wake(tcp, to);
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
        wake(tcp, side);
}

static void receive_syn(struct sim_tcp *tcp)
{
    struct sim_net *net = tcp->net;
    struct sim_endpoint *end = &tcp->end[SIM_RELAY];

    if (net->port[tcp->port] == SIM_PORT_HANGS)
        return;
    if (net->port[tcp->port] == SIM_PORT_REFUSES || net->accept == NULL ||
        (tcp->answered && end->state == SIM_TCP_GONE)) {
        send_plain(tcp, SIM_RELAY, PACKET_REFUSAL);
        return;
    }
    if (!tcp->answered) {
        tcp->answered = true;
        end->state = SIM_TCP_SYN_RECEIVED;
        sim_timer_set(net->clock, &end->patience, net->clock->now_ns + ORPHAN_NS);
    }
    send_plain(tcp, SIM_RELAY, PACKET_SYN_ACK);
}

static void receive_syn_ack(struct sim_tcp *tcp)
{
    struct sim_endpoint *end = &tcp->end[SIM_LOCAL];

    if (end->state == SIM_TCP_SYN_SENT) {
        end->state = SIM_TCP_OPEN;
        sim_timer_cancel(tcp->net->clock, &end->patience);
        if (tcp->handshakes == 1)
            sample_rtt(&tcp->pipe[SIM_LOCAL], tcp->net->clock->now_ns - tcp->dialled_ns);
        send_acknowledgement(tcp, SIM_LOCAL, UINT64_MAX);
        wake(tcp, SIM_LOCAL);
    }
}

static void packet_delivered(struct sim_tcp *tcp, const struct packet *packet)
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
        send_plain(tcp, to, PACKET_RESET);
        return;
    }
    if (end->state == SIM_TCP_SYN_RECEIVED && packet->kind != PACKET_SYN_ACK)
        end->state = SIM_TCP_OPEN;
    if (packet->kind == PACKET_SYN_ACK)
        receive_syn_ack(tcp);
    else if (packet->kind == PACKET_DATA && end->state == SIM_TCP_OPEN)
        receive_data(&tcp->pipe[packet->from], packet->segment);
    else if (packet->kind == PACKET_PROBE && end->state == SIM_TCP_OPEN)
        send_acknowledgement(tcp, to, UINT64_MAX);
    else if (packet->kind == PACKET_ACK && may_send(tcp, to)) {
        receive_acknowledgement(&tcp->pipe[to], packet);
        if (end->state == SIM_TCP_ORPHAN && tcp->pipe[to].finish_sent &&
            tcp->pipe[to].segments.count == 0)
            die(tcp, to);
        else if (end->state == SIM_TCP_OPEN)
            wake(tcp, to);
    }
}

static void packet_arrives(struct sim_timer *timer)
{
    struct packet *packet = container_of(timer, struct packet, timer);
    struct sim_tcp *tcp = packet->tcp;

    packet_delivered(tcp, packet);
    list_append(&tcp->net->free_packets, &packet->link);
    tcp->holds--;
    free_if_gone(tcp);
}

/* ---- the owner's face ---- */

static void send_syn(struct sim_tcp *tcp)
{
    struct sim_clock *clock = tcp->net->clock;

    send_plain(tcp, SIM_LOCAL, PACKET_SYN);
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
        free_if_gone(tcp);
    } else if (tcp->net->path[tcp->path].off || tcp->handshakes == SYN_TRIES) {
        end->state = SIM_TCP_REFUSED;
        wake(tcp, SIM_LOCAL);
    } else {
        send_syn(tcp);
    }
}

static void pipe_init(struct sim_tcp *tcp, enum sim_side from)
{
    struct sim_pipe *pipe = &tcp->pipe[from];

    pipe->tcp = tcp;
    pipe->from = from;
    pipe->window_end = SIM_RECEIVE_BUFFER_BYTES;
    pipe->congestion_bytes = SIM_INITIAL_WINDOW_BYTES;
    pipe->threshold_bytes = UINT64_MAX;
    ring_init(&pipe->segments, sizeof(struct segment));
    sim_timer_init(&pipe->timer, pipe_timeout);
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
    tcp->stranger = stranger;
    tcp->dialled_ns = net->clock->now_ns;
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
    send_more(pipe);
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
        send_acknowledgement(tcp, side, UINT64_MAX);
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
        send_plain(tcp, side, PACKET_RESET);
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
    send_more(&tcp->pipe[side]);
}

void sim_tcp_vanish(struct sim_tcp *tcp, enum sim_side side)
{
    sim_tcp_own(tcp, side, NULL, NULL);
    if (tcp->end[side].state != SIM_TCP_GONE)
        die(tcp, side);
    free_if_gone(tcp);
}

void sim_tcp_cut(struct sim_tcp *tcp, bool local, bool relay)
{
    tcp->holds++;
    if (local)
        receive_reset(tcp, SIM_LOCAL);
    if (relay)
        receive_reset(tcp, SIM_RELAY);
    tcp->holds--;
    free_if_gone(tcp);
}
