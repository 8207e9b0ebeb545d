/* SPDX-License-Identifier: MIT */
/* Sums over all subflows, or over all subflows of one path. */
#include <splitsocks/engine/subflow/subflow.h>

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
            !subflow->suspect && subflow->received_at_ns >= subflows->doubt_since_ns)
            return true;
    }
    return false;
}
