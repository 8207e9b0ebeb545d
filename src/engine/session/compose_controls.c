/* SPDX-License-Identifier: MIT */
#include "composer.h"

void compose_type(struct composer *c, enum frame_type type)
{
    struct wire_writer w;

    if (!composer_begin(c, &w))
        return;
    frame_write_type(&w, type);
    composer_commit(c, &w, true);
}

static uint64_t wire_budget(uint64_t budget)
{
    return budget == SESSION_UNLIMITED ? 0 : budget;
}

void compose_subflow(struct composer *c)
{
    struct wire_writer w;

    if (!composer_begin(c, &w))
        return;
    frame_write_subflow(&w, c->subflow->path, wire_budget(c->subflow->budget_out),
                        wire_budget(c->subflow->budget_in));
    composer_commit(c, &w, true);
}

static bool write_stream_frame(struct composer *c, struct stream *stream, unsigned control)
{
    static const uint8_t kinds[] = {[STREAM_SEND_OPEN] = SENT_OPEN,
                                    [STREAM_SEND_OPENED] = SENT_OPENED,
                                    [STREAM_SEND_RESET] = SENT_RESET,
                                    [STREAM_SEND_WINDOW] = SENT_STREAM_WINDOW,
                                    [STREAM_SEND_POLICY] = SENT_POLICY};
    struct sent_item item = {.kind = kinds[control], .stream = stream};
    struct wire_writer w;

    composer_begin(c, &w);
    switch (control) {
    case STREAM_SEND_OPEN: frame_write_open(&w, stream->id, stream->target); break;
    case STREAM_SEND_OPENED: frame_write_opened(&w, stream->id); break;
    case STREAM_SEND_RESET:
        frame_write_reset(&w, stream->id, stream->reset_code, stream->out_final);
        break;
    case STREAM_SEND_POLICY: frame_write_policy(&w, stream->id, &stream->policy); break;
    default:
        stream->in_window =
            MAX(stream->in_window,
                stream->in_read + stream_window_target(&c->session->streams, stream));
        frame_write_stream_window(&w, stream->id, stream->in_window);
    }
    if (w.failed || !composer_push(c, &item))
        return false;
    composer_commit(c, &w, true);
    stream->control_pending &= (uint8_t)~control;
    return true;
}

void compose_stream_controls(struct composer *c)
{
    list_foreach(&c->session->streams.control, node, after) {
        struct stream *stream = list_entry(node, struct stream, control);

        for (unsigned control = 1; control <= STREAM_SEND_POLICY; control <<= 1)
            if (stream->control_pending & control &&
                !write_stream_frame(c, stream, control))
                return;
        list_remove(&stream->control);
    }
}

static void add_maximum(struct composer *c, bool *pending, enum frame_type type,
                        enum sent_kind kind, uint64_t value)
{
    struct sent_item item = {.kind = (uint8_t)kind};
    struct wire_writer w;

    if (!*pending || !composer_begin(c, &w))
        return;
    frame_write_maximum(&w, type, value);
    if (w.failed || !composer_push(c, &item))
        return;
    composer_commit(c, &w, true);
    *pending = false;
}

static bool add_path(struct composer *c, unsigned index)
{
    struct path *path = &c->session->paths.items[index];
    const struct path_properties *properties = &path->properties;
    struct frame frame = {.path = {.path = index,
                                   .sequence = path->sequence + 1,
                                   .usable = properties->usable,
                                   .backup = properties->backup,
                                   .small_only = path->small_only,
                                   .cost = properties->cost,
                                   .modes = properties->modes,
                                   .rate_down = properties->rate_down}};
    struct sent_item item = {.kind = SENT_PATH, .number = index};
    struct wire_writer w;

    if (!composer_begin(c, &w))
        return false;
    frame_write_path(&w, &frame);
    if (w.failed || !composer_push(c, &item))
        return false;
    composer_commit(c, &w, true);
    path->sequence++;
    c->session->context.send_paths &= (uint16_t) ~(1u << index);
    return true;
}

