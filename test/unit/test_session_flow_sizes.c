/* SPDX-License-Identifier: MIT */
/* Datagrams of all sizes come through, however long the addresses in front of them are. */
#include "session_pair.h"

#define LARGEST 65507

static uint8_t bytes[LARGEST];

static struct target of_ipv4(void)
{
    return (struct target){.port = 53,
                           .address_count = 1,
                           .addresses = {{.family = ADDRESS_IPV4, .bytes = {192, 0, 2, 1}}}};
}

static struct target of_ipv6(void)
{
    return (struct target){
        .port = 40000,
        .address_count = 1,
        .addresses = {{.family = ADDRESS_IPV6, .bytes = {0x20, 0x01, 0x0d, 0xb8}}}};
}

static struct target of_long_name(void)
{
    struct target target = {.port = 53};

    memset(target.name, 'a', 250);
    for (size_t i = 50; i < 250; i += 50)
        target.name[i] = '.';
    return target;
}

/* How many bytes the next datagram has; -1: none comes in time. */
static int await(struct pair *pair, struct session *session, struct flow *flow)
{
    struct flow_datagram datagram;

    for (unsigned ms = 0; ms < 400; ms++) {
        pair_run_ms(pair, 1);
        if (session_flow_receive(session, flow, &datagram, pair->now))
            return (int)datagram.length;
    }
    return -1;
}

/* The first datagram to the peer of a flow that the relay knows, and the first one back. */
static void exchange(const struct session_config *config, const struct target *to,
                     const struct target *from, size_t length)
{
    struct flow_policy policy = {.mode = FLOW_MODE_SPLIT};
    struct pair *pair = pair_new(config);
    struct flow *flow = session_flow_open(pair->local, &policy, pair->now), *remote;

    assert_non_null(flow);
    pair_run_ms(pair, 1000);
    assert_int_equal(pair->incoming_flow_count, 1);
    remote = pair->incoming_flows[0];
    session_flow_send(pair->local, flow, to, bytes, length, pair->now);
    assert_int_equal(await(pair, pair->relay, remote), length);
    session_flow_send(pair->relay, remote, from, bytes, length, pair->now);
    assert_int_equal(await(pair, pair->local, flow), length);
    pair_free(pair);
}

static void test_large_ones_to_new_peers(void **state)
{
    static const size_t lengths[] = {0, 1200, 4000, 4030, 4040, 4050, 4060, 4070, 30000,
                                     LARGEST};
    const struct target peers[] = {of_ipv4(), of_ipv6(), of_long_name()};
    struct session_config config = pair_config();
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(peers); j++)
            exchange(&config, &peers[j], &peers[(j + 1) % ARRAY_LENGTH(peers)], lengths[i]);
}

/* With budgets of one packet each datagram goes on a subflow of its own. */
static void test_budgets_of_a_packet(void **state)
{
    struct target ipv4 = of_ipv4(), ipv6 = of_ipv6();
    struct session_config config = pair_config();
    (void)state;

    config.budget_up = config.budget_down = 1000;
    for (size_t length = 850; length < 950; length += 3)
        exchange(&config, &ipv6, &ipv4, length);
}

UNIT_MAIN(cmocka_unit_test(test_large_ones_to_new_peers),
          cmocka_unit_test(test_budgets_of_a_packet))
