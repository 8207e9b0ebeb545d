/* SPDX-License-Identifier: MIT */
/*
 * Restraint: how much bulk may be on its way on a path.
 *
 * Each connection finds its own share of a path, and a new one does so by sending more and
 * more until a queue builds up. With several connections, and a new one every few hundred
 * milliseconds, one of them is always doing that: the queue in front of the slowest link
 * overflows, and the dropped data arrives late. So all bulk on a path together keeps at
 * most twice as much on its way as the path holds without a queue (its rate times its
 * least round trip). One connection of BBR allows itself as much. Flows that send much are
 * bulk as well: datagrams beyond the bound wait in their flow, and are dropped there.
 *
 * While a stream goes to and fro in small pieces, the bound is a quarter more instead of
 * twice, on the path of the interactive lane. The lane keeps small data out of the queues
 * of this host, but not out of the one in front of the slowest link.
 *
 * Four exceptions keep the bound from doing harm. A transfer begins without a bound,
 * unless an interactive stream waits: acknowledgements of a flow that still grows say
 * little. Without a visible queue there is no bound, or twice as much, so that a transfer
 * finds its rate. Now and then the bound is low for a moment (a drain); else the queue
 * that it allows would in time count as a part of the path. And when bulk that is held
 * back becomes slower than before, the path is not what it seemed (it may be longer than
 * before, its delay may vary, or others fill the queue), and the bound is lifted for a
 * while, each time for longer.
 *
 * The round trip contains the queue of the other direction as well, so that bulk there
 * makes bulk here slower, and no bound here shortens that queue. Therefore a lift beside an
 * interactive stream leaves the bound that holds without one. And the least round trip is
 * learned anew only where no bulk comes: else the other direction's queue would count as a
 * part of the path from then on.
 */
#include <splitsocks/base/backoff.h>
#include <splitsocks/engine/schedule/schedule.h>

/* How many times a stream must have sent little, with nothing on its way, to become
 * interactive. */
#define EXCHANGES_MIN 3
/* Measures come this often, since only they tell how much is on its way. */
#define MEASURE_NS (2 * NS_PER_MS)
#define BOUND_MIN (2 * CHUNK_SIZE_MAX)
#define DRAIN_AGAIN_NS (500 * NS_PER_MS)
#define WINDOW_MIN_NS (500 * NS_PER_MS)
/* Length of a window in bytes, where that is not too long a time: lumps of
 * acknowledgements do not matter then. */
#define WINDOW_BYTES (4 * ACK_BYTES)
#define WINDOW_MAX_NS (2 * NS_PER_S)
#define LIFT_MIN_NS (1 * NS_PER_S)
#define LIFT_MAX_NS (60 * NS_PER_S)
/* After so long without another lift, the lengths of earlier ones are forgotten. */
#define LIFT_FORGOTTEN_NS (30 * NS_PER_S)

static bool bulk_waits(const struct schedule *schedule)
{
    return !list_empty(&schedule->streams->ready[STREAM_BULK]) ||
           !list_empty(&schedule->flows->large);
}

/* A stream that is opened beside bulk waits for an answer, and soon for more: it counts as
 * interactive from its beginning. */
void restraint_note_opened(struct schedule *schedule)
{
    if (bulk_waits(schedule))
        schedule->interactive_at_ns = schedule->context->now;
}

void restraint_note_sent(struct schedule *schedule, struct stream *stream)
{
    uint64_t on_its_way = stream->out_next - stream->out_acked;

    if (on_its_way + stream_waiting(stream) >= INTERACTIVE_MAX) {
        stream->exchanges = 0;
        return;
    }
    if (on_its_way == 0 && stream->exchanges < EXCHANGES_MIN)
        stream->exchanges++;
    if (stream->exchanges == EXCHANGES_MIN)
        schedule->interactive_at_ns = schedule->context->now;
}

/* Whether an interactive stream waits on the path. */
static bool interactive(const struct schedule *schedule, unsigned index)
{
    return schedule->subflows->lane != NULL && schedule->subflows->lane->path == index &&
           schedule->interactive_at_ns != 0 &&
           schedule->context->now - schedule->interactive_at_ns < PAUSE_NS;
}

static bool wanted(const struct schedule *schedule)
{
    return schedule->bulk_at_ns != 0 &&
           schedule->context->now - schedule->bulk_at_ns < PAUSE_NS;
}

