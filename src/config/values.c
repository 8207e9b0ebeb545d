/* SPDX-License-Identifier: MIT */
#include "values.h"

#include <splitsocks/base/base64.h>
#include <splitsocks/base/host.h>
#include <splitsocks/config/config.h>
#include <splitsocks/config/units.h>

#include <stdio.h>
#include <string.h>

static bool in_bounds(const struct option *option, uint64_t value)
{
    return option->minimum <= value && value <= option->maximum;
}

/* A whole number that is not negative. */
static bool get_unsigned(const json_t *value, uint64_t *result)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *result = (uint64_t)json_integer_value(value);
    return true;
}

int read_integer(struct reader *reader, const struct place *place,
                 const struct option *option, json_t *value, void *field)
{
    uint64_t number;

    if (!get_unsigned(value, &number) || !in_bounds(option, number))
        return refuse(reader, place, option, value, "a whole number from %llu to %llu",
                      (unsigned long long)option->minimum,
                      (unsigned long long)option->maximum);
    store_unsigned(field, option->size, number);
    return OK;
}

int read_rate_per_second(struct reader *reader, const struct place *place,
                         const struct option *option, json_t *value, void *field)
{
    double number = json_number_value(value);

    if (!json_is_number(value) || !(number > 0) || number > (double)option->maximum)
        return refuse(reader, place, option, value, "a number above 0, up to %llu",
                      (unsigned long long)option->maximum);
    memcpy(field, &number, sizeof(number));
    return OK;
}

/* A whole number, or a text with a unit that `parse` knows. option->allowed, if it is
 * there, is what else is allowed. */
static int read_amount(struct reader *reader, const struct place *place,
                       const struct option *option, json_t *value, void *field,
                       int (*parse)(uint64_t *amount, const char *text), const char *unit,
                       const char *example)
{
    uint64_t amount;
    bool known = get_unsigned(value, &amount) ||
                 (json_is_string(value) && parse(&amount, json_string_value(value)) == OK);

    if (!known || !in_bounds(option, amount))
        return refuse(reader, place, option, value,
                      "%s%llu to %llu %s, as a number or as a text such as \"%s\"",
                      option->allowed != NULL ? option->allowed : "",
                      (unsigned long long)option->minimum,
                      (unsigned long long)option->maximum, unit, example);
    store_unsigned(field, option->size, amount);
    return OK;
}

int read_size(struct reader *reader, const struct place *place, const struct option *option,
              json_t *value, void *field)
{
    return read_amount(reader, place, option, value, field, units_parse_size, "bytes",
                       "64KiB");
}

int read_rate(struct reader *reader, const struct place *place, const struct option *option,
              json_t *value, void *field)
{
    return read_amount(reader, place, option, value, field, units_parse_rate,
                       "bits a second", "5Mbit");
}

/* clang-format off */
static const struct option rate_options[] = {
    {.name = "up", FIELD(config_rate, up_bits), OPTION_RATE},
    {.name = "down", FIELD(config_rate, down_bits), OPTION_RATE},
    {.name = NULL},
};

static const struct option both_rates = {
    .members = rate_options, .size = sizeof(uint64_t), OPTION_RATE,
    .allowed = "an object with up and down, or for both "};
/* clang-format on */

int read_rates(struct reader *reader, const struct place *place,
               const struct option *option, json_t *value, void *field)
{
    struct config_rate *rate = field;
    int error;
    (void)option;

    if (json_is_object(value))
        return read_object(reader, place, &both_rates, value, field);
    error = read_rate(reader, place, &both_rates, value, &rate->up_bits);
    rate->down_bits = rate->up_bits;
    return error;
}

int read_boolean(struct reader *reader, const struct place *place,
                 const struct option *option, json_t *value, void *field)
{
    bool truth = json_is_true(value);

    if (!json_is_boolean(value))
        return refuse(reader, place, option, value, "true or false");
    memcpy(field, &truth, sizeof(truth));
    return OK;
}

