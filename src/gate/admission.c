/* SPDX-License-Identifier: MIT */
#include <splitsocks/gate/admission.h>

#include "accounts.h"
#include "session_ids.h"

#include <splitsocks/base/list.h>
#include <splitsocks/engine/session/session_accept.h>
#include <splitsocks/engine/session/session_limit.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HALF_OPEN_NS (5 * NS_PER_S)

enum phase {
    PHASE_HEADER,    /* nothing proved yet */
    PHASE_HALF_OPEN, /* a HELLO was answered, its first chunk not yet seen */
    PHASE_SILENT,
    PHASE_DONE, /* attached, or given to another worker */
};

struct arrival {
    struct list node; /* admission->arrivals, oldest first; alone once evicted or done */
    struct list half_open; /* admission->half_open */
    void *user;
    struct address peer;
    enum phase phase;
    uint64_t accepted_at_ns, deadline_ns;
    uint8_t buffer[ARRIVAL_BUFFER_SIZE];
    size_t length;
    /* HALF_OPEN: what the first chunk will bring to life. */
    struct half_open {
        struct session_keys keys;
        struct hello_offer offer;
        struct hello_answer answer;
        size_t hello_length;
        unsigned client;
        uint8_t message[ANSWER_MAX];
        size_t message_length;
    } * hello; /* owned */
};

/* Ids by which one session is found, beside the one that local names. */
#define IDS_MAX 64

struct admission {
    struct admission_config config;
    struct list arrivals, half_open;
    unsigned arrival_count, half_open_count, session_count;
    unsigned place; /* the worker for new sessions */
    struct list sessions;
    struct session_ids ids;
    struct accounts accounts;
};

struct admission *admission_new(const struct admission_config *config)
{
    struct admission *admission = calloc(1, sizeof(*admission));

    if (admission == NULL)
        return NULL;
    admission->config = *config;
    admission->place = config->worker;
    list_init(&admission->arrivals);
    list_init(&admission->half_open);
    list_init(&admission->sessions);
    accounts_init(&admission->accounts, config->pages);
    return admission;
}

void admission_free(struct admission *admission)
{
    struct session *session;

    if (admission == NULL)
        return;
    assert(admission->arrival_count == 0);
    while ((session = session_first(&admission->sessions)) != NULL)
        admission_drop(admission, session);
    accounts_deinit(&admission->accounts);
    free(admission);
}

void admission_set_clients(struct admission *admission,
                           const struct admission_client *clients, size_t count)
{
    admission->config.clients = clients;
    admission->config.client_count = count;
}

/* ---- sessions ---- */

void admission_drop(struct admission *admission, struct session *session)
{
    if (!session_is_refused(session)) {
        session_account(session)->sessions--;
        client_table_session_ends(door_clients(admission->config.door),
                                  (int)session_client(session));
    }
    admission->session_count--;
    session_ids_remove(&admission->ids, session);
    session_free(session);
}

const struct account *admission_account(const struct admission *admission, unsigned client)
{
    return accounts_get(&admission->accounts, client);
}

unsigned admission_unproven(const struct admission *admission)
{
    return admission->arrival_count;
}

unsigned admission_load(const struct admission *admission)
{
    return admission->session_count + admission->half_open_count;
}

void admission_set_place(struct admission *admission, unsigned worker)
{
    admission->place = worker;
}

struct session *admission_desert(struct admission *admission, unsigned client, uint64_t now)
{
    return session_limit_desert(&admission->sessions, client, now);
}

/* ---- arrivals ---- */

struct arrival *arrival_new(struct admission *admission, const struct address *peer,
                            uint64_t now)
{
    struct arrival *arrival = calloc(1, sizeof(*arrival));

    if (arrival == NULL)
        return NULL;
    list_init(&arrival->half_open);
    list_append(&admission->arrivals, &arrival->node);
    admission->arrival_count++;
    arrival->peer = *peer;
    arrival->accepted_at_ns = now;
    arrival->deadline_ns = now + door_silence_ns(admission->config.door);
    return arrival;
}

