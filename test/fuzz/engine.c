/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint8_t scratch[PRODUCE_MAX];

void engine_init(struct engine *engine, const struct engine_role *role,
                 const uint8_t *script, size_t length)
{
    memset(engine, 0, sizeof(*engine));
    wire_reader_init(&engine->script, script, length);
    engine->now = NS_PER_S;
    engine->role = role;
    page_pool_init(&engine->pages, 4096, 16);
}

void engine_deinit(struct engine *engine)
{
    for (size_t i = 0; i < ENGINE_SUBFLOWS; i++)
        engine_forget(&engine->subflows[i]);
    session_keys_deinit(&engine->keys);
    assert(engine->pages.used == 0);
    page_pool_deinit(&engine->pages);
}

const uint8_t *engine_bytes(struct engine *engine, size_t *length)
{
    size_t wanted = wire_read_u8(&engine->script);

    *length = MIN(wanted, wire_remaining(&engine->script));
    return *length > 0 ? wire_read_bytes(&engine->script, *length) : scratch;
}

struct engine_subflow *engine_attach(struct engine *engine, struct subflow *subflow)
{
    for (size_t i = 0; i < ENGINE_SUBFLOWS; i++) {
        struct engine_subflow *place = &engine->subflows[i];

        if (place->subflow == NULL) {
            *place = (struct engine_subflow){.subflow = subflow};
            subflow_set_user(subflow, place);
            return place;
        }
    }
    return NULL;
}

void engine_forget(struct engine_subflow *subflow)
{
    seal_deinit(&subflow->seal);
    if (subflow->waits_answer)
        noise_deinit(&subflow->noise);
    *subflow = (struct engine_subflow){0};
}

void engine_key(struct engine *engine, struct engine_subflow *subflow, uint64_t number)
{
    int error;

    seal_deinit(&subflow->seal);
    error = session_keys_seal(&engine->keys, engine->role->peer_direction, number, true,
                              &subflow->seal);
    assert(error == OK);
}

size_t engine_seal(struct engine_subflow *subflow, uint8_t *out, const uint8_t *header,
                   size_t header_length, const uint8_t *frames, size_t length)
{
    size_t sealed = length + SEAL_TAG_SIZE;
    uint8_t *body = out + header_length + 2;
    int error;

    if (header_length > 0)
        memcpy(out, header, header_length);
    body[-2] = (uint8_t)(sealed >> 8);
    body[-1] = (uint8_t)sealed;
    error = seal_begin(&subflow->seal, out, header_length + 2);
    if (error == OK)
        error = seal_update(&subflow->seal, body, frames, length);
    if (error == OK)
        error = seal_finish(&subflow->seal, body + length);
    assert(error == OK);
    return header_length + 2 + sealed;
}

/* ---- events ---- */

static void add_stream(struct engine *engine, struct stream *stream)
{
    for (size_t i = 0; i < ENGINE_STREAMS; i++)
        if (engine->streams[i].stream == NULL) {
            engine->streams[i] = (struct engine_stream){.stream = stream};
            stream_set_user(stream, &engine->streams[i]);
            return;
        }
    session_stream_reset(engine->session, stream, RESET_LIMIT, engine->now);
    session_stream_release(engine->session, stream, engine->now);
}

static void release(struct engine *engine, struct engine_stream *place)
{
    session_stream_release(engine->session, place->stream, engine->now);
    *place = (struct engine_stream){0};
}

/* The streams and subflows of a session that has ended are gone with it. */
static void forget_all(struct engine *engine)
{
    for (size_t i = 0; i < ENGINE_SUBFLOWS; i++)
        engine_forget(&engine->subflows[i]);
    memset(engine->streams, 0, sizeof(engine->streams));
    memset(engine->flows, 0, sizeof(engine->flows));
}

static struct flow **place_of_flow(struct engine *engine, const struct flow *flow)
{
    for (size_t i = 0; i < ENGINE_FLOWS; i++)
        if (engine->flows[i] == flow)
            return &engine->flows[i];
    return NULL;
}

static void add_flow(struct engine *engine, struct flow *flow)
{
    struct flow **place = place_of_flow(engine, NULL);

    if (place != NULL)
        *place = flow;
    else
        session_flow_close(engine->session, flow, FLOW_CLOSE_LIMIT, engine->now);
}

/* A copy touches each byte, for the sanitizers. */
static void receive_datagrams(struct engine *engine, struct flow *flow)
{
    struct flow_datagram datagram;

    while (session_flow_receive(engine->session, flow, &datagram, engine->now)) {
        assert(datagram.length <= FLOW_DATAGRAM_MAX);
        memcpy(scratch, datagram.bytes, datagram.length);
    }
}

