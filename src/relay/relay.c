/* SPDX-License-Identifier: MIT */
#include <splitsocks/relay/relay.h>

#include "relay_internal.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/descriptors.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- listening ---- */

/* Whether a listener of ours uses the port, and takes the other family's connections or
 * excludes them; the log says which. */
static bool is_covered(const struct relay *relay, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < relay->socket_count; i++) {
        struct address held = socket_local_address(relay->sockets[i]);

        if (!socket_listener_covers(&held, address))
            continue;
        if (held.family == ADDRESS_IPV4)
            log_warning("cannot listen on %s beside 0.0.0.0: IPv6 is not served there",
                        address_format(address, text));
        return true;
    }
    return false;
}

/* Finds a listener of this relay that excludes the address. */
static bool find_rival(const struct relay *relay, const struct address *address,
                       struct address *rival)
{
    for (size_t i = 0; i < relay->socket_count; i++) {
        *rival = socket_local_address(relay->sockets[i]);
        if (listen_excludes(rival, address))
            return true;
    }
    return false;
}

static int listen_on(struct relay *relay, const struct config_relay_listener *listener,
                     uint16_t port)
{
    const struct socket_listen_options options = {
        .subflows = true,
        .congestion_control = relay->config->config->congestion_control,
    };
    struct address address = listener->address, rival;
    char text[LISTEN_FAILURE_SIZE];
    int fd;

    address.port = port;
    if (socket_listen(&address, &options, &fd) != OK) {
        int failure = errno;

        if ((listener->implied && failure == EAFNOSUPPORT) ||
            (failure == EADDRINUSE && is_covered(relay, &address)))
            return OK;
        log_error("%s", listen_failure(&address, failure,
                                       find_rival(relay, &address, &rival) ? &rival : NULL,
                                       text));
        return ERROR_SYSTEM;
    }
    relay->sockets[relay->socket_count++] = fd;
    /* Log it once for all ports. */
    if (port == listener->ports.items[0] && listen_is_absent(&address))
        listen_tell_absent(&listener->address);
    return OK;
}

/* Listens on :: alone, or on all the others. */
static int listen_on_some(struct relay *relay, bool any_ipv6)
{
    const struct config_relay_listeners *listen = &relay->config->config->listen;

    for (size_t i = 0; i < listen->count; i++) {
        const struct config_relay_listener *listener = &listen->items[i];

        if (address_is_any_ipv6(&listener->address) != any_ipv6)
            continue;
        for (size_t j = 0; j < listener->ports.count; j++) {
            int error = listen_on(relay, listener, listener->ports.items[j]);

            if (error != OK)
                return error;
        }
    }
    return OK;
}

static size_t count_ports(const struct config_relay_listeners *listen)
{
    size_t count = 0;

    for (size_t i = 0; i < listen->count; i++)
        count += listen->items[i].ports.count;
    return count;
}

int relay_listen(struct relay *relay)
{
    size_t count = count_ports(&relay->config->config->listen);
    int error;

    relay->sockets = calloc(MAX(count, (size_t)1), sizeof(*relay->sockets));
    if (relay->sockets == NULL)
        return ERROR_MEMORY;
    /* Where the kernel cannot confine :: to IPv6, it serves both. */
    error = listen_on_some(relay, true);
    if (error == OK)
        error = listen_on_some(relay, false);
    if (error != OK)
        return error;
    if (relay->socket_count > 0)
        return OK;
    log_error("the kernel has no address family to listen on");
    return ERROR_SYSTEM;
}

bool relay_listener_address(const struct relay *relay, size_t index,
                            struct address *address)
{
    if (index >= relay->socket_count)
        return false;
    *address = socket_local_address(relay->sockets[index]);
    return true;
}

/* ---- life ---- */

static int init_workers(struct relay *relay, struct ev_loop *loop)
{
    relay->worker_count = relay->config->config->workers;
    relay->workers = calloc(relay->worker_count, sizeof(*relay->workers));
    if (relay->workers == NULL)
        return ERROR_MEMORY;
    for (unsigned i = 0; i < relay->worker_count; i++) {
        int error = relay_worker_init(&relay->workers[i], relay, i, i == 0 ? loop : NULL);

        relay->initialised = i + 1;
        if (error != OK)
            return error;
    }
    return OK;
}

