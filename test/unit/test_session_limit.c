/* SPDX-License-Identifier: MIT */
/* More sessions than a client may have. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"
#include <splitsocks/engine/session/session_accept.h>
#include <splitsocks/engine/session/session_limit.h>

#include <splitsocks/base/list.h>

#define COUNT 4

struct budget {
    struct page_pool pages;
    struct account account;
};

/* Sessions of one client, each heard of a second after the one before, with a connection. */
static void make_sessions(struct list *sessions, struct budget *budget)
{
    const struct hello_offer offer = {.chunk_size = 16384};
    const struct hello_answer answer = {
        .linger_s = 120, .stream_limit = 16, .session_id = 1};
    const struct session_promise promise = {.account = &budget->account,
                                            .sessions = sessions,
                                            .offer = &offer,
                                            .answer = &answer,
                                            .client = 7};

    list_init(sessions);
    page_pool_init(&budget->pages, 65536, 64);
    account_init(&budget->account, &budget->pages, NULL);
    for (unsigned i = 0; i < COUNT; i++) {
        struct session *session = session_new_relay(&promise, (i + 1) * NS_PER_S);

        assert_non_null(session);
        session->subflows.open_count = 1;
    }
}

static struct session *nth(const struct list *sessions, unsigned n)
{
    struct list *node = sessions->next;

    while (n-- > 0)
        node = node->next;
    return list_entry(node, struct session, admitted);
}

static void free_sessions(struct list *sessions, struct budget *budget)
{
    list_foreach(sessions, node, after) {
        struct session *session = list_entry(node, struct session, admitted);

        session->subflows.open_count = 0;
        session_free(session);
    }
    page_pool_deinit(&budget->pages);
}

static void test_one_that_is_alive_never_gives_way(void **state)
{
    struct session *replaced = NULL;
    struct budget budget;
    struct list sessions;
    (void)state;

    make_sessions(&sessions, &budget);
    assert_true(session_limit_allows(&sessions, 7, COUNT + 1, 5 * NS_PER_S, &replaced));
    assert_true(session_limit_allows(&sessions, 8, COUNT, 5 * NS_PER_S, &replaced));
    assert_false(session_limit_allows(&sessions, 7, COUNT, 5 * NS_PER_S, &replaced));
    /* Idle, but for a PING now and then. */
    assert_false(session_limit_allows(&sessions, 7, COUNT, 80 * NS_PER_S, &replaced));
    assert_null(replaced);
    free_sessions(&sessions, &budget);
}

static void test_the_one_that_is_deserted_for_longest_gives_way(void **state)
{
    struct session *replaced = NULL;
    struct budget budget;
    struct list sessions;
    (void)state;

    make_sessions(&sessions, &budget);
    assert_true(session_limit_allows(&sessions, 7, COUNT, 90 * NS_PER_S, &replaced));
    assert_ptr_equal(replaced, nth(&sessions, 0));
    assert_int_equal(replaced->end_code, CLOSE_LIMIT);
    assert_true(replaced->context.state >= SESSION_STATE_CLOSING);
    /* The one that gave way does not count any more. */
    replaced = NULL;
    assert_true(session_limit_allows(&sessions, 7, COUNT, 90 * NS_PER_S, &replaced));
    assert_null(replaced);
    free_sessions(&sessions, &budget);
}

static void test_one_without_a_connection_gives_way_sooner(void **state)
{
    struct session *replaced = NULL;
    struct budget budget;
    struct list sessions;
    (void)state;

    make_sessions(&sessions, &budget);
    nth(&sessions, 2)->subflows.open_count = 0;
    assert_false(session_limit_allows(&sessions, 7, COUNT, 12 * NS_PER_S, &replaced));
    assert_true(session_limit_allows(&sessions, 7, COUNT, 13 * NS_PER_S, &replaced));
    assert_ptr_equal(replaced, nth(&sessions, 2));
    free_sessions(&sessions, &budget);
}

static void open_one(struct pair *pair)
{
    pair_open(pair, NULL);
    pair_run_ms(pair, 500);
}

