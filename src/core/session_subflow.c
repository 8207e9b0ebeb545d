#include "session_internal.h"

#include <assert.h>
#include <stdlib.h>

/* ---- the table by number ---- */

static struct subflow **bucket_of(struct session *session, const struct generation *generation,
                                  uint64_t number)
{
    return &session->by_number[(number + generation->tag * 31) % BY_NUMBER_BUCKETS];
}

struct subflow *subflow_find(const struct session *session, uint64_t tag, uint64_t number)
{
    struct subflow *subflow =
        session->by_number[(number + tag * 31) % BY_NUMBER_BUCKETS];

    while (subflow != NULL &&
           (subflow->number != number || subflow->generation->tag != tag))
        subflow = subflow->hash_next;
    return subflow;
}

void subflow_set_number(struct session *session, struct subflow *subflow,
                        struct generation *generation, uint64_t number)
{
    struct subflow **bucket = bucket_of(session, generation, number);

    assert(subflow->generation == NULL);
    subflow->generation = generation;
    subflow->number = number;
    subflow->hash_next = *bucket;
    *bucket = subflow;
    generation->subflows++;
}

static void unhash(struct session *session, struct subflow *subflow)
{
    struct subflow **link = bucket_of(session, subflow->generation, subflow->number);

    while (*link != subflow)
        link = &(*link)->hash_next;
    *link = subflow->hash_next;
}

/* ---- life ---- */

struct subflow *subflow_new(struct session *session, unsigned path)
{
    struct subflow *subflow = calloc(1, sizeof(*subflow));

    if (subflow == NULL)
        return NULL;
    list_init(&subflow->ack_node);
    ring_init(&subflow->chunks, sizeof(struct sent_chunk));
    ring_init(&subflow->items, sizeof(struct sent_item));
    subflow->path = (uint8_t)path;
    subflow->budget_out = subflow->budget_in = SESSION_UNLIMITED;
    list_append(&session->subflows, &subflow->node);
    session->open_count++;
    session->paths[path].subflows++;
    session->counters.subflows_open = session->open_count;
    session->counters.subflows_open_max =
        MAX(session->counters.subflows_open_max, session->open_count);
    return subflow;
}

/* Leaves the session's view; the memory stays while an event refers to it. */
void subflow_free(struct session *session, struct subflow *subflow)
{
    list_remove(&subflow->node);
    list_remove(&subflow->ack_node);
    if (session->lane == subflow)
        session->lane = NULL;
    if (subflow->generation != NULL) {
        struct generation *generation = subflow->generation;

        unhash(session, subflow);
        subflow->generation = NULL;
        generation->subflows--;
        generation_release(session, generation);
    }
    if (subflow->event_pending || subflow->held)
        return;
    handshake_free(subflow->handshake);
    seal_deinit(&subflow->seal);
    seal_deinit(&subflow->opener);
    ring_deinit(&subflow->chunks);
    ring_deinit(&subflow->items);
    free(subflow);
}

static void leave_live(struct session *session, struct subflow *subflow)
{
    list_remove(&subflow->node);
    subflow_set_suspect(session, subflow, false);
    session->open_count--;
    session->paths[subflow->path].subflows--;
    session->counters.subflows_open = session->open_count;
    session->pool_dirty = true;
    if (session->lane == subflow)
        session->lane = NULL;
    seal_deinit(&subflow->seal);
    seal_deinit(&subflow->opener);
    handshake_free(subflow->handshake);
    subflow->handshake = NULL;
}

/* From here on the subflow only waits for the peer's final count, or for its grace. */
static void enter_limbo(struct session *session, struct subflow *subflow,
                        enum subflow_manner manner)
{
    bool was_open = subflow->state == SUBFLOW_STATE_OPEN;
    uint64_t rtt_ns = session_best_rtt_ns(session);

