/* SPDX-License-Identifier: MIT */
/* The larger parts of local.json, one file for each. */
#ifndef CONFIG_LOCAL_PARTS_H
#define CONFIG_LOCAL_PARTS_H

#include "values.h"

#include <splitsocks/config/config_local.h>

extern const struct option local_listener; /* struct config_listener */
extern const struct option local_path;     /* struct config_path */
extern const struct option local_rule;     /* struct config_rule */
extern const struct option udp_options[];  /* struct config_udp */

value_check check_local_listeners; /* struct config_listeners */
value_reader read_local_paths;     /* "auto" or a list [struct config_paths] */
value_check check_local_rules;     /* struct config_rules */
value_reader read_local_budget;    /* an object, or one value [struct config_budget] */

/* Turns the names in listeners and rules into bits, once the whole file is read. `value`
 * is the whole file. */
int resolve_local_names(struct reader *reader, const struct place *place, json_t *value,
                        struct config_local *config) MUST_CHECK;

extern const struct choice local_modes[];
extern const struct choice local_networks[];

#define RULES_MAX 1024
#define NAME_MAX_LENGTH 63

/* Options about streams, for every level. */
/* clang-format off */
#define OPTION_NAME \
    .name = "name", .read = read_string, .minimum = 1, .maximum = NAME_MAX_LENGTH, \
    .valid = valid_label, .allowed = "1 to 63 printable ASCII characters"
#define OPTION_MODE \
    .name = "mode", .read = read_choice, .choices = local_modes
#define OPTION_COPIES \
    .name = "copies", .read = read_integer, .nullable = true, \
    .null_value = CONFIG_COPIES_ALL, .minimum = 2, .maximum = CONFIG_PATHS_MAX
#define OPTION_NETWORK \
    .name = "network", .read = read_choice, .choices = local_networks
#define OPTION_MAX_AGE \
    .name = "max_age", .read = read_duration, .minimum = 10 * NS_PER_MS, \
    .maximum = 10 * NS_PER_S
#define OPTION_PATH_NAMES \
    .name = "paths", .read = read_list, .lone = true, .minimum = 1, \
    .maximum = CONFIG_PATHS_MAX, .element = &local_name, .allowed = "names of paths"
/* clang-format on */

extern const struct option local_name; /* const char * */

#endif
