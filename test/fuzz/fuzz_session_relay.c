/* SPDX-License-Identifier: MIT */
/*
 * The relay's engine, from HELLO on, against a client of its own that keeps no rule. The
 * script's operations are those of engine.h and: another subflow, a resume, accepting a
 * stream.
 */
#include "engine.h"
#include "layout.h"

#include <assert.h>
#include <string.h>

#include <splitsocks/gate/admission.h>
#include <splitsocks/wire/frame.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct relay {
    struct engine engine;
    struct client_pools pools;
    struct client_account account;
    struct key_pair relay_key;
    struct key_pair local_key;
    struct client_table *clients;
    struct door *door;
    struct admission *admission;
    struct admission_client limits;
    uint64_t next_number;
    uint64_t stamp;
};

static void ignore_produced(struct engine *engine, struct engine_subflow *subflow,
                            const uint8_t *bytes, size_t length)
{
    (void)engine;
    (void)subflow;
    (void)bytes;
    (void)length;
}

static void end_session(struct engine *engine)
{
    struct relay *relay = engine->context;

    admission_drop(relay->admission, engine->session);
    engine->session = NULL;
}

static const struct engine_role role = {
    .peer_direction = DIRECTION_UP,
    .produced = ignore_produced,
    .ended = end_session,
};

/* In the same order of bytes on every machine. */
static void put_number(uint8_t *bytes, size_t size, uint64_t number)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
}

static struct arrival_result arrive(struct relay *relay, struct arrival *arrival,
                                    const uint8_t *bytes, size_t length)
{
    static const uint8_t random[64] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t fresh[sizeof(random)];
    size_t room;
    uint8_t *buffer = arrival_buffer(arrival, &room);

    assert(length <= room);
    memcpy(buffer, bytes, length);
    memcpy(fresh, random, sizeof(fresh));
    put_number(fresh + KEY_SIZE, 6, relay->stamp);
    return admission_receive(relay->admission, arrival, length, fresh, relay->engine.now);
}

static struct arrival *new_arrival(struct relay *relay)
{
    const struct address peer = {.family = ADDRESS_IPV4, .bytes = {192, 0, 2, 1}};
    struct arrival *arrival = arrival_new(relay->admission, &peer, relay->engine.now);

    assert(arrival != NULL);
    return arrival;
}

/* SUBFLOW, which has to come first, and then the frames of the script. */
static size_t first_frames(struct engine *engine, uint8_t frames[300])
{
    struct wire_writer w;
    size_t length;
    const uint8_t *bytes = engine_bytes(engine, &length);

    wire_writer_init(&w, frames, 300);
    frame_write_subflow(&w, 0, 0, 0);
    wire_write_bytes(&w, bytes, length);
    assert(!w.failed);
    return wire_length(&w);
}

/* The session that the first chunk made, or found. */
static void take_session(struct relay *relay, const struct arrival_result *result,
                         struct engine_subflow *sender)
{
    struct engine *engine = &relay->engine;
    struct engine_subflow *place;

    if (engine->session != NULL && engine->session != result->session) {
        assert(result->created);
        engine_work(engine); /* for the session that gave way */
        for (size_t i = 0; i < ENGINE_SUBFLOWS; i++)
            engine_forget(&engine->subflows[i]);
        memset(engine->streams, 0, sizeof(engine->streams));
        memset(engine->flows, 0, sizeof(engine->flows));
        if (engine->session != NULL)
            end_session(engine);
    }
    engine->session = result->session;
    place = engine_attach(engine, result->subflow);
    assert(place != NULL);
    place->seal = sender->seal;
    sender->seal = (struct seal){0};
    assert(result->rest_length == 0);
}

static bool has_room(const struct engine *engine)
{
    for (size_t i = 0; i < ENGINE_SUBFLOWS; i++)
        if (engine->subflows[i].subflow == NULL)
            return true;
    return false;
}

/* HELLO, its answer, and the first chunk. `resume` is a session id or 0. */
static void greet(struct relay *relay, uint64_t resume)
{
    struct engine *engine = &relay->engine;
    const struct hello_offer offer = {.stamp = ++relay->stamp,
                                      .features = WIRE_FEATURES,
                                      .ciphers = ciphers_supported(),
                                      .resume = resume,
                                      .linger_s = 60,
                                      .chunk_size = 1024,
                                      .stream_window = 65536,
                                      .session_window = 1 << 20};
    struct arrival *arrival = new_arrival(relay);
    struct engine_subflow sender = {0};
    struct arrival_result result;
    struct hello_answer answer;
    struct session_keys keys;
    struct wire_writer w;
    struct wire_reader r;
    struct noise noise;
    uint8_t bytes[ARRIVAL_BUFFER_SIZE];
    uint8_t frames[300];
    uint8_t ephemeral[KEY_SIZE] = {3}; /* a fresh one for each HELLO */
    int error;

    put_number(ephemeral + 1, sizeof(relay->stamp), relay->stamp);
    wire_writer_init(&w, bytes, sizeof(bytes));
    error = hello_write(&noise, &w, &relay->local_key, relay->relay_key.public_key,
                        ephemeral, 0, &offer);
    assert(error == OK);
    result = arrive(relay, arrival, bytes, wire_length(&w));
    assert(result.verdict == ARRIVAL_ANSWER);
    wire_reader_init(&r, result.answer, result.answer_length);
    error = hello_read_answer(&noise, &r, &offer, &answer, &keys);
    assert(error == OK);
    noise_deinit(&noise);
    session_keys_deinit(&engine->keys);
    engine->keys = keys;
    engine->session_id = answer.session_id;
    relay->next_number = 1;

    engine_key(engine, &sender, 0);
    result =
        arrive(relay, arrival, bytes,
               engine_seal(&sender, bytes, NULL, 0, frames, first_frames(engine, frames)));
    if (result.verdict == ARRIVAL_ATTACHED)
        take_session(relay, &result, &sender);
    arrival_free(relay->admission, arrival);
    engine_forget(&sender);
}

