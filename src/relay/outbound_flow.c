/* SPDX-License-Identifier: MIT */
#include "outbound_flow.h"

#include "flow_ports.h"

#include <splitsocks/base/log.h>
#include <splitsocks/engine/session/session_flow.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/proxy/mapping.h>

#include <stdlib.h>
#include <string.h>

struct outbound_flow {
    struct flow_end end;   /* first */
    struct driver *driver; /* borrowed */
    struct flow_list *list;
    struct list node; /* in list->flows */
    struct flow *flow;
    struct mapping mapping;
    struct flow_targets targets;
    struct flow_socket {
        struct outbound_flow *owner;
        struct datagram_socket datagrams; /* fd -1: not used yet */
        struct address bound;
        ev_io io;
        struct pace_turn reading; /* waits for the client's rate */
    } sockets[2];                 /* IPv4, IPv6 */
    struct pace_turn sending;     /* waits for the client's rate */
    ev_timer idle;
    uint64_t idle_at_ns; /* when `idle` fires */
    bool told;           /* a refusal was logged */
};

/* Strangers' datagrams are dropped while more than this waits for the client, so that they
 * take no room from the answers to what the flow has sent: half of the flow's queue. */
#define STRANGERS_ROOM (32 * 1024)

/* ---- drops ---- */

static void drop(struct outbound_flow *flow, enum flow_drop reason)
{
    session_flow_drop(flow->driver->session, flow->flow, reason);
}

static bool is_allowed(const struct outbound_flow *flow, const struct address *address,
                       uint64_t now)
{
    return destination_cache_check(flow->targets.ways->verdicts, flow->list->rules, address,
                                   now) == OK;
}

/* Logs a refusal once for each flow, and rate-limited, since clients can cause these lines
 * at will. */
static void deny(struct outbound_flow *flow, const struct address *to)
{
    static _Thread_local struct log_limit limit;
    struct destination_refusal refusal;
    char address[ADDRESS_TEXT_SIZE], text[DESTINATION_TEXT_SIZE];

    drop(flow, FLOW_DROP_DENIED);
    if (flow->told || destination_judge(flow->list->rules, to, &refusal) == OK)
        return;
    flow->told = true;
    log_write_limited(&limit, clock_now(), LOG_WARNING,
                      "%s: datagrams to %s are dropped: %s", flow->list->client,
                      address_format(to, address),
                      destination_refusal_format(&refusal, text));
}

/* ---- life ---- */

static void give_descriptor(struct outbound_flow *flow)
{
    flow->list->sockets--;
    share_give(&flow->list->account->destinations, 1);
}

static void close_socket(struct flow_socket *socket)
{
    if (socket->datagrams.fd < 0)
        return;
    ev_io_stop(socket->owner->driver->worker->loop, &socket->io);
    pace_leave(&socket->owner->driver->down, &socket->reading);
    flow_ports_remove(&socket->bound);
    datagram_socket_close(&socket->datagrams);
    give_descriptor(socket->owner);
}

/* Lets go of everything but the engine's flow. */
static void outbound_flow_free(struct outbound_flow *flow)
{
    struct flow_list *list = flow->list;

    ev_timer_stop(flow->driver->worker->loop, &flow->idle);
    for (size_t i = 0; i < ARRAY_LENGTH(flow->sockets); i++)
        close_socket(&flow->sockets[i]);
    pace_leave(&flow->driver->up, &flow->sending);
    flow_targets_deinit(&flow->targets);
    mapping_deinit(&flow->mapping);
    list_remove(&flow->node);
    account_give_flow(list->account);
    if (--list->count == 0)
        list_remove(&list->node);
    free(flow);
}

static void end_flow(struct outbound_flow *flow, enum flow_close_code code)
{
    struct driver *driver = flow->driver;

    session_flow_close(driver->session, flow->flow, code, clock_now());
    outbound_flow_free(flow);
    driver_touch(driver);
}

/* Moves the timer only to an earlier time: datagrams that go out put the end off, and the
 * timer that then comes too early arms itself again. */
