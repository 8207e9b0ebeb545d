/* SPDX-License-Identifier: MIT */
#include <splitsocks/config/state.h>

#include <splitsocks/config/usage_text.h>

#include <jansson.h>
#include <stdlib.h>

#define VERSION_KEY "splitsocks_state"

json_t *state_new(void)
{
    return json_pack("{s:i}", VERSION_KEY, STATE_VERSION);
}

static int parse_usage_text(const char *text, size_t length, json_t **document)
{
    struct usage usage;
    int error = usage_text_parse(&usage, text, length);

    if (error == OK) {
        *document = state_new();
        error = *document != NULL
                    ? state_set_section(*document, "usage", usage_write(&usage))
                    : ERROR_MEMORY;
    }
    usage_deinit(&usage);
    return error;
}

static int check_version(const json_t *document)
{
    const json_t *version = json_object_get(document, VERSION_KEY);

    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return ERROR_MALFORMED;
    return json_integer_value(version) == STATE_VERSION ? OK : ERROR_UNSUPPORTED;
}

int state_parse(const char *text, size_t length, json_t **document)
{
    int error;

    *document = NULL;
    if (usage_text_is(text, length)) {
        error = parse_usage_text(text, length, document);
    } else {
        *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
        error = check_version(*document);
    }
    if (error != OK) {
        json_decref(*document);
        *document = NULL;
    }
    return error;
}

char *state_format(const json_t *document)
{
    return json_dumps(document, JSON_INDENT(1));
}

const json_t *state_section(const json_t *document, const char *name)
{
    return json_object_get(document, name);
}

int state_set_section(json_t *document, const char *name, json_t *section)
{
    return json_object_set_new(document, name, section) == 0 ? OK : ERROR_MEMORY;
}
