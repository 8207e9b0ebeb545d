/* SPDX-License-Identifier: MIT */
#include "session_parts.h"

/* While credit is short, parked bytes are searched, and a starved stream is told of room,
 * this often. */
#define CHECK_NS (100 * NS_PER_MS)
/* Streams that wait for a session fail sooner when every dial is refused. */
#define OPEN_WAIT_REFUSED_NS (3 * NS_PER_S)
#define EXPLICIT_FAILURES 3
/* They also fail sooner when two HELLOs were not answered; see HELLO_ANSWER_NS. */
#define OPEN_WAIT_UNPROVEN_NS (2500 * NS_PER_MS)
#define UNPROVEN_TOLD 2
/* The session counts as lost when nothing was heard for so long after a dial. */
#define SILENCE_MIN_NS (500 * NS_PER_MS)
#define SILENCE_MAX_NS (3 * NS_PER_S)

/* How long a subflow that was reset waits for the GONE that tells why. */
#define UNTOLD_NS (2 * NS_PER_S)

/* ---- when something is due ---- */

/* Local: when the subflow has reached its greatest age, even if it is busy. */
static uint64_t age_timeout(const struct session *session, const struct subflow *subflow)
{
    if (session->context.config.role != SESSION_LOCAL || subflow->retire ||
        subflow->end_sent || subflow->end_received)
        return TIME_NEVER;
    return subflow->up_at_ns + KEY_LIFE_NS;
}

static uint64_t open_timeout(const struct session *session, const struct subflow *subflow)
{
    uint64_t last_at_ns = MAX(subflow->sent_at_ns, subflow->received_at_ns);
    bool local = session->context.config.role == SESSION_LOCAL;
    uint64_t when;

    if (subflow_outstanding(subflow))
        return subflow->progress_at_ns +
               (subflow->suspect ? subflow_death_ns(&session->subflows, subflow)
                                 : subflow_stall_ns(&session->subflows, subflow));
    if (!local)
        return subflow->end_sent && subflow->end_received
                   ? last_at_ns + CLOSED_BOTH_NS
                   : subflow->received_at_ns + 2 * KEEPALIVE_NS +
                         subflow_stall_ns(&session->subflows, subflow);
    when = last_at_ns + keepalive_ns(&session->subflows, subflow->path);
    /* The relay has data, but nothing comes: only a PING shows whether it can send. */
    if (streams_peer_demand(&session->streams) > 0 && subflow_usable(subflow))
        when = MIN(when, MAX(session->contact_at_ns, subflow->sent_at_ns) +
                             subflow_stall_ns(&session->subflows, subflow));
    return when;
}

/* A relay answers a HELLO in one round trip. The kernel's time-out is at least 200 ms and
 * doubles: three segments may be lost in this time. */
#define HELLO_ANSWER_NS (2 * NS_PER_S)

static uint64_t answer_limit_ns(const struct session *session,
                                const struct subflow *subflow)
{
    uint64_t rtt_ns = path_rtt_ns(&session->paths.items[subflow->path]);

    return MIN(MAX(8 * rtt_ns, HELLO_ANSWER_NS), DIAL_TIMEOUT_MAX_NS);
}

static uint64_t subflow_timeout(const struct session *session,
                                const struct subflow *subflow)
{
    switch ((enum subflow_state)subflow->state) {
    case SUBFLOW_STATE_DIALLING: return subflow->deadline_ns;
    case SUBFLOW_STATE_HELLO: return subflow->up_at_ns + answer_limit_ns(session, subflow);
    case SUBFLOW_STATE_OPEN:
        return MIN(age_timeout(session, subflow), open_timeout(session, subflow));
    case SUBFLOW_STATE_LIMBO: break;
    }
    return TIME_NEVER;
}

static bool credit_is_short(const struct session *session)
{
    return session->streams.in_window - session->streams.in_sum <
           SESSION_WINDOW_INITIAL / 4;
}

/* Whether no path works, and on at least one of them something accepts connections and
 * does not answer, or is not the relay: then waiting streams need not wait for long. */
static bool nobody_answers(const struct session *session)
{
    bool any = false;

    if (session->pool.hellos_unproven < UNPROVEN_TOLD)
        return false;
    for (unsigned i = 0; i < session->context.config.path_count; i++) {
        const struct path *path = &session->paths.items[i];

        if (!path->properties.usable)
            continue;
        if (path->reason == PATH_REASON_UNTRIED || path->reason == PATH_REASON_WORKS)
            return false;
        any |=
            path->reason == PATH_REASON_UNANSWERED || path->reason == PATH_REASON_STRANGER;
    }
    return any;
}

