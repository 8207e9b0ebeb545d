/* SPDX-License-Identifier: MIT */
#include "relay_part.h"

#include "relay_internal.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/process_use.h>
#include <splitsocks/status/status.h>
#include <splitsocks/status/status_relay.h>

#include <jansson.h>

/* ---- handshakes ---- */

void relay_handshakes_refuse(struct relay_handshakes *handshakes, enum error why)
{
    enum relay_silence silence = RELAY_SILENCE_FAILED;

    switch (why) {
    case OK: silence = RELAY_SILENCE_NO_SESSION; break;
    case ERROR_AUTHENTICATION: silence = RELAY_SILENCE_STRANGER; break;
    case ERROR_MALFORMED: silence = RELAY_SILENCE_MALFORMED; break;
    case ERROR_NOT_FOUND: silence = RELAY_SILENCE_NOT_LISTED; break;
    case ERROR_REPLAY: silence = RELAY_SILENCE_REPLAYED; break;
    case ERROR_LIMIT: silence = RELAY_SILENCE_TOO_MANY; break;
    case ERROR_DENIED: silence = RELAY_SILENCE_OTHER_SERVER; break;
    default: break;
    }
    handshakes->refused[silence]++;
}

static json_t *describe_handshakes(const struct relay_handshakes *handshakes)
{
    static const char *const names[RELAY_SILENCES] = {
        [RELAY_SILENCE_STRANGER] = "stranger",
        [RELAY_SILENCE_MALFORMED] = "malformed",
        [RELAY_SILENCE_NOT_LISTED] = "not_listed",
        [RELAY_SILENCE_REPLAYED] = "replayed",
        [RELAY_SILENCE_TOO_MANY] = "too_many",
        [RELAY_SILENCE_OTHER_SERVER] = "other_server",
        [RELAY_SILENCE_NO_SESSION] = "no_session",
        [RELAY_SILENCE_EVICTED] = "evicted",
        [RELAY_SILENCE_FAILED] = "failed",
    };
    json_t *refused = json_object();

    for (int i = 0; i < RELAY_SILENCES; i++)
        if (handshakes->refused[i] > 0)
            json_object_set_new(refused, names[i],
                                json_integer((json_int_t)handshakes->refused[i]));
    return json_pack("{s:I, s:I, s:o}", "answered", (json_int_t)handshakes->answered,
                     "joined", (json_int_t)handshakes->joined, "refused", refused);
}

/* ---- the worker ---- */

/* Its part of a processor's time since the last question. */
static double measure_load(struct relay_worker *worker, uint64_t cpu_ns, uint64_t now)
{
    uint64_t elapsed_ns = now - worker->measured_at_ns;
    double load = elapsed_ns > 0
                      ? (double)(cpu_ns - worker->measured_cpu_ns) / (double)elapsed_ns
                      : 0;

    worker->measured_cpu_ns = cpu_ns;
    worker->measured_at_ns = now;
    return MIN(load, 1.);
}

/* What all clients hold here. Data of streams may also be that of ended sessions. */
static json_t *describe_held(const struct relay_worker *worker, size_t clients)
{
    static const struct account none;
    json_t *sum = status_account(&none), *held;

    for (size_t i = 0; i < clients; i++) {
        const struct account *account = admission_account(worker->admission, (unsigned)i);

        if (account == NULL)
            continue;
        held = status_account(account);
        status_add(sum, held);
        json_decref(held);
    }
    json_object_del(sum, "sessions");
    json_object_set_new(sum, "buffered_bytes",
                        json_integer((json_int_t)(worker->worker.pages.used * PAGE_SIZE)));
    return sum;
}

static json_t *describe_worker(struct relay_worker *worker, size_t clients, uint64_t now)
{
    uint64_t cpu_ns = process_thread_cpu_ns();

    return json_pack(
        "{s:i, s:b, s:i, s:i, s:f, s:f, s:o, s:o}", "worker", (int)worker->index,
        "answered", 1, "sessions", (int)admission_load(worker->admission), "unproven",
        (int)admission_unproven(worker->admission), "cpu_ms", (double)cpu_ns / NS_PER_MS,
        "load", measure_load(worker, cpu_ns, now), "held", describe_held(worker, clients),
        "handshakes", describe_handshakes(&worker->handshakes));
}

/* ---- sessions and accounts ---- */

static json_t *describe_sessions(const struct relay_worker *worker, uint64_t now,
                                 size_t *omitted)
{
    json_t *list = json_array();

    *omitted = 0;
    list_foreach(&worker->sessions, node, after) {
        const struct relay_session *session = list_entry(node, struct relay_session, node);
        json_t *item;

        if (session->refused)
            continue;
        if (json_array_size(list) == STATUS_STREAMS_MAX) {
            ++*omitted;
            continue;
        }
        item = status_relay_session(session->session, now);
        json_object_set_new(item, "worker", json_integer(worker->index));
        json_object_set_new(item, "client", json_integer(session->client));
        json_array_append_new(list, item);
    }
    return list;
}

/* Of those that have a session here. */
static json_t *describe_accounts(const struct relay_worker *worker, size_t clients)
{
    json_t *list = json_array();

    for (size_t i = 0; i < clients && json_array_size(list) < STATUS_STREAMS_MAX; i++) {
        const struct account *account = admission_account(worker->admission, (unsigned)i);

        if (account != NULL && account->sessions > 0)
            json_array_append_new(list, json_pack("{s:i, s:o}", "client", (int)i, "held",
                                                  status_account(account)));
    }
    return list;
}

static json_t *describe(struct relay_worker *worker)
{
    uint64_t now = clock_now();
    size_t clients, omitted;
    json_t *sessions = describe_sessions(worker, now, &omitted);

    pthread_mutex_lock(&worker->relay->lock);
    clients = worker->relay->clients->count;
    pthread_mutex_unlock(&worker->relay->lock);
    return json_pack("{s:o, s:o, s:I, s:o}", "worker",
                     describe_worker(worker, clients, now), "sessions", sessions,
                     "sessions_omitted", (json_int_t)omitted, "accounts",
                     describe_accounts(worker, clients));
}

/* ---- telling ---- */

void relay_part_tell(struct relay_worker *worker)
{
    struct relay *relay = worker->relay;
    unsigned round = atomic_load(&relay->round);
    json_t *part, *older;

    if (round == worker->part_round)
        return;
    part = describe(worker);
    pthread_mutex_lock(&relay->lock);
    older = worker->part;
    worker->part = part;
    worker->part_round = round;
    pthread_mutex_unlock(&relay->lock);
    json_decref(older);
    relay_mailbox_wake(&relay->workers[0].mailbox);
}

void relay_part_deinit(struct relay_worker *worker)
{
    json_decref(worker->part);
    worker->part = NULL;
}
