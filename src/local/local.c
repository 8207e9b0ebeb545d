/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/local.h>

#include "local_internal.h"
#include "local_rules.h"

#include <splitsocks/base/log.h>
#include <splitsocks/crypto/key.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/descriptors.h>
#include <splitsocks/io/movement.h>
#include <splitsocks/io/shed_text.h>
#include <splitsocks/io/subflow_io.h>
#include <splitsocks/status/control.h>
#include <splitsocks/status/status.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Bound for the data of all streams: several times the session's greatest credit. */
#define BUFFERED_BYTES_MAX (UINT64_C(256) << 20)
/* How often a retired local checks whether its streams have ended. */
#define RETIRED_SECONDS 0.1

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

static void log_shed(const struct session_event *event)
{
    static struct log_limit limit;
    char text[SHED_TEXT_SIZE];

    log_write_limited(&limit, clock_now(), LOG_WARNING, "%s",
                      shed_describe(event, "the memory for all streams", text));
}

static void on_proven(struct driver *driver, const struct subflow_io *io)
{
    struct local *local = driver->context;

    path_dialer_proven(&local->dialer, io);
}

static void on_unproven(struct driver *driver, const struct subflow_io *io,
                        enum unproven how)
{
    struct local *local = driver->context;

    path_dialer_unproven(&local->dialer, io, how);
}

static uint64_t next_stamp(struct driver *driver)
{
    struct local *local = driver->context;

    return stamp_keeper_next(&local->stamps);
}

static void on_changed(struct driver *driver, const struct session_event *event)
{
    struct local *local = driver->context;
    unsigned long long id = session_id(driver->session);

    switch (event->type) {
    case SESSION_SHED: log_shed(event); return;
    case SESSION_LOST:
        outage_log_down(&local->contact, OUTAGE_HICCUP_NS, LOG_WARNING,
                        "no contact with the relay");
        return;
    case SESSION_PATH_UP:
    case SESSION_PATH_DOWN:
    case SESSION_PATH_PACKETS:
    case SESSION_LIMIT: path_table_note(&local->paths, event); return;
    default: break;
    }
    if (local->had_session && !event->resumed)
        log_warning("the relay does not know the session any more: its streams are reset");
    restart_note_up(&local->ending, clock_now());
    stamp_keeper_taken(&local->stamps, session_stamp(driver->session));
    if (event->resumed) {
        outage_log_up(&local->contact, LOG_INFO, "the session with the relay",
                      "session %016llx with the relay goes on", id);
    } else {
        outage_log_drop(&local->contact);
        log_info("session %016llx with the relay begins", id);
    }
    local->had_session = true;
    association_service_note_session(&local->associations);
}

static void drop_session(struct local *local)
{
    if (local->session == NULL)
        return;
    local->had_session = false;
    outage_log_drop(&local->contact);
    path_table_attach(&local->paths, NULL);
    driver_deinit(&local->driver);
    session_free(local->session);
    local->session = NULL;
    datagram_service_forget_flows(&local->datagrams);
    association_service_note_session(&local->associations);
}

static void plan_restart(struct local *local, enum error error, enum close_code code,
                         const char *reason)
{
    uint64_t pause_ns = restart_note_end(&local->ending, error, code, reason, clock_now());

    if (pause_ns < NS_PER_S)
        log_warning("%s", local->ending.reason);
    else
        log_warning("%s; the next is begun in %.0f s", local->ending.reason,
                    (double)pause_ns * 1e-9);
    local->inbound.sessionless = code == CLOSE_LIMIT || code == CLOSE_REMOVED
                                     ? RESET_SESSION_REFUSED
                                     : RESET_RELAY_UNREACHABLE;
    ev_timer_set(&local->restart, (double)pause_ns * 1e-9, 0.);
    ev_timer_start(local->worker.loop, &local->restart);
}

static bool on_ended(struct driver *driver, enum error error, enum close_code code,
                     const char *reason)
{
    struct local *local = driver->context;

    drop_session(local);
    if (!local->closing)
        plan_restart(local, error, code, reason);
    return true;
}

static const struct driver_role role = {
    .dial = on_dial,
    .dialled = on_dialled,
    .proven = on_proven,
    .unproven = on_unproven,
    .stamp = next_stamp,
    .changed = on_changed,
    .ended = on_ended,
};

/* ---- retirement ---- */

/* Whether to wait for open connections: before a stop for all of them. */
static bool is_patient(const struct local *local, uint64_t now)
{
    return local->stop_at_ns == TIME_NEVER ||
           (now < local->stop_at_ns && (movement_of_worker(&local->worker, now) ||
                                        movement_of_session(local->session)));
}

/* Whether the session has streams, or may get some. */
static bool is_needed(const struct local *local)
{
    /* A stream whose socket is closed may still have bytes to deliver. */
    return !list_empty(&local->socks.connections) ||
           !list_empty(&local->inbound.inbounds) ||
           !list_empty(&local->associations.associations) ||
           (local->session != NULL && session_stream_count(local->session) > 0);
}

