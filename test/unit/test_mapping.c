/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "addresses.h"

#include <splitsocks/proxy/mapping.h>

#define START (1000 * NS_PER_S)

static struct address peer_of(unsigned number, uint16_t port)
{
    struct address address = endpoint_of("198.51.100.0", port);

    address.bytes[2] = (uint8_t)(number >> 8);
    address.bytes[3] = (uint8_t)number;
    return address;
}

static void send_to(struct mapping *mapping, unsigned number, uint16_t port, uint64_t now)
{
    const struct address to = peer_of(number, port);

    assert_int_equal(mapping_send(mapping, &to, now), OK);
}

static enum mapping_verdict receive_from(struct mapping *mapping, unsigned number,
                                         uint16_t port)
{
    const struct address from = peer_of(number, port);

    return mapping_receive(mapping, &from);
}

static void test_everybody_may_send_but_answers_are_known(void **state)
{
    struct mapping mapping;
    (void)state;

    mapping_init(&mapping, false, START);
    send_to(&mapping, 1, 3478, START);
    assert_int_equal(receive_from(&mapping, 1, 3478), MAPPING_SOLICITED);
    assert_int_equal(receive_from(&mapping, 1, 9), MAPPING_SOLICITED);
    assert_int_equal(receive_from(&mapping, 2, 3478), MAPPING_UNSOLICITED);
    mapping_deinit(&mapping);
}

static void test_filters_by_the_address_where_asked(void **state)
{
    struct mapping mapping;
    (void)state;

    mapping_init(&mapping, true, START);
    assert_int_equal(receive_from(&mapping, 1, 3478), MAPPING_FILTERED);
    send_to(&mapping, 1, 3478, START);
    assert_int_equal(receive_from(&mapping, 1, 9), MAPPING_SOLICITED);
    assert_int_equal(receive_from(&mapping, 2, 3478), MAPPING_FILTERED);
    mapping_deinit(&mapping);
}

static void test_dns_and_ntp_are_answered_by_their_servers_alone(void **state)
{
    struct mapping mapping;
    (void)state;

    mapping_init(&mapping, false, START);
    send_to(&mapping, 1, 53, START);
    send_to(&mapping, 2, 123, START);
    assert_int_equal(receive_from(&mapping, 1, 53), MAPPING_SOLICITED);
    assert_int_equal(receive_from(&mapping, 3, 53), MAPPING_FILTERED);
    send_to(&mapping, 4, 5000, START);
    assert_int_equal(receive_from(&mapping, 3, 53), MAPPING_UNSOLICITED);
    send_to(&mapping, 1, 53, START);
    assert_int_equal(receive_from(&mapping, 3, 53), MAPPING_UNSOLICITED);
    mapping_deinit(&mapping);
}

static void test_what_goes_out_alone_refreshes(void **state)
{
    struct mapping mapping;
    (void)state;

    mapping_init(&mapping, false, START);
    assert_int_equal(mapping_ends_at(&mapping), START + MAPPING_IDLE_NS);
    send_to(&mapping, 1, 5000, START + NS_PER_S);
    assert_int_equal(receive_from(&mapping, 1, 5000), MAPPING_SOLICITED);
    assert_int_equal(mapping_ends_at(&mapping), START + NS_PER_S + MAPPING_IDLE_NS);
    mapping_deinit(&mapping);
}

static void test_an_answered_query_ends_soon(void **state)
{
    struct mapping mapping;
    (void)state;

    mapping_init(&mapping, false, START);
    send_to(&mapping, 1, 53, START);
    assert_int_equal(mapping_ends_at(&mapping), START + MAPPING_IDLE_NS);
    assert_int_equal(receive_from(&mapping, 2, 53), MAPPING_FILTERED); /* no answer */
    assert_int_equal(mapping_ends_at(&mapping), START + MAPPING_IDLE_NS);
    assert_int_equal(receive_from(&mapping, 1, 53), MAPPING_SOLICITED);
    assert_int_equal(mapping_ends_at(&mapping), START + MAPPING_ANSWERED_NS);
    send_to(&mapping, 1, 53, START + NS_PER_S); /* the next one waits */
    assert_int_equal(mapping_ends_at(&mapping), START + NS_PER_S + MAPPING_IDLE_NS);
    mapping_deinit(&mapping);
}

static void test_the_least_recent_peer_is_forgotten(void **state)
{
    struct mapping mapping;
    (void)state;

    mapping_init(&mapping, true, START);
    for (unsigned i = 0; i < MAPPING_PEERS_MAX; i++)
        send_to(&mapping, i, 5000, START);
    send_to(&mapping, 0, 5000, START);
    send_to(&mapping, MAPPING_PEERS_MAX, 5000, START);
    assert_int_equal(receive_from(&mapping, 0, 5000), MAPPING_SOLICITED);
    assert_int_equal(receive_from(&mapping, 1, 5000), MAPPING_FILTERED);
    assert_int_equal(receive_from(&mapping, MAPPING_PEERS_MAX, 5000), MAPPING_SOLICITED);
    for (unsigned i = 1000; i < 1000 + 10 * MAPPING_PEERS_MAX; i++)
        send_to(&mapping, i, 5000, START);
    assert_int_equal(mapping.count, MAPPING_PEERS_MAX);
    mapping_deinit(&mapping);
}

UNIT_MAIN(cmocka_unit_test(test_everybody_may_send_but_answers_are_known),
          cmocka_unit_test(test_filters_by_the_address_where_asked),
          cmocka_unit_test(test_dns_and_ntp_are_answered_by_their_servers_alone),
          cmocka_unit_test(test_what_goes_out_alone_refreshes),
          cmocka_unit_test(test_an_answered_query_ends_soon),
          cmocka_unit_test(test_the_least_recent_peer_is_forgotten))
