/* Local's pool: when to dial the next subflow, and by which path; which ones to retire. */
#include "pool_internal.h"

#include <limits.h>

#define HELLOS_MAX 3
#define PATH_BACKOFF_MIN_NS (50 * NS_PER_MS)
/* Dials in a row that are not answered before a path counts as dead: at 1% of random loss
 * one dial in a million. */
#define PATH_TIMEOUTS 3
#define DIALS_TO_LONGEST 6
/* How long a pool in which nothing could give its place is left alone. */
#define YIELD_AGAIN_NS (250 * NS_PER_MS)

/* The pool is to be looked at again then, at the latest. */
static void look_again(struct session *session, uint64_t when)
{
    session->pool_wake_ns = MIN(session->pool_wake_ns, when);
}

/* ---- dialling ---- */

static unsigned hellos_on(const struct session *session, unsigned index)
{
    unsigned count = 0;

    list_foreach_const(&session->subflows, node) {
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

    if (hello)
        return hellos_on(session, index) * 1e6 + path->failures;
    if (pool_lasting_on(session, index) < pool_path_minimum(session, index))
        return -1; /* before all others */
    return (double)path->subflows / (double)pool_path_share(session, index);
}

/* Fewer than what streams ask for there. */
static bool lacking(struct session *session, unsigned index)
{
    return pool_lasting_on(session, index) < pool_path_asked(session, index);
}

/* The path to dial next; paths that fail, or may not be dialled so fast, wait for their
 * time while others are dialled. */
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
        if (pool_held_back(session, i)) {
            held = true;
            continue;
        }
        if (path->retry_ns > session->now) {
            look_again(session, path->retry_ns);
            continue;
        }
        port_chooser_pick(&path->ports, 0, session->now, &when);
        if (when > session->now) {
            look_again(session, when);
            continue;
        }
        if (!hello && lacking(session, i))
            return (int)i;
        /* Nothing that lasts is of use without a session. */
        if (!hello && pool_shares_hold(session) &&
            pool_lasting_on(session, i) >= pool_path_share(session, i))
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
    look_again(session, session->now + HELLO_RACE_NS);
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

    port = port_chooser_pick(&path->ports, context_random(session), session->now, &when);
    if (when > session->now) {
        look_again(session, when);
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
    packets_choose(session, subflow);
    subflow->budget_out = session->config.budget_up;
    subflow->budget_in = session->config.budget_down;
    session->counters.subflows_opened++;
    event = subflow_tell(session, subflow, SESSION_DIAL);
    event->path = (unsigned)index;
    event->port = port;
    event->hello = hello;
    event->packet_size = subflow->packet_size;
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
        look_again(session, when);
        return;
    }
    if (hellos == 0 && session->state == SESSION_STATE_LOST &&
        session->open_count >= session->config.pool_burst)
        make_room(session);
    if (session->open_count >= session->config.pool_burst)
        return;
    if (dial(session, true)) {
        session->hello_race_ns = session->now + HELLO_RACE_NS;
        look_again(session, session->hello_race_ns);
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
        look_again(session, session->now + MEASURE_ENDED_NS);
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
            (!pool_lasting(subflow) || pool_lasting_on(session, subflow->path) >
                                           pool_path_asked(session, subflow->path))) {
            subflow->retire = true;
            return;
        }
    }
    /* Bulk has a share in each path, or they are suspect: that may pass unnoticed. */
    look_again(session, session->now + YIELD_AGAIN_NS);
}

static void dial_joins(struct session *session)
{
    uint64_t bound;
    uint64_t want = pool_wanted(session, &bound);
    uint64_t count = 0, missing = 0, asked = 0;

    for (unsigned i = 0; i < session->config.path_count; i++) {
        uint64_t lasting = pool_lasting_on(session, i);
        uint64_t least = pool_path_minimum(session, i);

        count += lasting;
        missing += least - MIN(least, lasting);
        asked += lacking(session, i);
        /* Streams that may use no other wait for its time, however full the pool is. */
        if (session->paths[i].streams > 0 && session->paths[i].retry_ns > session->now)
            look_again(session, session->paths[i].retry_ns);
    }
    bound = MAX(bound, MIN(session->open_count + missing, session->config.pool_burst));
    want = MAX(want, MIN(count + missing, bound));
    if (asked > 0 && session->open_count >= bound)
        yield_place(session);
    if (count < want && session->open_count >= bound)
        give_way(session);
    while (count < want && session->open_count < bound && dial(session, false)) {
        count++;
        if (session->silent_ns == TIME_NEVER && !subflows_in_touch(session))
            session->silent_ns = session->now;
    }
}