static void arm_idle(struct outbound_flow *flow, uint64_t now)
{
    uint64_t ends_at_ns = mapping_ends_at(&flow->mapping);

    if (ends_at_ns >= flow->idle_at_ns)
        return;
    flow->idle_at_ns = ends_at_ns;
    io_watch_until(flow->driver->worker->loop, &flow->idle, ends_at_ns, now);
}

static void on_idle(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct outbound_flow *flow = timer->data;
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    flow->idle_at_ns = TIME_NEVER;
    if (now < mapping_ends_at(&flow->mapping))
        arm_idle(flow, now);
    else
        end_flow(flow, FLOW_CLOSE_IDLE);
}

/* The one that has sent least recently. */
static struct outbound_flow *oldest_of(const struct flow_list *list)
{
    return list_first(&list->flows, struct outbound_flow, node);
}

/* ---- in: from the network to the client ---- */

static bool lets_in(struct outbound_flow *flow, const struct address *from, uint64_t now)
{
    enum mapping_verdict verdict = mapping_receive(&flow->mapping, from);

    if (verdict == MAPPING_FILTERED ||
        (verdict == MAPPING_UNSOLICITED && flow_queued_bytes(flow->flow) > STRANGERS_ROOM))
        return false;
    return is_allowed(flow, from, now);
}

static void take_in(struct outbound_flow *flow, const struct datagram_in *in, uint64_t now)
{
    struct target source;

    if (!lets_in(flow, &in->peer, now)) {
        drop(flow, FLOW_DROP_DENIED);
        return;
    }
    source.addresses[0] = flow_targets_source(&flow->targets, &in->peer);
    source.port = in->peer.port;
    source.address_count = 1;
    source.name[0] = '\0';
    session_flow_send(flow->driver->session, flow->flow, &source, in->bytes, in->length,
                      now);
}

/* The sizes of datagrams are known when they are here: those that are larger than a packet
 * make the next ones wait. */
static void take_batch(struct flow_socket *socket, uint64_t granted, uint64_t now)
{
    struct outbound_flow *flow = socket->owner;
    struct datagram_batch *batch = flow->list->service->batch;
    size_t most = (size_t)MAX(granted / PACE_PACKET, (uint64_t)1);
    size_t count = datagram_socket_receive(&socket->datagrams, batch, most);
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += datagram_batch_at(batch, i)->length;
        take_in(flow, datagram_batch_at(batch, i), now);
    }
    pace_settle(&flow->driver->down, granted, bytes, now);
    arm_idle(flow, now);
}

static void on_datagrams(struct ev_loop *loop, ev_io *io, int events)
{
    struct flow_socket *socket = io->data;
    struct driver *driver = socket->owner->driver;
    uint64_t now = clock_now(), granted;
    (void)events;

    granted = pace_take(&driver->down, &socket->reading, DATAGRAM_BATCH * PACE_PACKET, now);
    if (granted > 0)
        take_batch(socket, granted, now);
    else
        ev_io_stop(loop, io);
    driver_drain(driver);
}

static void on_read_turn(struct pace_turn *turn, uint64_t granted)
{
    struct flow_socket *socket = container_of(turn, struct flow_socket, reading);
    struct driver *driver = socket->owner->driver;

    ev_io_start(driver->worker->loop, &socket->io);
    take_batch(socket, granted, clock_now());
    driver_drain(driver);
}

/* ---- out: from the client to the network ---- */

static void note_descriptors(const struct flow_list *list, enum places_bound bound)
{
    static _Thread_local struct log_limit limit;

    account_note_refusal(list->account, bound == PLACES_OWN ? CLIENT_REFUSAL_MAX_DESCRIPTORS
                                                            : CLIENT_REFUSAL_DESCRIPTORS);
    log_write_limited(&limit, clock_now(), LOG_WARNING,
                      "%s has as many sockets to destinations as %s, and loses its oldest "
                      "flow",
                      list->client,
                      bound == PLACES_OWN ? "it may have (max_descriptors)"
                                          : "the limit of open files leaves it");
}

/* Takes a descriptor of the client's part, of which the session's flows leave as many to
 * its streams as they have. Where there is none, the flow that has sent least recently
 * makes room. */
