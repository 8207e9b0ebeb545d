/* SPDX-License-Identifier: MIT */
#include "local_parts.h"

#include <stdlib.h>
#include <string.h>

/* IFNAMSIZ of linux/if.h, without the final zero. */
#define INTERFACE_MAX 15
#define COST_MAX UINT16_MAX
/* The packet that every host accepts (RFC 791), and the longest packet of IP. */
#define MTU_MIN 576
#define MTU_MAX 65535
#define BULK_AFTER_MAX (3600 * NS_PER_S)

static int check_path(struct reader *reader, const struct place *place, json_t *value,
                      void *field)
{
    struct config_path *path = field;
    char text[ADDRESS_TEXT_SIZE];
    (void)value;

    if (path->interface == NULL && path->source.family == ADDRESS_NONE)
        return report(reader, place, ERROR_INVALID,
                      "found neither interface nor source; allowed: one of them, or both");
    if (path->name == NULL)
        path->name = path->interface;
    if (path->name == NULL) {
        path->name =
            memory_take_string(reader->memory, address_format(&path->source, text));
        if (path->name == NULL)
            return report_memory(reader);
    }
    return OK;
}

static bool same_way(const struct config_path *a, const struct config_path *b)
{
    return (a->interface == NULL
                ? b->interface == NULL
                : b->interface != NULL && strcmp(a->interface, b->interface) == 0) &&
           address_equal(&a->source, &b->source);
}

/* The same way out under two names is an error, and not only a warning, since nobody can
 * want it: both copies of redundant data would be lost together, and the quota would count
 * twice. */
static int compare(struct reader *reader, const struct place *place,
                   const struct config_path *paths, size_t index, size_t before)
{
    const struct config_path *path = &paths[index], *other = &paths[before];

    if (same_way(path, other))
        return report(reader, place, ERROR_INVALID,
                      "found the same interface and source as in paths[%zu] (\"%s\" and "
                      "\"%s\" are one way out of this machine); allowed: each way once",
                      before, other->name, path->name);
    if (strcmp(path->name, other->name) == 0)
        return report(reader, place, ERROR_INVALID,
                      "found the name \"%s\" a second time; allowed: names that "
                      "differ (without a name, it is the interface or the source)",
                      path->name);
    return OK;
}

static int check_paths(struct reader *reader, const struct place *place,
                       const struct config_path *paths, size_t count)
{
    int result = OK;

    for (size_t i = 1; i < count; i++) {
        struct place at = {.parent = place, .index = i};
        int error = OK;

        for (size_t j = 0; j < i && error == OK; j++)
            error = compare(reader, &at, paths, i, j);
        if (error != OK)
            result = error;
    }
    return result;
}

int read_local_paths(struct reader *reader, const struct place *place,
                     const struct option *option, json_t *value, void *field)
{
    struct config_paths *paths = field;
    struct list_view list = {0};
    int error;

    if (json_is_string(value)) {
        paths->automatic = strcmp(json_string_value(value), "auto") == 0;
        return paths->automatic ? OK
                                : refuse(reader, place, option, value,
                                         "\"auto\", or a list of 1 to %d entries: %s",
                                         CONFIG_PATHS_MAX, option->allowed);
    }
    error = read_list(reader, place, option, value, &list);
    if (error != OK)
        return error;
    paths->items = list.items;
    paths->count = list.count;
    return check_paths(reader, place, paths->items, paths->count);
}

/* clang-format off */
static const struct option path_options[] = {
    {OPTION_NAME, FIELD(config_path, name)},
    {.name = "interface", .read = read_string, FIELD(config_path, interface),
     .minimum = 1, .maximum = INTERFACE_MAX, .valid = valid_interface,
     .allowed = "the name of a network interface"},
    {.name = "source", .read = read_address, FIELD(config_path, source),
     .allowed = "an IPv4 or IPv6 address of this machine"},
    {.name = "backup", .read = read_boolean, FIELD(config_path, backup)},
    {.name = "cost", .read = read_integer, FIELD(config_path, cost), .maximum = COST_MAX},
    {.name = "bulk_after", .read = read_duration, FIELD(config_path, bulk_after_ns),
     .fallback = "\"5s\"", .maximum = BULK_AFTER_MAX},
    {.name = "quota", FIELD(config_path, quota_bytes), OPTION_QUOTA},
    {.name = "rate_up", FIELD(config_path, rate_up_bits), OPTION_RATE},
    {.name = "rate_down", FIELD(config_path, rate_down_bits), OPTION_RATE},
    {OPTION_MODE, FIELD(config_path, mode)},
    {.name = "mtu", .read = read_integer, FIELD(config_path, mtu), .nullable = true,
     .fallback = "null", .minimum = MTU_MIN, .maximum = MTU_MAX},
    {.name = NULL},
};

const struct option local_path = {
    .read = read_object, ELEMENT(struct config_path), .members = path_options,
    .check = check_path};
/* clang-format on */
