/* SPDX-License-Identifier: MIT */
#include <splitsocks/config/config_local.h>

#include "side.h"

int config_local_parse(const char *text, size_t length, const char *file_name,
                       struct config_local **out, struct config_error *error)
{
    struct reader reader = {
        .text = text, .length = length, .file_name = file_name, .error = error};
    struct config_local *config = schema_parse(&reader, &local_root, check_side);

    *out = config;
    if (config == NULL)
        return (int)error->problems[0].code;
    config->memory = reader.memory;
    config->warnings = reader.warnings;
    return OK;
}

void config_local_free(struct config_local *config)
{
    if (config != NULL)
        memory_free(config->memory);
}
