/* SPDX-License-Identifier: MIT */
/* The budgets that follow from what was learned. */
#include <splitsocks/engine/subflow/subflow.h>

/* How long a place is lost to a connection that has died. */
static uint64_t loss_ns(const struct path *path)
{
    return MAX(2 * path_rtt_ns(path) + FREEZE_MARGIN_NS, 3 * path_rtt_ns(path)) +
           path_rtt_ns(path);
}

static unsigned count_open(const struct subflows *subflows, unsigned path, unsigned port)
{
    unsigned count = 0;

    list_foreach_const(&subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        count += subflow->path == path && subflow->port == port;
    }
    return count;
}

static void judge(struct subflows *subflows, unsigned index, unsigned port)
{
    struct path *path = &subflows->paths->items[index];
    struct port_limits *limits = path->limits.ports[port];
    unsigned open = count_open(subflows, index, port);
    struct profile_network network = {
        .round_trip_ns = path_least_rtt_ns(path),
        .replaced_after_ns = loss_ns(path),
        .zombie_for_ns =
            dial_limit_zombie_ns(&limits->dials, slots_wanted(&path->limits.slots)),
        .cycle_min_ns = dial_limit_cycle_ns(&limits->dials, open),
        .open = open,
        .singly = path_limits_singly(&path->limits),
    };

    path->limits.tightened |=
        profile_judge(&limits->profile, &network, subflows->context->now);
}

/* A lower budget holds for open subflows too. */
static void apply(struct subflows *subflows, struct subflow *subflow)
{
    struct port_limits *limits = lessons_limits(subflows, subflow);
    uint64_t now = subflows->context->now;

    if (limits == NULL || !subflow_usable(subflow) || subflow->retire)
        return;

    const struct profile *profile = &limits->profile;

    if (subflow->bytes_sent >
            profile_connection_limit(profile, &subflow->lesson, PROFILE_UP) ||
        subflow->bytes_received >
            profile_connection_limit(profile, &subflow->lesson, PROFILE_DOWN) ||
        now - subflow->up_at_ns >
            profile_connection_limit(profile, &subflow->lesson, PROFILE_AGE) ||
        profile_connection_slow(profile, &subflow->lesson, now))
        subflow->retire = true;
}

void lessons_judge(struct subflows *subflows)
{
    for (unsigned i = 0; i < subflows->context->config.path_count; i++)
        for (unsigned port = 0; port < subflows->paths->items[i].limits.count; port++)
            if (subflows->paths->items[i].limits.ports[port] != NULL)
                judge(subflows, i, port);
    list_foreach(&subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state != SUBFLOW_STATE_OPEN)
            continue;
        lessons_progress(subflows, subflow);
        apply(subflows, subflow);
    }
}
