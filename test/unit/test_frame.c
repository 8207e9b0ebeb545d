/* SPDX-License-Identifier: MIT */
/* Each kind of frame as bytes: written, read, cut, and one behind another. */
#include "unit.h"

#include <splitsocks/wire/frame.h>

#include <stdlib.h>

/* One frame of each kind. */
struct sample {
    const char *name;
    void (*write)(struct wire_writer *w);
    void (*check)(const struct frame *frame);
};

static const struct target two_addresses = {
    .port = 443,
    .address_count = 2,
    .addresses = {{.family = ADDRESS_IPV6,
                   .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
                   .port = 443},
                  {.family = ADDRESS_IPV4, .bytes = {192, 0, 2, 7}, .port = 443}},
};

static const struct target a_name = {.port = 22, .name = "host.example"};

static void write_padding(struct wire_writer *w)
{
    frame_write_type(w, FRAME_PADDING);
}

static void check_padding(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_PADDING);
}

static void write_ping(struct wire_writer *w)
{
    frame_write_type(w, FRAME_PING);
}

static void check_ping(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_PING);
}

static void write_end(struct wire_writer *w)
{
    frame_write_type(w, FRAME_END);
}

static void check_end(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_END);
}

static void write_subflow(struct wire_writer *w)
{
    frame_write_subflow(w, 3, 1000, 0);
}

static void check_subflow(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_SUBFLOW);
    assert_int_equal(frame->subflow.path, 3);
    assert_int_equal(frame->subflow.budget_up, 1000);
    assert_int_equal(frame->subflow.budget_down, 0);
}

static void write_ack(struct wire_writer *w)
{
    frame_write_ack_header(w, 63, 3);
    frame_write_ack_entry(w, 0, 1, false);
    frame_write_ack_entry(w, 70000, 8388608, true);
    frame_write_ack_entry(w, VARINT_MAX >> 1, VARINT_MAX, true);
}

static void check_ack(const struct frame *frame)
{
    struct frame walked = *frame;
    struct frame_ack_entry entry;

    assert_int_equal(frame->type, FRAME_ACK);
    assert_int_equal(frame->ack.tag, 63);
    assert_int_equal(frame->ack.count, 3);
    assert_true(frame_ack_next(&walked, &entry));
    assert_int_equal(entry.number, 0);
    assert_int_equal(entry.chunks, 1);
    assert_false(entry.final);
    assert_true(frame_ack_next(&walked, &entry));
    assert_int_equal(entry.number, 70000);
    assert_int_equal(entry.chunks, 8388608);
    assert_true(entry.final);
    assert_true(frame_ack_next(&walked, &entry));
    assert_int_equal(entry.number, VARINT_MAX >> 1);
    assert_int_equal(entry.chunks, VARINT_MAX);
    assert_false(frame_ack_next(&walked, &entry));
}

static void write_ack_empty(struct wire_writer *w)
{
    frame_write_ack_header(w, 0, 0);
}

static void check_ack_empty(const struct frame *frame)
{
    struct frame walked = *frame;
    struct frame_ack_entry entry;

    assert_int_equal(frame->ack.count, 0);
    assert_false(frame_ack_next(&walked, &entry));
}

static void write_open_addresses(struct wire_writer *w)
{
    frame_write_open(w, 300, &two_addresses);
}

static void check_open_addresses(const struct frame *frame)
{
    struct target target;

    assert_int_equal(frame->type, FRAME_STREAM_OPEN);
    assert_int_equal(frame->open.id, 300);
    assert_int_equal(frame_target_read(frame, &target), OK);
    assert_int_equal(target.port, 443);
    assert_int_equal(target.address_count, 2);
    assert_true(address_equal(&target.addresses[0], &two_addresses.addresses[0]));
    assert_true(address_equal(&target.addresses[1], &two_addresses.addresses[1]));
    assert_string_equal(target.name, "");
}

static void write_open_name(struct wire_writer *w)
{
    frame_write_open(w, 1, &a_name);
}

static void check_open_name(const struct frame *frame)
{
    struct target target;

    assert_int_equal(frame->open.id, 1);
    assert_int_equal(frame_target_read(frame, &target), OK);
    assert_int_equal(target.port, 22);
    assert_int_equal(target.address_count, 0);
    assert_string_equal(target.name, "host.example");
}

static void write_opened(struct wire_writer *w)
{
    frame_write_opened(w, 16384);
}

static void check_opened(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_STREAM_OPENED);
    assert_int_equal(frame->opened.id, 16384);
}

