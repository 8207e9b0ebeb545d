/* SPDX-License-Identifier: MIT */
#include "status_internal.h"

json_t *status_drops(const uint64_t drops[FLOW_DROPS])
{
    json_t *object = json_object();

    for (unsigned i = 0; i < FLOW_DROPS; i++)
        if (drops[i] > 0)
            json_object_set_new(object, flow_drop_string((enum flow_drop)i),
                                json_integer((json_int_t)drops[i]));
    return object;
}

static json_t *describe_flow(const struct status_source *source, const struct flow *flow,
                             uint64_t now)
{
    char client[ADDRESS_TEXT_SIZE], peer[TARGET_TEXT_SIZE];
    struct flow_status status;
    const struct flow_counters *counters = &status.counters;

    session_flow_status(source->session, flow, peer, &status);
    return json_pack(
        "{s:o, s:s?, s:s?, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "id",
        status_integer_or_null(status.id != 0, status.id), "client",
        source->flow_client != NULL ? source->flow_client(flow, client) : NULL,
        "destination", status.peer, "mode",
        flow_mode_string((enum flow_mode)status.policy.mode), "copies",
        status_integer_or_null(status.policy.copies != 0, status.policy.copies), "paths",
        status_allowed(source, status.policy.paths), "up_datagrams",
        (json_int_t)counters->datagrams_sent, "up_bytes", (json_int_t)counters->bytes_sent,
        "down_datagrams", (json_int_t)counters->datagrams_received, "down_bytes",
        (json_int_t)counters->bytes_received, "queued_bytes",
        (json_int_t)status.queued_bytes, "idle_ms",
        status_ms_or_null(status.used_at_ns != 0, now - MIN(now, status.used_at_ns)),
        "drops", status_drops(counters->drops));
}

json_t *status_flows(const struct status_source *source, uint64_t now, size_t *omitted)
{
    json_t *list = json_array();
    const struct flow *flow = NULL;

    *omitted = 0;
    while (source->session != NULL &&
           (flow = session_next_flow(source->session, flow)) != NULL) {
        if (json_array_size(list) == STATUS_STREAMS_MAX)
            ++*omitted;
        else if (json_array_append_new(list, describe_flow(source, flow, now)) != 0)
            goto fail;
    }
    return list;
fail:
    json_decref(list);
    return NULL;
}
