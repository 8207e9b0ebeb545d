/* SPDX-License-Identifier: MIT */
/* Memory runs out at each allocation in turn: an error each time, and nothing leaks (the
 * sanitizers and valgrind tell). */
#include "unit.h"

#include "config_parse.h"

#include <splitsocks/config/config_local.h>
#include <splitsocks/config/config_relay.h>

#include <limits.h>
#include <stdbool.h>

static int allocations_left; /* of those in the layer itself; jansson's always succeed */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return allocations_left-- > 0 ? __real_calloc(count, size) : NULL;
}

static const char local_text[] =
    "{ \"relay\": { \"host\": \"a\", \"public_key\": \"" KEY_1 "\" },\n"
    "  \"private_key_file\": \"k\", \"paths\": [ { \"interface\": \"b\" },\n"
    "    { \"source\": \"::1\" } ],\n"
    "  \"rules\": [ { \"host\": [\"a\"], \"cidr\": \"::1\", \"port\": 1,\n"
    "    \"listener\": \"l\", \"paths\": \"b\" } ],\n"
    "  \"listen\": [ { \"users\": { \"c\": \"d\" }, \"name\": \"l\" },\n"
    "    { \"protocol\": \"forward\", \"port\": 1, \"to\": \"a:1\" },\n"
    "    { \"address\": \"::\" }, { \"address\": \"0.0.0.0\" } ],\n"
    "  \"dns\": { \"servers\": [\"::1\"] } }";

static const char relay_text[] =
    "{ \"private_key_file\": \"k\", \"destinations\": { \"allow\": [\"10.0.0.0/8\"] },\n"
    "  \"clients\": [ { \"name\": \"a\", \"public_key\": \"" KEY_1 "\" } ] }";

static bool parse_local(struct config_error *error)
{
    struct config_local *config;
    int code = config_local_parse(local_text, strlen(local_text), "x", &config, error);

    assert_true(code == OK || code == ERROR_MEMORY);
    assert_true((code == OK) == (config != NULL));
    config_local_free(config);
    return code == OK;
}

static bool parse_relay(struct config_error *error)
{
    struct config_relay *config;
    int code = config_relay_parse(relay_text, strlen(relay_text), "x", &config, error);

    assert_true(code == OK || code == ERROR_MEMORY);
    assert_true((code == OK) == (config != NULL));
    config_relay_free(config);
    return code == OK;
}

static void fail_each(bool (*parse)(struct config_error *error))
{
    struct config_error error;
    int needed = 0;

    for (;; needed++) {
        allocations_left = needed;
        if (parse(&error))
            break;
        assert_string_equal(error.problems[0].text, "x: out of memory");
        assert_int_equal(error.problems[0].line, 0);
    }
    assert_int_equal(allocations_left, 0);
    assert_true(needed > 5);
    allocations_left = INT_MAX;
}

static void test_local(void **state)
{
    (void)state;
    fail_each(parse_local);
}

static void test_relay(void **state)
{
    (void)state;
    fail_each(parse_relay);
}

UNIT_MAIN(cmocka_unit_test(test_local), cmocka_unit_test(test_relay))
