/*
 * Local's pool: how many subflows there should be, and when to dial the next.
 *
 * The bound to reach with K slots, payload p and round trip R is K p / ((1 + n) R) in each
 * direction, where n = ceil(log2(1 + budget / 14600)) is the number of flights that a
 * budget takes through slow start, and 1 the round trip of the handshake.
 */
#include "session_internal.h"

#include <limits.h>

#define INITIAL_WINDOW 14600 /* bytes: 10 segments (RFC 6928) */
/* Slots wanted over the bound's own figure, so that recycling leaves no gap. While a path
 * shows no queue its rate is what the slots let through, and more of them may let through
 * more. */
#define SLOTS_SPARE 1.25
#define SLOTS_PROBING 1.75
#define HELLOS_MAX 3
/* One bulk subflow may be used up, or lose its window to a lost segment, while a second
 * goes on. */
#define BULK_MIN 2
/* With this much waiting, more is likely to follow than can be seen. */
#define BULK_QUEUE (64 * 1024)
#define QUEUE_WINDOW_NS (250 * NS_PER_MS)
#define PATH_BACKOFF_MIN_NS (50 * NS_PER_MS)
/* Dials in a row that are not answered before a path counts as dead: at 1% of random loss
 * one dial in a million. */
#define PATH_TIMEOUTS 3
#define DIALS_TO_LONGEST 6
/* How long a path that was never heard on may be tried before a backup is. */
#define HOPE_NS (1 * NS_PER_S)

/* ---- how many ---- */

bool session_active(const struct session *session)
{
    return session->stream_count > 0 || session->waiting_bytes > 0 ||
           !list_empty(&session->streams) || session->ack_wanted ||
           !list_empty(&session->limbo) || session->send_session_window;
}

