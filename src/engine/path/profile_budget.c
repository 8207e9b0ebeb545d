/* SPDX-License-Identifier: MIT */
/* The budget by renewal-reward: after each connection a place begins anew, so that a budget
 * yields the expected bytes of a connection by the expected time from dial to dial. */
#include "profile_tables.h"

/* Of budgets that yield nearly as much as the best, the largest. */
#define YIELD_TIE 0.03
/* Where so many are alive as far as is known, and little is lost by it, there is no budget.
 */
#define ALIVE_MIN 0.9
/* ... and only where single connections are known to wait longer than a handshake: the rate
 * of a connection on a busy machine may fall to a tenth by itself. */
#define ALIVE_YIELD 0.5
/* Where fewer are alive, nothing further matters. */
#define ALIVE_LEAST 0.02
/* How far beyond what was seen the yield is extrapolated: two octaves. */
#define BEYOND (2 * PROFILE_STEPS)
#define RATE_WEIGHT 0.5
/* A crawl counts for so many connections. */
#define CRAWL_VISITS 4
/* A budget that has fallen so far needs more connections. */
#define TIGHTENED 0.8
/* Budgets are computed so many times in a round trip. */
#define JUDGE_PARTS 4
/* ... but no more often than this, except after a death: round trips on loopback take
 * microseconds. */
#define JUDGE_MIN_NS (30 * NS_PER_MS)

struct outcome {
    double yield, end, alive, time_s, bytes;
};

struct walk {
    double alive, time_s, bytes; /* as the outcome has them, up to the bucket */
    double rate;                 /* bytes a second behind TCP's first window; 0: unknown */
};

/* How long a connection takes for the bucket, by what is known. */
static double bucket_time(const struct profile *profile, enum profile_coordinate coordinate,
                          unsigned j, double width, struct walk *walk)
{
    const struct profile_bucket *bucket = &profile->tables->bucket[coordinate][j];
    double mean = bucket->mean_s, weight = bucket->timed;

    if (coordinate == PROFILE_AGE)
        return width * (double)PROFILE_AGE_UNIT_NS / (double)NS_PER_S;
    if (coordinate <= PROFILE_DOWN) {
        const struct profile_crawl *crawl = &profile->tables->crawl[coordinate];

        if (crawl->bucket == j && crawl->mean_s > 0 &&
            profile->judged_at_ns - crawl->seen_at_ns < CRAWL_NS) {
            mean = (mean * weight + CRAWL_VISITS * crawl->mean_s) / (weight + CRAWL_VISITS);
            weight += CRAWL_VISITS;
        }
    }
    if (weight == 0)
        return walk->rate > 0 ? width / walk->rate : 0;
    if (mean > 0 && profile_edge(j) > RATE_FROM)
        walk->rate = walk->rate > 0 ? walk->rate + RATE_WEIGHT * (width / mean - walk->rate)
                                    : width / mean;
    return mean;
}

static double cycle_s(const struct profile *profile, const struct walk *walk)
{
    const struct profile_network *network = &profile->network;
    double lost_s =
        (double)(network->replaced_after_ns + network->zombie_for_ns) / (double)NS_PER_S;
    double end_s = (double)network->round_trip_ns / 2 / (double)NS_PER_S;

    return MAX(walk->time_s + end_s + (1 - walk->alive) * lost_s,
               (double)network->cycle_min_ns / (double)NS_PER_S);
}

/* Takes one bucket more into the walk. */
static void step(const struct profile *profile, enum profile_coordinate coordinate,
                 unsigned j, struct walk *walk)
{
    const struct profile_bucket *bucket = &profile->tables->bucket[coordinate][j];
    double begin = j == 0 ? 0 : profile_edge(j);
    double width = profile_edge(j + 1) - begin;
    double fate = bucket->visits > 0 ? MIN(bucket->deaths / bucket->visits, 1.0) : 0;
    double seconds = bucket_time(profile, coordinate, j, width, walk);
    double after = walk->alive * (1 - fate);

    walk->time_s += walk->alive * seconds * (1 - fate / 2);
    walk->bytes += width * (walk->alive + after) / 2;
    walk->alive = after;
}

static unsigned last_visited(const struct profile *profile,
                             enum profile_coordinate coordinate)
{
    unsigned j = PROFILE_BUCKETS - 1;

    while (j > 0 && profile->tables->bucket[coordinate][j].visits == 0)
        j--;
    return j;
}

/* Walks through the buckets; the best budget's outcome, with `end` 0 when there is to be
 * none. */
static struct outcome best_of(const struct profile *profile,
                              enum profile_coordinate coordinate)
{
    struct outcome outcomes[PROFILE_BUCKETS];
    struct walk walk = {.alive = 1,
                        .time_s =
                            2 * (double)profile->network.round_trip_ns / (double)NS_PER_S};
    unsigned known = last_visited(profile, coordinate), count = 0, best;
    double most = 0;