/* Seconds as a number, or a text with a unit. */
static bool get_duration(const json_t *value, uint64_t maximum_ns, uint64_t *ns)
{
    double seconds = json_number_value(value);

    if (json_is_string(value))
        return units_parse_duration(ns, json_string_value(value)) == OK;
    if (!json_is_number(value) || !(seconds >= 0) ||
        seconds > (double)maximum_ns / (double)NS_PER_S)
        return false;
    *ns = (uint64_t)(seconds * (double)NS_PER_S + 0.5);
    return true;
}

int read_duration(struct reader *reader, const struct place *place,
                  const struct option *option, json_t *value, void *field)
{
    uint64_t ns;

    if (!get_duration(value, option->maximum, &ns) || !in_bounds(option, ns))
        return refuse(reader, place, option, value,
                      "%g to %g seconds, as a number or as a text such as \"2m\"",
                      (double)option->minimum / (double)NS_PER_S,
                      (double)option->maximum / (double)NS_PER_S);
    store_unsigned(field, option->size, ns);
    return OK;
}

static void list_choices(const struct choice *choices, char *text, size_t size)
{
    const char *separator = "";
    size_t used = 0;

    for (; choices->name != NULL; choices++) {
        if (!choices->supported)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s\"%s\"", separator,
                                 choices->name);
        used = MIN(used, size - 1);
        separator = ", ";
    }
}

int read_choice(struct reader *reader, const struct place *place,
                const struct option *option, json_t *value, void *field)
{
    const char *name = json_string_value(value);
    char allowed[128];

    list_choices(option->choices, allowed, sizeof(allowed));
    for (const struct choice *c = option->choices; name != NULL && c->name != NULL; c++) {
        if (strcmp(c->name, name) != 0)
            continue;
        if (!c->supported)
            return report(reader, place, ERROR_UNSUPPORTED,
                          "found \"%s\", which is not supported yet; allowed: %s", name,
                          allowed);
        store_unsigned(field, option->size, (uint64_t)c->value);
        return OK;
    }
    return refuse(reader, place, option, value, "%s", allowed);
}

int read_string(struct reader *reader, const struct place *place,
                const struct option *option, json_t *value, void *field)
{
    const char *text = json_string_value(value);
    char *copy;

    if (text == NULL || !in_bounds(option, strlen(text)) ||
        (option->valid != NULL && !option->valid(text)))
        return refuse(reader, place, option, value, "%s", option->allowed);
    copy = memory_take_string(reader->memory, text);
    if (copy == NULL)
        return report_memory(reader);
    memcpy(field, &copy, sizeof(copy));
    return OK;
}

int read_key(struct reader *reader, const struct place *place, const struct option *option,
             json_t *value, void *field)
{
    const char *text = json_string_value(value);

    if (text == NULL ||
        base64_decode(field, CONFIG_KEY_SIZE, text, json_string_length(value)) != OK)
        return refuse(reader, place, option, value, "%s", option->allowed);
    return OK;
}

static bool only_of(const char *text, const char *more)
{
    for (; *text != '\0'; text++) {
        char c = *text;

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            strchr(more, c) == NULL)
            return false;
    }
    return true;
}

bool valid_congestion_control(const char *text)
{
    return only_of(text, "_-");
}

/* Whether the kernel accepts the text as the name of an interface. */
bool valid_interface(const char *text)
{
    return strpbrk(text, "/: \t\n\v\f\r") == NULL && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0;
}

bool valid_label(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

bool valid_host_pattern(const char *text)
{
    struct host host;

    if (strcmp(text, "*") == 0)
        return true;
    host_parse(&host, strncmp(text, "*.", 2) == 0 ? text + 2 : text);
    return host.kind != HOST_INVALID && host.kind != HOST_ADDRESS;
}

int read_control(struct reader *reader, const struct place *place,
                 const struct option *option, json_t *value, void *field)
{
    struct config_control *control = field;

    control->given = true;
    return json_is_null(value) ? OK
                               : read_string(reader, place, option, value, &control->file);
}