static uint64_t ceil_divide(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* n of the bound above. */
static unsigned flights(uint64_t budget)
{
    unsigned n = 0;

    for (uint64_t reach = INITIAL_WINDOW; reach < budget + INITIAL_WINDOW; reach *= 2)
        n++;
    return n;
}

/* Slots that a path needs to carry what it has been seen to carry, in one direction. The
 * round trip is the least: one that a queue has made long would ask for more slots, which
 * would make the queue longer. */
static uint64_t slots(const struct path *path, uint64_t rate, uint64_t budget)
{
    bool full = path_rtt_ns(path) > path_least_rtt_ns(path) / 4 * 5;
    double in_flight;

    if (budget == SESSION_UNLIMITED)
        return BULK_MIN;
    in_flight =
        (double)rate * (double)path_least_rtt_ns(path) / 1e9 * (1 + flights(budget));
    return (uint64_t)(in_flight * (full ? SLOTS_SPARE : SLOTS_PROBING) / (double)budget) +
           1;
}

static uint64_t path_slots(const struct session *session, const struct path *path)
{
    return MAX(slots(path, path->rate_in, session->config.budget_down),
               slots(path, path->rate_acked, session->config.budget_up));
}

/* Subflows that a queue of this length keeps busy. */
static uint64_t queue_slots(uint64_t queue, uint64_t budget)
{
    return budget == SESSION_UNLIMITED ? queue > 0 : ceil_divide(queue, budget);
}

static bool tight(const struct session *session)
{
    return MIN(session->config.budget_up, session->config.budget_down) <= TIGHT_BUDGET;
}

/* ---- paths that streams ask for, and paths in reserve ---- */

static bool allowed_before(const struct session *session, const struct stream *stream,
                           unsigned index)
{
    for (unsigned i = 0; i < session->config.path_count; i++)
        if (path_allows(session, i, stream) &&
            path_comes_before(&session->paths[i], &session->paths[index]))
            return true;
    return false;
}

/* The paths that a stream wants to find open, whatever the pool is otherwise: all but
 * backups for a redundant one; the first in order for one that not every path may carry. */
static uint16_t asks_for(const struct session *session, const struct stream *stream)
{
    bool redundant = stream->policy.mode != STREAM_MODE_SPLIT;
    bool bound = redundant;
    uint16_t asks = 0;

    for (unsigned i = 0; i < session->config.path_count; i++)
        bound |= !path_allows(session, i, stream);
    for (unsigned i = 0; i < session->config.path_count; i++)
        if (bound && path_allows(session, i, stream) &&
            ((redundant && !session->paths[i].properties.backup) ||
             !allowed_before(session, stream, i)))
            asks |= (uint16_t)(1u << i);
    return asks;
}

static void set_asks(struct session *session, struct stream *stream, uint16_t asks)
{
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        session->paths[i].streams += (asks >> i & 1u) - (stream->asks >> i & 1u);
    stream->asks = asks;
}

void pool_stream_begins(struct session *session, struct stream *stream)
{
    set_asks(session, stream, asks_for(session, stream));
}

void pool_stream_ends(struct session *session, struct stream *stream)
{
    set_asks(session, stream, 0);
}

void pool_recount_streams(struct session *session)
{
    list_foreach(&session->streams, node, after) {
        pool_stream_begins(session, list_entry(node, struct stream, node));
    }
}

/* A driver may keep slots for paths that are not there now. */
static unsigned usable_paths(const struct session *session)
{
    unsigned count = 0;

    for (unsigned i = 0; i < session->config.path_count; i++)
        count += session->paths[i].properties.usable;
    return count;
}

/* Works, as far as is known. Between two subflows of small budgets there may be none. */
static bool path_works(const struct session *session, unsigned index)
{
    const struct path *path = &session->paths[index];

    return path->properties.usable && path->reason == PATH_REASON_WORKS &&
           (session->live_paths >> index & 1 ||
            (session->suspects == 0 && path->failures == 0 && path->timeouts == 0));
}

/* Not tried for long enough to give it up. */
static bool path_hopeful(const struct session *session, unsigned index)
{
    const struct path *path = &session->paths[index];

    if (!path->properties.usable || path->failures > 0 ||
        path->reason != PATH_REASON_UNTRIED)
        return false;
    for (const struct list *node = session->subflows.next; node != &session->subflows;
         node = node->next) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->path == index && session->now - subflow->dialled_ns >= HOPE_NS)
            return false;
    }
    return true;
}

static bool bulk_waits(struct session *session);

/* Nothing is dialled on the path as things are: a backup while another works; a dear one
 * while a cheaper works and no bulk waits. Unless streams ask for it. */
static bool held_back(struct session *session, unsigned index)
{
    const struct path *own = &session->paths[index];

    if (own->streams > 0 || (!own->properties.backup && own->properties.cost == 0))
        return false;
    for (unsigned i = 0; i < session->config.path_count; i++) {
        const struct path *other = &session->paths[i];

        if (path_comes_before(other, own) &&
            (own->properties.backup != other->properties.backup || !bulk_waits(session)) &&
            (path_works(session, i) || path_hopeful(session, i)))
            return true;
    }
    return false;
}

/* What is kept open on the path, while it does not fail, whatever the pool is otherwise.
 * Streams that ask for the path have two subflows there, so that a lost segment on one does
 * not hold all of them up; fewer where the pool is small. */
static unsigned path_minimum(const struct session *session, unsigned index)
{
    const struct path *path = &session->paths[index];

    if (path->streams == 0 || !path->properties.usable || path->retry_ns > session->now)
        return 0;
    return session->config.pool_size >= 2 * usable_paths(session) ? 2 : 1;
}

static unsigned needed(const struct session *session)
{
    unsigned least = 0;

    for (unsigned i = 0; i < session->config.path_count; i++)
        least += path_minimum(session, i);
    return MIN(MAX(MAX(session_active(session), session->config.pool_idle), least),
               session->config.pool_burst);
}

/* The highest of the last two windows: subflows that take all of a queue at once must not
 * make it look as if none were needed. */
