/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/path_dialer.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <string.h>

/* So many in a row are logged: fewer may be chance, or a relay that is just being
 * restarted. */
#define UNANSWERED_TOLD 2
#define STRANGE_TOLD 3
/* When a relay's process ends, all connections that it had just accepted end, too: several
 * in a row, but within this time. */
#define STRANGE_NS (500 * NS_PER_MS)

/* ---- choosing the address ---- */

static struct endpoint *endpoint_of(struct path_dialer *dialer, unsigned path)
{
    return &dialer->endpoints[path_table_host(dialer->paths, path)];
}

/* The session distinguishes SESSION_PORTS_MAX ports. If there are more, ports at that
 * distance share an index, and take turns. */
static uint16_t choose_port(struct path_dialer *dialer, unsigned index)
{
    const struct config_ports *ports = &dialer->config->relay.ports;
    size_t sharing = (ports->count - index - 1) / SESSION_PORTS_MAX + 1;

    return ports->items[index + dialer->dials++ % sharing * SESSION_PORTS_MAX];
}

/* A HELLO that is sent while another waits for its answer tries another address: the first
 * may be dead, or another machine may have it. */
static const struct address *choose_address(struct path_dialer *dialer,
                                            const struct subflow_io *io)
{
    struct address busy[SESSION_PATHS_MAX];
    size_t count = 0;

    list_foreach(&dialer->driver->subflows, node, after) {
        const struct subflow_io *other = list_entry(node, struct subflow_io, node);

        if (io->hello && other != io && other->hello && !other->proven &&
            other->path == io->path && other->to.family != ADDRESS_NONE &&
            count < ARRAY_LENGTH(busy))
            busy[count++] = other->to;
    }
    return endpoint_address(endpoint_of(dialer, io->path), io->path,
                            path_table_slot(dialer->paths, io->path)->view.families, busy,
                            count);
}

static void cannot_connect(struct path_dialer *dialer, struct subflow_io *io)
{
    static struct log_limit limit;
    const struct endpoint *endpoint = endpoint_of(dialer, io->path);
    char name[PATH_TABLE_NAME_SIZE];

    if (endpoint->count > 0 && dialer->errors[io->path] == 0) {
        log_write_limited(&limit, clock_now(), LOG_WARNING,
                          "%s has no address of a family that path %s can use",
                          endpoint->host, path_table_name(dialer->paths, io->path, name));
        dialer->errors[io->path] = EAFNOSUPPORT;
    }
    subflow_io_cannot_connect(io);
}

void path_dialer_dial(struct path_dialer *dialer, struct subflow_io *io)
{
    const struct path_slot *slot = path_table_slot(dialer->paths, io->path);
    struct endpoint *endpoint = endpoint_of(dialer, io->path);
    const struct local_path *path = &slot->path;
    struct socket_connect_options options = {
        .subflow = true,
        .interface = path->interface[0] != '\0' ? path->interface : NULL,
        .source = path->source,
        .congestion_control = dialer->config->congestion_control,
        .packet_size = io->packet_size,
    };
    const struct address *found = choose_address(dialer, io);
    struct address to;

    if (found == NULL) {
        /* The addresses are known, but of no family that the path can use: do not wait. */
        if (!endpoint_waiting(endpoint))
            cannot_connect(dialer, io);
        return;
    }
    to = *found;
    to.port = choose_port(dialer, io->port);
    dialer->last[io->path] = to;
    subflow_io_connect(io, &to, &options);
}

/* A host of the relay has moved: its paths may dial at once. */
static void retry_paths(struct path_dialer *dialer, const struct endpoint *endpoint)
{
    for (unsigned i = 0; i < path_table_count(dialer->paths); i++)
        if (dialer->driver->session != NULL && endpoint_of(dialer, i) == endpoint)
            session_retry_path(dialer->driver->session, i, clock_now());
}

