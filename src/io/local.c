#include <splitsocks/local.h>

#include "local_rules.h"

#include <splitsocks/clock.h>
#include <splitsocks/driver.h>
#include <splitsocks/inbound.h>
#include <splitsocks/key.h>
#include <splitsocks/listener.h>
#include <splitsocks/log.h>
#include <splitsocks/path_dialer.h>
#include <splitsocks/path_table.h>
#include <splitsocks/resolver.h>
#include <splitsocks/socket.h>
#include <splitsocks/socks_connection.h>
#include <splitsocks/status.h>
#include <splitsocks/subflow_io.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Stream data of all streams: several times the session's greatest credit. */
#define BUFFERED_BYTES_MAX (UINT64_C(256) << 20)
/* How often a retired local looks whether its streams have ended. */
#define RETIRED_SECONDS 0.1
/* Before a session that has ended is followed by a new one. */
#define RESTART_SECONDS 0.25

struct local_listener {
    struct local *local;
    const struct config_listener *config; /* borrowed */
    struct socks5_user *users;            /* owned; the texts are the configuration's */
    struct socks_terms terms;
    struct target to; /* of a forward listener */
    struct listener listener;
    int fd; /* -1: not listening */
};

struct local {
    const struct config_local *config; /* borrowed */
    uint8_t private_key[CONFIG_KEY_SIZE];
    struct worker worker;
    struct resolver *resolver;
    struct path_table paths;
    struct path_dialer dialer;
    struct session *session; /* NULL for a moment after one has ended */
    struct driver driver;    /* its session is NULL then too */
    struct rules *rules;
    struct inbound_service inbound;
    struct socks_service socks;
    struct local_listener *listeners; /* owned; as many as the configuration has */
    bool had_session;                 /* `session` was established before */
    ev_timer retired;
    ev_timer restart; /* while there is no session */
    bool closing;     /* the session was asked to close */
    void (*done)(struct local *local, void *context);
    void *done_context;
};

/* ---- the session ---- */

static void on_dial(struct driver *driver, struct subflow_io *io)
{
    struct local *local = driver->context;

    path_dialer_dial(&local->dialer, io);
}

static void on_dialled(struct driver *driver, const struct subflow_io *io, int error)
{
    struct local *local = driver->context;

    path_dialer_dialled(&local->dialer, io, error);
}

static void on_changed(struct driver *driver, const struct session_event *event)
{
    struct local *local = driver->context;
    unsigned long long id = session_id(driver->session);

    switch (event->type) {
    case SESSION_LOST: log_warning("no contact with the relay"); return;
    case SESSION_PATH_UP:
    case SESSION_PATH_DOWN: path_table_note(&local->paths, event); return;
    default: break;
    }
    if (local->had_session && !event->resumed)
        log_warning("the relay does not know the session any more: its streams are reset");
    path_dialer_answered(&local->dialer);
    log_info("session %016llx with the relay %s", id,
             event->resumed ? "goes on" : "begins");
    local->had_session = true;
}

static void drop_session(struct local *local)
{
    if (local->session == NULL)
        return;
    local->had_session = false;
    path_table_attach(&local->paths, NULL);
    driver_deinit(&local->driver);
    session_free(local->session);
    local->session = NULL;
}

static bool on_ended(struct driver *driver, enum error error, const char *reason)
{
    struct local *local = driver->context;

    if (!local->closing)
        log_warning("the session has ended: %s (%s)", reason, error_string(error));
    drop_session(local);
    if (!local->closing) {
        ev_timer_set(&local->restart, RESTART_SECONDS, 0.);
        ev_timer_start(local->worker.loop, &local->restart);
    }
    return true;
}

static const struct driver_role role = {
    .dial = on_dial,
    .dialled = on_dialled,
    .changed = on_changed,
    .ended = on_ended,
};

/* ---- retirement ---- */

static void on_retired(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct local *local = timer->data;
    (void)events;

    /* A stream whose socket is closed may still have bytes to deliver. */
    if (!list_empty(&local->socks.connections) || !list_empty(&local->inbound.inbounds) ||
        (!local->closing && local->session != NULL &&
         session_stream_count(local->session) > 0))
        return;
    if (!local->closing) {
        local->closing = true;
        ev_timer_stop(loop, &local->restart);
        if (local->session == NULL)
            return;
        session_close(local->session, clock_now());
        driver_touch(&local->driver);
    } else if (local->session == NULL && list_empty(&local->worker.remainders) &&
               list_empty(&local->inbound.directs)) {
        ev_timer_stop(loop, timer);
        local->done(local, local->done_context);
    }
}

static void stop_listening(struct local_listener *listener)
{
    if (listener->fd < 0)
        return;
    listener_deinit(&listener->listener);
    close(listener->fd);
    listener->fd = -1;
}

