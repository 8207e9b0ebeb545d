/* SPDX-License-Identifier: MIT */
/* A subflow's signs of life, and the kernel's figures about its connection. */
#include <splitsocks/engine/subflow/subflow.h>

/* ---- signs of life ---- */

void subflow_note_progress(struct subflows *subflows, struct subflow *subflow)
{
    subflow->progress_at_ns = subflow->answer_at_ns = subflows->context->now;
    subflow_set_suspect(subflows, subflow, false);
}

void subflow_set_suspect(struct subflows *subflows, struct subflow *subflow, bool suspect)
{
    if (subflow->suspect == suspect)
        return;
    subflow->suspect = suspect;
    subflows->suspects += suspect ? 1 : -1u;
    subflows->context->pool_dirty = true;
    /* ACKs that went on this subflow may be stuck there. */
    if (suspect)
        ack_repeat(subflows);
}

/* ---- measures ---- */

/* How long acknowledgements of the peer's TCP count as progress without an ACK of the
 * peer. */
static uint64_t answer_limit_ns(const struct subflows *subflows,
                                const struct subflow *subflow)
{
    return MAX(12 * subflow_rtt_ns(subflows, subflow), ANSWER_MIN_NS);
}

bool subflow_drained(const struct subflow *subflow)
{
    return subflow->measured_bytes == subflow->bytes_sent &&
           subflow->measure.queued_bytes == 0;
}

/* How many of the subflow's bytes the peer's TCP has acknowledged. */
static uint64_t taken_bytes(uint64_t sent, const struct subflow_measure *measure)
{
    return sent - MIN(sent, measure->queued_bytes);
}

/* Bytes that leave the kernel's queue are progress, long before a large chunk is complete.
 * Bytes behind the first chunk that awaits an ACK prove little: a relay that discards
 * everything acknowledges them, and so does a middlebox that has lost the other side. They
 * count only while the ACK may still be on its way. */
static void note_taken(struct subflows *subflows, struct subflow *subflow,
                       const struct subflow_measure *measure)
{
    uint64_t before = taken_bytes(subflow->measured_bytes, &subflow->measure);
    const struct sent_chunk *oldest = subflow_oldest_asking(subflow);

    if (taken_bytes(subflow->bytes_sent, measure) <= before)
        return;
    if (before < (oldest != NULL ? oldest->end : subflow->bytes_sent)) {
        subflow_note_progress(subflows, subflow);
    } else if (subflows->context->now - subflow->answer_at_ns <
               answer_limit_ns(subflows, subflow)) {
        subflow->progress_at_ns = subflows->context->now;
        subflow_set_suspect(subflows, subflow, false);
    }
}

void subflow_take_measure(struct subflows *subflows, struct subflow *subflow,
                          const struct subflow_measure *measure)
{
    uint64_t now = subflows->context->now;

    note_taken(subflows, subflow, measure);
    packets_note_taken(subflows, subflow, taken_bytes(subflow->bytes_sent, measure));
    subflow->measure = *measure;
    subflow->measured_at_ns = now;
    subflow->measured_bytes = subflow->bytes_sent;
    path_acked(&subflows->paths->items[subflow->path],
               now - MIN(now, measure->silent_for_ns));
    if (measure->srtt_ns != 0)
        path_sample_rtt(&subflows->paths->items[subflow->path], measure->srtt_ns, now);
    subflows_refresh_path(subflows, subflow->path);
    lessons_progress(subflows, subflow);
}
