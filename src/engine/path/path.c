/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/path/path.h>

#include <assert.h>

/* A rate is the bytes of one window divided by its length. The highest of the last few
 * windows counts, and falls by a quarter each window, so that a pause does not look like a
 * slow path. */
#define WINDOW_MIN_NS (50 * NS_PER_MS)
#define QUIET_MIN_NS (20 * NS_PER_MS)

const char *path_reason_string(enum path_reason reason)
{
    switch (reason) {
    case PATH_REASON_UNTRIED: return "not tried yet";
    case PATH_REASON_WORKS: return "works";
    case PATH_REASON_UNUSABLE: return "not usable";
    case PATH_REASON_REFUSED: return "connections are refused";
    case PATH_REASON_UNREACHABLE: return "the relay cannot be reached";
    case PATH_REASON_TIMED_OUT: return "connections are not answered";
    case PATH_REASON_SILENT: return "sent data is not acknowledged";
    case PATH_REASON_UNANSWERED:
        return "connections are taken, but the relay does not answer";
    case PATH_REASON_STRANGER: return "something answers, but it is not the relay";
    }
    return "unknown reason";
}

/* ---- estimates ---- */

static void sample_least(struct path *path, uint64_t rtt_ns, uint64_t now)
{
    if (path->least_rtt_ns == 0 || now - path->least_since_ns >= PATH_MEMORY_NS) {
        path->least_rtt_before_ns = path->least_rtt_ns == 0 ? rtt_ns : path->least_rtt_ns;
        path->least_rtt_ns = rtt_ns;
        path->least_since_ns = now;
    }
    path->least_rtt_ns = MIN(path->least_rtt_ns, rtt_ns);
}

void path_sample_rtt(struct path *path, uint64_t rtt_ns, uint64_t now)
{
    sample_least(path, rtt_ns, now);
    /* RFC 6298 section 2 has this gain. */
    path->srtt_ns =
        path->srtt_ns == 0 ? rtt_ns : path->srtt_ns - path->srtt_ns / 8 + rtt_ns / 8;
}

void path_forget_least(struct path *path)
{
    path->least_rtt_ns = path->least_rtt_before_ns = 0;
}

uint64_t path_least_rtt_ns(const struct path *path)
{
    return path->least_rtt_ns == 0 ? RTT_UNKNOWN_NS
                                   : MIN(path->least_rtt_ns, path->least_rtt_before_ns);
}

uint64_t path_rtt_ns(const struct path *path)
{
    return path->srtt_ns == 0 ? RTT_UNKNOWN_NS : path->srtt_ns;
}

uint64_t path_late_ns(const struct path *path)
{
    return path_rtt_ns(path) / 4 * 5 + ACK_DELAY_NS + JITTER_NS;
}

uint64_t paths_best_rtt_ns(const struct paths *paths)
{
    uint64_t best = TIME_NEVER;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        if (paths->items[i].srtt_ns != 0)
            best = MIN(best, paths->items[i].srtt_ns);
    return best == TIME_NEVER ? RTT_UNKNOWN_NS : best;
}

uint64_t path_drain_ns(uint64_t bytes, uint64_t rate)
{
    /* In doubles: ns x bytes overflows integers with 16 MiB queues at 1 byte/s. */
    return rate == 0 ? 0 : (uint64_t)((double)bytes / (double)rate * 1e9);
}

uint64_t path_known_rate(const struct path *path)
{
    uint64_t seen = path->rate_seen;

    return seen == 0 ? path->rate_acked : MIN(MAX(path->rate_acked, seen), seen / 4 * 5);
}

void path_hold(struct path *path, bool held, uint64_t rate_seen)
{
    path->held = held;
    path->rate_seen = rate_seen;
}

uint64_t path_held_rate(const struct path *path)
{
    return path->held ? path_known_rate(path) : 0;
}

uint64_t path_delivery_ns(const struct path *path, uint64_t queued)
{
    return MAX(path_rtt_ns(path), path_drain_ns(queued, path->rate_out));
}

uint64_t rate_window_ns(uint64_t rtt_ns)
{
    return MAX(WINDOW_MIN_NS, 2 * rtt_ns);
}

uint64_t rate_next(uint64_t rate, uint64_t bytes, uint64_t elapsed_ns, uint64_t window_ns)
{
    /* After a long pause, divide by the window's own length. */
    uint64_t ms = MIN(elapsed_ns, 2 * window_ns) / NS_PER_MS;

    return MAX(rate - rate / 4, bytes * 1000 / ms);
}

void path_count(struct paths *paths, unsigned index, uint64_t received, uint64_t acked)
{
    struct path *path = &paths->items[index];
    uint64_t window_ns = rate_window_ns(path->srtt_ns);
    uint64_t elapsed_ns = paths->context->now - path->window_began_at_ns;

    if (elapsed_ns >= window_ns) {
        path->rate_in = rate_next(path->rate_in, path->window_in, elapsed_ns, window_ns);
        path->rate_acked =
            rate_next(path->rate_acked, path->window_acked, elapsed_ns, window_ns);
        path->window_began_at_ns = paths->context->now;
        path->window_in = path->window_acked = 0;
    }
    path->window_in += received;
    path->window_acked += acked;
}