static void leave_half_open(struct admission *admission, struct arrival *arrival)
{
    if (arrival->hello == NULL)
        return;
    list_remove(&arrival->half_open);
    admission->half_open_count--;
    session_keys_deinit(&arrival->hello->keys);
    free(arrival->hello);
    arrival->hello = NULL;
}

void arrival_free(struct admission *admission, struct arrival *arrival)
{
    if (arrival == NULL)
        return;
    leave_half_open(admission, arrival);
    list_remove(&arrival->node);
    admission->arrival_count--;
    free(arrival);
}

uint8_t *arrival_buffer(struct arrival *arrival, size_t *room)
{
    *room = sizeof(arrival->buffer) - arrival->length;
    return arrival->buffer + arrival->length;
}

const uint8_t *arrival_bytes(const struct arrival *arrival, size_t *length)
{
    *length = arrival->length;
    return arrival->buffer;
}

uint64_t arrival_deadline(const struct arrival *arrival)
{
    return arrival->deadline_ns;
}

void arrival_set_user(struct arrival *arrival, void *user)
{
    arrival->user = user;
}

void *arrival_user(const struct arrival *arrival)
{
    return arrival->user;
}

struct arrival *admission_next_evicted(struct admission *admission)
{
    if (admission->half_open_count > admission->config.half_open_max)
        return list_first(&admission->half_open, struct arrival, half_open);
    if (admission->arrival_count > admission->config.unauthenticated_max)
        return list_first(&admission->arrivals, struct arrival, node);
    return NULL;
}

static struct arrival_result silence(struct admission *admission, struct arrival *arrival)
{
    leave_half_open(admission, arrival);
    arrival->phase = PHASE_SILENT;
    arrival->deadline_ns =
        arrival->accepted_at_ns + door_silence_ns(admission->config.door);
    return (struct arrival_result){.verdict = ARRIVAL_SILENT};
}

/* More bytes may help, unless there is no room for them. */
static struct arrival_result more(struct admission *admission, struct arrival *arrival)
{
    if (arrival->length == sizeof(arrival->buffer))
        return silence(admission, arrival);
    return (struct arrival_result){.verdict = ARRIVAL_MORE};
}

static struct arrival_result elsewhere(struct arrival *arrival, unsigned worker)
{
    arrival->phase = PHASE_DONE;
    return (struct arrival_result){.verdict = ARRIVAL_ELSEWHERE, .worker = worker};
}

/* ---- HELLO ---- */

/* Local gives up the session that it was promised in an earlier answer: the first chunk of
 * that one may still be on its way, and must not bring it to life beside its successor. */
static void supersede(struct admission *admission, unsigned client, uint64_t id)
{
    list_foreach(&admission->half_open, node, after) {
        struct arrival *arrival = list_entry(node, struct arrival, half_open);

        if (arrival->hello->client == client && arrival->hello->answer.session_id == id)
            (void)silence(admission, arrival);
    }
}

/* The answer's part that is not agreed by hello_agree(). */
static void grant(struct admission *admission, const struct door_hello *hello,
                  const uint8_t random[6], struct hello_answer *answer)
{
    const struct admission_config *config = &admission->config;
    struct session *old = session_ids_find(&admission->ids, hello->offer.resume);

    answer->session_id = session_id_make(config->server_id, config->worker, random);
    session_grant(&hello->offer, config->linger_ns,
                  config->clients[hello->client].max_streams,
                  config->clients[hello->client].max_flows, answer);
    answer->resume = RESUME_NEW;
    if (hello->offer.resume == 0)
        return;
    answer->resume = RESUME_UNKNOWN;
    if (!session_may_resume(old, (unsigned)hello->client)) {
        supersede(admission, (unsigned)hello->client, hello->offer.resume);
        return;
    }
    answer->resume = RESUME_RESUMED;
    answer->session_id = session_free_id(old, answer->session_id);
}

