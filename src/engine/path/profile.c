/* SPDX-License-Identifier: MIT */
/* The life of connections as the profile sees it, and who explores. */
#include "profile_tables.h"

#include <splitsocks/base/backoff.h>
#include <splitsocks/engine/path/slots.h>

#include <stdlib.h>

/* An explorer goes this many times further than the budget. */
#define EXPLORE_FACTOR 2.1
/* It has succeeded when it came so many times as far. */
#define EXPLORE_ENOUGH 1.9
/* The share of the connections' time that explorers which die may cost. */
#define EXPLORE_SHARE 0.01
/* With few connections open, exploration waits so much longer. */
#define EXPLORE_FEW 2
/* An explorer that ended without a result. */
#define EXPLORE_AGAIN_NS NS_PER_S
/* An explorer is slow after so many times the usual cycle and so many round trips. */
#define SLOW_CYCLES 1.3
#define SLOW_ROUND_TRIPS 4
/* Less than this says nothing of how much a connection may carry. */
#define CARRIED_MIN PROFILE_FIRST

void profile_init(struct profile *profile)
{
    *profile = (struct profile){.explore_after_ns = EXPLORE_WAIT_NS};
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        profile->budget[c] = PROFILE_UNLIMITED;
    profile_vain_init(&profile->vain);
}

void profile_deinit(struct profile *profile)
{
    free(profile->tables);
    profile->tables = NULL;
}

void profile_reset(struct profile *profile)
{
    uint32_t generation = profile->generation + 1;

    profile_deinit(profile);
    profile_init(profile);
    profile->generation = generation;
}

void profile_connection_begin(struct profile *profile,
                              struct profile_connection *connection, bool explorer,
                              uint64_t now)
{
    /* The two round trips of dial and first answer are counted by themselves. */
    *connection = (struct profile_connection){
        .begun_at_ns = now,
        .seen_at_ns = now + 2 * profile->network.round_trip_ns,
        .begun = true,
        .explorer = explorer,
        .generation = profile->generation,
    };
    if (!explorer)
        return;
    profile->exploring = true;
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        connection->safe[c] = profile_budget(profile, c);
}

/* An explorer has come twice as far as its budget was, in a coordinate that had one. */
static bool came_far(const struct profile_connection *connection)
{
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++) {
        double unit = c == PROFILE_AGE ? (double)PROFILE_AGE_UNIT_NS : 1;

        if (connection->safe[c] != PROFILE_UNLIMITED &&
            profile_position(connection, c) * unit >=
                EXPLORE_ENOUGH * (double)connection->safe[c])
            return true;
    }
    return false;
}

static void explored(struct profile *profile, const struct profile_connection *connection,
                     bool failed, uint64_t now)
{
    profile->exploring = false;
    if (failed) {
        double cost_ns =
            (double)(profile->network.replaced_after_ns + profile->network.zombie_for_ns) /
            (EXPLORE_SHARE * MAX(profile->network.open, 1u));

        profile->explore_after_ns = backoff_next_ns(profile->explore_after_ns,
                                                    EXPLORE_WAIT_NS, EXPLORE_WAIT_MAX_NS);
        profile->explore_at_ns =
            now +
            MIN(MAX(profile->explore_after_ns, (uint64_t)cost_ns), EXPLORE_WAIT_MAX_NS);
    } else if (came_far(connection)) {
        profile->explore_after_ns = EXPLORE_WAIT_NS;
        profile->explore_at_ns = now;
    } else {
        profile->explore_at_ns = now + EXPLORE_AGAIN_NS;
    }
}

