/* SPDX-License-Identifier: MIT */
/* The streams of a pair. */
#include "session_pair.h"

uint8_t pair_byte(uint64_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

struct target pair_target(void)
{
    return (struct target){.port = 80, .name = "example.org"};
}

struct stream *pair_open(struct pair *pair, const struct stream_policy *policy)
{
    const struct target target = pair_target();
    struct stream *stream = session_stream_open(pair->local, &target, policy, pair->now);

    assert_non_null(stream);
    return stream;
}

struct pair *pair_connected(const struct session_config *config, struct stream **stream)
{
    struct pair *pair = pair_new(config);

    *stream = pair_open(pair, NULL);
    pair_run_ms(pair, 300);
    assert_int_equal(pair->up_count, 1);
    assert_int_equal(pair->opened_count, 1);
    assert_int_equal(pair->incoming_count, 1);
    return pair;
}

void pair_release_all(struct pair *pair, struct stream *stream)
{
    session_stream_release(pair->local, stream, pair->now);
    for (unsigned i = 0; i < pair->incoming_count; i++)
        if (pair->relay != NULL && pair->incoming[i] != NULL)
            session_stream_release(pair->relay, pair->incoming[i], pair->now);
    pair->incoming_count = 0;
}

uint64_t pair_feed(struct pair *pair, struct session *session, struct stream *stream,
                   uint64_t most)
{
    static const uint8_t bytes[65536];
    uint64_t total = 0;
    size_t taken;

    do {
        taken = session_stream_write(session, stream, bytes,
                                     (size_t)MIN(sizeof(bytes), most - total), pair->now);
        total += taken;
    } while (taken > 0);
    return total;
}

static uint64_t write_some(struct pair *pair, struct session *session,
                           struct stream *stream, uint64_t offset, uint64_t length)
{
    uint8_t bytes[16384];
    size_t part =
        (size_t)(length - offset < sizeof(bytes) ? length - offset : sizeof(bytes));

    for (size_t i = 0; i < part; i++)
        bytes[i] = pair_byte(offset + i);
    return session_stream_write(session, stream, bytes, part, pair->now);
}

static uint64_t read_some(struct pair *pair, struct session *session, struct stream *stream,
                          uint64_t offset)
{
    struct iovec parts[16];
    bool finished;
    size_t count = session_stream_peek(session, stream, parts, 16, &finished), total = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < parts[i].iov_len; j++)
            assert_int_equal(((uint8_t *)parts[i].iov_base)[j],
                             pair_byte(offset + total++));
    session_stream_consume(session, stream, total, pair->now);
    return total;
}

uint64_t pair_read_all(struct pair *pair, struct session *session, struct stream *stream)
{
    struct iovec parts[64];
    bool finished;
    uint64_t total = 0;
    size_t count;

    while ((count = session_stream_peek(session, stream, parts, 64, &finished)) > 0) {
        size_t length = 0;

        for (size_t i = 0; i < count; i++)
            length += parts[i].iov_len;
        session_stream_consume(session, stream, length, pair->now);
        total += length;
    }
    return total;
}

bool pair_transfer(struct pair *pair, struct session *from, struct stream *out,
                   struct session *to, struct stream *in, uint64_t length, unsigned ms)
{
    uint64_t written = 0, got = 0;

    for (unsigned i = 0; i < ms && got < length; i++) {
        uint64_t taken;

        while (written < length &&
               (taken = write_some(pair, from, out, written, length)) > 0)
            written += taken;
        pair_step(pair);
        got += read_some(pair, to, in, got);
    }
    return got == length;
}

bool pair_upload(struct pair *pair, struct stream *stream, uint64_t length, unsigned ms)
{
    return pair_transfer(pair, pair->local, stream, pair->relay, pair->incoming[0], length,
                         ms);
}

bool pair_download(struct pair *pair, struct stream *stream, uint64_t length, unsigned ms)
{
    return pair_transfer(pair, pair->relay, pair->incoming[0], pair->local, stream, length,
                         ms);
}
