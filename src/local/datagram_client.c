/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/datagram_client.h>

#include <splitsocks/base/log.h>
#include <splitsocks/engine/session/session_flow.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/movement.h>
#include <splitsocks/local/datagram_direct.h>

#include <stdlib.h>
#include <string.h>

/* Resolvers and time servers answer a question once. */
#define PORT_DNS 53
#define PORT_NTP 123

/* A flow of the session, for all destinations with one policy. */
struct client_flow {
    struct flow_end end; /* first */
    struct datagram_client *client;
    struct list node;  /* in client.flows */
    struct flow *flow; /* the session's; its user is this */
    struct flow_policy policy;
};

/* ---- clients in use ---- */

/* When the longest unused client of a list was idle for too long. */
static uint64_t idle_at(const struct datagram_service *service, struct list *list)
{
    uint64_t after_ns =
        list == &service->answered ? DATAGRAM_ANSWERED_NS : service->idle_after_ns;

    return list_empty(list)
               ? TIME_NEVER
               : list_entry(list->next, struct datagram_client, node)->used_at_ns +
                     after_ns;
}

/* Makes the timer fire in time. A timer that fires early does no harm and arms itself
 * again; moving it for each datagram would cost more. */
static void arm(struct datagram_service *service, uint64_t now)
{
    uint64_t when =
        MIN(idle_at(service, &service->clients), idle_at(service, &service->answered));

    if (when >= service->idle_timer_at_ns)
        return;
    service->idle_timer_at_ns = when;
    io_watch_until(service->worker->loop, &service->idle, when, now);
}

static void end_idle(struct datagram_service *service, struct list *list, uint64_t now)
{
    while (idle_at(service, list) <= now) {
        struct datagram_client *client =
            list_entry(list->next, struct datagram_client, node);

        client->type->idle(client);
    }
}

static void on_idle(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct datagram_service *service = timer->data;
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    service->idle_timer_at_ns = TIME_NEVER;
    end_idle(service, &service->clients, now);
    end_idle(service, &service->answered, now);
    arm(service, now);
    driver_touch(service->driver);
}

static void give_way(struct datagram_service *service)
{
    static struct log_limit limit;
    const struct list *list =
        list_empty(&service->answered) ? &service->clients : &service->answered;
    struct datagram_client *oldest = list_first(list, struct datagram_client, node);

    log_write_limited(&limit, clock_now(), LOG_WARNING,
                      "%u senders of datagrams are in use, which is udp.max_flows: the one "
                      "that was idle for longest gives way",
                      service->client_count);
    oldest->type->idle(oldest);
}

/* A datagram was sent or received. */
static void note_used(struct datagram_client *client, bool answered, uint64_t now)
{
    struct datagram_service *service = client->service;
    struct list *list =
        answered && !client->more_than_questions ? &service->answered : &service->clients;
    bool began = !list_linked(&client->node);

    if (began && service->client_count >= service->max_clients)
        give_way(service);
    service->client_count += began;
    list_remove(&client->node);
    list_append(list, &client->node);
    client->used_at_ns = now;
    movement_note(service->worker, now);
    arm(service, now);
}

/* ---- answers ---- */

static void answer(struct datagram_client *client, const struct address *from,
                   const uint8_t *bytes, size_t length, uint64_t now)
{
    note_used(client, true, now);
    client->type->answer(client, from, bytes, length);
}

static void on_flow_readable(struct flow_end *end)
{
    struct client_flow *flow = (struct client_flow *)end;
    struct datagram_client *client = flow->client;
    struct session *session = client->service->driver->session;
    uint64_t now = clock_now();
    struct flow_datagram datagram;

    while (session_flow_receive(session, flow->flow, &datagram, now)) {
        struct address from = datagram.peer->addresses[0];

        from.port = datagram.peer->port;
        if (datagram.peer->address_count > 0)
            answer(client, &from, datagram.bytes, datagram.length, now);
    }
    datagram_service_flush(client->service);
}

static bool has_sent_to(const struct datagram_client *client, const struct address *peer)
{
    list_foreach_const(&client->routes, node) {
        const struct datagram_route *route =
            list_entry((struct list *)(uintptr_t)node, struct datagram_route, node);

        if (route->way != DATAGRAM_DIRECT)
            continue;
        for (size_t i = 0; i < route->address_count; i++)
            if (address_equal(&route->addresses[i], peer))
                return true;
    }
    return false;
}

static void on_direct(void *context, const struct address *from, const uint8_t *bytes,
                      size_t length)
{
    struct datagram_client *client = context;

    if (!client->terms.filter_address || has_sent_to(client, from))
        answer(client, from, bytes, length, clock_now());
}

static void on_direct_settled(void *context)
{
    struct datagram_client *client = context;

    datagram_service_flush(client->service);
}

