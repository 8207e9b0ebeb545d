/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* A process that runs this often without time going on does so for ever. */
#define RUNS_AT_ONCE_MAX 10000
/* The longest time from an event in the network until the process wakes. */
#define WAKE_NS_MAX 20000

static void process_run(struct sim_timer *timer);

void sim_process_init(struct sim_process *process, struct sim_world *world,
                      enum sim_side side)
{
    *process = (struct sim_process){.world = world, .side = side};
    sim_timer_init(&process->timer, process_run);
    page_pool_init(&process->pages, world->scenario.pages, 64);
    list_init(&process->sessions);
    list_init(&process->wires);
    list_init(&process->dead_wires);
}

static void run_by(struct sim_process *process, uint64_t when_ns)
{
    if (when_ns < process->timer.at_ns)
        sim_timer_set(&process->world->clock, &process->timer, when_ns);
}

void sim_process_touch(struct sim_process *process)
{
    run_by(process, process->world->clock.now_ns);
}

/* ---- wires ---- */

static void wake(void *context, struct sim_tcp *tcp)
{
    struct sim_wire *wire = context;
    struct sim_process *process = wire->process;
    struct sim_world *world = process->world;
    (void)tcp;

    wire->dirty = true;
    run_by(process, world->clock.now_ns + sim_random_range(&world->random, 0, WAKE_NS_MAX));
}

struct sim_wire *sim_wire_new(struct sim_process *process, struct sim_tcp *tcp)
{
    struct sim_wire *wire = calloc(1, sizeof *wire);

    if (wire == NULL)
        abort();
    wire->process = process;
    wire->tcp = tcp;
    wire->deadline_ns = TIME_NEVER;
    list_append(&process->wires, &wire->link);
    sim_tcp_own(tcp, process->side, wake, wire);
    return wire;
}

void sim_wire_free(struct sim_wire *wire)
{
    struct sim_process *process = wire->process;

    wire->tcp = NULL;
    wire->subflow = NULL;
    wire->dirty = false;
    list_remove(&wire->link);
    list_append(&process->dead_wires, &wire->link);
    if (wire->arrival != NULL)
        arrival_free(process->admission, wire->arrival);
    wire->arrival = NULL;
}

void sim_wire_reset(struct sim_wire *wire)
{
    if (wire->tcp != NULL)
        sim_tcp_reset(wire->tcp, wire->process->side);
    sim_wire_free(wire);
}

static void free_dead_wires(struct sim_process *process)
{
    list_foreach(&process->dead_wires, node, after) {
        struct sim_wire *wire = list_entry(node, struct sim_wire, link);

        list_remove(&wire->link);
        free(wire->tail);
        free(wire->part);
        free(wire);
    }
}

static void keep(uint8_t **bytes, size_t *length, const uint8_t *from, size_t count)
{
    uint8_t *copy = count > 0 ? malloc(count) : NULL;

    if (count > 0) {
        if (copy == NULL)
            abort();
        memcpy(copy, from, count);
    }
    free(*bytes);
    *bytes = copy;
    *length = count;
}

static void drain(struct sim_session *owner);

void sim_wire_deliver(struct sim_wire *wire, size_t length)
{
    struct sim_session *owner = wire->owner;
    struct sim_world *world = wire->process->world;
    uint64_t now = world->clock.now_ns;
    enum session_received received;
    size_t used = 0;

    do {
        used += session_receive(owner->session, wire->subflow, world->input + used,
                                length - used, &received, now);
    } while (received == SESSION_RECEIVED_PART);
    bool closed = received == SESSION_RECEIVED_CLOSED;

    if (used > length)
        sim_fail(world, "session_receive() used %zu of %zu bytes", used, length);
    else if (!closed && length - used > CHUNK_SIZE_MAX)
        sim_fail(world, "session_receive() left %zu bytes", length - used);
    else if (!closed)
        keep(&wire->part, &wire->part_length, world->input + used, length - used);
    drain(owner);
    session_settle(owner->session, now);
}

