/* SPDX-License-Identifier: MIT */
/* Flows of datagrams between two sessions. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

#include <splitsocks/engine/session/session_accept.h>

#include <stdio.h>

/* What one side has received, joined by spaces. */
static char heard[512];

static struct target address(uint8_t last, uint16_t port)
{
    return (struct target){
        .port = port,
        .address_count = 1,
        .addresses = {{.family = ADDRESS_IPV4, .bytes = {192, 0, 2, last}, .port = port}}};
}

static void send_text(struct pair *pair, struct session *session, struct flow *flow,
                      const struct target *to, const char *text)
{
    session_flow_send(session, flow, to, text, strlen(text), pair->now);
}

/* Reads all; returns the last binding. */
static uint64_t hear(struct pair *pair, struct session *session, struct flow *flow)
{
    struct flow_datagram datagram;
    uint64_t binding = UINT64_MAX;

    heard[0] = '\0';
    while (session_flow_receive(session, flow, &datagram, pair->now)) {
        size_t used = strlen(heard);

        snprintf(heard + used, sizeof(heard) - used, "%s%.*s", used > 0 ? " " : "",
                 (int)datagram.length, (const char *)datagram.bytes);
        binding = datagram.binding;
    }
    return binding;
}

/* A session that is up, with one flow, of which the relay knows. */
static struct pair *with_flow(const struct session_config *config,
                              const struct flow_policy *policy, struct flow **flow)
{
    struct pair *pair = pair_new(config);

    assert_int_equal(session_flow_support(pair->local), FLOWS_UNKNOWN);
    *flow = session_flow_open(pair->local, policy, pair->now);
    assert_non_null(*flow);
    pair_run_ms(pair, 1000);
    assert_int_equal(session_flow_support(pair->local), FLOWS_SUPPORTED);
    assert_int_equal(pair->incoming_flow_count, 1);
    return pair;
}

static void test_there_and_back(void **state)
{
    struct session_config config = pair_config();
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT, .max_age_ns = 300 * NS_PER_MS};
    struct target first = address(1, 53), second = address(2, 5000);
    struct flow *flow, *remote;
    struct pair *pair = with_flow(&config, &policy, &flow);
    uint64_t binding;
    (void)state;

    remote = pair->incoming_flows[0];
    assert_int_equal(flow_policy(remote)->mode, FLOW_MODE_SPLIT);
    assert_int_equal(flow_policy(remote)->max_age_ns, 300 * NS_PER_MS);
    send_text(pair, pair->local, flow, &first, "one");
    send_text(pair, pair->local, flow, &second, "two");
    pair_run_ms(pair, 100);
    assert_int_equal(pair->flow_readable_count, 1);
    binding = hear(pair, pair->relay, remote);
    assert_string_equal(heard, "one two");
    assert_int_equal(binding, 1);
    send_text(pair, pair->relay, remote, &second, "answer");
    send_text(pair, pair->local, flow, &first, "three");
    pair_run_ms(pair, 100);
    assert_int_equal(hear(pair, pair->relay, remote), 0);
    assert_string_equal(heard, "three");
    hear(pair, pair->local, flow);
    assert_string_equal(heard, "answer");
    assert_int_equal(flow_counters(flow)->datagrams_sent, 3);
    assert_int_equal(flow_counters(flow)->datagrams_received, 1);
    session_flow_close(pair->local, flow, FLOW_CLOSE_ENDED, pair->now);
    pair_run_ms(pair, 100);
    assert_int_equal(pair->flow_closed_count, 1);
    assert_int_equal(pair->flow_code, FLOW_CLOSE_ENDED);
    assert_int_equal(session_flow_count(pair->relay), 0);
    pair_free(pair);
}

