/* SPDX-License-Identifier: MIT */
#include "status_internal.h"

/* Describes the connection with the members of a stream; those that it does not have are
 * null. */
static json_t *describe(const struct status_connection *connection)
{
    bool resolving = connection->phase == STATUS_CONNECTION_RESOLVES;
    json_t *waits = json_array();

    if (resolving)
        json_array_append_new(waits, json_string("name"));
    if (connection->phase == STATUS_CONNECTION_CONNECTS)
        json_array_append_new(waits, json_string("connect"));
    if (connection->waiting_up > 0)
        json_array_append_new(waits, json_string("peer_reader"));
    if (connection->waiting_down > 0)
        json_array_append_new(waits, json_string("reader"));
    return json_pack("{s:n, s:s?, s:s, s:s?, s:n, s:n, s:I, s:I, s:I, s:i, s:I, s:o, s:n}",
                     "id", "destination", connection->destination, "state",
                     connection->phase == STATUS_CONNECTION_OPEN ? "open" : "opening",
                     "mode", resolving ? NULL : "direct", "copies", "paths", "up_bytes",
                     (json_int_t)connection->up_bytes, "down_bytes",
                     (json_int_t)connection->down_bytes, "waiting_up_bytes",
                     (json_int_t)connection->waiting_up, "unacknowledged_bytes", 0,
                     "unread_bytes", (json_int_t)connection->waiting_down, "waits_for",
                     waits, "reader_idle_ms");
}

bool status_add_connections(json_t *list, const struct status_source *source, bool open,
                            size_t *omitted)
{
    struct status_connection connection = {.node = NULL};

    while (source->next_connection != NULL &&
           source->next_connection(source->connections, &connection)) {
        if ((connection.phase == STATUS_CONNECTION_OPEN) != open)
            continue;
        if (json_array_size(list) == STATUS_STREAMS_MAX)
            (*omitted)++;
        else if (json_array_append_new(list, describe(&connection)) != 0)
            return false;
    }
    return list != NULL;
}
