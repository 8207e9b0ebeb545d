/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <splitsocks/gate/door.h>

#include <stdlib.h>
#include <string.h>

static void accepts(void *context, struct sim_tcp *tcp)
{
    struct sim_process *relay = context;
    struct sim_world *world = relay->world;
    struct address peer = {.family = ADDRESS_IPV4,
                           .bytes = {192, 0, 2, (uint8_t)tcp->path}};
    struct sim_wire *wire = sim_wire_new(relay, tcp);

    wire->arrival = arrival_new(relay->admission, &peer, world->clock.now_ns);
    if (wire->arrival == NULL)
        abort();
    arrival_set_user(wire->arrival, wire);
    wire->deadline_ns = arrival_deadline(wire->arrival);
    wire->dirty = true;
    sim_process_touch(relay);
}

void sim_relay_start(struct sim_process *relay)
{
    struct sim_world *world = relay->world;
    struct sim_random random;
    struct door_config door = {.relay = &world->relay_key, .server_id = 1};
    struct admission_config admission = {.pages = &relay->pages,
                                         .server_id = 1,
                                         .workers = 1,
                                         .linger_ns = world->scenario.relay_linger_ns,
                                         .half_open_max = 64,
                                         .unauthenticated_max = 1024,
                                         .clients = &relay->limits,
                                         .client_count = 1};

    client_pools_init(&relay->pools);
    atomic_store(&relay->pools.pages.most, world->scenario.pages);
    client_account_init(&relay->account, &relay->pools);
    sim_random_init(&random, world->scenario.seed + ++relay->starts);
    door.silence_random = sim_random_next(&random);
    door.hash_seed = sim_random_next(&random);
    relay->limits =
        (struct admission_client){.max_streams = world->scenario.relay_streams,
                                  .max_flows = (uint32_t)world->scenario.flow_count,
                                  .max_sessions = 4,
                                  .account = &relay->account};
    relay->clients = client_table_new();
    if (relay->clients == NULL ||
        client_table_add(relay->clients, world->local_key.public_key) < 0)
        abort();
    door.clients = relay->clients;
    relay->door = door_new(&door);
    admission.door = relay->door;
    relay->admission = admission_new(&admission);
    if (relay->door == NULL || relay->admission == NULL)
        abort();
    world->net.accept = accepts;
    world->net.context = relay;
}

/* The kernel's side of connections that the process never heard of. */
static void drop_unaccepted(struct sim_net *net)
{
    for (bool again = true; again;) {
        again = false;
        list_foreach(&net->connections, node, after) {
            struct sim_tcp *tcp = list_entry(node, struct sim_tcp, link);

            if (tcp->end[SIM_RELAY].state == SIM_TCP_GONE)
                continue;
            sim_tcp_vanish(tcp, SIM_RELAY);
            again = true;
            break;
        }
    }
}

void sim_relay_stop(struct sim_process *relay, bool vanish)
{
    struct sim_world *world = relay->world;

    if (relay->admission == NULL)
        return;
    while (!list_empty(&relay->wires)) {
        struct sim_wire *wire = list_first(&relay->wires, struct sim_wire, link);

        if (vanish) {
            sim_tcp_vanish(wire->tcp, SIM_RELAY);
            sim_wire_free(wire);
        } else {
            sim_wire_reset(wire);
        }
    }
    drop_unaccepted(&world->net);
    while (!list_empty(&relay->sessions))
        sim_session_free(list_first(&relay->sessions, struct sim_session, link));
    admission_free(relay->admission);
    relay->admission = NULL;
    door_free(relay->door);
    client_table_free(relay->clients);
    world->net.accept = NULL;
    sim_process_touch(relay); /* to free the wires */
}

/* ---- arrivals ---- */

static void become_silent(struct sim_wire *wire)
{
    wire->silent = true;
    wire->deadline_ns = arrival_deadline(wire->arrival);
}

