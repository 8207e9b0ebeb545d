/* SPDX-License-Identifier: MIT */
#include "schema.h"

#include "nearest.h"
#include "text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Most options of one object; a set of them fits in a word. */
#define MEMBERS_MAX 32

const struct option *find_option(const struct option *members, const char *name)
{
    for (; members->name != NULL; members++)
        if (strcmp(members->name, name) == 0)
            return members;
    return NULL;
}

static int report_unknown(struct reader *reader, const struct place *place,
                          const struct option *members)
{
    const char *names[MEMBERS_MAX];
    char allowed[256] = "";
    size_t count = 0, used = 0;

    for (const struct option *member = members; member->name != NULL; member++) {
        names[count++] = member->name;
        used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s",
                                 used > 0 ? ", " : "", member->name);
        used = MIN(used, sizeof(allowed) - 1);
    }
    return report(reader, place, ERROR_INVALID,
                  "unknown key; did you mean \"%s\"? allowed: %s",
                  names[nearest_name(place->key, names, count)], allowed);
}

/* Gives an absent option its default, or reports it as missing. */
static int read_absent(struct reader *reader, const struct place *parent,
                       const struct option *option, void *field)
{
    struct place place = {.parent = parent, .key = option->name, .index = PLACE_MISSING};
    json_t *value;
    int error;

    if (option->required)
        return report(reader, &place, ERROR_INVALID, "found nothing; allowed: %s",
                      option->allowed);
    if (option->fallback == NULL)
        return OK;
    value = json_loads(option->fallback, JSON_DECODE_ANY, NULL);
    if (value == NULL)
        return report_memory(reader);
    error = read_value(reader, &place, option, value, field);
    json_decref(value);
    return error;
}

int first_error(int a, int b)
{
    return a == OK || b == ERROR_MEMORY ? b : a;
}

bool member_failed(const struct reader *reader, const struct option *members,
                   const char *name)
{
    return (reader->failed >> (find_option(members, name) - members) & 1) != 0;
}

static int run_check(struct reader *reader, const struct place *place,
                     const struct option *option, json_t *value, void *field, int result)
{
    if (option->check == NULL || result == ERROR_MEMORY ||
        (result != OK && !option->lenient))
        return result;
    return first_error(result, option->check(reader, place, value, field));
}

/* Reads the members that are in the text. `seen` and `failed` become sets of options. */
static int read_members(struct reader *reader, const struct place *place,
                        const struct option *members, json_t *value, void *field,
                        uint32_t *seen, uint32_t *failed)
{
    int result = OK;
    size_t index = 0;
    const char *key;
    json_t *member;

    json_object_foreach(value, key, member) {
        struct place at = {.parent = place, .key = key, .index = index++};
        const struct option *known = find_option(members, key);
        int error;

        if (known == NULL) {
            error = report_unknown(reader, &at, members);
        } else {
            error = read_value(reader, &at, known, member, (char *)field + known->offset);
            *seen |= UINT32_C(1) << (known - members);
            *failed |= (uint32_t)(error != OK) << (known - members);
        }
        result = first_error(result, error);
        if (result == ERROR_MEMORY)
            break;
    }
    return result;
}

int read_object(struct reader *reader, const struct place *place,
                const struct option *option, json_t *value, void *field)
{
    const struct option *members = option->members;
    uint32_t seen = 0, failed = 0;
    int result;

    if (!json_is_object(value))
        return refuse(reader, place, option, value, "an object");
    result = read_members(reader, place, members, value, field, &seen, &failed);
    for (size_t i = 0; result != ERROR_MEMORY && members[i].name != NULL; i++) {
        int error = OK;

        if ((seen >> i & 1) == 0)
            error =
                read_absent(reader, place, &members[i], (char *)field + members[i].offset);
        failed |= (uint32_t)(error != OK) << i;
        result = first_error(result, error);
    }
    reader->failed = failed;
    return run_check(reader, place, option, value, field, result);
}

/* Reads element `index`, whose value is `value`, into its slot of the list. */
static int read_element(struct reader *reader, const struct place *place,
                        const struct option *option, json_t *value,
                        const struct list_view *list, size_t index)
{
    const struct option *element = option->element;
    struct place at = {.parent = place, .index = index};

    /* A lone element takes the place of the list. */
    return read_value(reader, json_is_array(value) ? &at : place, element,
                      json_is_array(value) ? json_array_get(value, index) : value,
                      (char *)list->items + index * element->size);
}

