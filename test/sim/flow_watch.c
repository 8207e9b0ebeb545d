/* SPDX-License-Identifier: MIT */
/*
 * What no flow may ever do, looked at from within the engine but by the simulator's own
 * clock and sums: put a datagram on a subflow that has waited for its age, and hold more
 * memory than its bounds allow or its client is charged for.
 */
#include "world.h"

#include <splitsocks/engine/flow/flow.h>
#include <splitsocks/engine/session/session_accept.h>

#include <string.h>

/* ---- age ---- */

/* The linker puts __wrap_datagram_sent() before the engine's function, which the engine
 * calls for every copy that it puts on a subflow. */
bool __real_datagram_sent(struct flows *flows, struct datagram *datagram, const void *way,
                          unsigned path, bool finished);
bool __wrap_datagram_sent(struct flows *flows, struct datagram *datagram, const void *way,
                          unsigned path, bool finished);

/* The number that the sender gave the datagram: the first part has it, and goes first. */
static uint64_t number_of(struct sim_flow_end *end, const struct datagram *datagram)
{
    uint64_t sequence =
        datagram->numbered ? datagram->sequence : datagram->flow->next_sequence;
    uint64_t number = 0;

    if (sequence >= end->most_sent) {
        sim_fail(end->of->world, "flow %zu: sequence %llu", end->of->index,
                 (unsigned long long)sequence);
        return 0;
    }
    if (datagram->part == 0) {
        memcpy(&number, datagram->bytes, sizeof number);
        end->numbers[sequence] = number < end->most_sent ? number : 0;
    }
    return end->numbers[sequence];
}

bool __wrap_datagram_sent(struct flows *flows, struct datagram *datagram, const void *way,
                          unsigned path, bool finished)
{
    struct sim_flow_end *end = flow_user(datagram->flow);
    struct sim_world *world = end->of->world;
    uint64_t age_ns = end->of->plan.policy.max_age_ns;
    uint64_t waited_ns = world->clock.now_ns - end->sent_at_ns[number_of(end, datagram)];

    if (waited_ns >= (age_ns != 0 ? age_ns : FLOW_AGE_NS))
        sim_fail(world, "side %d of flow %zu sends a datagram that has waited %llu ms",
                 end->side, end->of->index, (unsigned long long)(waited_ns / NS_PER_MS));
    return __real_datagram_sent(flows, datagram, way, path, finished);
}

/* ---- memory ---- */

#define MANY_FLOWS 8

/* What a session's flows hold beyond their records, in bytes. */
struct held {
    size_t out, in, peers;
};

static size_t count_out(struct list *list, unsigned *count, size_t *payload)
{
    size_t held = 0;

    list_foreach(list, node, after) {
        const struct datagram *datagram = list_entry(node, struct datagram, node);

        held += sizeof *datagram + datagram->length;
        *payload += datagram->length;
        ++*count;
    }
    return held;
}

static void check_out(struct sim_world *world, struct flow *flow, struct held *held)
{
    unsigned waiting = 0, copying = 0, sent = 0;
    size_t bytes = 0, other = 0;

    held->out += count_out(&flow->waiting, &waiting, &bytes);
    held->out += count_out(&flow->copying, &copying, &other);
    held->out += count_out(&flow->sent, &sent, &other);
    if (bytes > FLOW_QUEUE_BYTES || waiting >= FLOW_QUEUE_MAX + FRAME_PARTS_MAX ||
        copying > FLOW_COPYING_MAX)
        sim_fail(world, "a flow queues %zu bytes, %u datagrams, %u copies", bytes, waiting,
                 copying);
}

static void check_parts(struct sim_world *world, const struct flow *flow, struct held *held)
{
    if (flow->assemblies == NULL)
        return;
    held->in += FLOW_ASSEMBLIES * sizeof *flow->assemblies;
    for (unsigned i = 0; i < FLOW_ASSEMBLIES; i++) {
        const struct assembly *assembly = &flow->assemblies[i];
        size_t bytes = 0;

        for (unsigned part = 0; assembly->peer != NULL && part < assembly->parts; part++)
            bytes += assembly->items[part].length;
        if (bytes > FLOW_DATAGRAM_MAX)
            sim_fail(world, "a datagram has %zu bytes in parts", bytes);
        held->in += bytes + assembly->parts * sizeof *assembly->items;
    }
}

static void check_in(struct sim_world *world, struct flow *flow, struct held *held)
{
    size_t bytes = 0;

    list_foreach(&flow->readable, node, after) {
        const struct received *received = list_entry(node, struct received, node);

        bytes += sizeof *received + received->length;
    }
    if (bytes > FLOW_READ_BYTES + sizeof(struct received) + FLOW_DATAGRAM_MAX)
        sim_fail(world, "a flow holds %zu bytes for its reader", bytes);
    held->in += bytes;
    check_parts(world, flow, held);
    if (flow->seen.width > FLOW_WINDOW_MAX)
        sim_fail(world, "a window of %u numbers", flow->seen.width);
    held->in += (MAX(flow->seen.width, DATAGRAM_WINDOW) - DATAGRAM_WINDOW) / 8;
}

static void check_peers(struct sim_world *world, const struct flow_peers *peers,
                        struct held *held)
{
    if (peers->capacity > FLOW_PEERS)
        sim_fail(world, "%u bindings", peers->capacity);
    held->peers += peers->capacity * sizeof(struct flow_peer *);
    for (unsigned i = 0; i < peers->capacity; i++)
        if (peers->slots[i] != NULL)
            held->peers += sizeof(struct flow_peer) + peers->slots[i]->length;
}

static struct held check_session(struct sim_world *world, const struct session *session)
{
    const struct flow *next = NULL;
    struct held held = {0};

    while ((next = session_next_flow(session, next)) != NULL) {
        struct flow *flow = (struct flow *)(uintptr_t)next;

        check_out(world, flow, &held);
        check_in(world, flow, &held);
        check_peers(world, &flow->peers_out, &held);
        check_peers(world, &flow->peers_in, &held);
    }
    if (held.out > FLOWS_BYTES_MAX || held.in > FLOWS_BYTES_MAX ||
        held.peers > FLOWS_BYTES_MAX)
        sim_fail(world, "the flows of a session hold %zu, %zu and %zu bytes", held.out,
                 held.in, held.peers);
    return held;
}

void sim_watch_flows(struct sim_process *process)
{
    const struct account *account = NULL;
    uint64_t records = 0, bytes = 0;
    size_t flows = process->world->scenario.flow_count;

    /* Every step of a random run, which has few flows; seldom where there are many. */
    if (flows == 0 || process->runs % (1 + flows / MANY_FLOWS) != 0)
        return;
    /* All of them are of one client. */
    list_foreach(&process->sessions, node, after) {
        struct session *session = list_entry(node, struct sim_session, link)->session;
        struct held held = check_session(process->world, session);

        account = session_account(session);
        records += session_flow_count(session);
        bytes += held.out + held.in + held.peers;
    }
    if (account != NULL && account->datagrams.used < records * ACCOUNT_FLOW_BYTES + bytes)
        sim_fail(process->world, "flows hold %llu bytes, of which %llu are charged",
                 (unsigned long long)(records * ACCOUNT_FLOW_BYTES + bytes),
                 (unsigned long long)account->datagrams.used);
}