    leave_live(session, subflow);
    subflow->state = SUBFLOW_STATE_LIMBO;
    /* Answered, but its first chunk did not arrive: the next HELLO is not for now. */
    if (was_open && subflow->hello && session->config.role == SESSION_LOCAL &&
        !subflow->generation->confirmed)
        pool_hello_failed(session);
    if (was_open || subflow->trial)
        packets_note_ended(session, subflow, manner);
    if (was_open) {
        path_refresh(session, subflow->path);
        /* Local may have closed without the relay's last ACK: it was not sent yet. */
        if (session->config.role == SESSION_LOCAL || manner == SUBFLOW_ABANDONED ||
            list_linked(&subflow->ack_node))
            ack_note_final(session, subflow);
    }
    list_remove(&subflow->ack_node);
    if (manner == SUBFLOW_ORDERLY) {
        session->counters.subflows_retired++;
        session->paths[subflow->path].counters.subflows_retired++;
    } else if (was_open) {
        session->counters.subflows_failed++;
        session->paths[subflow->path].counters.subflows_failed++;
    }
    subflow->deadline_ns =
        session->now + (manner == SUBFLOW_ORDERLY ? MAX(4 * rtt_ns, ORDERLY_GRACE_MIN_NS)
                                                  : rtt_ns + DEATH_GRACE_NS);
    if (subflow->chunks.count == 0) {
        subflow_free(session, subflow);
        return;
    }
    list_append(&session->limbo, &subflow->node);
    session->limbo_wake_ns = MIN(session->limbo_wake_ns, subflow->deadline_ns);
}

void subflow_close(struct session *session, struct subflow *subflow,
                   enum subflow_manner manner)
{
    assert(subflow->state != SUBFLOW_STATE_LIMBO);
    session_push_event(session, SESSION_CLOSE_SUBFLOW, subflow, NULL);
    enter_limbo(session, subflow, manner);
}

void subflow_abandon(struct session *session, struct subflow *subflow)
{
    enter_limbo(session, subflow, SUBFLOW_ABANDONED);
}

void subflow_unhold(struct session *session, struct subflow *subflow)
{
    subflow->held = false;
    if (subflow->state == SUBFLOW_STATE_LIMBO && !list_linked(&subflow->node))
        subflow_free(session, subflow);
}

/* Local's rule of closing: the relay's END was read, and every chunk of ours that asks for
 * it was acknowledged. Its own ACK of the relay's chunks goes elsewhere. */
bool subflow_close_if_done(struct session *session, struct subflow *subflow)
{
    if (session->config.role != SESSION_LOCAL || subflow->state != SUBFLOW_STATE_OPEN ||
        !subflow->end_received || subflow->eliciting_unacked > 0)
        return false;
    /* What is left asked for no acknowledgement and is on its way to nowhere now. */
    ack_requeue(session, subflow);
    subflow_close(session, subflow, SUBFLOW_ORDERLY);
    return true;
}

uint64_t subflow_budget_left(const struct subflow *subflow)
{
    return subflow->budget_out == SESSION_UNLIMITED
               ? SESSION_UNLIMITED
               : subflow->budget_out - subflow->bytes_sent;
}

bool subflow_usable(const struct subflow *subflow)
{
    return subflow->state == SUBFLOW_STATE_OPEN && !subflow->end_sent &&
           !subflow->end_received && !subflow->suspect;
}

/* A JOIN that overtakes the chunk which confirms the HELLO would meet silence, and be lost.
 * It can on any path: that chunk may be lost once, or its connection be looked at later. */
bool subflow_may_begin(const struct session *session, const struct subflow *subflow)
{
    const struct generation *generation = subflow->generation;

    return session->config.role == SESSION_RELAY || subflow->begun || subflow->hello ||
           generation->confirmed || generation != generation_current(session);
}

uint64_t subflow_rtt_ns(const struct session *session, const struct subflow *subflow)
{
    return subflow->measure.srtt_ns != 0 ? subflow->measure.srtt_ns
                                         : path_rtt_ns(&session->paths[subflow->path]);
}

