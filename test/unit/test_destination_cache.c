/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "addresses.h"

#include <splitsocks/proxy/destination_cache.h>

#define START (1000 * NS_PER_S)

static unsigned questions;
static struct address own;

static bool is_own(void *context, const struct address *address)
{
    (void)context;

    questions++;
    return memcmp(address->bytes, own.bytes, sizeof(own.bytes)) == 0;
}

static const struct destination_rules rules = {.is_own = is_own};

static void test_asks_once_in_a_while(void **state)
{
    struct destination_cache cache = {0};
    const struct address to = endpoint_of("8.8.8.8", 53);
    (void)state;

    own = address_of("9.9.9.9");
    questions = 0;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(destination_cache_check(&cache, &rules, &to, START + i), OK);
    assert_int_equal(questions, 1);
    own = address_of("8.8.8.8");
    assert_int_equal(
        destination_cache_check(&cache, &rules, &to, START + DESTINATION_CACHE_NS),
        ERROR_DENIED);
}

/* More addresses than there are places: each still gets its own verdict. */
static void test_verdicts_are_never_mixed_up(void **state)
{
    struct destination_cache cache = {0};
    struct address good = endpoint_of("8.8.0.0", 53), bad = endpoint_of("10.8.0.0", 53);
    (void)state;

    own = address_of("9.9.9.9");
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 4 * DESTINATION_CACHE_PLACES; i++) {
            good.bytes[2] = bad.bytes[2] = (uint8_t)(i >> 8);
            good.bytes[3] = bad.bytes[3] = (uint8_t)i;
            assert_int_equal(destination_cache_check(&cache, &rules, &good, START), OK);
            assert_int_equal(destination_cache_check(&cache, &rules, &bad, START),
                             ERROR_DENIED);
        }
    good.port = DESTINATION_PORT_CLOSED;
    assert_int_equal(destination_cache_check(&cache, &rules, &good, START), ERROR_DENIED);
}

UNIT_MAIN(cmocka_unit_test(test_asks_once_in_a_while),
          cmocka_unit_test(test_verdicts_are_never_mixed_up))