static bool take_descriptor(struct outbound_flow *flow)
{
    struct share *descriptors = &flow->list->account->destinations;
    enum places_bound bound;

    while ((bound = share_bound(descriptors, flow->list->sockets + 1)) != PLACES_FREE) {
        struct outbound_flow *oldest = oldest_of(flow->list);

        note_descriptors(flow->list, bound);
        if (oldest == flow)
            return false;
        end_flow(oldest, FLOW_CLOSE_LIMIT);
    }
    share_add(descriptors, 1);
    flow->list->sockets++;
    return true;
}

static struct flow_socket *socket_for(struct outbound_flow *flow, uint8_t family)
{
    static const struct datagram_socket_options options = {.class = DESCRIPTOR_CLIENT};
    const struct address any = {.family = family};
    struct flow_socket *socket = &flow->sockets[family == ADDRESS_IPV6];

    if (socket->datagrams.fd >= 0)
        return socket;
    if (!take_descriptor(flow))
        return NULL;
    if (datagram_socket_open(&socket->datagrams, &any, &options) != OK) {
        give_descriptor(flow);
        return NULL;
    }
    socket->bound = socket_local_address(socket->datagrams.fd);
    flow_ports_add(&socket->bound);
    ev_io_set(&socket->io, socket->datagrams.fd, EV_READ);
    ev_io_start(flow->driver->worker->loop, &socket->io);
    return socket;
}

enum put_result {
    PUT_DONE,        /* on its way, or dropped; a drop is counted */
    PUT_DENIED,      /* not to this address */
    PUT_UNREACHABLE, /* the kernel does not send to it */
};

/* A datagram to an address that has not worked yet goes by itself, since a batch does not
 * tell which address failed. */
static enum put_result send_first(struct outbound_flow *flow, struct flow_target *target,
                                  const struct datagram_socket *datagrams,
                                  const void *bytes, size_t length)
{
    switch (datagram_socket_send(datagrams, flow_target_address(target), bytes, length)) {
    case OK: flow_target_worked(target); return PUT_DONE;
    case ERROR_LIMIT: drop(flow, FLOW_DROP_SOCKET); return PUT_DONE;
    default: return PUT_UNREACHABLE;
    }
}

/* The rules may have changed since the address was chosen, so they are asked each time. */
static enum put_result put_out(struct outbound_flow *flow, struct flow_target *target,
                               const void *bytes, size_t length, uint64_t now)
{
    const struct address *to = flow_target_address(target);
    struct flow_socket *socket;

    if (!is_allowed(flow, to, now) || flow_ports_have(to))
        return PUT_DENIED;
    if ((socket = socket_for(flow, to->family)) == NULL)
        return PUT_UNREACHABLE;
    if (mapping_send(&flow->mapping, to, now) != OK) {
        drop(flow, FLOW_DROP_SOCKET);
        return PUT_DONE;
    }
    if (!target->works)
        return send_first(flow, target, &socket->datagrams, bytes, length);
    memcpy(datagram_socket_put(&socket->datagrams, flow->list->service->batch, to, NULL,
                               length),
           bytes, length);
    return PUT_DONE;
}

/* Sends to the target's chosen address, or where that is not possible to the next one
 * that can be used. */
static void put_to_any(struct outbound_flow *flow, struct flow_target *target,
                       const void *bytes, size_t length, uint64_t now)
{
    bool unreachable = target->count == 0;

    if (length > DATAGRAM_BYTES_MAX) {
        drop(flow, FLOW_DROP_SIZE);
        return;
    }
    for (unsigned tried = 0; tried < target->count; tried++) {
        enum put_result result = put_out(flow, target, bytes, length, now);

        if (result == PUT_DONE)
            return;
        unreachable |= result == PUT_UNREACHABLE;
        flow_target_skip(target);
    }
    if (unreachable) {
        flow_target_failed(target, now);
        drop(flow, FLOW_DROP_SOCKET);
    } else {
        deny(flow, flow_target_address(target));
    }
}

