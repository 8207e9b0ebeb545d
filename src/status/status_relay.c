/* SPDX-License-Identifier: MIT */
#include <splitsocks/status/status_relay.h>

#include "status_internal.h"

#include <splitsocks/engine/session/session_flow.h>

#include <stdio.h>

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *status_refusals(const struct client_account *account)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < CLIENT_REFUSALS; i++) {
        uint64_t count = atomic_load(&account->refusals[i]);

        if (count > 0)
            json_object_set_new(object, client_refusal_name((enum client_refusal)i),
                                integer(count));
    }
    return object;
}

json_t *status_account(const struct account *account)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "sessions", integer(account->sessions),
        "subflows", integer(account->subflows.used), "destinations",
        integer(account->destinations.used), "names", integer(account->names.used),
        "buffered_bytes", integer(account->pages.share.used * PAGE_SIZE), "record_bytes",
        integer(account->records.used), "datagram_bytes", integer(account->datagrams.used));
}

json_t *status_relay_session(const struct session *session, uint64_t now)
{
    struct session_status status;
    const struct session_counters *counters = &status.counters;
    uint64_t up = 0, down = 0;
    char id[17];

    session_status(session, &status);
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        struct path_status path;

        session_path_status(session, i, now, &path);
        up += path.goodput_in;
        down += path.goodput_out;
    }
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)status.id);
    return json_pack(
        "{s:s, s:f, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "id", id,
        "heard_ms", status_ms(now - MIN(now, status.contact_at_ns)), "streams",
        (int)session_stream_count(session), "flows", (int)session_flow_count(session),
        "subflows", (int)counters->subflows_open, "goodput_up_bps", status_bits(up),
        "goodput_down_bps", status_bits(down), "payload_up_bytes",
        (json_int_t)counters->stream_bytes_received, "payload_down_bytes",
        (json_int_t)counters->stream_bytes_acked, "wire_up_bytes",
        (json_int_t)counters->wire_bytes_received, "wire_down_bytes",
        (json_int_t)counters->wire_bytes_sent, "waiting_down_bytes",
        (json_int_t)status.waiting_out, "resumes", (json_int_t)counters->resumes,
        "datagrams_dropped", status_drops(counters->flows.drops));
}

void status_add(json_t *sum, json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value) {
        json_t *present = json_object_get(sum, key);

        if (json_is_object(value)) {
            if (present == NULL)
                json_object_set_new(sum, key, present = json_object());
            status_add(present, value);
        } else if (json_is_integer(value)) {
            json_object_set_new(
                sum, key,
                json_integer(json_integer_value(present) + json_integer_value(value)));
        }
    }
}