static uint64_t recent(struct queue_peak *peak, uint64_t now, uint64_t bytes)
{
    if (now - peak->window_ns >= QUEUE_WINDOW_NS) {
        peak->before = now - peak->window_ns < 2 * QUEUE_WINDOW_NS ? peak->highest : 0;
        peak->highest = 0;
        peak->window_ns = now;
    }
    peak->highest = MAX(peak->highest, bytes);
    return MAX(peak->highest, peak->before);
}

static uint64_t queue_up(struct session *session)
{
    uint64_t credit = session_credit(session) + session->owed_bytes;

    return recent(&session->queue_up, session->now, MIN(session->waiting_bytes, credit));
}

static uint64_t queue_down(struct session *session)
{
    return recent(&session->queue_down, session->now, session_peer_demand(session));
}

/* A transfer whose end is not in sight waits, in either direction. */
static bool bulk_waits(struct session *session)
{
    return MAX(queue_up(session), queue_down(session)) >= BULK_QUEUE;
}

/* Several paths: each has its share, which another's failure does not enlarge, since what
 * is dialled in its place would be in its way when it is back. */
static bool shares_hold(struct session *session)
{
    return usable_paths(session) > 1 && bulk_waits(session);
}

/* The path of least latency that works. */
static unsigned lane_path(const struct session *session)
{
    uint64_t least_ns = TIME_NEVER;
    unsigned found = 0;

    for (const struct list *node = session->subflows.next; node != &session->subflows;
         node = node->next) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */
        uint64_t rtt_ns = path_rtt_ns(&session->paths[subflow->path]);

        if (!subflow_usable(subflow) || rtt_ns >= least_ns)
            continue;
        least_ns = rtt_ns;
        found = subflow->path;
    }
    return found;
}

/* What a path should have of the pool; one of them has the interactive lane too. */
static uint64_t path_share(struct session *session, unsigned index)
{
    uint64_t slots = path_slots(session, &session->paths[index]);

    if (!session->paths[index].properties.usable)
        return 0;
    return bulk_waits(session) ? MAX(slots, BULK_MIN) + (index == lane_path(session))
                               : slots;
}

/* Slots for bulk on all paths together. */
static uint64_t bulk_slots(struct session *session)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < session->config.path_count; i++)
        total += path_share(session, i);
    return total;
}

/* How many subflows there should be that last; `bound` becomes what may be open with those
 * that are about to end. */
static uint64_t wanted(struct session *session, uint64_t *bound)
{
    const struct session_config *config = &session->config;
    uint64_t queue = MAX(queue_slots(queue_up(session), config->budget_up),
                         queue_slots(queue_down(session), config->budget_down));
    uint64_t busy = queue;

    /* Beyond `size` only while the queue is long, and as the paths have use for. */
    *bound = queue > config->pool_size ? config->pool_burst : config->pool_size;
    if (busy == 0)
        return needed(session);
    busy += tight(session) ? 0 : 1; /* the interactive lane */
    if (bulk_waits(session))
        busy = MAX(busy, bulk_slots(session));
    if (busy > config->pool_size)
        busy = queue > config->pool_size ? MAX(bulk_slots(session), config->pool_size)
                                         : config->pool_size;
    return MIN(MAX(busy, needed(session)), config->pool_burst);
}

/* Counts as long as it will not be used up before a replacement is there. */
static bool lasting(const struct subflow *subflow)
{
    if (subflow->state != SUBFLOW_STATE_OPEN)
        return true;
    if (!subflow_usable(subflow) || subflow->retire)
        return false;
    /* A replacement takes a round trip to be there, and the last of a budget's flights
     * carries half of it. What was received is half a round trip old; what was sent has
     * often yet to leave. */
    return subflow->bytes_sent <= subflow->budget_out / 4 * 3 &&
           subflow->bytes_received <= subflow->budget_in / 8 * 3;
}

/* Subflows of a path that last, told only up to its share while bulk waits: one path's
 * surplus does not make up for what another lacks. */
