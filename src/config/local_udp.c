/* SPDX-License-Identifier: MIT */
#include "local_parts.h"

/* Flows of one local: as many as a relay allows a session by default. */
#define MAX_FLOWS_DEFAULT "1024"
#define MAX_FLOWS_MAX 65536

static const struct choice filters[] = {
    {"none", CONFIG_FILTER_NONE, true},
    {"address", CONFIG_FILTER_ADDRESS, true},
    {NULL, 0, false},
};

/* One option below the other, with several words on a line: a table. */
/* clang-format off */
const struct option udp_options[] = {
    {.name = "enabled", .read = read_boolean, FIELD(config_udp, enabled),
     .fallback = "true"},
    {.name = "advertise", .read = read_address, FIELD(config_udp, advertise),
     .nullable = true, .allowed = "an IPv4 or IPv6 address"},
    {.name = "ports", .read = read_port_range, FIELD(config_udp, ports), .nullable = true},
    {OPTION_MODE, FIELD(config_udp, mode), .fallback = "\"auto\""},
    {OPTION_MAX_AGE, FIELD(config_udp, max_age_ns), .nullable = true},
    {.name = "idle", .read = read_duration, FIELD(config_udp, idle_after_ns),
     .fallback = "\"5m\"", .minimum = NS_PER_S, .maximum = 24 * 3600 * NS_PER_S},
    {.name = "max_flows", .read = read_integer, FIELD(config_udp, max_flows),
     .fallback = MAX_FLOWS_DEFAULT, .minimum = 1, .maximum = MAX_FLOWS_MAX},
    {.name = "filter", .read = read_choice, FIELD(config_udp, filter),
     .fallback = "\"none\"", .choices = filters},
    {.name = NULL},
};
/* clang-format on */
