/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/path/dial_limit.h>

#include <splitsocks/base/backoff.h>

#include <math.h>

/* Results older than this are no evidence of what the network does now. */
#define RESULTS_NS (6 * NS_PER_S)
/* A limit needs so many failures, ... */
#define FAILURES_MIN 4
/* ... so large a share of failures from the threshold on, ... */
#define ABOVE_MIN 0.5
/* ... no larger one below it, ... */
#define BELOW_MAX 0.2
/* ... and a log-likelihood so much above that of no threshold. */
#define GAIN_MIN 5.0
/* How long a dead connection is taken to keep its place, while the limit binds. */
#define ZOMBIE_COST_NS (10 * NS_PER_S)
/* A death is surely counted so long by a network that keeps dead connections. */
#define ZOMBIE_SURE_NS (8 * NS_PER_S)
/* Before this time the first connections have not died yet. */
#define ZOMBIE_PROOF_NS (5 * NS_PER_S)
#define PROBE_MIN_NS (2 * NS_PER_S)
#define PROBE_MAX_NS (10 * NS_PER_S)
#define PROBE_GROWTH 1.5
#define SYN_PROBE_MIN_NS (5 * NS_PER_S)
#define SYN_PROBE_MAX_NS (60 * NS_PER_S)
/* The time over which a rate is measured at least. */
#define RATE_PERIOD_NS NS_PER_S
/* The rate that is kept, of the one that passed. */
#define SYNS_SHARE 0.97
#define SYNS_MIN 0.5
/* A probe dials so much faster, ... */
#define SYNS_PROBE 1.1
/* ... and so much where the limit is a guess, which no dial has confirmed yet. */
#define SYNS_DOUBT 2.0
/* Dials that pass above the limit until it is raised. */
#define SYNS_PASSED 8
/* A limit that has risen by this factor is no longer one. */
#define SYNS_LIFTED 8
/* A limit is told again when it differs so much. */
#define TOLD_TIMES 2

void dial_limit_init(struct dial_limit *limit)
{
    *limit = (struct dial_limit){
        .connections = DIAL_LIMIT_NONE,
        .told_connections = DIAL_LIMIT_NONE,
        .probe_after_ns = PROBE_MIN_NS,
        .syn_probe_after_ns = SYN_PROBE_MIN_NS,
        .syn_step = SYNS_PROBE,
    };
}

void dial_limit_save(const struct dial_limit *limit, unsigned *connections, double *syns)
{
    *connections = limit->connections != DIAL_LIMIT_NONE ? limit->connections : 0;
    *syns = limit->syns;
}

void dial_limit_load(struct dial_limit *limit, unsigned connections, double syns,
                     uint64_t now)
{
    if (connections > 0) {
        limit->connections = connections;
        limit->probe_at_ns = now + limit->probe_after_ns;
    }
    if (syns > 0) {
        limit->syns = limit->syns_found = MAX(syns, SYNS_MIN);
        limit->syn_step = SYNS_DOUBT;
        limit->syn_probe_at_ns = now + limit->syn_probe_after_ns;
    }
}

static unsigned count_since(const uint64_t times[DIAL_LIMIT_RESULTS], uint64_t now,
                            uint64_t period)
{
    unsigned count = 0;

    for (unsigned i = 0; i < DIAL_LIMIT_RESULTS; i++)
        count += times[i] != 0 && now - times[i] < period;
    return count;
}

void dial_limit_dialled(struct dial_limit *limit, struct dial_attempt *attempt,
                        unsigned established, uint64_t now)
{
    if (limit->first_at_ns == 0)
        limit->first_at_ns = now;
    limit->dialled_at_ns[limit->dial_next] = now;
    limit->dial_next = (limit->dial_next + 1) % DIAL_LIMIT_RESULTS;
    *attempt = (struct dial_attempt){
        .dialled_at_ns = now,
        .number = limit->dials++,
        .established = established,
        .recent = count_since(limit->dialled_at_ns, now, NS_PER_S),
    };
    if (limit->syns > 0) {
        double rate = limit->syns * (now < limit->syn_probe_at_ns ? 1 : limit->syn_step);

        uint64_t interval = (uint64_t)((double)NS_PER_S / rate);

        /* A timer that comes late by less than half of it costs no dial. */
        limit->next_at_ns = MAX(limit->next_at_ns, now - MIN(interval / 2, now)) + interval;
    }
}