/* Sent once: if the losses go on, the next failure sends it again. */
static void add_large_lost(struct composer *c)
{
    struct session *session = c->session;

    for (unsigned i = 0; session->context.large_lost >> i != 0; i++) {
        struct wire_writer w;

        if (!(session->context.large_lost >> i & 1) || !composer_begin(c, &w))
            continue;
        frame_write_large_lost(&w, i, session->paths.items[i].large.failed_bytes);
        if (composer_commit(c, &w, true))
            session->context.large_lost &= (uint16_t) ~(1u << i);
    }
}

void compose_session_controls(struct composer *c)
{
    struct session *session = c->session;
    uint64_t limit = session->streams.ended + session->context.config.stream_limit;

    if (session->context.send_session_window)
        session->streams.in_window = streams_window_next(&session->streams);
    add_maximum(c, &session->context.send_session_window, FRAME_SESSION_WINDOW,
                SENT_SESSION_WINDOW, session->streams.in_window);
    if (session->context.send_stream_limit)
        session->streams.limit = MAX(session->streams.limit, limit);
    add_maximum(c, &session->context.send_stream_limit, FRAME_STREAM_LIMIT,
                SENT_STREAM_LIMIT, session->streams.limit);
    add_maximum(c, &session->context.send_rate, FRAME_RATE, SENT_RATE,
                session->context.config.rate_down);
    if (session->context.config.role == SESSION_RELAY)
        add_large_lost(c);
    for (unsigned i = 0; session->context.send_paths >> i != 0; i++)
        if (session->context.send_paths >> i & 1 && !add_path(c, i))
            return;
}

/* How much of the data that waits may go in this chunk. */
static size_t room_for_data(const struct composer *c)
{
    struct schedule *schedule = &c->session->schedule;
    struct piece piece;

    return sparing_everywhere(schedule) && !scheduler_next(schedule, c->subflow, &piece)
               ? 0
               : composer_room(c);
}

/* The relay sends a DEMAND for the bytes that wait behind this chunk, whenever local's
 * view of them is so wrong that it would dial too many or too few subflows. Local counts
 * down as data arrives, so the value is the sum of offsets that will have been sent, plus
 * the owed bytes. */
void compose_demand(struct composer *c, bool last)
{
    struct session *session = c->session;

    if (session->context.config.role != SESSION_RELAY)
        return;
    size_t room = room_for_data(c);
    uint64_t credit = streams_credit(&session->streams) + session->streams.owed_bytes;
    uint64_t waiting = MIN(session->streams.waiting_bytes, credit);
    uint64_t fresh = waiting - MIN(waiting, session->streams.owed_bytes);
    uint64_t sent = session->streams.out_sum + MIN(fresh, room);
    uint64_t known =
        session->streams.demand_maximum - MIN(session->streams.demand_maximum, sent);
    struct sent_item item = {.kind = SENT_DEMAND};
    struct wire_writer w;

    /* Datagrams are in no sum of offsets, but wait for subflows as streams' data does. */
    waiting += session->flows.waiting_bytes;
    waiting -= MIN(waiting, room);
    if (waiting > 2 * known || 2 * waiting < known || (last && waiting != known))
        session->context.send_demand = true;
    if (!session->context.send_demand || !composer_begin(c, &w))
        return;
    frame_write_demand(&w, session->streams.demand_sequence + 1, sent + waiting);
    if (w.failed || !composer_push(c, &item))
        return;
    composer_commit(c, &w, true);
    session->streams.demand_sequence++;
    session->streams.demand_maximum = sent + waiting;
    session->context.send_demand = false;
}

void compose_close(struct composer *c)
{
    struct session *session = c->session;
    struct wire_writer w;

    if (!composer_begin(c, &w))
        return;
    frame_write_close(&w, session->end_code, session->end_reason);
    if (w.failed) { /* the code alone fits any chunk */
        composer_begin(c, &w);
        frame_write_close(&w, session->end_code, "");
    }
    if (!composer_commit(c, &w, true))
        return;
    session->send_close = false;
    /* The socket is reset at the end, which destroys bytes that have not left it. */
    session->close_deadline_ns =
        MIN(session->close_deadline_ns,
            session->context.now + 4 * subflow_rtt_ns(&session->subflows, c->subflow) +
                ACK_DELAY_NS);
}