static uint64_t lasting_on(struct session *session, unsigned index)
{
    uint64_t count = 0;

    list_foreach(&session->subflows, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        count += subflow->path == index && lasting(subflow);
    }
    return shares_hold(session) ? MIN(count, path_share(session, index)) : count;
}

/* ---- dialling ---- */

static unsigned hellos_on(const struct session *session, unsigned index)
{
    unsigned count = 0;

    for (const struct list *node = session->subflows.next; node != &session->subflows;
         node = node->next) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        count += subflow->path == index && subflow->hello &&
                 subflow->state != SUBFLOW_STATE_OPEN;
    }
    return count;
}

/* A HELLO goes where none is on its way, and then where the fewest dials have failed: a
 * path that is dead must not keep the session from beginning on another. A JOIN goes where
 * most is lacking. */
static double dial_cost(struct session *session, unsigned index, bool hello)
{
    const struct path *path = &session->paths[index];

    return hello ? hellos_on(session, index) * 1e6 + path->failures
                 : (double)path->subflows / (double)path_share(session, index);
}

/* Fewer than what streams ask for there. */
static bool lacking(struct session *session, unsigned index)
{
    return lasting_on(session, index) < path_minimum(session, index);
}

/* The path to dial next; paths that fail, or may not be dialled so fast, wait for their time
 * while others are dialled. */
static int choose_path(struct session *session, bool hello)
{
    double best_cost = 0;
    bool held = false;
    uint64_t when;
    int best = -1;

    for (unsigned i = 0; i < session->config.path_count; i++) {
        struct path *path = &session->paths[i];
        double cost;

        if (!path->properties.usable)
            continue;
        if (held_back(session, i)) {
            held = true;
            continue;
        }
        if (path->retry_ns > session->now) {
            session->pool_wake_ns = MIN(session->pool_wake_ns, path->retry_ns);
            continue;
        }
        port_chooser_pick(&path->ports, 0, session->now, &when);
        if (when > session->now) {
            session->pool_wake_ns = MIN(session->pool_wake_ns, when);
            continue;
        }
        if (!hello && lacking(session, i))
            return (int)i;
        /* Nothing that lasts is of use without a session. */
        if (!hello && shares_hold(session) &&
            lasting_on(session, i) >= path_share(session, i))
            continue;
        cost = dial_cost(session, i, hello);
        if (best < 0 || cost < best_cost) {
            best = (int)i;
            best_cost = cost;
        }
    }
    /* While there is no session, hope does not last: the last HELLO is kept for then. */
    if (!hello || !held)
        return best;
    session->pool_wake_ns = MIN(session->pool_wake_ns, session->now + HELLO_RACE_NS);
    return best >= 0 && hellos_on(session, (unsigned)best) + 1 < HELLOS_MAX ? best : -1;
}

/* How long a SYN may stay unanswered. As in RFC 6298 the wait doubles each time that it was
 * too short: the path may have become slower than anything that is known of it. Up to a
 * second, so that a path which is back is soon found; now and then the longest is tried. */
static uint64_t dial_timeout_ns(const struct path *path)
{
    uint64_t usual_ns = MAX(3 * path->srtt_ns, DIAL_TIMEOUT_MIN_NS);

    if (path->srtt_ns == 0 || path->timeouts % DIALS_TO_LONGEST == DIALS_TO_LONGEST - 1)
        return DIAL_TIMEOUT_MAX_NS;
    return MIN(MAX(usual_ns, MIN(usual_ns << MIN(path->timeouts, 2u), NS_PER_S)),
               DIAL_TIMEOUT_MAX_NS);
}