/* How long a stream may wait while no relay can be reached. */
static uint64_t open_wait_ns(const struct session *session)
{
    if (nobody_answers(session))
        return OPEN_WAIT_UNPROVEN_NS;
    return session->pool.explicit_failures >= EXPLICIT_FAILURES ? OPEN_WAIT_REFUSED_NS
                                                                : OPEN_WAIT_NS;
}

/* Until when the stream may wait for a session. Its wait for an id during an earlier
 * session does not count. */
static uint64_t open_wait_until(const struct session *session, const struct stream *stream)
{
    return MAX(stream->read_at_ns, session->left_up_at_ns) + open_wait_ns(session);
}

/* Local: when streams fail that have an id, and about which the relay has said nothing
 * yet. The wait begins when the session was last up. */
static uint64_t opening_until(const struct session *session)
{
    if (session->context.config.role != SESSION_LOCAL || session->openings_failed ||
        session->context.state == SESSION_STATE_UP)
        return TIME_NEVER;
    return session->left_up_at_ns + open_wait_ns(session);
}

static uint64_t silence_limit_ns(const struct session *session)
{
    uint64_t rtt_ns = 0;

    /* A dial and the first answer take two round trips, on whichever path they go. */
    for (unsigned i = 0; i < session->context.config.path_count; i++)
        if (session->paths.items[i].subflows > 0)
            rtt_ns = MAX(rtt_ns, path_rtt_ns(&session->paths.items[i]));
    return MIN(MAX(4 * rtt_ns, SILENCE_MIN_NS), SILENCE_MAX_NS);
}

/* Relay: whether only such streams are left that have all their data and wait for a slow
 * reader: their bytes were acknowledged, so local takes them for delivered. */
static bool only_readers_left(const struct session *session)
{
    bool any = false;

    list_foreach_const(&session->streams.all, node) {
        const struct stream *stream = (const struct stream *)node; /* its first member */

        if (stream->released)
            continue;
        if (!stream_send_done(stream) || stream->discard ||
            stream->in_next != stream->in_final)
            return false;
        any = true;
    }
    return any;
}

/* When the session is lost (local) or forgotten (relay) for want of contact. */
static uint64_t contact_timeout(const struct session *session)
{
    bool local = session->context.config.role == SESSION_LOCAL;
    uint64_t lost_at = session->contact_at_ns + session->context.config.linger_ns;
    uint64_t when = TIME_NEVER;

    if (session->context.state == SESSION_STATE_UP &&
        session->pool.silent_since_ns != TIME_NEVER)
        when = session->pool.silent_since_ns + silence_limit_ns(session);
    /* With nothing to lose, local waits until a stream needs the relay. The relay looks at
     * all of the streams, so it does that when the time has come, not for each chunk. */
    if (local ? session->context.state != SESSION_STATE_CONNECTING &&
                    pool_active(&session->pool)
              : lost_at > session->context.now || !only_readers_left(session))
        when = MIN(when, lost_at);
    return when;
}

/* When the path is probed next; TIME_NEVER: not at all. A path whose use costs money gets
 * no probes. */
static uint64_t probe_timeout(const struct session *session, unsigned index)
{
    const struct path *path = &session->paths.items[index];

    if ((session->paths.live & (session->paths.live - 1)) == 0 ||
        !(session->paths.live >> index & 1) || path->properties.cost > 0 ||
        path->properties.backup || session->data_at_ns + PROBE_NS <= session->context.now)
        return TIME_NEVER;
    return MAX(path->heard_at_ns, path->probed_at_ns) + PROBE_NS;
}

static bool data_waits(const struct session *session)
{
    if (!list_empty(&session->flows.small) || !list_empty(&session->flows.large))
        return true;
    for (unsigned class = 0; class < STREAM_CLASSES; class ++)
        if (!list_empty(&session->streams.ready[class]))
            return true;
    return false;
}

/* When a ceiling lets data pass again. */
static uint64_t ceiling_timeout(const struct session *session)
{
    uint64_t soonest = TIME_NEVER;

    if (!data_waits(session))
        return TIME_NEVER;
    for (unsigned i = 0; session->paths.live >> i != 0; i++)
        if (session->paths.live >> i & 1)
            soonest = MIN(soonest, rate_limit_next(&session->paths.items[i].rate_limit,
                                                   session->context.now));
    soonest =
        MAX(soonest, rate_limit_next(&session->paths.rate_limit, session->context.now));
    return soonest > session->context.now ? soonest : TIME_NEVER;
}

/* When another subflow may help this one, or copy the data of its path. */
static uint64_t late_timeout(const struct session *session, const struct subflow *subflow)
{
    uint64_t when = reinjection_late_at_ns(&session->schedule, subflow);

    if (when <= session->context.now)
        when += path_patience_ns(&session->paths.items[subflow->path]);
    return when > session->context.now ? when : TIME_NEVER;
}