/* The session ends the flow, and the driver closes it before it takes the event. */
static void test_a_flow_is_closed_while_its_end_waits(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct target to = address(1, 53);
    struct flow_datagram ignored;
    struct flow *flow, *other;
    (void)state;

    pair_run_ms(pair, 100);
    flow = session_flow_open(pair->local, NULL, pair->now);
    other = session_flow_open(pair->local, NULL, pair->now);
    assert_non_null(other);
    session_close(pair->local, CLOSE_STOPPED, NULL, pair->now);
    send_text(pair, pair->local, other, &to, "too late");
    assert_false(session_flow_receive(pair->local, other, &ignored, pair->now));
    session_flow_close(pair->local, flow, FLOW_CLOSE_ENDED, pair->now);
    pair_run_ms(pair, 2000);
    /* Only the other one's end is told. */
    assert_int_equal(pair->flow_closed_count, 1);
    pair_free(pair);
}

/* The target travels until one datagram of it is acknowledged; then its index does. */
static void test_a_binding_is_told_once(void **state)
{
    struct session_config config = pair_config();
    struct target to = {.port = 4000, .name = "a-rather-long-name.of-a-host.example.net"};
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT};
    struct flow *flow;
    struct pair *pair = with_flow(&config, &policy, &flow);
    const struct session_counters *counters = session_counters(pair->local);
    struct flow_datagram datagram;
    uint64_t before;
    (void)state;

    send_text(pair, pair->local, flow, &to, "one");
    pair_run_ms(pair, 300);
    before = counters->wire_bytes_sent;
    send_text(pair, pair->local, flow, &to, "two");
    pair_run_ms(pair, 10);
    assert_true(counters->wire_bytes_sent - before < strlen(to.name));
    pair_run_ms(pair, 20);
    assert_true(
        session_flow_receive(pair->relay, pair->incoming_flows[0], &datagram, pair->now));
    assert_true(
        session_flow_receive(pair->relay, pair->incoming_flows[0], &datagram, pair->now));
    assert_string_equal(datagram.peer->name, to.name);
    assert_int_equal(datagram.peer->port, 4000);
    assert_int_equal(datagram.length, 3);
    pair_free(pair);
}

/* A flow that sends little travels in copies; each datagram is delivered once. */
static void test_copies_are_delivered_once(void **state)
{
    struct session_config config = pair_config();
    struct target to = address(1, 5000);
    struct flow *flow;
    struct pair *pair;
    (void)state;

    config.path_count = 2;
    pair = with_flow(&config, NULL, &flow);
    for (unsigned i = 0; i < 10; i++) {
        send_text(pair, pair->local, flow, &to, "x");
        pair_run_ms(pair, 20);
    }
    pair_run_ms(pair, 100);
    hear(pair, pair->relay, pair->incoming_flows[0]);
    assert_string_equal(heard, "x x x x x x x x x x");
    assert_int_equal(flow_counters(flow)->copies_sent, 30);
    assert_int_equal(flow_counters(pair->incoming_flows[0])->drops[FLOW_DROP_DUPLICATE],
                     30);
    pair_free(pair);
}

/* What waits for too long is dropped from the head, and is never sent. */
static void test_old_ones_are_dropped(void **state)
{
    struct session_config config = pair_config();
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT, .max_age_ns = 100 * NS_PER_MS};
    struct target to = address(1, 5000);
    struct flow *flow;
    struct pair *pair = with_flow(&config, &policy, &flow);
    (void)state;

    for (unsigned i = 0; i < pair->connection_count; i++)
        if (pair->connections[i].open)
            session_subflow_writable(pair->local, pair->connections[i].local, false);
    send_text(pair, pair->local, flow, &to, "old");
    pair_run_ms(pair, 60);
    send_text(pair, pair->local, flow, &to, "young");
    pair_run_ms(pair, 45);
    assert_int_equal(flow_counters(flow)->drops[FLOW_DROP_AGE], 1);
    for (unsigned i = 0; i < pair->connection_count; i++)
        if (pair->connections[i].open)
            session_subflow_writable(pair->local, pair->connections[i].local, true);
    pair_run_ms(pair, 30);
    hear(pair, pair->relay, pair->incoming_flows[0]);
    assert_string_equal(heard, "young");
    pair_free(pair);
}

