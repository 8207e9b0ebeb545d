/* SPDX-License-Identifier: MIT */
/* How a subflow ends, and how its ledger is settled then. */
#include <splitsocks/engine/subflow/subflow.h>

#include <assert.h>

static void leave_live(struct subflows *subflows, struct subflow *subflow)
{
    list_remove(&subflow->node);
    subflow_set_suspect(subflows, subflow, false);
    subflows->open_count--;
    share_give(&subflows->streams->account->subflows, 1);
    subflows->paths->items[subflow->path].subflows--;
    subflows->context->counters.subflows_open = subflows->open_count;
    subflows->context->pool_dirty = true;
    if (subflows->lane == subflow)
        subflows->lane = NULL;
    seal_deinit(&subflow->seal);
    seal_deinit(&subflow->opener);
    hello_free(subflow->handshake);
    subflow->handshake = NULL;
}

/* Afterwards the subflow only waits for the peer's final count, or until its grace is
 * over. */
void subflow_end(struct subflows *subflows, struct subflow *subflow,
                 enum subflow_manner manner)
{
    bool was_open = subflow->state == SUBFLOW_STATE_OPEN;
    bool untold = manner == SUBFLOW_ABANDONED && subflow->cause == SUBFLOW_CAUSE_UNTOLD;
    uint64_t rtt_ns = paths_best_rtt_ns(subflows->paths);

    if (!untold)
        lessons_end(subflows, subflow, manner);
    leave_live(subflows, subflow);
    subflow_set_state(subflow, SUBFLOW_STATE_LIMBO);
    /* The relay answered, but the first chunk did not arrive: delay the next HELLO. */
    if (was_open && subflow->hello && subflows->context->config.role == SESSION_LOCAL &&
        !subflow->generation->confirmed)
        subflows->context->hello_failed = true;
    if (was_open || subflow->trial)
        packets_note_ended(subflows, subflow, manner);
    if (was_open && manner == SUBFLOW_ABANDONED)
        ack_repeat_of(subflows, subflow);
    if (was_open) {
        subflows_refresh_path(subflows, subflow->path);
        /* Local may have closed before the relay's last ACK was sent. */
        if (subflows->context->config.role == SESSION_LOCAL ||
            manner == SUBFLOW_ABANDONED || list_linked(&subflow->ack_node))
            ack_note_final(subflows, subflow);
    }
    list_remove(&subflow->ack_node);
    if (manner == SUBFLOW_ORDERLY) {
        subflows->context->counters.subflows_retired++;
        subflows->paths->items[subflow->path].counters.subflows_retired++;
    } else if (was_open) {
        subflows->context->counters.subflows_failed++;
        subflows->paths->items[subflow->path].counters.subflows_failed++;
    }
    subflow->deadline_ns =
        subflows->context->now + (manner == SUBFLOW_ORDERLY
                                      ? MAX(4 * rtt_ns, ORDERLY_GRACE_MIN_NS)
                                      : rtt_ns + ACK_DELAY_NS);
    if (subflow->chunks.count == 0 && !untold) {
        subflow_free(subflows, subflow);
        return;
    }
    list_append(&subflows->limbo, &subflow->node);
    subflows->limbo_wake_at_ns = MIN(subflows->limbo_wake_at_ns, subflow->deadline_ns);
}

void subflow_close(struct subflows *subflows, struct subflow *subflow,
                   enum subflow_manner manner)
{
    assert(subflow->state != SUBFLOW_STATE_LIMBO);
    subflow_tell(subflows, subflow, SESSION_CLOSE_SUBFLOW);
    subflow_end(subflows, subflow, manner);
}

/* Local closes a subflow when it has read the relay's END and all of its own eliciting
 * chunks are acknowledged. Local's ACK for the relay's chunks goes on another subflow. */
bool subflow_close_if_done(struct subflows *subflows, struct subflow *subflow)
{
    if (subflows->context->config.role != SESSION_LOCAL ||
        subflow->state != SUBFLOW_STATE_OPEN || !subflow->end_received ||
        subflow->eliciting_unacked > 0)
        return false;
    /* The remaining chunks asked for no ACK, and may be lost by the reset. */
    ack_requeue(subflows, subflow);
    subflow_close(subflows, subflow, SUBFLOW_ORDERLY);
    return true;
}

void subflow_take_final(struct subflows *subflows, struct subflow *subflow)
{
    if (subflow->state == SUBFLOW_STATE_OPEN && !subflow->end_sent)
        keepalive_note_died(subflows, subflow);
    ack_requeue(subflows, subflow);
    if (subflow->state == SUBFLOW_STATE_LIMBO)
        subflow_free(subflows, subflow);
    else
        subflow_close(subflows, subflow,
                      subflow->end_sent ? SUBFLOW_ORDERLY : SUBFLOW_ABANDONED);
}
