/* SPDX-License-Identifier: MIT */
/* Whether and when a session may open flows of datagrams. */
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
          cmocka_unit_test(test_unsupported))
