/* SPDX-License-Identifier: MIT */
#include "session_pair.h"

#include <limits.h>
#include <stdio.h>

struct session_config pair_config(void)
{
    return (struct session_config){.role = SESSION_LOCAL,
                                   .chunk_size = 16384,
                                   .linger_ns = 120 * NS_PER_S,
                                   .pool_size = 8,
                                   .pool_idle = 2,
                                   .pool_burst = 8,
                                   .budget_up = 1 << 20,
                                   .budget_down = 1 << 20,
                                   .path_count = 1,
                                   .port_count = 1,
                                   .seed = 7};
}

static void start_relay(struct pair *pair)
{
    struct door_config door = {.relay = &pair->relay_key,
                               .clients = pair->clients,
                               .server_id = 1,
                               .silence_random = 1,
                               .hash_seed = 1};
    struct admission_config admission = {.pages = &pair->relay_pages,
                                         .server_id = 1,
                                         .workers = 1,
                                         .linger_ns = 120 * NS_PER_S,
                                         .half_open_max = 16,
                                         .unauthenticated_max = 1024,
                                         .clients = &pair->limits,
                                         .client_count = 1};

    pair->door = door_new(&door);
    assert_non_null(pair->door);
    admission.door = pair->door;
    pair->admission = admission_new(&admission);
    assert_non_null(pair->admission);
}

static void start_local(struct pair *pair, const struct session_config *config)
{
    struct session_config local = *config;

    memset(local.private_key, 3, sizeof(local.private_key));
    memcpy(local.relay_public_key, pair->relay_key.public_key,
           sizeof(local.relay_public_key));
    local.pages = &pair->local_pages;
    pair->local = session_new(&local, pair->now);
    assert_non_null(pair->local);
}

struct pair *pair_new(const struct session_config *config)
{
    return pair_new_beside(config, NULL);
}

struct pair *pair_new_beside(const struct session_config *config, struct pair *other)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    uint8_t secret[32];

    assert_non_null(pair);
    pair->now = NS_PER_S;
    pair->delay_ns = 10 * NS_PER_MS;
    pair->accept = true;
    pair->limits = (struct admission_client){
        .max_streams = 256, .max_flows = 16, .max_sessions = 4, .account = &pair->account};
    page_pool_init(&pair->local_pages, 65536, 64);
    page_pool_init(&pair->relay_pages, 65536, 64);
    client_pools_init(&pair->own_pools);
    client_account_init(&pair->account,
                        other == NULL ? &pair->own_pools : &other->own_pools);
    memset(secret, 3, sizeof(secret));
    assert_int_equal(key_pair_init(&pair->local_key, secret), OK);
    memset(secret, 5, sizeof(secret));
    assert_int_equal(key_pair_init(&pair->relay_key, secret), OK);
    pair->clients = client_table_new();
    assert_int_equal(client_table_add(pair->clients, pair->local_key.public_key), 0);
    start_relay(pair);
    start_local(pair, config);
    return pair;
}

static void free_pipe(struct pair_pipe *pipe)
{
    while (pipe->first != NULL) {
        struct pair_batch *batch = pipe->first;

        pipe->first = batch->next;
        free(batch);
    }
    free(pipe->pending);
    *pipe = (struct pair_pipe){.total = pipe->total};
}

/* Both ends forget it. */
static void drop(struct pair *pair, struct pair_connection *c)
{
    if (c->open || c->dialling)
        pair->open--;
    c->open = c->dialling = false;
    arrival_free(pair->admission, c->arrival);
    c->arrival = NULL;
    free_pipe(&c->up);
    free_pipe(&c->down);
}

static void stop_relay(struct pair *pair)
{
    for (unsigned i = 0; i < pair->connection_count; i++) {
        struct pair_connection *c = &pair->connections[i];

        arrival_free(pair->admission, c->arrival);
        c->arrival = NULL;
        c->relay = NULL;
        c->relay_session = NULL;
    }
    admission_free(pair->admission);
    door_free(pair->door);
    pair->relay = NULL;
    pair->incoming_count = 0;
}

