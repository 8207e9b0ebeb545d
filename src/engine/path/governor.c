/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/path/governor.h>

#define WINDOW_NS NS_PER_S

/* Rates are numbers per this time. */
#define RATE_UNIT_NS (1000 * NS_PER_S)

void governor_init(struct governor *governor, double dials_per_second)
{
    *governor =
        (struct governor){.configured = GOVERNOR_UNLIMITED, .rate = GOVERNOR_UNLIMITED};
    if (dials_per_second > 0)
        governor->configured = (uint64_t)MIN(MAX(dials_per_second, 0.001) * 1000, 1e12);
}

uint64_t governor_ceiling(const struct governor *governor)
{
    return MIN(governor->configured, governor->rate);
}

/* Begins a new second of counting when it is time. */
static void roll_window(struct governor *governor, uint64_t now)
{
    uint64_t age = now - governor->window_began_at_ns;

    if (age < WINDOW_NS)
        return;
    governor->previous_dials = age < 2 * WINDOW_NS ? governor->window_dials : 0;
    governor->window_dials = 0;
    governor->window_began_at_ns = now - age % WINDOW_NS;
}

/* The recent dial rate: the higher of this second's and the last one's. */
static uint64_t recent_rate(struct governor *governor, uint64_t now)
{
    roll_window(governor, now);
    return (uint64_t)MAX(governor->window_dials, governor->previous_dials) *
           (RATE_UNIT_NS / WINDOW_NS);
}

uint64_t governor_next(const struct governor *governor, uint64_t now)
{
    return governor_ceiling(governor) == GOVERNOR_UNLIMITED ? now : governor->next_at_ns;
}

void governor_dialled(struct governor *governor, uint64_t now)
{
    uint64_t ceiling = governor_ceiling(governor);

    roll_window(governor, now);
    governor->window_dials++;
    if (ceiling != GOVERNOR_UNLIMITED) {
        uint64_t interval = RATE_UNIT_NS / ceiling;
        uint64_t slack = interval <= GOVERNOR_SLACK_NS ? GOVERNOR_SLACK_NS : 0;
        uint64_t earliest = now - MIN(slack, now);

        governor->next_at_ns = MAX(governor->next_at_ns, earliest) + interval;
    }
}

static void cut(struct governor *governor, uint64_t now)
{
    uint64_t rate = MIN(governor->rate, recent_rate(governor, now)) / 2;

    rate = MAX(rate, GOVERNOR_FLOOR);
    /* In an outage the rate keeps falling, but the threshold from before the outage
     * stays. */
    if (!governor->outage)
        governor->threshold = rate;
    governor->rate = rate;
    governor->cut_at_ns = now;
    governor->next_at_ns = now + RATE_UNIT_NS / governor_ceiling(governor);
    governor->failures = 0;
    governor->outage = true;
}

static void take_failure(struct governor *governor, uint64_t dialled_at_ns, uint64_t now)
{
    if (dialled_at_ns < governor->cut_at_ns)
        return; /* one cut answers all dials that were under way */
    if (governor->failures != 0 &&
        dialled_at_ns < governor->failed_dial_at_ns + GOVERNOR_SAME_NS)
        return; /* the same failure */
    governor->failed_dial_at_ns = dialled_at_ns;
    governor->failures = (uint16_t)(governor->failures << 1 | 1);
    if (__builtin_popcount(governor->failures) >= GOVERNOR_FAILURES)
        cut(governor, now);
}

/* The first dial made since the cut has succeeded. If several cuts were made without any
 * success, no dial passed at any rate, so they said nothing about the rate. */
static void end_outage(struct governor *governor, uint64_t now)
{
    governor->outage = false;
    if (!governor->proven) {
        governor->rate = GOVERNOR_UNLIMITED;
        return;
    }
    governor->rate = MAX(governor->rate, governor->threshold);
    governor->next_at_ns =
        MIN(governor->next_at_ns, now + RATE_UNIT_NS / governor_ceiling(governor));
}

static void take_success(struct governor *governor, uint64_t dialled_at_ns, uint64_t now)
{
    uint64_t rate = governor->rate;

    governor->failures = (uint16_t)(governor->failures << 1);
    if (governor->outage) {
        if (dialled_at_ns >= governor->cut_at_ns)
            end_outage(governor, now);
        governor->proven = true;
        return;
    }
    governor->proven = true;
    if (rate == GOVERNOR_UNLIMITED)
        return;
    if (recent_rate(governor, now) < rate / 2)
        return; /* the pool did not use the whole ceiling: a higher one is untested */
    if (rate < 2 * governor->threshold) {
        /* Additive: threshold/CLIMB per second, shared among `rate` successes a second. */
        uint64_t step = governor->threshold / (GOVERNOR_CLIMB_NS / NS_PER_S);

        governor->rate += MAX(step, 1000) * 1000 / rate;
    } else {
        /* Above the rate that failed, the old limit no longer holds: add half a dial a
         * second for each success, which doubles the rate in 1.4 s. */
        governor->rate += 500;
    }
}

void governor_result(struct governor *governor, enum dial_result result,
                     uint64_t dialled_at_ns, uint64_t now)
{
    switch (result) {
    case DIAL_SUCCESS: take_success(governor, dialled_at_ns, now); break;
    case DIAL_TIMEOUT:
    case DIAL_REFUSED: take_failure(governor, dialled_at_ns, now); break;
    case DIAL_UNHEARD: break;
    }
}
