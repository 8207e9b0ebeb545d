/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/stream/stream.h>

/* How long no stream gets any memory, before a stream gives way that holds some for a
 * reader that does not read. */
#define STARVED_NS (1 * NS_PER_S)

/* Tells the driver, and resets the stream. `wanted` pages could not be had. */
static void shed(struct streams *streams, struct stream *stream, enum session_bound bound,
                 size_t wanted)
{
    const struct share *share = &streams->account->pages.share;
    const struct places *places = share->places;
    const struct places_pool *pool =
        share_bound(share, wanted) != PLACES_OWN ? places->pool : NULL;
    struct session_event *event;

    event = stream_tell(streams, stream, SESSION_SHED);
    event->shed = (struct session_shed){
        .bound = bound,
        .shared = pool != NULL,
        .wanted_bytes = wanted * PAGE_SIZE,
        .stream_bytes = (pages_used(&stream->in) + pages_used(&stream->out)) * PAGE_SIZE,
        .client_bytes = atomic_load(&places->used) * PAGE_SIZE,
        .used_bytes = atomic_load(pool != NULL ? &pool->used : &places->used) * PAGE_SIZE,
        .bound_bytes = atomic_load(pool != NULL ? &pool->most : &places->most) * PAGE_SIZE,
    };
    stream_fail(streams, stream, RESET_LIMIT);
}

/* Pages that wait for a reader: for ours, which takes nothing, or for the peer's, since the
 * credit is used up while nothing is on its way. */
static size_t parked_pages(const struct streams *streams, const struct stream *stream)
{
    size_t pages = 0;

    if (stream->in_next > stream->in_read &&
        streams->context->now - stream->read_at_ns > PARKED_AFTER_NS)
        pages += pages_used(&stream->in);
    if (stream->id != 0 && stream->out_acked == stream->out_next &&
        stream->out_next >= stream->out_window)
        pages += pages_used(&stream->out);
    return pages;
}

/* The stream with most data parked for a reader, here or at the peer, that does not read;
 * NULL when no stream has any. */
static struct stream *most_parked(const struct streams *streams)
{
    struct stream *most = NULL;
    size_t pages = 0;

    list_foreach_const(&streams->all, node) {
        struct stream *stream = (struct stream *)(uintptr_t)node;
        size_t parked = parked_pages(streams, stream);

        if (parked > pages) {
            most = stream;
            pages = parked;
        }
    }
    return most;
}

static bool no_room(const struct streams *streams)
{
    return share_room(&streams->account->pages.share) == 0;
}

void streams_starve(struct streams *streams)
{
    streams->starved = true;
    if (streams->starved_since_ns == 0 && no_room(streams))
        streams->starved_since_ns = streams->context->now;
}

/* Tells the streams that wait for memory to try again. */
static void tell_starved(struct streams *streams)
{
    list_foreach(&streams->all, node, after) {
        struct stream *stream = list_entry(node, struct stream, node);

        if (!stream->writable_wanted || stream->released ||
            stream->out_next < stream->out_end)
            continue;
        stream->writable_wanted = false;
        stream_tell(streams, stream, SESSION_STREAM_WRITABLE);
    }
}

void streams_tick_starved(struct streams *streams)
{
    struct stream *most;

    /* There is room, or no stream has asked for memory since the last look. */
    if (!streams->starved || !no_room(streams))
        streams->starved_since_ns = 0;
    if (streams->starved_since_ns != 0 &&
        streams->context->now - streams->starved_since_ns > STARVED_NS) {
        streams->starved_since_ns = streams->context->now;
        most = most_parked(streams);
        if (most != NULL)
            shed(streams, most, SESSION_BOUND_BUFFERED, 1);
    }
    if (streams->starved)
        tell_starved(streams);
    streams->starved = false;
}

void stream_shed_for(struct streams *streams, struct stream *wanting, size_t pages)
{
    struct stream *most = most_parked(streams);

    if (most == NULL) {
        most = wanting;
        list_foreach(&streams->all, node, after) {
            struct stream *stream = list_entry(node, struct stream, node);

            if (pages_used(&stream->in) > pages_used(&most->in))
                most = stream;
        }
    }
    shed(streams, most, SESSION_BOUND_BUFFERED, pages);
}

void stream_shed(struct streams *streams, struct stream *stream, enum session_bound bound,
                 size_t pages)
{
    shed(streams, stream, bound, pages);
}
