/* SPDX-License-Identifier: MIT */
#include "composer.h"

static bool add_open(struct composer *c, const struct flow *flow)
{
    struct sent_item item = {.kind = SENT_FLOW_OPEN, .number = flow->id};
    struct wire_writer w;

    if (!composer_begin(c, &w))
        return false;
    frame_write_flow_open(&w, flow->id, &flow->policy);
    if (w.failed || !composer_push(c, &item))
        return false;
    return composer_commit(c, &w, true);
}

static bool add_close(struct composer *c, const struct flow_closing *closing)
{
    struct sent_item item = {
        .kind = SENT_FLOW_CLOSE, .number = closing->id, .offset = closing->code};
    struct wire_writer w;

    if (!composer_begin(c, &w))
        return false;
    frame_write_flow_close(&w, closing->id, closing->code);
    if (w.failed || !composer_push(c, &item))
        return false;
    return composer_commit(c, &w, true);
}

void compose_flow_controls(struct composer *c)
{
    struct flows *flows = &c->session->flows;
    struct sent_item item = {.kind = SENT_FLOW_LIMIT};
    struct wire_writer w;

    list_foreach(&flows->control, node, after) {
        if (!add_open(c, list_entry(node, struct flow, control)))
            return;
        list_remove(node);
    }
    while (flows->closing.count > 0) {
        if (!add_close(c, ring_at(&flows->closing, 0)))
            return;
        ring_pop(&flows->closing);
    }
    if (!flows->send_limit || !composer_begin(c, &w))
        return;
    flows->limit = MAX(flows->limit, flows_limit_next(flows));
    frame_write_maximum(&w, FRAME_FLOW_LIMIT, flows->limit);
    if (w.failed || !composer_push(c, &item))
        return;
    composer_commit(c, &w, true);
    flows->send_limit = false;
}

/* Copies the datagram into the chunk, since it may be freed as soon as it counts as
 * sent. */
static bool add_datagram(struct composer *c, const struct datagram *datagram)
{
    struct wire_writer w;
    struct frame frame;
    bool with_length;

    datagram_frame(datagram, &frame);
    /* A frame that fills the chunk needs no length. */
    with_length =
        frame_datagram_header_length(&frame, false) + datagram->length < composer_room(c);
    if (!composer_begin(c, &w))
        return false;
    frame_write_datagram_header(&w, &frame, with_length);
    wire_write_bytes(&w, datagram->bytes, datagram->length);
    return composer_commit(c, &w, true);
}

/* Bytes of a FLOW_OPEN, at most. */
#define OPEN_MAX 24

/* A FLOW_OPEN that is lost holds up all datagrams of its flow: so each of them brings one
 * along, on every way that it takes, until one has come. */
static void bring_open(struct composer *c, const struct datagram *datagram)
{
    struct flow *flow = datagram->flow;
    struct frame frame;

    if (c->session->context.config.role != SESSION_LOCAL || flow->opened)
        return;
    datagram_frame(datagram, &frame);
    if (composer_room(c) <
            OPEN_MAX + frame_datagram_header_length(&frame, true) + datagram->length ||
        !add_open(c, flow))
        return;
    list_remove(&flow->control);
}

static bool compose(struct composer *c, struct datagram *datagram)
{
    struct session *session = c->session;
    struct sent_item item = {
        .kind = SENT_DATAGRAM, .datagram = datagram, .length = datagram->length};

    bring_open(c, datagram);
    if (!add_datagram(c, datagram))
        return false;
    session->data_at_ns = c->subflow->used_at_ns = session->context.now;
    session->schedule.composed_bytes = c->length;
    if (!flows_sent(&session->schedule, datagram, c->subflow)) {
        c->unkept_bytes += (uint32_t)item.length;
    } else if (!composer_push(c, &item)) {
        datagram_forget(&session->flows, datagram);
        session_fail(session, ERROR_MEMORY, "out of memory");
    }
    return true;
}

bool compose_datagram(struct composer *c, bool large)
{
    struct datagram *datagram = flows_next(&c->session->schedule, c->subflow, large);

    return datagram != NULL && compose(c, datagram);
}

bool compose_turn(struct composer *c)
{
    struct datagram *datagram = flows_next(&c->session->schedule, c->subflow, true);

    return datagram != NULL && flows_turn(&c->session->schedule, datagram) &&
           compose(c, datagram);
}
