/* SPDX-License-Identifier: MIT */
#include "relay_internal.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/movement.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOPPING_SECONDS 0.1

/* ---- stopping ---- */

static unsigned count_streams(const struct relay_worker *worker)
{
    unsigned count = 0;

    list_foreach(&worker->sessions, node, after) {
        struct relay_session *session = list_entry(node, struct relay_session, node);

        count += session_stream_count(session->session);
    }
    return count;
}

static bool something_moves(const struct relay_worker *worker, uint64_t now)
{
    if (movement_of_worker(&worker->worker, now))
        return true;
    list_foreach(&worker->sessions, node, after) {
        struct relay_session *session = list_entry(node, struct relay_session, node);

        if (movement_of_session(session->session))
            return true;
    }
    return false;
}

static void close_sessions(struct relay_worker *worker)
{
    worker->closing = true;
    list_foreach(&worker->sessions, node, after) {
        struct relay_session *session = list_entry(node, struct relay_session, node);

        session_close(session->session, CLOSE_STOPPED, "the relay is being stopped",
                      clock_now());
        driver_touch(&session->driver);
    }
}

/* Whether this worker must end last: the process ends with the first worker, so that one
 * waits for the others. */
static bool is_last(const struct relay_worker *worker)
{
    return worker->own_loop || atomic_load(&worker->relay->threads) == 0;
}

static void on_stopping(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct relay_worker *worker = timer->data;
    (void)events;

    uint64_t now = clock_now();
    bool late = now >= atomic_load(&worker->relay->stop_at_ns);
    bool readers = !late && !list_empty(&worker->worker.remainders) &&
                   movement_of_worker(&worker->worker, now);

    if (!worker->closing &&
        (late || count_streams(worker) == 0 || !something_moves(worker, now)))
        close_sessions(worker);
    if (worker->closing && list_empty(&worker->sessions) && !readers && is_last(worker)) {
        ev_timer_stop(loop, timer);
        ev_break(loop, EVBREAK_ALL);
    }
}

/* ---- reload ---- */

/* Closes the session if its client is no longer served. */
static void close_unserved(struct relay *relay, struct relay_session *session)
{
    char refusal[sizeof(relay->clients->items[0].refusal)];
    bool gone;

    pthread_mutex_lock(&relay->lock);
    gone = relay->clients->items[session->client].gone;
    memcpy(refusal, relay->clients->items[session->client].refusal, sizeof(refusal));
    pthread_mutex_unlock(&relay->lock);
    if (session->refused || (!gone && refusal[0] == '\0'))
        return;
    session_close(session->session, gone ? CLOSE_REMOVED : CLOSE_LIMIT,
                  gone ? NULL : refusal, clock_now());
    driver_touch(&session->driver);
}

/* A session that begins later knows already that its client is not served. */
static void close_all_unserved(struct relay_worker *worker)
{
    unsigned cuts = atomic_load(&worker->relay->cuts);

    if (cuts == worker->cuts)
        return;
    worker->cuts = cuts;
    list_foreach(&worker->sessions, node, after)
        close_unserved(worker->relay, list_entry(node, struct relay_session, node));
}

static bool is_crowded(struct relay *relay, unsigned client, uint64_t now)
{
    uint64_t at_ns = relay->clients->items[client].crowded_at_ns;

    return at_ns != 0 && now - MIN(now, at_ns) < NS_PER_S;
}

/* Closes deserted sessions of clients that want a further one in another worker. */
static void desert_crowded(struct relay_worker *worker)
{
    uint64_t now = clock_now();

    if (!atomic_exchange(&worker->crowded, false))
        return;
    list_foreach(&worker->sessions, node, after) {
        struct relay_session *session = list_entry(node, struct relay_session, node);
        struct session *closed = NULL;

        pthread_mutex_lock(&worker->relay->lock);
        if (is_crowded(worker->relay, session->client, now)) {
            closed = admission_desert(worker->admission, session->client, now);
            worker->relay->clients->items[session->client].crowded_at_ns = 0;
        }
        pthread_mutex_unlock(&worker->relay->lock);
        if (closed != NULL)
            driver_touch(session_user(closed));
    }
}

