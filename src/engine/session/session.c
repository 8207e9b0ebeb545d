/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/session/session.h>

#include "session_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *reset_code_string(enum reset_code code)
{
    switch (code) {
    case RESET_CANCELLED: return "connection reset";
    case RESET_FAILURE: return "general failure";
    case RESET_DENIED: return "not allowed by the relay's rules for destinations";
    case RESET_NETWORK_UNREACHABLE: return "network unreachable";
    case RESET_HOST_UNREACHABLE: return "host unreachable";
    case RESET_REFUSED: return "connection refused";
    case RESET_TIMED_OUT: return "connection timed out";
    case RESET_NAME_NOT_FOUND: return "name not found";
    case RESET_NAME_FAILURE: return "name could not be resolved";
    case RESET_LIMIT: return "a bound was met";
    case RESET_PROTOCOL: return "protocol violation";
    case RESET_HALF_CLOSED:
        return "one direction had ended, and nothing moved any more (timeouts.half_closed)";
    case RESET_SESSION_LOST: return "the relay no longer knows the session";
    case RESET_RELAY_UNREACHABLE: return "the relay cannot be reached";
    case RESET_LINGER: return "no contact with the peer for the linger time";
    case RESET_SESSION_CLOSED: return "the peer closed the session";
    case RESET_RELAY_SILENT:
        return "connections to the relay are taken, but it does not answer (keys, clock, "
               "or "
               "another machine)";
    case RESET_SESSION_REFUSED: return "the relay refuses a session";
    case RESET_BLOCKED: return "not allowed by a rule of local's configuration";
    }
    return "unknown reason";
}

const char *close_code_string(enum close_code code)
{
    switch (code) {
    case CLOSE_ASKED: return "closed";
    case CLOSE_RULE: return "a rule of the protocol was broken";
    case CLOSE_REMOVED: return "the relay does not list this key any more";
    case CLOSE_LIMIT: return "the relay serves no further session of this key";
    case CLOSE_STOPPED: return "the other side is being stopped";
    case CLOSE_LINGER: return "no contact for the linger time";
    case CLOSE_FAILURE: return "internal failure";
    }
    return "unknown reason";
}

static bool copies_wait(const void *schedule, struct stream *stream)
{
    return redundant_waits(schedule, stream);
}

/* Gives each room the context and the rooms below it. */
static void compose(struct session *session)
{
    struct context *context = &session->context;
    struct paths *paths = &session->paths;
    struct streams *streams = &session->streams;
    struct flows *flows = &session->flows;
    struct subflows *subflows = &session->subflows;
    struct schedule *schedule = &session->schedule;
    struct pool *pool = &session->pool;

    paths->context = streams->context = subflows->context = context;
    flows->context = context;
    flows->paths = paths;
    subflows->flows = schedule->flows = pool->flows = flows;
    schedule->context = pool->context = context;
    streams->paths = subflows->paths = schedule->paths = pool->paths = paths;
    subflows->streams = schedule->streams = pool->streams = streams;
    schedule->subflows = pool->subflows = subflows;
    pool->schedule = schedule;
    streams->copies_wait = copies_wait;
    streams->schedule = schedule;
}

struct session *session_make(const struct session_config *config, uint64_t now)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return NULL;
    compose(session);
    session->context.config = *config;
    account_init(&session->streams.alone, config->pages, NULL);
    session->streams.account =
        config->account != NULL ? config->account : &session->streams.alone;
    named_ids_init(&session->streams.named, &session->streams.account->records);
    session->context.config.linger_ns = MAX(config->linger_ns, LINGER_MIN_NS);
    session->context.now = now;
    session->context.random_state = config->seed;
    list_init(&session->admitted);
    list_init(&session->subflows.generations);
    list_init(&session->subflows.all);
    list_init(&session->subflows.limbo);
    list_init(&session->streams.all);
    list_init(&session->streams.control);
    list_init(&session->streams.unassigned);
    list_init(&session->subflows.ack_queue);
    for (unsigned class = 0; class < STREAM_CLASSES; class ++)
        list_init(&session->streams.ready[class]);
    flows_init(&session->flows, session->streams.account);
    ring_init(&session->subflows.finals, sizeof(struct final_ack));
    ring_init(&session->context.events, sizeof(struct session_event));
    session->subflows.limbo_wake_at_ns = TIME_NEVER;
    session->subflows.ack_deadline_ns = TIME_NEVER;
    session->pool.hello_race_at_ns = TIME_NEVER;
    session->pool.rekey_at_ns = TIME_NEVER;
    session->close_deadline_ns = TIME_NEVER;
    session->pool.silent_since_ns = TIME_NEVER;
    session->pool.wake_at_ns = TIME_NEVER;
    session->streams.next_id = 1;
    session->streams.in_window = SESSION_WINDOW_INITIAL;
    session->contact_at_ns = now;
    session->streams.by_id_size = 16;
    session->streams.by_id = calloc(session->streams.by_id_size, sizeof(struct stream *));
    if (session->streams.by_id == NULL) {
        free(session);
        return NULL;
    }
    return session;
}