void local_retire(struct local *local, void (*done)(struct local *local, void *context),
                  void *context)
{
    for (size_t i = 0; i < local->config->listen.count; i++)
        stop_listening(&local->listeners[i]);
    local->done = done;
    local->done_context = context;
    ev_timer_again(local->worker.loop, &local->retired);
}

/* ---- listeners ---- */

static void on_accept(void *context, int fd, const struct address *peer)
{
    struct local_listener *listener = context;
    struct local *local = listener->local;
    const struct inbound_request request = {
        .fd = fd,
        .listener = listener->terms.listener,
        .target = &listener->to,
        .otherwise = &listener->terms.policy,
    };

    if (listener->config->protocol == CONFIG_PROTOCOL_FORWARD)
        inbound_start(&local->inbound, &request);
    else
        socks_connection_new(&local->socks, fd, peer, &listener->terms);
}

void local_adopt(struct local *local, int fd)
{
    const struct address nobody = {.family = ADDRESS_NONE};
    const struct socks_terms terms = {
        .listener = RULES_NO_LISTENER,
        .policy = local_listener_policy(local->config, NULL),
    };

    socks_connection_new(&local->socks, fd, &nobody, &terms);
}

/* The socket of `previous` that was opened for the same address. */
static struct local_listener *find_previous(struct local *previous,
                                            const struct address *address)
{
    if (previous == NULL)
        return NULL;
    for (size_t i = 0; i < previous->config->listen.count; i++) {
        struct local_listener *listener = &previous->listeners[i];

        if (listener->fd >= 0 && address_equal(&listener->config->address, address))
            return listener;
    }
    return NULL;
}

static int open_listener(struct local_listener *listener)
{
    const struct socket_listen_options options = {
        .at_once = listener->config->protocol == CONFIG_PROTOCOL_FORWARD,
    };
    char text[ADDRESS_TEXT_SIZE];
    int error = socket_listen(&listener->config->address, &options, &listener->fd);

    if (error != OK)
        log_error("cannot listen on %s: %s",
                  address_format(&listener->config->address, text), strerror(errno));
    return error;
}

