/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/pace.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>

/* How much of the rate one piece is. Less wakes the process more often; with more, many
 * streams that share a rate wait longer for their turns. */
#define PIECES_A_SECOND 500

/* ---- what the threads share ---- */

void pace_rate_init(struct pace_rate *rate)
{
    pthread_mutex_init(&rate->lock, NULL);
    rate->limit = (struct rate_limit){.rate = 0};
    atomic_init(&rate->bounded, false);
}

void pace_rate_deinit(struct pace_rate *rate)
{
    pthread_mutex_destroy(&rate->lock);
}

void pace_rate_set(struct pace_rate *rate, uint64_t bytes, uint64_t now)
{
    pthread_mutex_lock(&rate->lock);
    rate_limit_set(&rate->limit, bytes, now);
    pthread_mutex_unlock(&rate->lock);
    atomic_store(&rate->bounded, bytes != 0);
}

static bool is_bounded(const struct pace *pace)
{
    return pace->rate != NULL && atomic_load(&pace->rate->bounded);
}

/* ---- the queue ---- */

static uint64_t piece_of(const struct rate_limit *limit)
{
    return MAX(limit->rate / PIECES_A_SECOND, (uint64_t)PACE_PACKET);
}

/* Takes the piece of the first that waits, and waits until its debt is paid. */
static void reserve(struct pace *pace)
{
    struct rate_limit *limit = &pace->rate->limit;
    uint64_t now = clock_now(), at_ns;

    pthread_mutex_lock(&pace->rate->lock);
    pace->reserved = piece_of(limit);
    rate_limit_spend(limit, pace->reserved, now);
    at_ns = rate_limit_next(limit, now);
    pthread_mutex_unlock(&pace->rate->lock);
    io_watch_until(pace->loop, &pace->timer, at_ns, now);
}

static void give_back(struct pace *pace, uint64_t bytes)
{
    pthread_mutex_lock(&pace->rate->lock);
    rate_limit_give_back(&pace->rate->limit, bytes);
    pthread_mutex_unlock(&pace->rate->lock);
}

static void cancel_reserved(struct pace *pace)
{
    give_back(pace, pace->reserved);
    pace->reserved = 0;
    ev_timer_stop(pace->loop, &pace->timer);
}

/* One piece in each turn of the loop, so that the sockets of others are looked at. */
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pace *pace = timer->data;
    struct pace_turn *turn = list_first(&pace->waiting, struct pace_turn, node);
    uint64_t bytes = pace->reserved;
    (void)loop;
    (void)events;

    pace->reserved = 0;
    list_remove(&turn->node);
    if (!list_empty(&pace->waiting))
        reserve(pace);
    turn->go(turn, bytes);
}

void pace_init(struct pace *pace, struct ev_loop *loop, struct pace_rate *rate)
{
    *pace = (struct pace){.rate = rate, .loop = loop};
    list_init(&pace->waiting);
    ev_init(&pace->timer, on_timer);
    pace->timer.data = pace;
}

void pace_deinit(struct pace *pace)
{
    if (pace->reserved > 0)
        cancel_reserved(pace);
    pace->rate = NULL;
}

/* What may be moved without waiting: less than a piece is not worth a system call. */
static uint64_t take_now(struct pace_rate *rate, uint64_t wanted, uint64_t now)
{
    uint64_t room;

    pthread_mutex_lock(&rate->lock);
    room = MIN(rate_limit_room(&rate->limit, now), wanted);
    if (room < MIN(wanted, piece_of(&rate->limit)))
        room = 0;
    rate_limit_spend(&rate->limit, room, now);
    pthread_mutex_unlock(&rate->lock);
    return room;
}

uint64_t pace_take(struct pace *pace, struct pace_turn *turn, uint64_t wanted, uint64_t now)
{
    uint64_t room = 0;

    if (!is_bounded(pace))
        return wanted;
    if (list_empty(&pace->waiting))
        room = take_now(pace->rate, wanted, now);
    if (room > 0)
        return room;
    list_append(&pace->waiting, &turn->node);
    if (pace->reserved == 0)
        reserve(pace);
    return 0;
}

void pace_settle(struct pace *pace, uint64_t taken, uint64_t moved, uint64_t now)
{
    if (taken == moved || !is_bounded(pace))
        return;
    if (moved < taken) {
        give_back(pace, taken - moved);
        return;
    }
    pthread_mutex_lock(&pace->rate->lock);
    rate_limit_spend(&pace->rate->limit, moved - taken, now);
    pthread_mutex_unlock(&pace->rate->lock);
}

void pace_leave(struct pace *pace, struct pace_turn *turn)
{
    list_remove(&turn->node);
    if (pace->reserved > 0 && list_empty(&pace->waiting))
        cancel_reserved(pace);
}

void pace_renew(struct pace *pace)
{
    if (pace->reserved == 0)
        return;
    cancel_reserved(pace);
    reserve(pace);
}