/* Which path spares go from: one on which nothing is to be dialled as things are, then the
 * one with most, so that what is kept is spread over the paths. 0: none go from it. */
static uint64_t to_spare(struct session *session, unsigned index)
{
    uint64_t count = pool_lasting_on(session, index);

    if (count <= pool_path_minimum(session, index))
        return 0;
    return pool_held_back(session, index) ? UINT64_MAX : count;
}

/* Bit i: the next spare to go may be one of path i. */
static uint16_t giving_paths(struct session *session)
{
    uint64_t most = 1;
    uint16_t giving = 0;

    for (unsigned i = 0; i < session->config.path_count; i++) {
        uint64_t own = to_spare(session, i);

        if (own > most)
            giving = 0;
        if (own >= most)
            giving |= (uint16_t)(1u << i);
        most = MAX(most, own);
    }
    return giving;
}

/* Subflows that have carried nothing of streams for a while go back to the idle number:
 * PINGs and ACKs keep none. Those that are nearly used up do not count, as they were
 * replaced already, and go too. What is still busy is looked at again in a while: that it
 * has come to rest may pass unnoticed. */
static void retire_spares(struct session *session)
{
    unsigned spares = 0, needed;
    uint16_t giving;

    if (session->waiting_bytes > 0 || session_peer_demand(session) > 0) {
        look_again(session, session->now + SPARE_LIFE_NS);
        return;
    }
    list_foreach(&session->subflows, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        spares += subflow->state == SUBFLOW_STATE_OPEN && pool_lasting(subflow);
    }
    needed = pool_needed(session);
    giving = spares > needed ? giving_paths(session) : 0;
    list_foreach(&session->subflows, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        bool busy = subflow->items.count > 0;
        uint64_t until_ns = (busy ? session->now : subflow->used_ns) + SPARE_LIFE_NS;

        if (!subflow_usable(subflow) || subflow->retire ||
            (pool_lasting(subflow) && !(giving >> subflow->path & 1)))
            continue;
        if (until_ns > session->now) {
            look_again(session, until_ns);
            continue;
        }
        spares -= pool_lasting(subflow);
        subflow->retire = true;
        giving = spares > needed ? giving_paths(session) : 0;
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
    if (session->hello_failed)
        pool_hello_failed(session);
    session->hello_failed = false;
    session->pool_dirty = false;
    session->pool_wake_ns = TIME_NEVER;
    if (session->config.role != SESSION_LOCAL || session->state >= SESSION_STATE_CLOSING)
        return;
    packets_update(session);
    if (session->state != SESSION_STATE_UP) {
        if (pool_needed(session) > 0)
            dial_hello(session);
        return;
    }
    bool orphaned = confirmation_lost(session);

    if (orphaned)
        close_orphans(session);
    if ((session->rekey_ns <= session->now || orphaned) && pool_needed(session) > 0)
        dial_hello(session);
    if (!orphaned)
        dial_joins(session);
    retire_reserve(session);
    retire_spares(session);
}

/* ---- results ---- */

void pool_back_off(struct session *session, struct path *path)
{
    uint64_t cap_ns = session_active(session) ? BACKOFF_MAX_NS : BACKOFF_IDLE_NS;

    path->failures++;
    path->failed_ns = session->now;
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
    if (end == SUBFLOW_REFUSED)
        port_chooser_result(&path->ports, subflow->port, DIAL_REFUSED, subflow->dialled_ns,
                            session->now);
    session->explicit_failures++;
    pool_back_off(session, path);
    if (path->subflows <= 1)
        path_failed(session, subflow->path,
                    end == SUBFLOW_REFUSED ? PATH_REASON_REFUSED : PATH_REASON_UNREACHABLE,
                    subflow->dialled_ns);
    if (subflow->hello)
        pool_hello_failed(session);
}

/* What a dial tells that was not answered. When the path was heard of all the time until
 * the answer was due, somebody drops dials; else the path was dead for a while. One that
 * was never heard of may be limited from the first. */
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
        pool_back_off(session, path);
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

void pool_hello_failed(struct session *session)
{
    uint64_t cap_ns = session_active(session) ? BACKOFF_MAX_NS : BACKOFF_IDLE_NS;

    session->pool_dirty = true;
    session->hello_failed_ns = session->now;
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

    session->explicit_failures = 0;
    session->pool_dirty = true; /* one more that may turn out not to be needed */
    port_chooser_result(&path->ports, subflow->port, DIAL_SUCCESS, subflow->dialled_ns,
                        session->now);
}

uint64_t pool_next_timeout(const struct session *session)
{
    return session->pool_dirty ? session->now : session->pool_wake_ns;
}