uint64_t session_next_timeout(const struct session *session)
{
    uint64_t when =
        MIN(pool_next_timeout(&session->pool), session->subflows.limbo_wake_at_ns);

    if (session->context.state == SESSION_STATE_ENDED)
        return TIME_NEVER;
    if (session->context.state == SESSION_STATE_CLOSING)
        return session->close_deadline_ns;
    /* An ACK that no subflow can carry waits for a new subflow. */
    if (ack_waiting(&session->subflows) &&
        session->subflows.ack_deadline_ns > session->context.now)
        when = MIN(when, session->subflows.ack_deadline_ns);
    list_foreach_const(&session->subflows.all, node) {
        const struct subflow *subflow = (const struct subflow *)node;

        when = MIN(when, subflow_timeout(session, subflow));
        if (session->subflows.open_count > 1)
            when = MIN(when, late_timeout(session, subflow));
    }
    if (session->context.state != SESSION_STATE_UP &&
        !list_empty(&session->streams.unassigned))
        when = MIN(when, open_wait_until(session, list_first(&session->streams.unassigned,
                                                             struct stream, control)));
    when = MIN(when, opening_until(session));
    when = MIN(when, MIN(ceiling_timeout(session), session_flows_timeout(session)));
    when = MIN(when, MIN(restraint_timeout(&session->schedule),
                         sparing_timeout(&session->schedule)));
    for (unsigned i = 0; session->paths.live >> i != 0; i++)
        when = MIN(when, MIN(packets_timeout(&session->subflows, i),
                             MIN(probe_timeout(session, i),
                                 path_doubt_timeout(&session->paths, i))));
    if (session->streams.starved || session->streams.starved_since_ns != 0 ||
        (credit_is_short(session) && session->streams.count > 0))
        when = MIN(when, session->checked_at_ns + CHECK_NS);
    /* Once the rekey is due, the pool waits for its chance. */
    if (session->context.state == SESSION_STATE_UP &&
        session->pool.rekey_at_ns > session->context.now)
        when = MIN(when, session->pool.rekey_at_ns);
    return MIN(when, contact_timeout(session));
}

/* ---- what happens then ---- */

/* A JOIN was never answered: the path drops it, or the relay has lost the session. In the
 * second case the other idle subflows are dead, too, and do not show it: send PINGs on
 * them. */
static void doubt(struct session *session)
{
    session->subflows.doubt_since_ns = session->context.now;
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow_usable(subflow) && !subflow_outstanding(subflow))
            subflow_ask(&session->subflows, subflow);
    }
}

static void stalled(struct session *session, struct subflow *subflow)
{
    if (session->context.config.role == SESSION_LOCAL && !subflow->confirmed &&
        !subflow->suspect)
        doubt(session);
    if (session->context.now - subflow->progress_at_ns <
        subflow_death_ns(&session->subflows, subflow)) {
        subflow_set_suspect(&session->subflows, subflow, true);
        return;
    }
    struct path *path = &session->paths.items[subflow->path];

    path->stalled_since_ns = MAX(path->stalled_since_ns, subflow->progress_at_ns);
    if (session->context.config.role == SESSION_LOCAL && !subflow->confirmed)
        pool_unproven(&session->pool, subflow, UNPROVEN_SILENT);
    keepalive_note_died(&session->subflows, subflow);
    /* Where large packets vanish, the connection would go on with smaller ones. */
    if (subflow_witnessed(&session->subflows, subflow) && subflow->large_at_ns == 0)
        subflow->cause = SUBFLOW_CAUSE_FROZEN;
    subflow_close(&session->subflows, subflow, SUBFLOW_ABANDONED);
}

static void tick_open(struct session *session, struct subflow *subflow)
{
    bool local = session->context.config.role == SESSION_LOCAL;

    if (age_timeout(session, subflow) <= session->context.now)
        subflow_retire(&session->subflows, subflow);
    if (open_timeout(session, subflow) > session->context.now)
        return;
    if (subflow_outstanding(subflow)) {
        stalled(session, subflow);
        return;
    }
    if (!local) {
        subflow_close(&session->subflows, subflow,
                      subflow->end_sent ? SUBFLOW_ORDERLY : SUBFLOW_ABANDONED);
        return;
    }
    keepalive_note_asked(&session->subflows, subflow->path);
    subflow_ask(&session->subflows, subflow);
    /* A subflow that cannot send a PING yet is looked at again after the same time. */
    if (!subflow->ping)
        subflow->sent_at_ns = session->context.now;
}

