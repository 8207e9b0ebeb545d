/* SPDX-License-Identifier: MIT */
#include "relay_internal.h"

#include <splitsocks/engine/session/session_accept.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/farewell.h>
#include <splitsocks/io/shed_text.h>

#include <stdlib.h>
#include <string.h>

/* Rate-limited, since clients can cause these lines at will. */
#define log_client(session, level, ...) \
    log_write_limited(&(session)->worker->log_limit, clock_now(), level, __VA_ARGS__)

static void on_incoming(struct driver *driver, const struct session_event *event)
{
    struct relay_session *session = driver->context;

    if (atomic_load(&session->worker->relay->stop_at_ns) != TIME_NEVER) {
        session_stream_reset(driver->session, event->stream, RESET_LIMIT, clock_now());
        session_stream_release(driver->session, event->stream, clock_now());
        return;
    }
    outbound_start(driver, &session->worker->outbound, &session->streams, event->stream,
                   event->target);
}

static void on_incoming_flow(struct driver *driver, struct flow *flow)
{
    struct relay_session *session = driver->context;

    outbound_flow_start(driver, &session->flows, flow);
}

static void on_silence(struct driver *driver, int fd)
{
    struct relay_session *session = driver->context;
    double seconds = (double)door_silence_ns(session->worker->door) * 1e-9;

    farewell_silent(driver->worker, fd, seconds);
}

static void on_shed(struct relay_session *session, const struct session_event *event)
{
    static const enum client_refusal refusals[] = {
        [SESSION_BOUND_BUFFERED] = CLIENT_REFUSAL_MEMORY,
        [SESSION_BOUND_HOLES] = CLIENT_REFUSAL_RECORDS,
        [SESSION_BOUND_MEMORY] = CLIENT_REFUSAL_MACHINE,
    };
    bool own = event->shed.bound == SESSION_BOUND_BUFFERED && !event->shed.shared;
    char text[SHED_TEXT_SIZE];

    account_note_refusal(session->driver.account,
                         own ? CLIENT_REFUSAL_MAX_MEMORY : refusals[event->shed.bound]);
    log_client(
        session, LOG_WARNING, "%s: %s", session->name,
        shed_describe(event,
                      own ? "its client's max_memory for data" : "limits.buffered_bytes",
                      text));
}

static void on_changed(struct driver *driver, const struct session_event *event)
{
    struct relay_session *session = driver->context;

    if (event->type == SESSION_SHED)
        on_shed(session, event);
    else if (event->type != SESSION_UP)
        log_client(session, LOG_INFO, "no contact with %s in session %016llx",
                   session->name, (unsigned long long)session_id(session->session));
}

/* Behind a NAT that forgets connections a client resumes every minute. */
void relay_session_resumed(struct relay_session *session)
{
    struct outage_news *news = &session->resumed;
    uint64_t now = clock_now(), ns;
    unsigned count;
    bool tell;

    outage_news_down(news, 0, now);
    tell = outage_news_tell(news, now);
    (void)outage_news_up(news, now);
    log_client(session, tell ? LOG_INFO : LOG_DEBUG, "%s goes on with session %016llx",
               session->name, (unsigned long long)session_id(session->session));
    count = outage_news_sum(news, &ns, now);
    if (count > 0)
        log_client(session, LOG_INFO, "%s has gone on with its session %u times in the last "
                   "%llu minutes", session->name, count,
                   (unsigned long long)(ns / (60 * NS_PER_S)));
}

/* This line has a rate limit of its own, so that others cannot suppress it: the person who
 * runs the relay can raise the client's bound. */
static void log_refused(const struct relay_session *session, const char *reason)
{
    static _Thread_local struct log_limit limit;

    log_write_limited(&limit, clock_now(), LOG_WARNING,
                      "a further session of %s was refused: %s", session->name, reason);
}

static bool on_ended(struct driver *driver, enum error error, enum close_code code,
                     const char *reason)
{
    struct relay_session *session = driver->context;
    (void)code;

    if (session->refused)
        log_refused(session, reason);
    else
        log_client(session, error == OK || error == ERROR_CLOSED ? LOG_INFO : LOG_WARNING,
                   "session %016llx of %s has ended: %s",
                   (unsigned long long)session_id(session->session), session->name, reason);
    relay_session_free(session);
    return true;
}

static const struct driver_role role = {
    .silence = on_silence,
    .incoming = on_incoming,
    .incoming_flow = on_incoming_flow,
    .changed = on_changed,
    .ended = on_ended,
};

struct relay_session *relay_session_new(struct relay_worker *worker,
                                        struct session *session, unsigned client,
                                        bool refused)
{
    struct relay_session *new = calloc(1, sizeof(*new));

    if (new == NULL)
        return NULL;
    new->worker = worker;
    new->session = session;
    new->client = client;
    new->refused = refused;
    pthread_mutex_lock(&worker->relay->lock);
    memcpy(new->name, worker->relay->clients->items[client].name, sizeof(new->name));
    new->meter = worker->relay->meters[client];
    pthread_mutex_unlock(&worker->relay->lock);
    outbound_list_init(&new->streams, new->name, &worker->rules);
    flow_list_init(&new->flows, &worker->flows, new->name, session_account(session),
                   &worker->rules);
    relay_follow_session(new);
    list_init(&new->node);
    list_append(&worker->sessions, &new->node);
    driver_init(&new->driver, &worker->worker, session, &role, new);
    new->driver.account = session_account(session);
    pace_init(&new->driver.up, worker->worker.loop, &new->meter->up);
    pace_init(&new->driver.down, worker->worker.loop, &new->meter->down);
    new->driver.tally = &new->meter->tally;
    if (!refused)
        log_client(new, LOG_INFO, "%s begins session %016llx", new->name,
                   (unsigned long long)session_id(session));
    return new;
}

void relay_sessions_note_load(struct relay_worker *worker)
{
    atomic_store(&worker->load, admission_load(worker->admission));
}

void relay_session_drop(struct relay_worker *worker, struct session *session)
{
    pthread_mutex_lock(&worker->relay->lock);
    admission_drop(worker->admission, session);
    relay_sessions_note_load(worker);
    pthread_mutex_unlock(&worker->relay->lock);
}

static void keep_drops(const struct relay_session *session)
{
    const struct session_counters *counters = session_counters(session->session);

    for (int i = 0; i < FLOW_DROPS; i++)
        atomic_fetch_add(&session->meter->drops[i], counters->flows.drops[i]);
}

void relay_session_free(struct relay_session *session)
{
    keep_drops(session);
    outbound_list_abort(&session->streams);
    flow_list_abort(&session->flows);
    /* Another session's rules may be in the same place soon. */
    if (session->streams.rules == &session->rules)
        memset(&session->worker->verdicts, 0, sizeof(session->worker->verdicts));
    driver_deinit(&session->driver);
    list_remove(&session->node);
    relay_session_drop(session->worker, session->session);
    free(session);
}
