#include <splitsocks/relay.h>

#include "relay_internal.h"

#include <splitsocks/clock.h>
#include <splitsocks/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- listening ---- */

static int listen_on(struct relay *relay, const struct config_relay_listener *listener,
                     uint16_t port)
{
    const struct socket_listen_options options = {
        .subflows = true,
        .congestion_control = relay->config->congestion_control,
    };
    struct address address = listener->address;
    char text[ADDRESS_TEXT_SIZE];
    int fd;

    address.port = port;
    if (socket_listen(&address, &options, &fd) != OK) {
        if (listener->implied && errno == EAFNOSUPPORT)
            return OK;
        log_error("cannot listen on %s: %s", address_format(&address, text),
                  strerror(errno));
        return ERROR_SYSTEM;
    }
    relay->sockets[relay->socket_count++] = fd;
    return OK;
}

int relay_listen(struct relay *relay)
{
    const struct config_relay_listeners *listen = &relay->config->listen;
    size_t count = 0;

    for (size_t i = 0; i < listen->count; i++)
        count += listen->items[i].ports.count;
    relay->sockets = calloc(MAX(count, (size_t)1), sizeof(*relay->sockets));
    if (relay->sockets == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < listen->count; i++)
        for (size_t j = 0; j < listen->items[i].ports.count; j++) {
            int error = listen_on(relay, &listen->items[i], listen->items[i].ports.items[j]);

            if (error != OK)
                return error;
        }
    if (relay->socket_count > 0)
        return OK;
    log_error("the kernel has no address family to listen on");
    return ERROR_SYSTEM;
}

bool relay_listener_address(const struct relay *relay, size_t index, struct address *address)
{
    if (index >= relay->socket_count)
        return false;
    *address = socket_local_address(relay->sockets[index]);
    return true;
}

/* ---- life ---- */

static int init_clients(struct relay *relay)
{
    const struct config_clients *clients = &relay->config->clients;

    relay->clients = client_table_new();
    relay->limits = calloc(MAX(clients->count, (size_t)1), sizeof(*relay->limits));
    if (relay->clients == NULL || relay->limits == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < clients->count; i++) {
        int index = client_table_add(relay->clients, clients->items[i].public_key);

        if (index < 0)
            return index;
        relay->limits[i].max_streams = clients->items[i].max_streams;
        relay->limits[i].max_sessions = clients->items[i].max_sessions;
    }
    return OK;
}

static int init_workers(struct relay *relay, struct ev_loop *loop)
{
    relay->worker_count = relay->config->workers;
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

int relay_new(struct ev_loop *loop, const struct config_relay *config,
              const uint8_t private_key[CONFIG_KEY_SIZE], struct relay **out)
{
    const struct config_destinations *destinations = &config->destinations;
    struct relay *relay = calloc(1, sizeof(*relay));
    int error;

    *out = NULL;
    if (relay == NULL)
        return ERROR_MEMORY;
    relay->config = config;
    relay->rules = (struct destination_rules){
        .allow = destinations->allow.items, .allow_count = destinations->allow.count,
        .deny = destinations->deny.items, .deny_count = destinations->deny.count,
    };
    pthread_mutex_init(&relay->clients_lock, NULL);
    atomic_init(&relay->stop_by, TIME_NEVER);
    random_fill(&relay->silence_random, sizeof(relay->silence_random));
    error = key_pair_init(&relay->key, private_key);
    if (error == OK)
        error = init_clients(relay);
    if (error == OK)
        error = init_workers(relay, loop);
    if (error != OK)
        relay_free(relay);
    else
        *out = relay;
    return error;
}

void relay_free(struct relay *relay)
{
    if (relay == NULL)
        return;
    /* Threads that run still do so because a start has failed halfway. */
    if (relay->initialised == relay->worker_count)
        relay_stop(relay, 0);
    /* Until the last one has ended, each may pass connections to any other. */
    for (unsigned i = 0; i < relay->initialised; i++)
        relay_worker_join(&relay->workers[i]);
    for (unsigned i = 0; i < relay->initialised; i++)
        relay_worker_deinit(&relay->workers[i]);
    for (size_t i = 0; i < relay->socket_count; i++)
        close(relay->sockets[i]);
    free(relay->sockets);
    free(relay->workers);
    client_table_free(relay->clients);
    free(relay->limits);
    pthread_mutex_destroy(&relay->clients_lock);
    key_pair_deinit(&relay->key);
    free(relay);
}

int relay_start(struct relay *relay)
{
    for (unsigned i = 0; i < relay->worker_count; i++) {
        int error = relay_worker_start(&relay->workers[i]);

        if (error != OK)
            return error;
    }
    return OK;
}

void relay_stop(struct relay *relay, uint64_t bound_ns)
{
    uint64_t by = clock_now() + bound_ns;

    if (by < atomic_load(&relay->stop_by))
        atomic_store(&relay->stop_by, by);
    for (unsigned i = 0; i < relay->worker_count; i++)
        relay_worker_wake(&relay->workers[i]);
}