struct session *session_new(const struct session_config *config, uint64_t now)
{
    struct session *session = session_make(config, now);

    if (session == NULL)
        return NULL;
    for (unsigned i = 0; i < config->path_count; i++) {
        session->paths.items[i].properties.usable = true;
        packets_reset(&session->subflows, &session->paths.items[i]);
        if (port_chooser_init(&session->paths.items[i].ports, config->port_count,
                              config->dials_per_second) != OK ||
            path_limits_init(&session->paths.items[i].limits, config->port_count) != OK) {
            session_free(session);
            return NULL;
        }
    }
    rate_limit_set(&session->paths.rate_limit, config->rate_up, now);
    session->context.state = SESSION_STATE_CONNECTING;
    session->context.pool_dirty = true;
    return session;
}

static void free_subflows(struct session *session, struct list *list)
{
    list_foreach(list, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        ack_forget(&session->subflows, subflow);
        subflow_free(&session->subflows, subflow);
    }
}

static void release_event(struct session *session)
{
    if (session->event_subflow != NULL) {
        subflow_free(&session->subflows, session->event_subflow);
        session->event_subflow = NULL;
    }
    if (session->event_stream != NULL) {
        struct stream *stream = session->event_stream;

        session->event_stream = NULL;
        stream_unreference(&session->streams, stream);
    }
    if (session->event_flow != NULL) {
        flow_event_done(session->event_flow);
        session->event_flow = NULL;
    }
}

static void drop_events(struct session *session)
{
    release_event(session);
    while (session->context.events.count > 0) {
        struct session_event *event = ring_at(&session->context.events, 0);
        struct stream *stream = event->stream;
        struct subflow *subflow = event->subflow;
        struct flow *flow = event->flow;

        ring_pop(&session->context.events);
        if (stream != NULL)
            stream_unreference(&session->streams, stream);
        if (flow != NULL)
            flow_event_done(flow);
        if (subflow != NULL) {
            subflow->event_pending = false;
            if (subflow->state == SUBFLOW_STATE_LIMBO && !list_linked(&subflow->node))
                subflow_free(&session->subflows, subflow);
        }
    }
}

/* Drops borrowed data: a driver may free on SESSION_ENDED, before session_settle(). */
static void drop_borrowed(struct session *session)
{
    for (size_t i = 0; i < session->streams.borrowed_count; i++)
        stream_unreference(&session->streams, session->streams.borrowed[i].stream);
    session->streams.borrowed_count = 0;
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    session->context.state = SESSION_STATE_ENDED;
    list_remove(&session->admitted);
    drop_borrowed(session);
    drop_events(session);
    list_foreach(&session->streams.all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        stream->borrowed = NULL;
        stream_reference(stream); /* until its subflows' records are gone */
    }
    list_foreach(&session->subflows.all, node, after) {
        (void)node;
        share_give(&session->streams.account->subflows, 1);
    }
    free_subflows(session, &session->subflows.all);
    free_subflows(session, &session->subflows.limbo);
    list_foreach(&session->streams.all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        stream->released = true;
        stream->control_pending = 0;
        stream_discard(&session->streams, stream);
        stream_abandon(stream);
        stream_unreference(&session->streams, stream);
    }
    assert(list_empty(&session->streams.all));
    list_foreach(&session->subflows.generations, node, after) {
        generation_free(&session->subflows, list_entry(node, struct generation, node));
    }
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        port_chooser_deinit(&session->paths.items[i].ports);
        path_limits_deinit(&session->paths.items[i].limits);
    }
    flows_deinit(&session->flows);
    ring_deinit(&session->subflows.finals);
    ring_deinit(&session->context.events);
    free(session->streams.by_id);
    named_ids_deinit(&session->streams.named);
    explicit_bzero(&session->context.config, sizeof(session->context.config));
    free(session);
}

/* ---- events ---- */

/* Releases the event's subflow; false when the event is no longer of interest. */
static bool take_subflow(struct session *session, struct session_event *event)
{
    struct subflow *subflow = event->subflow;
    bool wanted = !subflow->driver_done;

    if (event->type == SESSION_DIAL) {
        /* abandoned before it was dialled: drop its close event, too */
        if (subflow->state == SUBFLOW_STATE_LIMBO) {
            subflow->driver_done = true;
            return false;
        }
        subflow->event_pending = false;
        return wanted;
    }
    subflow->event_pending = false;
    subflow->driver_done = true;
    if (!list_linked(&subflow->node))
        session->event_subflow = subflow; /* settled meanwhile */
    return wanted;
}

