/* SPDX-License-Identifier: MIT */
/*
 * A bounded cursor over a byte buffer, for reading or for writing, with a sticky error:
 * once an operation does not fit, it and all later ones do nothing (a read returns zero),
 * so that one wire_ok() after a run of operations is enough.
 *
 * Integers are big-endian. A varint is RFC 9000 section 16: 1, 2, 4 or 8 bytes; the two
 * top bits of the first byte give the length; values go up to VARINT_MAX. Readers accept a
 * longer form than needed; writers always choose the shortest.
 *
 * The cursor borrows the buffer and owns nothing.
 */
#ifndef SPLITSOCKS_WIRE_H
#define SPLITSOCKS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX ((UINT64_C(1) << 62) - 1)

struct wire_reader {
    const uint8_t *at;  /* next byte to read */
    const uint8_t *end; /* one past the last byte */
    bool failed;        /* a read did not fit; `at` no longer moves */
};

struct wire_writer {
    uint8_t *begin;
    uint8_t *at;  /* next byte to write; begin <= at <= end */
    uint8_t *end; /* one past the last byte that may be written */
    bool failed;  /* a write did not fit, and wrote nothing */
};

static inline void wire_reader_init(struct wire_reader *r, const void *data, size_t length)
{
    r->at = data;
    r->end = r->at + length;
    r->failed = false;
}

static inline size_t wire_remaining(const struct wire_reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

static inline bool wire_ok(const struct wire_reader *r)
{
    return !r->failed;
}

uint8_t wire_read_u8(struct wire_reader *r);
uint16_t wire_read_u16(struct wire_reader *r);
uint32_t wire_read_u32(struct wire_reader *r);
uint64_t wire_read_u64(struct wire_reader *r);
uint64_t wire_read_varint(struct wire_reader *r);
/* Returns a pointer into the buffer to `length` bytes, or NULL when they do not fit. */
const uint8_t *wire_read_bytes(struct wire_reader *r, size_t length);

static inline void wire_writer_init(struct wire_writer *w, void *buffer, size_t capacity)
{
    w->begin = w->at = buffer;
    w->end = w->begin + capacity;
    w->failed = false;
}

static inline size_t wire_length(const struct wire_writer *w)
{
    return (size_t)(w->at - w->begin);
}

static inline size_t wire_room(const struct wire_writer *w)
{
    return w->failed ? 0 : (size_t)(w->end - w->at);
}

void wire_write_u8(struct wire_writer *w, uint8_t value);
void wire_write_u16(struct wire_writer *w, uint16_t value);
void wire_write_u32(struct wire_writer *w, uint32_t value);
void wire_write_u64(struct wire_writer *w, uint64_t value);
/* A value above VARINT_MAX fails the writer. */
void wire_write_varint(struct wire_writer *w, uint64_t value);
void wire_write_bytes(struct wire_writer *w, const void *data, size_t length);

/* Bytes that wire_write_varint() takes for `value`: 1, 2, 4 or 8. */
static inline size_t wire_varint_length(uint64_t value)
{
    return value < 64 ? 1 : value < 16384 ? 2 : value < (UINT64_C(1) << 30) ? 4 : 8;
}

#endif