/* ---- flows that make room ---- */

static void pass_on(void *context, struct client_account *client)
{
    struct relay_worker *worker = context;
    struct relay *relay = worker->relay;

    relay_meter_owes(container_of(client, struct relay_meter, account),
                     &relay->workers[(worker->index + 1) % relay->worker_count]);
}

/* Ends old flows here, for new ones that their client has begun in other workers. The next
 * worker is asked for those that this one lacks: each flow that is owed is open in some
 * worker. One client at a time, since its flows may be thousands. */
static void end_owed_flows(struct relay_worker *worker)
{
    struct relay_meter *meter = relay_meter_take_owing(worker);

    if (meter == NULL)
        return;
    flow_service_make_room(&worker->flows, &meter->account);
    if (client_account_flows_owed(&meter->account) > 0)
        pass_on(worker, &meter->account);
    relay_mailbox_wake(&worker->mailbox); /* for the next one */
}

static void on_wake(void *context)
{
    struct relay_worker *worker = context;
    struct relay_message *message;

    while ((message = relay_mailbox_take(&worker->mailbox)) != NULL)
        relay_arrival_move_in(worker, message);
    if (worker->index == 0 && atomic_exchange(&worker->relay->terms_due, false))
        relay_terms_update(worker->relay);
    relay_follow(worker);
    close_all_unserved(worker);
    desert_crowded(worker);
    end_owed_flows(worker);
    relay_part_tell(worker);
    if (worker->index == 0)
        relay_status_collect(worker->relay);
    /* Not again: who wakes the worker all the time must not put its end off. */
    if (atomic_load(&worker->relay->stop_at_ns) != TIME_NEVER &&
        !ev_is_active(&worker->stopping))
        ev_timer_again(worker->worker.loop, &worker->stopping);
}

/* ---- starting ---- */

static bool on_accept(void *context, int fd, const struct address *peer)
{
    struct relay_worker *worker = context;

    relay_arrival_new(worker, fd, peer);
    return turn_has_more(&worker->arrivals_turn);
}

static void *run(void *context)
{
    struct relay_worker *worker = context;

    ev_run(worker->worker.loop, 0);
    atomic_fetch_sub(&worker->relay->threads, 1);
    return NULL;
}

/* Only the first worker's loop handles signals. */
static int start_thread(struct relay_worker *worker)
{
    sigset_t all, before;
    int error;

    atomic_fetch_add(&worker->relay->threads, 1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        atomic_fetch_sub(&worker->relay->threads, 1);
        log_error("cannot start a worker: %s", strerror(error));
        return ERROR_SYSTEM;
    }
    worker->thread_started = true;
    return OK;
}

int relay_worker_start(struct relay_worker *worker)
{
    struct relay *relay = worker->relay;

    worker->listeners =
        calloc(MAX(relay->socket_count, (size_t)1), sizeof(*worker->listeners));
    if (worker->listeners == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < relay->socket_count; i++)
        listener_init(&worker->listeners[i], worker->worker.loop, relay->sockets[i],
                      DESCRIPTOR_SUBFLOW, on_accept, worker);
    return worker->own_loop ? start_thread(worker) : OK;
}

/* A worker's part of a bound of the whole process. */
static unsigned share(uint32_t bound, const struct relay *relay)
{
    return MAX(bound / relay->worker_count, 1u);
}

