/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/path_table.h>

#include "local_mode.h"

#include <splitsocks/engine/session/session_status.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/io/subflow_io.h>
#include <splitsocks/status/limit_text.h>

#include <stdio.h>
#include <string.h>

/* A retired local logs only at the level debug. */
static enum log_level level_of(const struct path_table *table, enum log_level level)
{
    return table->quiet ? LOG_DEBUG : level;
}

/* ---- names ---- */

const char *path_table_name(const struct path_table *table, unsigned index,
                            char text[PATH_TABLE_NAME_SIZE])
{
    const char *name = path_table_slot(table, index)->name;

    if (table->host_count == 1)
        snprintf(text, PATH_TABLE_NAME_SIZE, "%s", name);
    else
        snprintf(text, PATH_TABLE_NAME_SIZE, "%s to %s", name,
                 table->config->relay.hosts.items[path_table_host(table, index)]);
    return text;
}

uint16_t path_table_bits(uint16_t paths, size_t host_count)
{
    unsigned bits = 0;

    for (size_t i = 0; i < SESSION_PATHS_MAX; i++)
        if (paths >> (i / host_count) & 1)
            bits |= 1u << i;
    return (uint16_t)bits;
}

static void note_packets(struct path_table *table, const struct session_event *event,
                         const char *name)
{
    struct path_slot *slot = &table->slots[event->path / table->host_count];
    enum log_level warning = level_of(table, LOG_WARNING);
    uint64_t now = clock_now();

    if (event->given_up)
        log_write_limited(&slot->log_limit, now, warning,
                          "path %s loses large packets, and lets small ones through; "
                          "smaller packets, down to %d bytes, do not help",
                          name, PACKET_SIZE_MIN);
    else if (event->packet_size != 0)
        log_write_limited(&slot->log_limit, now, warning,
                          "path %s loses packets of more than %u bytes silently (an MTU "
                          "black hole): it is used with smaller ones",
                          name, event->packet_size);
    else
        log_write_limited(&slot->log_limit, now, level_of(table, LOG_INFO),
                          "path %s lets packets of the link's full size through again", name);
    packet_memory_set(&table->packets, event->path, name, slot->view.signature,
                      event->packet_size);
}

static void note_up(struct path_table *table, unsigned index, const char *name)
{
    struct outage_log *outage = &table->outages[index];
    enum log_level info = level_of(table, LOG_INFO);
    char what[PATH_TABLE_NAME_SIZE + 8];

    snprintf(what, sizeof(what), "path %s", name);
    if (!table->told_up[index]) {
        outage_log_drop(outage);
        log_write(info, "%s works", what);
    } else if (outage->news.down) {
        outage_log_up(outage, info, what, "%s works again", what);
    }
    table->told_up[index] = true;
}

static void note_down(struct path_table *table, unsigned index, enum path_reason reason,
                      const char *name)
{
    /* If a machine accepts connections, path_dialer logs more about it once it is sure. */
    bool taken = reason == PATH_REASON_UNANSWERED || reason == PATH_REASON_STRANGER;

    /* A path that has never worked hardly begins to within a moment: report it at once. */
    outage_log_down(&table->outages[index], table->told_up[index] ? OUTAGE_HICCUP_NS : 0,
                    taken ? LOG_DEBUG : level_of(table, LOG_WARNING),
                    "path %s does not work: %s", name, path_reason_string(reason));
}

static void note_limit(struct path_table *table, const struct session_event *event,
                       const char *name)
{
    char where[PATH_TABLE_NAME_SIZE + 32], text[LIMIT_TEXT_SIZE];

    /* If ports share an index, the first stands for all of them. */
    snprintf(where, sizeof(where), "on path %s, port %u", name,
             table->config->relay.ports.items[event->port]);
    log_write(level_of(table, LOG_INFO), "%s", limit_text(&event->limit, where, text));
    limit_memory_note(&table->limits, event->path, name, event->port,
                      table->driver->session);
}

