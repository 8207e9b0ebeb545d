/* SPDX-License-Identifier: MIT */
/* Every reason for which a configuration is refused, in order, whatever bytes it is made
 * of.
 */
#include "config_local_parse.h"

#include <stdio.h>

static void expect_refusal_of(const char *text, size_t length, const char *message)
{
    struct config_local *config;
    struct config_error error;

    assert_int_not_equal(config_local_parse(text, length, "l.json", &config, &error), OK);
    assert_int_equal(error.count, 1);
    assert_string_equal(error.problems[0].text, message);
}

static void test_encodings(void **state)
{
    static const char utf16[] = "\xff\xfe{\0}\0", other16[] = "\xfe\xff\0{\0}",
                      utf32[] = "\xff\xfe\0\0{\0\0\0", unmarked[] = "{\0}\0",
                      latin[] = "{\n\"mode\": \"caf\xe9\" }", overlong[] = "{\"\xc0\xaf\"}";
    struct config_local *config = parse("\xef\xbb\xbf" WITH(AND("\"mode\": \"auto\"")));
    (void)state;

    assert_int_equal(config->policy.mode, CONFIG_MODE_AUTO);
    config_local_free(config);
    config = parse("{ \"relay\":\r\n{ \"host\": \"a\",\r\n\"public_key\": \"" KEY_1
                   "\" },\r\n \"private_key_file\": \"k\" }\r\n");
    config_local_free(config);
    expect_refusal_of(utf16, sizeof(utf16) - 1,
                      "l.json:1: found UTF-16; allowed: a text in UTF-8");
    expect_refusal_of(other16, sizeof(other16) - 1,
                      "l.json:1: found UTF-16; allowed: a text in UTF-8");
    expect_refusal_of(utf32, sizeof(utf32) - 1,
                      "l.json:1: found UTF-32; allowed: a text in UTF-8");
    expect_refusal_of(unmarked, sizeof(unmarked) - 1,
                      "l.json:1: found a zero byte, as in UTF-16 or in a file that was "
                      "damaged; allowed: a text in UTF-8");
    expect_refusal_of(latin, sizeof(latin) - 1,
                      "l.json:2: found the byte 0xe9, which is not UTF-8 (as in Latin-1 or "
                      "Windows-1252); allowed: a text in UTF-8");
    expect_refusal_of(overlong, sizeof(overlong) - 1,
                      "l.json:1: found the byte 0xc0, which is not UTF-8 (as in Latin-1 or "
                      "Windows-1252); allowed: a text in UTF-8");
}

/* In the order of the file, whatever the order in which they are found. */
static void test_all_errors_are_told(void **state)
{
    static const char text[] =
        "{ \"relay\": { \"ports\": [0, 1, 1] },\n"
        "  \"pool\": { \"size\": 2, \"idle\": 3,\n    \"burst\": 1 },\n"
        "  \"listen\": [ { \"port\": -1,\n    \"users\": { \"ann\": 5,\n \"bob\": \"\" } "
        "},\n"
        "    { \"protocol\": \"forward\" },\n    { \"modus\": 1 } ],\n"
        "  \"mode\": \"spilt\" }";
    static const char *const found[] = {
        "l.json:1: relay.ports[0]: found 0",
        "l.json:1: relay.ports[2]: ",
        "l.json:1: relay.host: ",
        "l.json:1: relay.public_key: ",
        "l.json:1: private_key_file: ",
        "l.json:2: pool.idle: ",
        "l.json:3: pool.burst: ",
        "l.json:4: listen[0].port: found -1",
        "l.json:5: listen[0].users.ann: ",
        "l.json:6: listen[0].users.bob: ",
        "l.json:7: listen[1].to: ",
        "l.json:7: listen[1].port: ",
        "l.json:8: listen[2].modus: ",
        "l.json:9: mode: found \"spilt\"",
    };
    struct config_local *config;
    struct config_error error;
    (void)state;

    assert_int_not_equal(config_local_parse(text, strlen(text), "l.json", &config, &error),
                         OK);
    for (size_t i = 0; i < error.count; i++)
        if (i >= ARRAY_LENGTH(found) ||
            strncmp(error.problems[i].text, found[i], strlen(found[i])) != 0)
            fail_msg("problem %zu: %s", i, error.problems[i].text);
    assert_int_equal(error.count, ARRAY_LENGTH(found));
    assert_int_equal(error.left_out, 0);
}

/* Names are looked at although something else is wrong, unless they could not be read. */
static void test_unknown_names_beside_other_errors(void **state)
{
    static const char text[] = WITH(AND("\"pool\": 1") AND(
        "\"rules\": [ { \"listener\": [\"a\", \"b\"], \"paths\": \"c\" } ]"));
    struct config_local *config;
    struct config_error error;
    (void)state;

    assert_int_not_equal(config_local_parse(text, strlen(text), "l.json", &config, &error),
                         OK);
    assert_int_equal(error.count, 4);
    assert_non_null(strstr(error.problems[1].text, "rules[0].listener[0]: found \"a\""));
    assert_non_null(strstr(error.problems[2].text, "rules[0].listener[1]: found \"b\""));
    assert_non_null(strstr(error.problems[3].text, "rules[0].paths: found \"c\""));
}

static void test_the_errors_are_bounded(void **state)
{
    char text[4096] = "{";
    struct config_local *config;
    struct config_error error;
    (void)state;

    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "\"k%d\": 1,", i);
    snprintf(text + strlen(text) - 1, 2, "}");
    assert_int_not_equal(config_local_parse(text, strlen(text), "l.json", &config, &error),
                         OK);
    assert_int_equal(error.count, CONFIG_PROBLEMS_MAX);
    assert_int_equal(error.left_out, 102 - CONFIG_PROBLEMS_MAX); /* two are missing */
}

static void test_the_other_sides_file(void **state)
{
    static const char relay[] = "{\n \"clients\": [], \"private_key_file\": \"k\",\n"
                                " \"listen\": [ { \"ports\": [1] } ] }";
    struct config_local *config;
    struct config_error error;
    (void)state;

    assert_int_equal(config_local_parse(relay, strlen(relay), "l.json", &config, &error),
                     ERROR_INVALID);
    assert_int_equal(error.count, 1);
    assert_string_equal(
        error.problems[0].text,
        "l.json:2: clients: found a key of the other side: this is the "
        "configuration of a relay; allowed: that of a local (for this file: "
        "splitsocks check relay, splitsocks relay -c)");
    assert_true(config_is_of_relay(relay, strlen(relay)));
    assert_false(config_is_of_relay("{", 1));
    assert_false(config_is_of_relay(WITH(AND("\"workers\": 2")),
                                    sizeof(WITH(AND("\"workers\": 2"))) - 1));
    /* One key that is out of place does not make it the other side's. */
    assert_int_equal(config_local_parse(WITH(AND("\"workers\": 2")),
                                        sizeof(WITH(AND("\"workers\": 2"))) - 1, "l.json",
                                        &config, &error),
                     ERROR_INVALID);
    assert_int_equal(error.count, 1);
    assert_non_null(strstr(error.problems[0].text, "l.json:4: workers: unknown key;"));
}

UNIT_MAIN(cmocka_unit_test(test_encodings), cmocka_unit_test(test_all_errors_are_told),
          cmocka_unit_test(test_unknown_names_beside_other_errors),
          cmocka_unit_test(test_the_errors_are_bounded),
          cmocka_unit_test(test_the_other_sides_file))