static void report_down(struct sim_wire *wire, enum subflow_end end)
{
    struct sim_session *owner = wire->owner;
    struct subflow *subflow = wire->subflow;

    sim_wire_reset(wire);
    session_subflow_down(owner->session, subflow, end, wire->process->world->clock.now_ns);
    drain(owner);
}

/* How much a read takes: mostly all, at times a few bytes. */
static size_t read_size(struct sim_world *world)
{
    if (sim_random_chance(&world->random, 900000))
        return SIM_INPUT_BYTES;
    return (size_t)sim_random_log(&world->random, 1, 8192);
}

static void read_wire(struct sim_wire *wire)
{
    struct sim_world *world = wire->process->world;
    enum sim_side side = wire->process->side;
    size_t length;

    while (wire->owner != NULL && wire->tcp != NULL &&
           sim_tcp_readable(wire->tcp, side) > 0) {
        if (wire->part_length > 0)
            memcpy(world->input, wire->part, wire->part_length);
        length = sim_tcp_read(wire->tcp, side, world->input + wire->part_length,
                              read_size(world));
        sim_wire_deliver(wire, wire->part_length + length);
    }
    if (wire->owner != NULL && wire->tcp != NULL && sim_tcp_at_end(wire->tcp, side))
        report_down(wire, wire->tcp->end[side].state == SIM_TCP_RESET ? SUBFLOW_RESET
                                                                      : SUBFLOW_EOF);
}

static void set_blocked(struct sim_wire *wire, bool blocked)
{
    if (wire->blocked == blocked)
        return;
    wire->blocked = blocked;
    session_subflow_writable(wire->owner->session, wire->subflow, !blocked);
}

static void write_wire(struct sim_wire *wire)
{
    if (wire->tail_length > 0) {
        size_t written =
            sim_tcp_write(wire->tcp, wire->process->side, wire->tail, wire->tail_length);

        memmove(wire->tail, wire->tail + written, wire->tail_length - written);
        wire->tail_length -= written;
    }
    if (wire->tail_length == 0 && sim_tcp_room(wire->tcp, wire->process->side) > 0)
        set_blocked(wire, false);
}

static void send_wire(struct sim_wire *wire)
{
    struct sim_world *world = wire->process->world;
    enum sim_side side = wire->process->side;
    size_t capacity =
        sim_random_chance(&world->random, 800000) ? 65536 : (size_t)CHUNK_SIZE_MAX;
    size_t length = session_produce(wire->owner->session, wire->subflow, world->output,
                                    capacity, world->clock.now_ns);

    if (length > capacity) {
        sim_fail(world, "session_produce() wrote %zu into %zu", length, capacity);
        return;
    }
    size_t written = sim_tcp_write(wire->tcp, side, world->output, length);

    sim_digest_bytes(&world->clock, world->output, length);
    if (wire->tail_length > 0)
        sim_fail(world, "session_produce() was asked of a blocked subflow");
    keep(&wire->tail, &wire->tail_length, world->output + written, length - written);
    /* Waiting bytes count: the budget bounds them as it bounds the bytes that were written.
     */
    if (wire->tcp->pipe[side].written + wire->tail_length > wire->tcp->budget[side])
        sim_fail(world, "%s: %llu bytes over the budget of connection %llu",
                 side == SIM_LOCAL ? "local" : "relay",
                 (unsigned long long)(wire->tcp->pipe[side].written + wire->tail_length -
                                      wire->tcp->budget[side]),
                 (unsigned long long)wire->tcp->number);
    if (wire->tail_length > 0 || sim_tcp_room(wire->tcp, side) == 0)
        set_blocked(wire, true);
}

static void look_at_wire(struct sim_wire *wire)
{
    wire->dirty = false;
    if (wire->process->side == SIM_LOCAL) {
        if (!sim_local_look(wire))
            return;
    } else if (wire->owner == NULL) {
        sim_relay_look(wire);
        return;
    }
    read_wire(wire);
    if (wire->owner != NULL && wire->tcp != NULL && wire->blocked)
        write_wire(wire);
}

/* ---- sessions ---- */

struct sim_session *sim_session_new(struct sim_process *process, struct session *session)
{
    struct sim_session *owner = calloc(1, sizeof *owner);

