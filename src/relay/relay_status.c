/* SPDX-License-Identifier: MIT */
/* Asks all workers for their parts of the status, and puts them together. For the first
 * worker's thread: the others only see that `round` has gone on, and leave their parts. */
#include "relay_internal.h"

#include <splitsocks/io/descriptors.h>
#include <splitsocks/io/process_use.h>
#include <splitsocks/status/status.h>
#include <splitsocks/status/status_relay.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* A worker answers in the next turn of its loop, unless it is stuck; `splitsocks status`
 * waits for 5 s. */
#define PARTS_WAIT_NS (2 * NS_PER_S)

/* The workers' parts, by client: references of their own, NULL where there is nothing. */
struct parts {
    size_t count; /* of clients */
    json_t **sessions, **held;
    json_t *workers;
    uint64_t sessions_omitted;
};

/* ---- one client ---- */

static json_t *describe_quota(const struct relay *relay, size_t index)
{
    uint32_t month = relay->usage.usage.month + 1; /* the next one */
    struct relay_quota quota;
    char renews[24];

    if (!relay_quota_peek(relay, index, &quota))
        return json_null();
    snprintf(renews, sizeof(renews), "%04u-%02u-01", 1970 + month / 12, 1 + month % 12);
    return json_pack("{s:I, s:I, s:s}", "bytes", (json_int_t)quota.quota_bytes,
                     "used_bytes", (json_int_t)quota.used_bytes, "renews", renews);
}

static json_t *bits_or_null(uint64_t bits)
{
    return bits != 0 ? json_integer((json_int_t)bits) : json_null();
}

static json_t *sum_of(const json_t *sessions, const char *name)
{
    json_int_t sum = 0;
    const json_t *session;
    size_t index;

    json_array_foreach(sessions, index, session)
        sum += json_integer_value(json_object_get(session, name));
    return json_integer(sum);
}

static json_t *describe_rate(const struct config_rate *rate, const json_t *sessions)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "up_bps", sum_of(sessions, "goodput_up_bps"),
                     "down_bps", sum_of(sessions, "goodput_down_bps"), "up_bps_max",
                     bits_or_null(rate->up_bits), "down_bps_max",
                     bits_or_null(rate->down_bits));
}

/* Of its sessions, those that have ended too. */
static json_t *describe_drops(const struct relay_meter *meter, const json_t *sessions)
{
    uint64_t ended[FLOW_DROPS];
    const json_t *session;
    json_t *sum;
    size_t index;

    for (int i = 0; i < FLOW_DROPS; i++)
        ended[i] = atomic_load(&meter->drops[i]);
    sum = status_drops(ended);
    json_array_foreach(sessions, index, session)
        status_add(sum, json_object_get(session, "datagrams_dropped"));
    return sum;
}

static json_t *describe_held(const struct client_account *account, json_t *held)
{
    held = held != NULL ? json_incref(held) : json_object();
    json_object_set_new(held, "streams",
                        json_integer((json_int_t)atomic_load(&account->streams.used)));
    json_object_set_new(held, "flows",
                        json_integer((json_int_t)atomic_load(&account->flows.used)));
    return held;
}

static json_t *most_or_null(const struct places *places, unsigned unit)
{
    uint64_t most = atomic_load(&places->most);

    return most != PLACES_UNLIMITED ? json_integer((json_int_t)(most * unit)) : json_null();
}

static json_t *describe_most(const struct client_account *account, uint32_t sessions)
{
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "sessions",
                     (int)sessions, "streams", most_or_null(&account->streams, 1), "flows",
                     most_or_null(&account->flows, 1), "subflows",
                     most_or_null(&account->subflows, 1), "destinations",
                     most_or_null(&account->destinations, 1), "names",
                     most_or_null(&account->names, 1), "buffered_bytes",
                     most_or_null(&account->pages, PAGE_SIZE), "record_bytes",
                     most_or_null(&account->records, 1), "datagram_bytes",
                     most_or_null(&account->datagrams, 1), "dials_per_second",
                     (int)atomic_load(&account->dials_per_second));
}

