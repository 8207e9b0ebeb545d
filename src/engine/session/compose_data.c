/* SPDX-License-Identifier: MIT */
#include "composer.h"

#include <assert.h>

static void count_copy(struct session *session, unsigned path, struct piece *piece,
                       size_t length)
{
    if (piece->copy_of == NULL) {
        session->context.counters.bytes_redundant += length;
        return;
    }
    piece->copy_of->copied =
        (uint32_t)(piece->offset + piece->length - piece->copy_of->offset);
    session->context.counters.bytes_reinjected += length;
    session->paths.items[path].counters.bytes_reinjected += length;
}

/* The piece is in the chunk, with `length` bytes and perhaps the FIN: account for it. */
static void note_sent(struct composer *c, struct piece *piece, size_t length)
{
    struct stream *stream = piece->stream;

    c->session->data_at_ns = c->session->context.now;
    sparing_spend(&c->session->schedule, c->subflow->path, piece->length);
    if (redundant_note_sent(&c->session->schedule, stream, c->subflow, piece->offset,
                            piece->offset + piece->length) != OK)
        session_fail(c->session, ERROR_MEMORY, "out of memory");
    c->redundant |= stream_is_redundant(stream);
    if (piece->copy) {
        stream->extra_copies++;
        count_copy(c->session, c->subflow->path, piece, length);
        stream_copied(&c->session->streams, stream, piece->length);
    } else {
        if (stream->class == STREAM_BULK) {
            c->subflow->bulk = true;
            flows_note_stream(&c->session->schedule, piece->length);
        }
        if (piece->offset == stream->out_next)
            restraint_note_sent(&c->session->schedule, stream);
        stream_sent(&c->session->streams, stream, piece->offset, piece->length);
    }
}

bool compose_piece(struct composer *c)
{
    struct piece piece;
    struct stream *stream;
    struct sent_item item;
    struct wire_writer w;
    size_t header, length, viewed;
    bool fin, with_length;

    if (composer_room(c) < COMPOSER_DATA_MIN || c->part_count > COMPOSER_PARTS_MAX - 4 ||
        !scheduler_next(&c->session->schedule, c->subflow, &piece))
        return false;
    stream = piece.stream;
    header = frame_data_header_length(stream->id, piece.offset, 0, false);
    if (composer_room(c) <= header)
        return false;
    /* A frame that fills the chunk needs no length: it reaches to the chunk's end. */
    with_length = piece.length < composer_room(c) - header;
    if (with_length)
        header = frame_data_header_length(stream->id, piece.offset, composer_room(c), true);
    if (composer_room(c) <= header)
        return false;
    piece.length = MIN(piece.length, composer_room(c) - header);
    fin = piece.offset + piece.length > stream->out_end;
    length = (size_t)(piece.length - (fin ? 1 : 0));
    item = (struct sent_item){.kind = SENT_DATA,
                              .stream = stream,
                              .offset = piece.offset,
                              .length = (uint32_t)piece.length,
                              .copy = piece.copy};
    if (!composer_push(c, &item))
        return false;
    composer_begin(c, &w);
    frame_write_data_header(&w, stream->id, piece.offset, length, with_length, fin);
    composer_commit(c, &w, true);
    composer_close_part(c);
    if (length > 0) {
        viewed = pages_view(&stream->out, piece.offset, length, c->parts + c->part_count,
                            COMPOSER_PARTS_MAX - c->part_count);
        assert(viewed > 0);
        c->part_count += viewed;
        c->length += length;
    }
    note_sent(c, &piece, length);
    return true;
}
