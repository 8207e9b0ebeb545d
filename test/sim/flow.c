/* SPDX-License-Identifier: MIT */
/*
 * Flows: what applications and destinations send in datagrams, and what they check of those
 * that arrive. Each datagram begins with its number, its flow and the time at which it was
 * sent, and all its bytes follow from these: one that was altered, or that comes twice, is
 * noticed.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 24
/* After a flow has sent its last datagram, others may be on their way for so long. */
#define TAIL_NS (5 * NS_PER_S)

struct header {
    uint64_t number;
    uint32_t flow, side;
    uint64_t sent_at_ns;
};

static struct sim_world *world_of(const struct sim_flow_end *end)
{
    return end->of->world;
}

/* ---- content ---- */

/* The end that has sent what this one receives. An echo has the numbers of local. */
static enum sim_side source_of(const struct sim_flow_end *end)
{
    return end->of->plan.echo ? SIM_LOCAL : (enum sim_side) !end->side;
}

static size_t length_of(const struct sim_flow *flow, enum sim_side side, uint64_t number)
{
    const struct sim_flow_plan *plan = &flow->plan;
    uint64_t spread = plan->longest[side] - plan->shortest[side] + 1;

    return HEADER + plan->shortest[side] +
           sim_mix(plan->seed ^ number << 1 ^ (uint64_t)side) % spread;
}

static void fill(const struct sim_flow *flow, const struct header *header, uint8_t *bytes,
                 size_t length)
{
    memcpy(bytes, header, sizeof *header);
    for (size_t i = HEADER; i < length; i++)
        bytes[i] = (uint8_t)(flow->plan.seed + header->number * 31 + i * 7);
}

static struct target peer_of(const struct sim_flow *flow, uint64_t number)
{
    struct target target = {.port = 5000, .address_count = 1};

    target.addresses[0] =
        (struct address){.family = ADDRESS_IPV4,
                         .bytes = {192, 0, 2, (uint8_t)(number % MAX(flow->plan.peers, 1))},
                         .port = 5000};
    return target;
}

/* ---- sending ---- */

static bool sends_still(const struct sim_flow_end *end)
{
    const struct sim_world *world = world_of(end);
    const struct sim_flow_plan *plan = &end->of->plan;

    return world->clock.now_ns <
           world->began_at_ns + plan->start_at_ns + plan->lasts_for_ns;
}

static void send_one(struct sim_flow_end *end)
{
    static uint8_t bytes[65536];
    struct sim_world *world = world_of(end);
    struct header header = {.number = end->sent++,
                            .flow = (uint32_t)end->of->index,
                            .side = end->side,
                            .sent_at_ns = world->clock.now_ns};
    size_t length = length_of(end->of, end->side, header.number);
    struct target target = peer_of(end->of, header.number);

    fill(end->of, &header, bytes, length);
    end->sent_at_ns[header.number] = world->clock.now_ns;
    session_flow_send(end->owner->session, end->flow, &target, bytes, length,
                      world->clock.now_ns);
    sim_process_touch(&world->process[end->side]);
}

static void open_at_local(struct sim_flow_end *end)
{
    struct sim_world *world = world_of(end);
    struct sim_session *owner =
        list_first(&world->process[SIM_LOCAL].sessions, struct sim_session, link);

    if (owner == NULL || owner->ended)
        return;
    end->flow =
        session_flow_open(owner->session, &end->of->plan.policy, world->clock.now_ns);
    if (end->flow == NULL)
        return;
    end->owner = owner;
    flow_set_user(end->flow, end);
}

static void stop(struct sim_flow_end *end)
{
    struct sim_world *world = world_of(end);

    if (end->over)
        return;
    end->over = true;
    world->flows_running--;
    if (end->side == SIM_LOCAL && end->flow != NULL) {
        session_flow_close(end->owner->session, end->flow, FLOW_CLOSE_ENDED,
                           world->clock.now_ns);
        end->flow = NULL;
        sim_process_touch(&world->process[SIM_LOCAL]);
    }
}

static void fire(struct sim_timer *timer)
{
    struct sim_flow_end *end = container_of(timer, struct sim_flow_end, timer);
    struct sim_world *world = world_of(end);
    const struct sim_flow_plan *plan = &end->of->plan;

    if (!sends_still(end)) {
        if (end->stops) {
            stop(end);
            return;
        }
        end->stops = true;
        sim_timer_set(&world->clock, timer, world->clock.now_ns + TAIL_NS);
        return;
    }
    if (end->flow == NULL && end->side == SIM_LOCAL)
        open_at_local(end);
    if (end->flow != NULL)
        send_one(end);
    sim_timer_set(&world->clock, timer, world->clock.now_ns + plan->every_ns[end->side]);
}