void dial_limit_died(struct dial_limit *limit, uint64_t now)
{
    limit->died_at_ns[limit->death_next] = now;
    limit->death_next = (limit->death_next + 1) % DIAL_LIMIT_RESULTS;
}

/* Others that the network had let pass before this one: established when it was dialled, or
 * dialled before and established since. */
static uint32_t count_open(const struct dial_limit *limit,
                           const struct dial_attempt *attempt)
{
    uint32_t open = attempt->established;

    for (unsigned i = 0; i < limit->result_count; i++) {
        const struct dial_result_kept *other = &limit->results[i];

        open += other->passed && other->number < attempt->number &&
                other->ended_at_ns > attempt->dialled_at_ns;
    }
    return open;
}

static void keep_result(struct dial_limit *limit, const struct dial_attempt *attempt,
                        uint32_t open, uint32_t dead, bool passed, uint64_t now)
{
    limit->results[limit->result_next] = (struct dial_result_kept){
        .dialled_at_ns = attempt->dialled_at_ns,
        .ended_at_ns = now,
        .number = attempt->number,
        .open = open,
        .dead = dead,
        .recent = attempt->recent,
        .passed = passed,
    };
    limit->result_next = (limit->result_next + 1) % DIAL_LIMIT_RESULTS;
    limit->result_count = (uint8_t)MIN(limit->result_count + 1, DIAL_LIMIT_RESULTS);
}

/* The log-likelihood of so many failures among the results of one rate of failures. */
static double likelihood(double failed, double results)
{
    if (failed <= 0 || failed >= results)
        return 0;
    return failed * log(failed / results) + (results - failed) * log(1 - failed / results);
}

struct threshold {
    double gain;
    uint32_t at;
};

/* The quantity that the failures may go with. */
enum cause {
    CAUSE_OPEN, /* connections that are open */
    CAUSE_DEAD, /* and those that died of late, whose entries the network keeps */
    CAUSE_RATE, /* dials in a second */
};

static uint32_t measure_of(const struct dial_result_kept *result, enum cause cause)
{
    switch (cause) {
    case CAUSE_OPEN: return result->open;
    case CAUSE_DEAD: return result->open + result->dead;
    case CAUSE_RATE: break;
    }
    return result->recent;
}

/* How well the threshold `at` explains the results. */
static struct threshold try_threshold(const struct dial_limit *limit, enum cause cause,
                                      uint32_t at, uint64_t now)
{
    double above = 0, above_failed = 0, below = 0, below_failed = 0;

    for (unsigned i = 0; i < limit->result_count; i++) {
        const struct dial_result_kept *result = &limit->results[i];

        if (now - result->ended_at_ns >= RESULTS_NS)
            continue;
        if (measure_of(result, cause) >= at) {
            above++;
            above_failed += !result->passed;
        } else {
            below++;
            below_failed += !result->passed;
        }
    }
    if (above_failed < FAILURES_MIN || above_failed < ABOVE_MIN * above ||
        below_failed > BELOW_MAX * below)
        return (struct threshold){0};
    return (struct threshold){
        .gain = likelihood(above_failed, above) + likelihood(below_failed, below) -
                likelihood(above_failed + below_failed, above + below),
        .at = at,
    };
}

