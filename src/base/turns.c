/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/turns.h>

void turns_next(struct turns *turns)
{
    uint64_t reached = turns->behind != UINT64_MAX ? turns->behind : turns->ahead;

    turns->clock = MAX(turns->clock, reached);
    turns->iteration++;
    turns->before = turns->clients;
    turns->clients = 0;
    turns->behind = UINT64_MAX;
    turns->ahead = 0;
    turns->spent = 0;
}

/* The first look at the client in this iteration. */
static void begin(struct turns *turns, struct turn *turn)
{
    bool was_there = turn->iteration + 1 == turns->iteration;
    bool alone = turns->before <= (was_there ? 1u : 0u);
    uint64_t least = turns->clock - MIN(turns->clock, (uint64_t)TURN_CREDIT);
    uint64_t end = turns->clock + TURN_BYTES;

    turn->clock = MAX(turn->clock, least);
    if (alone)
        turn->most = TURN_ALONE;
    else
        turn->most = MIN(end - MIN(end, turn->clock), (uint64_t)2 * TURN_BYTES);
    /* When each ready socket has had its turn, the next round begins. */
    if (!was_there || !turn->put_off)
        turn->round++;
    turn->put_off = false;
    turn->errands = 0;
    turn->iteration = turns->iteration;
    turns->clients++;
}

static void note_more(struct turns *turns, const struct turn *turn)
{
    turns->behind = MIN(turns->behind, turn->clock);
}

static void look(struct turns *turns, struct turn *turn)
{
    if (turn->iteration != turns->iteration)
        begin(turns, turn);
}

static void spend(struct turns *turns, struct turn *turn, uint64_t cost)
{
    turns->spent += cost;
    turn->clock += cost;
    turn->most -= MIN(turn->most, cost);
    turns->ahead = MAX(turns->ahead, turn->clock);
}

/* Whether the iteration has had enough, for one that has had its part of late. */
static bool is_over(const struct turns *turns, const struct turn *turn)
{
    return turns->before > 1 && turns->spent >= TURN_ITERATION &&
           turn->clock + TURN_BYTES > turns->clock;
}

size_t turn_most(struct turns *turns, struct turn *turn, uint32_t *round)
{
    look(turns, turn);
    if (*round == turn->round)
        return 0;
    if (turn->most == 0 || is_over(turns, turn)) {
        turn->put_off = true;
        note_more(turns, turn);
        return 0;
    }
    *round = turn->round;
    /* Not the rest alone: the same sockets might get the rests again and again. */
    return (size_t)MAX(turn->most, (uint64_t)TURN_BYTES);
}

void turn_read(struct turns *turns, struct turn *turn, size_t bytes, bool more)
{
    spend(turns, turn, (uint64_t)bytes + TURN_READ_COST);
    if (more)
        note_more(turns, turn);
}

bool turn_has_more(const struct turn *turn)
{
    return turn->most > 0;
}

bool turn_may_ask(struct turns *turns, struct turn *turn)
{
    look(turns, turn);
    if (turn->errands < TURN_ERRANDS)
        return true;
    note_more(turns, turn);
    return false;
}

void turn_errand(struct turns *turns, struct turn *turn)
{
    turn->errands++;
    spend(turns, turn, TURN_ERRAND_COST);
}

void turn_left(struct turns *turns, struct turn *turn)
{
    spend(turns, turn, TURN_FRAMES_COST);
    note_more(turns, turn);
}
