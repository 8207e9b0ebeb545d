/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/config/stamps.h>

#include <jansson.h>
#include <stdio.h>

static void test_the_newest_stays(void **state)
{
    json_t *section = stamps_with(NULL, "a", 7), *next;
    (void)state;

    assert_int_equal(stamps_get(section, "a"), 7);
    assert_int_equal(stamps_get(section, "b"), 0);
    assert_int_equal(stamps_get(NULL, "a"), 0);
    next = stamps_with(section, "a", 5);
    assert_int_equal(stamps_get(next, "a"), 7);
    json_decref(section);
    section = stamps_with(next, "b", UINT64_MAX);
    assert_int_equal(stamps_get(section, "a"), 7);
    assert_true(stamps_get(section, "b") == STAMP_MAX);
    assert_int_equal(stamps_get(next, "b"), 0);
    json_decref(next);
    json_decref(section);
}

static void test_old_relays_are_forgotten(void **state)
{
    json_t *section = NULL;
    char relay[16];
    (void)state;

    for (unsigned i = 1; i <= STAMPS_MAX + 10; i++) {
        json_t *next;

        snprintf(relay, sizeof(relay), "relay %u", i);
        next = stamps_with(section, relay, 1000 + i);
        assert_non_null(next);
        json_decref(section);
        section = next;
        assert_in_range(json_object_size(section), 1, STAMPS_MAX);
        assert_int_equal(stamps_get(section, relay), 1000 + i);
    }
    assert_int_equal(stamps_get(section, "relay 10"), 0);
    assert_int_equal(stamps_get(section, "relay 11"), 1011);
    json_decref(section);
}

static void test_what_is_damaged(void **state)
{
    static const char *const texts[] = {
        "[]", "5", "{\"a\": \"7\"}", "{\"a\": -7}", "{\"a\": 7.5}", "{\"a\": null}",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        json_t *section = json_loads(texts[i], JSON_DECODE_ANY, NULL), *next;

        assert_non_null(section);
        assert_int_equal(stamps_get(section, "a"), 0);
        next = stamps_with(section, "a", 9);
        assert_int_equal(stamps_get(next, "a"), 9);
        json_decref(next);
        json_decref(section);
    }
}

UNIT_MAIN(cmocka_unit_test(test_the_newest_stays),
          cmocka_unit_test(test_old_relays_are_forgotten),
          cmocka_unit_test(test_what_is_damaged))
