/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define GARBAGE_BYTES 700

/* A fault under way: begins, and gives back what it changed. */
struct sim_fault_state {
    struct sim_world *world;
    const struct sim_fault *fault;
    struct sim_timer timer;
    bool begun;
    /* A stranger's bytes, and whether the relay had them already. */
    struct sim_tcp *tcp;
    uint8_t bytes[SIM_RECORD_BYTES];
    size_t length;
    bool seen;
};

static struct sim_path *path_of(struct sim_fault_state *state)
{
    return &state->world->net.path[state->fault->which % state->world->net.paths];
}

/* The connection that a random number picks; NULL when there is none. */
static struct sim_tcp *pick_connection(struct sim_net *net, size_t which)
{
    size_t count = 0;

    for (struct list *node = net->connections.next; node != &net->connections;
         node = node->next)
        count++;
    if (count == 0)
        return NULL;
    which %= count;
    for (struct list *node = net->connections.next;; node = node->next)
        if (which-- == 0)
            return list_entry(node, struct sim_tcp, link);
}

/* ---- strangers ---- */

static void stranger_wakes(void *context, struct sim_tcp *tcp)
{
    struct sim_fault_state *state = context;

    /* The stamps a relay has seen die with it: then it answers, and nothing follows. */
    if (sim_tcp_readable(tcp, SIM_LOCAL) > 0 && state->seen && !state->world->restarted)
        sim_fail(state->world, "the relay has answered a stranger");
    if (tcp->end[SIM_LOCAL].state == SIM_TCP_OPEN && state->length > 0) {
        sim_tcp_write(tcp, SIM_LOCAL, state->bytes, state->length);
        state->length = 0;
    }
}

static void stranger_dials(struct sim_fault_state *state)
{
    const struct sim_fault *fault = state->fault;
    struct sim_net *net = &state->world->net;
    struct sim_random *random = &state->world->random;
    const struct sim_tcp *victim = pick_connection(net, fault->which);

    if (fault->kind == SIM_FAULT_GARBAGE) {
        state->length = (size_t)sim_random_log(random, 1, GARBAGE_BYTES);
        sim_random_bytes(random, state->bytes, state->length);
        state->bytes[0] %= 4; /* two of them begin a known message */
        state->seen = true;
    } else if (victim != NULL) {
        state->length = victim->record_length;
        memcpy(state->bytes, victim->record, state->length);
        state->seen = victim->admitted && victim->pipe[SIM_LOCAL].read >= state->length;
    }
    if (state->length > 0)
        state->tcp =
            sim_tcp_dial_stranger(net, fault->which % net->paths, fault->which % net->ports,
                                  stranger_wakes, state);
}

static void stranger_leaves(struct sim_fault_state *state)
{
    if (state->tcp != NULL)
        sim_tcp_reset(state->tcp, SIM_LOCAL);
    state->tcp = NULL;
}

/* ---- the damage of faults ---- */

static void connection_fault(struct sim_fault_state *state)
{
    const struct sim_fault *fault = state->fault;
    struct sim_tcp *tcp = pick_connection(&state->world->net, fault->which);

    if (tcp == NULL)
        return;
    if (fault->kind == SIM_FAULT_FLIP)
        tcp->corrupt[fault->sides & 1] = true;
    else if (fault->kind == SIM_FAULT_CUT)
        sim_tcp_cut(tcp, fault->sides & 1 << SIM_LOCAL, fault->sides & 1 << SIM_RELAY);
    else if (fault->lasts_for_ns == TIME_NEVER)
        tcp->stalled_until_ns = TIME_NEVER;
    else
        tcp->stalled_until_ns = state->world->clock.now_ns + fault->lasts_for_ns;
}

static void set_path(struct sim_fault_state *state, bool begins)
{
    const struct sim_fault *fault = state->fault;
    struct sim_path *path = path_of(state);
    const struct sim_path *usual =
        &state->world->scenario.paths[fault->which % state->world->net.paths];

    for (int side = 0; side < 2; side++) {
        struct sim_link *link = &path->link[side];
        const struct sim_link *was = &usual->link[side];

        if (fault->kind == SIM_FAULT_SLOW)
            link->rate = begins ? MAX(was->rate / 10, 1000) : was->rate;
        else if (fault->kind == SIM_FAULT_FAR)
            link->delay_ns = was->delay_ns + (begins ? fault->amount : 0);
        else if (fault->kind == SIM_FAULT_LOSS)
            link->loss_millionths = begins ? (uint32_t)fault->amount : was->loss_millionths;
        else if (fault->sides & 1u << side)
            link->blackhole = begins;
    }
}

static void switch_path(struct sim_world *world, size_t index, bool off)
{
    world->net.path[index].off = off;
    sim_local_hears(&world->process[SIM_LOCAL], (unsigned)index, !off);
}

