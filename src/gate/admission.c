/* SPDX-License-Identifier: MIT */
#include <splitsocks/gate/admission.h>

#include "session_ids.h"

#include <splitsocks/engine/session/session_limit.h>
#include <splitsocks/engine/session/session_parts.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HALF_OPEN_NS (5 * NS_PER_S)

enum phase {
    PHASE_HEADER,    /* nothing proved yet */
    PHASE_HALF_OPEN, /* a HELLO was answered, its first chunk not yet seen */
    PHASE_SILENT,
    PHASE_DONE,      /* attached, or given to another worker */
};

struct arrival {
    struct list node;      /* admission->arrivals, oldest first; alone once evicted or done */
    struct list half_open; /* admission->half_open */
    void *user;
    struct address peer;
    enum phase phase;
    uint64_t accepted_ns, deadline_ns;
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
    } *hello; /* owned */
};

/* Subflows of one session: twice the largest pool of a local, since the end of a subflow is
 * seen here later, or not at all. */
#define SUBFLOWS_MAX 2048
/* Ids by which one session is found. */
#define IDS_MAX 64

struct admission {
    struct admission_config config;
    struct list arrivals, half_open;
    unsigned arrival_count, half_open_count;
    struct list sessions;
    struct session_ids ids;
};

struct admission *admission_new(const struct admission_config *config)
{
    struct admission *admission = calloc(1, sizeof(*admission));

    if (admission == NULL)
        return NULL;
    admission->config = *config;
    list_init(&admission->arrivals);
    list_init(&admission->half_open);
    list_init(&admission->sessions);
    return admission;
}

void admission_free(struct admission *admission)
{
    if (admission == NULL)
        return;
    assert(admission->arrival_count == 0);
    list_foreach(&admission->sessions, node, after) {
        admission_drop(admission, list_entry(node, struct session, admitted));
    }
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
    session_ids_remove(&admission->ids, session, UINT64_MAX);
    list_remove(&session->admitted);
    session_free(session);
}

static struct generation *find_generation(const struct session *session, uint64_t id)
{
    struct generation *generation =
        session == NULL ? NULL : generation_by_tag(&session->subflows, GENERATION_TAG(id));

    return generation != NULL && generation->id == id ? generation : NULL;
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
    arrival->accepted_ns = now;
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
        arrival->accepted_ns + door_silence_ns(admission->config.door);
    return (struct arrival_result){.verdict = ARRIVAL_SILENT};
}

/* More bytes may help, unless there is no room for them. */
static struct arrival_result more(struct admission *admission, struct arrival *arrival)
{
    if (arrival->length == sizeof(arrival->buffer))
        return silence(admission, arrival);
    return (struct arrival_result){.verdict = ARRIVAL_MORE};
}

static struct arrival_result elsewhere(struct arrival *arrival, uint64_t id)
{
    arrival->phase = PHASE_DONE;
    return (struct arrival_result){.verdict = ARRIVAL_ELSEWHERE,
                                   .worker = session_id_worker(id)};
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
    answer->linger_s = MAX(MIN(hello->offer.linger_s, config->linger_ns / NS_PER_S),
                           LINGER_MIN_NS / NS_PER_S);
    answer->stream_window = STREAM_WINDOW_INITIAL;
    answer->session_window = SESSION_WINDOW_INITIAL;
    answer->stream_limit = config->clients[hello->client].max_streams;
    answer->resume = RESUME_NEW;
    if (hello->offer.resume == 0)
        return;
    answer->resume = RESUME_UNKNOWN;
    if (old == NULL || old->client != (unsigned)hello->client ||
        old->context.state != SESSION_STATE_UP) {
        supersede(admission, (unsigned)hello->client, hello->offer.resume);
        return;
    }
    answer->resume = RESUME_RESUMED;
    for (unsigned i = 0; i < 64; i++)
        if (generation_tag_used(&old->subflows, GENERATION_TAG(answer->session_id)))
            answer->session_id = (answer->session_id & ~UINT64_C(0x3f)) |
                                 GENERATION_TAG(answer->session_id + 1);
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
    if (hello->offer.chunk_size < CHUNK_SIZE_MIN || hello->offer.chunk_size > CHUNK_SIZE_MAX ||
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
                                   .answer_length = half_open->message_length};
}