static void tick_subflow(struct session *session, struct subflow *subflow)
{
    if (subflow_timeout(session, subflow) > session->context.now)
        return;
    switch ((enum subflow_state)subflow->state) {
    case SUBFLOW_STATE_DIALLING:
        subflow->unproven = UNPROVEN_DIAL;
        pool_dial_timed_out(&session->pool, subflow);
        subflow_close(&session->subflows, subflow, SUBFLOW_ABANDONED);
        break;
    case SUBFLOW_STATE_HELLO:
        /* A relay's answer is one segment, so a part of one is not a relay's. */
        pool_unproven(&session->pool, subflow,
                      subflow->heard ? UNPROVEN_STRANGE : UNPROVEN_SILENT);
        subflow_close(&session->subflows, subflow, SUBFLOW_ABANDONED);
        break;
    case SUBFLOW_STATE_OPEN: tick_open(session, subflow); break;
    case SUBFLOW_STATE_LIMBO: break;
    }
}

static void tick_limbo(struct session *session)
{
    if (session->subflows.limbo_wake_at_ns > session->context.now)
        return;
    session->subflows.limbo_wake_at_ns = TIME_NEVER;
    list_foreach(&session->subflows.limbo, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->deadline_ns > session->context.now) {
            session->subflows.limbo_wake_at_ns =
                MIN(session->subflows.limbo_wake_at_ns, subflow->deadline_ns);
            continue;
        }
        ack_requeue(&session->subflows, subflow);
        if (subflow->cause == SUBFLOW_CAUSE_UNTOLD && !subflow->lingers) {
            subflow->lingers = true;
            subflow->deadline_ns = session->context.now + UNTOLD_NS;
            session->subflows.limbo_wake_at_ns =
                MIN(session->subflows.limbo_wake_at_ns, subflow->deadline_ns);
            continue;
        }
        subflow_free(&session->subflows, subflow);
    }
}

static void fail_opening(struct session *session, struct stream *stream)
{
    stream_fail(&session->streams, stream,
                nobody_answers(session) ? RESET_RELAY_SILENT : RESET_RELAY_UNREACHABLE);
}

/* Fails streams whose application waits too long for an answer. Opened streams wait for
 * the relay as long as `linger` allows; the others wait for less. */
static void tick_opening(struct session *session)
{
    if (session->context.state == SESSION_STATE_UP)
        return;
    list_foreach(&session->streams.unassigned, node, after) {
        struct stream *stream = list_entry(node, struct stream, control);

        if (open_wait_until(session, stream) <= session->context.now)
            fail_opening(session, stream);
    }
    if (opening_until(session) > session->context.now)
        return;
    session->openings_failed = true;
    list_foreach(&session->streams.all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        if (stream->id != 0 && !stream->opened && !stream->failed && !stream->released)
            fail_opening(session, stream);
    }
}

static void tick_probes(struct session *session)
{
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (!subflow_usable(subflow) ||
            probe_timeout(session, subflow->path) > session->context.now)
            continue;
        session->paths.items[subflow->path].probed_at_ns = session->context.now;
        if (!subflow_outstanding(subflow))
            subflow_ask(&session->subflows, subflow);
    }
}

static void tick_checks(struct session *session)
{
    if (session->checked_at_ns + CHECK_NS > session->context.now)
        return;
    session->checked_at_ns = session->context.now;
    if (credit_is_short(session))
        streams_return_parked(&session->streams);
    streams_tick_starved(&session->streams);
}

static void tick_contact(struct session *session)
{
    if (contact_timeout(session) > session->context.now)
        return;
    if (session->contact_at_ns + session->context.config.linger_ns <=
        session->context.now) {
        if (session->context.config.role == SESSION_RELAY) {
            session_close(session, CLOSE_LINGER, NULL, session->context.now);
            return;
        }
        session_reset_association(session, RESET_LINGER, NULL);
        session_set_state(session, SESSION_STATE_CONNECTING);
        return;
    }
    if (session->context.config.role == SESSION_LOCAL) {
        session_set_state(session, SESSION_STATE_LOST);
        outbox_push(&session->context, SESSION_LOST);
    }
    session->pool.silent_since_ns = TIME_NEVER;
}

void session_tick(struct session *session, uint64_t now)
{
    session->context.now = now;
    if (session->context.state == SESSION_STATE_CLOSING &&
        session->close_deadline_ns <= now)
        session_finish_closing(session);
    if (session->context.state >= SESSION_STATE_CLOSING)
        return;
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (session->subflows.open_count > 1 &&
            reinjection_late_at_ns(&session->schedule, subflow) <= session->context.now) {
            ack_hedge(&session->subflows, subflow);
            flows_note_late(&session->schedule, subflow);
        }
        tick_subflow(session, subflow);
    }
    subflows_judge_stalled(&session->subflows);
    tick_limbo(session);
    tick_probes(session);
    tick_opening(session);
    tick_checks(session);
    session_tick_flows(session);
    tick_contact(session);
    if (session->pool.wake_at_ns <= now || session->pool.rekey_at_ns <= now)
        session->context.pool_dirty = true;
}
