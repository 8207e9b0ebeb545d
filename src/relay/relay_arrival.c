/* SPDX-License-Identifier: MIT */
#include "relay_internal.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/io/subflow_io.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A key agreement takes as long as so many bytes of bulk. */
#define KEY_AGREEMENT_COST (256 * 1024)

/* A connection until its first chunk has opened, or until it is closed without a
 * response. */
struct relay_arrival {
    struct relay_worker *worker;
    struct list node;        /* in worker.arrivals */
    struct arrival *arrival; /* owned */
    struct address peer;
    bool silent;
    uint32_t round; /* for turn_most() */
    ev_io io;
    ev_timer deadline;
};

/* Lets go of everything but the socket. */
static void arrival_forget(struct relay_arrival *arrival)
{
    struct ev_loop *loop = arrival->worker->worker.loop;

    ev_io_stop(loop, &arrival->io);
    ev_timer_stop(loop, &arrival->deadline);
    arrival_free(arrival->worker->admission, arrival->arrival);
    relay_sessions_note_load(arrival->worker);
    list_remove(&arrival->node);
    free(arrival);
}

static void arrival_close(struct relay_arrival *arrival)
{
    close(arrival->io.fd);
    arrival_forget(arrival);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct relay_arrival *arrival = timer->data;
    (void)loop;
    (void)events;

    /* With unread bytes the close would be a reset, which would tell the peer that they
     * were not read. */
    socket_discard(arrival->io.fd, arrival->worker->worker.input, WORKER_READ_SIZE);
    arrival_close(arrival);
}

static void arm_deadline(struct relay_arrival *arrival, uint64_t now)
{
    io_watch_until(arrival->worker->worker.loop, &arrival->deadline,
                   arrival_deadline(arrival->arrival), now);
}

/* ---- verdicts ---- */

/* The client has too many sessions in all workers: another one may have a deserted session,
 * which gives its place to the client's next try. */
static void ask_others(struct relay_worker *worker, unsigned client)
{
    struct relay *relay = worker->relay;

    pthread_mutex_lock(&relay->lock);
    relay->clients->items[client].crowded_at_ns = clock_now();
    pthread_mutex_unlock(&relay->lock);
    for (unsigned i = 0; i < relay->worker_count; i++)
        if (i != worker->index) {
            atomic_store(&relay->workers[i].crowded, true);
            relay_mailbox_wake(&relay->workers[i].mailbox);
        }
}

static void attach(struct relay_arrival *arrival, const struct arrival_result *result)
{
    struct relay_worker *worker = arrival->worker;
    struct relay_session *session;
    struct driver *driver;
    size_t length;

    if (result->created) {
        /* While sessions are being closed, a new one would keep the relay running. */
        session = worker->closing
                      ? NULL
                      : relay_session_new(worker, result->session, result->client,
                                            result->refused);
        if (session == NULL) {
            relay_session_drop(worker, result->session);
            arrival_close(arrival);
            return;
        }
    }
    if (result->refused)
        ask_others(worker, result->client);
    driver = session_user(result->session);
    /* a HELLO for an existing session */
    if (!result->created && subflow_number(result->subflow) == 0)
        relay_session_resumed(driver->context);
    ev_io_stop(worker->worker.loop, &arrival->io);
    (void)arrival_bytes(arrival->arrival, &length);
    tally_add(driver->tally, length);
    subflow_io_adopt(driver, result->subflow, arrival->io.fd, result->rest,
                     result->rest_length);
    arrival_forget(arrival);
}

static void move_out(struct relay_arrival *arrival, unsigned to)
{
    struct relay *relay = arrival->worker->relay;
    struct relay_message *message = calloc(1, sizeof(*message));
    const uint8_t *bytes;

    if (message == NULL || to >= relay->worker_count) {
        free(message);
        arrival_close(arrival);
        return;
    }
    bytes = arrival_bytes(arrival->arrival, &message->length);
    memcpy(message->bytes, bytes, message->length);
    message->fd = arrival->io.fd;
    message->peer = arrival->peer;
    arrival_forget(arrival);
    relay_mailbox_post(&relay->workers[to].mailbox, message);
}