bool session_next_event(struct session *session, struct session_event *event)
{
    release_event(session);
    if (session->context.failure != OK)
        session_fail(session, session->context.failure, session->context.failure_reason);
    if (session->context.events.count == 0 && session->context.pool_dirty)
        pool_update(&session->pool);
    while (session->context.events.count > 0) {
        bool wanted = true;

        *event = *(struct session_event *)ring_at(&session->context.events, 0);
        ring_pop(&session->context.events);
        if (event->subflow != NULL)
            wanted = take_subflow(session, event);
        if (event->flow != NULL) {
            session->event_flow = event->flow; /* done with at the next call */
            /* The driver has not heard of a flow that ended before it was told. */
            wanted = !event->flow->left &&
                     (event->type == SESSION_FLOW_CLOSED ? event->flow->known
                                                         : !event->flow->ended);
            event->flow->known |= wanted;
        }
        if (event->stream != NULL) {
            session->event_stream = event->stream; /* dereferenced at the next call */
            wanted = !event->stream->released || event->type == SESSION_SHED;
            if (wanted && event->type == SESSION_STREAM_INCOMING) {
                session->event_target = *event->stream->target;
                event->target = &session->event_target;
                free(event->stream->target);
                event->stream->target = NULL;
            }
        }
        if (wanted)
            return true;
        release_event(session);
    }
    event->type = SESSION_NO_EVENT;
    return false;
}

/* ---- the end ---- */

enum reset_code session_end_reset(const struct session *session)
{
    if (session->end_code == CLOSE_LINGER)
        return RESET_LINGER;
    if (session->end_error == ERROR_CLOSED &&
        (session->end_code == CLOSE_LIMIT || session->end_code == CLOSE_REMOVED))
        return RESET_SESSION_REFUSED;
    return session->end_error == OK || session->end_error == ERROR_CLOSED
               ? RESET_SESSION_CLOSED
               : RESET_PROTOCOL;
}

static void end(struct session *session)
{
    struct session_event *event;

    if (session->context.state == SESSION_STATE_ENDED)
        return;
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        ack_forget(&session->subflows, subflow);
        subflow_close(&session->subflows, subflow, SUBFLOW_ABANDONED);
    }
    session_fail_streams(session, session_end_reset(session));
    flows_end_all(&session->flows, FLOW_CLOSE_SESSION);
    session_set_state(session, SESSION_STATE_ENDED);
    event = outbox_push(&session->context, SESSION_ENDED);
    event->error = session->end_error;
    event->close = session->end_code;
    event->reason = session->end_reason;
}

static void begin_closing(struct session *session, enum error error, enum close_code code,
                          const char *reason, bool tell)
{
    if (session->context.state >= SESSION_STATE_CLOSING)
        return;
    session->end_error = error;
    session->end_code = code;
    snprintf(session->end_reason, sizeof(session->end_reason), "%s", reason);
    session->send_close = tell;
    session->close_deadline_ns =
        tell ? session->context.now + CLOSE_WAIT_NS : session->context.now;
    session_fail_streams(session, session_end_reset(session));
    flows_end_all(&session->flows, FLOW_CLOSE_SESSION);
    session_set_state(session, SESSION_STATE_CLOSING);
    if (!tell)
        end(session);
}

void session_fail(struct session *session, enum error error, const char *reason)
{
    begin_closing(session, error, error == ERROR_PROTOCOL ? CLOSE_RULE : CLOSE_FAILURE,
                  reason, true);
}

void session_closed_by_peer(struct session *session, enum close_code code,
                            const char *reason)
{
    begin_closing(session, ERROR_CLOSED, code, reason, false);
}

void session_close(struct session *session, enum close_code code, const char *reason,
                   uint64_t now)
{
    session->context.now = now;
    begin_closing(session, OK, code, reason != NULL ? reason : close_code_string(code),
                  session->context.state == SESSION_STATE_UP &&
                      session->subflows.open_count > 0);
}

void session_finish_closing(struct session *session)
{
    if (session->context.state == SESSION_STATE_CLOSING)
        end(session);
}

/* ---- small accessors ---- */

unsigned session_stream_count(const struct session *session)
{
    unsigned count = 0;

    list_foreach_const(&session->streams.all, node)
        count++;
    return count;
}

void session_set_user(struct session *session, void *user)
{
    session->user = user;
}

void *session_user(const struct session *session)
{
    return session->user;
}

uint64_t session_id(const struct session *session)
{
    const struct generation *generation = generation_current(&session->subflows);

    return generation == NULL ? 0 : generation->id;
}

bool session_is_closing(const struct session *session)
{
    return session->context.state >= SESSION_STATE_CLOSING;
}

uint64_t session_stamp(const struct session *session)
{
    return session->stamp;
}

const struct session_counters *session_counters(const struct session *session)
{
    return &session->context.counters;
}
