/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <string.h>

enum { WORD = 8, BLOCK = 4096 };

/* SplitMix64's output function (Steele, Lea, Flood 2014) over a counter. */
static uint64_t word_at(uint64_t seed, uint64_t index)
{
    uint64_t z = seed + (index + 1) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void pattern_fill(uint64_t seed, uint64_t offset, uint8_t *bytes, size_t length)
{
    uint64_t index = offset / WORD;
    size_t skip = (size_t)(offset % WORD);

    while (length > 0) {
        uint64_t word = word_at(seed, index++);
        size_t part = WORD - skip < length ? WORD - skip : length;

        memcpy(bytes, (const uint8_t *)&word + skip, part);
        bytes += part;
        length -= part;
        skip = 0;
    }
}

size_t pattern_check(uint64_t seed, uint64_t offset, const uint8_t *bytes, size_t length)
{
    uint8_t expected[BLOCK];
    size_t done = 0;

    while (done < length) {
        size_t part = length - done < BLOCK ? length - done : BLOCK;

        pattern_fill(seed, offset + done, expected, part);
        for (size_t i = 0; memcmp(expected, bytes + done, part) != 0; i++) {
            if (expected[i] != bytes[done + i])
                return done + i;
        }
        done += part;
    }
    return length;
}