int local_listen(struct local *local, struct local *previous)
{
    size_t count = local->config->listen.count;

    /* First what may fail, so that `previous` can go on when it does. */
    for (size_t i = 0; i < count; i++) {
        struct local_listener *listener = &local->listeners[i];

        if (find_previous(previous, &listener->config->address) == NULL) {
            int error = open_listener(listener);

            if (error != OK)
                return error;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct local_listener *listener = &local->listeners[i];
        struct local_listener *old;

        if (listener->fd < 0) {
            old = find_previous(previous, &listener->config->address);
            listener_deinit(&old->listener);
            listener->fd = old->fd;
            old->fd = -1;
            if (socket_listen_at_once(listener->fd, listener->config->protocol ==
                                                        CONFIG_PROTOCOL_FORWARD) != OK)
                log_warning("cannot change when connections are accepted: %s",
                            strerror(errno));
        }
        listener_init(&listener->listener, local->worker.loop, listener->fd, on_accept,
                      listener);
    }
    return OK;
}

bool local_listener_address(const struct local *local, size_t index,
                            struct address *address)
{
    if (index >= local->config->listen.count)
        return false;
    *address = socket_local_address(local->listeners[index].fd);
    return true;
}

/* ---- status ---- */

struct json_t *local_status(const struct local *local)
{
    char names[SESSION_PATHS_MAX][PATH_TABLE_NAME_SIZE];
    struct status_path paths[SESSION_PATHS_MAX];
    struct status_source source = {
        .session = local->session,
        .relays = local->config->relay.hosts.items,
        .relay_count = local->config->relay.hosts.count,
        .paths = paths,
        .inbound = &local->inbound,
        .path_count = path_table_count(&local->paths),
    };

    for (unsigned i = 0; i < source.path_count; i++)
        path_dialer_describe(&local->dialer, i, names[i], &paths[i]);
    return status_describe(&source, clock_now());
}

/* ---- life ---- */

/* Where a forward listener leads to; nothing for others. */
static void set_target(struct target *target, const struct config_host_port *to)
{
    if (to->host == NULL)
        return;
    target->port = to->port;
    if (address_parse(&target->addresses[0], to->host) == OK)
        target->address_count = 1;
    else
        snprintf(target->name, sizeof(target->name), "%s", to->host);
}

static int init_listeners(struct local *local)
{
    const struct config_listeners *listen = &local->config->listen;

    local->listeners = calloc(MAX(listen->count, (size_t)1), sizeof(*local->listeners));
    if (local->listeners == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < listen->count; i++) {
        struct local_listener *listener = &local->listeners[i];
        const struct config_users *users = &listen->items[i].users;

        listener->local = local;
        listener->config = &listen->items[i];
        set_target(&listener->to, &listen->items[i].to);
        listener->fd = -1;
        listener->users = calloc(MAX(users->count, (size_t)1), sizeof(*listener->users));
        if (listener->users == NULL)
            return ERROR_MEMORY;
        for (size_t j = 0; j < users->count; j++)
            listener->users[j] = (struct socks5_user){
                .name = users->items[j].name,
                .password = users->items[j].password,
            };
        listener->terms = (struct socks_terms){
            .users = listener->users,
            .user_count = users->count,
            .listener = (uint32_t)i,
            .policy = local_listener_policy(local->config, listener->config),
        };
    }
    return OK;
}

static int start_session(struct local *local)
{
    const struct config_local *config = local->config;
    struct session_config session = {
        .role = SESSION_LOCAL,
        .pages = &local->worker.pages,
        .chunk_size = config->chunk_size,
        .linger_ns = config->linger_ns,
        .pool_size = config->pool.size,
        .pool_idle = config->pool.idle,
        .pool_burst = config->pool.burst,
        .dials_per_second = config->pool.dials_per_second,
        .budget_up = config->budget.up,
        .budget_down = config->budget.down,
        .rate_up = config->rate.up_bits / 8,
        .rate_down = config->rate.down_bits / 8,
        .path_count = path_table_count(&local->paths),
        .port_count = (unsigned)MIN(config->relay.ports.count, (size_t)SESSION_PORTS_MAX),
    };

    memcpy(session.private_key, local->private_key, sizeof(session.private_key));
    memcpy(session.relay_public_key, config->relay.public_key,
           sizeof(session.relay_public_key));
    random_fill(&session.seed, sizeof(session.seed));
    local->session = session_new(&session, clock_now());
    key_wipe(&session, sizeof(session));
    if (local->session == NULL)
        return ERROR_MEMORY;
    driver_init(&local->driver, &local->worker, local->session, &role, local);
    path_table_attach(&local->paths, &local->driver);
    return OK;
}

static void on_restart(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct local *local = timer->data;
    (void)events;

    if (start_session(local) != OK)
        ev_timer_start(loop, timer);
}

static int init_resolver(struct local *local)
{
    const struct config_local_dns *dns = &local->config->dns;
    const struct resolver_options options = {
        .servers = dns->servers.items,
        .server_count = dns->servers.count,
        .search = true,
    };
    int error = resolver_new(local->worker.loop, &options, &local->resolver);

    if (error == ERROR_SYSTEM)
        log_error("cannot start the resolver");
    return error;
}

int local_new(struct ev_loop *loop, const struct config_local *config,
              const char *state_file, const uint8_t private_key[CONFIG_KEY_SIZE],
              struct local **out)
{
    struct local *local = calloc(1, sizeof(*local));
    int error = ERROR_MEMORY;

    *out = NULL;
    if (local == NULL)
        return error;
    local->config = config;
    memcpy(local->private_key, private_key, sizeof(local->private_key));
    ev_init(&local->restart, on_restart);
    local->restart.data = local;
    ev_init(&local->retired, on_retired);
    local->retired.data = local;
    local->retired.repeat = RETIRED_SECONDS;
    local->rules = local_rules_new(config);
    if (local->rules == NULL || (error = init_listeners(local)) != OK ||
        (error = worker_init(&local->worker, loop, BUFFERED_BYTES_MAX,
                             config->linger_ns)) != OK ||
        (error = init_resolver(local)) != OK) {
        local_free(local);
        return error;
    }
    path_table_init(&local->paths, loop, config, state_file);
    path_dialer_init(&local->dialer, config, local->resolver, &local->paths,
                     &local->driver);
    if ((error = start_session(local)) != OK) {
        local_free(local);
        return error;
    }
    local->inbound.worker = &local->worker;
    local->inbound.driver = &local->driver;
    local->inbound.resolver = local->resolver;
    local->inbound.resolve_here = config->dns.resolve == CONFIG_RESOLVE_LOCAL;
    local->inbound.rules = local->rules;
    inbound_service_init(&local->inbound);
    socks_service_init(&local->socks, &local->inbound);
    *out = local;
    return OK;
}

void local_free(struct local *local)
{
    if (local == NULL)
        return;
    for (size_t i = 0; local->listeners != NULL && i < local->config->listen.count; i++) {
        if (local->listeners[i].local != NULL)
            stop_listening(&local->listeners[i]);
        free(local->listeners[i].users);
    }
    if (local->worker.loop != NULL) {
        ev_timer_stop(local->worker.loop, &local->retired);
        ev_timer_stop(local->worker.loop, &local->restart);
    }
    if (local->socks.inbound != NULL) {
        socks_service_deinit(&local->socks);
        inbound_service_deinit(&local->inbound);
    }
    path_dialer_deinit(&local->dialer);
    drop_session(local);
    path_table_deinit(&local->paths);
    resolver_free(local->resolver);
    worker_deinit(&local->worker);
    key_wipe(local->private_key, sizeof(local->private_key));
    rules_free(local->rules);
    free(local->listeners);
    free(local);
}
