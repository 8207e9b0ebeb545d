/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/engine/outbox/context.h>

static void test_only_the_first_failure_counts(void **state)
{
    struct context context = {.failure = OK};
    (void)state;

    outbox_fail(&context, ERROR_MEMORY, "out of memory");
    outbox_fail(&context, ERROR_CRYPTO, "a consequence");
    assert_int_equal(context.failure, ERROR_MEMORY);
    assert_string_equal(context.failure_reason, "out of memory");
}

/* The first outputs of splitmix64 with the seed 0, as its authors' program prints them. */
static void test_choices_are_splitmix64(void **state)
{
    static const uint64_t outputs[] = {UINT64_C(0xe220a8397b1dcdaf),
                                       UINT64_C(0x6e789e6aa1b965f4),
                                       UINT64_C(0x06c45d188009454f)};
    struct context context = {.random_state = 0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(outputs); i++)
        assert_true(context_random(&context) == outputs[i]);
}

UNIT_MAIN(cmocka_unit_test(test_only_the_first_failure_counts),
          cmocka_unit_test(test_choices_are_splitmix64))
