#include "session_internal.h"

/* A rate is the bytes of one window over its length; the highest of the last few stands,
 * falling by a quarter each window, so that a pause does not look like a slow path. */
#define WINDOW_MIN_NS (50 * NS_PER_MS)

void path_sample_rtt(struct path *path, uint64_t rtt_ns)
{
    /* The gain of RFC 6298 section 2. */
    path->srtt_ns = path->srtt_ns == 0 ? rtt_ns : path->srtt_ns - path->srtt_ns / 8 + rtt_ns / 8;
}

uint64_t path_rtt_ns(const struct path *path)
{
    return path->srtt_ns == 0 ? RTT_UNKNOWN_NS : path->srtt_ns;
}

uint64_t session_best_rtt_ns(const struct session *session)
{
    uint64_t best = TIME_NEVER;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        if (session->paths[i].srtt_ns != 0)
            best = MIN(best, session->paths[i].srtt_ns);
    return best == TIME_NEVER ? RTT_UNKNOWN_NS : best;
}

void path_refresh(struct session *session, unsigned index)
{
    struct path *path = &session->paths[index];
    uint64_t idle_rate = 0;

    path->rate_out = path->queued_out = 0;
    list_foreach(&session->subflows, node, after) {
        const struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->path != index || subflow->state != SUBFLOW_STATE_OPEN)
            continue;
        path->queued_out += subflow->measure.queued_bytes;
        /* The window of an idle subflow is a promise that others have used up. */
        if (subflow->measure.queued_bytes > 0)
            path->rate_out += subflow->measure.rate;
        else
            idle_rate = MAX(idle_rate, subflow->measure.rate);
    }
    if (path->rate_out == 0)
        path->rate_out = idle_rate;
}

void path_count(struct session *session, unsigned index, uint64_t received, uint64_t acked)
{
    struct path *path = &session->paths[index];
    uint64_t window_ns = MAX(WINDOW_MIN_NS, 2 * path->srtt_ns);
    uint64_t elapsed_ns = session->now - path->window_start_ns;

    if (elapsed_ns >= window_ns) {
        /* Over a long pause the window's own length is the fair one. */
        uint64_t ms = MAX(MIN(elapsed_ns, 2 * window_ns) / NS_PER_MS, 1);

        path->rate_in = MAX(path->rate_in - path->rate_in / 4, path->window_in * 1000 / ms);
        path->rate_acked =
            MAX(path->rate_acked - path->rate_acked / 4, path->window_acked * 1000 / ms);
        path->window_start_ns = session->now;
        path->window_in = path->window_acked = 0;
    }
    path->window_in += received;
    path->window_acked += acked;
}
