/* SPDX-License-Identifier: MIT */
/* The limits of single connections in the status document, and in words. */
#include "session_pair.h"

#include "../../src/app/status_view.h"

#include <splitsocks/engine/path/path_limits.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/status/status.h>

#include "../../src/engine/session/session_parts.h"

#include <string.h>

#define PATHS 2

static const uint16_t ports[] = {443, 8000};

static struct pair *connected(struct stream **stream)
{
    struct session_config config = pair_config();

    config.path_count = PATHS;
    config.port_count = ARRAY_LENGTH(ports);
    config.budget_up = 20000;
    config.budget_down = SESSION_UNLIMITED;
    return pair_connected(&config, stream);
}

static json_t *describe(const struct pair *pair)
{
    static const struct status_path paths[PATHS] = {{.name = "wlan0"}, {.name = "wwan0"}};
    const struct status_source source = {
        .session = pair->local,
        .paths = paths,
        .path_count = PATHS,
        .ports = ports,
        .port_count = ARRAY_LENGTH(ports),
    };
    json_t *document = status_describe(&source, pair->now);

    assert_non_null(document);
    return document;
}

static struct path_limits *limits_of(struct pair *pair, unsigned path)
{
    return &pair->local->paths.items[path].limits;
}

static const json_t *port_of(const json_t *document, unsigned path, unsigned port)
{
    const json_t *list =
        json_object_get(json_array_get(json_object_get(document, "paths"), path), "ports");
    const json_t *item;
    size_t index;

    json_array_foreach(list, index, item)
        if (json_integer_value(json_object_get(item, "port")) == port)
            return item;
    return NULL;
}

/* Connections froze after 16 kB down; 12 may be open, and 10 begun in a second. */
static void teach(struct port_limits *port)
{
    static const struct profile_memory memory[PROFILE_COORDINATES] = {
        [PROFILE_DOWN] = {.position = 16384, .kind = PROFILE_KIND_FREEZE},
    };
    const struct profile_network network = {.round_trip_ns = 50 * NS_PER_MS,
                                            .replaced_after_ns = 100 * NS_PER_MS};

    assert_int_equal(profile_load(&port->profile, memory), OK);
    (void)profile_judge(&port->profile, &network, 1000 * NS_PER_S);
    port->dials.connections = 12;
    port->dials.syns = 10;
}

static void check_words(const json_t *document, const char *expected, bool present)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    assert_non_null(stream);
    status_explain(document, stream);
    fclose(stream);
    if ((strstr(text, expected) != NULL) != present)
        fail_msg("%s in: %s", present ? "not there" : "there", text);
    free(text);
}

static void test_nothing_is_limited(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    json_t *document;
    const json_t *port;
    (void)state;

    assert_non_null(path_limits_of(limits_of(pair, 0), 0));
    document = describe(pair);
    port = port_of(document, 0, 443);
    assert_non_null(port);
    assert_true(json_is_null(json_object_get(port, "limit")));
    assert_int_equal(view_number(port, "budget_up_bytes"), 20000);
    assert_true(json_is_null(json_object_get(port, "budget_down_bytes")));
    assert_true(json_is_null(json_object_get(port, "connections_max")));
    assert_true(json_is_null(json_object_get(port, "dials_per_second_max")));
    assert_int_equal(json_array_size(json_object_get(port, "says")), 0);
    check_words(document, ", port ", false);
    check_words(document, "pay while data waits", false);
    json_decref(document);
    pair_release_all(pair, stream);
    pair_free(pair);
}

static void test_what_was_learned(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    json_t *document;
    const json_t *port, *limit;
    (void)state;

    teach(path_limits_of(limits_of(pair, 1), 1));
    limits_of(pair, 1)->slots.wanted = 11;
    document = describe(pair);
    port = port_of(document, 1, 8000);
    assert_non_null(port);
    limit = json_object_get(port, "limit");
    assert_string_equal(view_text(limit, "kind"), "freeze");
    assert_string_equal(view_text(limit, "of"), "down");
    assert_in_range(view_number(limit, "position_bytes"), 15000, 17000);
    assert_in_range(view_number(limit, "budget_bytes"), 10000, 17000);
    assert_true(view_number(limit, "budget_bytes") ==
                view_number(port, "budget_down_bytes"));
    assert_true(json_is_null(json_object_get(limit, "position_ms")));
    assert_true(view_number(limit, "confidence") >= PROFILE_CERTAIN);
    assert_int_equal(view_number(port, "connections_max"), 12);
    assert_true(view_number(port, "dials_per_second_max") == 10);
    check_words(document,
                "wwan0, port 8000: connections freeze after about 16 kB down; each "
                "carries ",
                true);
    check_words(document,
                " now; at most 12 connections can be open; at most 10 connections "
                "can be begun in a second.\n",
                true);
    check_words(document, "wwan0: 11 connections pay while data waits.\n", true);
    check_words(document, "wlan0, port", false);
    json_decref(document);
    pair_release_all(pair, stream);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_nothing_is_limited),
          cmocka_unit_test(test_what_was_learned))
