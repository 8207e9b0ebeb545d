/* SPDX-License-Identifier: MIT */
/* TAP by hand: the simulator links nothing but the layers below it. */
#ifndef TEST_SIM_TAP_H
#define TEST_SIM_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count;
static int tap_failures;

__attribute__((format(printf, 2, 3), unused)) static bool tap_ok(bool good,
                                                                 const char *format, ...)
{
    va_list arguments;

    printf("%s %d - ", good ? "ok" : "not ok", ++tap_count);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    tap_failures += !good;
    return good;
}

/* Prints the plan; the result is for main() to return. */
__attribute__((unused)) static int tap_end(void)
{
    printf("1..%d\n", tap_count);
    return tap_failures > 0;
}

#endif
