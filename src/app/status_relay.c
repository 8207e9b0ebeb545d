/* SPDX-License-Identifier: MIT */
#include "status_cells.h"
#include "status_view.h"

#include <splitsocks/status/status_text.h>

#include <string.h>

/* A rate, and its bound if there is one. */
static const char *bounded_rate(const json_t *rate, const char *now, const char *most,
                                char text[2 * STATUS_TEXT_SIZE])
{
    char a[STATUS_TEXT_SIZE], b[STATUS_TEXT_SIZE];

    text_rate(view_number(rate, now), a);
    if (view_known(rate, most))
        snprintf(text, 2 * STATUS_TEXT_SIZE, "%s of %s", a,
                 text_rate(view_number(rate, most), b));
    else
        snprintf(text, 2 * STATUS_TEXT_SIZE, "%s", a);
    return text;
}

/* ---- the process ---- */

static void print_process(const json_t *document, FILE *stream)
{
    const json_t *process = json_object_get(document, "process");
    const json_t *held = json_object_get(process, "held");
    const json_t *most = json_object_get(process, "most");
    const json_t *rate = json_object_get(process, "rate");
    char up[2 * STATUS_TEXT_SIZE], down[2 * STATUS_TEXT_SIZE];
    char memory[STATUS_TEXT_SIZE], used[STATUS_TEXT_SIZE], all[STATUS_TEXT_SIZE];

    fprintf(stream, "relay: memory %s, %s of %s buffered; ",
            text_bytes(view_number(process, "resident_bytes"), memory),
            text_bytes(view_number(held, "buffered_bytes"), used),
            text_bytes(view_number(most, "buffered_bytes"), all));
    fprintf(stream, "%.0f of %.0f streams, %.0f of %.0f flows; ",
            view_number(held, "streams"), view_number(most, "streams"),
            view_number(held, "flows"), view_number(most, "flows"));
    fprintf(stream, "%s up, %s down\n", bounded_rate(rate, "up_bps", "up_bps_max", up),
            bounded_rate(rate, "down_bps", "down_bps_max", down));
}

static void add_worker(struct table *table, const json_t *worker)
{
    const json_t *held = json_object_get(worker, "held");

    cell_count(table, worker, "worker");
    if (json_is_false(json_object_get(worker, "answered")))
        table_add(table, "stuck");
    else
        table_add(table, "%.0f%%", view_number(worker, "load") * 100);
    cell_duration(table, worker, "cpu_ms");
    cell_count(table, worker, "sessions");
    cell_count(table, held, "subflows");
    cell_count(table, held, "destinations");
    cell_count(table, held, "names");
    cell_bytes(table, held, "buffered_bytes");
    cell_count(table, worker, "unproven");
    cell_sum(table, json_object_get(json_object_get(worker, "handshakes"), "refused"));
}

static bool print_workers(const json_t *workers, FILE *stream)
{
    static const struct table_column columns[] = {
        {"WORKER", true},   {"LOAD", true},   {"CPU", true},   {"SESSIONS", true},
        {"SUBFLOWS", true}, {"OUT", true},    {"NAMES", true}, {"BUFFERED", true},
        {"UNPROVEN", true}, {"SILENT", true}, {NULL, false},
    };

    return cells_print(columns, workers, add_worker, stream);
}

/* ---- clients ---- */

static void add_client(struct table *table, const json_t *client)
{
    const json_t *held = json_object_get(client, "held");
    const json_t *rate = json_object_get(client, "rate");
    char up[2 * STATUS_TEXT_SIZE], down[2 * STATUS_TEXT_SIZE];

    cell_short(table, view_text(client, "name"), NAME_WIDTH);
    cell_count(table, held, "sessions");
    cell_count(table, held, "streams");
    cell_count(table, held, "flows");
    cell_count(table, held, "subflows");
    cell_bytes(table, held, "buffered_bytes");
    table_add(table, "%s", bounded_rate(rate, "up_bps", "up_bps_max", up));
    table_add(table, "%s", bounded_rate(rate, "down_bps", "down_bps_max", down));
    cell_used(table, json_object_get(client, "quota"), "used_bytes", "bytes");
    cell_count(table, client, "dials");
    cell_sum(table, json_object_get(client, "refused"));
    cell_sum(table, json_object_get(client, "datagrams_dropped"));
}