/* Dials once; false when it has to wait. */
static bool dial(struct session *session, bool hello)
{
    struct session_event *event;
    struct subflow *subflow;
    uint64_t when;
    int index = choose_path(session, hello);
    unsigned port;

    if (index < 0)
        return false;
    struct path *path = &session->paths[index];

    port = port_chooser_pick(&path->ports, session_random(session), session->now, &when);
    if (when > session->now) {
        session->pool_wake_ns = MIN(session->pool_wake_ns, when);
        return false;
    }
    subflow = subflow_new(session, (unsigned)index);
    if (subflow == NULL)
        return false;
    port_chooser_dialled(&path->ports, port, session->now);
    subflow->state = SUBFLOW_STATE_DIALLING;
    subflow->hello = hello;
    subflow->port = (uint8_t)port;
    subflow->dialled_ns = session->now;
    subflow->deadline_ns = session->now + dial_timeout_ns(path);
    subflow->budget_out = session->config.budget_up;
    subflow->budget_in = session->config.budget_down;
    session->counters.subflows_opened++;
    session_push_event(session, SESSION_DIAL, subflow, NULL);
    event = ring_at(&session->events, session->events.count - 1);
    event->path = (unsigned)index;
    event->port = port;
    event->hello = hello;
    return true;
}

/* A session that is lost has no use for its subflows: the one heard of longest ago gives
 * its place to a HELLO. */
static void make_room(struct session *session)
{
    struct subflow *oldest = NULL;

    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state == SUBFLOW_STATE_OPEN &&
            (oldest == NULL || subflow->received_ns < oldest->received_ns))
            oldest = subflow;
    }
    if (oldest != NULL)
        subflow_close(session, oldest, SUBFLOW_ABANDONED);
}

static void dial_hello(struct session *session)
{
    unsigned hellos = 0;

    list_foreach(&session->subflows, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        hellos += subflow->hello && subflow->state != SUBFLOW_STATE_OPEN;
    }
    uint64_t when = hellos == 0 ? session->next_hello_ns : session->hello_race_ns;

    if (hellos >= HELLOS_MAX)
        return;
    if (when > session->now) {
        session->pool_wake_ns = MIN(session->pool_wake_ns, when);
        return;
    }
    if (hellos == 0 && session->state == SESSION_STATE_LOST &&
        session->open_count >= session->config.pool_burst)
        make_room(session);
    if (session->open_count >= session->config.pool_burst)
        return;
    if (dial(session, true)) {
        session->hello_race_ns = session->now + HELLO_RACE_NS;
        session->pool_wake_ns = MIN(session->pool_wake_ns, session->hello_race_ns);
    }
}

/* Every subflow that may be open has had the relay's END and waits for an ACK of our own
 * last chunks: none of them can bring it. One gives its place to a JOIN, on which the relay
 * tells what it has received of all of them; until then nothing is owed. It is reset when
 * the relay's TCP has all of it: what has not left yet would be lost without a word. */
static void give_way(struct session *session)
{
    struct subflow *oldest = NULL;

    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state != SUBFLOW_STATE_OPEN || !subflow->end_received)
            return;
        if (subflow_drained(subflow) &&
            (oldest == NULL || subflow->received_ns < oldest->received_ns))
            oldest = subflow;
    }
    if (oldest != NULL)
        subflow_close(session, oldest, SUBFLOW_ORDERLY);
    else
        session->pool_wake_ns = MIN(session->pool_wake_ns, session->now + MEASURE_ENDED_NS);
}

/* Streams ask for a path that the full pool has no place for: one that is kept by no such
 * wish gives its place. */
static void yield_place(struct session *session)
{
    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->retire || subflow->end_sent)
            return; /* one is on its way out */
        /* One that is nearly used up counts for nothing, and may be idle for long. */
        if (subflow_usable(subflow) &&
            (!lasting(subflow) ||
             lasting_on(session, subflow->path) > path_minimum(session, subflow->path))) {
            subflow->retire = true;
            return;
        }
    }
    /* Bulk has a share in each path, or they are suspect: that may pass unnoticed. */
    session->pool_wake_ns = MIN(session->pool_wake_ns, session->now + QUEUE_WINDOW_NS);
}