/* The queue is bounded by bytes and by datagrams; the oldest go. */
static void test_queue_bound(void **state)
{
    static char large[40000];
    struct session_config config = pair_config();
    struct target to = address(1, 5000);
    struct pair *pair = pair_new(&config);
    struct flow *flow = session_flow_open(pair->local, NULL, pair->now);
    struct flow_status status;
    char text[TARGET_TEXT_SIZE];
    (void)state;

    for (unsigned i = 0; i < FLOW_QUEUE_MAX + 10; i++)
        send_text(pair, pair->local, flow, &to, "x");
    assert_int_equal(flow_counters(flow)->drops[FLOW_DROP_QUEUE], 10);
    session_flow_send(pair->local, flow, &to, large, sizeof(large), pair->now);
    session_flow_send(pair->local, flow, &to, large, sizeof(large), pair->now);
    session_flow_status(pair->local, flow, text, &status);
    assert_int_equal(status.queued_bytes, sizeof(large));
    assert_string_equal(status.peer, "192.0.2.1:5000");
    pair_free(pair);
}

/* Datagrams of every size that UDP has arrive whole, in parts where a chunk is too small.
 */
static void test_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 1200, 1472, 4000, 4060, 9000, 40000, 65507};
    static uint8_t bytes[65536];
    struct session_config config = pair_config();
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT, .max_age_ns = NS_PER_S};
    struct target to = address(1, 5000);
    struct flow *flow;
    struct pair *pair = with_flow(&config, &policy, &flow);
    (void)state;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = pair_byte(i);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        struct flow_datagram datagram;

        session_flow_send(pair->local, flow, &to, bytes, sizes[i], pair->now);
        pair_run_ms(pair, 400);
        if (!session_flow_receive(pair->relay, pair->incoming_flows[0], &datagram,
                                  pair->now))
            fail_msg("%zu bytes did not come", sizes[i]);
        assert_int_equal(datagram.length, sizes[i]);
        assert_memory_equal(datagram.bytes, bytes, sizes[i]);
        assert_false(session_flow_receive(pair->relay, pair->incoming_flows[0], &datagram,
                                          pair->now));
    }
    pair_free(pair);
}

/* The newest 64 peers of a flow are kept. One that is older is told again. */
static void test_many_peers(void **state)
{
    struct session_config config = pair_config();
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT, .max_age_ns = NS_PER_S};
    struct flow_datagram datagram;
    struct flow *flow;
    struct pair *pair = with_flow(&config, &policy, &flow);
    (void)state;

    for (unsigned i = 0; i <= FLOW_PEERS; i++) {
        struct target to = address((uint8_t)i, 5000);

        send_text(pair, pair->local, flow, &to, "x");
        pair_run_ms(pair, 60);
        assert_true(session_flow_receive(pair->relay, pair->incoming_flows[0], &datagram,
                                         pair->now));
        assert_int_equal(datagram.binding, i);
        assert_int_equal(datagram.peer->addresses[0].bytes[3], i);
    }
    for (unsigned i = 1; i <= FLOW_PEERS + 1; i++) {
        struct target to = address((uint8_t)(i % (FLOW_PEERS + 1)), 5000);

        send_text(pair, pair->local, flow, &to, "x");
        pair_run_ms(pair, 60);
        assert_true(session_flow_receive(pair->relay, pair->incoming_flows[0], &datagram,
                                         pair->now));
        assert_int_equal(datagram.binding, i);
    }
    /* All at once: most of the bindings are forgotten before their datagrams go. */
    for (unsigned i = 0; i < 200; i++) {
        struct target to = address((uint8_t)i, 6000);

        send_text(pair, pair->local, flow, &to, "x");
    }
    pair_run_ms(pair, 500);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(session_flow_receive(pair->relay, pair->incoming_flows[0], &datagram,
                                         pair->now));
        assert_int_equal(datagram.peer->addresses[0].bytes[3], i);
        assert_int_equal(datagram.peer->port, 6000);
    }
    pair_free(pair);
}

