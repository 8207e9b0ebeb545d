/* SPDX-License-Identifier: MIT */
#include <splitsocks/status/status.h>

#include "status_internal.h"

#include <splitsocks/io/restart.h>

#include <stdio.h>

static const char *phase_name(enum session_phase phase)
{
    switch (phase) {
    case SESSION_PHASE_CONNECTING: return "connecting";
    case SESSION_PHASE_UP: return "up";
    case SESSION_PHASE_LOST: return "lost";
    case SESSION_PHASE_CLOSING: return "closing";
    }
    return "unknown";
}

/* Sums over all paths. */
struct totals {
    uint64_t goodput_up, goodput_down; /* bytes a second */
    unsigned open, dialling;           /* subflows */
};

static struct totals add_up(const struct status_source *source, uint64_t now)
{
    struct totals totals = {0};

    for (unsigned i = 0; i < source->path_count; i++) {
        struct path_status status;

        session_path_status(source->session, i, now, &status);
        totals.goodput_up += status.goodput_out;
        totals.goodput_down += status.goodput_in;
        totals.open += status.subflows_open;
        totals.dialling += status.subflows_dialling;
    }
    return totals;
}

static json_t *describe_relays(const struct status_source *source)
{
    json_t *list = json_array();

    for (size_t i = 0; i < source->relay_count; i++)
        json_array_append_new(list, json_string(source->relays[i]));
    return list;
}

static json_t *describe_subflows(const struct session_counters *counters,
                                 const struct totals *totals)
{
    return json_pack("{s:i, s:i, s:I, s:I, s:I}", "open", (int)totals->open, "dialling",
                     (int)totals->dialling, "recycled",
                     (json_int_t)counters->subflows_retired, "failed",
                     (json_int_t)counters->subflows_failed, "dials_failed",
                     (json_int_t)counters->dials_failed);
}

static json_t *describe_ending(const struct status_source *source, uint64_t now)
{
    const struct restart *ending = source->ending;

    if (ending == NULL)
        return json_null();
    return json_pack("{s:i, s:s, s:o}", "code", (int)ending->code, "reason", ending->reason,
                     "next_ms",
                     status_ms_or_null(source->session == NULL,
                                       ending->next_at_ns - MIN(ending->next_at_ns, now)));
}

static json_t *describe_session(const struct status_source *source, uint64_t now)
{
    struct session_status status;
    const struct session_counters *counters = &status.counters;
    struct totals totals;
    char id[17];

    if (source->session == NULL)
        return json_pack("{s:s, s:n, s:o, s:o}", "state", "none", "id", "relays",
                         describe_relays(source), "ending", describe_ending(source, now));
    session_status(source->session, &status);
    totals = add_up(source, now);
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)status.id);
    return json_pack(
        "{s:s, s:s?, s:o, s:o, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:I,"
        " s:o, s:o}",
        "state", phase_name(status.phase), "id", status.id != 0 ? id : NULL, "relays",
        describe_relays(source), "heard_ms",
        status_ms_or_null(status.id != 0, now - MIN(now, status.contact_at_ns)),
        "linger_ms", status_ms(status.linger_ns), "goodput_up_bps",
        status_bits(totals.goodput_up), "goodput_down_bps",
        status_bits(totals.goodput_down), "payload_up_bytes",
        (json_int_t)counters->stream_bytes_acked, "payload_down_bytes",
        (json_int_t)counters->stream_bytes_received, "wire_up_bytes",
        (json_int_t)counters->wire_bytes_sent, "wire_down_bytes",
        (json_int_t)counters->wire_bytes_received, "waiting_up_bytes",
        (json_int_t)status.waiting_out, "waiting_down_bytes", (json_int_t)status.waiting_in,
        "requeued_bytes", (json_int_t)counters->bytes_requeued, "reinjected_bytes",
        (json_int_t)counters->bytes_reinjected, "duplicate_bytes",
        (json_int_t)counters->bytes_duplicate, "resumes", (json_int_t)counters->resumes,
        "subflows", describe_subflows(counters, &totals), "ending",
        describe_ending(source, now));
}

struct json_t *status_describe(const struct status_source *source, uint64_t now)
{
    size_t omitted, flows_omitted;
    json_t *streams = status_streams(source, now, &omitted);
    json_t *flows = status_flows(source, now, &flows_omitted);

    return json_pack("{s:o, s:o, s:o, s:I, s:o, s:I}", "session",
                     describe_session(source, now), "paths", status_paths(source, now),
                     "streams", streams, "streams_omitted", (json_int_t)omitted, "flows",
                     flows, "flows_omitted", (json_int_t)flows_omitted);
}
