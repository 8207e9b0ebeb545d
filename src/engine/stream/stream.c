/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/stream/stream.h>

#include <splitsocks/base/keyed_hash.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table by id ---- */

/* The peer chooses which ids it keeps. */
static uint64_t hash_of(const struct streams *streams, uint64_t id)
{
    return keyed_hash(&streams->context->config.hash_secret, &id, sizeof(id));
}

static struct stream **bucket_of(const struct streams *streams, uint64_t id)
{
    return &streams->by_id[hash_of(streams, id) & (streams->by_id_size - 1)];
}

struct stream *stream_find(const struct streams *streams, uint64_t id)
{
    struct stream *stream = *bucket_of(streams, id);

    while (stream != NULL && stream->id != id)
        stream = stream->hash_next;
    return stream;
}

static void rehash(struct streams *streams, size_t size)
{
    struct stream **table = calloc(size, sizeof(struct stream *));

    if (table == NULL)
        return; /* longer chains, but still right */
    for (size_t i = 0; i < streams->by_id_size; i++) {
        struct stream *stream = streams->by_id[i];

        while (stream != NULL) {
            struct stream *next = stream->hash_next;
            struct stream **bucket = &table[hash_of(streams, stream->id) & (size - 1)];

            stream->hash_next = *bucket;
            *bucket = stream;
            stream = next;
        }
    }
    free(streams->by_id);
    streams->by_id = table;
    streams->by_id_size = size;
}

void stream_insert(struct streams *streams, struct stream *stream, uint64_t id)
{
    struct stream **bucket;

    if (streams->by_id_count >= streams->by_id_size)
        rehash(streams, streams->by_id_size * 2);
    stream->id = id;
    bucket = bucket_of(streams, id);
    stream->hash_next = *bucket;
    *bucket = stream;
    streams->by_id_count++;
}

static void unhash(struct streams *streams, struct stream *stream)
{
    struct stream **link = bucket_of(streams, stream->id);

    if (stream->id == 0)
        return;
    while (*link != stream)
        link = &(*link)->hash_next;
    *link = stream->hash_next;
    streams->by_id_count--;
}

/* ---- life ---- */

static void init_sending(struct streams *streams, struct stream *stream)
{
    pages_init(&stream->out, &streams->account->pages);
    ranges_init(&stream->acked, &streams->account->records);
    ranges_init(&stream->owed, &streams->account->records);
    stream->out_final = OFFSET_UNKNOWN;
    stream->out_window = streams->initial_window;
}

struct stream *stream_new(struct streams *streams, uint64_t id)
{
    struct stream *stream;

    if (!share_take(&streams->account->records, ACCOUNT_STREAM_BYTES))
        return NULL;
    stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        share_give(&streams->account->records, ACCOUNT_STREAM_BYTES);
        return NULL;
    }
    list_init(&stream->ready);
    list_init(&stream->control);
    pages_init(&stream->in, &streams->account->pages);
    ranges_init(&stream->received, &streams->account->records);
    stream->in_final = OFFSET_UNKNOWN;
    stream->in_window = STREAM_WINDOW_INITIAL;
    stream->deficit = CHUNK_SIZE_MAX;
    stream->read_at_ns = streams->context->now;
    init_sending(streams, stream);
    list_append(&streams->all, &stream->node);
    streams->count++;
    streams->context->pool_dirty = true;
    if (id != 0)
        stream_insert(streams, stream, id);
    return stream;
}

static void deinit_sending(struct streams *streams, struct stream *stream)
{
    streams->waiting_bytes -= stream->counted;
    streams->owed_bytes -= stream->owed_bytes;
    streams->out_held -= stream->held;
    list_remove(&stream->ready);
    pages_deinit(&stream->out);
    ranges_clear(&stream->acked);
    ranges_clear(&stream->owed);
    copies_free(stream->copies);
}

static void stream_free(struct streams *streams, struct stream *stream)
{
    stream_set_asks(streams, stream, 0);
    deinit_sending(streams, stream);
    unhash(streams, stream);
    list_remove(&stream->node);
    list_remove(&stream->control);
    pages_deinit(&stream->in);
    ranges_clear(&stream->received);
    free(stream->target);
    free(stream->destination);
    free(stream);
    share_give(&streams->account->records, ACCOUNT_STREAM_BYTES);
    streams->context->pool_dirty = true;
    if (streams->context->config.role == SESSION_RELAY) {
        /* Half of what may be open at once is granted in one frame. */
        streams->ended++;
        if (streams->ended + streams->context->config.stream_limit >
            streams->limit + streams->context->config.stream_limit / 2)
            streams->context->send_stream_limit = true;
    }
}

void stream_lose_id(struct streams *streams, struct stream *stream)
{
    stream->control_pending = 0;
    list_remove(&stream->control);
    unhash(streams, stream);
    stream->id = 0;
}

void stream_reference(struct stream *stream)
{
    stream->references++;
}

void stream_set_asks(struct streams *streams, struct stream *stream, uint16_t asks)
{
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        streams->paths->items[i].streams += (asks >> i & 1u) - (stream->asks >> i & 1u);
    stream->asks = asks;
}

struct session_event *stream_tell(struct streams *streams, struct stream *stream,
                                  enum session_event_type type)
{
    struct session_event *event = outbox_push(streams->context, type);

    event->stream = stream;
    stream_reference(stream);
    return event;
}

void stream_forget_if_done(struct streams *streams, struct stream *stream)
{
    /* Local learns of the connection even when all else is said already. */
    if (stream->references == 0 && stream->released && stream_send_done(stream) &&
        stream_receive_done(stream) && !(stream->control_pending & STREAM_SEND_OPENED))
        stream_free(streams, stream);
}

void stream_unreference(struct streams *streams, struct stream *stream)
{
    assert(stream->references > 0);
    stream->references--;
    stream_forget_if_done(streams, stream);
}

void stream_queue_control(struct streams *streams, struct stream *stream, unsigned control)
{
    stream->control_pending |= (uint8_t)control;
    if (stream->id != 0 && !list_linked(&stream->control)) {
        list_append(&streams->control, &stream->control);
        streams->context->pool_dirty = true;
    }
}

void stream_tell_readable(struct streams *streams, struct stream *stream)
{
    bool something =
        stream->in_next > stream->in_read || stream->in_state == STREAM_IN_DATA_READ;

    if (!something || stream->readable_told || stream->released || stream->discard ||
        stream->failed || stream->incoming)
        return;
    stream->readable_told = true;
    stream_tell(streams, stream, SESSION_STREAM_READABLE);
}

bool stream_set_target(struct stream *stream, const struct target *target)
{
    char text[TARGET_TEXT_SIZE];

    stream->target = malloc(sizeof(*target));
    if (stream->target == NULL)
        return false;
    *stream->target = *target;
    /* The target itself is large, and is not kept for long. */
    free(stream->destination);
    stream->destination = strdup(target_format(target, text));
    return true;
}

void stream_set_user(struct stream *stream, void *user)
{
    stream->user = user;
}

void *stream_user(const struct stream *stream)
{
    return stream->user;
}

uint64_t stream_id(const struct stream *stream)
{
    return stream->id;
}

const char *stream_destination(const struct stream *stream)
{
    return stream->destination != NULL ? stream->destination : "its destination";
}
