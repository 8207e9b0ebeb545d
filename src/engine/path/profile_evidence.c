/* SPDX-License-Identifier: MIT */
/* Counting: who came past a bucket, in what time, and who died there. */
#include "profile_tables.h"

#include <stdlib.h>

/* Where more than this share has died, an explorer that comes past is news. */
#define OUTLIVED_SHARE 0.3
/* Deaths within this factor of a position are at the same place. */
#define PLACE_FACTOR 1.15
/* Expected deaths count so many times: the sum stays at 0 until twice as many die. */
#define CHANGE_DRIFT 2.0
#define CHANGE_FATE_MIN 0.05
#define CHANGE_LIMIT 2.0
/* The mix of directions follows the last seconds, of all connections together, in which
 * data waited. Not the bytes: the direction that got less of a common budget would get ever
 * less. */
#define MIX_S 2.0
/* The part of a bucket that it is taken to have done at least. */
#define CRAWL_DONE_MIN 0.05
/* A change leaves so much of the evidence, in connections. */
#define CHANGE_VISITS 3

double profile_edge(unsigned j)
{
    static const double ratio[PROFILE_STEPS] = {
        1.0,
        1.0442737824274138,
        1.0905077326652577,
        1.1387886347566916,
        1.1892071150027210,
        1.2418578120734840,
        1.2968395546510096,
        1.3542555469368927,
        1.4142135623730951,
        1.4768261459394993,
        1.5422108254079408,
        1.6104903319492543,
        1.6817928305074290,
        1.7562521603732995,
        1.8340080864093425,
        1.9152065613971474,
    };

    return PROFILE_FIRST * ratio[j % PROFILE_STEPS] *
           (double)(UINT64_C(1) << (j / PROFILE_STEPS));
}

unsigned profile_bucket_of(double position)
{
    unsigned j = 0;

    while (j + PROFILE_STEPS < PROFILE_BUCKETS &&
           profile_edge(j + PROFILE_STEPS) <= position)
        j += PROFILE_STEPS;
    while (j + 1 < PROFILE_BUCKETS && profile_edge(j + 1) <= position)
        j++;
    return j;
}

double profile_position(const struct profile_connection *connection,
                        enum profile_coordinate coordinate)
{
    switch (coordinate) {
    case PROFILE_UP:
    case PROFILE_DOWN: return (double)connection->bytes[coordinate];
    case PROFILE_SUM:
        return (double)connection->bytes[PROFILE_UP] +
               (double)connection->bytes[PROFILE_DOWN];
    case PROFILE_AGE:
    case PROFILE_COORDINATES: break;
    }
    if (connection->grown_at_ns <= connection->begun_at_ns)
        return 0;
    return (double)(connection->grown_at_ns - connection->begun_at_ns) /
           (double)PROFILE_AGE_UNIT_NS;
}

struct profile_tables *profile_tables_get(struct profile *profile)
{
    if (profile->tables == NULL)
        profile->tables = calloc(1, sizeof(*profile->tables));
    return profile->tables;
}

/* Makes room for one connection more. */
static void fade(struct profile_bucket *bucket)
{
    if (bucket->visits < PROFILE_VISITS_MAX)
        return;
    float factor = (PROFILE_VISITS_MAX - 1) / bucket->visits;

    bucket->visits *= factor;
    bucket->deaths *= factor;
}

void profile_count_pass(struct profile_bucket *bucket, bool explorer)
{
    fade(bucket);
    if (explorer && bucket->deaths > OUTLIVED_SHARE * bucket->visits) {
        if (bucket->outlived)
            bucket->visits = bucket->deaths = 0;
        bucket->outlived = !bucket->outlived;
    }
    bucket->visits += 1;
}

void profile_count_time(struct profile_bucket *bucket, double seconds)
{
    if (bucket->timed < PROFILE_VISITS_MAX)
        bucket->timed++;
    bucket->mean_s += ((float)seconds - bucket->mean_s) / (float)bucket->timed;
}

/* How well a coordinate explains a death: of the endings that came as far, the share that
 * died at the same place. */
