/* SPDX-License-Identifier: MIT */
/* What was learned of the connections to each port of the relay. */
#include "status_internal.h"

#include <splitsocks/status/limit_text.h>

static json_t *describe_finding(const struct profile_finding *finding)
{
    bool age = finding->coordinate == PROFILE_AGE;

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:f}", "kind",
                     limit_kind_name(finding->kind), "of",
                     limit_coordinate_name(finding->coordinate), "position_bytes",
                     status_integer_or_null(!age, finding->position), "position_ms",
                     status_ms_or_null(age, finding->position), "budget_bytes",
                     status_integer_or_null(!age, finding->budget), "budget_ms",
                     status_ms_or_null(age, finding->budget), "rate_bps",
                     status_integer_or_null(finding->rate != 0, finding->rate * 8),
                     "confidence", finding->confidence);
}

static void say(json_t *list, const struct session_limit *limit)
{
    char text[LIMIT_TEXT_SIZE];

    json_array_append_new(list, json_string(limit_text(limit, "", text)));
}

static json_t *describe_words(const struct port_status *status)
{
    struct session_limit limit = {
        .finding = status->finding,
        .connections = status->connections,
        .dials_per_second = status->dials_per_second,
    };
    json_t *list = json_array();

    limit.kind = SESSION_LIMIT_CARRIED;
    if (status->found)
        say(list, &limit);
    limit.kind = SESSION_LIMIT_OPEN;
    if (status->connections != 0)
        say(list, &limit);
    limit.kind = SESSION_LIMIT_DIALS;
    if (status->dials_per_second > 0)
        say(list, &limit);
    return list;
}

static json_t *describe_port(unsigned port, const struct port_status *status)
{
    bool up = status->budget_up != SESSION_UNLIMITED;
    bool down = status->budget_down != SESSION_UNLIMITED;

    return json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "port", (int)port, "limit",
        status->found ? describe_finding(&status->finding) : json_null(), "budget_up_bytes",
        status_integer_or_null(up, status->budget_up), "budget_down_bytes",
        status_integer_or_null(down, status->budget_down), "connections_max",
        status_integer_or_null(status->connections != 0, status->connections),
        "dials_per_second_max",
        status->dials_per_second > 0 ? json_real(status->dials_per_second) : json_null(),
        "says", describe_words(status));
}

json_t *status_ports(const struct status_source *source, unsigned path)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < source->port_count; i++) {
        struct port_status status;

        if (session_port_status(source->session, path, i, &status) &&
            json_array_append_new(list, describe_port(source->ports[i], &status)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
