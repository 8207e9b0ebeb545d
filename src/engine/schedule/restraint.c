/*
 * Restraint: how much bulk may be on its way on a path.
 *
 * Each connection finds its own share of a path, and a new one does so by sending more and
 * more until a queue shows. With several of them, and another every few hundred
 * milliseconds, somebody is always at that: the queue in front of the slowest link
 * overflows, and what is dropped is sent again late. So all bulk on a path together keeps
 * no more on its way than twice what the path takes up without a queue: its rate times its
 * least round trip, which is what one connection of BBR allows itself.
 *
 * While a stream goes to and fro in small pieces it is a quarter more instead of twice, on
 * the path of the interactive lane: the lane keeps small data out of the queues of this
 * host, but not out of the one in front of the slowest link.
 *
 * Four things keep the bound from doing harm. A transfer begins without one, unless
 * somebody waits for small answers: what was acknowledged of a flow that grows says little.
 * Where no queue is to be seen there is none, or twice as much, so that a transfer finds
 * its rate. Now and then it is low for a moment: else the queue that it allows would in
 * time be taken for a part of the path. And when bulk that is held back becomes slower than
 * it was, the path is not what it seemed (it may be longer than it was, or its delay vary,
 * or others fill the queue), and the bound is lifted for a while, each time for longer.
 */
#include "../session/session_internal.h"

/* How long a stream counts as interactive after it sent something, and how often it must
 * have sent little, with nothing on its way, until it does. */
#define INTERACTIVE_NS (1 * NS_PER_S)
#define EXCHANGES_MIN 3
/* And how long a path is looked after once no bulk waits any more. */
#define BULK_NS (1 * NS_PER_S)
/* A queue that nobody feels. */
#define QUEUE_MIN_NS (5 * NS_PER_MS)
/* What is on its way is known as of the last measure. */
#define MEASURE_NS (2 * NS_PER_MS)
#define BOUND_MIN (2 * CHUNK_SIZE_MAX)
/* The least round trip of a path stands for 5 to 10 s; see path.c. */
#define DRAIN_EVERY_NS (5 * NS_PER_S)
#define DRAIN_AGAIN_NS (500 * NS_PER_MS)
#define WINDOW_MIN_NS (500 * NS_PER_MS)
/* Long enough that the lumps in which it is acknowledged do not matter, as far as may be.
 */
#define WINDOW_BYTES (4 * ACK_BYTES)
#define WINDOW_MAX_NS (2 * NS_PER_S)
#define LIFT_MIN_NS (1 * NS_PER_S)
#define LIFT_MAX_NS (60 * NS_PER_S)
/* After so long without another, a lift is forgotten. */
#define LIFT_FORGOTTEN_NS (30 * NS_PER_S)

/* Who opens a stream beside bulk waits for the answer, and soon for more. */
void restraint_note_opened(struct session *session)
{
    if (!list_empty(&session->ready[STREAM_BULK]))
        session->interactive_ns = session->now;
}

void restraint_note_sent(struct session *session, struct stream *stream)
{
    uint64_t on_its_way = stream->out_next - stream->out_acked;

    if (on_its_way + stream_waiting(stream) >= INTERACTIVE_MAX) {
        stream->exchanges = 0;
        return;
    }
    if (on_its_way == 0 && stream->exchanges < EXCHANGES_MIN)
        stream->exchanges++;
    if (stream->exchanges == EXCHANGES_MIN)
        session->interactive_ns = session->now;
}

static bool bulk_waits(const struct session *session)
{
    return !list_empty(&session->ready[STREAM_BULK]);
}

/* Somebody waits for small answers, on the path. */
static bool interactive(const struct session *session, unsigned index)
{
    return session->lane != NULL && session->lane->path == index &&
           session->interactive_ns != 0 &&
           session->now - session->interactive_ns < INTERACTIVE_NS;
}

static bool wanted(const struct session *session)
{
    return session->bulk_ns != 0 && session->now - session->bulk_ns < BULK_NS;
}

uint64_t restraint_measure_ns(const struct session *session, uint64_t usual_ns)
{
    return wanted(session) ? MIN(usual_ns, MEASURE_NS) : usual_ns;
}

/* ---- the bound ---- */

/* What the path holds of ours. Of what has yet to be sent a third counts: it waits for its
 * connection's window and is not in the link's queue, but will be within a round trip. */
static uint64_t on_its_way(const struct session *session, unsigned index)
{
    uint64_t bytes = 0;

    list_foreach_const(&session->subflows, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */
        const struct subflow_measure *measure = &subflow->measure;

        if (subflow->path == index && subflow->state == SUBFLOW_STATE_OPEN &&
            subflow->eliciting_unacked > 0)
            bytes += measure->flying_bytes + measure->unsent_bytes / 3 +
                     (subflow->bytes_sent - subflow->measured_bytes);
    }
    return bytes;
}

static bool draining(const struct session *session, const struct restraint *restraint)
{
    return session->now < restraint->drained_ns;
}

/* How long what is on its way may take to arrive; TIME_NEVER: no matter. */
static uint64_t whole_ns(const struct session *session, unsigned index)
{
    const struct path *path = &session->paths[index];
    const struct restraint *restraint = &session->restraints[index];
    uint64_t least_ns = path_least_rtt_ns(path);
    bool small = interactive(session, index);
    uint64_t queue_ns = MAX(small ? least_ns / 4 : least_ns, QUEUE_MIN_NS);

    if (draining(session, restraint))
        return least_ns / 2;
    if (path_rtt_ns(path) < least_ns + queue_ns / 4 &&
        session->now > restraint->drained_ns + 4 * least_ns)
        return small ? 2 * least_ns : TIME_NEVER;
    return least_ns + queue_ns;
}

