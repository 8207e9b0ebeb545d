/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/status/limit_text.h>

static void check(const struct session_limit *limit, const char *where,
                  const char *expected)
{
    char text[LIMIT_TEXT_SIZE];

    assert_string_equal(limit_text(limit, where, text), expected);
}

static void test_what_connections_carry(void **state)
{
    struct session_limit limit = {
        .kind = SESSION_LIMIT_CARRIED,
        .finding = {.kind = PROFILE_KIND_FREEZE,
                    .coordinate = PROFILE_DOWN,
                    .position = 16384,
                    .budget = 13100},
    };
    (void)state;

    check(&limit, "on path wlan0, port 443",
          "connections on path wlan0, port 443 freeze after about 16 kB down; each carries "
          "13 kB now");
    limit.finding.kind = PROFILE_KIND_RESET;
    limit.finding.coordinate = PROFILE_SUM;
    check(
        &limit, "",
        "connections are reset after about 16 kB up and down together; each carries 13 kB "
        "now");
    limit.finding = (struct profile_finding){.kind = PROFILE_KIND_SLOW,
                                             .coordinate = PROFILE_UP,
                                             .position = 300000,
                                             .budget = 300000};
    check(
        &limit, "on port 443",
        "connections on port 443 become slower after about 300 kB up; each carries 300 kB "
        "now");
    limit.finding = (struct profile_finding){.kind = PROFILE_KIND_FREEZE,
                                             .coordinate = PROFILE_AGE,
                                             .position = 60 * NS_PER_S,
                                             .budget = 55 * NS_PER_S};
    check(&limit, "", "connections freeze after about 60 s; each is used for 55 s now");
    limit.lifted = true;
    check(
        &limit, "on path wlan0, port 443",
        "connections on path wlan0, port 443 are no longer limited in how much they carry");
}

static void test_how_many_connections(void **state)
{
    struct session_limit limit = {.kind = SESSION_LIMIT_OPEN, .connections = 12};
    (void)state;

    check(&limit, "on path wlan0, port 443",
          "at most 12 connections can be open on path wlan0, port 443");
    limit.lifted = true;
    check(&limit, "on port 443",
          "the number of connections that can be open on port 443 is no longer limited");
    limit = (struct session_limit){.kind = SESSION_LIMIT_DIALS, .dials_per_second = 10.04};
    check(&limit, "", "at most 10 connections can be begun in a second");
    limit.lifted = true;
    check(&limit, "",
          "the number of connections that can be begun in a second is no longer limited");
}

UNIT_MAIN(cmocka_unit_test(test_what_connections_carry),
          cmocka_unit_test(test_how_many_connections))
