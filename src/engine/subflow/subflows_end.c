/* SPDX-License-Identifier: MIT */
/* How the subflows of a path end together. */
#include <splitsocks/engine/subflow/subflow.h>

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

        if (path->stalled_since_ns == 0)
            continue;
        /* Where the path was heard of since, single connections die, and not the path. */
        if (path->heard_at_ns <= path->stalled_since_ns) {
            give_up(subflows, i);
            path->stalls++;
        }
        path_failed(subflows->paths, i, PATH_REASON_SILENT, path->stalled_since_ns);
        path->stalled_since_ns = 0;
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

void subflows_shrink_packets(struct subflows *subflows)
{
    for (unsigned i = 0; subflows->context->large_lost >> i != 0; i++) {
        if (!(subflows->context->large_lost >> i & 1))
            continue;
        packets_tell(subflows, i);
        /* A connection keeps the size that it was dialled with. */
        subflows_abandon_path(subflows, i);
    }
    subflows->context->large_lost = 0;
}