/* Sends what was put, and makes the flow the one that has sent last. */
static void flush(struct outbound_flow *flow)
{
    size_t lost = datagram_batch_flush(flow->list->service->batch);

    if (lost > 0)
        flow_targets_doubt(&flow->targets);
    while (lost-- > 0)
        drop(flow, FLOW_DROP_SOCKET);
    list_remove(&flow->node);
    list_append(&flow->list->flows, &flow->node);
}

static void put_to(struct outbound_flow *flow, struct flow_target *target,
                   const void *bytes, size_t length, uint64_t now)
{
    switch (target->state) {
    case FLOW_TARGET_READY:
    case FLOW_TARGET_UNREACHABLE: put_to_any(flow, target, bytes, length, now); break;
    case FLOW_TARGET_DENIED: deny(flow, &target->denied); break;
    default: drop(flow, FLOW_DROP_NAME); break;
    }
}

static void take_out(struct outbound_flow *flow, const struct flow_datagram *datagram,
                     uint64_t now)
{
    struct flow_target *target =
        flow_targets_get(&flow->targets, datagram->binding, datagram->peer, now);

    if (target == NULL)
        drop(flow, FLOW_DROP_NAME);
    else if (target->state != FLOW_TARGET_RESOLVES)
        put_to(flow, target, datagram->bytes, datagram->length, now);
    else if (!datagram_queue_keep(&target->waiting, datagram->bytes, datagram->length))
        drop(flow, FLOW_DROP_NAME);
}

static void on_resolved(struct flow_targets *targets, struct flow_target *target)
{
    struct outbound_flow *flow = container_of(targets, struct outbound_flow, targets);
    uint64_t now = clock_now();
    struct queued_datagram *waiting;

    while ((waiting = datagram_queue_take(&target->waiting)) != NULL) {
        put_to(flow, target, waiting->bytes, waiting->length, now);
        free(waiting);
    }
    flush(flow);
}

/* ---- events ---- */

/* The rate lets `granted` bytes pass, and is asked for more. */
static void send_some(struct outbound_flow *flow, uint64_t granted)
{
    struct session *session = flow->driver->session;
    struct pace *pace = &flow->driver->up;
    uint64_t now = clock_now();
    struct flow_datagram datagram;

    for (;; granted = 0) {
        if (granted == 0)
            granted = pace_take(pace, &flow->sending, PACE_PACKET, now);
        if (granted == 0 || !session_flow_receive(session, flow->flow, &datagram, now))
            break;
        pace_settle(pace, granted, datagram.length, now);
        take_out(flow, &datagram, now);
    }
    pace_settle(pace, granted, 0, now);
    flush(flow);
}

static void on_send_turn(struct pace_turn *turn, uint64_t granted)
{
    struct outbound_flow *flow = container_of(turn, struct outbound_flow, sending);
    struct driver *driver = flow->driver;

    send_some(flow, granted);
    driver_drain(driver);
}

static void on_readable(struct flow_end *end)
{
    struct outbound_flow *flow = container_of(end, struct outbound_flow, end);

    if (!list_linked(&flow->sending.node))
        send_some(flow, 0);
}

static void on_closed(struct flow_end *end, enum flow_close_code code)
{
    (void)code;

    outbound_flow_free(container_of(end, struct outbound_flow, end));
}

static const struct flow_end_type end_type = {.readable = on_readable, .closed = on_closed};

/* ---- service and lists ---- */

int flow_service_init(struct flow_service *service, const struct flow_ways *ways,
                      flow_service_ask *ask_others, void *context)
{
    *service =
        (struct flow_service){.ways = *ways, .ask_others = ask_others, .context = context};
    list_init(&service->lists);
    service->batch = datagram_batch_new();
    return service->batch != NULL ? OK : ERROR_MEMORY;
}

void flow_service_deinit(struct flow_service *service)
{
    datagram_batch_free(service->batch);
    service->batch = NULL;
}

void flow_list_init(struct flow_list *list, struct flow_service *service,
                    const char *client, struct account *account,
                    const struct destination_rules *rules)
{
    *list = (struct flow_list){
        .service = service, .client = client, .account = account, .rules = rules};
    list_init(&list->node);
    list_init(&list->flows);
}

void flow_list_abort(struct flow_list *list)
{
    while (!list_empty(&list->flows))
        end_flow(oldest_of(list), FLOW_CLOSE_FAILURE);
}

