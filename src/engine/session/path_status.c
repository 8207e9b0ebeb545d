/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/session/session_status.h>

#include "session_parts.h"

#include <assert.h>

/* ---- how much the path is used ---- */

static bool works(const struct path *path)
{
    return path->reason == PATH_REASON_WORKS;
}

/* A working path that all data prefers to one with such properties. */
static bool find_preferred(const struct session *session,
                           const struct path_properties *properties, unsigned *rival)
{
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct path_properties *other = &session->paths.items[i].properties;

        if (!works(&session->paths.items[i]) || other->backup ||
            (!properties->backup && other->cost >= properties->cost))
            continue;
        *rival = i;
        return true;
    }
    return false;
}

/* The working path on which data arrives earliest, if that is earlier than `delivery_ns`.
 */
static bool find_earlier(const struct session *session, uint64_t delivery_ns,
                         unsigned *rival)
{
    bool found = false;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct path *path = &session->paths.items[i];
        uint64_t ns = path_delivery_ns(path, path->queued_out);

        if (!works(path) || ns >= delivery_ns)
            continue;
        delivery_ns = ns;
        *rival = i;
        found = true;
    }
    return found;
}

static bool may_use(const struct stream *stream, unsigned index, uint8_t modes)
{
    unsigned wanted =
        stream->policy.mode == STREAM_MODE_AUTO
            ? 1u << STREAM_MODE_SPLIT | 1u << STREAM_MODE_REDUNDANT | 1u << STREAM_MODE_AUTO
            : 1u << stream->policy.mode;

    return (modes == 0 || (modes & wanted) != 0) &&
           (stream->policy.paths == 0 || (stream->policy.paths >> index & 1) != 0);
}

/* Whether there are streams, and none of them may use the path. */
static bool none_may_use(const struct session *session, unsigned index, uint8_t modes)
{
    const struct stream *stream = NULL;

    while ((stream = session_next_stream(session, stream)) != NULL)
        if (may_use(stream, index, modes))
            return false;
    return session_next_stream(session, NULL) != NULL;
}

/* Whether neither side has had anything to send for some seconds. */
static bool at_rest(const struct session *session, uint64_t now)
{
    if (session->streams.waiting_bytes > 0 || streams_peer_demand(&session->streams) > 0)
        return false;
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        if (meter_bytes_per_second(&session->paths.items[i].goodput_in, now) > 0 ||
            meter_bytes_per_second(&session->paths.items[i].goodput_out, now) > 0)
            return false;
    return true;
}

static enum path_use use_of(const struct session *session, unsigned index, uint64_t now,
                            struct path_status *status)
{
    const struct path_properties *properties = &status->properties;

    if (status->reason != PATH_REASON_WORKS && status->reason != PATH_REASON_UNTRIED)
        return PATH_USE_DOWN;
    if (status->goodput_in > 0 || status->goodput_out > 0)
        return PATH_USE_CARRIES;
    if (find_preferred(session, properties, &status->rival))
        return properties->backup ? PATH_USE_BACKUP : PATH_USE_COST;
    if (status->reason == PATH_REASON_UNTRIED)
        return PATH_USE_UNTRIED;
    if (none_may_use(session, index, properties->modes))
        return PATH_USE_NOT_ALLOWED;
    if (at_rest(session, now))
        return PATH_USE_IDLE;
    if (find_earlier(session, status->delivery_ns, &status->rival))
        return PATH_USE_LATER;
    return PATH_USE_READY;
}

/* ---- the snapshot ---- */

static void count_subflows(const struct session *session, unsigned index,
                           struct path_status *status)
{
    list_foreach_const(&session->subflows.all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->path != index)
            continue;
        if (subflow->state != SUBFLOW_STATE_OPEN) {
            status->subflows_dialling++;
            continue;
        }
        status->subflows_open++;
        /* The last measure of a subflow at rest says nothing about the present. */
        if (subflow->eliciting_unacked > 0)
            status->queued_bytes += subflow->measure.queued_bytes;
    }
}

/* The engine makes a few dials before it reports that a path does not work. */
static enum path_reason reason_of(const struct path *path)
{
    return path->reason == PATH_REASON_UNTRIED && path->timeouts > 0 ? PATH_REASON_TIMED_OUT
                                                                     : path->reason;
}

static uint64_t next_dial_at_ns(const struct session *session, const struct path *path,
                                uint64_t now)
{
    uint64_t when = 0;

    if (session->context.config.role == SESSION_LOCAL && path->ports.count > 0)
        port_chooser_pick(&path->ports, 0, now, &when);
    return MAX(when, path->retry_at_ns);
}

/* Where connections are not limited singly, no trial is made. */
static unsigned tried_slots(const struct slots *slots)
{
    return slots->state != SLOTS_KEEP || slots_wanted(slots) > 1 ? slots_wanted(slots) : 0;
}

void session_path_status(const struct session *session, unsigned index, uint64_t now,
                         struct path_status *status)
{
    const struct path *path;

    assert(index < SESSION_PATHS_MAX);
    path = &session->paths.items[index];
    *status = (struct path_status){
        .reason = reason_of(path),
        .properties = path->properties,
        .keepalive_ns = keepalive_ns(&session->subflows, index),
        .small_only = path->small_only,
        .srtt_ns = path->srtt_ns,
        .rate_out = path->rate_out,
        .rate_in = path->rate_in,
        .goodput_out = meter_bytes_per_second(&path->goodput_out, now),
        .goodput_in = meter_bytes_per_second(&path->goodput_in, now),
        .failures = path->failures,
        .packet_size = path->properties.packet_size != 0 ? path->properties.packet_size
                                                         : path->ladder.size,
        .packets_found = path->properties.packet_size == 0 && path->ladder.size != 0,
        .packets_lost = path->ladder.given_up,
        .slots_wanted = tried_slots(&path->limits.slots),
        .dial_at_ns = next_dial_at_ns(session, path, now),
        .counters = path->counters,
    };
    count_subflows(session, index, status);
    status->delivery_ns = path_delivery_ns(path, status->queued_bytes);
    status->use = use_of(session, index, now, status);
}

bool session_port_status(const struct session *session, unsigned path, unsigned port,
                         struct port_status *status)
{
    const struct path_limits *limits = &session->paths.items[path].limits;
    const struct port_limits *learned = port < limits->count ? limits->ports[port] : NULL;

    *status = (struct port_status){.found = false};
    if (learned == NULL)
        return false;
    status->found = pool_port_finding(&session->pool, learned, &status->finding);
    status->budget_up = pool_port_budget(&session->pool, learned, PROFILE_UP);
    status->budget_down = pool_port_budget(&session->pool, learned, PROFILE_DOWN);
    if (learned->dials.connections != DIAL_LIMIT_NONE)
        status->connections = learned->dials.connections;
    status->dials_per_second = learned->dials.syns;
    return true;
}
