/* SPDX-License-Identifier: MIT */
/* How a worker follows the relay's configuration, which a reload may change at any time. */
#include "relay_internal.h"

#include <string.h>

static struct destination_rules rules_of(const struct config_destinations *destinations)
{
    return (struct destination_rules){
        .allow = destinations->allow.items,
        .allow_count = destinations->allow.count,
        .deny = destinations->deny.items,
        .deny_count = destinations->deny.count,
        .ports = destinations->ports.items,
        .port_count = destinations->ports.count,
    };
}

void relay_follow_use(struct relay_worker *worker, const struct config_relay *config)
{
    worker->rules = rules_of(&config->destinations);
    worker->rules.is_own = own_addresses_have;
    worker->rules.own_context = &worker->own;
    memset(&worker->verdicts, 0, sizeof(worker->verdicts));
    atomic_store(&worker->config, config);
}

/* `client` is NULL for one that is gone. */
static void set_rules(struct relay_session *session, const struct config_client *client)
{
    const struct destination_rules *for_all = &session->worker->rules;
    const struct config_destinations none = {.ports = {.count = 0}};
    const struct config_destinations *own = client != NULL ? &client->destinations : &none;
    bool some = own->allow.count + own->deny.count + own->ports.count > 0;

    session->rules = rules_of(own);
    session->rules.name = "clients[].destinations";
    session->rules.otherwise = for_all;
    session->streams.rules = some ? &session->rules : for_all;
    session->flows.rules = session->streams.rules;
}

/* The newest configuration, and in it the client; NULL if the client is gone. The worker
 * may read it for as long as that configuration is the worker's own. */
static const struct config_relay *newest(struct relay *relay, unsigned client,
                                         const struct config_client **listed)
{
    const struct config_relay *config;
    const struct relay_client *known;

    pthread_mutex_lock(&relay->lock);
    config = relay->config->config;
    known = &relay->clients->items[client];
    *listed = known->gone ? NULL : &config->clients.items[known->listed];
    pthread_mutex_unlock(&relay->lock);
    return config;
}

void relay_follow(struct relay_worker *worker)
{
    struct relay *relay = worker->relay;
    const struct config_relay *config;

    pthread_mutex_lock(&relay->lock);
    config = relay->config->config;
    pthread_mutex_unlock(&relay->lock);
    if (config == atomic_load(&worker->config))
        return;
    if (resolver_configure(worker->resolver, &config->dns) != OK)
        log_error("cannot change to other DNS servers: out of memory");
    relay_follow_use(worker, config);
    worker_set_timeouts(&worker->worker, &config->timeouts);
    list_foreach(&worker->sessions, node, after) {
        struct relay_session *session = list_entry(node, struct relay_session, node);

        relay_follow_session(session);
        pace_renew(&session->driver.up);
        pace_renew(&session->driver.down);
    }
}

void relay_follow_session(struct relay_session *session)
{
    struct relay_worker *worker = session->worker;
    const struct config_client *client;

    while (newest(worker->relay, session->client, &client) != atomic_load(&worker->config))
        relay_follow(worker);
    set_rules(session, client);
}
