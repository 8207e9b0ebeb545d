/* SPDX-License-Identifier: MIT */
#include "layout.h"

#include <splitsocks/wire/frame.h>

#include <string.h>

static const char *const frames[] = {
    [FRAME_PADDING] = "",
    [FRAME_PING] = "",
    [FRAME_SUBFLOW] = "vvv",
    [FRAME_END] = "",
    [FRAME_ACK] = "ve",
    [FRAME_STREAM_OPEN] = "vwt",
    [FRAME_STREAM_OPENED] = "v",
    [FRAME_STREAM_RESET] = "vvv",
    [FRAME_STREAM_WINDOW] = "vv",
    [FRAME_SESSION_WINDOW] = "v",
    [FRAME_STREAM_LIMIT] = "v",
    [FRAME_DEMAND] = "vv",
    [FRAME_SESSION_CLOSE] = "vd",
    [FRAME_PATH] = "vvvvvv",
    [FRAME_STREAM_POLICY] = "vvvv",
    [FRAME_RATE] = "v",
    [FRAME_STREAM_DATA] = "vvr",
    [FRAME_STREAM_DATA | FRAME_DATA_FIN] = "vvr",
    [FRAME_STREAM_DATA | FRAME_DATA_LENGTH] = "vvd",
    [FRAME_STREAM_DATA | FRAME_DATA_LENGTH | FRAME_DATA_FIN] = "vvd",
    [FRAME_LARGE_LOST] = "vv",
    [FRAME_GONE] = "vvv",
    [FRAME_FLOW_OPEN] = "vvvvvv",
    [FRAME_FLOW_CLOSE] = "vv",
    [FRAME_FLOW_LIMIT] = "v",
    [FRAME_DATAGRAM] = "vvvr",
    [FRAME_DATAGRAM | FRAME_DATAGRAM_LENGTH] = "vvvd",
    [FRAME_DATAGRAM | FRAME_DATAGRAM_TARGET] = "vvvwtr",
    [FRAME_DATAGRAM | FRAME_DATAGRAM_TARGET | FRAME_DATAGRAM_LENGTH] = "vvvwtd",
    [FRAME_DATAGRAM | FRAME_DATAGRAM_PARTS] = "vvvvvr",
    [FRAME_DATAGRAM | FRAME_DATAGRAM_PARTS | FRAME_DATAGRAM_LENGTH] = "vvvvvd",
    [FRAME_DATAGRAM | FRAME_DATAGRAM_PARTS | FRAME_DATAGRAM_TARGET] = "vvvwtvvr",
    [FRAME_DATAGRAM | FRAME_DATAGRAM_MASK] = "vvvwtvvd",
};

const struct layouts layouts_of_frames = {.items = frames,
                                          .count = sizeof(frames) / sizeof(frames[0])};

const char *layout_of(const struct layouts *layouts, uint8_t first)
{
    if (layouts->wraps)
        return layouts->items[first % layouts->count];
    return first < layouts->count ? layouts->items[first] : NULL;
}

/* ---- reading ---- */

static void skip_entries(struct wire_reader *r)
{
    for (uint64_t count = wire_read_varint(r); count > 0 && wire_ok(r); count--) {
        (void)wire_read_varint(r);
        (void)wire_read_varint(r);
    }
}

static void skip_target(struct wire_reader *r)
{
    switch (wire_read_u8(r)) {
    case FRAME_TARGET_ADDRESSES:
        for (unsigned count = wire_read_u8(r); count > 0 && wire_ok(r); count--)
            (void)wire_read_bytes(r, wire_read_u8(r) == ADDRESS_IPV4 ? 4 : 16);
        break;
    case FRAME_TARGET_NAME: (void)wire_read_bytes(r, wire_read_u8(r)); break;
    default: r->failed = true;
    }
}

static void skip_counted(struct wire_reader *r)
{
    size_t count = wire_read_u8(r);

    (void)wire_read_bytes(r, count < wire_remaining(r) ? count : wire_remaining(r));
}

static void skip_field(struct wire_reader *r, char field)
{
    switch (field) {
    case 'b': (void)wire_read_u8(r); break;
    case 'w': (void)wire_read_u16(r); break;
    case 'v': (void)wire_read_varint(r); break;
    case 'o':
        if (wire_read_u8(r) == 0)
            (void)wire_read_varint(r);
        break;
    case 'n': (void)wire_read_bytes(r, wire_read_u8(r)); break;
    case 'd': (void)wire_read_bytes(r, (size_t)wire_read_varint(r)); break;
    case 'f': skip_counted(r); break;
    case 'e': skip_entries(r); break;
    case 't': skip_target(r); break;
    default: (void)wire_read_bytes(r, wire_remaining(r)); break;
    }
}

