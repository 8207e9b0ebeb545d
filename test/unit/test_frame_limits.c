/* SPDX-License-Identifier: MIT */
/* Frames that are refused, the bounds up to which they are taken, and the frames of data
 * without a length. */
#include "unit.h"

#include <splitsocks/wire/frame.h>

static int read_bytes(const void *bytes, size_t length, struct frame *frame)
{
    struct wire_reader r;

    wire_reader_init(&r, bytes, length);
    return frame_read(&r, frame);
}

/* Every type byte but those of the table is unknown, whatever follows it. */
static void test_unknown_types(void **state)
{
    (void)state;

    for (unsigned type = 0; type < 256; type++) {
        uint8_t bytes[64] = {(uint8_t)type};
        struct frame frame;
        bool known = type <= FRAME_RATE || type == FRAME_LARGE_LOST || type == FRAME_GONE ||
                     (type >= FRAME_FLOW_OPEN && type <= FRAME_FLOW_LIMIT) ||
                     (type & ~(unsigned)FRAME_DATAGRAM_MASK) == FRAME_DATAGRAM ||
                     (type & ~(unsigned)FRAME_DATA_MASK) == FRAME_STREAM_DATA;

        assert_true((read_bytes(bytes, sizeof(bytes), &frame) == ERROR_UNSUPPORTED) !=
                    known);
    }
}

/* Each varint is one above its bound. */
static void test_path_and_policy_limits(void **state)
{
    static const uint8_t dear[] = {FRAME_PATH, 0, 1, 0, 0x80, 1, 0, 0, 0, 0};
    static const uint8_t modes[] = {FRAME_PATH, 0, 1, 0, 0, 1 << STREAM_MODES, 0};
    static const uint8_t mode[] = {FRAME_STREAM_POLICY, 1, STREAM_MODES, 0, 0};
    static const uint8_t copies[] = {FRAME_STREAM_POLICY, 1, 1, 0x41, 0, 0};
    static const uint8_t paths[] = {FRAME_STREAM_POLICY, 1, 1, 0, 0x80, 1, 0, 0};
    struct frame frame;
    (void)state;

    assert_int_equal(read_bytes(dear, sizeof(dear), &frame), ERROR_MALFORMED);
    assert_int_equal(read_bytes(modes, sizeof(modes), &frame), ERROR_MALFORMED);
    assert_int_equal(read_bytes(mode, sizeof(mode), &frame), ERROR_MALFORMED);
    assert_int_equal(read_bytes(copies, sizeof(copies), &frame), ERROR_MALFORMED);
    assert_int_equal(read_bytes(paths, sizeof(paths), &frame), ERROR_MALFORMED);
}

/* The fields of flows at their bounds, and one above. */
static void test_flow_limits(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t length;
        int result;
    } cases[] = {
        {"mode", {FRAME_FLOW_OPEN, 1, FLOW_MODES, 0, 0, 0, 0}, 7, ERROR_MALFORMED},
        {"copies", {FRAME_FLOW_OPEN, 1, 0, 0x41, 0, 0, 0, 0}, 8, ERROR_MALFORMED},
        {"paths", {FRAME_FLOW_OPEN, 1, 0, 0, 0x80, 1, 0, 0, 0, 0}, 10, ERROR_MALFORMED},
        {"filter", {FRAME_FLOW_OPEN, 1, 0, 0, 0, 0, 2}, 7, ERROR_MALFORMED},
        {"a minute", {FRAME_FLOW_OPEN, 1, 0, 0, 0, 0x80, 0, 0xea, 0x60, 0}, 10, OK},
        {"more",
         {FRAME_FLOW_OPEN, 1, 0, 0, 0, 0x80, 0, 0xea, 0x61, 0},
         10,
         ERROR_MALFORMED},
        {"one part", {FRAME_DATAGRAM | 4, 1, 0, 0, 0, 1, 'x'}, 7, ERROR_MALFORMED},
        {"128 parts", {FRAME_DATAGRAM | 4, 1, 0, 0, 0, 0x40, 128, 'x'}, 8, OK},
        {"129 parts", {FRAME_DATAGRAM | 4, 1, 0, 0, 0, 0x40, 129, 'x'}, 8, ERROR_MALFORMED},
        {"last part", {FRAME_DATAGRAM | 4, 1, 0, 0, 1, 2, 'x'}, 7, OK},
        {"behind it", {FRAME_DATAGRAM | 4, 1, 0, 0, 2, 2, 'x'}, 7, ERROR_MALFORMED},
        {"too long", {FRAME_DATAGRAM | 1, 1, 0, 0, 2, 'x'}, 6, ERROR_MALFORMED},
        {"empty", {FRAME_DATAGRAM, 1, 0, 0}, 4, OK},
        {"no target", {FRAME_DATAGRAM | 2, 1, 0, 0, 0}, 5, ERROR_MALFORMED},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct frame frame;
        int result = read_bytes(cases[i].bytes, cases[i].length, &frame);

        if (result != cases[i].result)
            fail_msg("%s: %d", cases[i].what, result);
    }
}