static void forget_flow(struct engine *engine, const struct flow *flow)
{
    struct flow **place = place_of_flow(engine, flow);

    if (place != NULL)
        *place = NULL;
}

static void drain_events(struct engine *engine)
{
    struct session_event event;

    while (engine->session != NULL && session_next_event(engine->session, &event)) {
        switch (event.type) {
        case SESSION_DIAL: engine->role->dial(engine, &event); break;
        case SESSION_CLOSE_SUBFLOW: engine_forget(subflow_user(event.subflow)); break;
        case SESSION_STREAM_INCOMING: add_stream(engine, event.stream); break;
        case SESSION_FLOW_INCOMING: add_flow(engine, event.flow); break;
        case SESSION_FLOW_READABLE: receive_datagrams(engine, event.flow); break;
        case SESSION_FLOW_CLOSED: forget_flow(engine, event.flow); break;
        case SESSION_STREAM_RESET: release(engine, stream_user(event.stream)); break;
        case SESSION_ENDED:
            forget_all(engine);
            engine->role->ended(engine);
            assert(engine->session == NULL);
            break;
        default: break;
        }
    }
}

static void measure(struct engine *engine)
{
    struct subflow *subflow;

    while ((subflow = session_next_unmeasured(engine->session, engine->now)) != NULL)
        session_subflow_measured(
            engine->session, subflow,
            &(struct subflow_measure){.srtt_ns = 20 * NS_PER_MS, .rate = 1000000},
            engine->now);
}

static void produce(struct engine *engine)
{
    struct subflow *subflow;

    while (engine->session != NULL &&
           (subflow = session_next_sender(engine->session, engine->now)) != NULL) {
        struct engine_subflow *place = subflow_user(subflow);
        size_t length = session_produce(engine->session, subflow, scratch, sizeof(scratch),
                                        engine->now);

        assert(length <= sizeof(scratch));
        place->produced += length;
        engine->role->produced(engine, place, scratch, length);
    }
}

void engine_work(struct engine *engine)
{
    drain_events(engine);
    if (engine->session != NULL)
        measure(engine);
    produce(engine);
    drain_events(engine);
}

void engine_run(struct engine *engine, engine_operation *const operations[], size_t count)
{
    for (unsigned i = 0; i < ENGINE_OPERATIONS_MAX; i++) {
        if (wire_remaining(&engine->script) == 0 || engine->session == NULL)
            return;
        operations[wire_read_u8(&engine->script) % count](engine);
        engine_work(engine);
    }
}

static uint8_t *copy_of(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length);

    assert(copy != NULL || length == 0);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

/* Each call gets a block of exactly the length, so that a sanitizer sees each access beyond
 * it, and to bytes of an earlier call. The subflow may end meanwhile, and local may dial
 * the next one in its place. */
void engine_deliver(struct engine *engine, struct engine_subflow *subflow,
                    const uint8_t *bytes, size_t length)
{
    enum session_received state = SESSION_RECEIVED_PART;
    uint8_t *left = copy_of(bytes, length);

    while (state == SESSION_RECEIVED_PART && engine->session != NULL &&
           subflow->subflow != NULL && !subflow->dialling) {
        uint8_t *received = left;
        size_t used = session_receive(engine->session, subflow->subflow, received, length,
                                      &state, engine->now);

        assert(state != SESSION_RECEIVED_ALL || used == length);
        length -= used;
        left = copy_of(received + used, length);
        drain_events(engine);
        if (engine->session != NULL)
            session_settle(engine->session, engine->now);
        free(received);
    }
    free(left);
}

/* ---- operations ---- */

/* The subflow that the next byte of the script means, of those on which the peer can send;
 * NULL when there is none. */
static struct engine_subflow *choose_subflow(struct engine *engine)
{
    unsigned first = wire_read_u8(&engine->script);

    for (unsigned i = 0; i < ENGINE_SUBFLOWS; i++) {
        struct engine_subflow *place = &engine->subflows[(first + i) % ENGINE_SUBFLOWS];

        if (place->subflow != NULL && place->seal.context != NULL)
            return place;
    }
    return NULL;
}

static struct engine_stream *choose_stream(struct engine *engine)
{
    unsigned first = wire_read_u8(&engine->script);

    for (unsigned i = 0; i < ENGINE_STREAMS; i++) {
        struct engine_stream *place = &engine->streams[(first + i) % ENGINE_STREAMS];

        if (place->stream != NULL)
            return place;
    }
    return NULL;
}

