/* SPDX-License-Identifier: MIT */
/* The session's state, and its association: ids of streams, and the end of all that the
 * relay has forgotten. */
#include "session_parts.h"

#include <assert.h>

void session_set_state(struct session *session, enum session_state state)
{
    static const unsigned allowed[] = {
        [SESSION_STATE_CONNECTING] = 1 << SESSION_STATE_UP,
        [SESSION_STATE_UP] = 1 << SESSION_STATE_LOST | 1 << SESSION_STATE_CONNECTING,
        [SESSION_STATE_LOST] = 1 << SESSION_STATE_UP | 1 << SESSION_STATE_CONNECTING,
        [SESSION_STATE_CLOSING] = 1 << SESSION_STATE_CONNECTING,
        [SESSION_STATE_ENDED] = 0,
    };

    if (session->context.state == state)
        return;
    assert(state == SESSION_STATE_CLOSING || state == SESSION_STATE_ENDED ||
           (allowed[session->context.state] >> state & 1));
    (void)allowed;
    if (session->context.state == SESSION_STATE_UP) {
        session->left_up_at_ns = session->context.now;
        session->openings_failed = false;
    }
    session->context.state = state;
    session->context.pool_dirty = true;
}

void session_fail_stream(struct session *session, struct stream *stream,
                         enum reset_code code)
{
    stream_reference(stream);
    if (stream_is_complete(stream))
        stream_end_complete(&session->streams, stream, code);
    else
        stream_fail(&session->streams, stream, code);
    /* The peer is not there to settle anything, and ids may begin anew. */
    stream_abandon(stream);
    stream_send_abort(&session->streams, stream);
    stream_lose_id(&session->streams, stream);
    stream_unreference(&session->streams, stream);
}

void session_fail_streams(struct session *session, enum reset_code code)
{
    list_foreach(&session->streams.all, node, after)
        session_fail_stream(session, list_entry(node, struct stream, node), code);
}

/* Streams that the peer has never heard of can be opened in the next association. */
static void fail_known_streams(struct session *session, enum reset_code code)
{
    list_foreach(&session->streams.all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        if (stream->id != 0 || stream->failed)
            session_fail_stream(session, stream, code);
    }
}

void session_reopen_streams(struct session *session)
{
    struct list *later = session->streams.unassigned.next; /* opened after all of these */

    list_foreach(&session->streams.all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        if (stream->id == 0 || stream->out_state != STREAM_OUT_READY)
            continue;
        stream_lose_id(&session->streams, stream);
        list_insert_before(later, &stream->control);
        stream_update_ready(&session->streams, stream);
    }
}

/* Whether each subflow can carry the OPEN: a name may be too long for a small budget. */
static bool open_fits(const struct session *session, const struct stream *stream)
{
    return JOIN_HEADER_MAX + CHUNK_OVERHEAD + FRAME_SUBFLOW_MAX + BUDGET_RESERVE +
               frame_open_length(session->streams.next_id, stream->target) <=
           session->context.config.budget_up - session->context.config.budget_up_spread;
}

void session_assign_ids(struct session *session)
{
    if (session->context.state != SESSION_STATE_UP)
        return;
    while (session->streams.next_id <= session->streams.limit) {
        struct stream *stream =
            list_first(&session->streams.unassigned, struct stream, control);

        if (stream == NULL)
            return;
        if (!open_fits(session, stream)) {
            stream_fail(&session->streams, stream, RESET_FAILURE);
            continue;
        }
        list_remove(&stream->control);
        stream->out_window = session->streams.initial_window;
        stream_insert(&session->streams, stream, session->streams.next_id++);
        stream_queue_control(&session->streams, stream, STREAM_SEND_OPEN);
        if (stream->policy.mode != STREAM_MODE_SPLIT || stream->policy.paths != 0)
            stream_queue_control(&session->streams, stream, STREAM_SEND_POLICY);
        stream_update_ready(&session->streams, stream);
        session->pool.stream_begun_at_ns = session->context.now;
    }
}

void session_reset_association(struct session *session, enum reset_code code,
                               struct subflow *keep)
{
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow == keep)
            continue;
        ack_forget(&session->subflows, subflow);
        subflow_close(&session->subflows, subflow, SUBFLOW_ABANDONED);
    }
    list_foreach(&session->subflows.limbo, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        ack_forget(&session->subflows, subflow);
        subflow_free(&session->subflows, subflow);
    }
    if (code == RESET_SESSION_LOST && !session->heard)
        session_reopen_streams(session);
    fail_known_streams(session, code);
    flows_reopen(&session->flows);
    session->resume_id = session->resume_order = 0;
    session->association++;
    session->heard = false;
    while (!list_empty(&session->subflows.generations))
        generation_free(&session->subflows, generation_current(&session->subflows));
    ring_deinit(&session->subflows.finals);
    session->subflows.ack_deadline_ns = TIME_NEVER;
    session->subflows.ack_bytes = 0;
    session->subflows.ack_wanted = false;
    session->streams.next_id = 1;
    session->streams.limit = 0;
    session->streams.out_sum = session->streams.out_window = 0;
    session->streams.in_sum = session->streams.in_consumed = 0;
    session->streams.in_window = SESSION_WINDOW_INITIAL;
    session->streams.demand_maximum = session->streams.demand_sequence = 0;
    session->context.send_session_window = session->context.send_stream_limit =
        session->context.send_demand = false;
    session->pool.rekey_at_ns = TIME_NEVER;
    session->pool.silent_since_ns = TIME_NEVER;
    session_tell_paths(session);
}

void session_begin_anew_if_stale(struct session *session)
{
    uint64_t silent_for_ns = session->context.now - session->contact_at_ns;
    bool vacant = session->subflows.open_count == 0 && list_empty(&session->streams.all) &&
                  session->flows.count == 0;

    if ((session->context.state != SESSION_STATE_UP &&
         session->context.state != SESSION_STATE_LOST) ||
        silent_for_ns < session->context.config.linger_ns / (vacant ? 2 : 1))
        return;
    session_reset_association(session, RESET_LINGER, NULL);
    session_set_state(session, SESSION_STATE_CONNECTING);
}