static const char *why_refused(enum error why)
{
    switch (why) {
    case ERROR_NOT_FOUND: return "its public key is not listed";
    case ERROR_REPLAY:
        return "the stamp of its HELLO was used before, or is older than the newest ones "
               "seen: its clock was set back, two machines share its key, or somebody "
               "replays an old HELLO";
    case ERROR_LIMIT: return "too many failed connections from this address, or in all";
    case ERROR_DENIED: return "it asks for another server_id";
    default: return NULL;
    }
}

static void get_name(struct relay *relay, unsigned client,
                     char name[sizeof(relay->clients->items->name)])
{
    pthread_mutex_lock(&relay->lock);
    memcpy(name, relay->clients->items[client].name, sizeof(relay->clients->items->name));
    pthread_mutex_unlock(&relay->lock);
}

/* Logs only errors that are useful to the owner of a client that gets no response. Anybody
 * can cause the other errors without knowing a key. */
static void log_refusal(const struct relay_arrival *arrival,
                        const struct arrival_result *result)
{
    static _Thread_local struct log_limit limit;
    char peer[ADDRESS_TEXT_SIZE];
    char name[sizeof(arrival->worker->relay->clients->items->name)] = "a client";

    if (why_refused(result->why) == NULL)
        return;
    if (result->why == ERROR_REPLAY)
        get_name(arrival->worker->relay, result->client, name);
    log_write_limited(&limit, clock_now(), LOG_WARNING, "no answer to %s at %s: %s", name,
                      address_format(&arrival->peer, peer), why_refused(result->why));
}

static void close_evicted(struct relay_worker *worker)
{
    static _Thread_local struct log_limit limit;
    const struct config_limits *limits = &atomic_load(&worker->config)->limits;
    struct arrival *evicted;

    while ((evicted = admission_next_evicted(worker->admission)) != NULL) {
        log_write_limited(
            &limit, clock_now(), LOG_WARNING,
            "closed the oldest connection that has not proved to be a client's: "
            "limits.unauthenticated (%u) or limits.half_open (%u) are in use",
            limits->unauthenticated, limits->half_open);
        worker->handshakes.refused[RELAY_SILENCE_EVICTED]++;
        arrival_close(arrival_user(evicted));
    }
}

/* The worker that has least to serve; this one, where others have no less. */
static unsigned least_loaded(const struct relay_worker *worker)
{
    const struct relay *relay = worker->relay;
    unsigned least = worker->index;

    for (unsigned i = 0; i < relay->worker_count; i++)
        if (atomic_load(&relay->workers[i].load) < atomic_load(&relay->workers[least].load))
            least = i;
    return least;
}

/* `length` more bytes are in the arrival's buffer. `place` is the worker for a new session.
 * The arrival may be no more afterwards. */
static void judge(struct relay_arrival *arrival, size_t length, unsigned place)
{
    struct relay_worker *worker = arrival->worker;
    struct relay *relay = worker->relay;
    struct arrival_result result;
    uint8_t random[64];
    uint64_t now = clock_now();

    random_fill(random, sizeof(random));
    pthread_mutex_lock(&relay->lock);
    client_table_set_clock(relay->clients->table, clock_wall());
    admission_set_place(worker->admission, place);
    result = admission_receive(worker->admission, arrival->arrival, length, random, now);
    if (result.verdict == ARRIVAL_ANSWER) {
        stamp_file_add(&relay->stamps, relay->clients, result.client, result.stamp);
        /* The stamp is new, so nobody else has sent it. */
        tally_add(&relay->meters[result.client]->tally,
                  result.hello_length + result.answer_length);
    }
    relay_sessions_note_load(worker);
    pthread_mutex_unlock(&relay->lock);
    turn_read(&worker->worker.turns, &worker->arrivals_turn,
              length + (result.agreed ? KEY_AGREEMENT_COST : 0), false);
    key_wipe(random, sizeof(random)); /* it contains an ephemeral key */
    if (result.disturbed != NULL)
        driver_touch(session_user(result.disturbed));
    switch (result.verdict) {
    case ARRIVAL_MORE: arm_deadline(arrival, now); break;
    case ARRIVAL_ANSWER:
        worker->handshakes.answered++;
        /* Nothing was sent before, so the buffer has room. */
        if (send(arrival->io.fd, result.answer, result.answer_length, MSG_NOSIGNAL) !=
            (ssize_t)result.answer_length)
            arrival_close(arrival);
        else
            arm_deadline(arrival, now);
        break;
    case ARRIVAL_ATTACHED:
        worker->handshakes.joined++;
        attach(arrival, &result);
        break;
    case ARRIVAL_ELSEWHERE: move_out(arrival, result.worker); break;
    case ARRIVAL_SILENT:
        arrival->silent = true;
        relay_handshakes_refuse(&worker->handshakes, result.why);
        log_refusal(arrival, &result);
        arm_deadline(arrival, now);
        break;
    }
    close_evicted(worker);
}

