/* SPDX-License-Identifier: MIT */
#include <splitsocks/config/stamps.h>

#include <jansson.h>

uint64_t stamps_get(const json_t *section, const char *relay)
{
    json_int_t stamp = json_integer_value(json_object_get(section, relay));

    return stamp > 0 ? (uint64_t)stamp : 0;
}

/* The relay with the oldest stamp; NULL when there is none. */
static const char *find_oldest(json_t *section)
{
    const char *relay, *oldest = NULL;
    json_t *stamp;

    json_object_foreach(section, relay, stamp)
        if (oldest == NULL || stamps_get(section, relay) < stamps_get(section, oldest))
            oldest = relay;
    return oldest;
}

json_t *stamps_with(const json_t *section, const char *relay, uint64_t stamp)
{
    uint64_t newest = MAX(stamps_get(section, relay), MIN(stamp, STAMP_MAX));
    json_t *copy = json_is_object(section) ? json_copy((json_t *)(uintptr_t)section)
                                           : json_object();

    if (copy == NULL)
        return NULL;
    if (json_object_get(copy, relay) == NULL)
        while (json_object_size(copy) >= STAMPS_MAX)
            (void)json_object_del(copy, find_oldest(copy));
    if (json_object_set_new(copy, relay, json_integer((json_int_t)newest)) == 0)
        return copy;
    json_decref(copy);
    return NULL;
}
