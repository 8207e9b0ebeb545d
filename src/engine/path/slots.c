/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/path/slots.h>

#include <splitsocks/base/backoff.h>

/* An epoch is a cycle of the connections, within these bounds: long enough for what was
 * begun in it to show, short enough that the climb ends within seconds. */
#define EPOCH_MIN_NS (250 * NS_PER_MS)
#define EPOCH_ROUND_TRIPS 4
#define EPOCH_CYCLE_MAX_NS (2 * NS_PER_S)
/* More connections have paid when the rate has grown by this part of their increase. */
#define PAYS 0.3
/* The first climb doubles; a later trial has so many times as many. */
#define MORE 1.5
#define LESS 0.8
/* Fewer do as well when they lose no more than this part of the rate. */
#define LESS_LOSS 0.02
/* The peak fades by this factor each epoch. */
#define PEAK_FADE 0.98
/* A trial that fails but gains so much leaves what the gain is worth, with this much room.
 */
#define GAIN_WORTH 1.03
#define ROOM 1.1

void slots_init(struct slots *slots, unsigned first, uint64_t now)
{
    *slots = (struct slots){
        .wanted = MAX(first, 1u),
        .epoch_began_at_ns = now,
        .wait_for_ns = EXPLORE_WAIT_NS,
        .quick = true,
    };
}

void slots_delivered(struct slots *slots, uint64_t bytes)
{
    slots->bytes += (double)bytes;
}

void slots_raise(struct slots *slots, unsigned least)
{
    if (slots->state == SLOTS_KEEP)
        slots->wanted = MAX(slots->wanted, least);
}

unsigned slots_wanted(const struct slots *slots)
{
    return slots->wanted;
}

static void set_wanted(struct slots *slots, double wanted, unsigned ceiling)
{
    unsigned number = (unsigned)MIN(MAX(wanted, 1.0), (double)MAX(ceiling, 1u));

    slots->settle |= number != slots->wanted;
    slots->wanted = number;
}

static unsigned round_up(double number)
{
    unsigned whole = (unsigned)number;

    return whole + (number > whole);
}

static void begin_epoch(struct slots *slots, uint64_t now)
{
    slots->bytes = 0;
    slots->epoch_began_at_ns = now;
}

static void begin_trial(struct slots *slots, enum slots_state state, double rate,
                        double wanted, unsigned ceiling)
{
    slots->before = slots->wanted;
    slots->before_rate = rate;
    slots->state = state;
    set_wanted(slots, wanted, ceiling);
}

static void end_trial(struct slots *slots, uint64_t wait_until)
{
    slots->state = SLOTS_KEEP;
    slots->wait_until_ns = wait_until;
}

/* The trial has failed: the next one waits twice as long. */
static void fail_trial(struct slots *slots, uint64_t now)
{
    end_trial(slots, now + slots->wait_for_ns);
    slots->wait_for_ns =
        backoff_next_ns(slots->wait_for_ns, EXPLORE_WAIT_NS, EXPLORE_WAIT_MAX_NS);
}

static void judge_more(struct slots *slots, double rate, const struct slots_view *view,
                       uint64_t now)
{
    double gain = (rate - slots->before_rate) / MAX(slots->before_rate, 1.0);
    double increase = (double)slots->wanted / slots->before - 1;

    if (gain >= PAYS * increase) {
        end_trial(slots, 0);
        slots->wait_for_ns = EXPLORE_WAIT_NS;
        return;
    }
    slots->quick = false;
    slots->less_due = true;
    if (1 + gain > GAIN_WORTH)
        set_wanted(slots,
                   MIN(slots->wanted, round_up(ROOM * slots->before * (1 + MAX(gain, 0)))),
                   view->ceiling);
    else
        set_wanted(slots, slots->before, view->ceiling);
    fail_trial(slots, now);
}

static void judge_less(struct slots *slots, double rate, const struct slots_view *view,
                       uint64_t now)
{
    double loss = (slots->before_rate - rate) / MAX(slots->before_rate, 1.0);

    slots->less_due = false;
    if (loss <= LESS_LOSS) {
        end_trial(slots, now + EXPLORE_WAIT_NS);
        return;
    }
    set_wanted(slots, slots->before, view->ceiling);
    fail_trial(slots, now);
}

static void choose_trial(struct slots *slots, double rate, const struct slots_view *view,
                         uint64_t now)
{
    bool bound = slots->wanted >= view->ceiling;

    if (bound)
        slots->quick = false;
    if (now < slots->wait_until_ns)
        return;
    if (!bound && !view->queue && !slots->less_due) {
        double factor = slots->quick ? 2 : MORE;

        begin_trial(slots, SLOTS_MORE, rate, round_up(factor * slots->wanted),
                    view->ceiling);
    } else if (slots->wanted > 2 && !slots->quick && view->queue) {
        begin_trial(slots, SLOTS_LESS, rate, LESS * slots->wanted, view->ceiling);
    } else {
        slots->quick = false;
        slots->wait_until_ns = now + slots->wait_for_ns;
        slots->less_due = !slots->less_due;
    }
}

/* A tighter budget: as many connections as bring the rate that was had before. */
static void rescale(struct slots *slots, const struct slots_view *view)
{
    double each = (double)view->cycle_bytes * (double)NS_PER_S / (double)view->cycle_ns;

    set_wanted(slots, MAX(slots->wanted, round_up(ROOM * slots->peak / each)),
               view->ceiling);
    slots->state = SLOTS_KEEP;
    slots->wait_until_ns = 0;
    slots->quick = true;
    slots->less_due = false;
}

/* How long the rate is watched. */
static uint64_t epoch_length(const struct slots *slots, const struct slots_view *view,
                             uint64_t cycle)
{
    bool climbing = slots->state == SLOTS_KEEP && slots->quick;

    if (slots->settle)
        return cycle + view->round_trip_ns;
    return MAX(EPOCH_MIN_NS, climbing ? cycle : 2 * cycle);
}

bool slots_tick(struct slots *slots, const struct slots_view *view, uint64_t now)
{
    uint64_t cycle = MIN(MAX(view->cycle_ns, EPOCH_ROUND_TRIPS * view->round_trip_ns),
                         EPOCH_CYCLE_MAX_NS);

    if (slots->wanted > view->ceiling)
        set_wanted(slots, slots->wanted, view->ceiling);
    if (view->tightened && slots->peak > 0 && view->cycle_ns > 0 && view->cycle_bytes > 0)
        rescale(slots, view);
    if (!view->waits) {
        begin_epoch(slots, now);
        return true;
    }
    if (now - slots->epoch_began_at_ns < epoch_length(slots, view, cycle))
        return false;
    double rate =
        slots->bytes * (double)NS_PER_S / (double)(now - slots->epoch_began_at_ns);

    begin_epoch(slots, now);
    if (slots->settle) {
        slots->settle = false; /* what was counted was partly of the number before */
        return true;
    }
    slots->peak = MAX(rate, PEAK_FADE * slots->peak);
    switch (slots->state) {
    case SLOTS_KEEP: choose_trial(slots, rate, view, now); break;
    case SLOTS_MORE: judge_more(slots, rate, view, now); break;
    case SLOTS_LESS: judge_less(slots, rate, view, now); break;
    }
    return true;
}
