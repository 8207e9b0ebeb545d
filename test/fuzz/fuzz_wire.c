/* SPDX-License-Identifier: MIT */
/*
 * The cursor. The first byte of the input chooses an order of reads over the rest; what was
 * read is written again, and a shortest form must come out the same.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <splitsocks/base/wire.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Varints may come in a longer form than needed: equal values, not equal bytes. */
static void check_varint(const struct wire_reader *before, const struct wire_reader *after,
                         uint64_t value)
{
    uint8_t buffer[8];
    struct wire_reader again;
    struct wire_writer w;

    if (!wire_ok(after))
        return;
    assert(value <= VARINT_MAX);
    assert((size_t)(after->at - before->at) >= wire_varint_length(value));
    wire_writer_init(&w, buffer, sizeof(buffer));
    wire_write_varint(&w, value);
    assert(wire_length(&w) == wire_varint_length(value));
    wire_reader_init(&again, buffer, wire_length(&w));
    assert(wire_read_varint(&again) == value);
    assert(wire_ok(&again) && wire_remaining(&again) == 0);
}

static void check_fixed(const struct wire_reader *before, const struct wire_reader *after,
                        uint64_t value, size_t length)
{
    uint8_t buffer[8];
    struct wire_writer w;

    if (!wire_ok(after)) {
        assert(value == 0);
        return;
    }
    wire_writer_init(&w, buffer, length);
    switch (length) {
    case 1: wire_write_u8(&w, (uint8_t)value); break;
    case 2: wire_write_u16(&w, (uint16_t)value); break;
    case 4: wire_write_u32(&w, (uint32_t)value); break;
    default: wire_write_u64(&w, value); break;
    }
    assert(!w.failed && wire_room(&w) == 0);
    assert(memcmp(buffer, before->at, length) == 0);
}

static void read_one(struct wire_reader *r, unsigned operation)
{
    const struct wire_reader before = *r;
    const uint8_t *bytes;

    switch (operation) {
    case 0: check_fixed(&before, r, wire_read_u8(r), 1); break;
    case 1: check_fixed(&before, r, wire_read_u16(r), 2); break;
    case 2: check_fixed(&before, r, wire_read_u32(r), 4); break;
    case 3: check_fixed(&before, r, wire_read_u64(r), 8); break;
    case 4:
        bytes = wire_read_bytes(r, (size_t)wire_read_varint(r));
        assert((bytes != NULL) == wire_ok(r));
        break;
    default: check_varint(&before, r, wire_read_varint(r)); break;
    }
    if (before.failed)
        assert(r->failed && r->at == before.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader r;
    unsigned order;

    if (size == 0)
        return 0;
    order = data[0];
    wire_reader_init(&r, data + 1, size - 1);
    while (wire_remaining(&r) > 0) {
        read_one(&r, order % 6);
        order = order * 5 + 1;
    }
    read_one(&r, order % 6);
    return 0;
}