void engine_peer_chunk(struct engine *engine)
{
    struct engine_subflow *subflow = choose_subflow(engine);
    uint8_t chunk[512];
    size_t length;
    const uint8_t *frames = engine_bytes(engine, &length);

    if (subflow != NULL)
        engine_deliver(engine, subflow, chunk,
                       engine_seal(subflow, chunk, NULL, 0, frames, length));
}

void engine_peer_garbage(struct engine *engine)
{
    struct engine_subflow *subflow = choose_subflow(engine);
    uint8_t chunk[512];
    size_t length;
    const uint8_t *frames = engine_bytes(engine, &length);

    if (subflow == NULL)
        return;
    length = engine_seal(subflow, chunk, NULL, 0, frames, length);
    chunk[length - 1] ^= 1;
    engine_deliver(engine, subflow, chunk, length);
}

void engine_peer_down(struct engine *engine)
{
    static const enum subflow_end ends[] = {SUBFLOW_EOF, SUBFLOW_RESET, SUBFLOW_FAILED};
    struct engine_subflow *place = choose_subflow(engine);
    enum subflow_end end = ends[wire_read_u8(&engine->script) % ARRAY_LENGTH(ends)];

    if (place == NULL)
        return;
    session_subflow_down(engine->session, place->subflow, end, engine->now);
    engine_forget(place);
}

/* From a microsecond to half a minute. */
void engine_time(struct engine *engine)
{
    uint8_t exponent = wire_read_u8(&engine->script) % 26;

    engine->now += (uint64_t)1000 << exponent;
    if (session_next_timeout(engine->session) <= engine->now)
        session_tick(engine->session, engine->now);
}

void engine_write(struct engine *engine)
{
    struct engine_stream *place = choose_stream(engine);
    size_t length = (size_t)wire_read_u8(&engine->script) * 256;

    if (place != NULL && place->accepted && !place->finished)
        assert(session_stream_write(engine->session, place->stream, scratch, length,
                                    engine->now) <= length);
}

void engine_consume(struct engine *engine)
{
    struct engine_stream *place = choose_stream(engine);
    size_t wanted = (size_t)wire_read_u8(&engine->script) * 16;
    struct iovec parts[4];
    bool finished;
    size_t there = 0;
    size_t count;

    if (place == NULL)
        return;
    count = session_stream_peek(engine->session, place->stream, parts, ARRAY_LENGTH(parts),
                                &finished);
    assert(count <= ARRAY_LENGTH(parts));
    for (size_t i = 0; i < count; i++)
        there += parts[i].iov_len;
    if (MIN(there, wanted) > 0)
        session_stream_consume(engine->session, place->stream, MIN(there, wanted),
                               engine->now);
}

void engine_finish(struct engine *engine)
{
    struct engine_stream *place = choose_stream(engine);

    if (place == NULL || !place->accepted || place->finished)
        return;
    place->finished = true;
    session_stream_finish(engine->session, place->stream, engine->now);
}

void engine_reset(struct engine *engine)
{
    struct engine_stream *place = choose_stream(engine);
    enum reset_code code = wire_read_u8(&engine->script) % (RESET_HALF_CLOSED + 1);

    if (place == NULL)
        return;
    session_stream_reset(engine->session, place->stream, code, engine->now);
    release(engine, place);
}

void engine_release(struct engine *engine)
{
    struct engine_stream *place = choose_stream(engine);

    if (place != NULL)
        release(engine, place);
}

static struct flow **choose_flow(struct engine *engine)
{
    unsigned first = wire_read_u8(&engine->script);

    for (unsigned i = 0; i < ENGINE_FLOWS; i++) {
        struct flow **place = &engine->flows[(first + i) % ENGINE_FLOWS];

        if (*place != NULL)
            return place;
    }
    return NULL;
}

/* To one of a few peers, which are addresses and names in turn. */
void engine_send_datagram(struct engine *engine)
{
    struct flow **place = choose_flow(engine);
    uint8_t choice = wire_read_u8(&engine->script);
    size_t length = (size_t)wire_read_u8(&engine->script) * 64;
    struct target peer = {.port = (uint16_t)(choice + 1), .name = "example.org"};

    if (choice & 1)
        peer = (struct target){.port = 53,
                               .address_count = 1,
                               .addresses[0] = {.family = ADDRESS_IPV4,
                                                .bytes = {192, 0, 2, choice},
                                                .port = 53}};
    if (place != NULL)
        session_flow_send(engine->session, *place, &peer, scratch, length, engine->now);
}

void engine_close_flow(struct engine *engine)
{
    struct flow **place = choose_flow(engine);

    if (place == NULL)
        return;
    session_flow_close(engine->session, *place, FLOW_CLOSE_ENDED, engine->now);
    *place = NULL;
}
