/* SPDX-License-Identifier: MIT */
/* The budgets that follow from what was learned. */
#include <splitsocks/engine/subflow/subflow.h>

static void judge(struct path *path, struct port_limits *limits, uint64_t now)
{
    struct profile_network network = {
        .round_trip_ns = path_least_rtt_ns(path),
        .replaced_after_ns = subflow_freeze_ns(path_rtt_ns(path)) + path_rtt_ns(path),
        .zombie_for_ns =
            dial_limit_zombie_ns(&limits->dials, slots_wanted(&path->limits.slots)),
        .cycle_min_ns = dial_limit_cycle_ns(&limits->dials, limits->open),
        .open = limits->open,
        .singly = path_limits_singly(&path->limits),
    };

    path->limits.tightened |= profile_judge(&limits->profile, &network, now);
}

static void judge_ports(struct path *path, uint64_t now)
{
    for (unsigned port = 0; port < path->limits.count; port++)
        if (path->limits.ports[port] != NULL)
            judge(path, path->limits.ports[port], now);
    path_limits_choose_best(&path->limits);
}

static bool ports_due(const struct path *path, uint64_t now)
{
    for (unsigned port = 0; port < path->limits.count; port++)
        if (path->limits.ports[port] != NULL &&
            profile_judge_due(&path->limits.ports[port]->profile, path_least_rtt_ns(path),
                              now))
            return true;
    return false;
}

static void take_progress(struct subflows *subflows)
{
    for (unsigned i = 0; i < subflows->context->config.path_count; i++) {
        const struct path_limits *limits = &subflows->paths->items[i].limits;

        for (unsigned port = 0; port < limits->count; port++)
            if (limits->ports[port] != NULL)
                limits->ports[port]->open = 0;
    }
    list_foreach(&subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        struct port_limits *limits = lessons_limits(subflows, subflow);

        if (limits != NULL)
            limits->open++;
        lessons_progress(subflows, subflow);
    }
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
    uint64_t now = subflows->context->now;
    uint16_t due = 0;

    for (unsigned i = 0; i < subflows->context->config.path_count; i++)
        due |= (uint16_t)(ports_due(&subflows->paths->items[i], now) << i);
    if (due == 0)
        return;
    take_progress(subflows);
    for (unsigned i = 0; due >> i != 0; i++)
        if (due >> i & 1)
            judge_ports(&subflows->paths->items[i], now);
    list_foreach(&subflows->all, node, after) {
        apply(subflows, list_entry(node, struct subflow, node));
    }
}
