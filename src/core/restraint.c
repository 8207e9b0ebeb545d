/*
 * Restraint: what bulk keeps on its way while somebody waits for small answers.
 *
 * The interactive lane keeps small data out of the queues of this host, but not out of the
 * one in front of the slowest link, which the congestion control of bulk fills. So while a
 * stream goes to and fro in small pieces, bulk on the path of the lane keeps little more
 * on its way than the path takes up without a queue: its rate times its least round trip,
 * as BBR has it. Without such a stream, nothing is held back.
 *
 * Three things keep the bound from doing harm. Where no queue is to be seen it is twice as
 * high, so that a transfer finds its rate. Now and then it is low for a moment: else the
 * queue that it allows would in time be taken for a part of the path. And when bulk that is
 * held back becomes slower than it was, the path is not what it seemed (it may be longer
 * than it was, or its delay vary), and the bound is lifted for a while, each time for
 * longer.
 */
#include "session_internal.h"

/* How long a stream counts as interactive after it sent something, and how often it must
 * have sent little, with nothing on its way, until it does. */
#define INTERACTIVE_NS (1 * NS_PER_S)
#define EXCHANGES_MIN 3
/* The queue that is allowed: a quarter of the round trip, or what nobody feels. */
#define QUEUE_MIN_NS (5 * NS_PER_MS)
/* What is on its way is known as of the last measure. */
#define MEASURE_NS (2 * NS_PER_MS)
#define BOUND_MIN (2 * CHUNK_SIZE_MAX)
/* The least round trip of a path stands for 5 to 10 s; see path.c. */
#define DRAIN_EVERY_NS (5 * NS_PER_S)
#define DRAIN_AGAIN_NS (500 * NS_PER_MS)
#define WINDOW_MIN_NS (500 * NS_PER_MS)
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

static bool wanted(const struct session *session)
{
    return session->lane != NULL && session->interactive_ns != 0 &&
           session->now - session->interactive_ns < INTERACTIVE_NS;
}

uint64_t restraint_measure_ns(const struct session *session, uint64_t usual_ns)
{
    return wanted(session) ? MIN(usual_ns, MEASURE_NS) : usual_ns;
}

/* ---- the bound ---- */

/* What the path holds of ours: sent, and not acknowledged by the peer's TCP. Of what has
 * yet to be sent a third counts: it waits for its connection's window and is not in the
 * link's queue, but will be within a round trip. */
static uint64_t on_its_way(const struct session *session, unsigned index)
{
    uint64_t bytes = 0;

    list_foreach_const(&session->subflows, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */
        const struct subflow_measure *measure = &subflow->measure;

        if (subflow->path == index && subflow->state == SUBFLOW_STATE_OPEN &&
            subflow->eliciting_unacked > 0)
            bytes += measure->queued_bytes - measure->unsent_bytes / 3 * 2 +
                     (subflow->bytes_sent - subflow->measured_bytes);
    }
    return bytes;
}

static bool draining(const struct session *session, const struct restraint *restraint)
{
    return session->now < restraint->drained_ns;
}

static uint64_t bound_bytes(const struct session *session, const struct path *path)
{
    const struct restraint *restraint = &path->restraint;
    uint64_t least_ns = path_least_rtt_ns(path);
    uint64_t queue_ns = MAX(least_ns / 4, QUEUE_MIN_NS);
    uint64_t whole_ns;

    if (draining(session, restraint))
        whole_ns = least_ns / 2;
    else if (path_rtt_ns(path) < least_ns + queue_ns / 4 &&
             session->now > restraint->drained_ns + 4 * least_ns)
        whole_ns = 2 * least_ns;
    else
        whole_ns = least_ns + queue_ns;
    return MAX((uint64_t)((double)path->rate_acked * (double)(whole_ns + MEASURE_NS) / 1e9),
               BOUND_MIN);
}