void path_count_goodput(struct paths *paths, unsigned index, uint64_t received,
                        uint64_t acked)
{
    struct path *path = &paths->items[index];

    slots_delivered(&path->limits.slots, received + acked);
    if (received > 0) {
        path->counters.stream_bytes_received += received;
        meter_add(&path->goodput_in, received, paths->context->now);
    }
    if (acked > 0) {
        path->counters.stream_bytes_acked += acked;
        meter_add(&path->goodput_out, acked, paths->context->now);
    }
}

/* ---- whether it works ---- */

static void tell(struct paths *paths, enum session_event_type type, unsigned index)
{
    struct session_event *event;

    if (paths->context->config.role != SESSION_LOCAL)
        return;
    event = outbox_push(paths->context, type);
    event->path = index;
    event->path_reason = paths->items[index].reason;
}

static void note_heard(struct path *path, uint64_t now)
{
    if (now - path->heard_at_ns >= MAX(3 * path_rtt_ns(path), STALL_MIN_NS))
        path->heard_since_ns = now;
    path->heard_at_ns = now;
}

/* ACKs ask for no answer, so nobody would notice a path that swallows them. A path on
 * which data comes that asks for ACKs is known to work: that data is at most ACK_DELAY_NS
 * old when its ACK is sent. */
bool path_quiet(const struct paths *paths, unsigned index)
{
    const struct path *own = &paths->items[index];
    uint64_t least_at_ns =
        own->heard_at_ns + ACK_DELAY_NS + MAX(path_rtt_ns(own) / 2, QUIET_MIN_NS);

    for (unsigned i = 0; paths->live >> i != 0; i++)
        if (paths->live >> i & 1 && paths->items[i].heard_at_ns > least_at_ns)
            return true;
    return false;
}

void path_note_received(struct path *path, uint64_t now)
{
    path->received_at_ns = now;
    note_heard(path, now);
}

void path_acked(struct path *path, uint64_t when)
{
    path->acked_at_ns = MAX(path->acked_at_ns, when);
}

void path_heard(struct paths *paths, unsigned index)
{
    struct path *path = &paths->items[index];

    note_heard(path, paths->context->now);
    path->timeouts = path->failures = path->unproven = 0;
    path->retry_at_ns = 0;
    if (path->reason == PATH_REASON_WORKS || path->reason == PATH_REASON_UNUSABLE)
        return;
    path->reason = PATH_REASON_WORKS;
    tell(paths, SESSION_PATH_UP, index);
}

void path_set_down(struct paths *paths, unsigned index, enum path_reason reason)
{
    struct path *path = &paths->items[index];
    enum path_reason before = path->reason;

    path->reason = reason;
    paths->context->pool_dirty = true;
    /* A failing path may have another reason at each dial: report it only once. */
    if (before == PATH_REASON_WORKS || before == PATH_REASON_UNTRIED)
        tell(paths, SESSION_PATH_DOWN, index);
}

void path_failed(struct paths *paths, unsigned index, enum path_reason reason,
                 uint64_t since_ns)
{
    struct path *path = &paths->items[index];

    if (path->heard_at_ns > since_ns || path->reason == PATH_REASON_UNUSABLE)
        return;
    path_set_down(paths, index, reason);
}

/* ---- properties ---- */

bool path_allows(const struct paths *paths, unsigned index,
                 const struct stream_policy *policy)
{
    uint8_t modes = paths->items[index].properties.modes;

    return (policy->paths == 0 || policy->paths >> index & 1) &&
           (modes == 0 || modes >> policy->mode & 1);
}

bool path_in_reserve(const struct paths *paths, unsigned index,
                     const struct stream_policy *policy)
{
    if (!paths->items[index].properties.backup)
        return false;
    for (unsigned i = 0; paths->live >> i != 0; i++)
        if (paths->live >> i & 1 && !paths->items[i].properties.backup &&
            (policy == NULL || path_allows(paths, i, policy)))
            return true;
    return false;
}

bool path_takes_copies(const struct paths *paths, unsigned index,
                       const struct stream_policy *policy)
{
    if (path_in_reserve(paths, index, policy))
        return false;
    for (unsigned i = 0; policy->mode != STREAM_MODE_REDUNDANT && paths->live >> i != 0;
         i++)
        if (paths->live >> i & 1 && path_allows(paths, i, policy) &&
            path_comes_before(&paths->items[i], &paths->items[index]))
            return false;
    return true;
}

bool path_comes_before(const struct path *a, const struct path *b)
{
    if (a->properties.backup != b->properties.backup)
        return b->properties.backup;
    return a->properties.cost < b->properties.cost;
}

uint64_t path_room(const struct paths *paths, unsigned index)
{
    return MIN(rate_limit_room(&paths->items[index].rate_limit, paths->context->now),
               rate_limit_room(&paths->rate_limit, paths->context->now));
}
