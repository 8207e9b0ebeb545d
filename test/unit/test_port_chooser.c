/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/engine/path/port_chooser.h>

#define START (1000 * NS_PER_S)

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A dial that leads to the relay, or is not answered. */
static void answer(struct port_chooser *chooser, unsigned port, bool success, uint64_t now)
{
    port_chooser_result(chooser, port, success ? DIAL_SUCCESS : DIAL_TIMEOUT, now, now);
    if (success)
        port_chooser_proven(chooser, port);
}

/* Dials 100 times a second for `duration_ns`; the ports in `open` answer. Counts. */
static uint64_t run(struct port_chooser *chooser, uint64_t open, unsigned dials[64],
                    uint64_t now, uint64_t duration_ns, uint64_t *seed)
{
    memset(dials, 0, 64 * sizeof(dials[0]));
    for (uint64_t end = now + duration_ns; now < end; now += 10 * NS_PER_MS) {
        uint64_t when;
        unsigned port = port_chooser_pick(chooser, random_next(seed), now, &when);

        assert_true(port < chooser->count);
        assert_true(when <= now + NS_PER_S / 2); /* never stuck */
        if (when > now)
            continue;
        dials[port]++;
        port_chooser_dialled(chooser, port, now);
        answer(chooser, port, open >> port & 1, now);
    }
    return now;
}

static void test_order_of_listing_at_first(void **state)
{
    struct port_chooser chooser;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 3, 0), OK);
    for (unsigned expected = 0; expected < 6; expected++) {
        uint64_t when;
        unsigned port = port_chooser_pick(&chooser, 12345, START + expected, &when);

        assert_int_equal(port, expected % 3);
        assert_true(when <= START + expected);
        port_chooser_dialled(&chooser, port, START + expected);
    }
    port_chooser_deinit(&chooser);
}

static void test_working_ports_share(void **state)
{
    struct port_chooser chooser;
    unsigned dials[64];
    uint64_t seed = 99;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 4, 0), OK);
    uint64_t now = run(&chooser, 0xf, dials, START, 10 * NS_PER_S, &seed);

    run(&chooser, 0xf, dials, now, 40 * NS_PER_S, &seed);
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(dials[i], 800, 1200);
    port_chooser_deinit(&chooser);
}

static void test_blocked_ports_are_probed_rarely(void **state)
{
    struct port_chooser chooser;
    unsigned dials[64], probes = 0;
    uint64_t seed = 3;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 64, 0), OK);
    uint64_t now = run(&chooser, 1u << 17, dials, START, 60 * NS_PER_S, &seed);

    assert_true(dials[17] >= 5000); /* found, and used */
    now = run(&chooser, 1u << 17, dials, now, 600 * NS_PER_S, &seed);
    now = run(&chooser, 1u << 17, dials, now, 600 * NS_PER_S, &seed);
    for (unsigned i = 0; i < 64; i++) {
        probes += i == 17 ? 0 : dials[i];
        assert_true(dials[i] >= 1); /* but tried */
    }
    assert_true(probes <= 200);
    /* A port that opens is found within the longest wait, and used like the first. */
    now = run(&chooser, 1u << 17 | 1u << 5, dials, now, 320 * NS_PER_S, &seed);
    run(&chooser, 1u << 17 | 1u << 5, dials, now, 100 * NS_PER_S, &seed);
    assert_in_range(dials[5], 4000, 6000);
    port_chooser_deinit(&chooser);
}

/* Ports 1 and above are blocked; the times between probes of port 1, and the least time
 * between any two probes. */