/* Whether there are connections that need no session. */
static bool has_others(const struct local *local)
{
    return !list_empty(&local->worker.remainders) || !list_empty(&local->inbound.directs);
}

static void on_retired(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct local *local = timer->data;
    uint64_t now = clock_now();
    (void)events;

    if (!local->closing && (!is_needed(local) || !is_patient(local, now))) {
        local->closing = true;
        ev_timer_stop(loop, &local->restart);
        if (local->session == NULL)
            return;
        session_close(local->session, CLOSE_ASKED, NULL, now);
        driver_touch(&local->driver);
    } else if (local->closing && local->session == NULL &&
               (!has_others(local) || !is_patient(local, now))) {
        ev_timer_stop(loop, timer);
        local->done(local, local->done_context);
    }
}

void local_retire(struct local *local, void (*done)(struct local *local, void *context),
                  void *context)
{
    local_stop_listening(local);
    local->paths.quiet = true;
    local->done = done;
    local->done_context = context;
    ev_timer_again(local->worker.loop, &local->retired);
}

void local_stop(struct local *local)
{
    local->stop_at_ns = clock_now() + local->config->timeouts.stop_after_ns;
}

/* ---- status ---- */

static json_t *describe_drops(const struct datagram_drops *drops)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "foreign",
                     (json_int_t)drops->foreign, "malformed", (json_int_t)drops->malformed,
                     "blocked", (json_int_t)drops->blocked, "unsupported",
                     (json_int_t)drops->unsupported, "full", (json_int_t)drops->full,
                     "lost", (json_int_t)drops->lost);
}

struct json_t *local_status(const struct local *local)
{
    char names[SESSION_PATHS_MAX][PATH_TABLE_NAME_SIZE];
    struct status_path paths[SESSION_PATHS_MAX];
    struct status_source source = {
        .session = local->session,
        .ending = local->ending.ended ? &local->ending : NULL,
        .relays = local->config->relay.hosts.items,
        .relay_count = local->config->relay.hosts.count,
        .paths = paths,
        .ports = local->config->relay.ports.items,
        .port_count = MIN(local->config->relay.ports.count, (size_t)SESSION_PORTS_MAX),
        .next_connection = inbound_next,
        .connections = &local->inbound,
        .flow_client = datagram_service_client_of,
        .path_count = path_table_count(&local->paths),
    };
    json_t *document;

    for (unsigned i = 0; i < source.path_count; i++)
        path_dialer_describe(&local->dialer, i, names[i], &paths[i]);
    document = status_describe(&source, clock_now());
    if (document != NULL)
        json_object_set_new(document, "listeners", local_describe_listeners(local));
    if (document != NULL)
        json_object_set_new(document, "datagrams_dropped",
                            describe_drops(&local->datagrams.drops));
    return document;
}

/* ---- life ---- */

/* Listeners for both networks have two. */
static unsigned long listening_sockets(const struct config_local *config)
{
    unsigned long count = config->listen.count;

    for (size_t i = 0; i < config->listen.count; i++)
        count += config->listen.items[i].network == CONFIG_NETWORK_BOTH;
    return count;
}

void local_reserve_descriptors(const struct config_local *config)
{
    const struct descriptor_needs needs = {
        /* A replaced local may have as many. */
        .subflows = 2ul * config->pool.burst,
        .held = listening_sockets(config),
        .own = DESCRIPTORS_RESOLVER + DESCRIPTORS_FILES + CONTROL_CLIENTS,
    };

    descriptors_reserve(&needs);
    if (descriptors_for_subflows() / 2 < config->pool.burst)
        log_warning("the limit of %lu open files allows %lu connections to the relay at a "
                    "time, fewer than pool.burst, which is %u",
                    descriptors_limit(), descriptors_for_subflows() / 2,
                    config->pool.burst);
}