static json_t *describe_client(const struct relay *relay, size_t index,
                               const struct parts *parts)
{
    const struct relay_client *client = &relay->clients->items[index];
    const struct config_client *config =
        &relay->config->config->clients.items[client->listed];
    struct config_bounds bounds =
        config_relay_bounds(relay->config->config, client->listed);
    const struct relay_meter *meter = relay->meters[index];
    json_t *sessions =
        parts->sessions[index] != NULL ? json_incref(parts->sessions[index]) : json_array();

    return json_pack("{s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "name",
                     client->name, "refusal",
                     client->refusal[0] != '\0' ? client->refusal : NULL, "held",
                     describe_held(&meter->account, parts->held[index]), "most",
                     describe_most(&meter->account, bounds.max_sessions), "rate",
                     describe_rate(&config->rate, sessions), "quota",
                     describe_quota(relay, index), "expires_s",
                     config->expires_ns != TIME_NEVER
                         ? json_integer((json_int_t)(config->expires_ns / NS_PER_S))
                         : json_null(),
                     "dials", (json_int_t)atomic_load(&meter->account.dials), "refused",
                     status_refusals(&meter->account), "datagrams_dropped",
                     describe_drops(meter, sessions), "sessions", sessions);
}

/* Those with sessions first. */
static json_t *describe_clients(const struct relay *relay, const struct parts *parts,
                                size_t *omitted)
{
    json_t *list = json_array();

    *omitted = 0;
    for (int idle = 0; idle < 2; idle++)
        for (size_t i = 0; i < parts->count; i++) {
            if (relay->clients->items[i].gone || (parts->sessions[i] == NULL) != idle)
                continue;
            if (json_array_size(list) == STATUS_STREAMS_MAX)
                ++*omitted;
            else
                json_array_append_new(list, describe_client(relay, i, parts));
        }
    return list;
}

/* ---- all of it ---- */

static void take_list(json_t **by_client, size_t count, const json_t *list, bool sums)
{
    json_t *item;
    size_t index;

    json_array_foreach(list, index, item) {
        size_t client = (size_t)json_integer_value(json_object_get(item, "client"));

        if (client >= count)
            continue;
        json_object_del(item, "client");
        if (by_client[client] == NULL)
            by_client[client] = sums ? json_object() : json_array();
        if (sums)
            status_add(by_client[client], json_object_get(item, "held"));
        else
            json_array_append(by_client[client], item);
    }
}

static void take_part(struct parts *parts, unsigned worker, json_t *part)
{
    if (part == NULL) {
        json_array_append_new(
            parts->workers, json_pack("{s:i, s:b}", "worker", (int)worker, "answered", 0));
        return;
    }
    json_array_append(parts->workers, json_object_get(part, "worker"));
    take_list(parts->sessions, parts->count, json_object_get(part, "sessions"), false);
    take_list(parts->held, parts->count, json_object_get(part, "accounts"), true);
    parts->sessions_omitted +=
        (uint64_t)json_integer_value(json_object_get(part, "sessions_omitted"));
    json_decref(part);
}

static json_t *number_of(const atomic_uint_least64_t *number, unsigned unit)
{
    return json_integer((json_int_t)(atomic_load(number) * unit));
}

static json_t *describe_bounds(const struct client_pools *pools)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "streams",
        number_of(&pools->streams.most, 1), "flows", number_of(&pools->flows.most, 1),
        "subflows", number_of(&pools->subflows.most, 1), "destinations",
        number_of(&pools->destinations.most, 1), "names", number_of(&pools->names.most, 1),
        "buffered_bytes", number_of(&pools->pages.most, PAGE_SIZE), "record_bytes",
        number_of(&pools->records.most, 1), "datagram_bytes",
        number_of(&pools->datagrams.most, 1), "descriptors",
        (json_int_t)descriptors_limit());
}

/* What all sessions of all clients move. */
static json_t *describe_whole_rate(const struct relay *relay, const struct parts *parts)
{
    json_t *sessions = json_array(), *rate;

    for (size_t i = 0; i < parts->count; i++)
        if (parts->sessions[i] != NULL)
            json_array_extend(sessions, parts->sessions[i]);
    rate = describe_rate(&relay->config->config->rate, sessions);
    json_decref(sessions);
    return rate;
}

