/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "../../src/config/nearest.h"
#include "../../src/config/place.h"

static const char text[] = "\n"                            /* 1 */
                           "{ \"a\" : 1,\n"                /* 2 */
                           "  \"b,\\\"{\": [ \"}]\", {\n"  /* 3 */
                           "    \"c\"\n"                   /* 4 */
                           "      : [1,2\n"                /* 5 */
                           "        ,3], \"d\": {} }\n"    /* 6 */
                           "  ], \"e\":\n"                 /* 7 */
                           "  {\"f\":-1.5e3,\"g\":null}\n" /* 8 */
                           "}\n";

static void expect(const struct place *place, unsigned line, const char *path)
{
    char formatted[64];

    assert_int_equal(place_position(place, text, sizeof(text) - 1).line, line);
    place_format(place, formatted, sizeof(formatted));
    assert_string_equal(formatted, path);
}

static void test_lines_and_paths(void **state)
{
    struct place top = {.parent = NULL};
    struct place a = {&top, "a", 0}, b = {&top, "b", 1}, e = {&top, "e", 2};
    struct place b0 = {&b, NULL, 0}, b1 = {&b, NULL, 1};
    struct place c = {&b1, "c", 0}, d = {&b1, "d", 1};
    struct place c1 = {&c, NULL, 1}, c2 = {&c, NULL, 2};
    struct place f = {&e, "f", 0}, g = {&e, "g", 1}, absent = {&e, "h", PLACE_MISSING};
    (void)state;

    expect(&top, 2, "");
    expect(&a, 2, "a");
    expect(&b, 3, "b");
    expect(&b0, 3, "b[0]");
    expect(&b1, 3, "b[1]");
    expect(&c, 4, "b[1].c");
    expect(&c1, 5, "b[1].c[1]");
    expect(&c2, 6, "b[1].c[2]");
    expect(&d, 6, "b[1].d");
    expect(&e, 7, "e"); /* where the key stands */
    expect(&f, 8, "e.f");
    expect(&g, 8, "e.g");
    expect(&absent, 7, "e.h");
}

static void test_path_is_cut(void **state)
{
    struct place top = {.parent = NULL};
    struct place long_one = {&top, "abcdefghij", 0}, below = {&long_one, NULL, 7};
    char path[8];
    (void)state;

    place_format(&below, path, sizeof(path));
    assert_string_equal(path, "abcdefg");
}

/* The path of what was begun before the first '@'. */
static void expect_at(const char *broken, const char *path)
{
    char formatted[64];

    place_format_at(broken, strlen(broken), (size_t)(strchr(broken, '@') - broken),
                    formatted, sizeof(formatted));
    assert_string_equal(formatted, path);
}

static void test_paths_of_broken_texts(void **state)
{
    (void)state;

    expect_at("@", "");
    expect_at("{@", "");
    expect_at("{\"a\"@", "a");
    expect_at("{\"a\":[@", "a[0]");
    expect_at("{\"a\":[1,[2,3],{\"b\":@", "a[2].b");
    expect_at("{\"a\":[1,[2,3@", "a[1][1]");
    expect_at("{\"a\":{\"b\":\"c\"},\"d\":\"e\"@", "d");
    expect_at("{\"a\":{\"b\":\"c\"},@", "");
    expect_at("[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]],2@", "[1]");
    expect_at("]}]}{\"a\",,,:@", "");
}

/* Whatever the text, the walk ends and stays inside (the sanitizers tell). */
static void test_no_text_is_too_broken(void **state)
{
    static const char *const broken[] = {
        "", "\"", "\"\\", "{\"a", "{\"a\"", "{\"a\":", "[", "[[", "]", "}", "\\", ":", "{]",
    };
    struct place top = {.parent = NULL};
    struct place a = {&top, "a", 1}, b = {&a, NULL, 1000}, c = {&b, "c", 1};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        size_t length = strlen(broken[i]);
        char *exact = test_malloc(length + 1); /* cmocka guards the end */

        memcpy(exact, broken[i], length);
        assert_int_equal(place_position(&c, exact, length).line, 1);
        test_free(exact);
    }
}

static void test_nearest(void **state)
{
    static const char *const names[] = {"size", "idle", "burst", "dials_per_second"};
    static const struct {
        const char *typed;
        size_t index;
    } examples[] = {
        {"sise", 0},          {"sizes", 0},
        {"SIZE", 0},          {"szie", 0},
        {"idel", 1},          {"brust", 2},
        {"burts", 2},         {"bust", 2},
        {"dials_per_sec", 3}, {"dial_per_seconds", 3},
    };
    char endless[1000];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++)
        assert_int_equal(nearest_name(examples[i].typed, names, ARRAY_LENGTH(names)),
                         examples[i].index);
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    assert_true(nearest_name(endless, names, ARRAY_LENGTH(names)) < ARRAY_LENGTH(names));
    assert_int_equal(nearest_name("", names, 0), 0);
}

UNIT_MAIN(cmocka_unit_test(test_lines_and_paths), cmocka_unit_test(test_path_is_cut),
          cmocka_unit_test(test_paths_of_broken_texts),
          cmocka_unit_test(test_no_text_is_too_broken), cmocka_unit_test(test_nearest))
