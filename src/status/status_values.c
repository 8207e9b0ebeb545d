/* SPDX-License-Identifier: MIT */
#include "status_internal.h"

json_t *status_ms_or_null(bool known, uint64_t ns)
{
    return known ? json_real(status_ms(ns)) : json_null();
}

json_t *status_integer_or_null(bool known, uint64_t value)
{
    return known ? json_integer((json_int_t)value) : json_null();
}

json_t *status_allowed(const struct status_source *source, uint16_t paths)
{
    json_t *list;

    if (paths == 0)
        return json_null();
    list = json_array();
    for (size_t i = 0; i < source->path_count; i++)
        if (paths >> i & 1 && source->paths[i].name != NULL)
            json_array_append_new(list, json_string(source->paths[i].name));
    return list;
}