static int start_session(struct local *local)
{
    const struct config_local *config = local->config;
    uint32_t most = (uint32_t)MAX(descriptors_for_subflows() / 2, 1ul);
    struct session_config session = {
        .role = SESSION_LOCAL,
        .pages = &local->worker.pages,
        .chunk_size = config->chunk_size,
        .linger_ns = config->linger_ns,
        .pool_size = MIN(config->pool.size, most),
        .pool_idle = MIN(config->pool.idle, most),
        .pool_burst = MIN(config->pool.burst, most),
        .dials_per_second = config->pool.dials_per_second,
        .keepalive_ns = config->pool.keepalive_ns,
        .budget_up = config->budget.up.most,
        .budget_down = config->budget.down.most,
        .budget_up_spread = config->budget.up.most - config->budget.up.least,
        .budget_down_spread = config->budget.down.most - config->budget.down.least,
        .rate_up = config->rate.up_bits / 8,
        .rate_down = config->rate.down_bits / 8,
        .path_count = path_table_count(&local->paths),
        .packet_retry_after_ns = config->mtu_retry_after_ns,
        .port_count = (unsigned)MIN(config->relay.ports.count, (size_t)SESSION_PORTS_MAX),
    };

    memcpy(session.private_key, local->private_key, sizeof(session.private_key));
    memcpy(session.relay_public_key, config->relay.public_key,
           sizeof(session.relay_public_key));
    random_fill(&session.seed, sizeof(session.seed));
    random_fill(&session.hash_secret, sizeof(session.hash_secret));
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

/* Only a quota is worth a warning when the state file cannot be written. */
static enum log_level state_trouble_level(const struct config_local *config)
{
    for (size_t i = 0; i < config->paths.count; i++)
        if (config->paths.items[i].quota_bytes != CONFIG_UNLIMITED)
            return LOG_WARNING;
    return LOG_INFO;
}

/* Another network may have other DNS servers and answers, another NAT64 prefix, and
 * another working family of addresses. */
static void on_moved(void *context)
{
    struct local *local = context;

    resolver_flush(local->resolver);
    nat64_finder_forget(&local->finder);
    local->inbound.ways.families = (struct family_memory){.suspect = ADDRESS_NONE};
}

static void init_datagrams(struct local *local)
{
    const struct config_udp *udp = &local->config->udp;

    local->datagrams.worker = &local->worker;
    local->datagrams.driver = &local->driver;
    local->datagrams.decider = &local->inbound.decider;
    local->datagrams.idle_after_ns = udp->idle_after_ns;
    local->datagrams.max_clients = udp->max_flows;
    datagram_service_init(&local->datagrams);
    local->associations.inbound = &local->inbound;
    local->associations.datagrams = &local->datagrams;
    local->associations.enabled = udp->enabled;
    local->associations.advertise = udp->advertise;
    local->associations.ports = udp->ports;
    association_service_init(&local->associations);
}

int local_new(struct ev_loop *loop, const struct config_local *config,
              const char *state_file, const uint8_t private_key[CONFIG_KEY_SIZE],
              struct local **out)
{
    const struct resolver_options names = {.dns = config->dns.common, .search = true};
    struct local *local = calloc(1, sizeof(*local));
    int error = ERROR_MEMORY;

    *out = NULL;
    if (local == NULL)
        return error;
    local->config = config;
    local->stop_at_ns = TIME_NEVER;
    memcpy(local->private_key, private_key, sizeof(local->private_key));
    outage_log_init(&local->contact, loop);
    ev_init(&local->restart, on_restart);
    local->restart.data = local;
    ev_init(&local->retired, on_retired);
    local->retired.data = local;
    local->retired.repeat = RETIRED_SECONDS;
    local->rules = local_rules_new(config);
    if (local->rules == NULL || (error = local_init_listeners(local)) != OK ||
        (error = worker_init(&local->worker, loop, BUFFERED_BYTES_MAX,
                             config->linger_ns)) != OK ||
        (error = resolver_new(loop, &names, &local->resolver)) != OK) {
        local_free(local);
        return error;
    }
    state_file_init(&local->state, state_file, state_trouble_level(config));
    stamp_keeper_init(&local->stamps, &local->state, config->relay.public_key);
    worker_set_timeouts(&local->worker, &config->timeouts);
    path_table_init(&local->paths, loop, config, &local->state, on_moved, local);
    nat64_finder_init(&local->finder, loop, local->resolver);
    path_dialer_init(&local->dialer, loop, config, local->resolver, &local->finder,
                     &local->paths, &local->driver);
    if ((error = start_session(local)) != OK) {
        local_free(local);
        return error;
    }
    local->inbound.worker = &local->worker;
    local->inbound.sessionless = RESET_RELAY_UNREACHABLE;
    local->inbound.driver = &local->driver;
    local->inbound.ways.loop = loop;
    local->inbound.ways.finder = &local->finder;
    local->inbound.decider = (struct decider){
        .resolver = local->resolver,
        .finder = &local->finder,
        .resolve_here = config->dns.resolve == CONFIG_RESOLVE_LOCAL,
        .rules = local->rules,
        .comes_back = local_comes_back,
        .local = local,
    };
    inbound_service_init(&local->inbound);
    init_datagrams(local);
    socks_service_init(&local->socks, &local->inbound, &local->associations);
    *out = local;
    return OK;
}

void local_free(struct local *local)
{
    if (local == NULL)
        return;
    if (local->worker.loop != NULL) {
        ev_timer_stop(local->worker.loop, &local->retired);
        ev_timer_stop(local->worker.loop, &local->restart);
    }
    if (local->socks.inbound != NULL) {
        socks_service_deinit(&local->socks);
        association_service_deinit(&local->associations);
        inbound_service_deinit(&local->inbound);
    }
    local_free_listeners(local);
    datagram_service_deinit(&local->datagrams);
    path_dialer_deinit(&local->dialer);
    nat64_finder_deinit(&local->finder);
    drop_session(local);
    outage_log_deinit(&local->contact);
    path_table_deinit(&local->paths);
    resolver_free(local->resolver);
    worker_deinit(&local->worker);
    key_wipe(local->private_key, sizeof(local->private_key));
    rules_free(local->rules);
    free(local);
}