void path_table_note(struct path_table *table, const struct session_event *event)
{
    unsigned index = event->path;
    char name[PATH_TABLE_NAME_SIZE];

    path_table_name(table, index, name);
    if (event->type == SESSION_PATH_PACKETS)
        note_packets(table, event, name);
    else if (event->type == SESSION_LIMIT)
        note_limit(table, event, name);
    else if (event->type == SESSION_PATH_UP)
        note_up(table, index, name);
    else if (event->path_reason != PATH_REASON_UNUSABLE)
        note_down(table, index, event->path_reason, name);
}

/* ---- properties for the session ---- */

static struct path_properties properties_of(const struct path_slot *slot)
{
    struct path_properties properties = {.usable = slot->view.usable};

    if (slot->config != NULL) {
        properties.backup = slot->config->backup;
        properties.cost = (uint16_t)slot->config->cost;
        properties.bulk_after_ns = slot->config->bulk_after_ns;
        if (slot->config->mode != CONFIG_MODE_UNSET)
            properties.modes = (uint8_t)(1u << local_mode(slot->config->mode));
        properties.packet_size = (uint16_t)slot->config->mtu;
        properties.rate_up = slot->config->rate_up_bits / 8;
        properties.rate_down = slot->config->rate_down_bits / 8;
    }
    return properties;
}

static void tell_session(struct path_table *table, const struct path_slot *slot)
{
    struct path_properties properties = properties_of(slot);
    unsigned first = (unsigned)(slot - table->slots) * table->host_count;

    for (unsigned i = first; i < first + table->host_count; i++) {
        char name[PATH_TABLE_NAME_SIZE];

        session_set_path(table->driver->session, i, &properties, clock_now());
        if (!slot->taken || !properties.usable)
            continue;
        session_remember_packets(table->driver->session, i,
                                 packet_memory_get(&table->packets, i,
                                                   path_table_name(table, i, name),
                                                   slot->view.signature),
                                 clock_now());
        limit_memory_load(&table->limits, i, name, slot->view.signature,
                          table->driver->session, clock_now());
    }
}

/* Makes the session forget the path's past, and close its subflows. */
static void restart(struct path_table *table, struct path_slot *slot)
{
    slot->view.usable = false;
    tell_session(table, slot);
    slot->view.usable = true;
    tell_session(table, slot);
}

/* ---- changes of a path ---- */

static bool is_routed_by_kernel(const struct local_path *path)
{
    return path->interface[0] == '\0' && path->source.family == ADDRESS_NONE;
}

/* Whether the packets of a connection now leave by another interface than before. */
static bool is_rerouted(const struct path_table *table, const struct subflow_io *io,
                        const struct address *from)
{
    const struct address now = socket_source_to(&io->to);

    return now.family != ADDRESS_NONE &&
           interface_table_owner(&table->watch.table, &now) !=
               interface_table_owner(&table->watch.table, from);
}

/* Whether a subflow of the path has lost its address or interface. */
static bool is_uprooted(const struct path_table *table, const struct path_slot *slot)
{
    list_foreach(&table->driver->subflows, node, after) {
        const struct subflow_io *io = list_entry(node, struct subflow_io, node);
        struct address from;

        if (path_table_slot(table, io->path) != slot || io->io.fd < 0)
            continue;
        from = socket_local_address(io->io.fd);
        if (from.family == ADDRESS_NONE)
            continue;
        if (!socket_address_is_local(&from) ||
            (is_routed_by_kernel(&slot->path) && is_rerouted(table, io, &from)))
            return true;
    }
    return false;
}

static bool works(const struct path_table *table, const struct path_slot *slot)
{
    unsigned first = (unsigned)(slot - table->slots) * table->host_count;
    struct path_status status;

    for (unsigned i = 0; i < table->host_count; i++) {
        session_path_status(table->driver->session, first + i, clock_now(), &status);
        if (status.reason == PATH_REASON_WORKS)
            return true;
    }
    return false;
}

