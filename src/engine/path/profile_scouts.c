/* SPDX-License-Identifier: MIT */
/* Leaders: where no connection has been yet, a few lead and the others stay behind,
 * so that a limit does not meet all of them at once. */
#include "profile_tables.h"

/* Nobody has to lead below this position. */
#define FOLLOW_MIN 8192
/* The least used of so few stays far behind. */
#define ANCHOR_OPEN 4
#define ANCHOR_MIN 4096
/* Beyond this position limits are too rare for that. */
#define ANCHOR_UNTIL (1 << 20)

static uint64_t sum_of(const struct profile_connection *connection)
{
    return connection->bytes[PROFILE_UP] + connection->bytes[PROFILE_DOWN];
}

/* a has carried more, or as much and is older. */
static bool ahead(const struct profile_connection *a, const struct profile_connection *b)
{
    if (sum_of(a) != sum_of(b))
        return sum_of(a) > sum_of(b);
    return a->begun_at_ns < b->begun_at_ns;
}

void profile_choose_leaders(struct profile_connection **connections, unsigned count)
{
    unsigned leaders = MAX(count / LEAD_PART, 1u);
    struct profile_connection *least = NULL;

    for (unsigned i = 0; i < count; i++) {
        unsigned before = 0;

        for (unsigned k = 0; k < count && before < leaders; k++)
            before += k < i ? !ahead(connections[i], connections[k])
                            : ahead(connections[k], connections[i]);
        connections[i]->leads = before < leaders;
        connections[i]->anchor = false;
        if (least == NULL || sum_of(connections[i]) < sum_of(least))
            least = connections[i];
    }
    if (count > 0 && count <= ANCHOR_OPEN)
        least->anchor = true;
}

static uint64_t follow_limit(const struct profile *profile,
                             enum profile_coordinate direction)
{
    return MAX(profile->passed[direction], FOLLOW_MIN);
}

/* Where the anchor stays, while that matters. */
static uint64_t anchor_limit(const struct profile *profile,
                             const struct profile_connection *connection,
                             enum profile_coordinate direction)
{
    if (!connection->anchor)
        return PROFILE_UNLIMITED;
    if (profile->died_at_ns == 0) {
        if (connection->leads || profile->passed[direction] >= ANCHOR_UNTIL ||
            connection->bytes[direction] < ANCHOR_MIN)
            return PROFILE_UNLIMITED;
        return MAX(profile->passed[direction] / 2, FOLLOW_MIN);
    }
    if (profile->network.zombie_for_ns > 0 && (!connection->leads || profile->deaths > 1) &&
        profile->judged_at_ns - profile->died_at_ns < DEATH_FRESH_NS)
        return MAX(profile->death_bytes[direction] / 2, ANCHOR_MIN);
    return PROFILE_UNLIMITED;
}

uint64_t profile_connection_limit(const struct profile *profile,
                                  const struct profile_connection *connection,
                                  enum profile_coordinate coordinate)
{
    uint64_t limit = profile_budget(profile, coordinate);

    if (!profile_knows(profile, connection))
        return limit;
    if (connection->explorer)
        return profile_explorer_limit(connection, coordinate);
    if (coordinate > PROFILE_DOWN)
        return limit;
    limit = MIN(limit, profile->vain.limit[coordinate]);
    limit = MIN(limit, anchor_limit(profile, connection, coordinate));
    if (!connection->leads)
        limit = MIN(limit, follow_limit(profile, coordinate));
    return limit;
}