/* Of the client's sessions, the one that has most flows, NULL if none has any; and how many
 * flows all of them have. */
static struct flow_list *largest_of(const struct client_account *client,
                                    struct flow_service *service, uint64_t *count)
{
    struct flow_list *largest = NULL;

    *count = 0;
    list_foreach(&service->lists, node, after) {
        struct flow_list *list = list_entry(node, struct flow_list, node);

        if (list->account->client != client)
            continue;
        *count += list->count;
        if (largest == NULL || list->count > largest->count)
            largest = list;
    }
    return largest;
}

void flow_service_make_room(struct flow_service *service,
                            const struct client_account *client)
{
    struct flow_list *largest;
    uint64_t count;

    while (client_account_flows_owed(client) > 0 &&
           (largest = largest_of(client, service, &count)) != NULL)
        end_flow(oldest_of(largest), FLOW_CLOSE_LIMIT);
}

static void note_bound(const struct flow_list *list, enum places_bound bound,
                       const char *effect)
{
    static _Thread_local struct log_limit limit;

    account_note_refusal(list->account, bound == PLACES_OWN ? CLIENT_REFUSAL_MAX_FLOWS
                                                            : CLIENT_REFUSAL_LIMITS_FLOWS);
    log_write_limited(&limit, clock_now(), LOG_WARNING,
                      "%s has as many flows as %s, and %s", list->client,
                      bound == PLACES_OWN ? "it may have in all its sessions "
                                            "(clients[].max_flows)"
                                          : "limits.flows leaves it",
                      effect);
}

/* Takes the place of one flow. Where the client may have no more, the flow that has sent
 * least recently goes, of the client's session that has most of them in this worker; or
 * one of another worker, if others have more of them than this one. */
static bool take_place(const struct flow_list *list)
{
    struct flow_service *service = list->service;
    struct client_account *client = list->account->client;
    enum places_bound bound;

    while ((bound = account_take_flow(list->account)) != PLACES_FREE) {
        uint64_t here;
        struct flow_list *largest = largest_of(client, service, &here);

        if (atomic_load(&client->flows.used) > 2 * here &&
            client_account_owe_flow(client)) {
            note_bound(list, bound, "loses the oldest");
            service->ask_others(service->context, client);
            return true;
        }
        if (largest == NULL) {
            note_bound(list, bound, "gets no further one");
            return false;
        }
        note_bound(list, bound, "loses the oldest");
        end_flow(oldest_of(largest), FLOW_CLOSE_LIMIT);
    }
    return true;
}

void outbound_flow_start(struct driver *driver, struct flow_list *list, struct flow *handle)
{
    struct outbound_flow *flow = calloc(1, sizeof(*flow));
    uint64_t now = clock_now();

    if (flow == NULL || !take_place(list)) {
        session_flow_close(driver->session, handle, FLOW_CLOSE_LIMIT, now);
        free(flow);
        return;
    }
    flow->end.type = &end_type;
    flow->driver = driver;
    flow->list = list;
    flow->flow = handle;
    mapping_init(&flow->mapping, flow_policy(handle)->filter_address, now);
    flow_targets_init(&flow->targets, &list->service->ways, &list->rules,
                      &list->account->names, on_resolved);
    for (size_t i = 0; i < ARRAY_LENGTH(flow->sockets); i++) {
        flow->sockets[i].owner = flow;
        flow->sockets[i].datagrams.fd = -1;
        ev_init(&flow->sockets[i].io, on_datagrams);
        flow->sockets[i].io.data = &flow->sockets[i];
        list_init(&flow->sockets[i].reading.node);
        flow->sockets[i].reading.go = on_read_turn;
    }
    list_init(&flow->sending.node);
    flow->sending.go = on_send_turn;
    ev_init(&flow->idle, on_idle);
    flow->idle.data = flow;
    flow->idle_at_ns = TIME_NEVER;
    list_init(&flow->node);
    list_append(&list->flows, &flow->node);
    if (list->count++ == 0)
        list_append(&list->service->lists, &list->node);
    flow_set_user(handle, flow);
    arm_idle(flow, now);
}