static bool print_clients(const json_t *clients, FILE *stream)
{
    static const struct table_column columns[] = {
        {"CLIENT", false},  {"SESSIONS", true}, {"STREAMS", true}, {"FLOWS", true},
        {"SUBFLOWS", true}, {"BUFFERED", true}, {"UP", true},      {"DOWN", true},
        {"QUOTA", true},    {"DIALS", true},    {"REFUSED", true}, {"LOST", true},
        {NULL, false},
    };

    return cells_print(columns, clients, add_client, stream);
}

/* ---- sessions ---- */

static void add_session(struct table *table, const json_t *session)
{
    cell_short(table, view_text(session, "id"), NAME_WIDTH);
    cell_short(table, view_text(session, "client"), NAME_WIDTH);
    cell_count(table, session, "worker");
    cell_count(table, session, "streams");
    cell_count(table, session, "flows");
    cell_count(table, session, "subflows");
    cell_rate(table, session, "goodput_up_bps");
    cell_rate(table, session, "goodput_down_bps");
    cell_bytes(table, session, "payload_up_bytes");
    cell_bytes(table, session, "payload_down_bytes");
    cell_duration(table, session, "heard_ms");
}

/* The sessions of all clients, each with the name of its client. */
static json_t *list_sessions(const json_t *clients)
{
    json_t *list = json_array(), *session;
    const json_t *client;
    size_t i, j;

    json_array_foreach(clients, i, client)
        json_array_foreach(json_object_get(client, "sessions"), j, session) {
            json_object_set(session, "client", json_object_get(client, "name"));
            json_array_append(list, session);
        }
    return list;
}

static bool print_sessions(const json_t *clients, FILE *stream)
{
    static const struct table_column columns[] = {
        {"SESSION", false}, {"CLIENT", false},  {"WORKER", true}, {"STREAMS", true},
        {"FLOWS", true},    {"SUBFLOWS", true}, {"UP", true},     {"DOWN", true},
        {"RECEIVED", true}, {"SENT", true},     {"HEARD", true},  {NULL, false},
    };
    json_t *sessions = list_sessions(clients);
    bool good = true;

    if (json_array_size(sessions) > 0) {
        fputc('\n', stream);
        good = cells_print(columns, sessions, add_session, stream);
    }
    json_decref(sessions);
    return good;
}

bool status_print_relay(const json_t *document, FILE *stream)
{
    const json_t *clients = json_object_get(document, "clients");
    bool good;

    print_process(document, stream);
    fputc('\n', stream);
    good = print_workers(json_object_get(document, "workers"), stream);
    fputc('\n', stream);
    if (json_array_size(clients) > 0)
        good = good && print_clients(clients, stream);
    else
        fputs("no clients\n", stream);
    if (view_number(document, "clients_omitted") > 0)
        fprintf(stream, "and %.0f more clients\n",
                view_number(document, "clients_omitted"));
    good = good && print_sessions(clients, stream);
    if (view_number(document, "sessions_omitted") > 0)
        fprintf(stream, "and %.0f more sessions\n",
                view_number(document, "sessions_omitted"));
    return good && !ferror(stream);
}

/* ---- in words ---- */

/* A word of the document, and what to say of it. */
struct wording {
    const char *word, *says;
};