/* A datagram of which a part is missing is dropped after a second. */
static void test_parts_are_dropped(void **state)
{
    struct session_config config = pair_config();
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT};
    struct flow *flow;
    struct pair *pair = with_flow(&config, &policy, &flow);
    struct flow *remote = pair->incoming_flows[0];
    uint8_t target[FRAME_PEER_MAX];
    struct frame frame = {.datagram = {.flow = 1, .parts = 2, .has_target = true}};
    struct target to = address(1, 5000);
    struct wire_writer w;
    (void)state;

    wire_writer_init(&w, target, sizeof(target));
    frame_write_peer(&w, &to);
    wire_reader_init(&frame.datagram.target, target, wire_length(&w));
    frame.datagram.bytes = (const uint8_t *)"half";
    frame.datagram.length = 4;
    flow_receive(&pair->relay->flows, remote, &frame);
    frame.datagram.sequence = 1;
    pair_run_ms(pair, 900);
    flow_receive(&pair->relay->flows, remote, &frame);
    frame.datagram.part = 1;
    pair_run_ms(pair, 200);
    assert_int_equal(flow_counters(remote)->drops[FLOW_DROP_PART], 1);
    flow_receive(&pair->relay->flows, remote, &frame);
    hear(pair, pair->relay, remote);
    assert_string_equal(heard, "halfhalf");
    /* The slots are kept, and charged, until the flow ends. */
    assert_int_equal(pair->relay->flows.bytes_in,
                     FLOW_ASSEMBLIES * sizeof(struct assembly));
    session_flow_close(pair->relay, remote, FLOW_CLOSE_ENDED, pair->now);
    assert_int_equal(pair->relay->flows.bytes_in, 0);
    assert_int_equal(pair->relay->flows.bytes_peers, 0);
    pair_free(pair);
}

/* A budget of 1000 bytes carries one datagram of 880. */
static void test_small_budgets(void **state)
{
    static const uint8_t bytes[880];
    struct session_config config = pair_config();
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT, .max_age_ns = 2 * NS_PER_S};
    struct target to = address(1, 5000);
    struct flow_datagram datagram;
    struct flow *flow;
    struct pair *pair;
    (void)state;

    config.budget_up = config.budget_down = 1000;
    pair = with_flow(&config, &policy, &flow);
    for (unsigned i = 0; i < 50; i++) {
        unsigned there = 0, back = 0;

        session_flow_send(pair->local, flow, &to, bytes, sizeof(bytes), pair->now);
        session_flow_send(pair->relay, pair->incoming_flows[0], &to, bytes, sizeof(bytes),
                          pair->now);
        pair_run_ms(pair, 250);
        while (session_flow_receive(pair->relay, pair->incoming_flows[0], &datagram,
                                    pair->now))
            there++;
        while (session_flow_receive(pair->local, flow, &datagram, pair->now))
            back++;
        assert_int_equal(there, 1);
        assert_int_equal(back, 1);
    }
    pair_free(pair);
}

/* Flows outlive an outage that a resume ends, and a restart of the relay; the datagrams of
 * the meantime do not. */
static void test_resume_and_restart(void **state)
{
    struct session_config config = pair_config();
    struct target to = address(1, 5000);
    struct flow *flow;
    struct pair *pair = with_flow(&config, NULL, &flow);
    (void)state;

    pair->blackhole = true;
    send_text(pair, pair->local, flow, &to, "lost");
    pair_run_ms(pair, 30000);
    pair->blackhole = false;
    pair_run_ms(pair, 4000);
    assert_int_equal(pair->resumed_count, 1);
    assert_int_equal(pair->incoming_flow_count, 1);
    hear(pair, pair->relay, pair->incoming_flows[0]);
    send_text(pair, pair->local, flow, &to, "resumed");
    pair_run_ms(pair, 100);
    hear(pair, pair->relay, pair->incoming_flows[0]);
    assert_string_equal(heard, "resumed");
    pair->incoming_flow_count = 0;
    pair_restart_relay(pair);
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->incoming_flow_count, 1);
    send_text(pair, pair->local, flow, &to, "anew");
    pair_run_ms(pair, 100);
    hear(pair, pair->relay, pair->incoming_flows[0]);
    assert_string_equal(heard, "anew");
    assert_int_equal(pair->flow_closed_count, 0);
    pair_free(pair);
}