/* Whether the interface belongs to a path, by its name or its address. */
static bool is_used(const struct path_table *table, const struct interface *interface)
{
    for (unsigned i = 0; i < table->slot_count; i++) {
        const struct local_path *path = &table->slots[i].path;

        if (table->slots[i].taken &&
            (strcmp(path->interface, interface->name) == 0 ||
             (path->interface[0] == '\0' && path->source.family != ADDRESS_NONE &&
              interface_table_owner(&table->watch.table, &path->source) == interface)))
            return true;
    }
    return false;
}

/* Whether the names are of the same kind, such as wwan1 and wwan0. */
static bool is_sibling(const char *name, const char *other)
{
    size_t length = strcspn(name, "0123456789");

    return length == strcspn(other, "0123456789") && strncmp(name, other, length) == 0;
}

/* A modem that comes back may get another name: names an interface that has a default
 * route and belongs to no path, preferably one of the same kind. */
static void point_out(const struct path_table *table, const struct path_slot *slot,
                      struct local_path_view *view)
{
    const struct interface_table *interfaces = &table->watch.table;
    const struct interface *found = NULL;
    size_t length = strlen(view->why);

    for (size_t i = 0; i < interfaces->interface_count; i++) {
        const struct interface *interface = &interfaces->interfaces[i];

        if (interface->loopback || !interface->up || interface->default_routes == 0 ||
            is_used(table, interface))
            continue;
        if (found == NULL || (!is_sibling(slot->path.interface, found->name) &&
                              is_sibling(slot->path.interface, interface->name)))
            found = interface;
    }
    view->pointed_out = found != NULL;
    if (found != NULL)
        snprintf(view->why + length, sizeof(view->why) - length,
                 "; %s, which is no path's, has a default route: is it the same under another "
                 "name?",
                 found->name);
}

static void look(struct path_table *table, const struct path_slot *slot,
                 struct local_path_view *view)
{
    size_t index = (size_t)(slot - table->slots);
    bool bound = slot->path.interface[0] != '\0';

    if (table->watch.known)
        local_path_look(&slot->path, &table->watch.table, socket_address_is_local, view);
    else
        local_path_assume(&slot->path, view);
    if (view->missing && !table->automatic)
        point_out(table, slot, view);
    if (bound && table->forbidden)
        snprintf(
            view->why, sizeof(view->why),
            "binding to an interface takes CAP_NET_RAW here; without it, give a source");
    else if (slot->config != NULL && path_quota_used_up(&table->quota, index))
        snprintf(view->why, sizeof(view->why), "its quota is used up");
    else
        return;
    view->usable = false;
}

static void log_view(struct path_table *table, struct path_slot *slot,
                     const struct local_path_view *before)
{
    unsigned first = (unsigned)(slot - table->slots) * table->host_count;
    char what[PATH_TABLE_NAME_SIZE];

    snprintf(what, sizeof(what), "path %s", slot->name);
    if (!slot->view.usable && (!slot->seen || before->usable)) {
        outage_log_down(&slot->outage, 0, level_of(table, LOG_WARNING), "%s is down: %s", what,
                        slot->view.why);
        /* Its return is reported here, and not again when it works. */
        for (unsigned i = first; i < first + table->host_count; i++)
            outage_log_drop(&table->outages[i]);
    } else if (slot->view.pointed_out && strcmp(slot->view.why, before->why) != 0) {
        log_write_limited(&slot->log_limit, clock_now(), level_of(table, LOG_WARNING),
                          "%s is still down: %s", what, slot->view.why);
    } else if (slot->view.usable && slot->seen && !before->usable) {
        outage_log_up(&slot->outage, level_of(table, LOG_INFO), what, "%s is back", what);
    }
}