static const struct wording refusals[] = {
    {"max_sessions", "sessions: the client has as many as it may have "
                     "(clients[].max_sessions)"},
    {"not_served", "sessions: the client's time or quota is over (clients[].expires, "
                   "clients[].quota)"},
    {"max_streams", "streams: the client has as many as it may have in all its sessions "
                    "(clients[].max_streams)"},
    {"limits_streams", "streams: the client has as many as it leaves to the others "
                       "(limits.streams)"},
    {"max_flows", "flows: the client has as many as it may have in all its sessions "
                  "(clients[].max_flows)"},
    {"limits_flows", "flows: the client has as many as it leaves to the others "
                     "(limits.flows)"},
    {"dials_per_second", "streams: the client begins too many connections "
                         "(dials_per_second)"},
    {"max_names", "streams: the client looks up as many names as it may (max_names)"},
    {"dns_max_waiting", "streams: the client looks up as many names as it leaves to the "
                        "others (dns.max_waiting)"},
    {"max_descriptors", "streams: the client has as many connections to destinations as it "
                        "may have (max_descriptors)"},
    {"descriptors", "streams: the client has as many connections as it leaves to the "
                    "others (the limit of open files)"},
    {"max_memory", "streams: the client holds as much data as it may hold (max_memory)"},
    {"buffered_bytes", "streams: the client holds as much data as it leaves to the others "
                       "(limits.buffered_bytes)"},
    {"records", "streams: their data came in too many pieces"},
    {"destinations", "streams: the destination is not allowed (destinations)"},
    {"machine", "streams: the machine has no more memory or descriptors"},
};

static const struct wording silences[] = {
    {"stranger", "connections of strangers: they do not know the relay's public key"},
    {"malformed", "handshakes that are malformed"},
    {"not_listed", "handshakes of keys that are not listed"},
    {"replayed", "handshakes with a repeated or old stamp"},
    {"too_many", "handshakes from addresses with too many failures"},
    {"other_server", "handshakes that ask for another server_id"},
    {"no_session", "connections of no session that the relay has"},
    {"evicted", "connections that made room for others (limits.unauthenticated, "
                "limits.half_open)"},
    {"failed", "handshakes that the relay could not answer"},
};

static void explain_counts(const struct wording *known, size_t count, json_t *numbers,
                           FILE *stream)
{
    for (size_t i = 0; i < count; i++)
        if (view_number(numbers, known[i].word) > 0)
            fprintf(stream, "  %.0f %s\n", view_number(numbers, known[i].word),
                    known[i].says);
}

static void explain_quota(const json_t *client, FILE *stream)
{
    const json_t *quota = json_object_get(client, "quota");
    char used[STATUS_TEXT_SIZE], all[STATUS_TEXT_SIZE];

    if (json_is_object(quota))
        fprintf(stream, "%s has used %s of its %s; it begins anew on %s (UTC).\n",
                view_text(client, "name"),
                text_bytes(view_number(quota, "used_bytes"), used),
                text_bytes(view_number(quota, "bytes"), all), view_text(quota, "renews"));
}

static void explain_drops(const json_t *client, FILE *stream)
{
    json_t *drops = json_object_get(client, "datagrams_dropped"), *count;
    const char *reason;

    if (json_object_size(drops) > 0)
        fprintf(stream, "Datagrams of %s were dropped:\n", view_text(client, "name"));
    json_object_foreach(drops, reason, count)
        fprintf(stream, "  %.0f %s\n", json_number_value(count), reason);
}

static void explain_client(const json_t *client, FILE *stream)
{
    json_t *refused = json_object_get(client, "refused");

    if (view_known(client, "refusal"))
        fprintf(stream, "%s is not served: %s.\n", view_text(client, "name"),
                view_text(client, "refusal"));
    explain_quota(client, stream);
    if (json_object_size(refused) > 0) {
        fprintf(stream, "Refused to %s:\n", view_text(client, "name"));
        explain_counts(refusals, ARRAY_LENGTH(refusals), refused, stream);
    }
    explain_drops(client, stream);
}

void status_explain_relay(const json_t *document, FILE *stream)
{
    json_t *refused = json_object_get(
        json_object_get(json_object_get(document, "process"), "handshakes"), "refused");
    const json_t *client;
    size_t index;

    json_array_foreach(json_object_get(document, "clients"), index, client)
        explain_client(client, stream);
    if (json_object_size(refused) > 0) {
        fputs("Connections that got no answer:\n", stream);
        explain_counts(silences, ARRAY_LENGTH(silences), refused, stream);
    }
}