/* Doubles each time that it was over before anything was acknowledged (as RFC 6298 does):
 * else a path which has become slower than that would never be used again. */
uint64_t subflow_stall_ns(const struct session *session, const struct subflow *subflow)
{
    const struct path *path = &session->paths[subflow->path];

    return MAX(3 * subflow_rtt_ns(session, subflow), STALL_MIN_NS)
           << MIN(path->stalls, STALL_DOUBLINGS);
}

/* How long the peer's TCP may speak for the peer. */
static uint64_t answer_limit_ns(const struct session *session,
                                const struct subflow *subflow)
{
    return MAX(12 * subflow_rtt_ns(session, subflow), ANSWER_MIN_NS);
}

void subflow_note_progress(struct session *session, struct subflow *subflow)
{
    subflow->progress_ns = subflow->answer_ns = session->now;
    subflow_set_suspect(session, subflow, false);
}

void subflow_set_suspect(struct session *session, struct subflow *subflow, bool suspect)
{
    if (subflow->suspect == suspect)
        return;
    subflow->suspect = suspect;
    session->suspects += suspect ? 1 : -1u;
    session->pool_dirty = true;
    /* What it was to acknowledge may be stuck in it. */
    if (suspect)
        ack_repeat(session);
}

bool subflow_outstanding(const struct subflow *subflow)
{
    return subflow->eliciting_unacked > 0 || subflow->waits_for_end || subflow->ping;
}

void subflow_ask(struct session *session, struct subflow *subflow)
{
    /* A JOIN that may not begin yet cannot ask, and its silence says nothing. */
    if (subflow->ping || (session->config.role == SESSION_LOCAL && !subflow->begun))
        return;
    /* The wait begins now: a socket that takes nothing any more is no answer either. */
    subflow->ping = true;
    subflow->progress_ns = subflow->answer_ns = session->now;
}

/* ---- the driver's face ---- */

void session_subflow_up(struct session *session, struct subflow *subflow,
                        const struct session_fresh *fresh, uint64_t now)
{
    session->now = now;
    if (subflow->state != SUBFLOW_STATE_DIALLING)
        return; /* abandoned meanwhile; its close event waits */
    subflow->up_ns = subflow->progress_ns = subflow->answer_ns = now;
    subflow->received_ns = subflow->sent_ns = subflow->used_ns = now;
    subflow->writable = true;
    path_sample_rtt(&session->paths[subflow->path], MAX(now - subflow->dialled_ns, 1), now);
    pool_dial_succeeded(session, subflow);
    if (subflow->hello) {
        subflow->state = SUBFLOW_STATE_HELLO;
        if (handshake_begin(session, subflow, fresh))
            return;
    } else {
        struct generation *generation = generation_current(session);

        subflow->state = SUBFLOW_STATE_OPEN;
        /* A number is used up even if nothing of it reaches the wire. */
        if (generation != NULL) {
            subflow_set_number(session, subflow, generation, generation->next_number++);
            if (generation_key_subflow(session, generation, subflow) == OK)
                return;
        }
    }
    subflow_close(session, subflow, SUBFLOW_ABANDONED);
}

/* A reset that follows our own END is how local closes: orderly, even if its END was not
 * seen. So is the end of a subflow that both sides have ended. */
static enum subflow_manner manner_of(const struct session *session,
                                     const struct subflow *subflow)
{
    bool orderly = session->config.role == SESSION_RELAY
                       ? subflow->end_sent
                       : subflow->end_sent && subflow->end_received;

    return orderly ? SUBFLOW_ORDERLY : SUBFLOW_ABANDONED;
}