static unsigned long held_descriptors(size_t workers, size_t listeners)
{
    return workers * DESCRIPTORS_LOOP + listeners;
}

unsigned long relay_held_descriptors(const struct config_relay *config)
{
    return held_descriptors(config->workers, count_ports(&config->listen));
}

static struct relay_clients *load_clients(struct relay *relay, const char *stamps_path,
                                          const struct config_relay *config)
{
    struct relay_clients *remembered = stamp_file_open(&relay->stamps, stamps_path);
    struct relay_clients *clients =
        remembered != NULL ? relay_clients_new(config, remembered) : NULL;

    relay_clients_free(remembered);
    return clients;
}

int relay_new(struct ev_loop *loop, struct config_relay *config, const char *state_path,
              const char *stamps_path, const uint8_t private_key[CONFIG_KEY_SIZE],
              struct relay **out)
{
    unsigned long held = relay_held_descriptors(config);
    struct relay *relay;
    int error;

    *out = NULL;
    if (!descriptors_can_hold(held))
        return ERROR_LIMIT;
    relay = calloc(1, sizeof(*relay));
    if (relay == NULL)
        return ERROR_MEMORY;
    relay_bounds_reserve(config, held);
    client_pools_init(&relay->pools);
    pace_rate_init(&relay->up, NULL);
    pace_rate_init(&relay->down, NULL);
    pthread_mutex_init(&relay->lock, NULL);
    atomic_init(&relay->stop_at_ns, TIME_NEVER);
    atomic_init(&relay->terms_due, false);
    atomic_init(&relay->cuts, 0);
    atomic_init(&relay->round, 0);
    random_fill(&relay->silence_random, sizeof(relay->silence_random));
    error = key_pair_init(&relay->key, private_key);
    relay->config = calloc(1, sizeof(*relay->config));
    relay->clients = load_clients(relay, stamps_path, config);
    if (error == OK && (relay->config == NULL || relay->clients == NULL))
        error = ERROR_MEMORY;
    if (error == OK)
        error = relay_meters_set(relay, relay->clients, config);
    if (error == OK)
        error = relay_quota_init(relay, state_path, config);
    if (error == OK) {
        relay->config->config = config;
        error = init_workers(relay, loop);
    }
    if (error == OK) {
        *out = relay;
        return OK;
    }
    if (relay->config != NULL)
        relay->config->config = NULL; /* the caller keeps it */
    relay_free(relay);
    return error;
}

/* Frees the configurations below `config` that no worker uses. */
static void free_older(struct relay *relay, struct relay_config *config)
{
    struct relay_config **link = &config->older;

    while (*link != NULL) {
        struct relay_config *older = *link;
        bool used = false;

        for (unsigned i = 0; i < relay->initialised; i++)
            if (atomic_load(&relay->workers[i].config) == older->config)
                used = true;
        if (used) {
            link = &older->older;
            continue;
        }
        *link = older->older;
        config_relay_free(older->config);
        free(older);
    }
}

void relay_free(struct relay *relay)
{
    if (relay == NULL)
        return;
    /* Threads still run if a start has failed halfway. */
    if (relay->initialised == relay->worker_count)
        relay_stop(relay, 0);
    if (relay->initialised > 0) {
        relay_terms_stop(relay);
        relay_status_stop(relay);
    }
    /* Wait for all before any deinit: each may pass connections to any other. */
    for (unsigned i = 0; i < relay->initialised; i++)
        relay_worker_join(&relay->workers[i]);
    for (unsigned i = 0; i < relay->initialised; i++)
        relay_worker_deinit(&relay->workers[i]);
    relay->initialised = 0;
    for (size_t i = 0; i < relay->socket_count; i++)
        close(relay->sockets[i]);
    free(relay->sockets);
    free(relay->workers);
    relay_quota_free(relay);
    relay_meters_free(relay);
    pace_rate_deinit(&relay->up);
    pace_rate_deinit(&relay->down);
    stamp_file_end(&relay->stamps, relay->clients);
    relay_clients_free(relay->clients);
    if (relay->config != NULL) {
        free_older(relay, relay->config);
        config_relay_free(relay->config->config);
        free(relay->config);
    }
    pthread_mutex_destroy(&relay->lock);
    key_pair_deinit(&relay->key);
    free(relay);
}