static int init_admission(struct relay_worker *worker, uint64_t silence_random)
{
    struct relay *relay = worker->relay;
    const struct config_relay *config = atomic_load(&worker->config);
    struct door_config door = {
        .relay = &relay->key,
        .clients = relay->clients->table,
        .server_id = config->server_id,
        .silence_random = silence_random,
        .source_per_minute = share(config->limits.failures_per_minute_per_address, relay),
    };
    struct admission_config admission = {
        .pages = &worker->worker.pages,
        .server_id = config->server_id,
        .worker = worker->index,
        .workers = relay->worker_count,
        .linger_ns = config->linger_ns,
        .half_open_max = share(config->limits.half_open, relay),
        .unauthenticated_max = share(relay_bounds_unauthenticated(config), relay),
        .clients = relay->clients->limits,
        .client_count = relay->clients->count,
    };

    random_fill(&door.hash_seed, sizeof(door.hash_seed));
    random_fill(&admission.hash_secret, sizeof(admission.hash_secret));
    worker->door = door_new(&door);
    if (worker->door == NULL)
        return ERROR_MEMORY;
    admission.door = worker->door;
    worker->admission = admission_new(&admission);
    return worker->admission != NULL ? OK : ERROR_MEMORY;
}

static int init_flows(struct relay_worker *worker)
{
    const struct flow_ways ways = {
        .resolver = worker->resolver,
        .verdicts = &worker->verdicts,
        .finder = &worker->finder,
    };

    return flow_service_init(&worker->flows, &ways, pass_on, worker);
}

int relay_worker_init(struct relay_worker *worker, struct relay *relay, unsigned index,
                      struct ev_loop *loop)
{
    const struct config_relay *config = relay->config->config;
    /* Clients have no use for the search domains of the relay's own network. */
    const struct resolver_options names = {.dns = config->dns, .search = false};
    int error;

    worker->relay = relay;
    worker->index = index;
    worker->own_loop = loop == NULL;
    worker->measured_at_ns = clock_now();
    own_addresses_init(&worker->own);
    relay_follow_use(worker, config);
    list_init(&worker->arrivals);
    list_init(&worker->sessions);
    list_init(&worker->owing);
    relay_mailbox_init(&worker->mailbox, on_wake, worker);
    if (worker->own_loop && (loop = ev_loop_new(EVFLAG_AUTO)) == NULL)
        return ERROR_SYSTEM;
    error = worker_init(&worker->worker, loop, config->limits.buffered_bytes,
                        config->linger_ns);
    if (error != OK) {
        if (worker->own_loop)
            ev_loop_destroy(loop);
        return error;
    }
    worker_set_timeouts(&worker->worker, &config->timeouts);
    worker_share_pages(&worker->worker, &relay->pools.pages);
    ev_init(&worker->stopping, on_stopping);
    worker->stopping.data = worker;
    worker->stopping.repeat = STOPPING_SECONDS;
    relay_mailbox_start(&worker->mailbox, loop);
    error = resolver_new(loop, &names, &worker->resolver);
    worker->outbound.resolver = worker->resolver;
    nat64_finder_init(&worker->finder, loop, worker->resolver);
    worker->ways = (struct dialer_ways){.loop = loop, .finder = &worker->finder};
    worker->outbound.ways = &worker->ways;
    if (error == OK)
        error = init_flows(worker);
    return error != OK ? error : init_admission(worker, relay->silence_random);
}

void relay_worker_join(struct relay_worker *worker)
{
    if (worker->thread_started)
        pthread_join(worker->thread, NULL);
    worker->thread_started = false;
}

void relay_worker_deinit(struct relay_worker *worker)
{
    struct ev_loop *loop = worker->worker.loop;

    relay_mailbox_deinit(&worker->mailbox);
    for (size_t i = 0; worker->listeners != NULL && i < worker->relay->socket_count; i++)
        listener_deinit(&worker->listeners[i]);
    free(worker->listeners);
    relay_arrivals_close(worker);
    relay_part_deinit(worker);
    while (!list_empty(&worker->sessions))
        relay_session_free(list_first(&worker->sessions, struct relay_session, node));
    flow_service_deinit(&worker->flows);
    admission_free(worker->admission);
    door_free(worker->door);
    nat64_finder_deinit(&worker->finder);
    resolver_free(worker->resolver);
    own_addresses_deinit(&worker->own);
    if (loop != NULL)
        ev_timer_stop(loop, &worker->stopping);
    worker_deinit(&worker->worker);
    if (loop != NULL && worker->own_loop)
        ev_loop_destroy(loop);
}
