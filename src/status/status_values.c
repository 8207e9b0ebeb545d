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