/* Relay: beyond its bound, the flow that was unused for longest goes. */
static void test_relay_bound(void **state)
{
    struct session_config config = pair_config();
    struct target to = address(1, 5000);
    struct pair *pair = pair_new(&config);
    struct flow *flows[17];
    (void)state;

    for (unsigned i = 0; i < ARRAY_LENGTH(flows); i++) {
        flows[i] = session_flow_open(pair->local, NULL, pair->now);
        if (i == 1)
            pair_run_ms(pair, 500);
        if (i == 2)
            send_text(pair, pair->local, flows[0], &to, "used");
        pair_run_ms(pair, 50);
    }
    assert_int_equal(session_flow_count(pair->relay), 16);
    assert_int_equal(session_flow_count(pair->local), 16);
    assert_int_equal(pair->flow_code, FLOW_CLOSE_LIMIT);
    for (const struct flow *flow = NULL;
         (flow = session_next_flow(pair->local, flow)) != NULL;)
        assert_true(flow_id(flow) != 2);
    pair_free(pair);
}

/* After a rest the relay may have only subflows on which it has sent nothing yet. A first
 * chunk is small, and a datagram cannot be cut: something else goes first. */
static void test_a_large_datagram_after_a_rest(void **state)
{
    struct session_config config = pair_config();
    struct flow_policy policy = {.max_age_ns = 10 * NS_PER_S};
    struct target to = address(1, 4000);
    struct flow_datagram datagram;
    static uint8_t bytes[1000];
    struct flow *flow;
    struct pair *pair;
    unsigned unused = 0, count = 0;
    (void)state;

    config.pool_idle = 1;
    pair = with_flow(&config, &policy, &flow);
    send_text(pair, pair->local, flow, &to, "question");
    pair_run_ms(pair, 20000);
    list_foreach(&pair->relay->subflows.all, node, after) {
        assert_int_equal(list_entry(node, struct subflow, node)->chunks_sent, 0);
        unused++;
    }
    assert_int_equal(unused, 1);
    for (unsigned i = 0; i < 40; i++)
        session_flow_send(pair->relay, pair->incoming_flows[0], &to, bytes, sizeof(bytes),
                          pair->now);
    pair_run_ms(pair, 1000);
    while (session_flow_receive(pair->local, flow, &datagram, pair->now))
        count += datagram.length == sizeof(bytes);
    assert_int_equal(count, 40);
    pair_free(pair);
}

/* Flows, and what waits in them, are charged to the client. Where its account is used up,
 * the longest unused flow goes, and datagrams are dropped. */
static void test_the_account_bounds_flows(void **state)
{
    static const uint8_t bytes[5000];
    struct session_config config = pair_config();
    struct target to = address(1, 5000);
    struct flow *flow;
    struct pair *pair = with_flow(&config, NULL, &flow);
    struct places_pool *pool = &pair->own_pools.datagrams;
    (void)state;

    assert_int_equal(session_account(pair->relay)->datagrams.used, ACCOUNT_FLOW_BYTES);
    /* Of five places two are left free, and one is too small. */
    pool->most = 5 * ACCOUNT_FLOW_BYTES;
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(session_flow_open(pair->local, NULL, pair->now));
    pair_run_ms(pair, 1000);
    assert_int_equal(session_flow_count(pair->relay), 2);
    assert_int_equal(session_flow_count(pair->local), 2);
    assert_int_equal(pool->used, 2 * ACCOUNT_FLOW_BYTES);
    flow = pair->incoming_flows[pair->incoming_flow_count - 1];
    session_flow_send(pair->relay, flow, &to, bytes, sizeof(bytes), pair->now);
    assert_int_equal(flow_counters(flow)->drops[FLOW_DROP_QUEUE], 1);
    assert_true(pool->used <= pool->most / 2);
    /* Another client uses up the rest: there is no place, and the session goes on. */
    pool->most = 0;
    assert_non_null(session_flow_open(pair->local, NULL, pair->now));
    pair_run_ms(pair, 1000);
    assert_int_equal(session_flow_count(pair->relay), 0);
    assert_int_equal(session_flow_count(pair->local), 0);
    assert_int_equal(pool->used, 0);
    pool->most = PLACES_UNLIMITED;
    assert_non_null(session_flow_open(pair->local, NULL, pair->now));
    pair_run_ms(pair, 1000);
    assert_int_equal(session_flow_count(pair->relay), 1);
    pair_free(pair);
}