static void test_probe_times(void **state)
{
    static const uint64_t expected_s[] = {2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300};
    struct port_chooser chooser;
    uint64_t seed = 11, last = 0, last_of_one = 0, when;
    size_t probes = 0;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 4, 0), OK);
    for (uint64_t now = START; probes <= ARRAY_LENGTH(expected_s); now += 10 * NS_PER_MS) {
        unsigned port = port_chooser_pick(&chooser, random_next(&seed), now, &when);

        assert_true(when <= now);
        port_chooser_dialled(&chooser, port, now);
        answer(&chooser, port, port == 0, now);
        if (port == 0)
            continue;
        assert_true(now >= last + PORT_PROBE_GAP_NS);
        last = now;
        if (port != 1)
            continue;
        /* Others may be probed first, each PORT_PROBE_GAP_NS apart. */
        if (probes > 0)
            assert_in_range(now - last_of_one, expected_s[probes - 1] * NS_PER_S,
                            (expected_s[probes - 1] + 3) * NS_PER_S);
        last_of_one = now;
        probes++;
    }
    port_chooser_deinit(&chooser);
}

static void test_given_up_after_failures_in_a_row(void **state)
{
    struct port_chooser chooser;
    uint64_t when, now = START;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 2, 0), OK);
    for (unsigned port = 0; port < 2; port++) {
        port_chooser_dialled(&chooser, port, now);
        answer(&chooser, port, true, now);
    }
    for (int i = 1; i < DIALS_IN_VAIN; i++)
        answer(&chooser, 1, false, now);
    answer(&chooser, 1, true, now); /* not in a row */
    for (int i = 1; i < DIALS_IN_VAIN; i++)
        answer(&chooser, 1, false, now);
    /* Port 0 is given up, so that only port 1 is left. */
    for (int i = 0; i < DIALS_IN_VAIN; i++)
        port_chooser_result(&chooser, 0, DIAL_REFUSED, now, now);
    for (uint64_t random = 0; random < 20; random++)
        assert_int_equal(port_chooser_pick(&chooser, random, now, &when), 1);
    port_chooser_deinit(&chooser);
}

/* While no port works, one that may be dialled goes before one that worked once. */
static void test_no_waiting_for_a_held_back_port(void **state)
{
    struct port_chooser chooser;
    const uint64_t later = START + NS_PER_S / 2;
    uint64_t when;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 2, 1), OK);
    port_chooser_dialled(&chooser, 1, START);
    port_chooser_dialled(&chooser, 0, later);
    answer(&chooser, 0, true, later);
    for (int i = 0; i < DIALS_IN_VAIN; i++)
        answer(&chooser, 0, false, later);
    assert_int_equal(port_chooser_pick(&chooser, 0, START + NS_PER_S, &when), 1);
    assert_true(when <= START + NS_PER_S);
    /* When neither may, the first that may. */
    assert_int_equal(port_chooser_pick(&chooser, 0, START + 1, &when), 1);
    assert_int_equal(when, START + NS_PER_S);
    port_chooser_deinit(&chooser);
}

static void test_a_port_that_is_blocked_now_is_left(void **state)
{
    struct port_chooser chooser;
    unsigned dials[64];
    uint64_t seed = 3;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 2, 0), OK);
    uint64_t now = run(&chooser, 3, dials, START, 20 * NS_PER_S, &seed);

    now = run(&chooser, 2, dials, now, 10 * NS_PER_S, &seed);
    assert_true(dials[0] <= DIALS_IN_VAIN + 6);
    assert_true(dials[1] >= 900);
    port_chooser_deinit(&chooser);
}

static void test_one_lost_dial_changes_nothing(void **state)
{
    struct port_chooser chooser;
    uint64_t when, now = START;
    unsigned port;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 2, 0), OK);
    port_chooser_dialled(&chooser, 1, now);
    answer(&chooser, 1, true, now);
    port_chooser_dialled(&chooser, 0, now); /* no probe is due for a while */
    port_chooser_dialled(&chooser, 1, now);
    answer(&chooser, 1, false, now);
    port = port_chooser_pick(&chooser, 0, now, &when);
    assert_int_equal(port, 1);
    assert_true(when <= now);
    port_chooser_deinit(&chooser);
}

