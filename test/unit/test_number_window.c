/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/number_window.h>

#include <stdbool.h>

static void test_each_number_once(void **state)
{
    struct number_window window;
    (void)state;

    assert_int_equal(number_window_init(&window, DATAGRAM_WINDOW), OK);
    for (uint64_t n = 0; n < 5000; n++) {
        assert_int_equal(number_window_check(&window, n), OK);
        assert_int_equal(number_window_check(&window, n), OK); /* asking takes nothing */
        number_window_mark(&window, n);
        assert_int_equal(number_window_check(&window, n), ERROR_REPLAY);
    }
    number_window_deinit(&window);
    number_window_deinit(&window);
}

static void test_edges_of_the_window(void **state)
{
    struct number_window window;
    (void)state;

    assert_int_equal(number_window_init(&window, SUBFLOW_WINDOW), OK);
    number_window_mark(&window, 20000);
    assert_int_equal(number_window_check(&window, 20000 - SUBFLOW_WINDOW), ERROR_REPLAY);
    assert_int_equal(number_window_check(&window, 20001 - SUBFLOW_WINDOW), OK);
    assert_int_equal(number_window_check(&window, 0), ERROR_REPLAY);
    assert_int_equal(number_window_check(&window, 19999), OK);
    number_window_mark(&window, 19999);
    assert_int_equal(number_window_check(&window, 19999), ERROR_REPLAY);
    /* Marking below the window changes nothing: 20000 - width has the bit of 20000. */
    number_window_mark(&window, 11808);
    number_window_mark(&window, 11807);
    assert_int_equal(number_window_check(&window, 11809), OK);
    assert_int_equal(window.end, 20001);
    number_window_deinit(&window);
}

static void test_jumps(void **state)
{
    struct number_window window;
    (void)state;

    assert_int_equal(number_window_init(&window, 64), OK);
    for (uint64_t n = 0; n < 64; n++)
        number_window_mark(&window, n);
    number_window_mark(&window, 64 + 63); /* all of the old ones leave */
    for (uint64_t n = 64; n < 64 + 63; n++)
        assert_int_equal(number_window_check(&window, n), OK);
    number_window_mark(&window, (UINT64_C(1) << 62) - 1); /* the largest varint */
    assert_int_equal(number_window_check(&window, 127), ERROR_REPLAY);
    assert_int_equal(number_window_check(&window, (UINT64_C(1) << 62) - 2), OK);
    assert_int_equal(number_window_check(&window, (UINT64_C(1) << 62) - 64), OK);
    assert_int_equal(number_window_check(&window, (UINT64_C(1) << 62) - 65), ERROR_REPLAY);
    number_window_deinit(&window);
}

/* A wider window knows what the narrow one knew, and takes the rest for used. */
static void test_growth(void **state)
{
    struct number_window window;
    (void)state;

    assert_int_equal(number_window_init(&window, 64), OK);
    for (uint64_t n = 0; n < 200; n += 2)
        number_window_mark(&window, n);
    assert_int_equal(number_window_grow(&window, 256), OK);
    assert_int_equal(window.end, 199);
    for (uint64_t n = 0; n < 200; n++)
        assert_int_equal(number_window_check(&window, n),
                         n < 199 - 64 || (n % 2 == 0 && n < 199) ? ERROR_REPLAY : OK);
    number_window_mark(&window, 340); /* 137 is still within reach now */
    assert_int_equal(number_window_check(&window, 137), OK);
    assert_int_equal(number_window_check(&window, 138), ERROR_REPLAY);
    number_window_deinit(&window);
}

/* Against a plain array, numbers drawn around a rising middle. */
static void test_against_a_model(void **state)
{
    enum { NUMBERS = 4000, WIDTH = 128 };
    static bool used[NUMBERS];
    struct number_window window;
    uint64_t random = 42;
    uint64_t end = 0;
    (void)state;

    assert_int_equal(number_window_init(&window, WIDTH), OK);
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t n;
        bool usable;

        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        n = (step / 6 + (random >> 40) % 400) % NUMBERS;
        usable = n >= end || (end - n <= WIDTH && !used[n]);
        assert_int_equal(number_window_check(&window, n), usable ? OK : ERROR_REPLAY);
        if (!usable || random >> 63 != 0)
            continue;
        number_window_mark(&window, n);
        used[n] = true;
        end = n >= end ? n + 1 : end;
    }
    assert_true(end > NUMBERS / 2);
    number_window_deinit(&window);
}

UNIT_MAIN(cmocka_unit_test(test_each_number_once),
          cmocka_unit_test(test_edges_of_the_window), cmocka_unit_test(test_jumps),
          cmocka_unit_test(test_growth), cmocka_unit_test(test_against_a_model))
