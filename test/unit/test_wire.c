/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/wire.h>

/* The examples of RFC 9000 appendix A.1. */
static void test_varint_examples(void **state)
{
    static const struct {
        uint8_t bytes[8];
        size_t length;
        uint64_t value;
    } examples[] = {
        {{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}, 8, UINT64_C(151288809941952652)},
        {{0x9d, 0x7f, 0x3e, 0x7d}, 4, 494878333},
        {{0x7b, 0xbd}, 2, 15293},
        {{0x25}, 1, 37},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        struct wire_reader r;
        struct wire_writer w;
        uint8_t buffer[8];

        wire_reader_init(&r, examples[i].bytes, examples[i].length);
        assert_int_equal(wire_read_varint(&r), examples[i].value);
        assert_true(wire_ok(&r));
        assert_int_equal(wire_remaining(&r), 0);
        wire_writer_init(&w, buffer, sizeof(buffer));
        wire_write_varint(&w, examples[i].value);
        assert_int_equal(wire_length(&w), examples[i].length);
        assert_memory_equal(buffer, examples[i].bytes, examples[i].length);
    }
}

static void test_varint_boundaries(void **state)
{
    static const uint64_t values[] = {0, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30,
                                      VARINT_MAX};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        uint8_t buffer[8];
        struct wire_writer w;
        struct wire_reader r;

        wire_writer_init(&w, buffer, sizeof(buffer));
        wire_write_varint(&w, values[i]);
        assert_int_equal(wire_length(&w), wire_varint_length(values[i]));
        wire_reader_init(&r, buffer, wire_length(&w));
        assert_int_equal(wire_read_varint(&r), values[i]);
        /* One byte less is an error, and yields zero. */
        wire_reader_init(&r, buffer, wire_length(&w) - 1);
        assert_int_equal(wire_read_varint(&r), 0);
        assert_false(wire_ok(&r));
    }
}

static void test_reader_error_is_sticky(void **state)
{
    const uint8_t bytes[] = {1, 2, 3};
    struct wire_reader r;
    (void)state;

    wire_reader_init(&r, bytes, sizeof(bytes));
    assert_int_equal(wire_read_u16(&r), 0x0102);
    assert_int_equal(wire_read_u32(&r), 0);
    assert_false(wire_ok(&r));
    assert_int_equal(wire_read_u8(&r), 0); /* the third byte is there, but too late */
    assert_int_equal(wire_remaining(&r), 0);
    assert_null(wire_read_bytes(&r, 0));
}

static void test_writer_error_is_sticky(void **state)
{
    uint8_t buffer[4] = {0};
    struct wire_writer w;
    (void)state;

    wire_writer_init(&w, buffer, sizeof(buffer));
    wire_write_u16(&w, 0xabcd);
    wire_write_u32(&w, 1);
    assert_true(w.failed);
    wire_write_u8(&w, 1);
    assert_int_equal(wire_length(&w), 2);
    assert_int_equal(buffer[2], 0);

    wire_writer_init(&w, buffer, sizeof(buffer));
    wire_write_varint(&w, VARINT_MAX + 1);
    assert_true(w.failed);
}

UNIT_MAIN(cmocka_unit_test(test_varint_examples),
          cmocka_unit_test(test_varint_boundaries),
          cmocka_unit_test(test_reader_error_is_sticky),
          cmocka_unit_test(test_writer_error_is_sticky))
