/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/limit_memory.h>

#include <splitsocks/base/log.h>
#include <splitsocks/config/state.h>
#include <splitsocks/io/state_file.h>
#include <splitsocks/status/limit_text.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define SECTION "limits"
/* Most names in the file; more than any machine has paths. */
#define NAMES_MAX 1000
/* Greater than any position (bytes, or nanoseconds) and rate. */
#define NUMBER_MAX (INT64_C(1) << 60)

/* ---- one port ---- */

static json_t *pack_port(const struct profile_memory memory[PROFILE_COORDINATES])
{
    json_t *port = json_object();

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        if (memory[c].position != 0)
            json_object_set_new(port, limit_coordinate_name((enum profile_coordinate)c),
                                json_pack("{s:s, s:I, s:I}", "kind",
                                          limit_kind_name(memory[c].kind), "position",
                                          (json_int_t)memory[c].position, "rate",
                                          (json_int_t)memory[c].rate));
    return port;
}

static bool read_number(const json_t *object, const char *key, uint64_t *number)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    *number = (uint64_t)value;
    return value >= 0 && value < NUMBER_MAX;
}

/* Whatever a person may have written there: parts that cannot be are left out. */
static bool unpack_port(const json_t *port,
                        struct profile_memory memory[PROFILE_COORDINATES])
{
    bool any = false;

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++) {
        const json_t *part =
            json_object_get(port, limit_coordinate_name((enum profile_coordinate)c));
        const char *kind = json_string_value(json_object_get(part, "kind"));
        struct profile_memory found = {.kind = PROFILE_KIND_FREEZE};

        memory[c] = (struct profile_memory){.position = 0};
        if (kind == NULL || !read_number(part, "position", &found.position) ||
            !read_number(part, "rate", &found.rate) || found.position == 0)
            continue;
        while (found.kind < PROFILE_KIND_SLOW &&
               strcmp(kind, limit_kind_name(found.kind)) != 0)
            found.kind++;
        if (strcmp(kind, limit_kind_name(found.kind)) != 0)
            continue;
        memory[c] = found;
        any = true;
    }
    return any;
}

static void format_port(const struct limit_memory *memory, unsigned port, char text[8])
{
    snprintf(text, 8, "%u", memory->ports->items[port]);
}

static unsigned port_count(const struct limit_memory *memory)
{
    return (unsigned)MIN(memory->ports->count, (size_t)SESSION_PORTS_MAX);
}

/* ---- the file ---- */

struct change {
    const char *name;
    json_t *ports; /* an empty one is removed; NULL: forget all ports of the name */
};

static void merge_ports(json_t *known, json_t *ports)
{
    const char *port;
    json_t *value;

    json_object_foreach(ports, port, value)
        if (json_object_size(value) > 0)
            json_object_set(known, port, value);
        else
            json_object_del(known, port);
}

static bool apply(json_t *document, void *context)
{
    const struct change *change = context;
    json_t *section = json_deep_copy(state_section(document, SECTION)), *before, *known;
    bool same;

    if (!json_is_object(section) || json_object_size(section) > NAMES_MAX) {
        json_decref(section);
        section = json_object();
    }
    before = json_deep_copy(section);
    known = json_object_get(section, change->name);
    if (!json_is_object(known)) {
        known = json_object();
        json_object_set_new(section, change->name, known);
    }
    if (change->ports == NULL)
        json_object_clear(known);
    else
        merge_ports(known, change->ports);
    if (json_object_size(known) == 0)
        json_object_del(section, change->name);
    same = json_equal(section, before);
    json_decref(before);
    if (same) {
        json_decref(section);
        return false;
    }
    return state_set_section(document, SECTION, section) == OK;
}

/* Takes the reference to `ports`. */
static void change_file(struct limit_memory *memory, const char *name, json_t *ports)
{
    struct change change = {.name = name, .ports = ports};

    /* Failures are logged; a limit that is not saved will be found again. */
    if (memory->file->path != NULL)
        (void)!state_file_change(memory->file, true, apply, &change);
    json_decref(ports);
}

/* ---- the session ---- */

void limit_memory_init(struct limit_memory *memory, struct state_file *file,
                       const struct config_ports *ports)
{
    *memory = (struct limit_memory){.file = file, .ports = ports};
}

