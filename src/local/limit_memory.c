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
/* No configuration allows so many connections, or dials in a second. */
#define CONNECTIONS_MAX 1000000
#define DIALS_MAX 1e6
/* A rate is found in steps of a tenth; a known one may be so much lower than it is. */
#define RATE_DOUBT 1.25

#define OPEN_KEY "connections"
#define DIALS_KEY "dials_per_second"

/* ---- one port ---- */

static json_t *pack_port(const struct port_memory *memory)
{
    json_t *port = json_object();

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++) {
        const struct profile_memory *part = &memory->carried[c];

        if (part->position != 0)
            json_object_set_new(port, limit_coordinate_name((enum profile_coordinate)c),
                                json_pack("{s:s, s:I, s:I}", "kind",
                                          limit_kind_name(part->kind), "position",
                                          (json_int_t)part->position, "rate",
                                          (json_int_t)part->rate));
    }
    if (memory->connections > 0)
        json_object_set_new(port, OPEN_KEY, json_integer(memory->connections));
    if (memory->dials_per_second > 0)
        json_object_set_new(port, DIALS_KEY, json_real(memory->dials_per_second));
    return port;
}

static bool read_number(const json_t *object, const char *key, uint64_t *number)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    *number = (uint64_t)value;
    return value >= 0 && value < NUMBER_MAX;
}

static bool unpack_carried(const json_t *part, struct profile_memory *memory)
{
    const char *kind = json_string_value(json_object_get(part, "kind"));
    struct profile_memory found = {.kind = PROFILE_KIND_FREEZE};

    if (kind == NULL || !read_number(part, "position", &found.position) ||
        !read_number(part, "rate", &found.rate) || found.position == 0)
        return false;
    while (found.kind < PROFILE_KIND_SLOW && strcmp(kind, limit_kind_name(found.kind)) != 0)
        found.kind++;
    if (strcmp(kind, limit_kind_name(found.kind)) != 0)
        return false;
    *memory = found;
    return true;
}

/* Whatever a person may have written there: parts that cannot be are left out. */
static bool unpack_port(const json_t *port, struct port_memory *memory)
{
    double dials = json_number_value(json_object_get(port, DIALS_KEY));
    uint64_t connections;
    bool any = false;

    *memory = (struct port_memory){.connections = 0};
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        any |= unpack_carried(
            json_object_get(port, limit_coordinate_name((enum profile_coordinate)c)),
            &memory->carried[c]);
    if (read_number(port, OPEN_KEY, &connections) && connections <= CONNECTIONS_MAX)
        memory->connections = (unsigned)connections;
    if (dials > 0 && dials <= DIALS_MAX)
        memory->dials_per_second = dials;
    return any || memory->connections > 0 || memory->dials_per_second > 0;
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
                       uint64_t signature, struct session *session, uint64_t now)
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
        struct port_memory limits;
        char port[8];

        format_port(memory, i, port);
        if (unpack_port(json_object_get(path, port), &limits))
            session_remember_limits(session, index, i, &limits, now);
    }
    json_decref(document);
}

void limit_memory_note(struct limit_memory *memory, unsigned index, const char *name,
                       unsigned port, const struct session *session)
{
    struct port_memory limits;
    json_t *ports = json_object();
    char key[8];

    format_port(memory, port, key);
    if (session_learned_limits(session, index, port, &limits))
        json_object_set_new(ports, key, pack_port(&limits));
    else
        json_object_set_new(ports, key, json_object());
    change_file(memory, name, ports);
}

void limit_memory_keep(struct limit_memory *memory, unsigned index, const char *name,
                       const struct session *session)
{
    json_t *ports = json_object();

    for (unsigned i = 0; i < port_count(memory); i++) {
        struct port_memory limits;
        char key[8];

        format_port(memory, i, key);
        if (session_learned_limits(session, index, i, &limits))
            json_object_set_new(ports, key, pack_port(&limits));
    }
    if (json_object_size(ports) > 0)
        change_file(memory, name, ports);
    else
        json_decref(ports);
}

/* ---- bounds set by hand ---- */

/* What is known of a port. */
struct known_port {
    const char *path;
    uint16_t port;
    struct port_memory limits;
};

static bool reaches(const struct known_port *known, enum profile_coordinate coordinate,
                    enum profile_coordinate direction,
                    const struct config_budget_range *budget)
{
    const struct profile_memory *limit = &known->limits.carried[coordinate];

    return (coordinate == direction || coordinate == PROFILE_SUM) && limit->position != 0 &&
           limit->kind != PROFILE_KIND_SLOW && budget->most != CONFIG_UNLIMITED &&
           budget->most > limit->position;
}

static unsigned warn_of_budget(const struct known_port *known,
                               enum profile_coordinate direction,
                               const struct config_budget_range *budget)
{
    unsigned count = 0;

    for (unsigned c = PROFILE_UP; c <= PROFILE_SUM; c++) {
        const struct profile_memory *limit = &known->limits.carried[c];

        if (!reaches(known, (enum profile_coordinate)c, direction, budget))
            continue;
        log_warning("the budget %s is %llu, but on path %s, port %u the state file has a "
                    "limit (%s) at %llu bytes (%s): connections will carry less",
                    limit_coordinate_name(direction), (unsigned long long)budget->most,
                    known->path, known->port, limit_kind_name(limit->kind),
                    (unsigned long long)limit->position,
                    limit_coordinate_name((enum profile_coordinate)c));
        count++;
    }
    return count;
}

static unsigned warn_of_pool(const struct known_port *known, const struct config_pool *pool)
{
    unsigned open = known->limits.connections;
    double dials = known->limits.dials_per_second;
    unsigned count = 0;

    if (open > 0 && pool->asked > open) {
        log_warning("the pool is to have up to %u connections, but on path %s, port %u the "
                    "state file has a limit of %u that can be open: there will be fewer",
                    pool->asked, known->path, known->port, open);
        count++;
    }
    if (dials > 0 && pool->dials_per_second > RATE_DOUBT * dials) {
        log_warning(
            "dials_per_second is %.3g, but on path %s, port %u the state file has a "
            "limit of %.3g: connections will be begun more slowly",
            pool->dials_per_second, known->path, known->port, dials);
        count++;
    }
    return count;
}

static unsigned warn_of_path(const struct limit_memory *memory, const char *name,
                             const json_t *path, const struct config_local *config)
{
    unsigned count = 0;

    for (unsigned i = 0; i < port_count(memory); i++) {
        struct known_port known = {.path = name, .port = memory->ports->items[i]};
        char port[8];

        format_port(memory, i, port);
        if (!unpack_port(json_object_get(path, port), &known.limits))
            continue;
        count += warn_of_budget(&known, PROFILE_UP, &config->budget.up);
        count += warn_of_budget(&known, PROFILE_DOWN, &config->budget.down);
        count += warn_of_pool(&known, &config->pool);
    }
    return count;
}

unsigned limit_memory_warn(const struct limit_memory *memory,
                           const struct config_local *config)
{
    json_t *document = state_file_read(memory->file);
    json_t *section = json_deep_copy(state_section(document, SECTION)), *path;
    const char *name;
    unsigned count = 0;

    json_object_foreach(section, name, path)
        count += warn_of_path(memory, name, path, config);
    json_decref(section);
    json_decref(document);
    return count;
}

void limit_memory_reuse(struct limit_memory *memory, unsigned index)
{
    memory->signatures[index] = 0;
}
