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