uint64_t restraint_measure_ns(const struct schedule *schedule, uint64_t usual_ns)
{
    return wanted(schedule) ? MIN(usual_ns, MEASURE_NS) : usual_ns;
}

/* ---- the bound ---- */

/* Our bytes in the path. Count a third of the unsent bytes: they wait for their
 * connection's window and are not in the link's queue yet, but reach it within one round
 * trip. */
static uint64_t on_its_way(const struct schedule *schedule, unsigned index)
{
    uint64_t bytes = 0;

    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */
        const struct subflow_measure *measure = &subflow->measure;

        if (subflow->path == index && subflow_awaits_ack(subflow))
            bytes += measure->flying_bytes + measure->unsent_bytes / 3 +
                     (subflow->bytes_sent - subflow->measured_bytes);
    }
    return bytes;
}

static bool lifted(const struct schedule *schedule, const struct restraint *restraint)
{
    return schedule->context->now < restraint->lifted_until_ns;
}

static bool draining(const struct schedule *schedule, const struct restraint *restraint)
{
    return schedule->context->now < restraint->drain_until_ns;
}

/* How long the bytes on their way may take to arrive; TIME_NEVER: any time. */
static uint64_t whole_ns(const struct schedule *schedule, unsigned index)
{
    const struct path *path = &schedule->paths->items[index];
    const struct restraint *restraint = &schedule->restraints[index];
    uint64_t least_rtt_ns = path_least_rtt_ns(path);
    bool small = interactive(schedule, index) && !lifted(schedule, restraint);
    uint64_t queue_ns = MAX(small ? least_rtt_ns / 4 : least_rtt_ns, JITTER_NS);

    if (draining(schedule, restraint))
        return least_rtt_ns / 2;
    if (path_rtt_ns(path) < least_rtt_ns + queue_ns / 4 &&
        schedule->context->now > restraint->drain_until_ns + 4 * least_rtt_ns)
        return small ? 2 * least_rtt_ns : TIME_NEVER;
    return least_rtt_ns + queue_ns;
}

static uint64_t bound_bytes(const struct schedule *schedule, unsigned index)
{
    const struct path *path = &schedule->paths->items[index];
    uint64_t in_ns = whole_ns(schedule, index);

    if (in_ns == TIME_NEVER)
        return UINT64_MAX;
    return MAX(
        (uint64_t)((double)path_known_rate(path) * (double)(in_ns + MEASURE_NS) / 1e9),
        BOUND_MIN);
}

/* The least round trip must be measured again before it is forgotten. */
static uint64_t drain_every_ns(const struct path *path)
{
    return MAX(PATH_MEMORY_NS, 50 * path_least_rtt_ns(path));
}

/* Begins a drain when it is due. The drain lasts until the queue is gone and the round trip
 * was measured without it. */
static void drain_if_due(struct schedule *schedule, unsigned index)
{
    struct path *path = &schedule->paths->items[index];
    struct restraint *restraint = &schedule->restraints[index];
    uint64_t least_rtt_ns = path_least_rtt_ns(path);
    /* If the last drain lowered the least round trip, it may still be too high: drain again
     * soon. */
    bool again = least_rtt_ns < restraint->least_rtt_ns / 8 * 7;

    if (schedule->context->now <
        (again ? restraint->drain_until_ns + DRAIN_AGAIN_NS : restraint->next_drain_at_ns))
        return;
    restraint->least_rtt_ns = least_rtt_ns;
    restraint->drain_until_ns = schedule->context->now + 5 * least_rtt_ns / 2;
    restraint->next_drain_at_ns = restraint->drain_until_ns + drain_every_ns(path);
}

/* ---- whether the bound does harm ---- */

static void begin_window(struct schedule *schedule, unsigned index)
{
    const struct path_counters *counters = &schedule->paths->items[index].counters;
    struct restraint *restraint = &schedule->restraints[index];

    restraint->window_began_at_ns = schedule->context->now;
    restraint->window_bytes = counters->stream_bytes_acked;
    restraint->window_received = counters->stream_bytes_received;
    restraint->held = restraint->spare = false;
}

static uint64_t window_length_ns(const struct path *path)
{
    return MAX(WINDOW_MIN_NS, 4 * path_rtt_ns(path));
}

/* Whether bulk came on the path in the window that ends now. */
static bool bulk_came(const struct schedule *schedule, unsigned index)
{
    const struct restraint *restraint = &schedule->restraints[index];
    uint64_t elapsed_ns = schedule->context->now - restraint->window_began_at_ns;
    uint64_t bytes = schedule->paths->items[index].counters.stream_bytes_received -
                     restraint->window_received;

    return bytes * 1000 / (elapsed_ns / NS_PER_MS) >= FLOW_RATE_SMALL;
}