static void note_death(struct profile *profile, struct profile_connection *connection,
                       bool reset, uint64_t now)
{
    bool fresh = profile->died_at_ns == 0 || now - profile->died_at_ns > DEATH_FRESH_NS;

    profile_keep_ending(profile, connection);
    profile_count_death(profile, connection, reset);
    for (unsigned d = 0; d < 2; d++)
        profile->death_bytes[d] = fresh
                                      ? connection->bytes[d]
                                      : MIN(profile->death_bytes[d], connection->bytes[d]);
    profile->deaths = fresh ? 1 : profile->deaths + 1;
    profile->died_at_ns = now;
    profile->urgent = true;
}

void profile_ended(struct profile *profile, struct profile_connection *connection,
                   enum profile_end end, uint64_t now)
{
    bool died = end == PROFILE_FROZEN || end == PROFILE_RESET;
    bool failed = died || end == PROFILE_NO_EVIDENCE;
    bool slow = profile_connection_slow(profile, connection, now);

    if (!profile_knows(profile, connection))
        return;
    connection->begun = false;
    if (end == PROFILE_WORN_OUT)
        profile_vain_ended(&profile->vain, connection);
    if (profile->tables == NULL ||
        connection->bytes[PROFILE_UP] + connection->bytes[PROFILE_DOWN] < CARRIED_MIN)
        end = PROFILE_NO_EVIDENCE;
    if (end == PROFILE_NO_EVIDENCE && failed)
        profile_vain_died(&profile->vain, connection, now);
    died &= end != PROFILE_NO_EVIDENCE;
    if (died)
        note_death(profile, connection, end == PROFILE_RESET, now);
    else if (end == PROFILE_WORN_OUT)
        profile_keep_ending(profile, connection);
    if (connection->explorer)
        explored(profile, connection, died || (slow && end == PROFILE_WORN_OUT), now);
    else if (died || end == PROFILE_WORN_OUT)
        profile_watch_change(profile, died);
    profile->stale = true;
}

void profile_undo(struct profile *profile, struct profile_connection *connection)
{
    if (!connection->dead || connection->generation != profile->generation)
        return;
    struct profile_ending *ending = &profile->tables->ending[connection->ending];

    connection->dead = false;
    if (ending->died_in == 0)
        return; /* so many have ended since that its place was taken */
    struct profile_bucket *bucket =
        &profile->tables->bucket[ending->died_in - 1][ending->died_bucket];

    bucket->deaths = MAX(bucket->deaths - 1, 0.0f);
    ending->died_in = 0;
    profile->change = MAX(profile->change - 1, 0.0);
    profile->stale = profile->urgent = true;
}

uint64_t profile_connection_safe(const struct profile_connection *connection,
                                 enum profile_coordinate coordinate)
{
    return connection->explorer ? connection->safe[coordinate] : PROFILE_UNLIMITED;
}

bool profile_connection_slow(const struct profile *profile,
                             const struct profile_connection *connection, uint64_t now)
{
    double allowed_ns = SLOW_CYCLES * (double)profile_cycle_ns(profile) +
                        SLOW_ROUND_TRIPS * (double)profile->network.round_trip_ns;
    bool beyond = false;

    if (!connection->explorer || !profile_knows(profile, connection))
        return false;
    for (unsigned d = 0; d < 2; d++)
        beyond |= connection->bytes[d] > connection->safe[d];
    return beyond && (double)(now - connection->begun_at_ns) > allowed_ns;
}

uint64_t profile_explore_at_ns(const struct profile *profile, unsigned open)
{
    bool limited = false;

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        limited |= profile->budget[c] != PROFILE_UNLIMITED;
    if (!limited || profile->exploring)
        return TIME_NEVER;
    return profile->explore_at_ns + (open > EXPLORE_FEW ? 0 : EXPLORE_WAIT_MAX_NS);
}

/* The explorer's bound; elsewhere the budget of the moment holds. */
uint64_t profile_explorer_limit(const struct profile_connection *connection,
                                enum profile_coordinate coordinate)
{
    uint64_t safe = connection->safe[coordinate];

    return safe == PROFILE_UNLIMITED ? safe : (uint64_t)(EXPLORE_FACTOR * (double)safe);
}