bool layout_skip(struct wire_reader *r, const char *layout)
{
    for (; *layout != '\0' && wire_ok(r); layout++)
        skip_field(r, *layout);
    if (wire_ok(r))
        return true;
    r->at = r->end;
    return false;
}

/* ---- drawing ---- */

unsigned layout_random(uint64_t *state, unsigned bound)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (unsigned)((*state * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % bound;
}

static void draw_varint(struct wire_writer *w, uint64_t *state)
{
    uint64_t power = UINT64_C(1) << layout_random(state, 62);

    switch (layout_random(state, 8)) {
    case 0: wire_write_varint(w, power - 1); break;
    case 1: wire_write_varint(w, power + layout_random(state, 2)); break;
    case 2:
        wire_write_varint(w, layout_random(state, 2) ? VARINT_MAX : VARINT_MAX - 1);
        break;
    case 3: wire_write_varint(w, layout_random(state, 2000)); break;
    default: wire_write_varint(w, layout_random(state, 6)); break;
    }
}

static void draw_bytes(struct wire_writer *w, unsigned count, uint64_t *state)
{
    for (; count > 0; count--)
        wire_write_u8(w, (uint8_t)('a' + layout_random(state, 26)));
}

static void draw_entries(struct wire_writer *w, uint64_t *state)
{
    unsigned count = layout_random(state, 4);

    for (wire_write_varint(w, count); count > 0; count--) {
        wire_write_varint(w, layout_random(state, 12));
        wire_write_varint(w, layout_random(state, 6));
    }
}

static void draw_target(struct wire_writer *w, uint64_t *state)
{
    unsigned count = 1 + layout_random(state, 3);

    if (layout_random(state, 2)) {
        wire_write_u8(w, FRAME_TARGET_NAME);
        wire_write_u8(w, (uint8_t)count);
        draw_bytes(w, count, state);
        return;
    }
    wire_write_u8(w, FRAME_TARGET_ADDRESSES);
    for (wire_write_u8(w, (uint8_t)count); count > 0; count--) {
        bool six = layout_random(state, 2);

        wire_write_u8(w, six ? ADDRESS_IPV6 : ADDRESS_IPV4);
        draw_bytes(w, six ? 16 : 4, state);
    }
}

static void draw_frames(struct wire_writer *w, uint64_t *state)
{
    uint8_t bytes[UINT8_MAX];
    struct wire_writer inner;

    wire_writer_init(&inner, bytes, sizeof(bytes));
    for (unsigned count = 1 + layout_random(state, 3); count > 0; count--) {
        uint8_t type = (uint8_t)layout_random(state, layouts_of_frames.count);

        if (frames[type] == NULL)
            continue;
        wire_write_u8(&inner, type);
        layout_draw(&inner, frames[type], state);
    }
    wire_write_u8(w, (uint8_t)wire_length(&inner));
    wire_write_bytes(w, bytes, wire_length(&inner));
}

static void draw_field(struct wire_writer *w, char field, uint64_t *state)
{
    unsigned some = layout_random(state, 20);

    switch (field) {
    case 'b':
        wire_write_u8(w, (uint8_t)(some < 15 ? some % 5 : layout_random(state, 256)));
        break;
    case 'w': wire_write_u16(w, (uint16_t)some); break;
    case 'v': draw_varint(w, state); break;
    case 'o':
        wire_write_u8(w, some != 0);
        if (some == 0)
            draw_varint(w, state);
        break;
    case 'n':
        wire_write_u8(w, (uint8_t)some);
        draw_bytes(w, some, state);
        break;
    case 'd':
        wire_write_varint(w, some);
        draw_bytes(w, some, state);
        break;
    case 'f': draw_frames(w, state); break;
    case 'e': draw_entries(w, state); break;
    case 't': draw_target(w, state); break;
    default: draw_bytes(w, some, state); break;
    }
}

void layout_draw(struct wire_writer *w, const char *layout, uint64_t *state)
{
    for (; *layout != '\0'; layout++)
        draw_field(w, *layout, state);
}
