/* SPDX-License-Identifier: MIT */
#include "local_parts.h"

#include <stdio.h>
#include <string.h>

#define HOSTS_MAX 1024
#define BLOCKS_MAX 4096

const struct choice local_modes[] = {
    {"split", CONFIG_MODE_SPLIT, true},
    {"redundant", CONFIG_MODE_REDUNDANT, true},
    {"auto", CONFIG_MODE_AUTO, true},
    {"coded", 0, false},
    {NULL, 0, false},
};

const struct choice local_networks[] = {
    {"tcp", CONFIG_NETWORK_TCP, true},
    {"udp", CONFIG_NETWORK_UDP, true},
    {"both", CONFIG_NETWORK_BOTH, true},
    {NULL, 0, false},
};

static const struct choice actions[] = {
    {"proxy", CONFIG_ACTION_PROXY, true},
    {"direct", CONFIG_ACTION_DIRECT, true},
    {"block", CONFIG_ACTION_BLOCK, true},
    {NULL, 0, false},
};

/* A rule whose action is not "proxy" has neither mode nor paths. */
static int check_rule(struct reader *reader, const struct place *place, json_t *value,
                      void *field)
{
    static const char *const keys[] = {"mode", "copies", "paths"};
    const struct config_rule *rule = field;
    const char *action = json_string_value(json_object_get(value, "action"));
    int result = OK;

    if (rule->action == CONFIG_ACTION_PROXY)
        return OK;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct place at = member_place(place, value, keys[i]);

        if (json_object_get(value, keys[i]) != NULL)
            result = report(reader, &at, ERROR_INVALID,
                            "found beside the action \"%s\", which does not go through the "
                            "relay; allowed: with the action \"proxy\"",
                            action);
    }
    return result;
}

static bool wins_always(const struct config_rule *rule)
{
    return rule->hosts.count == 0 && rule->blocks.count == 0 && rule->ports.count == 0 &&
           rule->listener_names.count == 0 && rule->network == CONFIG_NETWORK_BOTH;
}

int check_local_rules(struct reader *reader, const struct place *place, json_t *value,
                      void *field)
{
    const struct config_rules *rules = field;
    size_t first = 0;
    char text[128];
    (void)value;

    while (first < rules->count && !wins_always(&rules->items[first]))
        first++;
    snprintf(
        text, sizeof(text),
        "this rule never counts: rules[%zu] before it has no conditions and wins always",
        first);
    for (size_t i = first + 1; i < rules->count; i++) {
        struct place at = {.parent = place, .index = i};
        int error = warn(reader, &at, text);

        if (error != OK)
            return error;
    }
    return OK;
}

/* ---- names of paths and listeners ---- */

/* The names of all paths or listeners, in the order of their bits; NULL for one without
 * name. */
struct known {
    const char *kind; /* "path" */
    const char *none; /* the message when none has a name */
    const char *names[CONFIG_LISTENERS_MAX];
    size_t count;
};

_Static_assert(CONFIG_PATHS_MAX <= CONFIG_LISTENERS_MAX, "names of either fit");
_Static_assert(CONFIG_LISTENERS_MAX <= 64, "listeners fit a word of bits");
_Static_assert(CONFIG_PATHS_MAX <= 16, "paths fit a word of bits");

static struct known know_paths(const struct config_paths *paths)
{
    struct known known = {.kind = "path", .count = paths->count};

    known.none = paths->automatic
                     ? "none, since paths is \"auto\"; list the paths to choose among them"
                     : "none, since paths lists none";
    for (size_t i = 0; i < paths->count; i++)
        known.names[i] = paths->items[i].name;
    return known;
}

static struct known know_listeners(const struct config_listeners *listen)
{
    struct known known = {.kind = "listener",
                          .none = "none, since no listener has a name",
                          .count = listen->count};

    for (size_t i = 0; i < listen->count; i++)
        known.names[i] = listen->items[i].name;
    return known;
}

static int report_unknown(struct reader *reader, const struct place *place,
                          const char *name, const struct known *known)
{
    char list[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < known->count; i++) {
        if (known->names[i] == NULL)
            continue;
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s\"%s\"",
                                 used > 0 ? ", " : "", known->names[i]);
        used = MIN(used, sizeof(list) - 1);
    }
    return report(reader, place, ERROR_INVALID,
                  "found \"%s\", which is the name of no %s; allowed: %s", name,
                  known->kind, used > 0 ? list : known->none);
}

/* Sets the bits of `names`, which are the value of `key` in the object `value` at
 * `parent`. */
static int resolve(struct reader *reader, const struct place *parent, json_t *value,
                   const char *key, const struct known *known,
                   const struct config_strings *names, uint64_t *bits)
{
    struct place list = member_place(parent, value, key);
    int result = OK;

    for (size_t i = 0; i < names->count; i++) {
        struct place element = {.parent = &list, .index = i};
        bool lone = !json_is_array(json_object_get(value, key));
        size_t found = 0;

        while (found < known->count && (known->names[found] == NULL ||
                                        strcmp(known->names[found], names->items[i]) != 0))
            found++;
        if (found == known->count)
            result =
                report_unknown(reader, lone ? &list : &element, names->items[i], known);
        else
            *bits |= UINT64_C(1) << found;
    }
    return result;
}

