/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    size_t size; /* bytes of data */
    max_align_t data[];
};

struct config_memory {
    struct block *newest;
};

struct config_memory *memory_new(void)
{
    return calloc(1, sizeof(struct config_memory));
}

void memory_free(struct config_memory *memory)
{
    if (memory == NULL)
        return;
    while (memory->newest != NULL) {
        struct block *block = memory->newest;

        memory->newest = block->next;
        explicit_bzero(block->data, block->size);
        free(block);
    }
    free(memory);
}

void *memory_take(struct config_memory *memory, size_t size)
{
    struct block *block;

    if (size > SIZE_MAX - sizeof(*block))
        return NULL;
    block = calloc(1, sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    block->size = size;
    block->next = memory->newest;
    memory->newest = block;
    return block->data;
}

void *memory_take_array(struct config_memory *memory, size_t count, size_t element_size)
{
    size_t size;

    if (__builtin_mul_overflow(count, element_size, &size))
        return NULL;
    return memory_take(memory, size);
}

char *memory_take_string(struct config_memory *memory, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memory_take(memory, size);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}