/* A path is known to have carried every datagram that came, also where so many were on
 * their way that no more of them were kept for a further copy. */
static void test_datagrams_that_are_not_kept_are_counted(void **state)
{
    static const uint8_t bytes[1000];
    const struct subflow_measure wide = {.srtt_ns = 200 * NS_PER_MS, .rate = 10000000};
    struct session_config config = pair_config();
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT};
    struct target to = address(1, 5000);
    struct flow *flow;
    struct pair *pair = with_flow(&config, &policy, &flow);
    const struct path_counters *path = &pair->local->paths.items[0].counters;
    uint64_t most_kept = 0;
    (void)state;

    pair->delay_ns = 100 * NS_PER_MS;
    list_foreach(&pair->local->subflows.all, node, after) {
        session_subflow_measured(pair->local, list_entry(node, struct subflow, node), &wide,
                                 pair->now);
    }
    session_flow_send(pair->local, flow, &to, bytes, sizeof(bytes), pair->now);
    pair_run_ms(pair, 1000); /* the binding is known */
    for (unsigned i = 0; i < 150; i++) {
        session_flow_send(pair->local, flow, &to, bytes, sizeof(bytes), pair->now);
        pair_run_ms(pair, 1);
        most_kept = MAX(most_kept, flow->kept_bytes);
    }
    assert_in_range(most_kept, FLOW_KEPT_BYTES - 1000, FLOW_KEPT_BYTES);
    pair_run_ms(pair, 2000);
    assert_int_equal(flow_counters(pair->incoming_flows[0])->bytes_received,
                     flow_counters(flow)->bytes_sent);
    assert_int_equal(path->stream_bytes_acked, flow_counters(flow)->bytes_sent);
    pair_free(pair);
}

/* A flow that ends before the relay's driver was told of it is not told of at all: the
 * driver has no user for it. */
static void test_an_end_before_the_flow_is_told(void **state)
{
    struct session_config config = pair_config();
    struct session_event event;
    struct flow *flow, *incoming;
    struct pair *pair = with_flow(&config, NULL, &flow);
    struct flows *flows = &pair->relay->flows;
    (void)state;

    pair_run_ms(pair, 1000);
    while (session_next_event(pair->relay, &event))
        ;
    incoming = flow_new(flows, 7);
    assert_non_null(incoming);
    flow_tell_incoming(flows, incoming);
    flow_end(flows, incoming, FLOW_CLOSE_IDLE, true);
    while (session_next_event(pair->relay, &event))
        assert_ptr_not_equal(event.flow, incoming);
    pair_free(pair);
}

/* The end of the session ends its flows. */
static void test_session_end(void **state)
{
    struct session_config config = pair_config();
    struct flow *flow;
    struct pair *pair = with_flow(&config, NULL, &flow);
    (void)state;

    session_close(pair->local, CLOSE_ASKED, NULL, pair->now);
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->flow_closed_count, 2);
    assert_int_equal(pair->flow_code, FLOW_CLOSE_SESSION);
    assert_null(session_flow_open(pair->local, NULL, pair->now));
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_a_flow_is_closed_while_its_end_waits),
          cmocka_unit_test(test_there_and_back),
          cmocka_unit_test(test_a_binding_is_told_once),
          cmocka_unit_test(test_copies_are_delivered_once),
          cmocka_unit_test(test_old_ones_are_dropped), cmocka_unit_test(test_queue_bound),
          cmocka_unit_test(test_sizes), cmocka_unit_test(test_small_budgets),
          cmocka_unit_test(test_many_peers), cmocka_unit_test(test_parts_are_dropped),
          cmocka_unit_test(test_resume_and_restart), cmocka_unit_test(test_relay_bound),
          cmocka_unit_test(test_the_account_bounds_flows),
          cmocka_unit_test(test_a_large_datagram_after_a_rest),
          cmocka_unit_test(test_datagrams_that_are_not_kept_are_counted),
          cmocka_unit_test(test_an_end_before_the_flow_is_told),
          cmocka_unit_test(test_session_end))
