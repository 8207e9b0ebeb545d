/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's mutations for scripts of sessions: they know where operations and frames
 * begin, so that most of what they make still says something. One of four mutations is
 * libFuzzer's own, over all bytes.
 */
#include "layout.h"

#include <splitsocks/base/attributes.h>

#include <string.h>

#define RECORDS_MAX 256
#define RECORD_SIZE_MAX 300 /* a byte, and the fields of one operation */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size,
                                 const uint8_t *second, size_t second_size, uint8_t *out,
                                 size_t max_size, unsigned seed);

/* A sequence of operations, or of frames, in a buffer. */
struct sequence {
    const struct layouts *layouts;
    uint8_t *bytes;
    size_t size, max_size;
    size_t begins[RECORDS_MAX + 1]; /* and the end of the last */
    unsigned count;
};

static void find_records(struct sequence *sequence)
{
    struct wire_reader r;

    wire_reader_init(&r, sequence->bytes, sequence->size);
    sequence->count = 0;
    while (wire_remaining(&r) > 0 && sequence->count < RECORDS_MAX) {
        const char *layout;

        sequence->begins[sequence->count++] = (size_t)(r.at - sequence->bytes);
        layout = layout_of(sequence->layouts, wire_read_u8(&r));
        if (layout == NULL || !layout_skip(&r, layout))
            break;
    }
    sequence->begins[sequence->count] = sequence->size;
}

/* Puts `length` bytes in place of [begin, end), if there is room. */
static void replace(struct sequence *sequence, size_t begin, size_t end,
                    const uint8_t *bytes, size_t length)
{
    if (sequence->size - (end - begin) + length > sequence->max_size)
        return;
    memmove(sequence->bytes + begin + length, sequence->bytes + end, sequence->size - end);
    if (length > 0)
        memcpy(sequence->bytes + begin, bytes, length);
    sequence->size += length - (end - begin);
}

static void insert_random(struct sequence *sequence, size_t at, uint64_t *state)
{
    uint8_t bytes[RECORD_SIZE_MAX];
    struct wire_writer w;
    uint8_t first = (uint8_t)layout_random(state, sequence->layouts->count);
    const char *layout = layout_of(sequence->layouts, first);

    if (layout == NULL)
        return;
    wire_writer_init(&w, bytes, sizeof(bytes));
    wire_write_u8(&w, first);
    layout_draw(&w, layout, state);
    replace(sequence, at, at, bytes, wire_length(&w));
}

static void copy_record(struct sequence *sequence, unsigned from, size_t to)
{
    uint8_t bytes[RECORD_SIZE_MAX];
    size_t begin = sequence->begins[from];
    size_t length = MIN(sequence->begins[from + 1] - begin, sizeof(bytes));

    memcpy(bytes, sequence->bytes + begin, length);
    replace(sequence, to, to, bytes, length);
}

/* libFuzzer's own mutation of the fields alone. */
static void mutate_fields(struct sequence *sequence, size_t begin, size_t end)
{
    uint8_t bytes[RECORD_SIZE_MAX];
    size_t length = MIN(end - begin, sizeof(bytes));

    if (length == 0)
        return;
    memcpy(bytes, sequence->bytes + begin, length);
    replace(sequence, begin, end, bytes, LLVMFuzzerMutate(bytes, length, sizeof(bytes)));
}

static void edit(struct sequence *sequence, uint64_t *state);

/* Edits the frames of an operation that ends with frames. */
static void edit_frames(struct sequence *sequence, unsigned record, uint64_t *state)
{
    const char *layout =
        layout_of(sequence->layouts, sequence->bytes[sequence->begins[record]]);
    size_t end = sequence->begins[record + 1];
    uint8_t frames[UINT8_MAX];
    struct sequence inner = {
        .layouts = &layouts_of_frames, .bytes = frames, .max_size = sizeof(frames)};
    struct wire_reader r;
    size_t begin;
    uint8_t count;

    wire_reader_init(&r, sequence->bytes + sequence->begins[record],
                     end - sequence->begins[record]);
    (void)wire_read_u8(&r);
    for (; *layout != '\0' && *layout != 'f'; layout++)
        (void)layout_skip(&r, (const char[]){*layout, '\0'});
    if (*layout != 'f' || wire_remaining(&r) == 0)
        return;
    begin = (size_t)(r.at - sequence->bytes);
    inner.size = MIN(end - begin - 1, sizeof(frames));
    memcpy(frames, sequence->bytes + begin + 1, inner.size);
    edit(&inner, state);
    if (sequence->size - (end - begin - 1) + inner.size > sequence->max_size)
        return;
    count = (uint8_t)inner.size;
    replace(sequence, begin, begin + 1, &count, 1);
    replace(sequence, begin + 1, end, frames, inner.size);
}

static void edit(struct sequence *sequence, uint64_t *state)
{
    unsigned record, to;
    size_t begin, end;

    find_records(sequence);
    to = layout_random(state, sequence->count + 1);
    if (sequence->count == 0) {
        insert_random(sequence, 0, state);
        return;
    }
    record = layout_random(state, sequence->count);
    begin = sequence->begins[record];
    end = sequence->begins[record + 1];
    switch (layout_random(state, sequence->layouts->wraps ? 8 : 4)) {
    case 0: insert_random(sequence, sequence->begins[to], state); break;
    case 1: copy_record(sequence, record, sequence->begins[to]); break;
    case 2: replace(sequence, begin, end, NULL, 0); break;
    case 3: mutate_fields(sequence, MIN(begin + 1, end), end); break;
    default: edit_frames(sequence, record, state); break;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint64_t state = (UINT64_C(1) << 32 | seed) * UINT64_C(0x9e3779b97f4a7c15);
    size_t skip = layouts_script_skip;
    struct sequence script = {.layouts = &layouts_of_script};

    if (size <= skip || layout_random(&state, 4) == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    script.bytes = data + skip;
    script.size = size - skip;
    script.max_size = max_size - skip;
    for (unsigned edits = 1 + layout_random(&state, 3); edits > 0; edits--)
        edit(&script, &state);
    return skip + script.size;
}

/* The first operations of one script, and the last ones of another. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size,
                                 const uint8_t *second, size_t second_size, uint8_t *out,
                                 size_t max_size, unsigned seed)
{
    uint64_t state = (UINT64_C(1) << 32 | seed) * UINT64_C(0x9e3779b97f4a7c15);
    static uint8_t rest[1 << 16];
    size_t skip = layouts_script_skip;
    struct sequence script = {
        .layouts = &layouts_of_script, .bytes = out, .max_size = max_size};
    struct sequence other = {.layouts = &layouts_of_script, .bytes = rest};
    size_t cut;

    if (first_size <= skip || second_size <= skip || first_size > max_size ||
        second_size - skip > sizeof(rest))
        return 0;
    memcpy(out, first, first_size);
    memcpy(rest, second + skip, second_size - skip);
    script.bytes += skip;
    script.size = first_size - skip;
    script.max_size -= skip;
    other.size = second_size - skip;
    find_records(&script);
    find_records(&other);
    cut = other.begins[layout_random(&state, other.count)];
    replace(&script, script.begins[layout_random(&state, script.count + 1)], script.size,
            rest + cut, other.size - cut);
    return skip + script.size;
}