void pair_free(struct pair *pair)
{
    for (unsigned i = 0; i < pair->connection_count; i++)
        drop(pair, &pair->connections[i]);
    session_free(pair->local);
    stop_relay(pair);
    client_table_free(pair->clients);
    assert_int_equal(pair->local_pages.used, 0);
    assert_int_equal(pair->relay_pages.used, 0);
    assert_int_equal(pair->own_pools.records.used, 0);
    assert_int_equal(pair->own_pools.subflows.used, 0);
    page_pool_deinit(&pair->local_pages);
    page_pool_deinit(&pair->relay_pages);
    free(pair);
}

static void append(struct pair *pair, struct pair_pipe *pipe, const uint8_t *bytes,
                   size_t length)
{
    struct pair_batch *batch = malloc(sizeof(*batch) + length);

    assert_non_null(batch);
    *batch =
        (struct pair_batch){.arrives_at_ns = pair->now + pair->delay_ns, .length = length};
    memcpy(batch->bytes, bytes, length);
    if (pipe->first == NULL)
        pipe->first = batch;
    else
        pipe->last->next = batch;
    pipe->last = batch;
    pipe->total += length;
}

static void relay_events(struct pair *pair, struct session *session);

static void flow_event(struct pair *pair, const struct session_event *event)
{
    if (event->type == SESSION_FLOW_INCOMING)
        pair->incoming_flows[pair->incoming_flow_count++] = event->flow;
    if (event->type == SESSION_FLOW_READABLE)
        pair->flow_readable_count++;
    if (event->type == SESSION_FLOW_CLOSED) {
        pair->flow_closed_count++;
        pair->flow_code = event->flow_code;
    }
}

/* A reset that is lost is not sent again, and neither is data that was before it. */
static void reset_by_local(struct pair *pair, struct pair_connection *c)
{
    bool lost = pair->blackhole >> c->path & 1;

    c->local = NULL;
    c->reset = !lost;
    c->reset_at_ns = pair->now + pair->delay_ns;
    pair->open--;
    c->open = c->dialling = false;
    free_pipe(&c->down);
    if (lost)
        free_pipe(&c->up);
}

static void local_events(struct pair *pair)
{
    struct session_event event;

    while (session_next_event(pair->local, &event)) {
        struct pair_connection *c;

        switch (event.type) {
        case SESSION_DIAL:
            assert_true(pair->connection_count < PAIR_CONNECTIONS);
            c = &pair->connections[pair->connection_count++];
            *c = (struct pair_connection){.dialling = true,
                                          .local = event.subflow,
                                          .hello = event.hello,
                                          .path = event.path,
                                          .ready_at_ns = pair->now + 2 * pair->delay_ns};
            subflow_set_user(event.subflow, c);
            if (++pair->open > pair->open_max)
                pair->open_max = pair->open;
            break;
        case SESSION_CLOSE_SUBFLOW:
            reset_by_local(pair, subflow_user(event.subflow));
            break;
        case SESSION_STREAM_OPENED: pair->opened_count++; break;
        case SESSION_STREAM_RESET:
            pair->resets[pair->reset_count].stream = event.stream;
            pair->resets[pair->reset_count++].code = event.code;
            break;
        case SESSION_UP:
            pair->up_count++;
            pair->resumed_count += event.resumed;
            break;
        case SESSION_LOST: pair->lost_count++; break;
        case SESSION_SHED:
            pair->shed_count++;
            pair->shed = event.shed;
            break;
        case SESSION_PATH_UP: pair->path_up_count++; break;
        case SESSION_PATH_PACKETS: break;
        case SESSION_LIMIT:
            pair->limit_count++;
            pair->limit = event.limit;
            break;
        case SESSION_PATH_DOWN:
            pair->path_down_count++;
            pair->path_reason = event.path_reason;
            break;
        case SESSION_ENDED:
            pair->ended = event.error;
            pair->ended_code = event.close;
            snprintf(pair->ended_reason, sizeof(pair->ended_reason), "%s", event.reason);
            break;
        default: flow_event(pair, &event); break;
        }
    }
}