/* ---- reload ---- */

static bool same_ports(const struct config_ports *a, const struct config_ports *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof(*a->items)) == 0);
}

static bool same_listeners(const struct config_relay_listeners *a,
                           const struct config_relay_listeners *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!address_equal(&a->items[i].address, &b->items[i].address) ||
            !same_ports(&a->items[i].ports, &b->items[i].ports))
            return false;
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Those that are not bounds of all clients together. */
static bool same_limits(const struct config_limits *a, const struct config_limits *b)
{
    return a->half_open == b->half_open && a->unauthenticated == b->unauthenticated &&
           a->failures_per_minute_per_address == b->failures_per_minute_per_address;
}

/* Logs the differences that a running relay cannot apply. */
static void warn_of_restart(const struct config_relay *old, const struct config_relay *new)
{
    const struct {
        const char *name;
        bool same;
    } keys[] = {
        {"listen", same_listeners(&old->listen, &new->listen)},
        {"private_key_file", same_text(old->private_key_file, new->private_key_file)},
        {"workers", old->workers == new->workers},
        {"server_id", old->server_id == new->server_id},
        {"linger", old->linger_ns == new->linger_ns},
        {"congestion_control", same_text(old->congestion_control, new->congestion_control)},
        {"state_file", same_text(old->state_file, new->state_file)},
        {"limits", same_limits(&old->limits, &new->limits)},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (!keys[i].same)
            log_warning("a change of \"%s\" needs a restart", keys[i].name);
}

int relay_reload(struct relay *relay, struct config_relay *config)
{
    struct relay_config *newest = calloc(1, sizeof(*newest));
    struct relay_clients *old = relay->clients, *clients;

    if (newest == NULL)
        return ERROR_MEMORY;
    warn_of_restart(relay->config->config, config);
    relay_bounds_reserve(config,
                         held_descriptors(relay->worker_count, relay->socket_count));
    pthread_mutex_lock(&relay->lock);
    clients = relay_clients_new(config, old);
    if (clients != NULL && (relay_meters_set(relay, clients, config) != OK ||
                            relay_quota_follow(relay, clients, config) != OK)) {
        relay_clients_free(clients);
        clients = NULL;
    }
    if (clients != NULL) {
        for (unsigned i = 0; i < relay->worker_count; i++) {
            struct relay_worker *worker = &relay->workers[i];

            door_set_clients(worker->door, clients->table);
            admission_set_clients(worker->admission, clients->limits, clients->count);
        }
        newest->config = config;
        newest->older = relay->config;
        relay->config = newest;
        relay->clients = clients;
        atomic_fetch_add(&relay->cuts, 1);
    }
    pthread_mutex_unlock(&relay->lock);
    if (clients == NULL) {
        free(newest);
        return ERROR_MEMORY;
    }
    relay_clients_free(old);
    relay_terms_update(relay);
    for (unsigned i = 0; i < relay->worker_count; i++)
        relay_mailbox_wake(&relay->workers[i].mailbox);
    free_older(relay, newest);
    return OK;
}

/* ---- running ---- */

int relay_start(struct relay *relay)
{
    relay_terms_start(relay);
    for (unsigned i = 0; i < relay->worker_count; i++) {
        int error = relay_worker_start(&relay->workers[i]);

        if (error != OK)
            return error;
    }
    return OK;
}

uint64_t relay_stop_bound(const struct relay *relay)
{
    return relay->config->config->timeouts.stop_after_ns;
}

void relay_stop(struct relay *relay, uint64_t wait_for_ns)
{
    uint64_t by = clock_now() + wait_for_ns;

    if (by < atomic_load(&relay->stop_at_ns))
        atomic_store(&relay->stop_at_ns, by);
    for (unsigned i = 0; i < relay->worker_count; i++)
        relay_mailbox_wake(&relay->workers[i].mailbox);
}