/* The queue must have left, and the round trip be seen without it. */
static void drain_if_due(const struct session *session, struct path *path)
{
    struct restraint *restraint = &path->restraint;
    uint64_t least_ns = path_least_rtt_ns(path);
    /* What lasted for long before was still too long: it may be so yet. */
    bool again = least_ns < restraint->least_ns / 8 * 7;

    if (session->now < restraint->drained_ns +
                           (again ? DRAIN_AGAIN_NS : MAX(DRAIN_EVERY_NS, 50 * least_ns)))
        return;
    restraint->least_ns = least_ns;
    restraint->drained_ns = session->now + 5 * least_ns / 2;
}

/* ---- whether it does harm ---- */

static void begin_window(const struct session *session, struct path *path)
{
    path->restraint.window_ns = session->now;
    path->restraint.window_bytes = path->counters.stream_bytes_acked;
    path->restraint.held = path->restraint.spare = false;
}

static uint64_t window_length_ns(const struct path *path)
{
    return MAX(WINDOW_MIN_NS, 4 * path_rtt_ns(path));
}

/* What was taken for the path's round trip is learned anew. */
static void lift(const struct session *session, struct path *path)
{
    struct restraint *restraint = &path->restraint;
    bool forgotten = session->now - restraint->lifted_ns >= LIFT_FORGOTTEN_NS;

    restraint->lift_ns = forgotten || restraint->lift_ns == 0
                             ? LIFT_MIN_NS
                             : MIN(2 * restraint->lift_ns, LIFT_MAX_NS);
    restraint->lifted_ns =
        session->now + MAX(restraint->lift_ns, 3 * window_length_ns(path));
    restraint->rate_seen = restraint->least_ns = 0;
    path_forget_least(path);
}

static void judge(const struct session *session, struct path *path)
{
    struct restraint *restraint = &path->restraint;
    uint64_t elapsed_ns = session->now - restraint->window_ns;
    uint64_t rate;

    if (restraint->window_ns == 0) {
        restraint->rate_seen = 0;
        begin_window(session, path);
        return;
    }
    if (elapsed_ns < window_length_ns(path))
        return;
    rate = (path->counters.stream_bytes_acked - restraint->window_bytes) * 1000 /
           (elapsed_ns / NS_PER_MS);
    if (restraint->held && !restraint->spare && rate < restraint->rate_seen / 4 * 3)
        lift(session, path);
    else
        restraint->rate_seen = MAX(restraint->rate_seen, rate);
    begin_window(session, path);
}

void restraint_update(struct session *session)
{
    bool bulk_waits = !list_empty(&session->ready[STREAM_BULK]);

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        struct path *path = &session->paths[i];
        struct restraint *restraint = &path->restraint;
        uint64_t bound, used;

        restraint->bounded = false;
        if (!wanted(session) || session->lane->path != i) {
            restraint->window_ns = 0;
            continue;
        }
        judge(session, path);
        if (session->now < restraint->lifted_ns || path->rate_acked == 0 ||
            path->least_ns == 0)
            continue;
        if (restraint->held)
            drain_if_due(session, path);
        bound = bound_bytes(session, path);
        used = on_its_way(session, i);
        restraint->bounded = true;
        restraint->room = bound - MIN(bound, used);
        restraint->held |= bulk_waits && restraint->room == 0;
        restraint->spare |= !bulk_waits && restraint->room > 0;
    }
}

void restraint_spend(struct path *path, uint64_t bytes)
{
    path->restraint.room -= MIN(path->restraint.room, bytes);
}

bool restraint_holds(const struct session *session, unsigned index, enum stream_class class)
{
    const struct restraint *restraint = &session->paths[index].restraint;

    return class == STREAM_BULK && restraint->bounded && restraint->room == 0;
}

/* When a fresh measure tells whether there is room again. */
uint64_t restraint_timeout(const struct session *session)
{
    uint64_t when = TIME_NEVER;

    if (!wanted(session) || list_empty(&session->ready[STREAM_BULK]) ||
        !restraint_holds(session, session->lane->path, STREAM_BULK))
        return TIME_NEVER;
    list_foreach_const(&session->subflows, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->path == session->lane->path && subflow->state == SUBFLOW_STATE_OPEN &&
            subflow->eliciting_unacked > 0)
            when = MIN(when, MAX(subflow->measured_ns, subflow->up_ns) + MEASURE_NS);
    }
    return when;
}