static int resolve_paths(struct reader *reader, const struct place *parent, json_t *value,
                         const struct known *paths, struct config_policy *policy)
{
    uint64_t bits = 0;
    int error = resolve(reader, parent, value, "paths", paths, &policy->path_names, &bits);

    policy->paths = (uint16_t)bits;
    return error;
}

static int resolve_listeners(struct reader *reader, const struct place *parent,
                             json_t *value, const struct known *paths,
                             struct config_listeners *listen)
{
    struct config_listener *items =
        memory_take_array(reader->memory, listen->count, sizeof(items[0]));

    int result = OK;

    if (items == NULL)
        return report_memory(reader);
    for (size_t i = 0; i < listen->count; i++) {
        struct place at = {.parent = parent, .index = i};

        items[i] = listen->items[i];
        result = first_error(result, resolve_paths(reader, &at, json_array_get(value, i),
                                                   paths, &items[i].policy));
    }
    listen->items = items;
    return result;
}

static int resolve_rules(struct reader *reader, const struct place *parent, json_t *value,
                         const struct known *paths, const struct known *listeners,
                         struct config_rules *rules)
{
    struct config_rule *items =
        memory_take_array(reader->memory, rules->count, sizeof(items[0]));

    int result = OK;

    if (items == NULL)
        return report_memory(reader);
    for (size_t i = 0; i < rules->count; i++) {
        struct place at = {.parent = parent, .index = i};
        json_t *rule = json_array_get(value, i);

        items[i] = rules->items[i];
        result =
            first_error(result, resolve_paths(reader, &at, rule, paths, &items[i].policy));
        result =
            first_error(result, resolve(reader, &at, rule, "listener", listeners,
                                        &items[i].listener_names, &items[i].listeners));
    }
    rules->items = items;
    return result;
}

int resolve_local_names(struct reader *reader, const struct place *place, json_t *value,
                        struct config_local *config)
{
    struct known paths = know_paths(&config->paths);
    struct known listeners = know_listeners(&config->listen);
    struct place listen_at = member_place(place, value, "listen");
    struct place rules_at = member_place(place, value, "rules");
    int error = resolve_listeners(reader, &listen_at, json_object_get(value, "listen"),
                                  &paths, &config->listen);

    if (error == ERROR_MEMORY || config->rules.count == 0)
        return error;
    return first_error(error,
                       resolve_rules(reader, &rules_at, json_object_get(value, "rules"),
                                     &paths, &listeners, &config->rules));
}

/* clang-format off */
const struct option local_name = {
    .read = read_string, ELEMENT(const char *), .minimum = 1, .maximum = NAME_MAX_LENGTH,
    .valid = valid_label, .allowed = "a name, 1 to 63 printable ASCII characters"};

static const struct option host_pattern = {
    .read = read_string, ELEMENT(const char *), .minimum = 1, .maximum = 256,
    .valid = valid_host_pattern,
    .allowed = "a name such as \"www.example.org\", \"*.example.org\" for all names below "
               "one, or \"*\" (addresses are for cidr)"};

static const struct option block = {.read = read_block, ELEMENT(struct address_block)};

static const struct option rule_options[] = {
    {.name = "host", .read = read_list, FIELD(config_rule, hosts), .lone = true,
     .minimum = 1, .maximum = HOSTS_MAX, .element = &host_pattern, .allowed = "names"},
    {.name = "cidr", .read = read_list, FIELD(config_rule, blocks), .lone = true,
     .minimum = 1, .maximum = BLOCKS_MAX, .element = &block,
     .allowed = "addresses and blocks"},
    {.name = "port", .read = read_list, FIELD(config_rule, ports), .lone = true,
     .minimum = 1, .maximum = PORT_RANGES_MAX, .element = &port_range,
     .allowed = "ports and ranges"},
    {.name = "listener", .read = read_list, FIELD(config_rule, listener_names),
     .lone = true, .minimum = 1, .maximum = CONFIG_LISTENERS_MAX, .element = &local_name,
     .allowed = "names of listeners"},
    {OPTION_NETWORK, FIELD(config_rule, network), .fallback = "\"both\""},
    {.name = "action", .read = read_choice, FIELD(config_rule, action),
     .fallback = "\"proxy\"", .choices = actions},
    {OPTION_MODE, FIELD(config_rule, policy.mode)},
    {OPTION_COPIES, FIELD(config_rule, policy.copies)},
    {OPTION_PATH_NAMES, FIELD(config_rule, policy.path_names)},
    {.name = NULL},
};

const struct option local_rule = {
    .read = read_object, ELEMENT(struct config_rule), .members = rule_options,
    .check = check_rule};
/* clang-format on */
