/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/session/session_accept.h>

#include "session_parts.h"

#include <assert.h>

/* Most subflows of one session: twice the largest pool of a local, since the relay sees
 * the end of a subflow later than local, or not at all. */
#define SUBFLOWS_MAX 2048

/* ---- sessions ---- */

void session_grant(const struct hello_offer *offer, uint64_t linger_ns,
                   uint64_t stream_limit, unsigned flow_limit, struct hello_answer *answer)
{
    answer->linger_s =
        MAX(MIN(offer->linger_s, linger_ns / NS_PER_S), LINGER_MIN_NS / NS_PER_S);
    answer->stream_window = STREAM_WINDOW_INITIAL;
    answer->session_window = SESSION_WINDOW_INITIAL;
    answer->stream_limit = stream_limit;
    if (flow_limit == 0)
        answer->features &= ~WIRE_FEATURE_DATAGRAMS;
}

bool session_may_resume(const struct session *session, unsigned client)
{
    return session != NULL && session->client == client &&
           session->context.state == SESSION_STATE_UP;
}

uint64_t session_free_id(const struct session *session, uint64_t id)
{
    for (unsigned i = 0; i < 64; i++)
        if (generation_tag_used(&session->subflows, GENERATION_TAG(id)))
            id = (id & ~UINT64_C(0x3f)) | GENERATION_TAG(id + 1);
    return id;
}

struct session *session_new_relay(const struct session_promise *promise, uint64_t now)
{
    const struct hello_answer *answer = promise->answer;
    const struct session_config config = {.role = SESSION_RELAY,
                                          .pages = promise->account->pages.pool,
                                          .account = promise->account,
                                          .chunk_size =
                                              (uint32_t)promise->offer->chunk_size,
                                          .linger_ns = answer->linger_s * NS_PER_S,
                                          .stream_limit = answer->stream_limit,
                                          .flow_limit = promise->flow_limit,
                                          .hash_secret = promise->hash_secret,
                                          .seed = answer->session_id};
    struct session *session = session_make(&config, now);

    if (session == NULL)
        return NULL;
    session->context.state = SESSION_STATE_UP;
    session->streams.limit = config.stream_limit;
    session->streams.initial_window = promise->offer->stream_window;
    session->streams.out_window = promise->offer->session_window;
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        session->paths.items[i].properties.usable = true;
    session->client = promise->client;
    session->refused = promise->refused;
    list_append(promise->sessions, &session->admitted);
    return session;
}

struct session *session_first(const struct list *sessions)
{
    return list_first(sessions, struct session, admitted);
}

unsigned session_client(const struct session *session)
{
    return session->client;
}

bool session_is_refused(const struct session *session)
{
    return session->refused;
}

struct account *session_account(const struct session *session)
{
    return session->streams.account;
}

int session_add_keys(struct session *session, const struct hello_answer *answer,
                     struct session_keys *keys, uint64_t now, uint64_t *order)
{
    struct generation *generation;

    if (session->context.state != SESSION_STATE_UP)
        return ERROR_CLOSED;
    if (generation_tag_used(&session->subflows, GENERATION_TAG(answer->session_id)))
        return ERROR_REPLAY;
    generation = generation_new(&session->subflows, answer->session_id, keys);
    if (generation == NULL)
        return ERROR_MEMORY;
    *keys = (struct session_keys){0}; /* the generation owns them */
    session->context.now = now;
    session->context.counters.resumes += answer->resume == RESUME_RESUMED;
    session->context.config.linger_ns = answer->linger_s * NS_PER_S;
    session->context.features = answer->features;
    *order = generation->order;
    return OK;
}

/* ---- the first chunk ---- */

int first_chunk_open(struct first_chunk *first, struct session_keys *keys)
{
    uint8_t *chunk = first->bytes + first->header_length;
    size_t there = first->length - first->header_length;
    size_t sealed;
    int error;

    if (there < 2)
        return ERROR_TRUNCATED;
    sealed = (size_t)chunk[0] << 8 | chunk[1];
    if (sealed < SEAL_TAG_SIZE || sealed + 2 > FIRST_CHUNK_MAX)
        return ERROR_MALFORMED;
    if (there < 2 + sealed)
        return ERROR_TRUNCATED;
    first->end = first->header_length + 2 + sealed;
    error = session_keys_seal(keys, DIRECTION_UP, first->number, false, &first->opener);
    if (error != OK)
        return error;
    /* The header, if any, and the length are the additional data. */
    return seal_open(&first->opener, first->bytes, first->header_length + 2, chunk + 2,
                     sealed - SEAL_TAG_SIZE, first->bytes + first->end - SEAL_TAG_SIZE);
}

/* NULL when the session has forgotten the id. */
static struct generation *find_generation(const struct session *session, uint64_t id)
{
    struct generation *generation =
        generation_by_tag(&session->subflows, GENERATION_TAG(id));

    return generation != NULL && generation->id == id ? generation : NULL;
}

int session_open_first(const struct session *session, uint64_t id,
                       struct first_chunk *first)
{
    struct generation *generation = find_generation(session, id);

    if (generation == NULL)
        return ERROR_NOT_FOUND;
    if (session->context.state != SESSION_STATE_UP)
        return ERROR_CLOSED;
    if (session->subflows.open_count >= SUBFLOWS_MAX ||
        share_room(&session->streams.account->subflows) == 0)
        return ERROR_LIMIT;
    if (number_window_check(&generation->used, first->number) != OK)
        return ERROR_REPLAY;
    return first_chunk_open(first, &generation->keys);
}

void first_chunk_deinit(struct first_chunk *first)
{
    seal_deinit(&first->opener);
}

struct subflow *session_accept(struct session *session, uint64_t id,
                               struct first_chunk *first, uint64_t now)
{
    struct generation *generation = find_generation(session, id);
    size_t plain = first->header_length + 2;
    struct subflow *subflow;
    struct seal seal;

    assert(generation != NULL);
    if (session_keys_seal(&generation->keys, DIRECTION_DOWN, first->number, true, &seal) !=
        OK)
        return NULL;
    subflow = subflow_new(&session->subflows, 0);
    if (subflow == NULL) {
        seal_deinit(&seal);
        return NULL;
    }
    session->context.now = now;
    subflow_set_state(subflow, SUBFLOW_STATE_OPEN);
    subflow->hello = first->number == 0;
    subflow_connected(&session->subflows, subflow);
    subflow_set_number(&session->subflows, subflow, generation, first->number);
    number_window_mark(&generation->used, first->number);
    subflow->seal = seal;
    subflow->opener = first->opener;
    first->opener = (struct seal){0};
    subflow->bytes_received = first->hello_length;
    subflow->bytes_sent = first->answer_length;
    session->context.counters.subflows_opened++;
    session_take_first(session, subflow, first->end, first->bytes + plain,
                       first->end - SEAL_TAG_SIZE - plain);
    session_settle(session, now);
    return subflow;
}
