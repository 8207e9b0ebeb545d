/* SPDX-License-Identifier: MIT */
#include "status_internal.h"

static const char *state_name(enum path_reason reason)
{
    switch (reason) {
    case PATH_REASON_WORKS: return "up";
    case PATH_REASON_UNTRIED: return "untried";
    default: return "down";
    }
}

/* NULL while the path works, or nothing is known about it. */
static const char *reason_name(enum path_reason reason)
{
    switch (reason) {
    case PATH_REASON_UNTRIED:
    case PATH_REASON_WORKS: break;
    case PATH_REASON_UNUSABLE: return "unusable";
    case PATH_REASON_REFUSED: return "refused";
    case PATH_REASON_UNREACHABLE: return "unreachable";
    case PATH_REASON_TIMED_OUT: return "timed_out";
    case PATH_REASON_SILENT: return "silent";
    case PATH_REASON_UNANSWERED: return "unanswered";
    case PATH_REASON_STRANGER: return "stranger";
    }
    return NULL;
}

static const char *use_name(enum path_use use)
{
    switch (use) {
    case PATH_USE_CARRIES: return "carries";
    case PATH_USE_DOWN: return "down";
    case PATH_USE_UNTRIED: return "untried";
    case PATH_USE_BACKUP: return "backup";
    case PATH_USE_COST: return "cost";
    case PATH_USE_NOT_ALLOWED: return "not_allowed";
    case PATH_USE_LATER: return "later";
    case PATH_USE_IDLE: return "idle";
    case PATH_USE_READY: return "ready";
    }
    return "unknown";
}

static bool has_rival(enum path_use use)
{
    return use == PATH_USE_BACKUP || use == PATH_USE_COST || use == PATH_USE_LATER;
}

static json_t *describe_modes(uint8_t modes)
{
    json_t *list;

    if (modes == 0)
        return json_null();
    list = json_array();
    for (unsigned mode = 0; mode < STREAM_MODES; mode++)
        if (modes >> mode & 1)
            json_array_append_new(list,
                                  json_string(stream_mode_string((enum stream_mode)mode)));
    return list;
}

static json_t *describe_limits(const struct status_path *path,
                               const struct path_properties *properties)
{
    return json_pack(
        "{s:b, s:i, s:f, s:o, s:o, s:o, s:o, s:o}", "backup", (int)properties->backup,
        "cost", (int)properties->cost, "bulk_after_s",
        (double)properties->bulk_after_ns / 1e9, "modes", describe_modes(properties->modes),
        "rate_up_bps",
        status_integer_or_null(properties->rate_up != 0, properties->rate_up * 8),
        "rate_down_bps",
        status_integer_or_null(properties->rate_down != 0, properties->rate_down * 8),
        "quota_bytes", status_integer_or_null(path->quota_bytes != 0, path->quota_bytes),
        "quota_used_bytes",
        status_integer_or_null(path->quota_bytes != 0, path->quota_used_bytes));
}

static json_t *describe_subflows(const struct path_status *status)
{
    return json_pack("{s:i, s:i, s:I, s:I, s:f}", "open", (int)status->subflows_open,
                     "dialling", (int)status->subflows_dialling, "recycled",
                     (json_int_t)status->counters.subflows_retired, "failed",
                     (json_int_t)status->counters.subflows_failed, "keepalive_s",
                     (double)status->keepalive_ns / 1e9);
}

static json_t *describe_dials(const struct path_status *status, uint64_t now)
{
    /* While a dial is under way, the time of the next depends on its result. */
    bool known = status->reason != PATH_REASON_UNUSABLE && status->subflows_dialling == 0;

    return json_pack("{s:I, s:i, s:o}", "failed", (json_int_t)status->counters.dials_failed,
                     "failed_in_a_row", (int)status->failures, "next_ms",
                     status_ms_or_null(known, MAX(status->dial_at_ns, now) - now));
}

static json_t *describe_mtu(const struct path_status *status)
{
    const char *source = status->packets_found      ? "found"
                         : status->packet_size != 0 ? "configured"
                                                    : NULL;

    return json_pack("{s:o, s:s?, s:b}", "bytes",
                     status_integer_or_null(status->packet_size != 0, status->packet_size),
                     "source", source, "large_lost", (int)status->packets_lost);
}

