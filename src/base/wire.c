/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/wire.h>

#include <string.h>

static uint64_t read_integer(struct wire_reader *r, size_t length)
{
    const uint8_t *p = wire_read_bytes(r, length);
    uint64_t value = 0;

    if (p == NULL)
        return 0;
    for (size_t i = 0; i < length; i++)
        value = value << 8 | p[i];
    return value;
}

const uint8_t *wire_read_bytes(struct wire_reader *r, size_t length)
{
    const uint8_t *p = r->at;

    if (r->failed || (size_t)(r->end - r->at) < length) {
        r->failed = true;
        return NULL;
    }
    r->at += length;
    return p;
}

uint8_t wire_read_u8(struct wire_reader *r)
{
    return (uint8_t)read_integer(r, 1);
}

uint16_t wire_read_u16(struct wire_reader *r)
{
    return (uint16_t)read_integer(r, 2);
}

uint32_t wire_read_u32(struct wire_reader *r)
{
    return (uint32_t)read_integer(r, 4);
}

uint64_t wire_read_u64(struct wire_reader *r)
{
    return read_integer(r, 8);
}

uint64_t wire_read_varint(struct wire_reader *r)
{
    if (r->failed || r->at == r->end) {
        r->failed = true;
        return 0;
    }
    size_t length = (size_t)1 << (*r->at >> 6);
    uint64_t value = read_integer(r, length);

    return value & (UINT64_MAX >> (64 - 8 * length + 2));
}

static void write_integer(struct wire_writer *w, uint64_t value, size_t length)
{
    uint8_t bytes[8];

    for (size_t i = length; i > 0; i--) {
        bytes[i - 1] = (uint8_t)value;
        value >>= 8;
    }
    wire_write_bytes(w, bytes, length);
}

void wire_write_bytes(struct wire_writer *w, const void *data, size_t length)
{
    if (w->failed || (size_t)(w->end - w->at) < length) {
        w->failed = true;
        return;
    }
    if (length > 0)
        memcpy(w->at, data, length);
    w->at += length;
}

void wire_write_u8(struct wire_writer *w, uint8_t value)
{
    write_integer(w, value, 1);
}

void wire_write_u16(struct wire_writer *w, uint16_t value)
{
    write_integer(w, value, 2);
}

void wire_write_u32(struct wire_writer *w, uint32_t value)
{
    write_integer(w, value, 4);
}

void wire_write_u64(struct wire_writer *w, uint64_t value)
{
    write_integer(w, value, 8);
}

void wire_write_varint(struct wire_writer *w, uint64_t value)
{
    static const uint8_t prefix[9] = {[1] = 0, [2] = 1, [4] = 2, [8] = 3};
    size_t length = wire_varint_length(value);

    if (value > VARINT_MAX) {
        w->failed = true;
        return;
    }
    write_integer(w, value | (uint64_t)prefix[length] << (8 * length - 2), length);
}