static struct threshold best_threshold(const struct dial_limit *limit, enum cause cause,
                                       uint64_t now)
{
    struct threshold best = {0};

    for (unsigned i = 0; i < limit->result_count; i++) {
        const struct dial_result_kept *result = &limit->results[i];

        if (result->passed || now - result->ended_at_ns >= RESULTS_NS)
            continue;
        struct threshold found =
            try_threshold(limit, cause, measure_of(result, cause), now);

        if (found.gain > best.gain || (found.gain == best.gain && found.at < best.at))
            best = found;
    }
    return best;
}

/* Dials that pass in a second while others fail, from the first failure that is kept to the
 * dial at `until_ns`: before that, a network that counts by tokens may have had some left.
 * 0: too short a time to tell. */
static double passed_rate(const struct dial_limit *limit, uint64_t until_ns, uint64_t now)
{
    uint64_t since_ns = until_ns;
    unsigned passed = 0;

    for (unsigned i = 0; i < limit->result_count; i++)
        if (!limit->results[i].passed && now - limit->results[i].ended_at_ns < RESULTS_NS)
            since_ns = MIN(since_ns, limit->results[i].dialled_at_ns);
    since_ns = MIN(MAX(since_ns, limit->cleared_at_ns), until_ns);
    if (until_ns - since_ns < RATE_PERIOD_NS)
        return 0;
    for (unsigned i = 0; i < limit->result_count; i++)
        passed += limit->results[i].passed && limit->results[i].dialled_at_ns > since_ns &&
                  limit->results[i].dialled_at_ns <= until_ns;
    return (double)passed * (double)NS_PER_S / (double)(until_ns - since_ns);
}

static void find_limits(struct dial_limit *limit, uint64_t dialled_at_ns, uint64_t now)
{
    struct threshold open = best_threshold(limit, CAUSE_OPEN, now);
    struct threshold dead = best_threshold(limit, CAUSE_DEAD, now);
    struct threshold rate = best_threshold(limit, CAUSE_RATE, now);

    /* Where dead entries explain as much, and nothing new, there is nothing new. */
    if (dead.gain > open.gain ||
        (dead.gain == open.gain && limit->connections != DIAL_LIMIT_NONE &&
         dead.at >= limit->connections))
        open = dead;
    if (open.gain >= GAIN_MIN && open.gain >= rate.gain) {
        if (open.at >= limit->connections)
            return;
        limit->connections = MAX(open.at, 1u);
        limit->probe_at_ns = now + limit->probe_after_ns;
    } else if (rate.gain >= GAIN_MIN) {
        double syns = SYNS_SHARE * passed_rate(limit, dialled_at_ns, now);

        if (syns <= 0 || (limit->syns > 0 && syns >= limit->syns))
            return;
        limit->syns = limit->syns_found = MAX(syns, SYNS_MIN);
        limit->syn_step = SYNS_PROBE;
        limit->syn_probe_at_ns = now + limit->syn_probe_after_ns;
    } else {
        return;
    }
    limit->result_count = limit->result_next = 0;
    limit->cleared_at_ns = now;
}

/* A failed dial: true when a limit that is known explains it. */
static bool take_failure(struct dial_limit *limit, const struct dial_attempt *attempt,
                         uint32_t open, uint64_t now)
{
    bool explained = false;

    if (open >= limit->connections) {
        limit->probe_at_ns = now + limit->probe_after_ns;
        limit->probe_after_ns =
            MIN((uint64_t)(PROBE_GROWTH * (double)limit->probe_after_ns), PROBE_MAX_NS);
        explained = true;
    }
    if (limit->syns > 0 && attempt->recent > limit->syns * 0.9) {
        limit->syn_probe_at_ns = now + limit->syn_probe_after_ns;
        limit->syn_probe_after_ns =
            backoff_next_ns(limit->syn_probe_after_ns, SYN_PROBE_MIN_NS, SYN_PROBE_MAX_NS);
        limit->syn_passed = 0;
        limit->syns = MAX(limit->syns_found, limit->syns / limit->syn_step);
        limit->syn_step = SYNS_PROBE;
        explained = true;
    }
    find_limits(limit, attempt->dialled_at_ns, now);
    return explained;
}

