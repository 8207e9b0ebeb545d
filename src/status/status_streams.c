/* SPDX-License-Identifier: MIT */
#include "status_internal.h"

/* In the order of enum stream_wait's bits. */
static const char *const wait_names[] = {
    "session",     "stream_limit",   "connect",         "subflow",      "stream_credit",
    "peer_reader", "session_credit", "acknowledgement", "missing_data", "reader",
};

static json_t *describe_waits(unsigned waits)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LENGTH(wait_names); i++)
        if (waits >> i & 1)
            json_array_append_new(list, json_string(wait_names[i]));
    return list;
}

static const char *state_name(const struct stream_status *status)
{
    if (!status->opened)
        return "opening";
    return status->released ? "closing" : "open";
}

static json_t *describe_stream(const struct status_source *source,
                               const struct stream_status *status, uint64_t now)
{
    bool unread = (status->waits & STREAM_WAITS_READER) != 0;

    return json_pack(
        "{s:o, s:s?, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "id",
        status_integer_or_null(status->id != 0, status->id), "destination",
        status->destination, "state", state_name(status), "mode",
        stream_mode_string((enum stream_mode)status->policy.mode), "copies",
        status_integer_or_null(status->policy.copies != 0, status->policy.copies), "paths",
        status_allowed(source, status->policy.paths), "up_bytes",
        (json_int_t)status->bytes_acked, "down_bytes", (json_int_t)status->bytes_read,
        "waiting_up_bytes", (json_int_t)status->queued_bytes, "unacknowledged_bytes",
        (json_int_t)status->flying_bytes, "unread_bytes", (json_int_t)status->unread_bytes,
        "waits_for", describe_waits(status->waits), "reader_idle_ms",
        status_ms_or_null(unread, now - MIN(now, status->read_at_ns)));
}

/* Adds the streams that wait for something, or the others, while there is room. */
static bool append(json_t *list, const struct status_source *source, bool waiting,
                   uint64_t now)
{
    const struct stream *stream = NULL;

    while (json_array_size(list) < STATUS_STREAMS_MAX &&
           (stream = session_next_stream(source->session, stream)) != NULL) {
        struct stream_status status;

        session_stream_status(source->session, stream, &status);
        if (status.ended || (status.waits != 0) != waiting)
            continue;
        if (json_array_append_new(list, describe_stream(source, &status, now)) != 0)
            return false;
    }
    return true;
}

static size_t count(const struct session *session)
{
    const struct stream *stream = NULL;
    size_t streams = 0;

    while ((stream = session_next_stream(session, stream)) != NULL) {
        struct stream_status status;

        session_stream_status(session, stream, &status);
        streams += !status.ended;
    }
    return streams;
}

json_t *status_streams(const struct status_source *source, uint64_t now, size_t *omitted)
{
    json_t *list = json_array();

    size_t others;

    *omitted = 0;
    if (!status_add_connections(list, source, false, omitted))
        goto fail;
    others = json_array_size(list);
    if (source->session != NULL) {
        if (!append(list, source, true, now) || !append(list, source, false, now))
            goto fail;
        *omitted += count(source->session) - (json_array_size(list) - others);
    }
    if (!status_add_connections(list, source, true, omitted))
        goto fail;
    return list;
fail:
    json_decref(list);
    return NULL;
}
