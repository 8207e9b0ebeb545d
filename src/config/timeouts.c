/* SPDX-License-Identifier: MIT */
#include "values.h"

/* The kernel's bound of TCP_KEEPIDLE: 32767 s. */
#define KEEPALIVE_MAX (9 * 3600 * NS_PER_S)
#define HALF_CLOSED_MAX (24 * 3600 * NS_PER_S)
#define STOP_MAX (24 * 3600 * NS_PER_S)

/* One option below the other, with several words on a line: tables. */
/* clang-format off */
const struct option timeout_options[] = {
    {.name = "half_closed", .read = read_duration,
     FIELD(config_timeouts, half_closed_after_ns), .fallback = "\"5m\"", .nullable = true,
     .minimum = NS_PER_S, .maximum = HALF_CLOSED_MAX},
    {.name = "keepalive", .read = read_duration, FIELD(config_timeouts, keepalive_ns),
     .fallback = "\"5m\"", .nullable = true, .minimum = NS_PER_S,
     .maximum = KEEPALIVE_MAX},
    {.name = "stop", .read = read_duration, FIELD(config_timeouts, stop_after_ns),
     .fallback = "\"5s\"", .maximum = STOP_MAX},
    {.name = NULL},
};
/* clang-format on */
