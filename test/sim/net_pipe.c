/* SPDX-License-Identifier: MIT */
#include "net_internal.h"

#include <stdlib.h>
#include <string.h>

#define RTO_LEAST_NS (200 * NS_PER_MS)
#define RTO_MOST_NS (120 * NS_PER_S)
#define WINDOW_MOST_BYTES (16 * 1024 * 1024)

static void pipe_timeout(struct sim_timer *timer);

void pipe_init(struct sim_tcp *tcp, enum sim_side from)
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
    segment->sent_at_ns = pipe->tcp->net->clock->now_ns;
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

bool pipe_may_send(const struct sim_tcp *tcp, enum sim_side side)
{
    enum sim_tcp_state state = tcp->end[side].state;

    return state == SIM_TCP_OPEN || state == SIM_TCP_ORPHAN;
}

void pipe_send_more(struct sim_pipe *pipe)
{
    if (!pipe_may_send(pipe->tcp, pipe->from))
        return;
    send_lost(pipe);
    while (pipe_has_unsent(pipe) && pipe->lost_segments == 0) {
        uint64_t length = MIN(pipe->written - pipe->sent, pipe->tcp->segment_bytes);
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

    if (!pipe_may_send(pipe->tcp, pipe->from))
        return;
    pipe->backoff++;
    if (pipe->segments.count == 0) {
        packet_send_plain(pipe->tcp, pipe->from, PACKET_PROBE);
    } else {
        for (size_t i = 0; i < pipe->segments.count; i++) {
            struct segment *segment = ring_at(&pipe->segments, i);

            if (!segment->acknowledged && !segment->lost)
                hold_lost(pipe, segment);
        }
        cut_window(pipe);
        pipe->congestion_bytes = SIM_SEGMENT_BYTES;
        pipe_send_more(pipe);
    }
    arm_timeout(pipe);
}

/* ---- acknowledgements ---- */

/* RFC 6298 section 2. */
void pipe_sample_rtt(struct sim_pipe *pipe, uint64_t rtt_ns)
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
    uint64_t elapsed_ns = pipe->tcp->net->clock->now_ns - segment->sent_at_ns;
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
        pipe_sample_rtt(pipe, pipe->tcp->net->clock->now_ns - segment->sent_at_ns);
    sample_rate(pipe, segment);
    grow_window(pipe, segment->length, in_flight_before);
}

/* A segment that was sent well before one that has arrived is lost (RFC 8985). */
static void detect_losses(struct sim_pipe *pipe, uint64_t newest,
                          uint64_t newest_sent_at_ns)
{
    bool cut = false;

    for (uint64_t number = pipe->first_segment; number < newest; number++) {
        struct segment *segment = ring_at(&pipe->segments, number - pipe->first_segment);

        if (segment->acknowledged || segment->lost ||
            segment->sent_at_ns + pipe->rtt_least_ns / 4 >= newest_sent_at_ns)
            continue;
        hold_lost(pipe, segment);
        cut = cut || number >= pipe->recovery_end;
    }
    if (cut) {
        cut_window(pipe);
        pipe->congestion_bytes = pipe->threshold_bytes;
    }
}

void pipe_acknowledged(struct sim_pipe *pipe, const struct packet *packet)
{
    uint64_t newest = 0;
    uint64_t newest_sent_at_ns = 0;

    pipe->window_end = MAX(pipe->window_end, packet->window_end);
    if (packet->segment >= pipe->first_segment &&
        packet->segment - pipe->first_segment < pipe->segments.count) {
        struct segment *segment =
            ring_at(&pipe->segments, packet->segment - pipe->first_segment);

        newest = packet->segment;
        newest_sent_at_ns = segment->sent_at_ns;
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
    detect_losses(pipe, newest, newest_sent_at_ns);
    pipe_send_more(pipe);
    if (pipe->segments.count == 0 && !pipe_has_unsent(pipe))
        sim_timer_cancel(pipe->tcp->net->clock, &pipe->timer);
}