static uint64_t bound_bytes(const struct session *session, unsigned index)
{
    const struct path *path = &session->paths[index];
    uint64_t in_ns = whole_ns(session, index);

    if (in_ns == TIME_NEVER)
        return UINT64_MAX;
    return MAX(
        (uint64_t)((double)path_known_rate(path) * (double)(in_ns + MEASURE_NS) / 1e9),
        BOUND_MIN);
}

static uint64_t drain_every_ns(const struct path *path)
{
    return MAX(DRAIN_EVERY_NS, 50 * path_least_rtt_ns(path));
}

/* The queue must have left, and the round trip be seen without it. */
static void drain_if_due(struct session *session, unsigned index)
{
    struct path *path = &session->paths[index];
    struct restraint *restraint = &session->restraints[index];
    uint64_t least_ns = path_least_rtt_ns(path);
    /* What lasted for long before was still too long: it may be so yet. */
    bool again = least_ns < restraint->least_ns / 8 * 7;

    if (session->now <
        (again ? restraint->drained_ns + DRAIN_AGAIN_NS : restraint->drain_ns))
        return;
    restraint->least_ns = least_ns;
    restraint->drained_ns = session->now + 5 * least_ns / 2;
    restraint->drain_ns = restraint->drained_ns + drain_every_ns(path);
}

/* ---- whether it does harm ---- */

static void begin_window(struct session *session, unsigned index)
{
    struct restraint *restraint = &session->restraints[index];

    restraint->window_ns = session->now;
    restraint->window_bytes = session->paths[index].counters.stream_bytes_acked;
    restraint->held = restraint->spare = false;
}

static uint64_t window_length_ns(const struct path *path)
{
    return MAX(WINDOW_MIN_NS, 4 * path_rtt_ns(path));
}

/* What was taken for the path's round trip is learned anew. */
static void lift(struct session *session, unsigned index)
{
    struct path *path = &session->paths[index];
    struct restraint *restraint = &session->restraints[index];
    bool forgotten = session->now - restraint->lifted_ns >= LIFT_FORGOTTEN_NS;

    restraint->lift_ns = forgotten || restraint->lift_ns == 0
                             ? LIFT_MIN_NS
                             : MIN(2 * restraint->lift_ns, LIFT_MAX_NS);
    restraint->lifted_ns =
        session->now + MAX(restraint->lift_ns, 3 * window_length_ns(path));
    restraint->rate_seen = restraint->least_ns = 0;
    path_forget_least(path);
}

static void judge(struct session *session, unsigned index)
{
    struct path *path = &session->paths[index];
    struct restraint *restraint = &session->restraints[index];
    uint64_t elapsed_ns = session->now - restraint->window_ns;
    uint64_t bytes = path->counters.stream_bytes_acked - restraint->window_bytes;
    uint64_t rate;

    if (restraint->window_ns == 0) {
        restraint->rate_seen = 0;
        restraint->drain_ns = session->now + drain_every_ns(path);
        begin_window(session, index);
        return;
    }
    if (elapsed_ns < window_length_ns(path) ||
        (bytes < WINDOW_BYTES && elapsed_ns < WINDOW_MAX_NS))
        return;
    rate = bytes * 1000 / (elapsed_ns / NS_PER_MS);
    if (restraint->held && !restraint->spare && rate < restraint->rate_seen / 4 * 3)
        lift(session, index);
    else
        restraint->rate_seen = MAX(restraint->rate_seen, rate);
    begin_window(session, index);
}

/* How much bulk may go on the path. */
static void update_path(struct session *session, unsigned index, bool waits)
{
    struct path *path = &session->paths[index];
    struct restraint *restraint = &session->restraints[index];
    uint64_t bound, used;

    restraint->bounded = false;
    if (!wanted(session) || path->subflows == 0) {
        restraint->window_ns = 0;
        return;
    }
    judge(session, index);
    path_hold(path, false, restraint->rate_seen);
    if (session->now < restraint->lifted_ns || path->rate_acked == 0 ||
        path->least_ns == 0 || (restraint->rate_seen == 0 && !interactive(session, index)))
        return;
    if (restraint->held)
        drain_if_due(session, index);
    bound = bound_bytes(session, index);
    used = on_its_way(session, index);
    restraint->bounded = true;
    restraint->room = bound - MIN(bound, used);
    restraint->held |= waits && restraint->room == 0;
    restraint->spare |= !waits && restraint->room > 0;
}

void restraint_update(struct session *session)
{
    bool waits = bulk_waits(session);

    if (waits)
        session->bulk_ns = session->now;
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct restraint *restraint = &session->restraints[i];

        update_path(session, i, waits);
        path_hold(&session->paths[i], restraint->bounded && restraint->held,
                  restraint->rate_seen);
    }
}

void restraint_spend(struct session *session, unsigned index, uint64_t bytes)
{
    struct restraint *restraint = &session->restraints[index];

    restraint->room -= MIN(restraint->room, bytes);
}

bool restraint_holds(const struct session *session, unsigned index)
{
    const struct restraint *restraint = &session->restraints[index];

    return restraint->bounded && restraint->room == 0;
}

/* When a fresh measure tells whether there is room again. */
uint64_t restraint_timeout(const struct session *session)
{
    uint64_t when = TIME_NEVER;

    if (!bulk_waits(session))
        return TIME_NEVER;
    list_foreach_const(&session->subflows, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (restraint_holds(session, subflow->path) &&
            subflow->state == SUBFLOW_STATE_OPEN && subflow->eliciting_unacked > 0)
            when = MIN(when, MAX(subflow->measured_ns, subflow->up_ns) + MEASURE_NS);
    }
    return when;
}