static void test_one_too_many_is_told_why(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    pair->limits.max_sessions = 1;
    open_one(pair);
    assert_int_equal(pair->opened_count, 1);
    pair_restart_local(pair, &config);
    open_one(pair);
    assert_int_equal(pair->ended, ERROR_CLOSED);
    assert_int_equal(pair->ended_code, CLOSE_LIMIT);
    assert_string_equal(pair->ended_reason, "the relay already serves 1 session of this key "
                                            "(clients[].max_sessions)");
    assert_int_equal(pair->reset_count, 1);
    assert_int_equal(pair->resets[0].code, RESET_SESSION_REFUSED);
    /* The relay did not begin the stream. */
    assert_int_equal(pair->incoming_count, 1);
    assert_int_equal(pair->opened_count, 1);
    /* The first has been silent long enough. */
    pair->now += 100 * NS_PER_S;
    pair_restart_local(pair, &config);
    open_one(pair);
    assert_int_equal(pair->ended, OK);
    assert_int_equal(pair->opened_count, 2);
    pair_free(pair);
}

static void test_a_client_that_is_not_served_is_told_why(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    pair->limits.refusal = "the key has expired";
    open_one(pair);
    assert_int_equal(pair->ended, ERROR_CLOSED);
    assert_int_equal(pair->ended_code, CLOSE_LIMIT);
    assert_string_equal(pair->ended_reason, "the key has expired");
    assert_int_equal(pair->incoming_count, 0);
    /* Refused sessions do not count. */
    pair->limits.refusal = NULL;
    pair->limits.max_sessions = 1;
    pair_restart_local(pair, &config);
    open_one(pair);
    assert_int_equal(pair->ended, OK);
    assert_int_equal(pair->opened_count, 1);
    pair_free(pair);
}

/* The answer, SESSION_CLOSE and its reason are no more than local allows. */
static void test_the_refusal_keeps_to_the_budget(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    pair->limits.max_sessions = 1;
    open_one(pair);
    config.budget_up = config.budget_down = BUDGET_MIN;
    for (unsigned i = 0; i < 3; i++) {
        unsigned first = pair->connection_count;

        pair_restart_local(pair, &config);
        open_one(pair);
        assert_int_equal(pair->ended, ERROR_CLOSED);
        assert_int_equal(pair->ended_code, CLOSE_LIMIT);
        for (unsigned j = first; j < pair->connection_count; j++)
            assert_in_range(pair->connections[j].down.total, 0, BUDGET_MIN);
    }
    pair_free(pair);
}

static void test_every_cause_is_told(void **state)
{
    static const struct {
        enum close_code code;
        enum reset_code reset;
    } cases[] = {
        {CLOSE_ASKED, RESET_SESSION_CLOSED},  {CLOSE_REMOVED, RESET_SESSION_REFUSED},
        {CLOSE_LIMIT, RESET_SESSION_REFUSED}, {CLOSE_STOPPED, RESET_SESSION_CLOSED},
        {CLOSE_LINGER, RESET_LINGER},         {CLOSE_FAILURE, RESET_SESSION_CLOSED},
    };
    struct session_config config = pair_config();
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct pair *pair = pair_new(&config);

        open_one(pair);
        session_close(pair->relay, cases[i].code, NULL, pair->now);
        pair_run_ms(pair, 500);
        assert_int_equal(pair->ended, ERROR_CLOSED);
        assert_int_equal(pair->ended_code, cases[i].code);
        assert_string_equal(pair->ended_reason, close_code_string(cases[i].code));
        assert_int_equal(pair->reset_count, 1);
        assert_int_equal(pair->resets[0].code, cases[i].reset);
        pair_free(pair);
    }
}

/* A later version's code, and a reason that is no text. */
static void test_what_is_not_known_does_no_harm(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    (void)state;

    open_one(pair);
    session_close(pair->relay, (enum close_code)77, "new\n\xff", pair->now);
    pair_run_ms(pair, 500);
    assert_int_equal(pair->ended, ERROR_CLOSED);
    assert_int_equal(pair->ended_code, CLOSE_ASKED);
    assert_string_equal(pair->ended_reason, "new??");
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_one_that_is_alive_never_gives_way),
          cmocka_unit_test(test_the_one_that_is_deserted_for_longest_gives_way),
          cmocka_unit_test(test_one_without_a_connection_gives_way_sooner),
          cmocka_unit_test(test_one_too_many_is_told_why),
          cmocka_unit_test(test_a_client_that_is_not_served_is_told_why),
          cmocka_unit_test(test_the_refusal_keeps_to_the_budget),
          cmocka_unit_test(test_every_cause_is_told),
          cmocka_unit_test(test_what_is_not_known_does_no_harm))