static void dial_joins(struct session *session)
{
    uint64_t bound;
    uint64_t want = wanted(session, &bound);
    uint64_t count = 0, missing = 0;

    for (unsigned i = 0; i < session->config.path_count; i++) {
        uint64_t lasting = lasting_on(session, i);
        uint64_t least = path_minimum(session, i);

        count += lasting;
        missing += least - MIN(least, lasting);
    }
    bound = MAX(bound, MIN(session->open_count + missing, session->config.pool_burst));
    want = MAX(want, MIN(count + missing, bound));
    if (missing > 0 && session->open_count >= bound)
        yield_place(session);
    if (count < want && session->open_count >= bound)
        give_way(session);
    while (count < want && session->open_count < bound && dial(session, false)) {
        count++;
        if (session->silent_ns == TIME_NEVER && !session_in_touch(session))
            session->silent_ns = session->now;
    }
}

/* Subflows that have had nothing to do for a while go back to the idle number. Those that
 * are nearly used up do not count, as they were replaced already, and go too. */
static void retire_spares(struct session *session)
{
    /* A PING makes a spare look as if it were in use. */
    uint64_t life_ns = MIN(SPARE_LIFE_NS, session_keepalive_ns(session) / 2);
    unsigned spares = 0;

    if (session->waiting_bytes > 0 || session_peer_demand(session) > 0)
        return;
    list_foreach(&session->subflows, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        spares += subflow->state == SUBFLOW_STATE_OPEN && lasting(subflow);
    }
    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        uint64_t until_ns = MAX(subflow->sent_ns, subflow->received_ns) + life_ns;

        if (!subflow_usable(subflow) || subflow->retire || subflow_outstanding(subflow) ||
            (lasting(subflow) &&
             (spares <= needed(session) ||
              lasting_on(session, subflow->path) <= path_minimum(session, subflow->path))))
            continue;
        if (until_ns > session->now) {
            session->pool_wake_ns = MIN(session->pool_wake_ns, until_ns);
            continue;
        }
        spares -= lasting(subflow);
        subflow->retire = true;
    }
}

/* A backup that is not needed any more lets go of what it has. */
static void retire_reserve(struct session *session)
{
    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow_usable(subflow) && !subflow->retire &&
            session->paths[subflow->path].streams == 0 &&
            path_in_reserve(session, subflow->path, NULL))
            subflow->retire = true;
    }
}

/* The HELLO's subflow died before its first chunk was seen to arrive: no JOIN may begin,
 * and only another HELLO helps. */
static bool confirmation_lost(struct session *session)
{
    const struct generation *generation = generation_current(session);

    if (generation->confirmed)
        return false;
    list_foreach(&session->subflows, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->hello && subflow->generation == generation)
            return false;
    }
    return true;
}

/* JOINs that wait for a confirmation which will not come, and keep a HELLO's place. */
static void close_orphans(struct session *session)
{
    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (!subflow->hello && !subflow->begun)
            subflow_close(session, subflow, SUBFLOW_ABANDONED);
    }
}

void pool_update(struct session *session)
{
    session->pool_dirty = false;
    session->pool_wake_ns = TIME_NEVER;
    if (session->config.role != SESSION_LOCAL || session->state >= SESSION_STATE_CLOSING)
        return;
    if (session->state != SESSION_STATE_UP) {
        if (needed(session) > 0)
            dial_hello(session);
        return;
    }
    bool orphaned = confirmation_lost(session);

    if (orphaned)
        close_orphans(session);
    if ((session->rekey_ns <= session->now || orphaned) && needed(session) > 0)
        dial_hello(session);
    if (!orphaned)
        dial_joins(session);
    retire_reserve(session);
    retire_spares(session);
}

/* ---- results ---- */

static void back_off(struct session *session, struct path *path)
{
    uint64_t cap_ns = session_active(session) ? BACKOFF_MAX_NS : BACKOFF_IDLE_NS;

    path->failures++;
    /* One failure may be chance. */
    if (path->failures > 1) {
        uint64_t wait_ns = PATH_BACKOFF_MIN_NS << MIN(path->failures, 10);

        path->retry_ns = session->now + MIN(wait_ns, cap_ns);
    }
    session->pool_dirty = true;
}