int read_list(struct reader *reader, const struct place *place, const struct option *option,
              json_t *value, void *field)
{
    bool is_list = json_is_array(value), lone = option->lone && !is_list;
    struct list_view list = {.count = lone ? 1 : json_array_size(value)};
    int result = OK;

    if ((!is_list && !lone) || list.count < option->minimum || list.count > option->maximum)
        return refuse(reader, place, option, value, "a list of %llu to %llu entries: %s",
                      (unsigned long long)option->minimum,
                      (unsigned long long)option->maximum, option->allowed);
    if (list.count > 0) {
        list.items = memory_take_array(reader->memory, list.count, option->element->size);
        if (list.items == NULL)
            return report_memory(reader);
    }
    for (size_t i = 0; result != ERROR_MEMORY && i < list.count; i++)
        result = first_error(result, read_element(reader, place, option, value, &list, i));
    memcpy(field, &list, sizeof(list));
    return run_check(reader, place, option, value, field, result);
}

void store_unsigned(void *field, size_t size, uint64_t value)
{
    uint8_t as_8 = (uint8_t)value;
    uint16_t as_16 = (uint16_t)value;
    uint32_t as_32 = (uint32_t)value;

    switch (size) {
    case sizeof(as_8): memcpy(field, &as_8, size); break;
    case sizeof(as_16): memcpy(field, &as_16, size); break;
    case sizeof(as_32): memcpy(field, &as_32, size); break;
    default:
        assert(size == sizeof(value));
        memcpy(field, &value, size);
        break;
    }
}

int read_value(struct reader *reader, const struct place *place,
               const struct option *option, json_t *value, void *field)
{
    if (!json_is_null(value) || !option->nullable)
        return option->read(reader, place, option, value, field);
    if (option->null_value != 0)
        store_unsigned(field, option->size, option->null_value);
    return OK;
}

struct place member_place(const struct place *parent, json_t *object, const char *key)
{
    struct place place = {.parent = parent, .key = key, .index = 0};
    const char *name;
    json_t *member;

    json_object_foreach(object, name, member) {
        if (strcmp(name, key) == 0)
            return place;
        place.index++;
    }
    place.index = PLACE_MISSING;
    return place;
}

/* jansson's message ends with the text around the error. That may be a password, and line,
 * path and column say enough. */
static void cut_near(char *text)
{
    char *near = strstr(text, " near ");

    if (near != NULL)
        *near = '\0';
}

static int report_json(struct reader *reader, json_error_t *json)
{
    enum json_error_code code = json_error_code(json);
    struct text_position at = {.line = json->line > 0 ? (unsigned)json->line : 1,
                               .offset = json->position > 0 ? (size_t)json->position : 0};
    char path[PATH_TEXT_SIZE], what[JSON_ERROR_TEXT_LENGTH + 96];
    struct text_slip slip;

    if (code == json_error_out_of_memory)
        return report_memory(reader);
    place_format_at(reader->text, reader->length, at.offset, path, sizeof(path));
    if (code == json_error_duplicate_key)
        return report_at(reader, &at, path, ERROR_INVALID,
                         "found a second time; allowed: each key once");
    slip = text_find_slip(reader, at.offset);
    if (slip.found != NULL) {
        place_format_at(reader->text, reader->length, slip.position.offset, path,
                        sizeof(path));
        snprintf(what, sizeof(what),
                 "found %s; allowed: JSON, without comments, trailing commas and quotes "
                 "other than \"",
                 slip.found);
        return report_at(reader, &slip.position, path, ERROR_MALFORMED, what);
    }
    cut_near(json->text);
    snprintf(what, sizeof(what),
             "found no JSON at column %d (%s); allowed: JSON, without comments "
             "or trailing commas",
             json->column, json->text);
    return report_at(reader, &at, path, ERROR_MALFORMED, what);
}

static int parse_into(struct reader *reader, const struct option *root, tree_check *check,
                      void *structure)
{
    struct place top = {.parent = NULL};
    json_error_t json_error;
    json_t *tree;
    int error = text_begin(reader);

    if (error != OK)
        return error;
    tree = json_loadb(reader->text, reader->length, JSON_REJECT_DUPLICATES, &json_error);
    if (tree == NULL)
        return report_json(reader, &json_error);
    error = check(reader, root, tree);
    if (error == OK)
        error = read_value(reader, &top, root, tree, structure);
    json_decref(tree);
    return error;
}

void *schema_parse(struct reader *reader, const struct option *root, tree_check *check)
{
    void *structure = NULL;

    reader->error->count = reader->error->left_out = 0;
    reader->memory = memory_new();
    if (reader->memory != NULL)
        structure = memory_take(reader->memory, root->size);
    if (structure == NULL)
        (void)report_memory(reader);
    else if (parse_into(reader, root, check, structure) == OK)
        return structure;
    memory_free(reader->memory);
    reader->memory = NULL;
    return NULL;
}
