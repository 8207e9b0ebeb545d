/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/turns.h>

#include <splitsocks/base/attributes.h>

#include <stddef.h>

void turns_next(struct turns *turns)
{
    turns->iteration++;
    turns->before = turns->now;
    turns->now = (struct turns_seen){.clients = 0};
}

/* Whether no other client had anything to read in the iteration before. */
static bool is_alone(const struct turns *turns, bool was_there)
{
    return turns->before.clients <= (was_there ? 1u : 0u);
}

static uint64_t busiest_other(const struct turns *turns, const struct turn *turn)
{
    return turns->before.client == turn ? turns->before.next_bytes : turns->before.bytes;
}

/* The first look at the client in this iteration. */
static void begin(struct turns *turns, struct turn *turn)
{
    bool was_there = turn->iteration + 1 == turns->iteration;
    uint64_t others = busiest_other(turns, turn);

    turn->allowance = MIN(turn->allowance, 0) + (int64_t)(others > 0 ? others : TURN_BYTES);
    if (is_alone(turns, was_there))
        turn->allowance = INT64_MAX / 2;
    turn->was_put_off = was_there && turn->put_off;
    /* When each ready socket has had its turn, the next round begins. */
    if (!turn->was_put_off)
        turn->round++;
    turn->put_off = false;
    turn->iteration = turns->iteration;
    turn->bytes = 0;
    turns->now.clients++;
}

bool turn_may_read(struct turns *turns, struct turn *turn, uint32_t *round)
{
    if (turn->iteration != turns->iteration)
        begin(turns, turn);
    if (*round == turn->round)
        return false;
    if (turn->allowance <= 0) {
        turn->put_off = true;
        return false;
    }
    *round = turn->round;
    return true;
}

void turn_read(struct turns *turns, struct turn *turn, uint64_t bytes)
{
    struct turns_seen *now = &turns->now;

    bytes += TURN_READ_COST;
    turn->allowance -= (int64_t)bytes;
    turn->bytes += bytes;
    if (turn->was_put_off)
        return;
    if (now->client == turn) {
        now->bytes = turn->bytes;
    } else if (turn->bytes > now->bytes) {
        now->next_bytes = now->bytes;
        now->bytes = turn->bytes;
        now->client = turn;
    } else {
        now->next_bytes = MAX(now->next_bytes, turn->bytes);
    }
}