/* A host of the relay was looked up: continues the dials that wait for it. */
static void on_resolved(struct endpoint *endpoint, bool moved, void *context)
{
    struct path_dialer *dialer = context;
    struct subflow_io *io;
    bool waiting = dialer->driver->session != NULL;

    /* A dial that continues may begin to wait again. */
    while (waiting && !endpoint_waiting(endpoint)) {
        waiting = false;
        list_foreach(&dialer->driver->subflows, node, after) {
            io = list_entry(node, struct subflow_io, node);
            if (io->state != SUBFLOW_IO_WAITING ||
                endpoint_of(dialer, io->path) != endpoint)
                continue;
            if (endpoint->count == 0)
                cannot_connect(dialer, io);
            else
                path_dialer_dial(dialer, io);
            waiting = true;
            break; /* the list may have changed in any way */
        }
    }
    if (moved)
        retry_paths(dialer, endpoint);
    driver_touch(dialer->driver);
}

/* ---- results of dials ---- */

static void note_failure(struct path_dialer *dialer, const struct subflow_io *io, int error)
{
    static struct log_limit limit;
    char to[ADDRESS_TEXT_SIZE], name[PATH_TABLE_NAME_SIZE];

    address_format(&io->to, to);
    path_table_name(dialer->paths, io->path, name);
    /* The session reports time-outs, once there are enough. Other errors are limited, too,
     * since a dial may succeed now and then. If another machine accepts connections at
     * some address, that is logged, rather than the failures of the host's other
     * addresses. */
    if (dialer->errors[io->path] != 0 || error == ETIMEDOUT ||
        dialer->strangers[io->path].at.family != ADDRESS_NONE)
        log_debug("cannot reach the relay at %s by path %s: %s", to, name, strerror(error));
    else
        log_write_limited(&limit, clock_now(), LOG_WARNING,
                          "cannot reach the relay at %s by path %s: %s", to, name,
                          strerror(error));
    dialer->errors[io->path] = error;
}

/* The reason for a missing answer may be in this machine. */
static void look_for_block(struct path_dialer *dialer, const struct subflow_io *io)
{
    const struct path_slot *slot = path_table_slot(dialer->paths, io->path);
    char *why = dialer->blocked[io->path], name[PATH_TABLE_NAME_SIZE];
    bool told = why[0] != '\0';

    if (!path_advice_blocked(&slot->path, &io->to, why)) {
        why[0] = '\0';
        return;
    }
    if (!told)
        log_write(dialer->paths->quiet ? LOG_DEBUG : LOG_WARNING, "path %s: %s",
                  path_table_name(dialer->paths, io->path, name), why);
}

/* Whether this machine has no route there, or no address of the family. */
static bool is_no_way(int error)
{
    return error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL ||
           error == EAFNOSUPPORT;
}

void path_dialer_dialled(struct path_dialer *dialer, const struct subflow_io *io, int error)
{
    /* The dial ended with its path, which says nothing about the address. */
    if (error == ETIMEDOUT && !path_table_slot(dialer->paths, io->path)->view.usable)
        return;
    if (error != 0) {
        note_failure(dialer, io, error);
        if (error == ETIMEDOUT)
            look_for_block(dialer, io);
        endpoint_failed(endpoint_of(dialer, io->path), io->path, &io->to, io->dialled_at_ns,
                        is_no_way(error));
        return;
    }
    dialer->errors[io->path] = 0;
    dialer->blocked[io->path][0] = '\0';
}

void path_dialer_proven(struct path_dialer *dialer, const struct subflow_io *io)
{
    endpoint_proven(endpoint_of(dialer, io->path), io->path, &io->to, io->hello);
    dialer->strangers[io->path] = (struct path_strangers){.unanswered = 0};
}

/* A machine accepts connections and does not answer, as a relay does when a key is
 * wrong. */
