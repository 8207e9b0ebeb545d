/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/proxy/family_memory.h>

#define START (1000 * NS_PER_S)

static void avoid_ipv6(struct family_memory *memory)
{
    *memory = (struct family_memory){.suspect = ADDRESS_NONE};
    for (unsigned i = 0; i < FAMILY_MEMORY_LOSSES; i++) {
        assert_int_equal(family_memory_avoid(memory, START), ADDRESS_NONE);
        assert_int_equal(family_memory_overtaken(memory, ADDRESS_IPV6, START),
                         i == FAMILY_MEMORY_LOSSES - 1);
        family_memory_won(memory, ADDRESS_IPV4);
    }
    assert_int_equal(family_memory_avoid(memory, START), ADDRESS_IPV6);
}

static void test_what_is_overtaken_again_and_again_is_avoided(void **state)
{
    struct family_memory memory;
    (void)state;

    avoid_ipv6(&memory);
    /* Races that began before change nothing. */
    assert_false(family_memory_overtaken(&memory, ADDRESS_IPV6, START + 1));
    assert_int_equal(family_memory_avoid(&memory, START + FAMILY_MEMORY_RETRY_NS - 1),
                     ADDRESS_IPV6);
}

static void test_one_connection_of_many_tries_it_again(void **state)
{
    struct family_memory memory;
    uint64_t now = START, retry_after_ns = FAMILY_MEMORY_RETRY_NS;
    (void)state;

    avoid_ipv6(&memory);
    for (unsigned i = 0; i < 8; i++) {
        now += retry_after_ns;
        assert_int_equal(family_memory_avoid(&memory, now), ADDRESS_NONE);
        assert_int_equal(family_memory_avoid(&memory, now), ADDRESS_IPV6);
        assert_false(family_memory_overtaken(&memory, ADDRESS_IPV6, now));
        retry_after_ns = MIN(2 * retry_after_ns, FAMILY_MEMORY_RETRY_MAX_NS);
        assert_int_equal(family_memory_avoid(&memory, now + retry_after_ns - 1),
                         ADDRESS_IPV6);
    }
}

static void test_what_wins_is_not_avoided(void **state)
{
    struct family_memory memory;
    (void)state;

    avoid_ipv6(&memory);
    family_memory_won(&memory, ADDRESS_IPV6);
    assert_int_equal(family_memory_avoid(&memory, START), ADDRESS_NONE);
    /* In a row, and of one family. */
    assert_false(family_memory_overtaken(&memory, ADDRESS_IPV6, START));
    assert_false(family_memory_overtaken(&memory, ADDRESS_IPV4, START));
    assert_false(family_memory_overtaken(&memory, ADDRESS_IPV6, START));
    assert_int_equal(family_memory_avoid(&memory, START), ADDRESS_NONE);
}

UNIT_MAIN(cmocka_unit_test(test_what_is_overtaken_again_and_again_is_avoided),
          cmocka_unit_test(test_one_connection_of_many_tries_it_again),
          cmocka_unit_test(test_what_wins_is_not_avoided))
