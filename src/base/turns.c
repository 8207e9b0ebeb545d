/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/turns.h>

#include <splitsocks/base/attributes.h>

void turns_next(struct turns *turns)
{
    uint64_t reached = turns->behind != UINT64_MAX ? turns->behind : turns->ahead;

    turns->clock = MAX(turns->clock, reached);
    turns->iteration++;
    turns->before = turns->clients;
    turns->clients = 0;
    turns->behind = UINT64_MAX;
    turns->ahead = 0;
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
    turn->iteration = turns->iteration;
    turns->clients++;
}

static void note_more(struct turns *turns, const struct turn *turn)
{
    turns->behind = MIN(turns->behind, turn->clock);
}

size_t turn_most(struct turns *turns, struct turn *turn, uint32_t *round)
{
    if (turn->iteration != turns->iteration)
        begin(turns, turn);
    if (*round == turn->round)
        return 0;
    if (turn->most == 0) {
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
    uint64_t cost = (uint64_t)bytes + TURN_READ_COST;

    turn->clock += cost;
    turn->most -= MIN(turn->most, cost);
    turns->ahead = MAX(turns->ahead, turn->clock);
    if (more)
        note_more(turns, turn);
}
