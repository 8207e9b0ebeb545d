/* SPDX-License-Identifier: MIT */
/* Every unit test program includes this: cmocka with its prerequisites, and TAP output. */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

/* Ends the test's function, since the test cannot run here. Automake's TAP driver takes
 * cmocka's own skip() for a failure, so the test passes, and its output says why. */
#define UNIT_SKIP(reason) \
    do { \
        print_message("# skipped: %s\n", reason); \
        return; \
    } while (0)

/* Runs the group and prints TAP for automake's driver. */
#define UNIT_MAIN(...) \
    int main(void) \
    { \
        const struct CMUnitTest tests[] = {__VA_ARGS__}; \
        cmocka_set_message_output(CM_OUTPUT_TAP); \
        return cmocka_run_group_tests(tests, NULL, NULL); \
    }

#endif
