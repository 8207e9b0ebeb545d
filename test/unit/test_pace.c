/* SPDX-License-Identifier: MIT */
/* Two sessions of a client, in one thread or two, keep to one rate. */
#include "unit.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/pace.h>

#define RATE 2000000
#define PIECE (RATE / 500)
#define BURST (RATE / 50)
/* More than all that may be saved up. */
#define BYTES (RATE / 4)

/* A socket that always has more to move. */
struct mover {
    struct pace pace;
    struct pace_turn turn;
    uint64_t moved, turns;
    struct mover *other; /* NULL: it runs in another thread */
};

static void move(struct mover *mover, uint64_t granted)
{
    for (;;) {
        mover->moved += granted;
        if (mover->moved >= BYTES)
            return;
        granted = pace_take(&mover->pace, &mover->turn, 65536, clock_now());
        if (granted == 0)
            return;
        assert_true(granted >= PIECE);
    }
}

static void on_turn(struct pace_turn *turn, uint64_t granted)
{
    struct mover *mover = container_of(turn, struct mover, turn);

    mover->turns++;
    assert_false(list_linked(&turn->node));
    if (mover->other != NULL && mover->other->moved < BYTES)
        assert_in_range(mover->turns, 0, mover->other->turns + 2);
    move(mover, granted);
}

static void mover_init(struct mover *mover, struct ev_loop *loop, struct pace_rate *rate,
                       struct mover *other)
{
    *mover = (struct mover){.turn.go = on_turn, .other = other};
    list_init(&mover->turn.node);
    pace_init(&mover->pace, loop, rate);
}

static void rate_init(struct pace_rate *rate, uint64_t bytes)
{
    pace_rate_init(rate, NULL);
    pace_rate_set(rate, bytes, clock_now());
}

/* The last piece may be granted while a piece of the other is not paid yet. */
static void check_bound(uint64_t bytes, uint64_t ns)
{
    assert_true(bytes <= RATE * (ns / 1000) / 1000000 + BURST + 2 * PIECE);
}

static void test_two_sessions_take_turns(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct mover movers[2];
    struct pace_rate rate;
    uint64_t began_ns;
    (void)state;

    rate_init(&rate, RATE);
    began_ns = clock_now();
    for (size_t i = 0; i < 2; i++)
        mover_init(&movers[i], loop, &rate, &movers[1 - i]);
    for (size_t i = 0; i < 2; i++)
        move(&movers[i], 0);
    ev_run(loop, 0); /* ends, since no timer runs when nobody waits */
    check_bound(movers[0].moved + movers[1].moved, clock_now() - began_ns);
    assert_true(movers[0].turns > 10 && movers[1].turns > 10);
    pace_rate_deinit(&rate);
    ev_loop_destroy(loop);
}

static void *run(void *context)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct mover mover;

    mover_init(&mover, loop, context, NULL);
    move(&mover, 0);
    ev_run(loop, 0);
    assert_true(mover.moved >= BYTES);
    ev_loop_destroy(loop);
    return NULL;
}

static void test_two_threads_keep_one_rate(void **state)
{
    pthread_t threads[2];
    struct pace_rate rate;
    uint64_t began_ns;
    (void)state;

    rate_init(&rate, RATE);
    began_ns = clock_now();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &rate), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    check_bound((uint64_t)2 * BYTES, clock_now() - began_ns);
    pace_rate_deinit(&rate);
}

/* Waits for a turn: the rate's bytes are spent. */
static void make_wait(struct mover *mover)
{
    while (!list_linked(&mover->turn.node))
        move(mover, 0);
}

