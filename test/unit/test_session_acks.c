/* SPDX-License-Identifier: MIT */
/* ACKs and credit pass although the network freezes the connections that carry them. */
#include "session_pair.h"

#define PIECE 100000
#define PIECES 300

/* The relay has nothing to send but ACKs and credit, and most of these ask for no answer.
 * So the relay does not notice that a connection is frozen; it must not rely on one. */
static void test_an_upload_waits_for_no_frozen_connection(void **state)
{
    (void)state;
    for (unsigned size = 6; size <= 8; size++) {
        struct session_config config = pair_config();
        struct stream *stream;
        struct pair *pair;

        config.pool_size = config.pool_burst = size;
        config.budget_up = config.budget_down = SESSION_UNLIMITED;
        pair = pair_connected(&config, &stream);
        pair->freeze_down = 500;
        /* One piece takes 11 ms where nothing freezes. */
        for (unsigned i = 0; i < PIECES; i++)
            assert_true(pair_upload(pair, stream, PIECE, 22));
        assert_true(pair->connection_count > 2 * config.pool_idle);
        pair_release_all(pair, stream);
        pair_free(pair);
    }
}

UNIT_MAIN(cmocka_unit_test(test_an_upload_waits_for_no_frozen_connection))
