/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/io/restart.h>

static void test_the_wait_doubles(void **state)
{
    struct restart restart = {.ended = false};
    uint64_t now = NS_PER_S, pause_ns = RESTART_MIN_NS;
    (void)state;

    for (unsigned i = 0; i < 20; i++) {
        restart_note_up(&restart, now);
        assert_false(restart.ended);
        now += NS_PER_S;
        assert_int_equal(restart_note_end(&restart, ERROR_PROTOCOL, CLOSE_RULE, "x", now),
                         pause_ns);
        assert_true(restart.ended);
        assert_int_equal(restart.next_at_ns, now + pause_ns);
        pause_ns = MIN(2 * pause_ns, RESTART_MAX_NS);
    }
    assert_string_equal(restart.reason,
                        "the session has ended: x (protocol violation)");
    restart_note_up(&restart, now);
    now += RESTART_LASTING_NS;
    assert_int_equal(restart_note_end(&restart, ERROR_PROTOCOL, CLOSE_RULE, "x", now),
                     RESTART_MIN_NS);
    assert_int_equal(restart_note_end(&restart, ERROR_CLOSED, CLOSE_STOPPED, "y", now), 0);
    assert_string_equal(restart.reason, "the relay has closed the session: y");
}

static void test_a_refusal_takes_longer(void **state)
{
    struct restart restart = {.ended = false};
    (void)state;

    assert_int_equal(restart_note_end(&restart, ERROR_CLOSED, CLOSE_LIMIT, "x", NS_PER_S),
                     RESTART_REFUSED_NS);
    assert_int_equal(restart_note_end(&restart, ERROR_CLOSED, CLOSE_LIMIT, "x", NS_PER_S),
                     2 * RESTART_REFUSED_NS);
    restart_note_up(&restart, NS_PER_S);
    assert_int_equal(restart_note_end(&restart, ERROR_CLOSED, CLOSE_REMOVED, "x",
                                      NS_PER_S + RESTART_LASTING_NS),
                     RESTART_REFUSED_NS);
    /* This side's own words are no refusal. */
    restart_note_up(&restart, NS_PER_S);
    assert_int_equal(restart_note_end(&restart, OK, CLOSE_LIMIT, "x",
                                      NS_PER_S + RESTART_LASTING_NS),
                     RESTART_MIN_NS);
}

UNIT_MAIN(cmocka_unit_test(test_the_wait_doubles),
          cmocka_unit_test(test_a_refusal_takes_longer))
