/* SPDX-License-Identifier: MIT */
/*
 * What follows the first byte of an operation of a script, or of a frame: a text with one
 * letter for each field.
 *
 *   b  a byte                       v  a varint
 *   w  two bytes                    o  a byte, and if it is 0 a varint
 *   n  a byte, and so many bytes    d  a varint, and so many bytes
 *   f  a byte, and so many bytes, which are frames; fewer at the end of a script
 *   e  the entries of an ACK        t  the target of a STREAM_OPEN
 *   r  all bytes up to the end
 */
#ifndef TEST_FUZZ_LAYOUT_H
#define TEST_FUZZ_LAYOUT_H

#include <splitsocks/base/wire.h>

/* The operations of a script, or the frames of a chunk. */
struct layouts {
    const char *const *items;
    unsigned count;
    bool wraps; /* the first byte counts modulo `count`; else larger ones have no layout */
};

extern const struct layouts layouts_of_frames;
/* Of the target that is linked; so many bytes stand before its script. */
extern const struct layouts layouts_of_script;
extern const size_t layouts_script_skip;

/* NULL: unknown. */
const char *layout_of(const struct layouts *layouts, uint8_t first);
/* Passes by the fields. False, at the end of the bytes, when they are cut off. */
bool layout_skip(struct wire_reader *r, const char *layout);

/* xorshift64*: `state` is not 0. Returns a number below `bound`. */
unsigned layout_random(uint64_t *state, unsigned bound);
/* Writes fields with random values, most of them small, as ids and offsets are. */
void layout_draw(struct wire_writer *w, const char *layout, uint64_t *state);

#endif