/* The bytes that were and are carried, and their quality. */
static json_t *describe_traffic(const struct path_status *status, uint64_t payload_bytes)
{
    const struct path_counters *counters = &status->counters;
    uint64_t own_bytes = counters->stream_bytes_acked + counters->stream_bytes_received;

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
        "rtt_ms", status_ms_or_null(status->srtt_ns != 0, status->srtt_ns), "delivers_ms",
        status_ms_or_null(status->srtt_ns != 0, status->delivery_ns), "estimated_up_bps",
        status_integer_or_null(status->rate_out != 0, status->rate_out * 8),
        "estimated_down_bps",
        status_integer_or_null(status->rate_in != 0, status->rate_in * 8), "goodput_up_bps",
        status_bits(status->goodput_out), "goodput_down_bps",
        status_bits(status->goodput_in), "share",
        payload_bytes == 0 ? 0. : (double)own_bytes / (double)payload_bytes,
        "payload_up_bytes", (json_int_t)counters->stream_bytes_acked, "payload_down_bytes",
        (json_int_t)counters->stream_bytes_received, "wire_up_bytes",
        (json_int_t)counters->wire_bytes_sent, "wire_down_bytes",
        (json_int_t)counters->wire_bytes_received, "queued_up_bytes",
        (json_int_t)status->queued_bytes, "requeued_bytes",
        (json_int_t)counters->bytes_requeued, "reinjected_bytes",
        (json_int_t)counters->bytes_reinjected, "duplicate_bytes",
        (json_int_t)counters->bytes_duplicate);
}

static const char *format_or_null(const struct address *address,
                                  char text[ADDRESS_TEXT_SIZE])
{
    return address->family != ADDRESS_NONE ? address_format(address, text) : NULL;
}

/* The one of the host's addresses that the reason is about. */
static const struct address *relay_address(const struct status_path *path,
                                           enum path_reason reason)
{
    bool unproven = reason == PATH_REASON_UNANSWERED || reason == PATH_REASON_STRANGER;

    return unproven && path->stranger.family != ADDRESS_NONE ? &path->stranger
                                                             : &path->address;
}

static json_t *describe_path(const struct status_source *source, unsigned index,
                             uint64_t payload_bytes, uint64_t now)
{
    const struct status_path *path = &source->paths[index];
    char source_text[ADDRESS_TEXT_SIZE], address[ADDRESS_TEXT_SIZE];
    struct path_status status;
    json_t *whole, *traffic;
    const char *rival = NULL;

    session_path_status(source->session, index, now, &status);
    if (has_rival(status.use) && status.rival < source->path_count)
        rival = source->paths[status.rival].name;
    whole = json_pack(
        "{s:s, s:s?, s:s?, s:s?, s:s, s:s?, s:s?, s:s?, s:s, s:s?, s:b, s:o, s:o, s:o, "
        "s:o, s:o, s:o}",
        "name", path->name, "interface", path->interface, "source",
        format_or_null(&path->source, source_text), "relay_address",
        format_or_null(relay_address(path, status.reason), address), "state",
        state_name(status.reason), "reason", reason_name(status.reason), "detail",
        reason_name(status.reason) != NULL ? path->detail : NULL, "hint", path->hint, "use",
        use_name(status.use), "rival", rival, "small_only", (int)status.small_only,
        "limits", describe_limits(path, &status.properties), "mtu", describe_mtu(&status),
        "subflows", describe_subflows(&status), "dials", describe_dials(&status, now),
        "slots_wanted",
        status_integer_or_null(status.slots_wanted != 0, status.slots_wanted), "ports",
        status_ports(source, index));
    traffic = describe_traffic(&status, payload_bytes);
    if (whole == NULL || traffic == NULL || json_object_update(whole, traffic) != 0) {
        json_decref(whole);
        whole = NULL;
    }
    json_decref(traffic);
    return whole;
}

json_t *status_paths(const struct status_source *source, uint64_t now)
{
    json_t *list = json_array();
    uint64_t payload_bytes = 0;

    for (unsigned i = 0; source->session != NULL && i < source->path_count; i++) {
        struct path_status status;

        session_path_status(source->session, i, now, &status);
        payload_bytes +=
            status.counters.stream_bytes_acked + status.counters.stream_bytes_received;
    }
    for (unsigned i = 0; source->session != NULL && i < source->path_count; i++) {
        if (source->paths[i].name == NULL)
            continue;
        if (json_array_append_new(list, describe_path(source, i, payload_bytes, now)) !=
            0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
