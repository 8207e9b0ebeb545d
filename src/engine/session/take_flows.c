/* SPDX-License-Identifier: MIT */
/* What the frames of flows do. They may overtake each other, and be sent again: a frame of
 * a flow that is gone is ignored. */
#include "session_parts.h"

/* Relay: makes room for one more flow: where the session, or the client's account, has as
 * many as it may, the longest unused one goes. */
static bool make_room(struct flows *flows)
{
    while (flows->count >= flows->context->config.flow_limit || !flows_have_room(flows)) {
        struct flow *oldest = list_first(&flows->all, struct flow, node);

        if (oldest == NULL)
            return false;
        flows_queue_close(flows, oldest->id, FLOW_CLOSE_LIMIT);
        flow_end(flows, oldest, FLOW_CLOSE_LIMIT, true);
    }
    return true;
}

/* Relay: a flow whose datagrams, or end, may come before its OPEN. NULL when it has ended,
 * there is no room for it, or memory is out. */
static struct flow *new_incoming(struct session *session, uint64_t id)
{
    struct flows *flows = &session->flows;
    struct flow *flow;
    bool first;
    int error = named_ids_add(&flows->named, id, &first);

    if (error == OK && !first)
        return NULL;
    if (error == OK && !make_room(flows)) {
        flows_queue_close(flows, id, FLOW_CLOSE_LIMIT);
        flows->ended++;
        return NULL;
    }
    flow = error == OK ? flow_new(flows, id) : NULL;
    if (flow == NULL) {
        session_fail(session, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    flow->incoming = true; /* the driver gets it with its OPEN */
    return flow;
}

/* The flow that a frame names. NULL: it has ended, or the session has failed. */
static struct flow *flow_of_frame(struct session *session, uint64_t id)
{
    struct flow *flow = flow_find(&session->flows, id);

    if (flow != NULL)
        return flow;
    if (session->context.config.role == SESSION_LOCAL) {
        if (id == 0 || id >= session->flows.next_id)
            session_fail(session, ERROR_PROTOCOL, "frame for a flow never opened");
        return NULL;
    }
    if (id == 0 || id > session->flows.limit) {
        session_fail(session, ERROR_PROTOCOL, "flow id above the limit");
        return NULL;
    }
    return new_incoming(session, id);
}

static void take_open(struct session *session, const struct frame *frame)
{
    struct flow *flow;

    if (session->context.config.role != SESSION_RELAY) {
        session_fail(session, ERROR_PROTOCOL, "FLOW_OPEN out of place");
        return;
    }
    flow = flow_of_frame(session, frame->flow_open.id);
    if (flow == NULL || !flow->incoming)
        return;
    flow->policy = frame->flow_open.policy;
    flow_tell_incoming(&session->flows, flow);
    flows_grant(&session->flows);
}

static void take_close(struct session *session, const struct frame *frame)
{
    struct flow *flow = flow_of_frame(session, frame->flow_close.id);
    /* Codes of later versions count as a failure. */
    enum flow_close_code code = frame->flow_close.code <= FLOW_CLOSE_FAILURE
                                    ? (enum flow_close_code)frame->flow_close.code
                                    : FLOW_CLOSE_FAILURE;

    if (flow == NULL)
        return;
    flow_end(&session->flows, flow, code, true);
    if (session->context.config.role == SESSION_RELAY)
        flows_grant(&session->flows);
}

static void take_limit(struct session *session, const struct frame *frame)
{
    if (session->context.config.role != SESSION_LOCAL) {
        session_fail(session, ERROR_PROTOCOL, "FLOW_LIMIT out of place");
        return;
    }
    session->flows.limit = MAX(session->flows.limit, frame->window.maximum);
    session_assign_flows(session);
}

static void take_datagram(struct session *session, struct subflow *subflow,
                          const struct frame *frame)
{
    uint64_t received = session->context.counters.flows.bytes_received;
    struct target target;
    struct flow *flow;

    if (frame->datagram.has_target &&
        frame_peer_read(frame->datagram.target, &target) != OK) {
        session_fail(session, ERROR_PROTOCOL, "DATAGRAM with a malformed target");
        return;
    }
    flow = flow_of_frame(session, frame->datagram.flow);
    if (flow == NULL)
        return;
    session->data_at_ns = session->context.now;
    flow_receive(&session->flows, flow, frame);
    pool_flow_used(&session->pool, flow);
    path_count_goodput(&session->paths, subflow->path,
                       session->context.counters.flows.bytes_received - received, 0);
}

void session_take_flow_frame(struct session *session, struct subflow *subflow,
                             const struct frame *frame)
{
    if (!(session->context.features & WIRE_FEATURE_DATAGRAMS)) {
        session_fail(session, ERROR_PROTOCOL, "frame of a flow, which was not agreed");
        return;
    }
    switch (frame->type) {
    case FRAME_FLOW_OPEN: take_open(session, frame); break;
    case FRAME_FLOW_CLOSE: take_close(session, frame); break;
    case FRAME_FLOW_LIMIT: take_limit(session, frame); break;
    default: take_datagram(session, subflow, frame);
    }
}