static void relay_events(struct pair *pair, struct session *session)
{
    struct session_event event;

    while (session_next_event(session, &event)) {
        switch (event.type) {
        case SESSION_STREAM_INCOMING:
            pair->incoming[pair->incoming_count++] = event.stream;
            if (pair->accept)
                session_stream_accept(session, event.stream, pair->now);
            break;
        case SESSION_CLOSE_SUBFLOW: {
            struct pair_connection *c = subflow_user(event.subflow);

            c->relay = NULL;
            if (c->local != NULL && c->open) {
                struct subflow *local = c->local;

                c->local = NULL;
                pair->open--;
                c->open = false;
                session_subflow_down(pair->local, local, SUBFLOW_RESET, pair->now);
            }
            break;
        }
        case SESSION_STREAM_RESET:
            session_stream_release(session, event.stream, pair->now);
            for (unsigned i = 0; i < pair->incoming_count; i++)
                if (pair->incoming[i] == event.stream)
                    pair->incoming[i] = NULL;
            break;
        case SESSION_ENDED:
            admission_drop(pair->admission, session);
            if (pair->relay == session)
                pair->relay = NULL;
            return;
        default: flow_event(pair, &event); break;
        }
    }
}

static void arrive(struct pair *pair, struct pair_connection *c, const uint8_t *bytes,
                   size_t length);

/* Bytes for a subflow whose engine end is `subflow`. */
static void deliver(struct pair *pair, struct session *session, struct subflow *subflow,
                    struct pair_pipe *pipe, const uint8_t *bytes, size_t length)
{
    size_t total = pipe->pending_length + length, used = 0;
    uint8_t *buffer = malloc(total + 1);
    enum session_received received;

    assert_non_null(buffer);
    if (pipe->pending_length > 0)
        memcpy(buffer, pipe->pending, pipe->pending_length);
    if (length > 0)
        memcpy(buffer + pipe->pending_length, bytes, length);
    do {
        used += session_receive(session, subflow, buffer + used, total - used, &received,
                                pair->now);
    } while (received == SESSION_RECEIVED_PART);
    session_settle(session, pair->now);
    free(pipe->pending);
    pipe->pending = NULL;
    pipe->pending_length = 0;
    if (received != SESSION_RECEIVED_CLOSED && used < total) {
        pipe->pending = malloc(total - used);
        assert_non_null(pipe->pending);
        memcpy(pipe->pending, buffer + used, total - used);
        pipe->pending_length = total - used;
    }
    free(buffer);
}

static void arrive(struct pair *pair, struct pair_connection *c, const uint8_t *bytes,
                   size_t length)
{
    static uint8_t random[64];
    struct arrival_result result = {.verdict = ARRIVAL_MORE};
    uint8_t rest[ARRIVAL_BUFFER_SIZE];

    while (length > 0 && c->relay == NULL) {
        size_t room;
        uint8_t *buffer = arrival_buffer(c->arrival, &room);

        if (room > length)
            room = length;
        memcpy(buffer, bytes, room);
        bytes += room;
        length -= room;
        for (size_t i = 0; i < sizeof(random); i++)
            random[i] = (uint8_t)(random[i] * 5 + i + 1);
        result = admission_receive(pair->admission, c->arrival, room, random, pair->now);
        if (result.verdict == ARRIVAL_ANSWER)
            append(pair, &c->down, result.answer, result.answer_length);
        if (result.verdict == ARRIVAL_SILENT)
            return;
        if (result.verdict != ARRIVAL_ATTACHED)
            continue;
        c->relay = result.subflow;
        c->relay_session = pair->relay = result.session;
        subflow_set_user(result.subflow, c);
        memcpy(rest, result.rest, result.rest_length);
        arrival_free(pair->admission, c->arrival);
        c->arrival = NULL;
        if (result.rest_length > 0)
            deliver(pair, c->relay_session, c->relay, &c->up, rest, result.rest_length);
    }
    if (length > 0 && c->relay != NULL)
        deliver(pair, c->relay_session, c->relay, &c->up, bytes, length);
}

