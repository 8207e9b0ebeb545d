/* SPDX-License-Identifier: MIT */
/* The parts of a status document. Each function returns a new reference, NULL when memory
 * is out. */
#ifndef IO_STATUS_INTERNAL_H
#define IO_STATUS_INTERNAL_H

#include <splitsocks/engine/session/session_status.h>
#include <splitsocks/status/status.h>

#include <jansson.h>

/* status_values.c: `value`, in milliseconds where it is a time; null if unknown. */
json_t *status_ms_or_null(bool known, uint64_t ns);
json_t *status_integer_or_null(bool known, uint64_t value);
static inline double status_ms(uint64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}
/* A rate in bytes a second, as bits a second. */
static inline json_int_t status_bits(uint64_t bytes_per_second)
{
    return (json_int_t)(bytes_per_second * 8);
}

/* The names of the paths that a policy allows; null: all. */
json_t *status_allowed(const struct status_source *source, uint16_t paths);

json_t *status_paths(const struct status_source *source, uint64_t now);
/* What was learned on the path, for the ports that were dialled. */
json_t *status_ports(const struct status_source *source, unsigned path);
/* `*omitted`: the number of streams beyond STATUS_STREAMS_MAX. */
json_t *status_streams(const struct status_source *source, uint64_t now, size_t *omitted);
/* `*omitted`: the number of flows beyond STATUS_STREAMS_MAX. */
json_t *status_flows(const struct status_source *source, uint64_t now, size_t *omitted);
/* Adds connections without streams to `list`, either the open ones or those being opened,
 * while there is room, and counts the others in `*omitted`. False when memory is out. */
bool status_add_connections(json_t *list, const struct status_source *source, bool open,
                            size_t *omitted);

#endif