/* ---- reading ---- */

/* All connections that have not proved anything have one client's part of the loop's time.
 * The arrival may be no more afterwards. */
static void read_once(struct relay_arrival *arrival)
{
    struct relay_worker *worker = arrival->worker;
    size_t room = WORKER_READ_SIZE;
    uint8_t *buffer =
        arrival->silent ? worker->worker.input : arrival_buffer(arrival->arrival, &room);
    ssize_t n;

    if (turn_most(&worker->worker.turns, &worker->arrivals_turn, &arrival->round) == 0)
        return; /* its event comes again */
    n = recv(arrival->io.fd, buffer, room, 0);
    if (n > 0) {
        if (arrival->silent)
            turn_read(&worker->worker.turns, &worker->arrivals_turn, (size_t)n, false);
        else
            judge(arrival, (size_t)n, least_loaded(worker));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        arrival_close(arrival);
    }
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;

    read_once(io->data);
}

static struct relay_arrival *arrival_make(struct relay_worker *worker, int fd,
                                          const struct address *peer)
{
    struct relay_arrival *arrival = calloc(1, sizeof(*arrival));
    uint64_t now = clock_now();

    if (arrival == NULL)
        return NULL;
    arrival->arrival = arrival_new(worker->admission, peer, now);
    if (arrival->arrival == NULL) {
        free(arrival);
        return NULL;
    }
    arrival->worker = worker;
    arrival->peer = *peer;
    list_init(&arrival->node);
    list_append(&worker->arrivals, &arrival->node);
    arrival_set_user(arrival->arrival, arrival);
    ev_io_init(&arrival->io, on_readable, fd, EV_READ);
    ev_init(&arrival->deadline, on_deadline);
    arrival->io.data = arrival->deadline.data = arrival;
    ev_io_start(worker->worker.loop, &arrival->io);
    arm_deadline(arrival, now);
    return arrival;
}

void relay_arrival_new(struct relay_worker *worker, int fd, const struct address *peer)
{
    struct relay_arrival *arrival = arrival_make(worker, fd, peer);

    if (arrival == NULL)
        close(fd);
    else
        read_once(arrival); /* its first bytes caused the report */
    close_evicted(worker);
}

void relay_arrival_move_in(struct relay_worker *worker, struct relay_message *message)
{
    struct relay_arrival *arrival = arrival_make(worker, message->fd, &message->peer);
    size_t room;
    uint8_t *buffer;

    if (arrival == NULL) {
        close(message->fd);
        free(message);
        return;
    }
    buffer = arrival_buffer(arrival->arrival, &room);
    memcpy(buffer, message->bytes, MIN(message->length, room));
    judge(arrival, MIN(message->length, room), worker->index);
    free(message);
}

void relay_arrivals_close(struct relay_worker *worker)
{
    while (!list_empty(&worker->arrivals))
        arrival_close(list_first(&worker->arrivals, struct relay_arrival, node));
}
