/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/number_window.h>

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64

int number_window_init(struct number_window *window, uint32_t width)
{
    assert(width >= WORD_BITS && (width & (width - 1)) == 0);
    *window = (struct number_window){.width = width};
    window->used = calloc(width / WORD_BITS, sizeof(*window->used));
    return window->used == NULL ? ERROR_MEMORY : OK;
}

void number_window_deinit(struct number_window *window)
{
    free(window->used);
    window->used = NULL;
}

static uint64_t *word_of(const struct number_window *window, uint64_t number)
{
    return &window->used[(number & (window->width - 1)) / WORD_BITS];
}

static uint64_t bit_of(uint64_t number)
{
    return UINT64_C(1) << (number % WORD_BITS);
}

int number_window_check(const struct number_window *window, uint64_t number)
{
    if (number >= window->end)
        return OK;
    if (window->end - number > window->width ||
        (*word_of(window, number) & bit_of(number)) != 0)
        return ERROR_REPLAY;
    return OK;
}

/* Moves the window up so that `number` is its highest; the numbers that enter are unused.
 * The amortised cost is one step for each number. */
static void move_up(struct number_window *window, uint64_t number)
{
    if (number - window->end >= window->width) {
        memset(window->used, 0, window->width / 8);
    } else {
        for (uint64_t i = window->end; i <= number; i++)
            *word_of(window, i) &= ~bit_of(i);
    }
    window->end = number + 1;
}

void number_window_mark(struct number_window *window, uint64_t number)
{
    if (number_window_check(window, number) != OK)
        return;
    if (number >= window->end)
        move_up(window, number);
    *word_of(window, number) |= bit_of(number);
}

int number_window_grow(struct number_window *window, uint32_t width)
{
    struct number_window wider;
    uint64_t first = window->end - MIN(window->end, width);

    if (number_window_init(&wider, width) != OK)
        return ERROR_MEMORY;
    wider.end = window->end;
    for (uint64_t number = first; number < window->end; number++)
        if (number_window_check(window, number) != OK)
            *word_of(&wider, number) |= bit_of(number);
    number_window_deinit(window);
    *window = wider;
    return OK;
}