/* Lifts the bound, and learns the path's least round trip anew. */
static void lift(struct schedule *schedule, unsigned index)
{
    struct path *path = &schedule->paths->items[index];
    struct restraint *restraint = &schedule->restraints[index];
    bool forgotten =
        schedule->context->now - restraint->lifted_until_ns >= LIFT_FORGOTTEN_NS;

    restraint->lifted_for_ns =
        backoff_next_ns(forgotten ? 0 : restraint->lifted_for_ns, LIFT_MIN_NS, LIFT_MAX_NS);
    restraint->lifted_until_ns =
        schedule->context->now + MAX(restraint->lifted_for_ns, 3 * window_length_ns(path));
    restraint->rate_seen = restraint->least_rtt_ns = 0;
    if (!bulk_came(schedule, index))
        path_forget_least(path);
}

static void judge(struct schedule *schedule, unsigned index)
{
    struct path *path = &schedule->paths->items[index];
    struct restraint *restraint = &schedule->restraints[index];
    uint64_t elapsed_ns = schedule->context->now - restraint->window_began_at_ns;
    uint64_t bytes = path->counters.stream_bytes_acked - restraint->window_bytes;
    uint64_t rate;

    if (restraint->window_began_at_ns == 0) {
        restraint->rate_seen = 0;
        restraint->next_drain_at_ns = schedule->context->now + drain_every_ns(path);
        begin_window(schedule, index);
        return;
    }
    if (elapsed_ns < window_length_ns(path) ||
        (bytes < WINDOW_BYTES && elapsed_ns < WINDOW_MAX_NS))
        return;
    rate = bytes * 1000 / (elapsed_ns / NS_PER_MS);
    if (restraint->held && !restraint->spare && rate < restraint->rate_seen / 4 * 3)
        lift(schedule, index);
    else
        restraint->rate_seen = MAX(restraint->rate_seen, rate);
    begin_window(schedule, index);
}

/* Computes the room for bulk on the path. */
static void update_path(struct schedule *schedule, unsigned index, bool waits)
{
    struct path *path = &schedule->paths->items[index];
    struct restraint *restraint = &schedule->restraints[index];
    uint64_t bound, used;

    restraint->bounded = false;
    if (!wanted(schedule) || path->subflows == 0) {
        restraint->window_began_at_ns = 0;
        return;
    }
    judge(schedule, index);
    path_hold(path, false, restraint->rate_seen);
    if ((lifted(schedule, restraint) && !interactive(schedule, index)) ||
        path->rate_acked == 0 || path->least_rtt_ns == 0 ||
        (restraint->rate_seen == 0 && !interactive(schedule, index)))
        return;
    if (restraint->held)
        drain_if_due(schedule, index);
    bound = bound_bytes(schedule, index);
    used = on_its_way(schedule, index);
    restraint->bounded = true;
    restraint->room = bound - MIN(bound, used);
    restraint->held |= waits && restraint->room == 0;
    restraint->spare |= !waits && restraint->room > 0;
}

void restraint_update(struct schedule *schedule)
{
    bool waits = bulk_waits(schedule);

    if (waits)
        schedule->bulk_at_ns = schedule->context->now;
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct restraint *restraint = &schedule->restraints[i];

        update_path(schedule, i, waits);
        path_hold(&schedule->paths->items[i], restraint->bounded && restraint->held,
                  restraint->rate_seen);
    }
}

void restraint_spend(struct schedule *schedule, unsigned index, uint64_t bytes)
{
    struct restraint *restraint = &schedule->restraints[index];

    restraint->room -= MIN(restraint->room, bytes);
}

bool restraint_holds(const struct schedule *schedule, unsigned index)
{
    const struct restraint *restraint = &schedule->restraints[index];

    return restraint->bounded && restraint->room == 0;
}

/* When a fresh measure can show whether there is room again. */
uint64_t restraint_timeout(const struct schedule *schedule)
{
    uint64_t when = TIME_NEVER;

    if (!bulk_waits(schedule))
        return TIME_NEVER;
    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (restraint_holds(schedule, subflow->path) && subflow_awaits_ack(subflow))
            when = MIN(when, MAX(subflow->measured_at_ns, subflow->up_at_ns) + MEASURE_NS);
    }
    return when;
}