static void test_those_that_leave_give_their_piece_back(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct mover first, second;
    struct pace_rate rate;
    int64_t tokens;
    (void)state;

    rate_init(&rate, 1000); /* a piece takes 1.5 s */
    mover_init(&first, loop, &rate, NULL);
    mover_init(&second, loop, &rate, NULL);
    make_wait(&first);
    make_wait(&second);
    tokens = rate.limit.tokens;
    pace_leave(&second.pace, &second.turn);
    assert_int_equal(rate.limit.tokens, tokens + PACE_PACKET);
    assert_int_equal(second.pace.reserved, 0);
    assert_false(ev_is_active(&second.pace.timer));
    pace_leave(&second.pace, &second.turn);
    assert_int_equal(rate.limit.tokens, tokens + PACE_PACKET);
    /* The piece of the first goes to the one behind it. */
    assert_int_equal(pace_take(&first.pace, &second.turn, 1, clock_now()), 0);
    pace_leave(&first.pace, &first.turn);
    assert_int_equal(first.pace.reserved, PACE_PACKET);
    pace_leave(&first.pace, &second.turn);
    assert_false(ev_is_active(&first.pace.timer));
    pace_rate_deinit(&rate);
    ev_loop_destroy(loop);
}

static void test_a_new_rate_counts_at_once(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct pace_rate rate;
    struct mover mover;
    (void)state;

    rate_init(&rate, 1); /* a piece takes half an hour */
    mover_init(&mover, loop, &rate, NULL);
    make_wait(&mover);
    pace_rate_set(&rate, 0, clock_now());
    pace_renew(&mover.pace);
    ev_run(loop, 0);
    assert_true(mover.moved >= BYTES);
    pace_rate_deinit(&rate);
    ev_loop_destroy(loop);
}

static void test_what_is_moved_is_settled(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct pace_rate rate;
    struct mover mover;
    int64_t tokens;
    (void)state;

    rate_init(&rate, 1);
    mover_init(&mover, loop, &rate, NULL);
    tokens = rate.limit.tokens;
    assert_int_equal(pace_take(&mover.pace, &mover.turn, 100, clock_now()), 100);
    pace_settle(&mover.pace, 100, 70, clock_now());
    assert_int_equal(rate.limit.tokens, tokens - 70);
    pace_settle(&mover.pace, 0, 5000, clock_now());
    assert_int_equal(rate.limit.tokens, tokens - 5070);
    pace_rate_deinit(&rate);
    ev_loop_destroy(loop);
}

static void test_without_a_rate_all_may_go(void **state)
{
    struct pace pace;
    struct pace_turn turn;
    (void)state;

    pace_init(&pace, NULL, NULL);
    assert_int_equal(pace_take(&pace, &turn, 1 << 30, clock_now()), 1 << 30);
    pace_settle(&pace, 1 << 30, 5, clock_now());
    pace_renew(&pace);
    pace_deinit(&pace);
}

/* ---- several clients of one rate ---- */

#define CLIENTS 3
#define SESSIONS 5

struct client {
    struct pace_rate rate;
    struct session {
        struct pace pace;
        struct pace_turn turn;
        struct client *client;
    } sessions[SESSIONS];
    uint64_t moved;
};

static uint64_t left;

/* Moves what is granted, and all that is granted at once then. */
static void go_on(struct session *session, uint64_t granted)
{
    do {
        session->client->moved += granted;
        left -= MIN(left, granted);
        if (left == 0)
            ev_break(session->pace.loop, EVBREAK_ALL);
        granted = pace_take(&session->pace, &session->turn, 65536, clock_now());
    } while (granted > 0);
}

static void on_session_turn(struct pace_turn *turn, uint64_t granted)
{
    go_on(container_of(turn, struct session, turn), granted);
}

static struct ev_loop *clients_begin(struct client *clients, struct pace_rate *whole,
                                     uint64_t rate)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

    rate_init(whole, rate);
    for (int i = 0; i < CLIENTS; i++) {
        pace_rate_init(&clients[i].rate, whole);
        clients[i].moved = 0;
        for (int j = 0; j < SESSIONS; j++) {
            struct session *session = &clients[i].sessions[j];

            session->client = &clients[i];
            session->turn.go = on_session_turn;
            list_init(&session->turn.node);
            pace_init(&session->pace, loop, &clients[i].rate);
        }
    }
    return loop;
}

