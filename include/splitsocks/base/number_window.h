/* SPDX-License-Identifier: MIT */
/*
 * Remembers which numbers were used, through a window that ends at the highest one: each
 * number is accepted once, and a number below the window never. number_window_check() asks
 * and number_window_mark() marks, so that a number is marked only after the message that
 * carries it has proved to be authentic.
 *
 * Subflow numbers use a window of SUBFLOW_WINDOW, datagrams begin with one of
 * DATAGRAM_WINDOW.
 */
#ifndef SPLITSOCKS_NUMBER_WINDOW_H
#define SPLITSOCKS_NUMBER_WINDOW_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stdint.h>

#define SUBFLOW_WINDOW 8192
#define DATAGRAM_WINDOW 1024

struct number_window {
    uint64_t *used; /* owned; one bit for each number in the window, at number % width */
    uint32_t width; /* numbers; a power of two, at least 64 */
    uint64_t end;   /* one above the highest number marked; the window is the `width`
                       numbers below it; bits of numbers never marked are zero */
};

/* Takes width / 8 bytes. Returns OK or ERROR_MEMORY. */
int number_window_init(struct number_window *window, uint32_t width) MUST_CHECK;
/* Makes the window wider: `width` as above, and at least the present one. The numbers that
 * it reaches back to count as used. Returns OK, or ERROR_MEMORY without a change. */
int number_window_grow(struct number_window *window, uint32_t width) MUST_CHECK;
/* Safe on a zeroed window, and twice. */
void number_window_deinit(struct number_window *window);

/* Returns OK when `number` may still be used, else ERROR_REPLAY. */
int number_window_check(const struct number_window *window, uint64_t number) MUST_CHECK;
/* Marks `number` used; the window moves up if it is the highest so far. Marking one that
 * number_window_check() refuses changes nothing. `number` is below UINT64_MAX. */
void number_window_mark(struct number_window *window, uint64_t number);

#endif