static struct arrival_result answer_hello(struct admission *admission,
                                          struct arrival *arrival, struct door_hello *hello,
                                          size_t hello_length, const uint8_t random[64],
                                          uint64_t now)
{
    struct half_open *half_open = calloc(1, sizeof(*half_open));
    struct wire_writer w;

    if (half_open == NULL)
        return silence(admission, arrival);
    arrival->hello = half_open;
    list_append(&admission->half_open, &arrival->half_open);
    admission->half_open_count++;
    half_open->offer = hello->offer;
    half_open->client = (unsigned)hello->client;
    half_open->hello_length = hello_length;
    wire_writer_init(&w, half_open->message, sizeof(half_open->message));
    if (hello->offer.chunk_size < CHUNK_SIZE_MIN ||
        hello->offer.chunk_size > CHUNK_SIZE_MAX ||
        hello_agree(&hello->offer, &half_open->answer) != OK)
        return silence(admission, arrival);
    grant(admission, hello, random + KEY_SIZE, &half_open->answer);
    if (session_ids_find(&admission->ids, half_open->answer.session_id) != NULL ||
        door_answer(admission->config.door, hello, &half_open->answer, &w,
                    &half_open->keys) != OK)
        return silence(admission, arrival);
    half_open->message_length = wire_length(&w);
    arrival->length -= hello_length;
    memmove(arrival->buffer, arrival->buffer + hello_length, arrival->length);
    arrival->phase = PHASE_HALF_OPEN;
    arrival->deadline_ns = now + HALF_OPEN_NS;
    return (struct arrival_result){.verdict = ARRIVAL_ANSWER,
                                   .answer = half_open->message,
                                   .answer_length = half_open->message_length,
                                   .hello_length = hello_length,
                                   .client = (unsigned)hello->client,
                                   .stamp = hello->offer.stamp};
}

/* The worker whose session goes on, or who is to have a new one. */
static unsigned worker_for(const struct admission *admission,
                           const struct hello_offer *offer)
{
    const struct admission_config *config = &admission->config;
    unsigned worker = session_id_worker(offer->resume);

    if (offer->resume == 0)
        return admission->place;
    return session_id_server(offer->resume) == config->server_id && worker < config->workers
               ? worker
               : config->worker;
}

static struct arrival_result take_hello(struct admission *admission,
                                        struct arrival *arrival, const uint8_t random[64],
                                        uint64_t now)
{
    struct arrival_result result;
    struct door_hello hello;
    struct wire_reader r;
    unsigned worker;
    int error;

    wire_reader_init(&r, arrival->buffer, arrival->length);
    error = door_hello(admission->config.door, &arrival->peer, &r, random, now, &hello);
    if (error == ERROR_TRUNCATED)
        return more(admission, arrival);
    if (error != OK) {
        result = silence(admission, arrival);
        result.agreed = hello.agreed;
        result.why = (enum error)error;
        if (error == ERROR_REPLAY)
            result.client = (unsigned)hello.client;
        return result;
    }
    worker = worker_for(admission, &hello.offer);
    if (worker != admission->config.worker)
        result = elsewhere(arrival, worker);
    else
        result = answer_hello(admission, arrival, &hello, (size_t)(r.at - arrival->buffer),
                              random, now);
    result.agreed = hello.agreed;
    door_hello_deinit(&hello);
    return result;
}

/* ---- attaching ---- */

/* The first chunk has proved the connection: it becomes a subflow of the session. */
static struct arrival_result attach(struct admission *admission, struct arrival *arrival,
                                    struct session *session, uint64_t id,
                                    struct first_chunk *first, uint64_t now)
{
    struct subflow *subflow = session_accept(session, id, first, now);