    if (owner == NULL)
        abort();
    owner->process = process;
    owner->session = session;
    list_init(&owner->ends);
    list_append(&process->sessions, &owner->link);
    session_set_user(session, owner);
    return owner;
}

void sim_session_free(struct sim_session *owner)
{
    struct sim_process *process = owner->process;

    list_foreach(&process->wires, node, after) {
        struct sim_wire *wire = list_entry(node, struct sim_wire, link);

        if (wire->owner == owner)
            sim_wire_reset(wire);
    }
    while (!list_empty(&owner->ends))
        sim_end_killed(list_first(&owner->ends, struct sim_end, link));
    sim_flows_lost(owner);
    list_remove(&owner->link);
    free(owner);
}

static void close_subflow(struct sim_session *owner, const struct session_event *event)
{
    struct sim_wire *wire = subflow_user(event->subflow);
    struct sim_world *world = owner->process->world;

    if (wire == NULL || wire->tcp == NULL) {
        sim_fail(world, "SESSION_CLOSE_SUBFLOW for a subflow that is no more");
    } else if (event->silent) {
        wire->silent = true;
        wire->dirty = true; /* its input is to be discarded */
        wire->owner = NULL;
        wire->subflow = NULL;
        wire->deadline_ns = world->clock.now_ns + 20 * NS_PER_S;
    } else {
        sim_wire_reset(wire);
    }
}

/* Nothing is ever shed while there is room. */
static void was_shed(struct sim_session *owner, const struct session_shed *shed)
{
    struct sim_world *world = owner->process->world;
    uint64_t unused = shed->bound_bytes - MIN(shed->used_bytes, shed->bound_bytes);
    uint64_t room = unused;

    /* In a shared pool each page taken brings the client's part and what is free nearer by
     * two. */
    if (shed->shared)
        room =
            shed->client_bytes < unused ? (unused - shed->client_bytes + PAGE_SIZE) / 2 : 0;
    if (shed->bound != SESSION_BOUND_BUFFERED || room >= shed->wanted_bytes ||
        shed->bound_bytes != world->scenario.pages * PAGE_SIZE)
        sim_fail(world, "side %d sheds a stream with %llu of %llu bytes in use",
                 owner->process->side, (unsigned long long)shed->used_bytes,
                 (unsigned long long)shed->bound_bytes);
    if (!world->scenario.may_starve)
        sim_fail(world, "side %d sheds a stream", owner->process->side);
    world->sheds++;
}

static void handle(struct sim_session *owner, const struct session_event *event)
{
    struct sim_world *world = owner->process->world;

    sim_trace(
        &world->clock, owner->process->side == SIM_LOCAL ? "local-event" : "relay-event",
        event->type, event->stream != NULL ? stream_id(event->stream) : 0, event->code);
    switch (event->type) {
    case SESSION_NO_EVENT: break;
    case SESSION_DIAL: sim_local_dial(owner, event); break;
    case SESSION_CLOSE_SUBFLOW: close_subflow(owner, event); break;
    case SESSION_STREAM_INCOMING: sim_relay_incoming(owner, event); break;
    case SESSION_STREAM_OPENED:
    case SESSION_STREAM_READABLE:
    case SESSION_STREAM_WRITABLE:
    case SESSION_STREAM_RESET: sim_end_event(event); break;
    case SESSION_SHED: was_shed(owner, &event->shed); break;
    case SESSION_UP:
    case SESSION_LOST:
    case SESSION_PATH_UP:
    case SESSION_PATH_DOWN:
    case SESSION_PATH_PACKETS:
    case SESSION_LIMIT: break;
    case SESSION_FLOW_INCOMING:
    case SESSION_FLOW_READABLE:
    case SESSION_FLOW_CLOSED: sim_flow_event(owner, event); break;
    case SESSION_ENDED:
        owner->ended = true;
        if (event->error != OK && event->error != ERROR_CLOSED)
            sim_fail(world, "%s's session has ended: %s (%s)",
                     owner->process->side == SIM_LOCAL ? "local" : "relay",
                     event->reason != NULL ? event->reason : "",
                     error_string(event->error));
        break;
    }
}