/* ---- receiving ---- */

static void note_delay(struct sim_flow_end *end, uint64_t number, uint64_t delay_ns)
{
    struct sim_world *world = world_of(end);
    uint64_t now = world->clock.now_ns;

    if (end->received > 0)
        end->gap_ns = MAX(end->gap_ns, now - end->received_at_ns);
    end->received_at_ns = now;
    end->reordered += number < end->next;
    end->next = MAX(end->next, number + 1);
    if (end->received < end->most)
        end->delays_us[end->received] = (uint32_t)(delay_ns / 1000);
    end->received++;
}

static void check(struct sim_flow_end *end, const struct flow_datagram *datagram,
                  const struct header *header)
{
    static uint8_t expected[65536];
    struct sim_world *world = world_of(end);
    const struct sim_flow_end *source = &end->of->end[source_of(end)];
    struct target peer = peer_of(end->of, header->number);
    size_t length = length_of(end->of, source->side, header->number);

    fill(end->of, header, expected, length);
    if (header->side != source->side || header->number >= source->sent ||
        datagram->length != length || memcmp(datagram->bytes, expected, length) != 0)
        sim_fail(world, "flow %zu: datagram %llu was altered", end->of->index,
                 (unsigned long long)header->number);
    else if (memcmp(&datagram->peer->addresses[0].bytes, &peer.addresses[0].bytes, 4) != 0)
        sim_fail(world, "flow %zu: datagram %llu has another peer", end->of->index,
                 (unsigned long long)header->number);
    else if (header->number >= end->most)
        sim_fail(world, "flow %zu: datagram %llu of %llu", end->of->index,
                 (unsigned long long)header->number, (unsigned long long)end->most);
    else if (end->seen[header->number])
        sim_fail(world, "flow %zu: datagram %llu came twice", end->of->index,
                 (unsigned long long)header->number);
    else
        end->seen[header->number] = true;
}

static void receive(struct sim_flow_end *end, const struct flow_datagram *datagram,
                    const struct header *header)
{
    struct sim_world *world = world_of(end);

    check(end, datagram, header);
    note_delay(end, header->number, world->clock.now_ns - header->sent_at_ns);
    if (end->side != SIM_RELAY || !end->of->plan.echo || end->flow == NULL)
        return;
    end->sent_at_ns[header->number] = world->clock.now_ns;
    session_flow_send(end->owner->session, end->flow, datagram->peer, datagram->bytes,
                      datagram->length, world->clock.now_ns);
}

/* Relay: the first datagram tells which of the scenario's flows it is. */
static struct sim_flow_end *meet(struct sim_session *owner, struct flow *flow,
                                 const struct header *header)
{
    struct sim_world *world = owner->process->world;
    struct sim_flow_end *end;

    if (header->flow >= world->scenario.flow_count) {
        sim_fail(world, "a datagram of no flow");
        return NULL;
    }
    end = &world->flows[header->flow].end[SIM_RELAY];
    if (end->flow == flow)
        return end;
    end->flow = flow;
    end->owner = owner;
    flow_set_user(flow, end);
    if (end->sent == 0 && end->of->plan.every_ns[SIM_RELAY] > 0)
        sim_timer_set(&world->clock, &end->timer, world->clock.now_ns);
    return end;
}

static void readable(struct sim_session *owner, struct flow *flow)
{
    struct sim_world *world = owner->process->world;
    struct flow_datagram datagram;

    while (session_flow_receive(owner->session, flow, &datagram, world->clock.now_ns)) {
        struct sim_flow_end *end = flow_user(flow);
        struct header header;

        if (datagram.length < sizeof header) {
            sim_fail(world, "a datagram of %zu bytes", datagram.length);
            return;
        }
        memcpy(&header, datagram.bytes, sizeof header);
        if (end == NULL || end->side == SIM_RELAY)
            end = meet(owner, flow, &header);
        if (end != NULL)
            receive(end, &datagram, &header);
    }
}

static void closed(struct sim_session *owner, struct flow *flow, enum flow_close_code code)
{
    struct sim_flow_end *end = flow_user(flow);

    if (end != NULL && end->flow == flow)
        end->flow = NULL;
    if (code != FLOW_CLOSE_ENDED && code != FLOW_CLOSE_SESSION)
        sim_fail(owner->process->world, "a flow ended: %s", flow_close_string(code));
}