static void note_unanswered(struct path_dialer *dialer, const struct subflow_io *io)
{
    struct path_strangers *strangers = &dialer->strangers[io->path];
    char to[ADDRESS_TEXT_SIZE], name[PATH_TABLE_NAME_SIZE];

    if (++strangers->unanswered < UNANSWERED_TOLD || strangers->unanswered_told)
        return;
    strangers->unanswered_told = true;
    log_warning("path %s: the relay at %s takes connections but does not answer: does it "
                "list this side's public key, is relay.public_key its own, is this machine's "
                "clock right, and is the relay still at this address?",
                path_table_name(dialer->paths, io->path, name),
                address_format(&io->to, to));
}

static void note_strange(struct path_dialer *dialer, const struct subflow_io *io,
                         enum unproven how)
{
    struct path_strangers *strangers = &dialer->strangers[io->path];
    char to[ADDRESS_TEXT_SIZE], name[PATH_TABLE_NAME_SIZE];
    uint64_t now = clock_now();

    if (strangers->strange++ == 0)
        strangers->strange_since_ns = now;
    if (strangers->strange < STRANGE_TOLD ||
        now - strangers->strange_since_ns < STRANGE_NS || strangers->strange_told)
        return;
    strangers->strange_told = true;
    log_warning("path %s: something answers at %s, but it is not the relay: it %s. The "
                "network may want a login first, or the relay has another address now",
                path_table_name(dialer->paths, io->path, name), address_format(&io->to, to),
                how == UNPROVEN_CLOSED ? "ends connections" : "sends what no relay sends");
}

void path_dialer_unproven(struct path_dialer *dialer, const struct subflow_io *io,
                          enum unproven how)
{
    endpoint_failed(endpoint_of(dialer, io->path), io->path, &io->to, io->dialled_at_ns,
                    false);
    dialer->strangers[io->path].at = io->to;
    if (how != UNPROVEN_SILENT)
        note_strange(dialer, io, how);
    else if (io->hello)
        note_unanswered(dialer, io);
}

void path_dialer_describe(const struct path_dialer *dialer, unsigned index,
                          char text[PATH_TABLE_NAME_SIZE], struct status_path *path)
{
    const struct path_table *table = dialer->paths;
    const struct path_slot *slot = path_table_slot(table, index);
    const struct endpoint *endpoint = &dialer->endpoints[path_table_host(table, index)];
    size_t local = index / table->host_count;

    *path = (struct status_path){.name = NULL};
    if (!slot->taken)
        return;
    path->name = path_table_name(table, index, text);
    path->interface = slot->path.interface[0] != '\0' ? slot->path.interface : NULL;
    path->source = slot->path.source;
    path->address = dialer->last[index];
    path->stranger = dialer->strangers[index].at;
    if (slot->seen && !slot->view.usable)
        path->detail = slot->view.why;
    else if (endpoint->count == 0 && endpoint->error != OK)
        path->detail = endpoint->why;
    else if (dialer->errors[index] != 0)
        path->detail = strerror(dialer->errors[index]);
    if (dialer->blocked[index][0] != '\0')
        path->hint = dialer->blocked[index];
    if (slot->config == NULL || slot->config->quota_bytes == CONFIG_UNLIMITED)
        return;
    path->quota_bytes = slot->config->quota_bytes;
    path->quota_used_bytes = path_quota_used(&table->quota, local);
}

/* ---- life ---- */

void path_dialer_init(struct path_dialer *dialer, struct ev_loop *loop,
                      const struct config_local *config, struct resolver *resolver,
                      struct nat64_finder *finder, const struct path_table *paths,
                      struct driver *driver)
{
    *dialer = (struct path_dialer){.config = config, .paths = paths, .driver = driver};
    for (size_t i = 0; i < config->relay.hosts.count; i++)
        endpoint_init(&dialer->endpoints[i], loop, resolver, finder,
                      config->relay.hosts.items[i], on_resolved, dialer);
}

void path_dialer_deinit(struct path_dialer *dialer)
{
    for (size_t i = 0; i < CONFIG_RELAY_HOSTS_MAX; i++)
        endpoint_deinit(&dialer->endpoints[i]);
}
