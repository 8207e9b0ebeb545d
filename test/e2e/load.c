/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <string.h>

static void put(uint8_t *bytes, uint64_t value, int size)
{
    for (int i = size - 1; i >= 0; i--, value >>= 8)
        bytes[i] = (uint8_t)value;
}

static uint64_t get(const uint8_t *bytes, int size)
{
    uint64_t value = 0;

    for (int i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

void load_header_encode(const struct load_header *header, uint8_t bytes[LOAD_HEADER_SIZE])
{
    memcpy(bytes, "SLD1", 4);
    put(bytes + 4, header->flags, 4);
    put(bytes + 8, header->seed, 8);
    put(bytes + 16, header->up, 8);
    put(bytes + 24, header->down, 8);
}

bool load_header_decode(struct load_header *header, const uint8_t bytes[LOAD_HEADER_SIZE])
{
    header->flags = (uint32_t)get(bytes + 4, 4);
    header->seed = get(bytes + 8, 8);
    header->up = get(bytes + 16, 8);
    header->down = get(bytes + 24, 8);
    return memcmp(bytes, "SLD1", 4) == 0;
}

void load_trailer_encode(const struct load_trailer *trailer,
                         uint8_t bytes[LOAD_TRAILER_SIZE])
{
    put(bytes, trailer->received, 8);
    put(bytes + 8, trailer->mismatch, 8);
}

void load_trailer_decode(struct load_trailer *trailer,
                         const uint8_t bytes[LOAD_TRAILER_SIZE])
{
    trailer->received = get(bytes, 8);
    trailer->mismatch = get(bytes + 8, 8);
}