static void drain(struct sim_session *owner)
{
    struct session_event event;

    while (session_next_event(owner->session, &event))
        handle(owner, &event);
}

static void measure(struct sim_session *owner, uint64_t now)
{
    struct subflow *subflow;

    while ((subflow = session_next_unmeasured(owner->session, now)) != NULL) {
        const struct sim_wire *wire = subflow_user(subflow);
        struct sim_tcp_info info;

        sim_tcp_info(wire->tcp, owner->process->side, &info);
        session_subflow_measured(
            owner->session, subflow,
            &(struct subflow_measure){
                .srtt_ns = info.rtt_ns,
                .rate = info.rate,
                .queued_bytes = (uint32_t)(info.queued + wire->tail_length),
                .unsent_bytes = (uint32_t)(info.unsent + wire->tail_length),
                .flying_bytes = (uint32_t)info.flying,
                .silent_for_ns = info.silent_for_ns},
            now);
    }
}

static void run_session(struct sim_session *owner)
{
    struct sim_world *world = owner->process->world;
    uint64_t now = world->clock.now_ns;
    struct session_event event;
    struct subflow *subflow;
    unsigned rounds = 0;

    if (session_next_timeout(owner->session) <= now) {
        measure(owner, now);
        session_tick(owner->session, now);
    }
    drain(owner);
    do {
        measure(owner, now);
        while ((subflow = session_next_sender(owner->session, now)) != NULL) {
            send_wire(subflow_user(subflow));
            if (++rounds > RUNS_AT_ONCE_MAX || sim_failed(world)) {
                sim_fail(world, "session_next_sender() never ends");
                return;
            }
        }
        if (!session_next_event(owner->session, &event))
            break;
        handle(owner, &event);
        drain(owner);
    } while (true);
}

static void check_deadlines(struct sim_process *process, uint64_t now)
{
    list_foreach(&process->wires, node, after) {
        struct sim_wire *wire = list_entry(node, struct sim_wire, link);

        if (wire->deadline_ns > now)
            continue;
        sim_tcp_close(wire->tcp, process->side);
        sim_wire_free(wire);
    }
}

static void arm(struct sim_process *process)
{
    uint64_t when = TIME_NEVER;

    for (struct list *node = process->wires.next; node != &process->wires;
         node = node->next) {
        const struct sim_wire *wire = list_entry(node, struct sim_wire, link);

        when = MIN(when, wire->dirty ? 0 : wire->deadline_ns);
    }
    for (struct list *node = process->sessions.next; node != &process->sessions;
         node = node->next)
        when =
            MIN(when,
                session_next_timeout(list_entry(node, struct sim_session, link)->session));
    sim_timer_set(&process->world->clock, &process->timer, when);
}

static void count_run(struct sim_process *process, uint64_t now)
{
    process->runs++;
    process->runs_at_once = now == process->last_run_at_ns ? process->runs_at_once + 1 : 0;
    process->last_run_at_ns = now;
    if (process->runs_at_once > RUNS_AT_ONCE_MAX)
        sim_fail(process->world, "%s spins: its next timeout never moves on",
                 process->side == SIM_LOCAL ? "local" : "relay");
}

static void process_run(struct sim_timer *timer)
{
    struct sim_process *process = container_of(timer, struct sim_process, timer);
    uint64_t now = process->world->clock.now_ns;

    count_run(process, now);
    for (bool again = true; again;) {
        again = false;
        list_foreach(&process->wires, node, after) {
            struct sim_wire *wire = list_entry(node, struct sim_wire, link);

            if (!wire->dirty)
                continue;
            look_at_wire(wire);
            again = true;
            break; /* the list may have changed in any way */
        }
    }
    check_deadlines(process, now);
    list_foreach(&process->sessions, node, after) {
        struct sim_session *owner = list_entry(node, struct sim_session, link);

        run_session(owner);
        if (owner->ended && process->side == SIM_RELAY) {
            struct session *session = owner->session;

            sim_session_free(owner);
            admission_drop(process->admission, session);
        }
    }
    free_dead_wires(process);
    sim_watch_flows(process);
    process->pages_most = MAX(process->pages_most, process->pages.used);
    arm(process);
}