static struct pair_batch *take_batch(struct pair *pair, struct pair_pipe *pipe)
{
    struct pair_batch *batch = pipe->first;

    if (batch == NULL || batch->arrives_at_ns > pair->now)
        return NULL;
    pipe->first = batch->next;
    return batch;
}

static void connection_up(struct pair *pair, struct pair_connection *c)
{
    struct session_fresh fresh = {.stamp = pair->now, .clock_ns = pair->now};
    struct address peer = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};

    c->dialling = false;
    if (pair->refuse >> c->path & 1) {
        struct subflow *local = c->local;

        pair->open--;
        c->local = NULL;
        session_subflow_down(pair->local, local, SUBFLOW_REFUSED, pair->now);
        return;
    }
    c->open = true;
    c->strange = pair->strange >> c->path & 1;
    for (size_t i = 0; i < sizeof(fresh.ephemeral); i++)
        fresh.ephemeral[i] = (uint8_t)(pair->connection_count * 13 + i);
    c->arrival = arrival_new(pair->admission, &peer, pair->now);
    assert_non_null(c->arrival);
    session_subflow_up(pair->local, c->local, &fresh, pair->now);
}

/* Lets the stranger react to the bytes that came. */
static void step_stranger(struct pair *pair, struct pair_connection *c)
{
    static const uint8_t other[300] = "HTTP/1.1 400 Bad Request";
    static const uint8_t beginning[] = {0x20, 0x00, 'x'};
    struct pair_batch *batch = take_batch(pair, &c->up);
    struct subflow *local = c->local;

    if (batch == NULL || !c->open)
        return;
    free(batch);
    switch (pair->stranger) {
    case STRANGER_CLOSES:
    case STRANGER_RESETS:
        c->local = NULL;
        drop(pair, c);
        session_subflow_down(
            pair->local, local,
            pair->stranger == STRANGER_CLOSES ? SUBFLOW_EOF : SUBFLOW_RESET, pair->now);
        break;
    case STRANGER_ANSWERS: append(pair, &c->down, other, sizeof(other)); break;
    case STRANGER_BEGINS: append(pair, &c->down, beginning, sizeof(beginning)); break;
    case STRANGER_MUMBLES: append(pair, &c->down, other, 1); break;
    case STRANGER_IS_SILENT: break;
    }
}

void pair_replace_relay(struct pair *pair, enum pair_stranger stranger)
{
    pair->strange = UINT_MAX;
    pair->stranger = stranger;
    for (unsigned i = 0; i < pair->connection_count; i++)
        pair->connections[i].stalled = true;
}

/* Local's kernel does not know the connection any more: it answers data by a reset. */
static void step_forgotten(struct pair *pair, struct pair_connection *c)
{
    struct pair_batch *batch = take_batch(pair, &c->down);

    if (batch == NULL)
        return;
    free(batch);
    c->reset = true;
    c->reset_at_ns = pair->now + pair->delay_ns;
}

static void step_connection(struct pair *pair, struct pair_connection *c)
{
    struct pair_batch *batch;

    if (pair->blackhole >> c->path & 1 || c->stalled)
        return;
    if (c->dialling && c->ready_at_ns <= pair->now)
        connection_up(pair, c);
    if (c->strange)
        step_stranger(pair, c);
    while (!c->strange && (c->relay != NULL || c->arrival != NULL) &&
           (batch = take_batch(pair, &c->up)) != NULL) {
        arrive(pair, c, batch->bytes, batch->length);
        free(batch);
    }
    if (pair->answers_only && c->relay != NULL && c->local != NULL) {
        struct subflow *local = c->local;

        c->local = NULL;
        c->reset = true;
        c->reset_at_ns = pair->now;
        session_subflow_down(pair->local, local, SUBFLOW_RESET, pair->now);
    }
    if (c->reset && c->reset_at_ns <= pair->now) {
        c->reset = false;
        if (c->relay != NULL) {
            struct subflow *relay = c->relay;

            c->relay = NULL;
            session_subflow_down(c->relay_session, relay, SUBFLOW_RESET, pair->now);
        }
        drop(pair, c);
    }
    if (c->relay != NULL && c->local == NULL && !c->reset)
        step_forgotten(pair, c);
    while (c->open && (batch = take_batch(pair, &c->down)) != NULL) {
        deliver(pair, pair->local, c->local, &c->down, batch->bytes, batch->length);
        free(batch);
        local_events(pair);
    }
}

