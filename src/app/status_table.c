/* SPDX-License-Identifier: MIT */
#include "status_cells.h"
#include "status_view.h"

#include <splitsocks/status/status_text.h>

#include <string.h>

/* ---- the session ---- */

static void print_session(const json_t *session, FILE *stream)
{
    char a[STATUS_TEXT_SIZE], b[STATUS_TEXT_SIZE];
    const json_t *relay;
    size_t index;

    fprintf(stream, "session %s with ",
            view_known(session, "id") ? view_text(session, "id") : "-");
    json_array_foreach(json_object_get(session, "relays"), index, relay)
        fprintf(stream, "%s%s", index > 0 ? " or " : "", json_string_value(relay));
    fprintf(stream, ": %s", view_text(session, "state"));
    if (view_known(session, "heard_ms"))
        fprintf(stream, ", heard %s ago",
                text_duration(view_number(session, "heard_ms"), a));
    fprintf(stream, "\nnow up %s, down %s",
            text_rate(view_number(session, "goodput_up_bps"), a),
            text_rate(view_number(session, "goodput_down_bps"), b));
    fprintf(stream, "; waiting up %s, down %s\n",
            text_bytes(view_number(session, "waiting_up_bytes"), a),
            text_bytes(view_number(session, "waiting_down_bytes"), b));
}

static void print_listeners(const json_t *listeners, FILE *stream)
{
    const json_t *listener;
    size_t index;

    json_array_foreach(listeners, index, listener)
        if (view_listener_absent(listener))
            fprintf(stream, "%s is no address of this machine now\n",
                    view_text(listener, "address"));
}

/* ---- paths ---- */

static void add_traffic(struct table *table, const json_t *path)
{
    cell_short(table, view_text(path, "name"), NAME_WIDTH);
    table_add(table, "%s",
              view_text(path, view_known(path, "reason") ? "reason" : "state"));
    cell_duration(table, path, "rtt_ms");
    cell_rate(table, path, "goodput_up_bps");
    cell_rate(table, path, "goodput_down_bps");
    table_add(table, "%.0f%%", view_number(path, "share") * 100);
    cell_bytes(table, path, "payload_up_bytes");
    cell_bytes(table, path, "payload_down_bytes");
}

static bool print_traffic(const json_t *paths, FILE *stream)
{
    static const struct table_column columns[] = {
        {"PATH", false}, {"STATE", false},   {"RTT", true},
        {"UP", true},    {"DOWN", true},     {"SHARE", true},
        {"SENT", true},  {"RECEIVED", true}, {NULL, false},
    };

    return cells_print(columns, paths, add_traffic, stream);
}

static void add_subflows(struct table *table, const json_t *path)
{
    const json_t *subflows = json_object_get(path, "subflows");
    char text[STATUS_TEXT_SIZE];

    cell_short(table, view_text(path, "name"), NAME_WIDTH);
    cell_count(table, subflows, "open");
    cell_count(table, subflows, "dialling");
    cell_count(table, subflows, "recycled");
    cell_count(table, subflows, "failed");
    cell_count(table, json_object_get(path, "dials"), "failed");
    table_add(table, "%s",
              text_bytes(view_number(path, "requeued_bytes") +
                             view_number(path, "reinjected_bytes"),
                         text));
    cell_bytes(table, path, "duplicate_bytes");
    cell_used(table, json_object_get(path, "limits"), "quota_used_bytes", "quota_bytes");
}

static bool print_subflows(const json_t *paths, FILE *stream)
{
    static const struct table_column columns[] = {
        {"PATH", false},  {"OPEN", true},         {"DIALLING", true}, {"RECYCLED", true},
        {"FAILED", true}, {"FAILED DIALS", true}, {"AGAIN", true},    {"TWICE", true},
        {"QUOTA", true},  {NULL, false},
    };

    return cells_print(columns, paths, add_subflows, stream);
}

/* ---- streams ---- */

static void add_waits(struct table *table, const json_t *waits)
{
    char text[TABLE_CELL_SIZE] = "";
    const json_t *name;
    size_t index, used = 0;

    json_array_foreach(waits, index, name) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
                                 index > 0 ? ", " : "", json_string_value(name));
        used = MIN(used, sizeof(text) - 1);
    }
    for (char *c = text; *c != '\0'; c++)
        if (*c == '_')
            *c = ' ';
    table_add(table, "%s", text[0] != '\0' ? text : "-");
}