static struct arrival_result take_hello(struct admission *admission, struct arrival *arrival,
                                        const uint8_t random[64], uint64_t now)
{
    struct arrival_result result;
    struct door_hello hello;
    struct wire_reader r;
    int error;

    wire_reader_init(&r, arrival->buffer, arrival->length);
    error = door_hello(admission->config.door, &arrival->peer, &r, random, now, &hello);
    if (error == ERROR_TRUNCATED)
        return more(admission, arrival);
    if (error != OK) {
        result = silence(admission, arrival);
        result.why = (enum error)error;
        if (error == ERROR_REPLAY)
            result.client = (unsigned)hello.client;
        return result;
    }
    if (hello.offer.resume != 0 &&
        session_id_server(hello.offer.resume) == admission->config.server_id &&
        session_id_worker(hello.offer.resume) != admission->config.worker &&
        session_id_worker(hello.offer.resume) < admission->config.workers)
        result = elsewhere(arrival, hello.offer.resume);
    else
        result = answer_hello(admission, arrival, &hello,
                              (size_t)(r.at - arrival->buffer), random, now);
    door_hello_deinit(&hello);
    return result;
}

/* ---- attaching ---- */

/* Opens the first chunk, which lies at `offset` of the buffer behind `aad` bytes of header.
 * OK, ERROR_TRUNCATED, or another error: silence. */
static int open_first(struct arrival *arrival, size_t offset, struct seal *opener,
                      size_t *sealed)
{
    const uint8_t *chunk = arrival->buffer + offset;
    size_t there = arrival->length - offset;

    if (there < 2)
        return ERROR_TRUNCATED;
    *sealed = (size_t)chunk[0] << 8 | chunk[1];
    if (*sealed < SEAL_TAG_SIZE || *sealed + 2 > FIRST_CHUNK_MAX)
        return ERROR_MALFORMED;
    if (there < 2 + *sealed)
        return ERROR_TRUNCATED;
    /* The header, if any, begins the buffer: it and the length are the additional data. */
    return seal_open(opener, arrival->buffer, offset + 2, arrival->buffer + offset + 2,
                     *sealed - SEAL_TAG_SIZE,
                     arrival->buffer + offset + 2 + *sealed - SEAL_TAG_SIZE);
}

/* The chunk at `offset` has proved the subflow: it becomes part of the session. */
static struct arrival_result attach(struct admission *admission, struct arrival *arrival,
                                    struct session *session, struct generation *generation,
                                    uint64_t number, struct seal *opener, size_t offset,
                                    size_t sealed)
{
    struct subflow *subflow = subflow_new(&session->subflows, 0);
    size_t end = offset + 2 + sealed;
    struct arrival_result result = {.verdict = ARRIVAL_ATTACHED,
                                    .session = session,
                                    .subflow = subflow,
                                    .rest = arrival->buffer + end,
                                    .rest_length = arrival->length - end,
                                    .client = session->client};

    if (subflow == NULL)
        return silence(admission, arrival);
    subflow_set_state(subflow, SUBFLOW_STATE_OPEN);
    subflow->hello = number == 0;
    subflow->up_ns = subflow->sent_ns = session->context.now;
    subflow->progress_ns = subflow->answer_ns = session->context.now;
    subflow->writable = true;
    subflow->opener = *opener;
    *opener = (struct seal){0};
    subflow_set_number(&session->subflows, subflow, generation, number);
    number_window_mark(&generation->used, number);
    if (arrival->hello != NULL) {
        subflow->bytes_sent = arrival->hello->message_length;
        subflow->bytes_received = arrival->hello->hello_length;
    }
    if (generation_key(generation, DIRECTION_DOWN, number, true, &subflow->seal) != OK) {
        session_fail(session, ERROR_CRYPTO, "cryptographic library failure");
        return silence(admission, arrival);
    }
    session->context.counters.subflows_opened++;
    session_take_first(session, subflow, end, arrival->buffer + offset + 2,
                       sealed - SEAL_TAG_SIZE);
    session_settle(session, session->context.now); /* the buffer goes with the arrival */
    leave_half_open(admission, arrival);
    arrival->phase = PHASE_DONE;
    return result;
}

static struct arrival_result take_join(struct admission *admission, struct arrival *arrival,
                                       uint64_t now)
{
    struct arrival_result result;
    struct generation *generation;
    struct seal opener = {0};
    struct session *session;
    struct wire_reader r;
    struct join join;
    size_t sealed;
    int error;

    wire_reader_init(&r, arrival->buffer, arrival->length);
    error = join_read(&r, &join);
    if (error == ERROR_TRUNCATED)
        return more(admission, arrival);
    if (error != OK || session_id_server(join.session_id) != admission->config.server_id)
        return silence(admission, arrival);
    if (session_id_worker(join.session_id) != admission->config.worker)
        return session_id_worker(join.session_id) < admission->config.workers
                   ? elsewhere(arrival, join.session_id)
                   : silence(admission, arrival);
    session = session_ids_find(&admission->ids, join.session_id);
    generation = find_generation(session, join.session_id);
    if (generation == NULL || session->context.state != SESSION_STATE_UP ||
        session->subflows.open_count >= SUBFLOWS_MAX ||
        number_window_check(&generation->used, join.number) != OK)
        return silence(admission, arrival);
    error = generation_key(generation, DIRECTION_UP, join.number, false, &opener);
    if (error == OK)
        error = open_first(arrival, join.raw_length, &opener, &sealed);
    session->context.now = now;
    if (error == OK)
        result = attach(admission, arrival, session, generation, join.number, &opener,
                        join.raw_length, sealed);
    else if (error == ERROR_TRUNCATED)
        result = more(admission, arrival);
    else
        result = silence(admission, arrival);
    seal_deinit(&opener);
    return result;
}