static void write_reset(struct wire_writer *w)
{
    frame_write_reset(w, 5, 10, UINT64_C(1) << 40);
}

static void check_reset(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_STREAM_RESET);
    assert_int_equal(frame->reset.id, 5);
    assert_int_equal(frame->reset.code, 10);
    assert_int_equal(frame->reset.final_offset, UINT64_C(1) << 40);
}

static void write_stream_window(struct wire_writer *w)
{
    frame_write_stream_window(w, 9, 1 << 20);
}

static void check_stream_window(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_STREAM_WINDOW);
    assert_int_equal(frame->window.id, 9);
    assert_int_equal(frame->window.maximum, 1 << 20);
}

static void write_session_window(struct wire_writer *w)
{
    frame_write_maximum(w, FRAME_SESSION_WINDOW, VARINT_MAX);
}

static void check_session_window(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_SESSION_WINDOW);
    assert_int_equal(frame->window.maximum, VARINT_MAX);
}

static void write_stream_limit(struct wire_writer *w)
{
    frame_write_maximum(w, FRAME_STREAM_LIMIT, 16384);
}

static void check_stream_limit(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_STREAM_LIMIT);
    assert_int_equal(frame->window.maximum, 16384);
}

static void write_rate(struct wire_writer *w)
{
    frame_write_maximum(w, FRAME_RATE, 625000);
}

static void check_rate(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_RATE);
    assert_int_equal(frame->window.maximum, 625000);
}

static void write_large_lost(struct wire_writer *w)
{
    frame_write_large_lost(w, 3, 1448);
}

static void check_large_lost(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_LARGE_LOST);
    assert_int_equal(frame->large_lost.path, 3);
    assert_int_equal(frame->large_lost.bytes, 1448);
}

static void write_gone(struct wire_writer *w)
{
    frame_write_gone(w, 63, 70, 1);
}

static void check_gone(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_GONE);
    assert_int_equal(frame->gone.tag, 63);
    assert_int_equal(frame->gone.number, 70);
    assert_int_equal(frame->gone.cause, 1);
}

static void write_demand(struct wire_writer *w)
{
    frame_write_demand(w, 70, 16384);
}

static void check_demand(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_DEMAND);
    assert_int_equal(frame->demand.sequence, 70);
    assert_int_equal(frame->demand.maximum, 16384);
}

static void write_close(struct wire_writer *w)
{
    frame_write_close(w, 1, "unknown frame");
}

static void check_close(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_SESSION_CLOSE);
    assert_int_equal(frame->close.code, 1);
    assert_int_equal(frame->close.reason_length, strlen("unknown frame"));
    assert_memory_equal(frame->close.reason, "unknown frame", frame->close.reason_length);
}

static void write_path(struct wire_writer *w)
{
    const struct frame frame = {.path = {.path = 15,
                                         .sequence = 200,
                                         .usable = true,
                                         .small_only = true,
                                         .cost = UINT16_MAX,
                                         .modes = 1 << STREAM_MODE_REDUNDANT,
                                         .rate_down = 625000}};

    frame_write_path(w, &frame);
}

static void check_path(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_PATH);
    assert_int_equal(frame->path.path, 15);
    assert_int_equal(frame->path.sequence, 200);
    assert_true(frame->path.usable);
    assert_false(frame->path.backup);
    assert_true(frame->path.small_only);
    assert_int_equal(frame->path.cost, UINT16_MAX);
    assert_int_equal(frame->path.modes, 1 << STREAM_MODE_REDUNDANT);
    assert_int_equal(frame->path.rate_down, 625000);
}

static void write_policy(struct wire_writer *w)
{
    frame_write_policy(w, 70,
                       &(struct stream_policy){
                           .mode = STREAM_MODE_AUTO, .copies = 3, .paths = UINT16_MAX});
}

static void check_policy(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_STREAM_POLICY);
    assert_int_equal(frame->policy.id, 70);
    assert_int_equal(frame->policy.policy.mode, STREAM_MODE_AUTO);
    assert_int_equal(frame->policy.policy.copies, 3);
    assert_int_equal(frame->policy.policy.paths, UINT16_MAX);
}

static void write_data(struct wire_writer *w)
{
    frame_write_data_header(w, 7, 100000, 5, true, true);
    wire_write_bytes(w, "hello", 5);
}