/* ---- operations ---- */

/* The next number; or any, to be refused when it was used. */
static void peer_join(struct engine *engine)
{
    struct relay *relay = engine->context;
    uint8_t choice = wire_read_u8(&engine->script);
    uint64_t number =
        choice == 0 ? wire_read_varint(&engine->script) : relay->next_number++;
    struct engine_subflow sender = {0};
    struct arrival_result result;
    struct arrival *arrival;
    struct wire_writer w;
    uint8_t header[JOIN_HEADER_MAX];
    uint8_t bytes[512];
    uint8_t frames[300];

    if (number == 0 || !has_room(engine))
        return;
    wire_writer_init(&w, header, sizeof(header));
    join_write(&w, engine->session_id, number);
    engine_key(engine, &sender, number);
    arrival = new_arrival(relay);
    result = arrive(relay, arrival, bytes,
                    engine_seal(&sender, bytes, header, wire_length(&w), frames,
                                first_frames(engine, frames)));
    assert(result.verdict == ARRIVAL_ATTACHED || result.verdict == ARRIVAL_SILENT);
    if (result.verdict == ARRIVAL_ATTACHED)
        take_session(relay, &result, &sender);
    arrival_free(relay->admission, arrival);
    engine_forget(&sender);
}

static void peer_resume(struct engine *engine)
{
    struct relay *relay = engine->context;

    if (has_room(engine))
        greet(relay, wire_read_u8(&engine->script) != 0 ? engine->session_id : 0);
}

static void accept_stream(struct engine *engine)
{
    unsigned first = wire_read_u8(&engine->script);
    struct engine_stream *place = &engine->streams[first % ENGINE_STREAMS];

    if (place->stream == NULL || place->accepted)
        return;
    place->accepted = true;
    session_stream_accept(engine->session, place->stream, engine->now);
}

static void close_session(struct engine *engine)
{
    session_close(engine->session, CLOSE_ASKED, NULL, engine->now);
}

#define OPERATIONS(row) \
    ENGINE_OPERATIONS(row) \
    row(peer_join, "of") row(peer_resume, "bf") row(accept_stream, "b") \
        row(close_session, "") row(engine_send_datagram, "bbb") \
            row(engine_close_flow, "b")

static engine_operation *const operations[] = {OPERATIONS(ENGINE_RUN)};
static const char *const layouts[] = {OPERATIONS(ENGINE_LAYOUT)};
const struct layouts layouts_of_script = {layouts, ARRAY_LENGTH(layouts), .wraps = true};
const size_t layouts_script_skip = 0;

static void start(struct relay *relay)
{
    uint8_t secret[KEY_SIZE] = {5};
    struct admission_config config = {.pages = &relay->engine.pages,
                                      .server_id = 1,
                                      .workers = 1,
                                      .linger_ns = 60 * NS_PER_S,
                                      .half_open_max = 4,
                                      .unauthenticated_max = 16,
                                      .clients = &relay->limits,
                                      .client_count = 1};
    int error = key_pair_init(&relay->relay_key, secret);

    client_pools_init(&relay->pools);
    client_account_init(&relay->account, &relay->pools);
    secret[0] = 6;
    if (error == OK)
        error = key_pair_init(&relay->local_key, secret);
    assert(error == OK);
    relay->limits = (struct admission_client){
        .max_streams = 16, .max_flows = 4, .max_sessions = 1, .account = &relay->account};
    relay->clients = client_table_new();
    error = client_table_add(relay->clients, relay->local_key.public_key);
    assert(error == 0);
    relay->door = door_new(&(struct door_config){
        .relay = &relay->relay_key, .clients = relay->clients, .server_id = 1});
    config.door = relay->door;
    relay->admission = admission_new(&config);
    assert(relay->admission != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct relay relay;

    relay = (struct relay){0};
    engine_init(&relay.engine, &role, data, size);
    relay.engine.context = &relay;
    start(&relay);
    greet(&relay, 0);
    if (relay.engine.session != NULL)
        engine_work(&relay.engine);
    engine_run(&relay.engine, operations, ARRAY_LENGTH(operations));
    admission_free(relay.admission);
    door_free(relay.door);
    client_table_free(relay.clients);
    engine_deinit(&relay.engine);
    return 0;
}