void limit_memory_load(struct limit_memory *memory, unsigned index, const char *name,
                       uint64_t signature, struct session *session)
{
    uint64_t before = memory->signatures[index];
    json_t *document;
    const json_t *path;

    memory->signatures[index] = signature;
    if (before != 0 && before != signature) {
        change_file(memory, name, NULL);
        return;
    }
    document = state_file_read(memory->file);
    path = json_object_get(state_section(document, SECTION), name);
    for (unsigned i = 0; i < port_count(memory); i++) {
        struct profile_memory limits[PROFILE_COORDINATES];
        char port[8];

        format_port(memory, i, port);
        if (unpack_port(json_object_get(path, port), limits))
            session_remember_limits(session, index, i, limits);
    }
    json_decref(document);
}

void limit_memory_note(struct limit_memory *memory, unsigned index, const char *name,
                       unsigned port, const struct session *session)
{
    struct profile_memory limits[PROFILE_COORDINATES];
    json_t *ports = json_object();
    char key[8];

    format_port(memory, port, key);
    if (session_learned_limits(session, index, port, limits))
        json_object_set_new(ports, key, pack_port(limits));
    else
        json_object_set_new(ports, key, json_object());
    change_file(memory, name, ports);
}

void limit_memory_keep(struct limit_memory *memory, unsigned index, const char *name,
                       const struct session *session)
{
    json_t *ports = json_object();

    for (unsigned i = 0; i < port_count(memory); i++) {
        struct profile_memory limits[PROFILE_COORDINATES];
        char key[8];

        format_port(memory, i, key);
        if (session_learned_limits(session, index, i, limits))
            json_object_set_new(ports, key, pack_port(limits));
    }
    if (json_object_size(ports) > 0)
        change_file(memory, name, ports);
    else
        json_decref(ports);
}

/* ---- budgets set by hand ---- */

/* The place where connections of a port die. */
struct known_place {
    const char *path;
    uint16_t port;
    enum profile_coordinate coordinate;
    struct profile_memory limit;
};

static bool reaches(const struct known_place *place, enum profile_coordinate direction,
                    const struct config_budget_range *budget)
{
    return (place->coordinate == direction || place->coordinate == PROFILE_SUM) &&
           place->limit.position != 0 && place->limit.kind != PROFILE_KIND_SLOW &&
           budget->most != CONFIG_UNLIMITED && budget->most > place->limit.position;
}

static unsigned warn(const struct known_place *place, enum profile_coordinate direction,
                     const struct config_budget_range *budget)
{
    if (!reaches(place, direction, budget))
        return 0;
    log_warning("the budget %s is %llu, but on path %s, port %u the state file has a limit "
                "(%s) at %llu bytes (%s): connections will carry less",
                limit_coordinate_name(direction), (unsigned long long)budget->most,
                place->path, place->port, limit_kind_name(place->limit.kind),
                (unsigned long long)place->limit.position,
                limit_coordinate_name(place->coordinate));
    return 1;
}

static unsigned warn_of_path(const struct limit_memory *memory, const char *name,
                             const json_t *path, const struct config_budget *budget)
{
    unsigned count = 0;

    for (unsigned i = 0; i < port_count(memory); i++) {
        struct profile_memory limits[PROFILE_COORDINATES];
        char port[8];

        format_port(memory, i, port);
        if (!unpack_port(json_object_get(path, port), limits))
            continue;
        for (unsigned c = PROFILE_UP; c <= PROFILE_SUM; c++) {
            struct known_place place = {.path = name,
                                        .port = memory->ports->items[i],
                                        .coordinate = (enum profile_coordinate)c,
                                        .limit = limits[c]};

            count += warn(&place, PROFILE_UP, &budget->up);
            count += warn(&place, PROFILE_DOWN, &budget->down);
        }
    }
    return count;
}

unsigned limit_memory_warn(const struct limit_memory *memory,
                           const struct config_budget *budget)
{
    json_t *document = state_file_read(memory->file);
    json_t *section = json_deep_copy(state_section(document, SECTION)), *path;
    const char *name;
    unsigned count = 0;

    json_object_foreach(section, name, path)
        count += warn_of_path(memory, name, path, budget);
    json_decref(section);
    json_decref(document);
    return count;
}

void limit_memory_reuse(struct limit_memory *memory, unsigned index)
{
    memory->signatures[index] = 0;
}