/* A datagram is no longer than UDP allows. */
static void test_datagram_length(void **state)
{
    (void)state;

    for (unsigned above = 0; above < 2; above++) {
        static uint8_t bytes[FRAME_DATAGRAM_MAX + 8] = {FRAME_DATAGRAM, 1, 0, 0};
        struct frame frame;

        assert_int_equal(read_bytes(bytes, 4 + FRAME_DATAGRAM_MAX + above, &frame),
                         above ? ERROR_MALFORMED : OK);
    }
}

/* An offset plus its length stays a varint, so that no sum of them can overflow. */
static void test_data_offset_limit(void **state)
{
    (void)state;

    for (unsigned above = 0; above < 2; above++) {
        uint8_t buffer[32];
        struct wire_writer w;
        struct frame frame;

        wire_writer_init(&w, buffer, sizeof(buffer));
        frame_write_data_header(&w, 1, VARINT_MAX - 4 + above, 3, true, false);
        wire_write_bytes(&w, "abc", 3);
        assert_int_equal(read_bytes(buffer, wire_length(&w), &frame),
                         above ? ERROR_MALFORMED : OK);
    }
}

/* A length far beyond the chunk, and beyond what a size_t of 32 bits holds. */
static void test_data_length_limit(void **state)
{
    static const uint64_t lengths[] = {4, UINT64_C(1) << 32, (UINT64_C(1) << 32) + 3,
                                       VARINT_MAX};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        uint8_t buffer[32];
        struct wire_writer w;
        struct frame frame;

        wire_writer_init(&w, buffer, sizeof(buffer));
        wire_write_u8(&w, FRAME_STREAM_DATA | FRAME_DATA_LENGTH);
        wire_write_varint(&w, 1);
        wire_write_varint(&w, 0);
        wire_write_varint(&w, lengths[i]);
        wire_write_bytes(&w, "abc", 3);
        assert_int_equal(read_bytes(buffer, wire_length(&w), &frame), ERROR_MALFORMED);
    }
}

/* More entries are announced than there are: refused at once, not after 2^62 steps. */
static void test_ack_count_limit(void **state)
{
    uint8_t buffer[32];
    struct wire_writer w;
    struct frame frame;
    (void)state;

    wire_writer_init(&w, buffer, sizeof(buffer));
    frame_write_ack_header(&w, 0, VARINT_MAX);
    frame_write_ack_entry(&w, 1, 1, false);
    assert_int_equal(read_bytes(buffer, wire_length(&w), &frame), ERROR_MALFORMED);
}

