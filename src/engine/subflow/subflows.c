/* SPDX-License-Identifier: MIT */
/* Functions on all subflows together, or on all subflows of one path. */
#include <splitsocks/engine/subflow/subflow.h>

/* ---- sums ---- */

void subflows_refresh_path(struct subflows *subflows, unsigned index)
{
    struct path *path = &subflows->paths->items[index];
    uint64_t idle_rate = 0, held_rate = path_held_rate(path);

    path->rate_out = path->queued_out = 0;
    list_foreach(&subflows->all, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->path != index || subflow->state != SUBFLOW_STATE_OPEN)
            continue;
        path->queued_out += subflow->measure.queued_bytes;
        /* An idle subflow's window is a promise that others have used up. */
        if (subflow->measure.queued_bytes > 0)
            path->rate_out += subflow->measure.rate;
        else
            idle_rate = MAX(idle_rate, subflow->measure.rate);
    }
    if (path->rate_out == 0)
        path->rate_out = idle_rate;
    /* Windows that restraint keeps from being filled promise more than the path has. */
    if (held_rate != 0)
        path->rate_out = MIN(path->rate_out, held_rate);
    if (path->rate_limit.rate != 0)
        path->rate_out = MIN(path->rate_out, path->rate_limit.rate);
}

bool subflows_in_touch(const struct subflows *subflows)
{
    list_foreach_const(&subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node;

        if (subflow->state == SUBFLOW_STATE_OPEN && subflow->confirmed &&
            !subflow->suspect && subflow->received_ns >= subflows->doubt_ns)
            return true;
    }
    return false;
}

/* ---- ends ---- */

/* Closes the subflows of the path that await an answer, since none will come, and sends a
 * PING on the others. */
static void give_up(struct subflows *subflows, unsigned index)
{
    list_foreach(&subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->path != index || subflow->state != SUBFLOW_STATE_OPEN)
            continue;
        if (subflow_outstanding(subflow)) {
            keepalive_note_died(subflows, subflow);
            subflow_close(subflows, subflow, SUBFLOW_ABANDONED);
        } else if (subflow_usable(subflow)) {
            subflow_ask(subflows, subflow);
        }
    }
}

void subflows_judge_stalled(struct subflows *subflows)
{
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        struct path *path = &subflows->paths->items[i];

        if (path->stalled_ns == 0)
            continue;
        if (path->heard_ns <= path->stalled_ns)
            give_up(subflows, i);
        path_failed(subflows->paths, i, PATH_REASON_SILENT, path->stalled_ns);
        path->stalls++;
        path->stalled_ns = 0;
    }
}

void subflows_abandon_path(struct subflows *subflows, unsigned index)
{
    list_foreach(&subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->path == index)
            subflow_close(subflows, subflow, SUBFLOW_ABANDONED);
    }
}