    for (unsigned j = 0; j + 1 < PROFILE_BUCKETS && j <= known + BEYOND; j++) {
        step(profile, coordinate, j, &walk);
        double cycle = cycle_s(profile, &walk);

        outcomes[count++] = (struct outcome){
            .yield = cycle > 0 ? walk.bytes / cycle : 0,
            .end = profile_edge(j + 1),
            .alive = walk.alive,
            .time_s = walk.time_s,
            .bytes = walk.bytes,
        };
        most = MAX(most, outcomes[count - 1].yield);
        if (walk.alive < ALIVE_LEAST)
            break;
    }
    double enough = profile->network.singly ? ALIVE_YIELD * most : 0;

    best = count - 1;
    if (outcomes[best].alive <= ALIVE_MIN || outcomes[best].yield < enough) {
        while (best > 0 && outcomes[best].yield < (1 - YIELD_TIE) * most)
            best--;
    }
    if (best == count - 1 && outcomes[best].alive > ALIVE_MIN)
        outcomes[best].end = 0;
    return outcomes[best];
}

static bool has_deaths(const struct profile *profile, enum profile_coordinate coordinate)
{
    for (unsigned j = 0; j < PROFILE_BUCKETS; j++)
        if (profile->tables->bucket[coordinate][j].deaths > 0)
            return true;
    return false;
}

/* Slowness is a matter of the directions alone. */
static struct outcome judge_coordinate(const struct profile *profile,
                                       enum profile_coordinate coordinate)
{
    if (coordinate > PROFILE_DOWN && !has_deaths(profile, coordinate))
        return (struct outcome){.alive = 1};
    return best_of(profile, coordinate);
}

static bool differs(const struct profile_network *a, const struct profile_network *b)
{
    return a->round_trip_ns != b->round_trip_ns ||
           a->replaced_after_ns != b->replaced_after_ns ||
           a->zombie_for_ns != b->zombie_for_ns || a->singly != b->singly ||
           a->cycle_min_ns != b->cycle_min_ns;
}

bool profile_judge_due(const struct profile *profile, uint64_t round_trip_ns, uint64_t now)
{
    return profile->urgent ||
           now - profile->judged_at_ns >= MAX(round_trip_ns / JUDGE_PARTS, JUDGE_MIN_NS);
}

bool profile_judge(struct profile *profile, const struct profile_network *network,
                   uint64_t now)
{
    bool tightened = false;
    bool news = profile->stale || differs(&profile->network, network);
    unsigned busier = profile->busy[PROFILE_UP] > profile->busy[PROFILE_DOWN];

    busier = busier ? PROFILE_UP : PROFILE_DOWN;
    if (!profile_judge_due(profile, network->round_trip_ns, now))
        return false;
    profile->network = *network;
    profile->judged_at_ns = now;
    if (profile->tables == NULL || !news)
        return false;
    profile->stale = profile->urgent = false;
    double alive = 1;

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++) {
        struct outcome outcome = judge_coordinate(profile, c);
        double unit = c == PROFILE_AGE ? (double)PROFILE_AGE_UNIT_NS : 1;
        uint64_t before = profile->budget[c];

        profile->budget[c] = outcome.end == 0
                                 ? PROFILE_UNLIMITED
                                 : (uint64_t)(outcome.end / PASS_SLACK * unit) + 1;
        tightened |= (double)profile->budget[c] < TIGHTENED * (double)before;
        alive *= outcome.alive;
        if (c == busier) {
            struct walk walk = {.alive = outcome.alive, .time_s = outcome.time_s};

            profile->yield = outcome.yield;
            profile->cycle_s = cycle_s(profile, &walk);
            profile->cycle_bytes = outcome.bytes;
        }
    }
    profile->fate = 1 - alive;
    return tightened;
}

uint64_t profile_budget(const struct profile *profile, enum profile_coordinate coordinate)
{
    uint64_t budget = profile->budget[coordinate];
    uint64_t sum = profile->budget[PROFILE_SUM];
    double both = profile->busy[PROFILE_UP] + profile->busy[PROFILE_DOWN];

    if (coordinate > PROFILE_DOWN)
        return budget;
    /* A direction in which nothing has gone lately has no part in the mix. */
    if (sum != PROFILE_UNLIMITED && both > 0)
        budget = MIN(budget, (uint64_t)((double)sum * profile->busy[coordinate] / both));
    return MAX(budget, PROFILE_BUDGET_MIN);
}

double profile_yield(const struct profile *profile)
{
    return profile->yield;
}

/* Without a budget a connection has no cycle: then as long as a change takes to show. */
uint64_t profile_cycle_ns(const struct profile *profile)
{
    unsigned limited = 0;

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++)
        limited += profile->budget[c] != PROFILE_UNLIMITED;
    if (limited == 0)
        return 4 * profile->network.round_trip_ns;
    return (uint64_t)(profile->cycle_s * (double)NS_PER_S);
}

uint64_t profile_cycle_bytes(const struct profile *profile)
{
    return (uint64_t)profile->cycle_bytes;
}