static void test_close_reason_limit(void **state)
{
    char reason[2 * FRAME_REASON_MAX];
    uint8_t buffer[4 * FRAME_REASON_MAX];
    struct wire_writer w;
    struct frame frame;
    (void)state;

    /* The writer cuts a reason that the reader would refuse. */
    memset(reason, 'x', sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    wire_writer_init(&w, buffer, sizeof(buffer));
    frame_write_close(&w, 0, reason);
    assert_int_equal(read_bytes(buffer, wire_length(&w), &frame), OK);
    assert_int_equal(frame.close.reason_length, FRAME_REASON_MAX);

    wire_writer_init(&w, buffer, sizeof(buffer));
    wire_write_u8(&w, FRAME_SESSION_CLOSE);
    wire_write_varint(&w, 0);
    wire_write_varint(&w, FRAME_REASON_MAX + 1);
    wire_write_bytes(&w, reason, FRAME_REASON_MAX + 1);
    assert_int_equal(read_bytes(buffer, wire_length(&w), &frame), ERROR_MALFORMED);
}

/* Reads a STREAM_OPEN of stream 1 whose target is given. */
static int read_target(const void *target_bytes, size_t length, struct target *target)
{
    uint8_t buffer[1024] = {FRAME_STREAM_OPEN, 1};
    struct frame frame;
    int result;

    assert_true(length + 2 <= sizeof(buffer));
    memcpy(buffer + 2, target_bytes, length);
    result = read_bytes(buffer, length + 2, &frame);
    return result == OK ? frame_target_read(&frame, target) : result;
}

static void test_malformed_targets(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[24];
        size_t length;
    } cases[] = {
        {"port 0, name", {0, 0, 2, 1, 'a'}, 5},
        {"port 0, address", {0, 0, 1, 1, 4, 127, 0, 0, 1}, 9},
        {"kind 0", {0, 80, 0, 1, 'a'}, 5},
        {"kind 3", {0, 80, 3, 1, 'a'}, 5},
        {"no address", {0, 80, 1, 0}, 4},
        {"family 0", {0, 80, 1, 1, 0}, 21},
        {"family 5", {0, 80, 1, 1, 5}, 21},
        {"family 4, three bytes", {0, 80, 1, 1, 4, 127, 0, 0}, 8},
        {"second address missing", {0, 80, 1, 2, 4, 127, 0, 0, 1}, 9},
        {"empty name", {0, 80, 2, 0}, 4},
        {"zero byte in name", {0, 80, 2, 3, 'a', 0, 'b'}, 7},
        {"name shorter than told", {0, 80, 2, 4, 'a', 'b', 'c'}, 7},
        {"nothing", {0}, 0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct target target;

        print_message("# %s\n", cases[i].what);
        assert_int_equal(read_target(cases[i].bytes, cases[i].length, &target),
                         ERROR_MALFORMED);
    }
}

static void test_target_limits(void **state)
{
    struct target written = {.port = 65535};
    struct target read;
    uint8_t buffer[1024];
    struct wire_writer w;
    (void)state;

    /* As many addresses as there may be, and one more. */
    for (unsigned count = TARGET_ADDRESSES_MAX; count <= TARGET_ADDRESSES_MAX + 1;
         count++) {
        wire_writer_init(&w, buffer, sizeof(buffer));
        wire_write_u16(&w, 65535);
        wire_write_u8(&w, FRAME_TARGET_ADDRESSES);
        wire_write_u8(&w, (uint8_t)count);
        for (unsigned i = 0; i < count; i++) {
            wire_write_u8(&w, ADDRESS_IPV4);
            wire_write_u32(&w, 0xc0000200 + i);
        }
        assert_int_equal(read_target(buffer, wire_length(&w), &read),
                         count > TARGET_ADDRESSES_MAX ? ERROR_MALFORMED : OK);
    }

    memset(written.name, 'n', TARGET_NAME_MAX);
    wire_writer_init(&w, buffer, sizeof(buffer));
    frame_write_open(&w, 1, &written);
    assert_int_equal(read_target(buffer + 2, wire_length(&w) - 2, &read), OK);
    assert_string_equal(read.name, written.name);
    assert_int_equal(read.port, 65535);
}

static void test_data_without_length(void **state)
{
    uint8_t buffer[64];
    struct wire_writer w;
    struct wire_reader r;
    struct frame frame;
    (void)state;

    wire_writer_init(&w, buffer, sizeof(buffer));
    frame_write_data_header(&w, 7, 0, 3, false, false);
    wire_write_bytes(&w, "abc", 3);
    wire_reader_init(&r, buffer, wire_length(&w));
    assert_int_equal(frame_read(&r, &frame), OK);
    assert_int_equal(frame.type, FRAME_STREAM_DATA);
    assert_int_equal(frame.data.length, 3);
    assert_false(frame.data.fin);
    assert_memory_equal(frame.data.bytes, "abc", 3);
    assert_int_equal(wire_remaining(&r), 0);
    /* Its shortest form: no bytes, to the end of the chunk. */
    wire_reader_init(&r, buffer, wire_length(&w) - 3);
    assert_int_equal(frame_read(&r, &frame), OK);
    assert_int_equal(frame.data.length, 0);
}

static void test_data_header_length(void **state)
{
    static const uint64_t values[] = {0, 63, 64, 16383, 16384, 1 << 29, UINT64_C(1) << 40};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(values); j++)
            for (unsigned flags = 0; flags < 4; flags++) {
                uint8_t buffer[32];
                struct wire_writer w;
                size_t length = j * 100;
                bool with_length = flags & 1;

                wire_writer_init(&w, buffer, sizeof(buffer));
                frame_write_data_header(&w, values[i], values[j], length, with_length,
                                        flags & 2);
                assert_int_equal(
                    wire_length(&w),
                    frame_data_header_length(values[i], values[j], length, with_length));
            }
}

UNIT_MAIN(cmocka_unit_test(test_unknown_types),
          cmocka_unit_test(test_path_and_policy_limits), cmocka_unit_test(test_flow_limits),
          cmocka_unit_test(test_datagram_length), cmocka_unit_test(test_data_offset_limit),
          cmocka_unit_test(test_data_length_limit), cmocka_unit_test(test_ack_count_limit),
          cmocka_unit_test(test_close_reason_limit),
          cmocka_unit_test(test_malformed_targets), cmocka_unit_test(test_target_limits),
          cmocka_unit_test(test_data_without_length),
          cmocka_unit_test(test_data_header_length))
