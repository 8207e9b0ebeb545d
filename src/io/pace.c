/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/pace.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>

/* How much of the rate one piece is; of the rate of all clients, a piece of each that
 * waits. Less wakes the process more often; with more, many streams that share a rate wait
 * longer for their turns. */
#define PIECES_A_SECOND 500

/* ---- what the threads share ---- */

void pace_rate_init(struct pace_rate *rate, struct pace_rate *whole)
{
    *rate = (struct pace_rate){.whole = whole};
    pthread_mutex_init(&rate->lock, NULL);
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
    const struct pace_rate *rate = pace->rate;

    return rate != NULL && (atomic_load(&rate->bounded) ||
                            (rate->whole != NULL && atomic_load(&rate->whole->bounded)));
}

static void lock(struct pace_rate *rate)
{
    pthread_mutex_lock(&rate->lock);
    if (rate->whole != NULL)
        pthread_mutex_lock(&rate->whole->lock);
}

static void unlock(struct pace_rate *rate)
{
    if (rate->whole != NULL)
        pthread_mutex_unlock(&rate->whole->lock);
    pthread_mutex_unlock(&rate->lock);
}

/* ---- with the locks ---- */

static uint64_t piece_of(const struct pace_rate *rate)
{
    const struct pace_rate *whole = rate->whole;
    uint64_t least = rate->limit.rate;

    if (whole != NULL && whole->limit.rate != 0) {
        uint64_t part = whole->limit.rate / MAX(whole->waiting, 1);

        least = least == 0 ? part : MIN(least, part);
    }
    return MAX(least / PIECES_A_SECOND, (uint64_t)PACE_PACKET);
}

static uint64_t room_of(const struct pace_rate *rate, uint64_t now)
{
    uint64_t room = rate_limit_room(&rate->limit, now);

    return rate->whole == NULL ? room
                               : MIN(room, rate_limit_room(&rate->whole->limit, now));
}

static void spend(struct pace_rate *rate, uint64_t bytes, uint64_t now)
{
    rate_limit_spend(&rate->limit, bytes, now);
    if (rate->whole == NULL)
        return;
    rate_limit_spend(&rate->whole->limit, bytes, now);
    rate_limit_spend(&rate->share, bytes, now);
}

static void give_back(struct pace_rate *rate, uint64_t bytes)
{
    rate_limit_give_back(&rate->limit, bytes);
    if (rate->whole == NULL)
        return;
    rate_limit_give_back(&rate->whole->limit, bytes);
    rate_limit_give_back(&rate->share, bytes);
}

/* When the debts are paid. */
static uint64_t paid_at(const struct pace_rate *rate, uint64_t now)
{
    uint64_t at_ns = rate_limit_next(&rate->limit, now);

    if (rate->whole == NULL)
        return at_ns;
    at_ns = MAX(at_ns, rate_limit_next(&rate->share, now));
    return MAX(at_ns, rate_limit_next(&rate->whole->limit, now));
}

static void begin_wait(struct pace_rate *rate, uint64_t now)
{
    struct pace_rate *whole = rate->whole;

    if (rate->waiting++ == 0 && whole != NULL)
        whole->waiting++;
    if (whole != NULL)
        rate_limit_set(&rate->share, whole->limit.rate / whole->waiting, now);
}

static void end_wait(struct pace_rate *rate)
{
    if (--rate->waiting == 0 && rate->whole != NULL)
        rate->whole->waiting--;
}

/* ---- the queue ---- */

/* Takes the piece of the first that waits, and waits until its debt is paid. */
static void reserve(struct pace *pace)
{
    uint64_t now = clock_now(), at_ns;

    lock(pace->rate);
    begin_wait(pace->rate, now);
    pace->reserved = piece_of(pace->rate);
    spend(pace->rate, pace->reserved, now);
    at_ns = paid_at(pace->rate, now);
    unlock(pace->rate);
    io_watch_until(pace->loop, &pace->timer, at_ns, now);
}

static void cancel_reserved(struct pace *pace)
{
    lock(pace->rate);
    give_back(pace->rate, pace->reserved);
    end_wait(pace->rate);
    unlock(pace->rate);
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
    lock(pace->rate);
    end_wait(pace->rate);
    unlock(pace->rate);
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

    lock(rate);
    room = MIN(room_of(rate, now), wanted);
    if (room < MIN(wanted, piece_of(rate)))
        room = 0;
    spend(rate, room, now);
    unlock(rate);
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
    lock(pace->rate);
    if (moved < taken)
        give_back(pace->rate, taken - moved);
    else
        spend(pace->rate, moved - taken, now);
    unlock(pace->rate);
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
