/* SPDX-License-Identifier: MIT */
/*
 * Local's engine, from its first dial on, against a relay of its own that keeps no rule.
 * The first byte of the input chooses the configuration; the script's operations are those
 * of engine.h and: the outcome of a dial, an answer to a HELLO, opening a stream with some
 * policy, another wish of a path.
 */
#include "engine.h"
#include "layout.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct local {
    struct engine engine;
    struct key_pair relay_key;
    uint64_t budget_up;
    unsigned path_count;
};

/* The pool is smaller than the room for subflows. */
static void note_dial(struct engine *engine, const struct session_event *event)
{
    const struct local *local = engine->context;
    struct engine_subflow *place = engine_attach(engine, event->subflow);

    assert(place != NULL && event->path < local->path_count && event->port < 2);
    place->dialling = true;
    place->hello = event->hello;
}

/* A HELLO waits for its answer; a JOIN's number keys the other direction. */
static void read_greeting(struct engine *engine, struct engine_subflow *place,
                          const uint8_t *bytes, size_t length)
{
    static const uint8_t ephemeral[KEY_SIZE] = {4};
    struct local *local = engine->context;
    struct hello_header header;
    struct hello_offer offer;
    struct wire_reader r;
    struct join join;
    int error;

    wire_reader_init(&r, bytes, length);
    if (place->hello) {
        error = hello_read_header(&r, &header);
        assert(error == OK && wire_remaining(&r) == 0);
        error = hello_open(&place->noise, &header, &local->relay_key, ephemeral, &offer);
        assert(error == OK);
        place->waits_answer = true;
        return;
    }
    error = join_read(&r, &join);
    assert(error == OK);
    if (join.session_id == engine->session_id)
        engine_key(engine, place, join.number);
}

static void take_produced(struct engine *engine, struct engine_subflow *place,
                          const uint8_t *bytes, size_t length)
{
    const struct local *local = engine->context;

    assert(!place->dialling && place->produced <= local->budget_up);
    if (length == 0 || place->greeted)
        return;
    place->greeted = true;
    read_greeting(engine, place, bytes, length);
}

static void end_session(struct engine *engine)
{
    session_free(engine->session);
    engine->session = NULL;
}

static const struct engine_role role = {
    .peer_direction = DIRECTION_DOWN,
    .dial = note_dial,
    .produced = take_produced,
    .ended = end_session,
};

/* The first place, from `first` on, that waits for something; NULL when none does. */
static struct engine_subflow *find_place(struct engine *engine, unsigned first,
                                         bool dialling)
{
    for (unsigned i = 0; i < ENGINE_SUBFLOWS; i++) {
        struct engine_subflow *place = &engine->subflows[(first + i) % ENGINE_SUBFLOWS];

        if (dialling ? place->dialling : place->waits_answer)
            return place;
    }
    return NULL;
}

static void connect_place(struct engine *engine, struct engine_subflow *place)
{
    static struct session_fresh fresh = {.ephemeral = {2}};

    fresh.stamp = engine->now;
    place->dialling = false;
    session_subflow_up(engine->session, place->subflow, &fresh, engine->now);
}

static void answer_place(struct engine *engine, struct engine_subflow *place,
                         const struct hello_answer *answer)
{
    struct session_keys keys;
    struct wire_writer w;
    uint8_t bytes[ANSWER_MAX];
    int error;

    wire_writer_init(&w, bytes, sizeof(bytes));
    error = hello_write_answer(&place->noise, &w, answer, &keys);
    assert(error == OK);
    noise_deinit(&place->noise);
    place->waits_answer = false;
    session_keys_deinit(&engine->keys);
    engine->keys = keys;
    engine->session_id = answer->session_id;
    engine_key(engine, place, 0);
    engine_deliver(engine, place, bytes, wire_length(&w));
}

/* ---- operations ---- */

static void dial_up(struct engine *engine)
{
    struct engine_subflow *place = find_place(engine, wire_read_u8(&engine->script), true);

    if (place != NULL)
        connect_place(engine, place);
}

static void dial_fails(struct engine *engine)
{
    unsigned choice = wire_read_u8(&engine->script);
    struct engine_subflow *place = find_place(engine, choice >> 1, true);

    if (place == NULL)
        return;
    session_subflow_down(engine->session, place->subflow,
                         choice & 1 ? SUBFLOW_REFUSED : SUBFLOW_UNREACHABLE, engine->now);
    engine_forget(place);
}

static void peer_answer(struct engine *engine)
{
    struct engine_subflow *place = find_place(engine, wire_read_u8(&engine->script), false);
    struct hello_answer answer = {
        .minor = wire_read_u8(&engine->script),
        .cipher = wire_read_u8(&engine->script) % 2 + CIPHER_CHACHA20_POLY1305,
        .resume = wire_read_u8(&engine->script) % 4,
        .features = WIRE_FEATURES,
        .session_id = UINT64_C(1) << 56 | wire_read_u8(&engine->script),
        .linger_s = wire_read_u8(&engine->script),
        .stream_window = wire_read_varint(&engine->script),
        .session_window = wire_read_varint(&engine->script),
        .stream_limit = wire_read_varint(&engine->script),
    };

    if (place != NULL)
        answer_place(engine, place, &answer);
}