static void attach(struct sim_wire *wire, const struct arrival_result *result)
{
    struct sim_process *relay = wire->process;
    size_t rest = result->rest_length;

    if (result->created)
        sim_session_new(relay, result->session);
    wire->owner = session_user(result->session);
    wire->subflow = result->subflow;
    wire->deadline_ns = TIME_NEVER;
    subflow_set_user(wire->subflow, wire);
    subflow_set_payload(wire->subflow, wire->tcp->segment_bytes);
    if (rest > 0)
        memcpy(relay->world->input, result->rest, rest);
    arrival_free(relay->admission, wire->arrival);
    wire->arrival = NULL;
    wire->dirty = true; /* more may be there to read */
    if (rest > 0)
        sim_wire_deliver(wire, rest);
}

static void evict(struct sim_process *relay)
{
    struct arrival *arrival;

    while ((arrival = admission_next_evicted(relay->admission)) != NULL) {
        struct sim_wire *wire = arrival_user(arrival);

        sim_tcp_close(wire->tcp, SIM_RELAY);
        sim_wire_free(wire);
    }
}

static void judge(struct sim_wire *wire, size_t length)
{
    struct sim_process *relay = wire->process;
    struct sim_world *world = relay->world;
    struct arrival_result result;
    uint8_t random[64];

    sim_random_bytes(&world->random, random, sizeof random);
    result = admission_receive(relay->admission, wire->arrival, length, random,
                               world->clock.now_ns);
    sim_trace(&world->clock, "verdict", wire->tcp->number, result.verdict, length);
    wire->tcp->admitted |=
        result.verdict == ARRIVAL_ANSWER || result.verdict == ARRIVAL_ATTACHED;
    switch (result.verdict) {
    case ARRIVAL_MORE: wire->deadline_ns = arrival_deadline(wire->arrival); break;
    case ARRIVAL_ANSWER:
        wire->deadline_ns = arrival_deadline(wire->arrival);
        sim_tcp_write(wire->tcp, SIM_RELAY, result.answer, result.answer_length);
        break;
    case ARRIVAL_ATTACHED: attach(wire, &result); break;
    case ARRIVAL_ELSEWHERE:
        sim_fail(world, "the only worker sent a connection elsewhere");
        break;
    case ARRIVAL_SILENT: become_silent(wire); break;
    }
    evict(relay);
}

void sim_relay_look(struct sim_wire *wire)
{
    struct sim_world *world = wire->process->world;

    while (wire->tcp != NULL && wire->owner == NULL &&
           sim_tcp_readable(wire->tcp, SIM_RELAY) > 0) {
        size_t room = SIM_INPUT_BYTES;
        uint8_t *buffer =
            wire->silent ? world->input : arrival_buffer(wire->arrival, &room);
        size_t length;

        if (room == 0) {
            sim_fail(world, "an arrival has no room and wants more");
            return;
        }
        length = sim_tcp_read(wire->tcp, SIM_RELAY, buffer, room);
        if (!wire->silent)
            judge(wire, length);
    }
    if (wire->tcp != NULL && wire->owner == NULL && sim_tcp_at_end(wire->tcp, SIM_RELAY))
        sim_wire_reset(wire);
}

/* ---- streams ---- */

void sim_relay_incoming(struct sim_session *owner, const struct session_event *event)
{
    struct sim_world *world = owner->process->world;
    const struct address *address = &event->target->addresses[0];
    size_t index = event->target->address_count == 1
                       ? (size_t)address->bytes[2] << 8 | address->bytes[3]
                       : (size_t)strtoul(event->target->name, NULL, 10);
    struct sim_stream *stream;

    if (index >= world->scenario.plan_count || event->target->port != 1000 + index) {
        sim_fail(world, "the target of a stream was not what local asked for");
        return;
    }
    stream = &world->streams[index];
    /* A relay that was killed before it answered anything may be asked again. */
    if (stream->announced && !(world->restarted && !stream->end[SIM_LOCAL].connected &&
                               stream->end[SIM_RELAY].outcome != SIM_RUNNING &&
                               stream->end[SIM_RELAY].received == 0)) {
        sim_fail(world, "the relay was asked twice to dial for stream %zu", index);
        return;
    }
    stream->announced = true;
    if (stream->end[SIM_RELAY].outcome != SIM_RUNNING) {
        /* Local had given it up, and its opening was on the way. */
        stream->end[SIM_RELAY] = (struct sim_end){0};
        sim_end_init(stream, SIM_RELAY);
        world->streams_running++;
    }
    sim_end_begin(&stream->end[SIM_RELAY], owner, event->stream);
}
