/* SPDX-License-Identifier: MIT */
/* Whether and when a session may open flows of datagrams. */
#include "../../src/engine/session/session_parts.h"
#include "session_pair.h"

/* With nearly as many flows as may be open, each further one that takes the place of the
 * oldest has its id at once: its first datagram may be its only one. */
static void test_the_next_flow_never_waits(void **state)
{
    enum { OPEN = 1000, ALL = 3000 };
    static struct flow *flows[ALL];
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    pair->limits.max_flows = 1024;
    for (unsigned i = 0; i < ALL; i++) {
        if (i >= OPEN)
            session_flow_close(pair->local, flows[i - OPEN], FLOW_CLOSE_ENDED, pair->now);
        flows[i] = session_flow_open(pair->local, NULL, pair->now);
        if (i == 0)
            pair_run_ms(pair, 500);
        assert_int_not_equal(flow_id(flows[i]), 0);
        pair->incoming_flow_count = 0;
        pair_run_ms(pair, 1);
    }
    pair_run_ms(pair, 500);
    assert_int_equal(session_flow_count(pair->relay), OPEN);
    pair_free(pair);
}

static unsigned longest_chain(const struct flows *flows)
{
    unsigned longest = 0;

    for (unsigned i = 0; i < FLOW_BUCKETS; i++) {
        unsigned length = 0;

        for (const struct flow *flow = flows->by_id[i]; flow != NULL;
             flow = flow->hash_next)
            length++;
        longest = MAX(longest, length);
    }
    return longest;
}

/* A client ends all flows but those whose ids have one remainder by the number of buckets.
 * That any bucket has 10 of 100 flows is less probable than one in 10^8. */
static void test_the_flows_that_are_left_fill_no_bucket(void **state)
{
    enum { LEFT = 100 };
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    pair->limits.max_flows = 1024;
    assert_non_null(session_flow_open(pair->local, NULL, pair->now));
    pair_run_ms(pair, 500);
    for (unsigned i = 0; i < LEFT; i++) {
        struct flow *flows[FLOW_BUCKETS];

        for (unsigned j = 0; j < FLOW_BUCKETS; j++) {
            flows[j] = session_flow_open(pair->local, NULL, pair->now);
            assert_non_null(flows[j]);
        }
        pair_run_ms(pair, 20);
        for (unsigned j = 1; j < FLOW_BUCKETS; j++)
            session_flow_close(pair->local, flows[j], FLOW_CLOSE_ENDED, pair->now);
        pair->incoming_flow_count = 0;
        pair_run_ms(pair, 20);
    }
    pair_run_ms(pair, 500);
    assert_int_equal(session_flow_count(pair->relay), LEFT + 1);
    assert_in_range(longest_chain(&pair->relay->flows), 1, 9);
    pair_free(pair);
}

/* A relay that grants no flows does not agree to the feature. */
static void test_unsupported(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct flow *flow;
    (void)state;

    pair->limits.max_flows = 0;
    flow = session_flow_open(pair->local, NULL, pair->now);
    assert_non_null(flow);
    pair_run_ms(pair, 1000);
    assert_int_equal(session_flow_support(pair->local), FLOWS_UNSUPPORTED);
    assert_int_equal(pair->flow_closed_count, 1);
    assert_int_equal(pair->flow_code, FLOW_CLOSE_UNSUPPORTED);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_the_next_flow_never_waits),
          cmocka_unit_test(test_the_flows_that_are_left_fill_no_bucket),
          cmocka_unit_test(test_unsupported))