/* One that may not be is made, too, to tell the client so. */
static struct session *create_session(struct admission *admission,
                                      const struct half_open *hello, uint64_t now,
                                      struct arrival_result *result)
{
    struct session_config config = {.role = SESSION_RELAY,
                                    .pages = admission->config.pages,
                                    .chunk_size = (uint32_t)hello->offer.chunk_size,
                                    .linger_ns = hello->answer.linger_s * NS_PER_S,
                                    .stream_limit = hello->answer.stream_limit,
                                    .seed = hello->answer.session_id};
    bool allowed = session_limit_allows(
        &admission->sessions, hello->client,
        admission->config.clients[hello->client].max_sessions, now, &result->disturbed);
    struct session *session = session_new_relay(&config, now);

    if (session == NULL)
        return NULL;
    session->refused = !allowed;
    session->client = hello->client;
    session->streams.initial_window = hello->offer.stream_window;
    session->streams.out_window = hello->offer.session_window;
    list_append(&admission->sessions, &session->admitted);
    result->created = true;
    return session;
}

/* Local names the newest id that it is sure of, and will not come back to an older one. As
 * it may be sure of none for long, there is a bound too. */
static uint64_t oldest_wanted(const struct admission *admission, uint64_t named,
                              const struct generation *newest)
{
    uint64_t least = newest->order - MIN(newest->order, (uint64_t)IDS_MAX);

    return MAX(session_ids_order(&admission->ids, named), least);
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

/* The first chunk behind a HELLO has opened: now its session begins, or goes on. */
static struct arrival_result confirm(struct admission *admission, struct arrival *arrival,
                                     struct seal *opener, size_t sealed, uint64_t now)
{
    struct half_open *hello = arrival->hello;
    struct arrival_result noted = {0}, result;
    struct generation *generation;
    struct session *session;

    /* The client may have been taken off the list since its HELLO. */
    if (admission->config.clients[hello->client].max_sessions == 0)
        return silence(admission, arrival);
    if (hello->answer.resume == RESUME_RESUMED)
        session = session_ids_find(&admission->ids, hello->offer.resume);
    else
        session = create_session(admission, hello, now, &noted);
    if (session == NULL || session->context.state != SESSION_STATE_UP ||
        generation_tag_used(&session->subflows, GENERATION_TAG(hello->answer.session_id)))
        return not_begun(admission, arrival, session, &noted);
    session->context.now = now;
    generation = generation_new(&session->subflows, hello->answer.session_id, &hello->keys);
    if (generation == NULL)
        return not_begun(admission, arrival, session, &noted);
    hello->keys = (struct session_keys){0}; /* the generation owns them */
    session->context.counters.resumes += hello->answer.resume == RESUME_RESUMED;
    session->context.config.linger_ns = hello->answer.linger_s * NS_PER_S;
    session->context.features = hello->answer.features;
    if (!session_ids_add(&admission->ids, generation->id, generation->order, session))
        return not_begun(admission, arrival, session, &noted);
    if (hello->answer.resume == RESUME_RESUMED)
        session_ids_remove(&admission->ids, session,
                       oldest_wanted(admission, hello->offer.resume, generation));
    result = attach(admission, arrival, session, generation, 0, opener, 0, sealed);
    if (result.verdict != ARRIVAL_ATTACHED)
        return not_begun(admission, arrival, session, &noted);
    if (session->refused)
        session_limit_refuse(
            session, admission->config.clients[session->client].max_sessions, now);
    result.created = noted.created;
    result.refused = session->refused;
    result.disturbed = noted.disturbed;
    return result;
}

static struct arrival_result take_confirmation(struct admission *admission,
                                               struct arrival *arrival, uint64_t now)
{
    struct seal opener = {0};
    struct arrival_result result;
    uint8_t key[SEAL_KEY_SIZE];
    size_t sealed;
    int error = session_keys_subflow(&arrival->hello->keys, DIRECTION_UP, 0, key);

    if (error == OK)
        error = seal_init(&opener, arrival->hello->keys.cipher, false, key);
    key_wipe(key, sizeof(key));
    if (error == OK)
        error = open_first(arrival, 0, &opener, &sealed);
    if (error == OK)
        result = confirm(admission, arrival, &opener, sealed, now);
    else if (error == ERROR_TRUNCATED)
        result = more(admission, arrival);
    else
        result = silence(admission, arrival);
    seal_deinit(&opener);
    return result;
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