static void set_relay(struct sim_fault_state *state, bool begins)
{
    struct sim_process *relay = &state->world->process[SIM_RELAY];

    if (begins) {
        state->world->restarted = true;
        sim_relay_stop(relay, state->fault->amount != 0);
    } else if (relay->admission == NULL) {
        sim_relay_start(relay);
    }
}

static void set_fault(struct sim_fault_state *state, bool begins)
{
    struct sim_net *net = &state->world->net;
    size_t port = state->fault->which % net->ports;

    sim_trace(&state->world->clock, begins ? "fault" : "fault-over", state->fault->kind,
              state->fault->which, state->fault->amount);
    switch (state->fault->kind) {
    case SIM_FAULT_REPLAY:
    case SIM_FAULT_GARBAGE:
        if (begins)
            stranger_dials(state);
        else
            stranger_leaves(state);
        break;
    case SIM_FAULT_CUT:
    case SIM_FAULT_STALL:
    case SIM_FAULT_FLIP:
        if (begins)
            connection_fault(state);
        break;
    case SIM_FAULT_BLACKHOLE:
    case SIM_FAULT_SLOW:
    case SIM_FAULT_FAR:
    case SIM_FAULT_LOSS: set_path(state, begins); break;
    case SIM_FAULT_OFF:
        switch_path(state->world, state->fault->which % net->paths, begins);
        break;
    case SIM_FAULT_OUTAGE:
        for (size_t i = 0; i < net->paths; i++)
            switch_path(state->world, i, begins);
        break;
    case SIM_FAULT_REFUSE:
    case SIM_FAULT_HANG:
        net->port[port] = !begins                                  ? SIM_PORT_ACCEPTS
                          : state->fault->kind == SIM_FAULT_REFUSE ? SIM_PORT_REFUSES
                                                                   : SIM_PORT_HANGS;
        break;
    case SIM_FAULT_RESTART: set_relay(state, begins); break;
    case SIM_FAULT_DESCRIPTORS: state->world->no_descriptors = begins; break;
    }
}

static void fault_timer(struct sim_timer *timer)
{
    struct sim_fault_state *state = container_of(timer, struct sim_fault_state, timer);
    struct sim_clock *clock = &state->world->clock;

    set_fault(state, !state->begun);
    if (!state->begun && state->fault->lasts_for_ns != TIME_NEVER)
        sim_timer_set(clock, timer, clock->now_ns + state->fault->lasts_for_ns);
    state->begun = true;
}

/* Everything is as in the beginning from here on. */
static void heal(struct sim_timer *timer)
{
    struct sim_world *world = container_of(timer, struct sim_world, heal);
    struct sim_net *net = &world->net;

    for (size_t i = 0; i < world->scenario.fault_count; i++) {
        sim_timer_cancel(&world->clock, &world->faults[i].timer);
        stranger_leaves(&world->faults[i]);
    }
    for (size_t i = 0; i < net->paths; i++) {
        struct sim_path usual = world->scenario.paths[i];

        usual.dials = net->path[i].dials;
        for (int side = 0; side < 2; side++) {
            usual.link[side].busy_until_ns = net->path[i].link[side].busy_until_ns;
            usual.link[side].payload_bytes = net->path[i].link[side].payload_bytes;
        }
        net->path[i] = usual;
        sim_local_hears(&world->process[SIM_LOCAL], (unsigned)i, true);
    }
    for (size_t i = 0; i < net->ports; i++)
        net->port[i] = SIM_PORT_ACCEPTS;
    world->no_descriptors = false;
    if (world->process[SIM_RELAY].admission == NULL)
        sim_relay_start(&world->process[SIM_RELAY]);
    sim_trace(&world->clock, "healed", 0, 0, 0);
}

void sim_faults_init(struct sim_world *world)
{
    size_t count = world->scenario.fault_count;

    world->faults = calloc(MAX(count, (size_t)1), sizeof *world->faults);
    if (world->faults == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct sim_fault_state *state = &world->faults[i];

        state->world = world;
        state->fault = &world->scenario.faults[i];
        sim_timer_init(&state->timer, fault_timer);
        sim_timer_set(&world->clock, &state->timer,
                      world->began_at_ns + state->fault->at_ns);
    }
    sim_timer_init(&world->heal, heal);
    sim_timer_set(&world->clock, &world->heal,
                  world->began_at_ns + world->scenario.heal_at_ns);
}

void sim_faults_deinit(struct sim_world *world)
{
    for (size_t i = 0; i < world->scenario.fault_count; i++)
        sim_timer_cancel(&world->clock, &world->faults[i].timer);
    sim_timer_cancel(&world->clock, &world->heal);
    free(world->faults);
}
