/* SPDX-License-Identifier: MIT */
/* The words of a profile for people, and the numbers of a profile for a state file. */
#include "profile_tables.h"

#include <splitsocks/base/error.h>

/* A limit is told when its deaths, or what is slow, count for so many connections. */
#define TOLD_VISITS 2
/* A position is another one when it differs by this factor. */
#define TOLD_FACTOR 1.25
/* A finding that changes sooner than this is still being learned. */
#define TOLD_NS (5 * NS_PER_S)
/* Half of the connections have died at the position that is told. */
#define TOLD_ALIVE 0.5

static double unit_of(enum profile_coordinate coordinate)
{
    return coordinate == PROFILE_AGE ? (double)PROFILE_AGE_UNIT_NS : 1;
}

/* The bucket where half are dead, or else where most die; *weight: deaths in the buckets.
 */
static unsigned find_place(const struct profile_bucket *buckets, double *weight)
{
    double alive = 1, most = 0;
    unsigned place = 0;

    *weight = 0;
    for (unsigned j = 0; j < PROFILE_BUCKETS; j++) {
        if (buckets[j].visits <= 0)
            continue;
        double died = alive * buckets[j].deaths / buckets[j].visits;

        *weight += buckets[j].deaths;
        if (alive > TOLD_ALIVE && (died > most || alive - died <= TOLD_ALIVE)) {
            most = died;
            place = j;
        }
        alive -= died;
    }
    return place;
}

/* Deaths limit the coordinate. */
static bool find_deaths(const struct profile *profile, enum profile_coordinate coordinate,
                        struct profile_finding *finding)
{
    double weight;
    unsigned j = find_place(profile->tables->bucket[coordinate], &weight);

    if (weight < 1)
        return false;
    finding->kind = profile->tables->resets[coordinate] > 0.5f ? PROFILE_KIND_RESET
                                                               : PROFILE_KIND_FREEZE;
    finding->position = (uint64_t)(profile_edge(j) * unit_of(coordinate));
    finding->confidence = weight / (weight + TOLD_VISITS);
    return true;
}

/* Connections become slower behind the budget. */
static void find_slow(const struct profile *profile, enum profile_coordinate coordinate,
                      struct profile_finding *finding)
{
    const struct profile_bucket *buckets = profile->tables->bucket[coordinate];
    unsigned j =
        profile_bucket_of((double)profile->budget[coordinate] / unit_of(coordinate));
    unsigned behind = MIN(j + 1, PROFILE_BUCKETS - 2);
    double weight = 0;

    finding->kind = PROFILE_KIND_SLOW;
    finding->position = profile->budget[coordinate];
    for (unsigned i = behind; i < MIN(behind + PROFILE_STEPS, PROFILE_BUCKETS - 1); i++)
        if (buckets[i].timed > 0 && buckets[i].mean_s > 0) {
            finding->rate =
                (uint64_t)((profile_edge(i + 1) - profile_edge(i)) / buckets[i].mean_s);
            weight = MAX(weight, (double)buckets[i].timed);
        }
    finding->confidence = weight / (weight + TOLD_VISITS);
}

static bool find_in(const struct profile *profile, enum profile_coordinate coordinate,
                    struct profile_finding *finding)
{
    if (profile->tables == NULL || profile->budget[coordinate] == PROFILE_UNLIMITED)
        return false;
    *finding = (struct profile_finding){
        .coordinate = coordinate,
        .budget = profile_budget(profile, coordinate),
    };
    if (find_deaths(profile, coordinate, finding))
        return true;
    /* Nothing is slow by its sum or age: what limited these has faded. */
    if (coordinate > PROFILE_DOWN)
        return false;
    find_slow(profile, coordinate, finding);
    return true;
}

bool profile_finding(const struct profile *profile, struct profile_finding *finding)
{
    bool found = false;

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++) {
        struct profile_finding other;

        if (!find_in(profile, c, &other) ||
            (found && other.confidence <= finding->confidence))
            continue;
        *finding = other;
        found = true;
    }
    return found;
}

static bool is_other(const struct profile_finding *a, const struct profile_finding *b)
{
    return a->coordinate != b->coordinate || a->kind != b->kind ||
           (double)a->position > TOLD_FACTOR * (double)b->position ||
           (double)b->position > TOLD_FACTOR * (double)a->position;
}

enum profile_news profile_take_news(struct profile *profile,
                                    struct profile_finding *finding, uint64_t now)
{
    bool any = profile_finding(profile, finding);

    if (profile->told_any && now - profile->told_at_ns < TOLD_NS)
        return PROFILE_NEWS_NONE;
    if (any && finding->confidence < PROFILE_CERTAIN)
        return PROFILE_NEWS_NONE;
    if (any == profile->told_any && (!any || !is_other(finding, &profile->told)))
        return PROFILE_NEWS_NONE;
    enum profile_news news = !any                ? PROFILE_NEWS_LIFTED
                             : profile->told_any ? PROFILE_NEWS_CHANGED
                                                 : PROFILE_NEWS_FOUND;

    if (!any)
        *finding = profile->told;
    profile->told = *finding;
    profile->told_any = any;
    profile->told_at_ns = now;
    return news;
}

bool profile_save(const struct profile *profile,
                  struct profile_memory memory[PROFILE_COORDINATES])
{
    bool any = false;

    for (unsigned c = 0; c < PROFILE_COORDINATES; c++) {
        struct profile_finding finding;

        memory[c] = (struct profile_memory){0};
        if (!find_in(profile, c, &finding) || finding.confidence < PROFILE_CERTAIN)
            continue;
        memory[c].position = finding.position;
        memory[c].rate = finding.rate;
        memory[c].kind = finding.kind;
        any = true;
    }
    return any;
}

static void load_bucket(struct profile_bucket *bucket, bool dies, double mean_s)
{
    bucket->visits = TOLD_VISITS;
    bucket->deaths = dies ? TOLD_VISITS : 0;
    if (mean_s > 0) {
        bucket->mean_s = (float)mean_s;
        bucket->timed = TOLD_VISITS;
    }
}

int profile_load(struct profile *profile,
                 const struct profile_memory memory[PROFILE_COORDINATES])
{
    struct profile_tables *tables = profile_tables_get(profile);

    if (tables == NULL)
        return ERROR_MEMORY;
    for (unsigned c = 0; c < PROFILE_COORDINATES; c++) {
        double position = (double)memory[c].position / unit_of(c);
        unsigned place = MIN(profile_bucket_of(position * 1.001), PROFILE_BUCKETS - 2);
        bool slow = memory[c].kind == PROFILE_KIND_SLOW;

        if (memory[c].position == 0)
            continue;
        for (unsigned j = 0; j < place; j++)
            load_bucket(&tables->bucket[c][j], false, 0);
        double width = profile_edge(place + 1) - profile_edge(place);

        load_bucket(&tables->bucket[c][place], !slow,
                    slow && memory[c].rate > 0 ? width / (double)memory[c].rate : 0);
        tables->resets[c] = memory[c].kind == PROFILE_KIND_RESET;
    }
    profile->stale = profile->urgent = true;
    return OK;
}
