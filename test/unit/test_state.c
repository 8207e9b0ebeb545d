/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/config/state.h>
#include <splitsocks/config/usage.h>

#include <jansson.h>
#include <stdlib.h>

static json_t *parse(const char *text)
{
    json_t *document;

    assert_int_equal(state_parse(text, strlen(text), &document), OK);
    assert_non_null(document);
    return document;
}

static void test_sections(void **state)
{
    json_t *document = state_new();
    char *text;
    (void)state;

    assert_non_null(document);
    assert_null(state_section(document, "one"));
    assert_int_equal(state_set_section(document, "one", json_pack("{s:i}", "a", 1)), OK);
    assert_int_equal(state_set_section(document, "one", json_pack("{s:i}", "a", 2)), OK);
    assert_int_equal(state_set_section(document, "two", NULL), ERROR_MEMORY);
    text = state_format(document);
    assert_non_null(text);
    json_decref(document);
    document = parse(text);
    assert_int_equal(json_integer_value(json_object_get(state_section(document, "one"), "a")),
                     2);
    assert_null(state_section(document, "two"));
    json_decref(document);
    free(text);
}

/* A later version may have sections that this one does not know. */
static void test_unknown_sections_stay(void **state)
{
    json_t *document = parse("{\"splitsocks_state\": 1, \"later\": [1, {\"x\": null}]}");
    json_t *again;
    char *text;
    (void)state;

    assert_int_equal(state_set_section(document, "one", json_object()), OK);
    text = state_format(document);
    assert_non_null(text);
    again = parse(text);
    assert_true(json_equal(again, document));
    assert_int_equal(json_array_size(state_section(again, "later")), 2);
    json_decref(again);
    json_decref(document);
    free(text);
}

static void test_what_is_none(void **state)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"", ERROR_MALFORMED},
        {"{}", ERROR_MALFORMED},
        {"[1]", ERROR_MALFORMED},
        {"{\"splitsocks_state\": 1", ERROR_MALFORMED},
        {"{\"splitsocks_state\": 1} more", ERROR_MALFORMED},
        {"{\"splitsocks_state\": \"1\"}", ERROR_MALFORMED},
        {"{\"splitsocks_state\": 0}", ERROR_MALFORMED},
        {"{\"splitsocks_state\": 2}", ERROR_UNSUPPORTED},
        {"splitsocks usage 1\nmonth 2026-11\n", ERROR_MALFORMED},
        {"splitsocks usage 2\nmonth 2026-11\nend\n", ERROR_MALFORMED},
    };
    json_t *document;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_int_equal(state_parse(cases[i].text, strlen(cases[i].text), &document),
                         cases[i].error);
        assert_null(document);
    }
}

/* The program wrote this before the file had sections. */
static void test_the_text_of_old(void **state)
{
    json_t *document = parse("splitsocks usage 1\nmonth 2026-11\n5 wwan0\nend\n");
    struct usage usage;
    (void)state;

    assert_int_equal(usage_read(&usage, state_section(document, "usage")), OK);
    assert_int_equal(usage.month, (2026 - 1970) * 12 + 10);
    assert_int_equal(usage_get(&usage, "wwan0"), 5);
    usage_deinit(&usage);
    json_decref(document);
}

UNIT_MAIN(cmocka_unit_test(test_sections), cmocka_unit_test(test_unknown_sections_stay),
          cmocka_unit_test(test_what_is_none), cmocka_unit_test(test_the_text_of_old))