/* A path was usable and still is, on changed interfaces. */
static void follow(struct path_table *table, struct path_slot *slot,
                   const struct local_path_view *before)
{
    if ((before->index != 0 && slot->view.index != before->index) ||
        is_uprooted(table, slot)) {
        log_write_limited(
            &slot->log_limit, clock_now(), level_of(table, LOG_INFO),
            "path %s has another address or route: its connections begin anew", slot->name);
        restart(table, slot);
    } else if (slot->view.signature != before->signature && !works(table, slot)) {
        restart(table, slot); /* now it may work */
    }
}

static void update(struct path_table *table, struct path_slot *slot)
{
    struct local_path_view before = slot->view;

    look(table, slot, &slot->view);
    log_view(table, slot, &before);
    if (table->driver != NULL && (!slot->seen || slot->view.usable != before.usable))
        tell_session(table, slot);
    else if (table->driver != NULL && slot->view.usable)
        follow(table, slot, &before);
    slot->seen = true;
}

/* ---- automatic paths ---- */

static struct path_slot *find_slot(struct path_table *table, const char *interface)
{
    for (unsigned i = 0; i < table->slot_count; i++)
        if (table->slots[i].taken && strcmp(table->slots[i].path.interface, interface) == 0)
            return &table->slots[i];
    return NULL;
}

/* A slot that no interface has had, else one whose interface does not need it any more. */
static struct path_slot *free_slot(struct path_table *table)
{
    for (unsigned i = 0; i < table->slot_count; i++)
        if (!table->slots[i].taken)
            return &table->slots[i];
    for (unsigned i = 0; i < table->slot_count; i++)
        if (!table->slots[i].view.usable)
            return &table->slots[i];
    return NULL;
}

static void take_slot(struct path_table *table, const char *interface)
{
    static struct log_limit limit;
    struct path_slot *slot = free_slot(table);
    size_t first;

    if (slot == NULL) {
        log_write_limited(&limit, clock_now(), LOG_WARNING,
                          "more than %u interfaces have a default route: %s is not used",
                          table->slot_count, interface);
        return;
    }
    outage_log_deinit(&slot->outage);
    *slot = (struct path_slot){.name = slot->path.interface, .taken = true};
    outage_log_init(&slot->outage, table->watch.loop);
    first = (size_t)(slot - table->slots) * table->host_count;
    slot->path.routed = true;
    for (size_t i = first; i < first + table->host_count; i++) {
        packet_memory_reuse(&table->packets, (unsigned)i);
        limit_memory_reuse(&table->limits, (unsigned)i);
        table->told_up[i] = false;
        outage_log_deinit(&table->outages[i]);
        outage_log_init(&table->outages[i], table->watch.loop);
    }
    snprintf(slot->path.interface, sizeof(slot->path.interface), "%s", interface);
}

/* Gives a slot to every interface that may have a path now. */
static void take_slots(struct path_table *table)
{
    const struct interface_table *interfaces = &table->watch.table;

    for (size_t i = 0; i < interfaces->interface_count; i++) {
        const struct interface *interface = &interfaces->interfaces[i];

        if (!interface->loopback && interface->up && interface->running &&
            (interface->default_routes &
             interface_table_families(interfaces, interface->index)) != 0 &&
            find_slot(table, interface->name) == NULL)
            take_slot(table, interface->name);
    }
}

/* ---- life ---- */

static void update_all(struct path_table *table)
{
    for (unsigned i = 0; i < table->slot_count; i++)
        if (table->slots[i].taken)
            update(table, &table->slots[i]);
    if (table->driver != NULL)
        driver_drain(table->driver);
}

static void init_slot(struct path_slot *slot, const struct config_path *config)
{
    slot->config = config;
    slot->taken = true;
    slot->name = config != NULL ? config->name : "default";
    if (config == NULL)
        return;
    slot->path.source = config->source;
    if (config->interface != NULL)
        snprintf(slot->path.interface, sizeof(slot->path.interface), "%s",
                 config->interface);
}

static void warn_of_no_interfaces(void)
{
    log_warning("\"paths\": \"auto\" finds no interfaces here, and uses the kernel's "
                "routes");
}

