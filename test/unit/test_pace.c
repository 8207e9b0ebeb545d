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
    pace_rate_init(rate);
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

UNIT_MAIN(cmocka_unit_test(test_two_sessions_take_turns),
          cmocka_unit_test(test_two_threads_keep_one_rate),
          cmocka_unit_test(test_those_that_leave_give_their_piece_back),
          cmocka_unit_test(test_a_new_rate_counts_at_once),
          cmocka_unit_test(test_what_is_moved_is_settled),
          cmocka_unit_test(test_without_a_rate_all_may_go))