static void test_after_an_outage_the_good_port_is_found_again(void **state)
{
    struct port_chooser chooser;
    unsigned dials[64];
    uint64_t seed = 5;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 64, 0), OK);
    uint64_t now = run(&chooser, 1, dials, START, 60 * NS_PER_S, &seed);

    now = run(&chooser, 0, dials, now, 3600 * NS_PER_S, &seed);
    assert_true(dials[0] >= 3600); /* the one that worked once was not forgotten */
    run(&chooser, 1, dials, now, NS_PER_S, &seed);
    assert_true(dials[0] >= 10);
    port_chooser_deinit(&chooser);
}

/* A port held back by its governor leaves the load to the others. */
static void test_governors_spread_the_load(void **state)
{
    struct port_chooser chooser;
    unsigned dials[64], total = 0;
    uint64_t seed = 5;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 8, 10), OK);
    uint64_t now = run(&chooser, 0xff, dials, START, 30 * NS_PER_S, &seed);

    run(&chooser, 0xff, dials, now, 10 * NS_PER_S, &seed);
    for (unsigned i = 0; i < 8; i++) {
        assert_true(dials[i] <= 101);
        total += dials[i];
    }
    assert_true(total >= 760);
    port_chooser_deinit(&chooser);
}

/* A box on the way takes connections to port 0, and closes them. */
static void test_a_port_that_does_not_lead_to_the_relay(void **state)
{
    struct port_chooser chooser;
    unsigned dials[2] = {0};
    uint64_t now = START, when;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 2, 0), OK);
    answer(&chooser, 0, true, now);
    answer(&chooser, 1, true, now);
    for (unsigned i = 0; i < 1000; i++, now += 10 * NS_PER_MS) {
        unsigned port = port_chooser_pick(&chooser, i * 7919, now, &when);

        assert_true(when <= now);
        dials[port]++;
        port_chooser_dialled(&chooser, port, now);
        port_chooser_result(&chooser, port, DIAL_SUCCESS, now, now);
        if (port == 0)
            port_chooser_unproven(&chooser, port, now);
        else
            port_chooser_proven(&chooser, port);
    }
    /* Given up after a few, and then probed at growing distances. */
    assert_in_range(dials[0], DIALS_IN_VAIN, DIALS_IN_VAIN + 3);
    port_chooser_deinit(&chooser);
}

/* While none leads to the relay, one that takes connections comes before none. */
static void test_every_port_is_tried_while_none_leads_to_the_relay(void **state)
{
    struct port_chooser chooser;
    unsigned dials[3] = {0};
    uint64_t now = START, when;
    (void)state;

    assert_int_equal(port_chooser_init(&chooser, 3, 0), OK);
    answer(&chooser, 0, true, now); /* and somebody else is there since */
    for (unsigned i = 0; i < 30; i++, now += NS_PER_S) {
        unsigned port = port_chooser_pick(&chooser, i * 7919, now, &when);

        dials[port]++;
        port_chooser_dialled(&chooser, port, now);
        if (port == 2) {
            port_chooser_result(&chooser, port, DIAL_REFUSED, now, now);
        } else {
            port_chooser_result(&chooser, port, DIAL_SUCCESS, now, now);
            port_chooser_unproven(&chooser, port, now);
        }
    }
    for (unsigned port = 0; port < 3; port++)
        assert_true(dials[port] >= 5);
    port_chooser_deinit(&chooser);
}

UNIT_MAIN(cmocka_unit_test(test_order_of_listing_at_first),
          cmocka_unit_test(test_working_ports_share),
          cmocka_unit_test(test_blocked_ports_are_probed_rarely),
          cmocka_unit_test(test_probe_times),
          cmocka_unit_test(test_given_up_after_failures_in_a_row),
          cmocka_unit_test(test_no_waiting_for_a_held_back_port),
          cmocka_unit_test(test_a_port_that_is_blocked_now_is_left),
          cmocka_unit_test(test_one_lost_dial_changes_nothing),
          cmocka_unit_test(test_after_an_outage_the_good_port_is_found_again),
          cmocka_unit_test(test_governors_spread_the_load),
          cmocka_unit_test(test_a_port_that_does_not_lead_to_the_relay),
          cmocka_unit_test(test_every_port_is_tried_while_none_leads_to_the_relay))