void sim_flow_event(struct sim_session *owner, const struct session_event *event)
{
    switch (event->type) {
    case SESSION_FLOW_READABLE: readable(owner, event->flow); break;
    case SESSION_FLOW_CLOSED: closed(owner, event->flow, event->flow_code); break;
    default: break; /* the flow's first datagram tells more */
    }
}

/* ---- the world ---- */

/* Datagrams that may come to the side. */
static uint64_t most_to(const struct sim_flow *flow, enum sim_side side)
{
    enum sim_side source = flow->plan.echo ? SIM_LOCAL : (enum sim_side) !side;

    return flow->plan.lasts_for_ns / MAX(flow->plan.every_ns[source], NS_PER_MS / 100) + 2;
}

static void init_end(struct sim_flow *flow, enum sim_side side)
{
    struct sim_flow_end *end = &flow->end[side];

    end->of = flow;
    end->side = side;
    sim_timer_init(&end->timer, fire);
    end->most = most_to(flow, side);
    end->most_sent = most_to(flow, (enum sim_side) !side);
    end->delays_us = calloc(end->most, sizeof *end->delays_us);
    end->seen = calloc(end->most, sizeof *end->seen);
    end->sent_at_ns = calloc(end->most_sent, sizeof *end->sent_at_ns);
    end->numbers = calloc(end->most_sent, sizeof *end->numbers);
    if (end->delays_us == NULL || end->seen == NULL || end->sent_at_ns == NULL ||
        end->numbers == NULL)
        abort();
}

void sim_flows_init(struct sim_world *world)
{
    world->flows = calloc(MAX(world->scenario.flow_count, 1), sizeof *world->flows);
    if (world->flows == NULL)
        abort();
    for (size_t i = 0; i < world->scenario.flow_count; i++) {
        struct sim_flow *flow = &world->flows[i];

        flow->world = world;
        flow->plan = world->scenario.flows[i];
        flow->index = i;
        init_end(flow, SIM_LOCAL);
        init_end(flow, SIM_RELAY);
        world->flows_running++;
        flow->end[SIM_RELAY].over = true; /* local's end ends both */
        sim_timer_set(&world->clock, &flow->end[SIM_LOCAL].timer,
                      world->began_at_ns + flow->plan.start_at_ns);
    }
}

void sim_flows_deinit(struct sim_world *world)
{
    for (size_t i = 0; i < world->scenario.flow_count; i++) {
        for (int side = 0; side < 2; side++) {
            struct sim_flow_end *end = &world->flows[i].end[side];

            sim_timer_cancel(&world->clock, &end->timer);
            free(end->delays_us);
            free(end->seen);
            free(end->sent_at_ns);
            free(end->numbers);
        }
    }
    free(world->flows);
}

void sim_flows_lost(struct sim_session *owner)
{
    struct sim_world *world = owner->process->world;

    for (size_t i = 0; i < world->scenario.flow_count; i++) {
        struct sim_flow_end *end = &world->flows[i].end[owner->process->side];

        if (end->owner == owner)
            end->flow = NULL;
    }
}

static int compare_delays(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

    return (first > second) - (first < second);
}

static void report_end(const struct sim_flow_end *end, uint64_t expected,
                       struct sim_flow_report *report)
{
    size_t count = MIN(end->received, end->most);

    *report = (struct sim_flow_report){.expected = expected,
                                       .received = end->received,
                                       .reordered = end->reordered,
                                       .gap_ns = end->gap_ns};
    if (count == 0)
        return;
    qsort(end->delays_us, count, sizeof *end->delays_us, compare_delays);
    report->p50_ns = end->delays_us[count / 2] * UINT64_C(1000);
    report->p99_ns = end->delays_us[count - 1 - count / 100] * UINT64_C(1000);
    report->most_ns = end->delays_us[count - 1] * UINT64_C(1000);
    for (size_t i = 0; i < count; i++)
        report->late += end->delays_us[i] > SIM_CALL_LATE_US;
}

void sim_flows_report(const struct sim_world *world, struct sim_report *report)
{
    for (size_t i = 0; i < MIN(world->scenario.flow_count, SIM_FLOWS_MAX); i++) {
        const struct sim_flow *flow = &world->flows[i];

        for (int side = 0; side < 2; side++)
            report_end(&flow->end[side], flow->end[source_of(&flow->end[side])].sent,
                       &report->flows[side][i]);
    }
}
