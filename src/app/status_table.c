/* SPDX-License-Identifier: MIT */
#include "status_view.h"
#include "table.h"

#include <splitsocks/status/status_text.h>

#include <string.h>

/* Longer names are cut in the middle, since their ends tell more. */
#define NAME_WIDTH 20
#define DESTINATION_WIDTH 30

static void add_short(struct table *table, const char *text, int width)
{
    int length = (int)strlen(text);
    int head = (width - 3) / 2;

    if (length <= width)
        table_add(table, "%s", text);
    else
        table_add(table, "%.*s...%s", head, text, text + length - (width - 3 - head));
}

static void add_bytes(struct table *table, const json_t *object, const char *key)
{
    char text[STATUS_TEXT_SIZE];

    table_add(table, "%s", text_bytes(view_number(object, key), text));
}

static void add_rate(struct table *table, const json_t *object, const char *key)
{
    char text[STATUS_TEXT_SIZE];

    table_add(table, "%s", text_rate(view_number(object, key), text));
}

static void add_count(struct table *table, const json_t *object, const char *key)
{
    table_add(table, "%.0f", view_number(object, key));
}

static void add_duration(struct table *table, const json_t *object, const char *key)
{
    char text[STATUS_TEXT_SIZE];

    table_add(table, "%s",
              view_known(object, key) ? text_duration(view_number(object, key), text)
                                      : "-");
}

/* A row for each object of the list. */
static bool print_rows(const struct table_column *columns, const json_t *list,
                       void (*add_row)(struct table *table, const json_t *object),
                       FILE *stream)
{
    struct table table;
    const json_t *object;
    size_t index;
    bool good;

    table_init(&table, columns);
    json_array_foreach(list, index, object)
        add_row(&table, object);
    good = table_print(&table, stream);
    table_deinit(&table);
    return good;
}

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
    add_short(table, view_text(path, "name"), NAME_WIDTH);
    table_add(table, "%s",
              view_text(path, view_known(path, "reason") ? "reason" : "state"));
    add_duration(table, path, "rtt_ms");
    add_rate(table, path, "goodput_up_bps");
    add_rate(table, path, "goodput_down_bps");
    table_add(table, "%.0f%%", view_number(path, "share") * 100);
    add_bytes(table, path, "payload_up_bytes");
    add_bytes(table, path, "payload_down_bytes");
}

static bool print_traffic(const json_t *paths, FILE *stream)
{
    static const struct table_column columns[] = {
        {"PATH", false}, {"STATE", false},   {"RTT", true},
        {"UP", true},    {"DOWN", true},     {"SHARE", true},
        {"SENT", true},  {"RECEIVED", true}, {NULL, false},
    };

    return print_rows(columns, paths, add_traffic, stream);
}

static void add_quota(struct table *table, const json_t *limits)
{
    char used[STATUS_TEXT_SIZE], all[STATUS_TEXT_SIZE];

    if (!view_known(limits, "quota_bytes"))
        table_add(table, "-");
    else
        table_add(table, "%s of %s",
                  text_bytes(view_number(limits, "quota_used_bytes"), used),
                  text_bytes(view_number(limits, "quota_bytes"), all));
}

static void add_subflows(struct table *table, const json_t *path)
{
    const json_t *subflows = json_object_get(path, "subflows");
    char text[STATUS_TEXT_SIZE];

    add_short(table, view_text(path, "name"), NAME_WIDTH);
    add_count(table, subflows, "open");
    add_count(table, subflows, "dialling");
    add_count(table, subflows, "recycled");
    add_count(table, subflows, "failed");
    add_count(table, json_object_get(path, "dials"), "failed");
    table_add(table, "%s",
              text_bytes(view_number(path, "requeued_bytes") +
                             view_number(path, "reinjected_bytes"),
                         text));
    add_bytes(table, path, "duplicate_bytes");
    add_quota(table, json_object_get(path, "limits"));
}

static bool print_subflows(const json_t *paths, FILE *stream)
{
    static const struct table_column columns[] = {
        {"PATH", false},  {"OPEN", true},         {"DIALLING", true}, {"RECYCLED", true},
        {"FAILED", true}, {"FAILED DIALS", true}, {"AGAIN", true},    {"TWICE", true},
        {"QUOTA", true},  {NULL, false},
    };

    return print_rows(columns, paths, add_subflows, stream);
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
        add_count(table, item, "id");
    else
        table_add(table, "-");
    add_short(table, view_text(item, "destination"), DESTINATION_WIDTH);
    table_add(table, "%s", view_known(item, "mode") ? view_text(item, "mode") : "-");
    add_bytes(table, item, "up_bytes");
    add_bytes(table, item, "down_bytes");
    table_add(table, "%s",
              text_bytes(view_number(item, "waiting_up_bytes") +
                             view_number(item, "unacknowledged_bytes"),
                         text));
    add_bytes(table, item, "unread_bytes");
    add_waits(table, json_object_get(item, "waits_for"));
}

static bool print_streams(const json_t *streams, FILE *stream)
{
    static const struct table_column columns[] = {
        {"STREAM", true}, {"DESTINATION", false}, {"MODE", false},
        {"UP", true},     {"DOWN", true},         {"TO SEND", true},
        {"UNREAD", true}, {"WAITS FOR", false},   {NULL, false},
    };

    return print_rows(columns, streams, add_stream, stream);
}

/* ---- flows ---- */

static void add_drops(struct table *table, json_t *drops)
{
    const char *reason;
    json_t *count;
    double all = 0;

    json_object_foreach(drops, reason, count)
        all += json_number_value(count);
    table_add(table, "%.0f", all);
}

static void add_flow(struct table *table, const json_t *flow)
{
    if (view_known(flow, "id"))
        add_count(table, flow, "id");
    else
        table_add(table, "-");
    add_short(table, view_known(flow, "client") ? view_text(flow, "client") : "-",
              DESTINATION_WIDTH);
    add_short(table, view_known(flow, "destination") ? view_text(flow, "destination") : "-",
              DESTINATION_WIDTH);
    table_add(table, "%s", view_text(flow, "mode"));
    add_count(table, flow, "up_datagrams");
    add_bytes(table, flow, "up_bytes");
    add_count(table, flow, "down_datagrams");
    add_bytes(table, flow, "down_bytes");
    add_drops(table, json_object_get(flow, "drops"));
    add_duration(table, flow, "idle_ms");
}

static bool print_flows(const json_t *flows, FILE *stream)
{
    static const struct table_column columns[] = {
        {"FLOW", true}, {"CLIENT", false}, {"DESTINATION", false}, {"MODE", false},
        {"SENT", true}, {"UP", true},      {"RECEIVED", true},     {"DOWN", true},
        {"LOST", true}, {"IDLE", true},    {NULL, false},
    };

    return print_rows(columns, flows, add_flow, stream);
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
