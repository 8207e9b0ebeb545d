/* SPDX-License-Identifier: MIT */
/*
 * The frames of a chunk. Each frame that is accepted is written again in its shortest form;
 * reading and writing that once more must change nothing.
 */
#include "layout.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/wire/frame.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A chunk holds less; a text that does not fit after growing is left alone. */
static uint8_t first[32768];
static uint8_t second[32768];

static void write_ack(struct wire_writer *w, struct frame frame)
{
    struct frame_ack_entry entry;
    uint64_t entries = 0;

    frame_write_ack_header(w, frame.ack.tag, frame.ack.count);
    for (; frame_ack_next(&frame, &entry); entries++)
        frame_write_ack_entry(w, entry.number, entry.chunks, entry.final);
    assert(entries == frame.ack.count);
}

/* The reason is borrowed from the chunk and not a string. */
static void write_close(struct wire_writer *w, const struct frame *frame)
{
    char reason[FRAME_REASON_MAX + 1] = "";

    assert(frame->close.reason_length <= FRAME_REASON_MAX);
    if (frame->close.reason_length > 0)
        memcpy(reason, frame->close.reason, frame->close.reason_length);
    frame_write_close(w, frame->close.code, reason);
}

static void write_data(struct wire_writer *w, const struct frame *frame)
{
    uint8_t *begin = w->at;

    assert(frame->data.offset + frame->data.length < VARINT_MAX);
    frame_write_data_header(w, frame->data.id, frame->data.offset, frame->data.length, true,
                            frame->data.fin);
    if (!w->failed)
        assert((size_t)(w->at - begin) ==
               frame_data_header_length(frame->data.id, frame->data.offset,
                                        frame->data.length, true));
    wire_write_bytes(w, frame->data.bytes, frame->data.length);
}

static bool write_datagram(struct wire_writer *w, struct frame frame)
{
    static uint8_t peer[FRAME_PEER_MAX];
    struct target target;
    struct wire_writer t;

    assert(frame.datagram.part < frame.datagram.parts &&
           frame.datagram.parts <= FRAME_PARTS_MAX);
    if (frame.datagram.has_target) {
        if (frame_peer_read(frame.datagram.target, &target) != OK)
            return false;
        wire_writer_init(&t, peer, sizeof(peer));
        frame_write_peer(&t, &target);
        assert(!t.failed);
        wire_reader_init(&frame.datagram.target, peer, wire_length(&t));
    }
    frame_write_datagram_header(w, &frame, true);
    wire_write_bytes(w, frame.datagram.bytes, frame.datagram.length);
    return !w->failed;
}

/* False when the frame names a target that is refused. */
static bool write_frame(struct wire_writer *w, const struct frame *frame)
{
    struct target target;

    switch (frame->type) {
    case FRAME_PADDING:
    case FRAME_PING:
    case FRAME_END: frame_write_type(w, frame->type); break;
    case FRAME_SUBFLOW:
        frame_write_subflow(w, frame->subflow.path, frame->subflow.budget_up,
                            frame->subflow.budget_down);
        break;
    case FRAME_ACK: write_ack(w, *frame); break;
    case FRAME_STREAM_OPEN:
        if (frame_target_read(frame, &target) != OK)
            return false;
        assert(target.port != 0 && target.address_count <= TARGET_ADDRESSES_MAX);
        assert((target.address_count == 0) == (target.name[0] != '\0'));
        frame_write_open(w, frame->open.id, &target);
        break;
    case FRAME_STREAM_OPENED: frame_write_opened(w, frame->opened.id); break;
    case FRAME_STREAM_RESET:
        frame_write_reset(w, frame->reset.id, frame->reset.code, frame->reset.final_offset);
        break;
    case FRAME_STREAM_WINDOW:
        frame_write_stream_window(w, frame->window.id, frame->window.maximum);
        break;
    case FRAME_SESSION_WINDOW:
    case FRAME_STREAM_LIMIT:
    case FRAME_FLOW_LIMIT:
    case FRAME_RATE: frame_write_maximum(w, frame->type, frame->window.maximum); break;
    case FRAME_DEMAND:
        frame_write_demand(w, frame->demand.sequence, frame->demand.maximum);
        break;
    case FRAME_SESSION_CLOSE: write_close(w, frame); break;
    case FRAME_PATH: frame_write_path(w, frame); break;
    case FRAME_STREAM_POLICY:
        frame_write_policy(w, frame->policy.id, &frame->policy.policy);
        break;
    case FRAME_GONE:
        frame_write_gone(w, frame->gone.tag, frame->gone.number, frame->gone.cause);
        break;
    case FRAME_LARGE_LOST:
        frame_write_large_lost(w, frame->large_lost.path, frame->large_lost.bytes);
        break;
    case FRAME_STREAM_DATA: write_data(w, frame); break;
    case FRAME_FLOW_OPEN:
        frame_write_flow_open(w, frame->flow_open.id, &frame->flow_open.policy);
        break;
    case FRAME_FLOW_CLOSE:
        frame_write_flow_close(w, frame->flow_close.id, frame->flow_close.code);
        break;
    case FRAME_DATAGRAM: return write_datagram(w, *frame);
    }
    return !w->failed;
}

static void check_frame(const struct frame *frame)
{
    struct frame again;
    struct wire_reader r;
    struct wire_writer w;
    struct wire_writer w2;

    wire_writer_init(&w, first, sizeof(first));
    if (!write_frame(&w, frame))
        return;
    wire_reader_init(&r, first, wire_length(&w));
    assert(frame_read(&r, &again) == OK && wire_remaining(&r) == 0);
    assert(again.type == frame->type);
    wire_writer_init(&w2, second, sizeof(second));
    assert(write_frame(&w2, &again) && wire_length(&w2) == wire_length(&w));
    assert(memcmp(first, second, wire_length(&w)) == 0);
}

/* The layout that the mutations of scripts go by has the frame's length. */
static void check_layout(const uint8_t *begin, const uint8_t *end, const uint8_t *limit)
{
    const char *layout = layout_of(&layouts_of_frames, begin[0]);
    struct wire_reader r;

    assert(layout != NULL);
    wire_reader_init(&r, begin + 1, (size_t)(limit - begin - 1));
    assert(layout_skip(&r, layout) && r.at == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader r;
    struct frame frame;
    const uint8_t *begin = data;

    wire_reader_init(&r, data, size);
    for (; wire_remaining(&r) > 0 && frame_read(&r, &frame) == OK; begin = r.at) {
        check_layout(begin, r.at, r.end);
        check_frame(&frame);
    }
    return 0;
}