    if (subflow == NULL)
        return silence(admission, arrival);
    leave_half_open(admission, arrival);
    arrival->phase = PHASE_DONE;
    return (struct arrival_result){.verdict = ARRIVAL_ATTACHED,
                                   .session = session,
                                   .subflow = subflow,
                                   .rest = arrival->buffer + first->end,
                                   .rest_length = arrival->length - first->end,
                                   .client = session_client(session)};
}

/* How many sessions the other workers leave to the client in this one. */
static unsigned most_here(const struct admission *admission, const struct account *account,
                          unsigned client)
{
    const struct client_table *table = door_clients(admission->config.door);
    unsigned elsewhere = client_table_sessions(table, (int)client) - account->sessions;
    unsigned most = admission->config.clients[client].max_sessions;

    return most - MIN(most, elsewhere);
}

/* A session that may not be is made all the same, to tell the client so. */
static struct session *create_session(struct admission *admission,
                                      const struct half_open *hello, uint64_t now,
                                      struct arrival_result *result)
{
    const struct admission_client *client = &admission->config.clients[hello->client];
    struct session_promise promise = {
        .account = accounts_of(&admission->accounts, hello->client, client->account),
        .sessions = &admission->sessions,
        .hash_secret = admission->config.hash_secret,
        .offer = &hello->offer,
        .answer = &hello->answer,
        .client = hello->client,
        .flow_limit = client->max_flows};
    struct session *session;

    if (promise.account == NULL)
        return NULL;
    promise.refused =
        client->refusal != NULL ||
        !session_limit_allows(&admission->sessions, hello->client,
                              most_here(admission, promise.account, hello->client), now,
                              &result->disturbed);
    session = session_new_relay(&promise, now);
    if (session == NULL)
        return NULL;
    admission->session_count++;
    if (promise.refused) {
        account_note_refusal(promise.account, client->refusal != NULL
                                                  ? CLIENT_REFUSAL_NOT_SERVED
                                                  : CLIENT_REFUSAL_MAX_SESSIONS);
    } else {
        promise.account->sessions++;
        client_table_session_begins(door_clients(admission->config.door),
                                    (int)hello->client);
    }
    result->created = true;
    result->refused = promise.refused;
    return session;
}

/* Local names the newest id that it is sure of, and will not come back to an older one. It
 * may be sure of none for long, and name the same one all the time: then the newest ids are
 * kept beside that one, of which local is sure as soon as it hears a chunk. */
static void forget_ids(struct admission *admission, const struct session *session,
                       uint64_t named, uint64_t newest)
{
    uint64_t least = newest - MIN(newest, (uint64_t)IDS_MAX);

    session_ids_forget(&admission->ids, session,
                       MAX(session_ids_order(&admission->ids, named), least), named);
}

/* Memory is out, or libcrypto has failed. A session that was just made has nobody who
 * drives it, and goes again. */
static struct arrival_result not_begun(struct admission *admission, struct arrival *arrival,
                                       struct session *session,
                                       const struct arrival_result *noted)
{
    struct arrival_result result = silence(admission, arrival);

    if (noted->created)
        admission_drop(admission, session);
    result.disturbed = noted->disturbed;
    return result;
}

/* Closes a session that may not be, and tells local why. */
static void refuse(struct session *session, const struct admission_client *client,
                   uint64_t now)
{
    if (client->refusal != NULL)
        session_close(session, CLOSE_LIMIT, client->refusal, now);
    else
        session_limit_refuse(session, client->max_sessions, now);
}

/* The first chunk behind a HELLO has opened: now its session begins, or goes on. */
static struct arrival_result confirm(struct admission *admission, struct arrival *arrival,
                                     struct first_chunk *first, uint64_t now)
{
    struct half_open *hello = arrival->hello;
    const struct admission_client *client = &admission->config.clients[hello->client];
    uint64_t id = hello->answer.session_id, named = hello->offer.resume, order;
    bool resumed = hello->answer.resume == RESUME_RESUMED;
    struct arrival_result noted = {0}, result;
    struct session *session;

