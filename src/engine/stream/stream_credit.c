/* SPDX-License-Identifier: MIT */
/* How much credit a stream and the session grant to the peer. */
#include <splitsocks/engine/stream/stream.h>

/* Of the paths in use on which data came. */
static uint64_t longest_rtt_ns(const struct streams *streams)
{
    uint64_t rtt_ns = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
        const struct path *path = &streams->paths->items[i];

        if (path->subflows > 0 && path->rate_in > 0)
            rtt_ns = MAX(rtt_ns, path_rtt_ns(path));
    }
    return rtt_ns;
}

/* How fast the reader takes data. */
void stream_note_read(const struct streams *streams, struct stream *stream, uint64_t length)
{
    uint64_t window_ns = rate_window_ns(longest_rtt_ns(streams));
    uint64_t elapsed_ns = streams->context->now - stream->window_began_at_ns;

    if (elapsed_ns >= window_ns) {
        stream->read_rate =
            rate_next(stream->read_rate, stream->window_read, elapsed_ns, window_ns);
        stream->window_began_at_ns = streams->context->now;
        stream->window_read = 0;
    }
    stream->window_read += length;
}

void streams_take_window(struct streams *streams, uint64_t maximum)
{
    streams->out_window = MAX(streams->out_window, maximum);
    streams->context->pool_dirty = true;
}

void streams_take_demand(struct streams *streams, uint64_t sequence, uint64_t maximum)
{
    if (sequence <= streams->demand_sequence)
        return; /* overtaken */
    streams->demand_sequence = sequence;
    streams->demand_maximum = maximum;
    streams->context->pool_dirty = true;
}

uint64_t streams_peer_demand(const struct streams *streams)
{
    return streams->demand_maximum - MIN(streams->demand_maximum, streams->in_sum);
}

static uint64_t in_flight(uint64_t rate, uint64_t ns)
{
    /* In units that cannot overflow: bytes per ms x us. */
    return rate / 1000 * (ns / 1000) / 1000;
}

/* Six times the data that the reader takes in a round trip. Twice would do for one
 * connection: a lost segment takes a round trip to be made good, and credit one to come.
 * Here the other subflows, and new ones in place of used up ones, go on beyond the gap; and
 * since credit is granted when half of it is used, three to six times are there.
 * (test/bench: over 150 Mbit/s, 100 ms with budgets of 1 MiB four times bring 0.66 of the
 * rate under cubic and 0.74 under BBR, six 0.74 and 0.79.) A reader that takes little needs
 * no more. */
uint64_t stream_window_target(const struct streams *streams, const struct stream *stream)
{
    uint64_t target = in_flight(stream->read_rate, 6 * longest_rtt_ns(streams));
    unsigned active = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        active += streams->paths->items[i].subflows > 0;
    return MIN(MAX(target, active >= 2 ? STREAM_WINDOW_MIN_PATHS : STREAM_WINDOW_MIN),
               STREAM_WINDOW_MAX);
}

/* 24 times the data that comes in a round trip, for all streams together. */
static uint64_t streams_window_target(const struct streams *streams)
{
    uint64_t rate = 0;

    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        rate +=
            streams->paths->items[i].subflows > 0 ? streams->paths->items[i].rate_in : 0;
    return MIN(MAX(in_flight(rate, 24 * longest_rtt_ns(streams)), SESSION_WINDOW_INITIAL),
               SESSION_WINDOW_MAX);
}

uint64_t streams_window_next(const struct streams *streams)
{
    return MAX(streams->in_consumed + streams_window_target(streams), streams->in_window);
}

void streams_window_update(struct streams *streams)
{
    uint64_t target = streams_window_target(streams);

    if (streams->in_consumed + target >= streams->in_window + target / 2)
        streams->context->send_session_window = true;
}

/* Data parked for a reader that does not read must not take the session's credit from the
 * other streams: from then on only the page pool's bound counts that data. The same holds
 * for the data that the peer may still send on such a stream: else many such streams would
 * use up the session's credit together. */
void streams_return_parked(struct streams *streams)
{
    list_foreach(&streams->all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);
        uint64_t granted = stream->in_window - stream->in_read;

        if (stream->in_highest > stream->in_read && granted > stream->in_parked &&
            !stream->discard &&
            streams->context->now - stream->read_at_ns > PARKED_AFTER_NS) {
            streams->in_consumed += granted - stream->in_parked;
            stream->in_parked = granted;
        }
    }
    streams_window_update(streams);
}