static void check_data(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_STREAM_DATA);
    assert_int_equal(frame->data.id, 7);
    assert_int_equal(frame->data.offset, 100000);
    assert_int_equal(frame->data.length, 5);
    assert_true(frame->data.fin);
    assert_memory_equal(frame->data.bytes, "hello", 5);
}

static void write_fin_alone(struct wire_writer *w)
{
    frame_write_data_header(w, 7, 100000, 0, true, true);
}

static void check_fin_alone(const struct frame *frame)
{
    assert_int_equal(frame->data.offset, 100000);
    assert_int_equal(frame->data.length, 0);
    assert_true(frame->data.fin);
}

static const struct flow_policy a_policy = {.mode = FLOW_MODE_REDUNDANT,
                                            .copies = 2,
                                            .paths = 5,
                                            .filter_address = true,
                                            .max_age_ns = 1500 * NS_PER_MS};

static void write_flow_open(struct wire_writer *w)
{
    frame_write_flow_open(w, 77, &a_policy);
}

static void check_flow_open(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_FLOW_OPEN);
    assert_int_equal(frame->flow_open.id, 77);
    assert_int_equal(frame->flow_open.policy.mode, FLOW_MODE_REDUNDANT);
    assert_int_equal(frame->flow_open.policy.copies, 2);
    assert_int_equal(frame->flow_open.policy.paths, 5);
    assert_true(frame->flow_open.policy.filter_address);
    assert_int_equal(frame->flow_open.policy.max_age_ns, 1500 * NS_PER_MS);
}

static void write_flow_close(struct wire_writer *w)
{
    frame_write_flow_close(w, 77, 3);
}

static void check_flow_close(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_FLOW_CLOSE);
    assert_int_equal(frame->flow_close.id, 77);
    assert_int_equal(frame->flow_close.code, 3);
}

static void write_flow_limit(struct wire_writer *w)
{
    frame_write_maximum(w, FRAME_FLOW_LIMIT, 4096);
}

static void check_flow_limit(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_FLOW_LIMIT);
    assert_int_equal(frame->window.maximum, 4096);
}

static void write_any_datagram(struct wire_writer *w, struct frame *frame)
{
    size_t before = wire_length(w);

    frame->datagram.flow = 77;
    frame->datagram.sequence = 20000;
    frame->datagram.peer = 3;
    frame->datagram.length = 4;
    frame_write_datagram_header(w, frame, true);
    if (!w->failed)
        assert_int_equal(wire_length(w) - before,
                         frame_datagram_header_length(frame, true));
    wire_write_bytes(w, "ping", 4);
}

static void check_any_datagram(const struct frame *frame)
{
    assert_int_equal(frame->type, FRAME_DATAGRAM);
    assert_int_equal(frame->datagram.flow, 77);
    assert_int_equal(frame->datagram.sequence, 20000);
    assert_int_equal(frame->datagram.peer, 3);
    assert_int_equal(frame->datagram.length, 4);
    assert_memory_equal(frame->datagram.bytes, "ping", 4);
}

static void write_datagram(struct wire_writer *w)
{
    struct frame frame = {.datagram = {.parts = 1}};

    write_any_datagram(w, &frame);
}

static void check_datagram(const struct frame *frame)
{
    check_any_datagram(frame);
    assert_false(frame->datagram.has_target);
    assert_int_equal(frame->datagram.part, 0);
    assert_int_equal(frame->datagram.parts, 1);
}

/* A part of a datagram to a peer that is not known yet. */
static void write_datagram_to(struct wire_writer *w)
{
    struct frame frame = {.datagram = {.parts = 128, .part = 127, .has_target = true}};
    uint8_t bytes[FRAME_PEER_MAX];
    struct wire_writer target;

    wire_writer_init(&target, bytes, sizeof(bytes));
    frame_write_peer(&target, &two_addresses);
    wire_reader_init(&frame.datagram.target, bytes, wire_length(&target));
    write_any_datagram(w, &frame);
}

static void check_datagram_to(const struct frame *frame)
{
    struct target target;

    check_any_datagram(frame);
    assert_true(frame->datagram.has_target);
    assert_int_equal(frame->datagram.part, 127);
    assert_int_equal(frame->datagram.parts, 128);
    assert_int_equal(frame_peer_read(frame->datagram.target, &target), OK);
    assert_int_equal(target.port, 443);
    assert_int_equal(target.address_count, 2);
    assert_int_equal(target.addresses[1].bytes[0], 192);
}