/* ---- flows ---- */

const char *datagram_service_client_of(const struct flow *flow,
                                       char text[ADDRESS_TEXT_SIZE])
{
    const struct client_flow *of_client = flow_user(flow);

    return of_client->client->type->describe(of_client->client, text);
}

static void flow_free(struct client_flow *flow)
{
    list_remove(&flow->node);
    free(flow);
}

/* The next datagram opens another. */
static void on_flow_closed(struct flow_end *end, enum flow_close_code code)
{
    log_debug("a flow has ended: %s", flow_close_string(code));
    flow_free((struct client_flow *)end);
}

static const struct flow_end_type end_type = {
    .readable = on_flow_readable,
    .closed = on_flow_closed,
};

static void close_flows(struct datagram_client *client)
{
    struct session *session = client->service->driver->session;

    while (!list_empty(&client->flows)) {
        struct client_flow *flow = list_first(&client->flows, struct client_flow, node);

        if (session != NULL)
            session_flow_close(session, flow->flow, FLOW_CLOSE_ENDED, clock_now());
        flow_free(flow);
    }
}

static struct flow_policy policy_of(const struct datagram_client *client,
                                    const struct stream_policy *policy)
{
    static const uint8_t modes[STREAM_MODES] = {
        [STREAM_MODE_SPLIT] = FLOW_MODE_SPLIT,
        [STREAM_MODE_REDUNDANT] = FLOW_MODE_REDUNDANT,
        [STREAM_MODE_AUTO] = FLOW_MODE_AUTO,
    };

    return (struct flow_policy){
        .mode = modes[policy->mode],
        .copies = policy->copies,
        .paths = policy->paths,
        .filter_address = client->terms.filter_address,
        .max_age_ns = client->terms.max_age_ns,
    };
}

static bool same_policy(const struct flow_policy *a, const struct flow_policy *b)
{
    return a->mode == b->mode && a->copies == b->copies && a->paths == b->paths;
}

/* The flow for the policy; a new one if there is none yet. NULL: there can be none. */
static struct client_flow *flow_for(struct datagram_client *client,
                                    const struct stream_policy *wanted, uint64_t now)
{
    struct session *session = client->service->driver->session;
    struct flow_policy policy = policy_of(client, wanted);
    struct client_flow *flow;

    list_foreach(&client->flows, node, after) {
        flow = list_entry(node, struct client_flow, node);
        if (same_policy(&flow->policy, &policy))
            return flow;
    }
    flow = calloc(1, sizeof(*flow));
    if (flow == NULL)
        return NULL;
    flow->flow = session_flow_open(session, &policy, now);
    if (flow->flow == NULL) {
        free(flow);
        return NULL;
    }
    flow->end.type = &end_type;
    flow->client = client;
    flow->policy = policy;
    flow_set_user(flow->flow, flow);
    list_init(&flow->node);
    list_append(&client->flows, &flow->node);
    return flow;
}

static void log_unsupported(void)
{
    static struct log_limit limit;

    log_write_limited(&limit, clock_now(), LOG_WARNING,
                      "datagrams are dropped: the relay does not carry UDP");
}

static void send_to_relay(struct datagram_client *client,
                          const struct datagram_route *route, const uint8_t *bytes,
                          size_t length, uint64_t now)
{
    struct session *session = client->service->driver->session;
    struct client_flow *flow = NULL;
    struct target target;

    if (session != NULL && session_flow_support(session) == FLOWS_UNSUPPORTED)
        log_unsupported();
    else if (session != NULL)
        flow = flow_for(client, &route->policy, now);
    if (flow == NULL) {
        client->service->drops.unsupported++;
        return;
    }
    datagram_route_target(route, &target);
    session_flow_send(session, flow->flow, &target, bytes, length, now);
}

/* ---- sending ---- */

/* Sends to the first of the addresses that can be sent to. Each datagram goes by itself,
 * since a batch does not tell which address failed. */
static bool send_to_any(struct datagram_direct *direct, struct datagram_route *route,
                        const uint8_t *bytes, size_t length)
{
    for (unsigned tried = 0; tried < route->address_count; tried++) {
        int result = datagram_direct_try(direct, &route->addresses[0], bytes, length);

        if (result != ERROR_SYSTEM)
            return result == OK;
        datagram_route_skip(route);
    }
    return false;
}

static bool send_directly(struct datagram_client *client, struct datagram_route *route,
                          const uint8_t *bytes, size_t length)
{
    if (client->direct == NULL)
        client->direct = datagram_direct_new(client->service->worker, on_direct,
                                             on_direct_settled, client);
    if (client->direct == NULL || length > DATAGRAM_BYTES_MAX)
        return false;
    if (route->address_count > 1)
        return send_to_any(client->direct, route, bytes, length);
    return datagram_direct_send(client->direct, &route->addresses[0], bytes, length);
}