void pool_dial_ended(struct session *session, struct subflow *subflow, enum subflow_end end)
{
    struct path *path = &session->paths[subflow->path];

    session->counters.dials_failed++;
    path->counters.dials_failed++;
    if (session->config.role != SESSION_LOCAL)
        return;
    if (subflow->state == SUBFLOW_STATE_DIALLING && end == SUBFLOW_REFUSED)
        port_chooser_result(&path->ports, subflow->port, DIAL_REFUSED, subflow->dialled_ns,
                            session->now);
    session->explicit_failures++;
    back_off(session, path);
    if (path->subflows <= 1)
        path_failed(session, subflow->path,
                    end == SUBFLOW_REFUSED ? PATH_REASON_REFUSED : PATH_REASON_UNREACHABLE,
                    subflow->dialled_ns);
    if (subflow->hello)
        pool_hello_failed(session);
}

/* What a dial tells that was not answered. When the path was heard of all the time until the
 * answer was due, somebody drops dials; else the path was dead for a while. One that was
 * never heard of may be limited from the first. */
static enum dial_result unanswered(const struct path *path, uint64_t dialled_ns)
{
    uint64_t due_ns = dialled_ns + path_rtt_ns(path) + DEATH_GRACE_NS;

    return path->heard_ns == 0 ||
                   (path->heard_since_ns <= dialled_ns && path->heard_ns >= due_ns)
               ? DIAL_TIMEOUT
               : DIAL_UNHEARD;
}

void pool_dial_timed_out(struct session *session, struct subflow *subflow)
{
    struct path *path = &session->paths[subflow->path];

    session->counters.dials_failed++;
    path->counters.dials_failed++;
    port_chooser_result(&path->ports, subflow->port, unanswered(path, subflow->dialled_ns),
                        subflow->dialled_ns, session->now);
    /* The governor paces what the network drops; the path waits only when all of it does.
     */
    if (path->subflows <= 1)
        back_off(session, path);
    if (++path->timeouts >= PATH_TIMEOUTS)
        path_failed(session, subflow->path, PATH_REASON_TIMED_OUT, subflow->dialled_ns);
    if (subflow->hello)
        pool_hello_failed(session);
}

/* Some path has failed less than another: it is tried before the round counts as failed. */
static bool path_left_to_try(const struct session *session)
{
    unsigned least = UINT_MAX, most = 0;

    for (unsigned i = 0; i < session->config.path_count; i++) {
        const struct path *path = &session->paths[i];

        if (!path->properties.usable)
            continue;
        least = MIN(least, path->failures);
        most = MAX(most, path->failures);
    }
    return least < most;
}

void pool_hello_unanswered(struct session *session, const struct subflow *subflow)
{
    back_off(session, &session->paths[subflow->path]);
    pool_hello_failed(session);
}

void pool_hello_failed(struct session *session)
{
    uint64_t cap_ns = session_active(session) ? BACKOFF_MAX_NS : BACKOFF_IDLE_NS;

    session->pool_dirty = true;
    if (path_left_to_try(session)) {
        session->next_hello_ns = session->now;
        return;
    }
    session->backoff_ns = MIN(MAX(2 * session->backoff_ns, BACKOFF_MIN_NS), cap_ns);
    session->next_hello_ns = session->now + session->backoff_ns;
}

void pool_dial_succeeded(struct session *session, struct subflow *subflow)
{
    struct path *path = &session->paths[subflow->path];

    /* A HELLO has yet to be answered. */
    if (!subflow->hello) {
        path->failures = 0;
        path->retry_ns = 0;
    }
    session->explicit_failures = 0;
    port_chooser_result(&path->ports, subflow->port, DIAL_SUCCESS, subflow->dialled_ns,
                        session->now);
}

uint64_t pool_next_timeout(const struct session *session)
{
    return session->pool_dirty ? session->now : session->pool_wake_ns;
}