static void take_success(struct dial_limit *limit, const struct dial_attempt *attempt,
                         uint32_t open, uint64_t now)
{
    if (limit->connections != DIAL_LIMIT_NONE) {
        if (now - limit->first_at_ns > ZOMBIE_PROOF_NS &&
            open + count_since(limit->died_at_ns, now, ZOMBIE_SURE_NS) >=
                limit->connections)
            limit->no_zombies = true;
        if (open >= limit->connections && now >= limit->probe_at_ns) {
            limit->connections++;
            limit->probe_at_ns = now;
            limit->probe_after_ns = PROBE_MIN_NS;
        }
    }
    if (limit->syns > 0 && attempt->recent > limit->syns && now >= limit->syn_probe_at_ns &&
        ++limit->syn_passed >= SYNS_PASSED) {
        limit->syn_passed = 0;
        limit->syns *= limit->syn_step;
        limit->syn_probe_after_ns = SYN_PROBE_MIN_NS;
    }
}

bool dial_limit_result(struct dial_limit *limit, const struct dial_attempt *attempt,
                       bool passed, uint64_t now)
{
    uint32_t open = count_open(limit, attempt);
    uint32_t dead = count_since(limit->died_at_ns, now, DEATH_FRESH_NS);

    keep_result(limit, attempt, open, dead, passed, now);
    if (!passed)
        return take_failure(limit, attempt, open + dead, now);
    take_success(limit, attempt, open, now);
    return false;
}

uint32_t dial_limit_connections(const struct dial_limit *limit, uint64_t now)
{
    if (limit->connections == DIAL_LIMIT_NONE)
        return DIAL_LIMIT_NONE;
    return limit->connections + (now >= limit->probe_at_ns);
}

uint64_t dial_limit_next(const struct dial_limit *limit, uint64_t now)
{
    return limit->syns > 0 ? limit->next_at_ns : now;
}

uint64_t dial_limit_zombie_ns(const struct dial_limit *limit, unsigned wanted)
{
    return limit->no_zombies || limit->connections > wanted ? 0 : ZOMBIE_COST_NS;
}

uint64_t dial_limit_cycle_ns(const struct dial_limit *limit, unsigned open)
{
    return limit->syns > 0 ? (uint64_t)(open * (double)NS_PER_S / limit->syns) : 0;
}

void dial_limit_forget(struct dial_limit *limit, unsigned bound)
{
    if (limit->connections != DIAL_LIMIT_NONE && limit->connections > bound)
        limit->connections = DIAL_LIMIT_NONE;
    if (limit->syns > SYNS_LIFTED * limit->syns_found)
        limit->syns = 0;
}

static bool differs(double a, double b)
{
    return a >= TOLD_TIMES * b || b >= TOLD_TIMES * a;
}

enum dial_limit_news dial_limit_take_news(struct dial_limit *limit)
{
    uint32_t connections = limit->connections;

    if (connections != limit->told_connections) {
        uint32_t told = limit->told_connections;

        if (connections == DIAL_LIMIT_NONE) {
            limit->told_connections = connections;
            return DIAL_LIMIT_CONNECTIONS_LIFTED;
        }
        if (told == DIAL_LIMIT_NONE || differs(connections, told)) {
            limit->told_connections = connections;
            return DIAL_LIMIT_CONNECTIONS;
        }
    }
    if (limit->syns <= 0 && limit->told_syns > 0) {
        limit->told_syns = 0;
        return DIAL_LIMIT_SYNS_LIFTED;
    }
    if (limit->syns > 0 &&
        (limit->told_syns <= 0 || differs(limit->syns, limit->told_syns))) {
        limit->told_syns = limit->syns;
        return DIAL_LIMIT_SYNS;
    }
    return DIAL_LIMIT_NO_NEWS;
}