void session_subflow_down(struct session *session, struct subflow *subflow,
                          enum subflow_end end, uint64_t now)
{
    session->now = now;
    subflow->driver_done = true;
    if (subflow->state == SUBFLOW_STATE_LIMBO)
        return; /* closed here at the same time; the event is dropped */
    if (subflow->state == SUBFLOW_STATE_DIALLING)
        pool_dial_ended(session, subflow, end);
    else if (session->config.role == SESSION_LOCAL && !subflow->confirmed &&
             !session_is_closing(session))
        pool_unproven(session, subflow,
                      end == SUBFLOW_FAILED ? UNPROVEN_SILENT : UNPROVEN_CLOSED);
    if (subflow->state == SUBFLOW_STATE_OPEN && end == SUBFLOW_RESET)
        keepalive_note_died(session, subflow);
    enter_limbo(session, subflow, manner_of(session, subflow));
}

void session_subflow_writable(struct session *session, struct subflow *subflow,
                              bool writable)
{
    (void)session;
    subflow->writable = writable;
}

/* ---- measures ---- */

bool subflow_drained(const struct subflow *subflow)
{
    return subflow->measured_bytes == subflow->bytes_sent &&
           subflow->measure.queued_bytes == 0;
}

/* Whether there is one path to be compared with another. */
static bool several_paths(const struct session *session)
{
    unsigned active = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        active += session->paths[i].subflows > 0;
    return active > 1;
}

struct subflow *session_next_unmeasured(struct session *session, uint64_t now)
{
    bool several = several_paths(session);
    uint64_t usual_ns = restraint_measure_ns(session, several ? NS_PER_MS : 10 * NS_PER_MS);

    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        /* What has ended may be given up as soon as it has left; see give_way(). */
        uint64_t interval_ns = subflow->end_received ? MEASURE_ENDED_NS : usual_ns;

        /* A queue that was seen counts against its path until it is seen to be gone. */
        bool asked = subflow->eliciting_unacked > 0 ||
                     (several && subflow->measure.queued_bytes > 0);

        if (subflow->state == SUBFLOW_STATE_OPEN && asked &&
            now - MAX(subflow->measured_ns, subflow->up_ns) >= interval_ns)
            return subflow;
    }
    return NULL;
}

/* What of a subflow's bytes the peer's TCP has acknowledged. */
static uint64_t taken_bytes(uint64_t sent, const struct subflow_measure *measure)
{
    return sent - MIN(sent, measure->queued_bytes);
}

/* Where the chunk ends that is to be acknowledged first. */
static uint64_t oldest_asking_end(const struct subflow *subflow)
{
    for (size_t i = 0; i < subflow->chunks.count; i++) {
        const struct sent_chunk *chunk = ring_at(&subflow->chunks, i);

        if (chunk->eliciting)
            return chunk->end;
    }
    return subflow->bytes_sent;
}

/* Bytes that have left the kernel's queue are progress, long before a large chunk is
 * complete. Those behind it prove nothing: a relay that discards what it reads
 * acknowledges them, and so does a box in the middle that has lost the other side. They
 * count while the answer may still be on its way. */
static void note_taken(struct session *session, struct subflow *subflow,
                       const struct subflow_measure *measure)
{
    uint64_t before = taken_bytes(subflow->measured_bytes, &subflow->measure);

    if (taken_bytes(subflow->bytes_sent, measure) <= before)
        return;
    if (before < oldest_asking_end(subflow)) {
        subflow_note_progress(session, subflow);
    } else if (session->now - subflow->answer_ns < answer_limit_ns(session, subflow)) {
        subflow->progress_ns = session->now;
        subflow_set_suspect(session, subflow, false);
    }
}

void session_subflow_measured(struct session *session, struct subflow *subflow,
                              const struct subflow_measure *measure, uint64_t now)
{
    session->now = now;
    note_taken(session, subflow, measure);
    packets_note_taken(session, subflow, taken_bytes(subflow->bytes_sent, measure));
    subflow->measure = *measure;
    subflow->measured_ns = now;
    subflow->measured_bytes = subflow->bytes_sent;
    path_acked(&session->paths[subflow->path], now - MIN(now, measure->silent_ns));
    if (measure->srtt_ns != 0)
        path_sample_rtt(&session->paths[subflow->path], measure->srtt_ns, now);
    path_refresh(session, subflow->path);
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