static void add_stream(struct table *table, const json_t *item)
{
    char text[STATUS_TEXT_SIZE];

    if (view_known(item, "id"))
        cell_count(table, item, "id");
    else
        table_add(table, "-");
    cell_short(table, view_text(item, "destination"), DESTINATION_WIDTH);
    table_add(table, "%s", view_known(item, "mode") ? view_text(item, "mode") : "-");
    cell_bytes(table, item, "up_bytes");
    cell_bytes(table, item, "down_bytes");
    table_add(table, "%s",
              text_bytes(view_number(item, "waiting_up_bytes") +
                             view_number(item, "unacknowledged_bytes"),
                         text));
    cell_bytes(table, item, "unread_bytes");
    add_waits(table, json_object_get(item, "waits_for"));
}

static bool print_streams(const json_t *streams, FILE *stream)
{
    static const struct table_column columns[] = {
        {"STREAM", true}, {"DESTINATION", false}, {"MODE", false},
        {"UP", true},     {"DOWN", true},         {"TO SEND", true},
        {"UNREAD", true}, {"WAITS FOR", false},   {NULL, false},
    };

    return cells_print(columns, streams, add_stream, stream);
}

/* ---- flows ---- */

static void add_flow(struct table *table, const json_t *flow)
{
    if (view_known(flow, "id"))
        cell_count(table, flow, "id");
    else
        table_add(table, "-");
    cell_short(table, view_known(flow, "client") ? view_text(flow, "client") : "-",
               DESTINATION_WIDTH);
    cell_short(table,
               view_known(flow, "destination") ? view_text(flow, "destination") : "-",
               DESTINATION_WIDTH);
    table_add(table, "%s", view_text(flow, "mode"));
    cell_count(table, flow, "up_datagrams");
    cell_bytes(table, flow, "up_bytes");
    cell_count(table, flow, "down_datagrams");
    cell_bytes(table, flow, "down_bytes");
    cell_sum(table, json_object_get(flow, "drops"));
    cell_duration(table, flow, "idle_ms");
}

static bool print_flows(const json_t *flows, FILE *stream)
{
    static const struct table_column columns[] = {
        {"FLOW", true}, {"CLIENT", false}, {"DESTINATION", false}, {"MODE", false},
        {"SENT", true}, {"UP", true},      {"RECEIVED", true},     {"DOWN", true},
        {"LOST", true}, {"IDLE", true},    {NULL, false},
    };

    return cells_print(columns, flows, add_flow, stream);
}

/* ---- all of it ---- */

static bool print_one(const json_t *status, FILE *stream)
{
    const json_t *paths = json_object_get(status, "paths");
    const json_t *streams = json_object_get(status, "streams");
    const json_t *flows = json_object_get(status, "flows");
    bool good = true;

    print_session(json_object_get(status, "session"), stream);
    print_listeners(json_object_get(status, "listeners"), stream);
    if (json_array_size(paths) > 0) {
        fputc('\n', stream);
        good = print_traffic(paths, stream);
        fputc('\n', stream);
        good = good && print_subflows(paths, stream);
    }
    fputc('\n', stream);
    if (json_array_size(streams) > 0)
        good = good && print_streams(streams, stream);
    else
        fputs("no streams\n", stream);
    if (view_number(status, "streams_omitted") > 0)
        fprintf(stream, "and %.0f more streams\n", view_number(status, "streams_omitted"));
    if (json_array_size(flows) > 0) {
        fputc('\n', stream);
        good = good && print_flows(flows, stream);
    }
    if (view_number(status, "flows_omitted") > 0)
        fprintf(stream, "and %.0f more flows\n", view_number(status, "flows_omitted"));
    return good;
}

bool status_print_tables(const json_t *document, FILE *stream)
{
    const json_t *retired;
    size_t index;
    bool good = print_one(document, stream);

    json_array_foreach(json_object_get(document, "retired"), index, retired) {
        fputs("\nof an earlier configuration, until its streams have ended:\n", stream);
        good = good && print_one(retired, stream);
    }
    return good && !ferror(stream);
}