static double share_at(const struct profile_tables *tables,
                       enum profile_coordinate coordinate, double position)
{
    unsigned came = 0, died = 0;

    for (unsigned i = 0; i < tables->ending_count; i++) {
        const struct profile_ending *ending = &tables->ending[i];
        double at = ending->at[coordinate];

        bool there = ending->died_in != 0 && at >= position / PLACE_FACTOR &&
                     at <= position * PLACE_FACTOR;

        /* Budgets end survivors just before the place: those do not count against it. */
        came += there || at >= position;
        died += there;
    }
    return came == 0 ? 0 : (double)died / came;
}

static enum profile_coordinate explain(const struct profile *profile,
                                       const struct profile_connection *connection)
{
    enum profile_coordinate busier =
        connection->bytes[PROFILE_UP] > connection->bytes[PROFILE_DOWN] ? PROFILE_UP
                                                                        : PROFILE_DOWN;
    double prior[PROFILE_COORDINATES] = {0.1, 0.1, 0.5, 0.25};
    enum profile_coordinate best = busier;
    double most = 0;

    prior[busier] = 1;
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++) {
        double position = profile_position(connection, c);
        double share = prior[c] * share_at(profile->tables, c, position);

        /* A few ACKs in the other direction explain nothing. */
        if (position < PROFILE_FIRST)
            continue;

        if (share > most) {
            most = share;
            best = c;
        }
    }
    return best;
}

void profile_keep_ending(struct profile *profile, struct profile_connection *connection)
{
    struct profile_tables *tables = profile->tables;
    struct profile_ending *ending = &tables->ending[tables->ending_next];

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        ending->at[c] = (float)profile_position(connection, c);
    ending->died_in = 0;
    connection->ending = tables->ending_next;
    tables->ending_next = (tables->ending_next + 1) % PROFILE_ENDINGS;
    tables->ending_count = (uint8_t)MIN(tables->ending_count + 1, PROFILE_ENDINGS);
}

void profile_count_death(struct profile *profile, struct profile_connection *connection,
                         bool reset)
{
    struct profile_tables *tables = profile->tables;
    struct profile_ending *ending = &tables->ending[connection->ending];

    ending->died_in = PROFILE_DOWN + 1; /* it is one of those that explain it */
    enum profile_coordinate coordinate = explain(profile, connection);
    unsigned j = profile_bucket_of(profile_position(connection, coordinate) * PASS_SLACK);
    struct profile_bucket *bucket = &tables->bucket[coordinate][j];

    fade(bucket);
    bucket->visits += 1;
    bucket->deaths += 1;
    bucket->outlived = false;
    tables->resets[coordinate] += ((reset ? 1 : 0) - tables->resets[coordinate]) / 4;
    connection->dead = true;
    ending->died_in = (uint8_t)(coordinate + 1);
    ending->died_bucket = (uint16_t)j;
}

static void forget_most(struct profile_tables *tables)
{
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        for (unsigned j = 0; j < PROFILE_BUCKETS; j++) {
            struct profile_bucket *bucket = &tables->bucket[c][j];

            if (bucket->visits <= CHANGE_VISITS)
                continue;
            bucket->deaths *= CHANGE_VISITS / bucket->visits;
            bucket->visits = CHANGE_VISITS;
        }
}

/* The endings that showed the change count in full. */
static void count_again(struct profile_tables *tables, unsigned endings)
{
    for (unsigned i = 1; i <= endings; i++) {
        const struct profile_ending *ending =
            &tables->ending[(tables->ending_next + PROFILE_ENDINGS - i) % PROFILE_ENDINGS];

        if (ending->died_in == 0)
            continue;
        tables->bucket[ending->died_in - 1][ending->died_bucket].visits += 1;
        tables->bucket[ending->died_in - 1][ending->died_bucket].deaths += 1;
    }
}