static void produce(struct pair *pair, struct session *session, bool local)
{
    static uint8_t buffer[PRODUCE_MAX];
    struct subflow *subflow;

    while ((subflow = session_next_sender(session, pair->now)) != NULL) {
        struct pair_connection *c = subflow_user(subflow);
        size_t length =
            session_produce(session, subflow, buffer, sizeof(buffer), pair->now);

        if (!local && pair->freeze_down != 0)
            length = MIN(length, pair->freeze_down - MIN(c->down.total, pair->freeze_down));
        if (length > 0)
            append(pair, local ? &c->up : &c->down, buffer, length);
    }
}

void pair_step(struct pair *pair)
{
    pair->now += PAIR_STEP_NS;
    for (unsigned i = 0; i < pair->connection_count; i++)
        step_connection(pair, &pair->connections[i]);
    if (session_next_timeout(pair->local) <= pair->now)
        session_tick(pair->local, pair->now);
    local_events(pair);
    produce(pair, pair->local, true);
    local_events(pair);
    if (pair->relay == NULL)
        return;
    if (session_next_timeout(pair->relay) <= pair->now)
        session_tick(pair->relay, pair->now);
    relay_events(pair, pair->relay);
    if (pair->relay == NULL)
        return;
    produce(pair, pair->relay, false);
    relay_events(pair, pair->relay);
}

/* Until when a step would do nothing. */
static uint64_t next_ns(struct pair *pair)
{
    uint64_t next = session_next_timeout(pair->local);

    if (pair->relay != NULL)
        next = MIN(next, session_next_timeout(pair->relay));
    for (unsigned i = 0; i < pair->connection_count; i++) {
        const struct pair_connection *c = &pair->connections[i];

        if (c->dialling)
            next = MIN(next, c->ready_at_ns);
        if (c->reset)
            next = MIN(next, c->reset_at_ns);
        if (c->up.first != NULL)
            next = MIN(next, c->up.first->arrives_at_ns);
        if (c->down.first != NULL)
            next = MIN(next, c->down.first->arrives_at_ns);
    }
    return next;
}

void pair_run_ms(struct pair *pair, unsigned ms)
{
    uint64_t end = pair->now + ms * PAIR_STEP_NS;

    while (pair->now < end) {
        uint64_t next;

        pair_step(pair);
        next = MIN(next_ns(pair), end);
        if (next > pair->now + PAIR_STEP_NS)
            pair->now += (next - pair->now - 1) / PAIR_STEP_NS * PAIR_STEP_NS;
    }
}

void pair_restart_local(struct pair *pair, const struct session_config *config)
{
    for (unsigned i = 0; i < pair->connection_count; i++) {
        struct pair_connection *c = &pair->connections[i];

        if (c->open || c->dialling)
            pair->open--;
        c->open = c->dialling = false;
        c->local = NULL;
        free_pipe(&c->up);
        free_pipe(&c->down);
    }
    session_free(pair->local);
    pair->ended = OK;
    start_local(pair, config);
}

void pair_restart_relay(struct pair *pair)
{
    stop_relay(pair);
    start_relay(pair);
    for (unsigned i = 0; i < pair->connection_count; i++) {
        struct pair_connection *c = &pair->connections[i];
        struct subflow *local = c->local;

        if (!c->open)
            continue;
        drop(pair, c);
        c->local = NULL;
        session_subflow_down(pair->local, local, SUBFLOW_RESET, pair->now);
    }
}