    /* The client may have been taken off the list since its HELLO. */
    if (client->max_sessions == 0)
        return silence(admission, arrival);
    session = resumed ? session_ids_find(&admission->ids, named)
                      : create_session(admission, hello, now, &noted);
    if (session == NULL ||
        session_add_keys(session, &hello->answer, &hello->keys, now, &order) != OK ||
        !session_ids_add(&admission->ids, id, order, session))
        return not_begun(admission, arrival, session, &noted);
    if (resumed)
        forget_ids(admission, session, named, order);
    result = attach(admission, arrival, session, id, first, now);
    if (result.verdict != ARRIVAL_ATTACHED)
        return not_begun(admission, arrival, session, &noted);
    if (noted.refused)
        refuse(session, client, now);
    result.created = noted.created;
    result.refused = noted.refused;
    result.disturbed = noted.disturbed;
    return result;
}

/* Takes the bytes behind a HELLO, or the JOIN of that session and id. */
static struct arrival_result take_first(struct admission *admission,
                                        struct arrival *arrival, struct session *session,
                                        uint64_t id, struct first_chunk *first,
                                        uint64_t now)
{
    bool joins = session != NULL;
    struct arrival_result result;
    int error;

    first->bytes = arrival->buffer;
    first->length = arrival->length;
    error = joins ? session_open_first(session, id, first)
                  : first_chunk_open(first, &arrival->hello->keys);
    if (error == ERROR_TRUNCATED)
        result = more(admission, arrival);
    else if (error != OK)
        result = silence(admission, arrival);
    else if (joins)
        result = attach(admission, arrival, session, id, first, now);
    else
        result = confirm(admission, arrival, first, now);
    first_chunk_deinit(first);
    return result;
}

static struct arrival_result take_join(struct admission *admission, struct arrival *arrival,
                                       uint64_t now)
{
    struct first_chunk first = {0};
    struct session *session;
    struct wire_reader r;
    struct join join;
    int error;

    wire_reader_init(&r, arrival->buffer, arrival->length);
    error = join_read(&r, &join);
    if (error == ERROR_TRUNCATED)
        return more(admission, arrival);
    if (error != OK || session_id_server(join.session_id) != admission->config.server_id)
        return silence(admission, arrival);
    if (session_id_worker(join.session_id) != admission->config.worker)
        return session_id_worker(join.session_id) < admission->config.workers
                   ? elsewhere(arrival, session_id_worker(join.session_id))
                   : silence(admission, arrival);
    session = session_ids_find(&admission->ids, join.session_id);
    if (session == NULL)
        return silence(admission, arrival);
    first.header_length = join.raw_length;
    first.number = join.number;
    return take_first(admission, arrival, session, join.session_id, &first, now);
}

static struct arrival_result take_confirmation(struct admission *admission,
                                               struct arrival *arrival, uint64_t now)
{
    struct first_chunk first = {.hello_length = arrival->hello->hello_length,
                                .answer_length = arrival->hello->message_length};

    return take_first(admission, arrival, NULL, 0, &first, now);
}

struct arrival_result admission_receive(struct admission *admission,
                                        struct arrival *arrival, size_t length,
                                        const uint8_t random[64], uint64_t now)
{
    arrival->length += length;
    assert(arrival->length <= sizeof(arrival->buffer));
    if (arrival->phase == PHASE_HALF_OPEN)
        return take_confirmation(admission, arrival, now);
    if (arrival->phase != PHASE_HEADER)
        return (struct arrival_result){.verdict = ARRIVAL_SILENT};
    if (arrival->length == 0)
        return (struct arrival_result){.verdict = ARRIVAL_MORE};
    switch (arrival->buffer[0]) {
    case HELLO_TYPE: return take_hello(admission, arrival, random, now);
    case JOIN_TYPE: return take_join(admission, arrival, now);
    default: return silence(admission, arrival);
    }
}
