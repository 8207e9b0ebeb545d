/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <splitsocks/engine/path/packet_size.h>

#include <stdlib.h>
#include <string.h>

void sim_local_start(struct sim_process *local)
{
    struct sim_world *world = local->world;
    struct session_config config = world->scenario.config;
    struct session *session;

    config.role = SESSION_LOCAL;
    config.pages = &local->pages;
    config.path_count = (unsigned)world->scenario.path_count;
    config.port_count = (unsigned)world->scenario.port_count;
    memcpy(config.private_key, world->local_key.private_key, KEY_SIZE);
    memcpy(config.relay_public_key, world->relay_key.public_key, KEY_SIZE);
    session = session_new(&config, world->clock.now_ns);
    if (session == NULL)
        abort();
    for (unsigned i = 0; i < config.path_count; i++)
        session_set_path(session, i, &world->scenario.properties[i], world->clock.now_ns);
    sim_session_new(local, session);
    sim_process_touch(local);
}

void sim_local_hears(struct sim_process *local, unsigned path, bool usable)
{
    struct sim_world *world = local->world;
    struct sim_session *owner = list_first(&local->sessions, struct sim_session, link);
    struct path_properties properties = world->scenario.properties[path];

    if (!world->scenario.told || owner == NULL)
        return;
    properties.usable = usable;
    session_set_path(owner->session, path, &properties, world->clock.now_ns);
    sim_process_touch(local);
}

void sim_local_stop(struct sim_process *local)
{
    struct sim_session *owner = list_first(&local->sessions, struct sim_session, link);
    struct session *session;

    if (owner == NULL)
        return;
    session = owner->session;
    sim_session_free(owner);
    session_free(session);
}

void sim_local_dial(struct sim_session *owner, const struct session_event *event)
{
    struct sim_process *local = owner->process;
    struct sim_world *world = local->world;
    struct sim_tcp *tcp;
    struct sim_wire *wire;

    if (world->no_descriptors) {
        session_subflow_down(owner->session, event->subflow, SUBFLOW_UNREACHABLE,
                             world->clock.now_ns);
        return;
    }
    tcp = sim_tcp_dial(&world->net, event->path, event->port, NULL, NULL);
    wire = sim_wire_new(local, tcp);
    if (event->packet_size != 0)
        tcp->segment_bytes = event->packet_size - PACKET_HEADERS;
    tcp->budget[SIM_LOCAL] = world->scenario.config.budget_up;
    tcp->budget[SIM_RELAY] = world->scenario.config.budget_down;
    wire->owner = owner;
    wire->subflow = event->subflow;
    wire->hello = event->hello;
    subflow_set_user(event->subflow, wire);
    if (world->net.open > world->scenario.config.pool_burst)
        sim_fail(world, "%zu connections are open, the bound is %u", world->net.open,
                 world->scenario.config.pool_burst);
}

static void connected(struct sim_wire *wire)
{
    struct sim_world *world = wire->process->world;
    uint64_t wall_ns = world->wall_ns + world->clock.now_ns;
    struct session_fresh fresh = {.clock_ns = wall_ns, .stamp = wall_ns};

    wire->up = true;
    sim_random_bytes(&world->random, fresh.ephemeral, sizeof fresh.ephemeral);
    subflow_set_payload(wire->subflow, wire->tcp->segment_bytes);
    session_subflow_up(wire->owner->session, wire->subflow, &fresh, world->clock.now_ns);
}

bool sim_local_look(struct sim_wire *wire)
{
    struct sim_world *world = wire->process->world;
    enum sim_tcp_state state = wire->tcp->end[SIM_LOCAL].state;

    if (state == SIM_TCP_REFUSED) {
        struct sim_session *owner = wire->owner;
        struct subflow *subflow = wire->subflow;
        bool off = world->net.path[wire->tcp->path].off;

        sim_wire_reset(wire);
        session_subflow_down(owner->session, subflow,
                             off ? SUBFLOW_UNREACHABLE : SUBFLOW_REFUSED,
                             world->clock.now_ns);
        return false;
    }
    if (state != SIM_TCP_SYN_SENT && !wire->up)
        connected(wire);
    return wire->up;
}