void profile_watch_change(struct profile *profile, bool died)
{
    double expected = CHANGE_DRIFT * MAX(profile->fate, CHANGE_FATE_MIN);

    profile->change = MAX(0.0, profile->change + (died ? 1 : 0) - expected);
    profile->suspects =
        profile->change > 0 ? MIN(profile->suspects + 1u, PROFILE_ENDINGS) : 0;
    if (profile->change < CHANGE_LIMIT)
        return;
    forget_most(profile->tables);
    count_again(profile->tables, profile->suspects);
    profile->change = 0;
    profile->suspects = 0;
}

/* Counts the buckets that a connection has left behind. */
static void cross(struct profile *profile, struct profile_connection *connection,
                  enum profile_coordinate coordinate)
{
    struct profile_bucket *buckets = profile->tables->bucket[coordinate];
    double position = profile_position(connection, coordinate) * PASS_SLACK;
    unsigned first = connection->bucket[coordinate];
    unsigned last = first;
    bool direction = coordinate <= PROFILE_DOWN;

    while (last + 1 < PROFILE_BUCKETS && profile_edge(last + 1) <= position)
        last++;
    if (last == first)
        return;
    double begin = first == 0 ? 0 : profile_edge(first);
    double width = profile_edge(last) - begin;

    for (unsigned j = first; j < last; j++) {
        double end = profile_edge(j + 1);

        profile_count_pass(&buckets[j], connection->explorer);
        if (direction)
            profile_count_time(&buckets[j],
                               connection->waited_s[coordinate] * (end - begin) / width);
        begin = end;
    }
    connection->bucket[coordinate] = (uint16_t)last;
    if (direction)
        connection->waited_s[coordinate] = 0;
    profile->stale = true;
}

/* An open connection may need longer for its bucket than is left of the transfer. One that
 * has carried nothing for so long is frozen, and does not crawl; one that is at its first
 * bytes has none to carry. */
static void note_crawl(struct profile *profile, const struct profile_connection *connection,
                       enum profile_coordinate coordinate, uint64_t now)
{
    unsigned j = connection->bucket[coordinate];
    struct profile_crawl *crawl = &profile->tables->crawl[coordinate];
    double begin = j == 0 ? 0 : profile_edge(j);
    double done =
        (profile_position(connection, coordinate) - begin) / (profile_edge(j + 1) - begin);
    double waited_s = connection->waited_s[coordinate];

    if (j + 1 >= PROFILE_BUCKETS || profile_edge(j) < RATE_FROM ||
        now - connection->grown_at_ns > profile->network.replaced_after_ns ||
        waited_s * 1e9 < (double)profile->network.replaced_after_ns)
        return;
    double seconds = waited_s / MAX(done, CRAWL_DONE_MIN);

    if (now - crawl->seen_at_ns > CRAWL_NS || j != crawl->bucket || seconds > crawl->mean_s)
        *crawl = (struct profile_crawl){
            .seen_at_ns = now, .mean_s = (float)seconds, .bucket = (uint16_t)j};
    profile->stale = true;
}

void profile_progress(struct profile *profile, struct profile_connection *connection,
                      uint64_t bytes_up, uint64_t bytes_down, unsigned waits, uint64_t now)
{
    const uint64_t bytes[2] = {bytes_up, bytes_down};
    double waited_s = now > connection->seen_at_ns
                          ? (double)(now - connection->seen_at_ns) / (double)NS_PER_S
                          : 0;

    if (!profile_knows(profile, connection) || profile_tables_get(profile) == NULL)
        return;
    connection->seen_at_ns = MAX(connection->seen_at_ns, now);
    for (unsigned d = 0; d < 2; d++) {
        if ((waits & 1u << d) != 0) {
            connection->waited_s[d] += (float)waited_s;
            profile->busy[d] += waited_s;
        }
        if (bytes[d] > connection->bytes[d])
            connection->grown_at_ns = now;
        connection->bytes[d] = bytes[d];
        profile->passed[d] = MAX(profile->passed[d], bytes[d]);
    }
    if (profile->busy[0] + profile->busy[1] > MIX_S) {
        profile->busy[0] /= 2;
        profile->busy[1] /= 2;
    }
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        cross(profile, connection, c);
    for (unsigned d = 0; d < 2; d++)
        note_crawl(profile, connection, d, now);
}