static void open_stream(struct engine *engine)
{
    const struct target target = {.port = 443, .name = "example.org"};
    unsigned first = wire_read_u8(&engine->script);
    struct engine_stream *place = &engine->streams[first % ENGINE_STREAMS];
    /* All zero where the script has ended: the default. */
    const struct stream_policy policy = {.mode =
                                             wire_read_u8(&engine->script) % STREAM_MODES,
                                         .copies = wire_read_u8(&engine->script) % 4,
                                         .paths = wire_read_u8(&engine->script) % 8};

    if (place->stream != NULL)
        return;
    place->stream = session_stream_open(engine->session, &target, &policy, engine->now);
    assert(place->stream != NULL);
    place->accepted = true;
    place->finished = false;
    stream_set_user(place->stream, place);
}

static void open_flow(struct engine *engine)
{
    const struct flow_policy policy = {.mode = wire_read_u8(&engine->script) % FLOW_MODES,
                                       .copies = wire_read_u8(&engine->script) % 4,
                                       .paths = wire_read_u8(&engine->script) % 8,
                                       .max_age_ns =
                                           wire_read_u8(&engine->script) * 10 * NS_PER_MS};

    for (size_t i = 0; i < ENGINE_FLOWS; i++) {
        if (engine->flows[i] != NULL)
            continue;
        engine->flows[i] = session_flow_open(engine->session, &policy, engine->now);
        return;
    }
}

static void set_path(struct engine *engine)
{
    const struct local *local = engine->context;
    unsigned index = wire_read_u8(&engine->script) % local->path_count;
    unsigned flags = wire_read_u8(&engine->script);
    const struct path_properties properties = {.usable = flags & 1,
                                               .backup = flags & 2,
                                               .cost = (uint16_t)(flags >> 2 & 3),
                                               .modes = (uint8_t)(flags >> 4 & 7),
                                               .rate_up = wire_read_varint(&engine->script),
                                               .rate_down =
                                                   wire_read_varint(&engine->script)};

    session_set_path(engine->session, index, &properties, engine->now);
}

static void close_session(struct engine *engine)
{
    session_close(engine->session, CLOSE_ASKED, NULL, engine->now);
}

#define OPERATIONS(row) \
    ENGINE_OPERATIONS(row) \
    row(dial_up, "b") row(dial_fails, "b") row(peer_answer, "bbbbbbvvv") \
        row(open_stream, "bbbb") row(close_session, "") row(set_path, "bbvv") \
            row(engine_send_datagram, "bbb") row(engine_close_flow, "b") \
                row(open_flow, "bbbb")

static engine_operation *const operations[] = {OPERATIONS(ENGINE_RUN)};
static const char *const layouts[] = {OPERATIONS(ENGINE_LAYOUT)};
const struct layouts layouts_of_script = {layouts, ARRAY_LENGTH(layouts), .wraps = true};
const size_t layouts_script_skip = 1; /* the choice of the configuration */

static void start(struct local *local, uint8_t choice)
{
    static const uint64_t budgets[] = {SESSION_UNLIMITED, 256, 1000, 65536};
    struct engine *engine = &local->engine;
    struct session_config config = {.role = SESSION_LOCAL,
                                    .pages = &engine->pages,
                                    .chunk_size = choice & 4 ? CHUNK_SIZE_MAX : 1000,
                                    .linger_ns = 60 * NS_PER_S,
                                    .pool_size = 4,
                                    .pool_idle = choice & 8 ? 2 : 0,
                                    .pool_burst = 8,
                                    .dials_per_second = choice & 16 ? 5 : 0,
                                    .budget_up = budgets[choice % 4],
                                    .budget_down = budgets[choice % 4],
                                    .path_count = choice & 64 ? 3 : 1,
                                    .rate_up = choice & 64 ? 100000 : 0,
                                    .rate_down = choice & 64 ? 200000 : 0,
                                    .port_count = choice & 32 ? 2 : 1,
                                    .private_key = {6},
                                    .seed = 1};
    uint8_t secret[KEY_SIZE] = {5};
    int error = key_pair_init(&local->relay_key, secret);

    assert(error == OK);
    memcpy(config.relay_public_key, local->relay_key.public_key, KEY_SIZE);
    local->budget_up = config.budget_up;
    local->path_count = config.path_count;
    engine->session = session_new(&config, engine->now);
    assert(engine->session != NULL);
}

/* A session that is up and has a stream, so that scripts need not find the way there. */
static void greet(struct engine *engine)
{
    const struct hello_answer answer = {.cipher = CIPHER_CHACHA20_POLY1305,
                                        .features = WIRE_FEATURES,
                                        .session_id = UINT64_C(1) << 56 | 1,
                                        .linger_s = 60,
                                        .stream_window = 65536,
                                        .session_window = 1 << 20,
                                        .stream_limit = 100};
    struct engine_subflow *place;

    open_stream(engine);
    session_tick(engine->session, engine->now);
    engine_work(engine);
    place = find_place(engine, 0, true);
    assert(place != NULL && place->hello);
    connect_place(engine, place);
    engine_work(engine);
    assert(place->waits_answer);
    answer_place(engine, place, &answer);
    engine_work(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct local local;

    if (size == 0)
        return 0;
    local = (struct local){0};
    engine_init(&local.engine, &role, data + 1, size - 1);
    local.engine.context = &local;
    start(&local, data[0]);
    if (data[0] < 128)
        greet(&local.engine);
    engine_run(&local.engine, operations, ARRAY_LENGTH(operations));
    session_free(local.engine.session);
    engine_deinit(&local.engine);
    return 0;
}