/* All of known length: the bytes that follow in the chunk do not belong to them. */
static const struct sample samples[] = {
    {"PADDING", write_padding, check_padding},
    {"PING", write_ping, check_ping},
    {"END", write_end, check_end},
    {"SUBFLOW", write_subflow, check_subflow},
    {"ACK", write_ack, check_ack},
    {"ACK without entries", write_ack_empty, check_ack_empty},
    {"STREAM_OPEN with addresses", write_open_addresses, check_open_addresses},
    {"STREAM_OPEN with a name", write_open_name, check_open_name},
    {"STREAM_OPENED", write_opened, check_opened},
    {"STREAM_RESET", write_reset, check_reset},
    {"STREAM_WINDOW", write_stream_window, check_stream_window},
    {"SESSION_WINDOW", write_session_window, check_session_window},
    {"STREAM_LIMIT", write_stream_limit, check_stream_limit},
    {"DEMAND", write_demand, check_demand},
    {"SESSION_CLOSE", write_close, check_close},
    {"PATH", write_path, check_path},
    {"STREAM_POLICY", write_policy, check_policy},
    {"RATE", write_rate, check_rate},
    {"LARGE_LOST", write_large_lost, check_large_lost},
    {"GONE", write_gone, check_gone},
    {"STREAM_DATA", write_data, check_data},
    {"STREAM_DATA of a FIN alone", write_fin_alone, check_fin_alone},
    {"FLOW_OPEN", write_flow_open, check_flow_open},
    {"FLOW_CLOSE", write_flow_close, check_flow_close},
    {"FLOW_LIMIT", write_flow_limit, check_flow_limit},
    {"DATAGRAM", write_datagram, check_datagram},
    {"DATAGRAM to a new peer, in parts", write_datagram_to, check_datagram_to},
};

/* Reads from a heap block of exactly that length, so that a sanitizer sees a read beyond.
 */
static int read_exactly(const uint8_t *bytes, size_t length, struct frame *frame,
                        uint8_t **copy)
{
    struct wire_reader r;

    *copy = malloc(length);
    assert_non_null(*copy);
    memcpy(*copy, bytes, length);
    wire_reader_init(&r, *copy, length);
    return frame_read(&r, frame);
}

static void test_round_trip(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        uint8_t buffer[256];
        struct wire_writer w;
        struct wire_reader r;
        struct frame frame;

        print_message("# %s\n", samples[i].name);
        wire_writer_init(&w, buffer, sizeof(buffer));
        samples[i].write(&w);
        assert_false(w.failed);
        wire_reader_init(&r, buffer, wire_length(&w));
        assert_int_equal(frame_read(&r, &frame), OK);
        assert_int_equal(wire_remaining(&r), 0);
        samples[i].check(&frame);
    }
}

/* Frames stand behind one another without a mark: each must know its own end. */
static void test_all_in_one_chunk(void **state)
{
    uint8_t buffer[1024];
    struct wire_writer w;
    struct wire_reader r;
    (void)state;

    wire_writer_init(&w, buffer, sizeof(buffer));
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++)
        samples[i].write(&w);
    wire_reader_init(&r, buffer, wire_length(&w));
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        struct frame frame;

        assert_int_equal(frame_read(&r, &frame), OK);
        samples[i].check(&frame);
    }
    assert_int_equal(wire_remaining(&r), 0);
}

static void test_truncated_at_every_byte(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        uint8_t buffer[256];
        struct wire_writer w;

        wire_writer_init(&w, buffer, sizeof(buffer));
        samples[i].write(&w);
        for (size_t length = 1; length < wire_length(&w); length++) {
            struct frame frame;
            uint8_t *copy;

            assert_int_equal(read_exactly(buffer, length, &frame, &copy), ERROR_MALFORMED);
            free(copy);
        }
    }
}

static void test_writers_respect_room(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        uint8_t buffer[256];
        struct wire_writer w;
        size_t whole;

        wire_writer_init(&w, buffer, sizeof(buffer));
        samples[i].write(&w);
        whole = wire_length(&w);
        for (size_t room = 0; room < whole; room++) {
            memset(buffer, 0xee, sizeof(buffer));
            wire_writer_init(&w, buffer, room);
            samples[i].write(&w);
            assert_true(w.failed);
            assert_int_equal(buffer[room], 0xee);
        }
    }
}

UNIT_MAIN(cmocka_unit_test(test_round_trip), cmocka_unit_test(test_all_in_one_chunk),
          cmocka_unit_test(test_truncated_at_every_byte),
          cmocka_unit_test(test_writers_respect_room))