static void dispatch(struct datagram_client *client, struct datagram_route *route,
                     const uint8_t *bytes, size_t length, uint64_t now)
{
    switch (route->way) {
    case DATAGRAM_UNDECIDED:
        if (!datagram_queue_keep(&route->waiting, bytes, length))
            client->service->drops.full++;
        break;
    case DATAGRAM_PROXY: send_to_relay(client, route, bytes, length, now); break;
    case DATAGRAM_DIRECT:
        if (!send_directly(client, route, bytes, length))
            client->service->drops.lost++;
        break;
    case DATAGRAM_REFUSED: client->service->drops.blocked++; break;
    }
}

static void on_route_decided(struct datagram_route *route)
{
    struct datagram_client *client = route->owner;
    struct queued_datagram *datagram;
    uint64_t now = clock_now();

    while ((datagram = datagram_queue_take(&route->waiting)) != NULL) {
        dispatch(client, route, datagram->bytes, datagram->length, now);
        free(datagram);
    }
    datagram_service_flush(client->service);
}

static struct datagram_route *route_to(struct datagram_client *client,
                                       const struct target *to)
{
    struct datagram_route *route = NULL;

    list_foreach(&client->routes, node, after) {
        route = list_entry(node, struct datagram_route, node);
        if (!datagram_route_leads_to(route, to))
            continue;
        list_remove(&route->node);
        list_prepend(&client->routes, &route->node);
        return route;
    }
    if (client->route_count == DATAGRAM_ROUTES) {
        datagram_route_free(list_entry(client->routes.prev, struct datagram_route, node));
        client->route_count--;
    }
    route = datagram_route_new(to, &client->service->waiting, on_route_decided, client);
    if (route == NULL)
        return NULL;
    list_prepend(&client->routes, &route->node);
    client->route_count++;
    return route;
}

void datagram_client_send(struct datagram_client *client, const struct target *to,
                          const uint8_t *bytes, size_t length, uint64_t now)
{
    struct datagram_route *route = route_to(client, to);

    client->more_than_questions |= to->port != PORT_DNS && to->port != PORT_NTP;
    note_used(client, false, now);
    if (route == NULL) {
        client->service->drops.full++;
        return;
    }
    if (datagram_route_due(route, now))
        datagram_route_decide(route, client->service->decider, client->terms.listener,
                              &client->terms.policy);
    dispatch(client, route, bytes, length, now);
}

void datagram_service_flush(struct datagram_service *service)
{
    static struct log_limit limit;
    size_t lost = datagram_batch_flush(service->worker->datagrams);

    service->drops.lost += lost;
    if (lost > 0)
        log_write_limited(&limit, clock_now(), LOG_DEBUG,
                          "the kernel did not take %zu datagrams", lost);
    driver_touch(service->driver);
}

/* ---- life ---- */

void datagram_client_init(struct datagram_client *client, struct datagram_service *service,
                          const struct datagram_client_type *type,
                          const struct datagram_terms *terms)
{
    *client = (struct datagram_client){.service = service, .type = type, .terms = *terms};
    list_init(&client->node);
    list_init(&client->routes);
    list_init(&client->flows);
}

void datagram_client_rest(struct datagram_client *client)
{
    if (list_linked(&client->node))
        client->service->client_count--;
    list_remove(&client->node);
    close_flows(client);
    while (!list_empty(&client->routes))
        datagram_route_free(list_first(&client->routes, struct datagram_route, node));
    client->route_count = 0;
    client->more_than_questions = false;
    datagram_direct_free(client->direct);
    client->direct = NULL;
}

void datagram_client_deinit(struct datagram_client *client)
{
    datagram_client_rest(client);
}

static void forget_flows(struct list *clients)
{
    list_foreach(clients, node, after) {
        struct datagram_client *client = list_entry(node, struct datagram_client, node);

        while (!list_empty(&client->flows))
            flow_free(list_first(&client->flows, struct client_flow, node));
    }
}

void datagram_service_forget_flows(struct datagram_service *service)
{
    forget_flows(&service->clients);
    forget_flows(&service->answered);
}

void datagram_service_init(struct datagram_service *service)
{
    list_init(&service->clients);
    list_init(&service->answered);
    service->waiting.most = DATAGRAM_WAITING_BYTES;
    ev_init(&service->idle, on_idle);
    service->idle.data = service;
    service->idle_timer_at_ns = TIME_NEVER;
}

void datagram_service_deinit(struct datagram_service *service)
{
    if (service->worker != NULL)
        ev_timer_stop(service->worker->loop, &service->idle);
}