static void clients_end(struct client *clients, struct ev_loop *loop,
                        struct pace_rate *whole)
{
    for (int i = 0; i < CLIENTS; i++) {
        for (int j = 0; j < SESSIONS; j++)
            pace_leave(&clients[i].sessions[j].pace, &clients[i].sessions[j].turn);
        assert_int_equal(clients[i].rate.waiting, 0);
        pace_rate_deinit(&clients[i].rate);
    }
    assert_int_equal(whole->waiting, 0);
    pace_rate_deinit(whole);
    ev_loop_destroy(loop);
}

/* The first has many sessions, the others one each. */
static void test_clients_share_a_rate(void **state)
{
    struct client clients[CLIENTS];
    struct pace_rate whole;
    struct ev_loop *loop;
    uint64_t began_ns, all;
    (void)state;

    loop = clients_begin(clients, &whole, RATE);
    left = RATE / 2;
    began_ns = clock_now();
    for (int j = 0; j < SESSIONS; j++)
        go_on(&clients[0].sessions[j], 0);
    for (int i = 1; i < CLIENTS; i++)
        go_on(&clients[i].sessions[0], 0);
    ev_run(loop, 0);
    all = clients[0].moved + clients[1].moved + clients[2].moved;
    assert_true(all <= RATE * ((clock_now() - began_ns) / 1000) / 1000000 + BURST +
                           (CLIENTS + SESSIONS) * (uint64_t)PIECE);
    for (int i = 0; i < CLIENTS; i++)
        assert_in_range(clients[i].moved * CLIENTS, all * 8 / 10, all * 12 / 10);
    clients_end(clients, loop, &whole);
}

/* One that is alone has all of the rate, and one with a rate of its own no more than that.
 */
static void test_a_share_is_not_kept_free(void **state)
{
    struct client clients[CLIENTS];
    struct pace_rate whole;
    struct ev_loop *loop;
    uint64_t began_ns, ns;
    (void)state;

    loop = clients_begin(clients, &whole, RATE);
    pace_rate_set(&clients[1].rate, RATE / 20, clock_now());
    left = RATE / 2;
    began_ns = clock_now();
    go_on(&clients[0].sessions[0], 0);
    go_on(&clients[1].sessions[0], 0);
    ev_run(loop, 0);
    ns = clock_now() - began_ns;
    assert_true(clients[1].moved <=
                RATE / 20 * (ns / 1000) / 1000000 + BURST / 20 + 2 * PIECE);
    assert_in_range(clients[0].moved, RATE / 2 * 8 / 10, RATE);
    clients_end(clients, loop, &whole);
}

/* A round of all that wait is short, and so is the wait of one with little to move. */
static void test_pieces_are_smaller_where_many_wait(void **state)
{
    enum { FAST = 100000000 };
    struct client clients[CLIENTS];
    struct pace_rate whole;
    struct ev_loop *loop;
    (void)state;

    loop = clients_begin(clients, &whole, FAST);
    for (int i = 0; i < CLIENTS; i++) {
        while (!list_linked(&clients[i].sessions[0].turn.node))
            go_on(&clients[i].sessions[0], 0);
        assert_int_equal(clients[i].sessions[0].pace.reserved, FAST / 500 / (i + 1));
    }
    clients_end(clients, loop, &whole);
}

UNIT_MAIN(cmocka_unit_test(test_two_sessions_take_turns),
          cmocka_unit_test(test_two_threads_keep_one_rate),
          cmocka_unit_test(test_those_that_leave_give_their_piece_back),
          cmocka_unit_test(test_a_new_rate_counts_at_once),
          cmocka_unit_test(test_what_is_moved_is_settled),
          cmocka_unit_test(test_without_a_rate_all_may_go),
          cmocka_unit_test(test_clients_share_a_rate),
          cmocka_unit_test(test_a_share_is_not_kept_free),
          cmocka_unit_test(test_pieces_are_smaller_where_many_wait))
