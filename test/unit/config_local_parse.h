/* SPDX-License-Identifier: MIT */
/* Shared by the tests of local.json. */
#ifndef TEST_UNIT_CONFIG_LOCAL_PARSE_H
#define TEST_UNIT_CONFIG_LOCAL_PARSE_H

#include "config_parse.h"
#include "unit.h"

#include <splitsocks/config/config_local.h>

/* The members that must be there, on lines 1 to 3; more follow from line 4 on. */
#define WITH(members) \
    "{ \"relay\": { \"host\": \"vps.example.net\",\n" \
    "  \"public_key\": \"" KEY_1 "\" },\n" \
    "  \"private_key_file\": \"local.key\"" members "}"
#define AND(member) ",\n" member
/* A message about line 4. */
#define FOUND(path, found, allowed) "l.json:4: " path ": found " found "; allowed: " allowed

/* A text that must be accepted. The caller frees the result. */
static inline struct config_local *parse(const char *text)
{
    struct config_local *config;
    struct config_error error;

    if (config_local_parse(text, strlen(text), "l.json", &config, &error) != OK)
        fail_msg("%s", error.problems[0].text);
    return config;
}

static inline void expect_refusal(const char *text, enum error code, const char *message)
{
    struct config_local *config;
    struct config_error error;

    assert_int_equal(config_local_parse(text, strlen(text), "l.json", &config, &error),
                     code);
    assert_null(config);
    assert_int_equal(error.problems[0].code, code);
    assert_string_equal(error.problems[0].text, message);
}

static inline void expect_refusals(const struct refusal *refusals, size_t count,
                                   enum error code)
{
    for (size_t i = 0; i < count; i++)
        expect_refusal(refusals[i].text, code, refusals[i].message);
}

#endif
