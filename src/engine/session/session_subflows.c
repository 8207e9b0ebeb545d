/* SPDX-License-Identifier: MIT */
/* The calls on subflows: the driver's reports about their connections. */
#include "session_parts.h"

void session_subflow_up(struct session *session, struct subflow *subflow,
                        const struct session_fresh *fresh, uint64_t now)
{
    session->context.now = now;
    if (subflow->state != SUBFLOW_STATE_DIALLING)
        return; /* abandoned meanwhile; its close event is queued */
    subflow_connected(&session->subflows, subflow);
    path_sample_rtt(&session->paths.items[subflow->path],
                    MAX(now - subflow->dialled_at_ns, 1), now);
    pool_dial_succeeded(&session->pool, subflow);
    if (subflow->hello) {
        subflow_set_state(subflow, SUBFLOW_STATE_HELLO);
        if (handshake_begin(session, subflow, fresh))
            return;
    } else {
        struct generation *generation = generation_current(&session->subflows);

        subflow_set_state(subflow, SUBFLOW_STATE_OPEN);
        /* The number is used up even if none of its bytes reach the wire. */
        if (generation != NULL) {
            subflow_set_number(&session->subflows, subflow, generation,
                               generation->next_number++);
            if (generation_key_subflow(&session->subflows, generation, subflow) == OK)
                return;
        }
    }
    subflow_close(&session->subflows, subflow, SUBFLOW_ABANDONED);
}

/* A reset that follows our END is local's way to close: orderly, even if its END was not
 * seen. The end of a subflow that both sides have ended is orderly, too. */
static enum subflow_manner manner_of(const struct session *session,
                                     const struct subflow *subflow)
{
    bool orderly = session->context.config.role == SESSION_RELAY
                       ? subflow->end_sent
                       : subflow->end_sent && subflow->end_received;

    return orderly ? SUBFLOW_ORDERLY : SUBFLOW_ABANDONED;
}

void session_subflow_down(struct session *session, struct subflow *subflow,
                          enum subflow_end end, uint64_t now)
{
    session->context.now = now;
    subflow->driver_done = true;
    if (subflow->state == SUBFLOW_STATE_LIMBO)
        return; /* closed here at the same time; the event is dropped */
    if (subflow->state == SUBFLOW_STATE_DIALLING)
        pool_dial_ended(&session->pool, subflow, end);
    else if (session->context.config.role == SESSION_LOCAL && !subflow->confirmed &&
             !session_is_closing(session))
        pool_unproven(&session->pool, subflow,
                      end == SUBFLOW_FAILED ? UNPROVEN_SILENT : UNPROVEN_CLOSED);
    if (subflow->state == SUBFLOW_STATE_OPEN &&
        (end == SUBFLOW_RESET || end == SUBFLOW_EOF))
        subflow->cause = session->context.config.role == SESSION_LOCAL
                             ? SUBFLOW_CAUSE_UNTOLD
                             : SUBFLOW_CAUSE_RESET;
    if (subflow->state == SUBFLOW_STATE_OPEN && end == SUBFLOW_RESET)
        keepalive_note_died(&session->subflows, subflow);
    subflow_end(&session->subflows, subflow, manner_of(session, subflow));
}

void session_subflow_writable(struct session *session, struct subflow *subflow,
                              bool writable)
{
    (void)session;
    subflow->writable = writable;
}

/* Whether there are paths to compare. */
static bool several_paths(const struct session *session)
{
    unsigned active = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        active += session->paths.items[i].subflows > 0;
    return active > 1;
}

struct subflow *session_next_unmeasured(struct session *session, uint64_t now)
{
    bool several = several_paths(session);
    bool often = several || flows_wait(&session->schedule);
    uint64_t usual_ns =
        restraint_measure_ns(&session->schedule, often ? NS_PER_MS : 10 * NS_PER_MS);

    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        /* A subflow that has ended may be given up once its bytes have left; see
         * give_way(). */
        uint64_t interval_ns = subflow->end_received ? MEASURE_ENDED_NS : usual_ns;

        /* A queue counts against its path until a measure shows that it is gone. */
        bool asked = subflow->eliciting_unacked > 0 ||
                     (several && subflow->measure.queued_bytes > 0);

        if (subflow->state == SUBFLOW_STATE_OPEN && asked &&
            now - MAX(subflow->measured_at_ns, subflow->up_at_ns) >= interval_ns)
            return subflow;
    }
    return NULL;
}

void session_subflow_measured(struct session *session, struct subflow *subflow,
                              const struct subflow_measure *measure, uint64_t now)
{
    session->context.now = now;
    subflow_take_measure(&session->subflows, subflow, measure);
}

void subflow_set_user(struct subflow *subflow, void *user)
{
    subflow->user = user;
}

void *subflow_user(const struct subflow *subflow)
{
    return subflow->user;
}

unsigned subflow_path(const struct subflow *subflow)
{
    return subflow->path;
}

bool subflow_proven(const struct subflow *subflow)
{
    return subflow->confirmed;
}

uint64_t subflow_number(const struct subflow *subflow)
{
    return subflow->number;
}
