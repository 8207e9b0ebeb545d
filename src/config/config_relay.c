/* SPDX-License-Identifier: MIT */
#include <splitsocks/config/config_relay.h>

#include "side.h"

int config_relay_parse(const char *text, size_t length, const char *file_name,
                       struct config_relay **out, struct config_error *error)
{
    struct reader reader = {
        .text = text, .length = length, .file_name = file_name, .error = error};
    struct config_relay *config = schema_parse(&reader, &relay_root, check_side);

    *out = config;
    if (config == NULL)
        return (int)error->problems[0].code;
    config->memory = reader.memory;
    config->warnings = reader.warnings;
    return OK;
}

struct config_bounds config_relay_bounds(const struct config_relay *config, size_t index)
{
    struct config_bounds own = config->clients.items[index].bounds;
    const struct config_bounds *all = &config->limits.bounds;

    return (struct config_bounds){
        .max_sessions = own.max_sessions != 0 ? own.max_sessions : all->max_sessions,
        .max_streams = own.max_streams != 0 ? own.max_streams : all->max_streams,
        .max_flows = own.max_flows != 0 ? own.max_flows : all->max_flows,
        .dials_per_second =
            own.dials_per_second != 0 ? own.dials_per_second : all->dials_per_second,
        .max_descriptors =
            own.max_descriptors != 0 ? own.max_descriptors : all->max_descriptors,
        .max_names = own.max_names != 0 ? own.max_names : all->max_names,
        .max_memory = own.max_memory != 0 ? own.max_memory : all->max_memory,
    };
}

bool config_relay_has_quotas(const struct config_relay *config)
{
    for (size_t i = 0; i < config->clients.count; i++)
        if (config->clients.items[i].quota_bytes != CONFIG_UNLIMITED)
            return true;
    return false;
}

void config_relay_free(struct config_relay *config)
{
    if (config != NULL)
        memory_free(config->memory);
}
