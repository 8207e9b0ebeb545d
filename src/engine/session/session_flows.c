/* SPDX-License-Identifier: MIT */
/* The calls on flows: the driver opens, sends, receives and ends them. */
#include "session_parts.h"

#include <assert.h>
#include <stdlib.h>

const char *flow_close_string(enum flow_close_code code)
{
    switch (code) {
    case FLOW_CLOSE_ENDED: return "ended";
    case FLOW_CLOSE_IDLE: return "nothing was sent for too long";
    case FLOW_CLOSE_LIMIT: return "a bound was met";
    case FLOW_CLOSE_DENIED: return "not allowed by the relay";
    case FLOW_CLOSE_FAILURE: return "general failure";
    case FLOW_CLOSE_UNSUPPORTED: return "the relay carries no datagrams";
    case FLOW_CLOSE_SESSION: return "the session has ended";
    }
    return "unknown reason";
}

enum flow_support session_flow_support(const struct session *session)
{
    if (generation_current(&session->subflows) == NULL)
        return FLOWS_UNKNOWN;
    return session->context.features & WIRE_FEATURE_DATAGRAMS ? FLOWS_SUPPORTED
                                                              : FLOWS_UNSUPPORTED;
}

void session_assign_flows(struct session *session)
{
    struct flows *flows = &session->flows;
    struct flow *flow;

    if (session->context.state != SESSION_STATE_UP)
        return;
    while ((flow = list_first(&flows->unassigned, struct flow, control)) != NULL) {
        if (!(session->context.features & WIRE_FEATURE_DATAGRAMS)) {
            flow_end(flows, flow, FLOW_CLOSE_UNSUPPORTED, true);
            continue;
        }
        if (flows->next_id > flows->limit)
            return;
        list_remove(&flow->control);
        flow_set_id(flows, flow, flows->next_id++);
        list_append(&flows->control, &flow->control);
        flow_drop_old(flows, flow);
        session->context.pool_dirty = true;
    }
}

struct flow *session_flow_open(struct session *session, const struct flow_policy *policy,
                               uint64_t now)
{
    struct flow *flow;

    session->context.now = now;
    if (session_is_closing(session))
        return NULL;
    session_begin_anew_if_stale(session);
    flow = flow_new(&session->flows, 0);
    if (flow == NULL)
        return NULL;
    flow->known = true;
    if (policy != NULL)
        flow->policy = *policy;
    list_append(&session->flows.unassigned, &flow->control);
    pool_flow_used(&session->pool, flow);
    pool_hurry(&session->pool);
    session->context.pool_dirty = true;
    session_assign_flows(session);
    return flow;
}

void session_flow_send(struct session *session, struct flow *flow,
                       const struct target *peer, const void *bytes, size_t length,
                       uint64_t now)
{
    session->context.now = now;
    if (flow->ended) /* its SESSION_FLOW_CLOSED waits */
        return;
    flow_queue(&session->flows, flow, peer, bytes, length,
               flows_part_room(&session->schedule));
    pool_flow_used(&session->pool, flow);
}

bool session_flow_receive(struct session *session, struct flow *flow,
                          struct flow_datagram *datagram, uint64_t now)
{
    const struct received *received;

    session->context.now = now;
    received = flow->ended ? NULL : flow_read(&session->flows, flow);
    if (received == NULL)
        return false;
    flow_peer_target(received->peer, &session->flows.peer);
    *datagram = (struct flow_datagram){.peer = &session->flows.peer,
                                       .binding = received->peer->index,
                                       .bytes = received->bytes,
                                       .length = received->length};
    return true;
}

void session_flow_close(struct session *session, struct flow *flow,
                        enum flow_close_code code, uint64_t now)
{
    assert(!flow->left && code < FLOW_CLOSE_UNSUPPORTED);
    session->context.now = now;
    flow->left = true;
    if (flow->ended) /* its SESSION_FLOW_CLOSED waits, and is not told any more */
        return;
    if (flow->id != 0)
        flows_queue_close(&session->flows, flow->id, code);
    flow_end(&session->flows, flow, code, false);
}

void session_flow_drop(struct session *session, struct flow *flow, enum flow_drop reason)
{
    flow_count_drop(&session->flows, flow, reason);
}

/* ---- time ---- */

uint64_t session_flows_timeout(const struct session *session)
{
    uint64_t when =
        MIN(flows_timeout(&session->schedule), pool_flows_timeout(&session->pool));

    return MIN(when, session->flows.parts_old_at_ns);
}

void session_tick_flows(struct session *session)
{
    flows_drop_old(&session->flows);
    flows_tick_parts(&session->flows);
    pool_tick_flows(&session->pool);
}

/* ---- for status ---- */

const struct flow *session_next_flow(const struct session *session, const struct flow *flow)
{
    const struct list *node = flow == NULL ? session->flows.all.next : flow->node.next;

    /* The node is its first member. */
    return node == &session->flows.all ? NULL : (const struct flow *)node;
}

unsigned session_flow_count(const struct session *session)
{
    return session->flows.count;
}

/* The peer of the newest datagram, in either direction. */
static const struct flow_peer *newest_peer(const struct flow *flow)
{
    return flow->peers_out.last != NULL ? flow->peers_out.last : flow->peers_in.last;
}

void session_flow_status(const struct session *session, const struct flow *flow,
                         char text[TARGET_TEXT_SIZE], struct flow_status *status)
{
    const struct flow_peer *peer = newest_peer(flow);

    *status = (struct flow_status){
        .id = flow->id,
        .policy = flow->policy,
        .rate = flow_rate(flow, session->context.now),
        .queued_bytes = flow->waiting_bytes,
        .used_at_ns = flow->used_at_ns,
        .copies = flows_copies(&session->schedule, flow),
        .counters = flow->counters,
    };
    if (peer != NULL) {
        struct target target;

        flow_peer_target(peer, &target);
        status->peer = target_format(&target, text);
    }
}