static json_t *describe_process(const struct relay *relay, const struct parts *parts)
{
    json_t *sums = json_object(), *held, *document;
    json_t *worker;
    size_t index;

    json_array_foreach(parts->workers, index, worker)
        status_add(sums, worker);
    held = json_object_get(sums, "held");
    json_object_set_new(held, "streams", number_of(&relay->pools.streams.used, 1));
    json_object_set_new(held, "flows", number_of(&relay->pools.flows.used, 1));
    document = json_pack(
        "{s:I, s:o, s:O, s:o, s:O}", "resident_bytes", (json_int_t)process_resident_bytes(),
        "rate", describe_whole_rate(relay, parts), "held", held, "most",
        describe_bounds(&relay->pools), "handshakes", json_object_get(sums, "handshakes"));
    json_decref(sums);
    return document;
}

static int parts_init(struct parts *parts, size_t count)
{
    parts->count = count;
    parts->sessions = calloc(count + 1, sizeof(json_t *));
    parts->held = calloc(count + 1, sizeof(json_t *));
    parts->workers = json_array();
    return parts->sessions != NULL && parts->held != NULL ? OK : ERROR_MEMORY;
}

static void parts_deinit(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->sessions != NULL)
            json_decref(parts->sessions[i]);
        if (parts->held != NULL)
            json_decref(parts->held[i]);
    }
    free(parts->sessions);
    free(parts->held);
    json_decref(parts->workers);
}

static json_t *take_told(struct relay *relay, unsigned worker)
{
    struct relay_worker *of = &relay->workers[worker];
    json_t *part = NULL;

    pthread_mutex_lock(&relay->lock);
    if (of->part_round == atomic_load(&relay->round)) {
        part = of->part;
        of->part = NULL;
    }
    pthread_mutex_unlock(&relay->lock);
    return part;
}

static json_t *describe(struct relay *relay)
{
    struct parts parts = {0};
    json_t *document = NULL, *clients;
    size_t omitted;

    if (parts_init(&parts, relay->clients->count) == OK) {
        for (unsigned i = 0; i < relay->worker_count; i++)
            take_part(&parts, i, take_told(relay, i));
        clients = describe_clients(relay, &parts, &omitted);
        document = json_pack("{s:s, s:o, s:O, s:o, s:I, s:I}", "role", "relay", "process",
                             describe_process(relay, &parts), "workers", parts.workers,
                             "clients", clients, "clients_omitted", (json_int_t)omitted,
                             "sessions_omitted", (json_int_t)parts.sessions_omitted);
    }
    parts_deinit(&parts);
    return document;
}

/* ---- asking ---- */

static bool all_have_told(struct relay *relay)
{
    unsigned round = atomic_load(&relay->round);
    bool all = true;

    pthread_mutex_lock(&relay->lock);
    for (unsigned i = 0; i < relay->worker_count; i++)
        all = all && relay->workers[i].part_round == round;
    pthread_mutex_unlock(&relay->lock);
    return all;
}

static void answer(struct relay *relay)
{
    relay_status_done *done = relay->asked.done;

    ev_timer_stop(relay->workers[0].worker.loop, &relay->asked.timeout);
    relay->asked.done = NULL;
    done(relay->asked.context, describe(relay));
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    answer(timer->data);
}

void relay_status_collect(struct relay *relay)
{
    if (relay->asked.done != NULL && all_have_told(relay))
        answer(relay);
}

void relay_status_ask(struct relay *relay, relay_status_done *done, void *context)
{
    bool asked = relay->asked.done != NULL;

    relay->asked.done = done;
    relay->asked.context = context;
    if (asked)
        return;
    ev_timer_init(&relay->asked.timeout, on_timeout, (double)PARTS_WAIT_NS * 1e-9, 0.);
    relay->asked.timeout.data = relay;
    ev_timer_start(relay->workers[0].worker.loop, &relay->asked.timeout);
    atomic_fetch_add(&relay->round, 1);
    for (unsigned i = 0; i < relay->worker_count; i++)
        relay_mailbox_wake(&relay->workers[i].mailbox);
}

void relay_status_stop(struct relay *relay)
{
    if (relay->asked.done != NULL)
        ev_timer_stop(relay->workers[0].worker.loop, &relay->asked.timeout);
}