/* The interfaces will never be known: the kernel's routes are the only path. */
static void go_without(struct path_table *table)
{
    if (table->slots[0].taken)
        return;
    warn_of_no_interfaces();
    init_slot(&table->slots[0], NULL);
}

static void on_interfaces(void *context)
{
    struct path_table *table = context;

    if (table->looked)
        table->moved(table->context);
    table->looked = true;
    if (table->automatic && path_watch_blind(&table->watch))
        go_without(table);
    else if (table->automatic)
        take_slots(table);
    update_all(table);
}

static void on_quota(void *context)
{
    update_all(context);
}

unsigned path_table_count(const struct path_table *table)
{
    return table->slot_count * table->host_count;
}

/* The session ends. */
static void keep_limits(struct path_table *table)
{
    for (unsigned i = 0; i < path_table_count(table); i++) {
        const struct path_slot *slot = path_table_slot(table, i);
        char name[PATH_TABLE_NAME_SIZE];

        if (slot->taken && slot->view.usable)
            limit_memory_keep(&table->limits, i, path_table_name(table, i, name),
                              table->driver->session);
    }
}

void path_table_attach(struct path_table *table, struct driver *driver)
{
    if (table->driver != NULL && driver == NULL)
        keep_limits(table);
    table->driver = driver;
    path_quota_attach(&table->quota, driver != NULL ? driver->session : NULL);
    memset(table->told_up, 0, sizeof(table->told_up));
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        outage_log_drop(&table->outages[i]);
    for (unsigned i = 0; driver != NULL && i < table->slot_count; i++)
        tell_session(table, &table->slots[i]);
}

static void init_slots(struct path_table *table)
{
    const struct config_paths *paths = &table->config->paths;

    table->automatic =
        paths->automatic && !table->forbidden && !path_watch_blind(&table->watch);
    table->slot_count = (unsigned)MAX(paths->count, (size_t)1);
    if (table->automatic)
        table->slot_count = SESSION_PATHS_MAX / table->host_count;
    else
        for (unsigned i = 0; i < table->slot_count; i++)
            init_slot(&table->slots[i], paths->count > 0 ? &paths->items[i] : NULL);
    if (paths->automatic && !table->automatic)
        warn_of_no_interfaces();
}

/* Paths that depend on no interface are usable at once, and so are all where interfaces
 * cannot be known. The others are usable a moment later, when the interfaces are known. */
static void init_views(struct path_table *table)
{
    for (unsigned i = 0; i < table->slot_count; i++) {
        struct path_slot *slot = &table->slots[i];

        if (slot->taken &&
            (path_watch_blind(&table->watch) || is_routed_by_kernel(&slot->path)))
            update(table, slot);
    }
}

void path_table_init(struct path_table *table, struct ev_loop *loop,
                     const struct config_local *config, struct state_file *state,
                     void (*moved)(void *context), void *context)
{
    *table = (struct path_table){
        .config = config,
        .moved = moved,
        .context = context,
        .host_count = (unsigned)config->relay.hosts.count,
        .forbidden = !socket_may_bind_interface(),
    };
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        outage_log_init(&table->slots[i].outage, loop);
        outage_log_init(&table->outages[i], loop);
    }
    path_watch_init(&table->watch, loop, on_interfaces, table);
    packet_memory_init(&table->packets, state);
    limit_memory_init(&table->limits, state, &config->relay.ports);
    path_quota_init(&table->quota, loop, &config->paths, table->host_count, state,
                    on_quota, table);
    init_slots(table);
    init_views(table);
}

void path_table_deinit(struct path_table *table)
{
    if (table->watch.loop == NULL)
        return;
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        outage_log_deinit(&table->slots[i].outage);
        outage_log_deinit(&table->outages[i]);
    }
    path_watch_deinit(&table->watch);
    path_quota_deinit(&table->quota);
    table->driver = NULL;
}
