/* SPDX-License-Identifier: MIT */
/* What a state file keeps of the limits of connections and of dials. */
#include "session_pair.h"

#include "../../src/engine/session/session_parts.h"

#include <splitsocks/config/state.h>
#include <splitsocks/engine/session/session_status.h>
#include <splitsocks/io/state_file.h>
#include <splitsocks/local/limit_memory.h>

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#define FREEZE 40000
#define HOME 7 /* signatures of networks */
#define AWAY 8

static uint16_t port_numbers[] = {443};
static const struct config_ports ports = {.items = port_numbers,
                                          .count = ARRAY_LENGTH(port_numbers)};
static char path[64];
static struct state_file file;

static int begin(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/test_limit_memory.%ld", (long)getpid());
    state_file_init(&file, path, LOG_DEBUG);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static struct pair *connected(struct stream **stream)
{
    const struct session_config config = pair_config();

    return pair_connected(&config, stream);
}

static void finish(struct pair *pair, struct stream *stream)
{
    pair_release_all(pair, stream);
    pair_free(pair);
}

/* What the file has for path wlan0, port 443 and the direction down; 0: nothing. */
static json_int_t in_file(void)
{
    json_t *document = state_file_read(&file);
    const json_t *name = json_object_get(state_section(document, "limits"), "wlan0");
    json_int_t position = json_integer_value(
        json_object_get(json_object_get(json_object_get(name, "443"), "down"), "position"));

    json_decref(document);
    return position;
}

/* A session learns a limit. */
static void learn(struct limit_memory *memory)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);

    pair->freeze_down = FREEZE;
    limit_memory_load(memory, 0, "wlan0", HOME, pair->local, pair->now);
    assert_true(pair_download(pair, stream, 4 * MIB, 60000));
    limit_memory_keep(memory, 0, "wlan0", pair->local);
    finish(pair, stream);
}

/* Whether a new session knows the limit before it has met it. */
static bool knows(struct limit_memory *memory, uint64_t signature)
{
    const struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct stream *stream;
    struct port_status status;
    bool known;

    limit_memory_load(memory, 0, "wlan0", signature, pair->local, pair->now);
    stream = pair_open(pair, NULL);
    pair_run_ms(pair, 1000);
    known = session_port_status(pair->local, 0, 0, &status) && status.found;
    if (known)
        assert_in_range(status.budget_down, 1000, FREEZE);
    finish(pair, stream);
    return known;
}

static void test_the_next_session_knows(void **state)
{
    struct limit_memory memory, next_run;
    (void)state;

    limit_memory_init(&memory, &file, &ports);
    assert_false(knows(&memory, HOME));
    learn(&memory);
    assert_in_range(in_file(), FREEZE / 2, FREEZE);
    assert_true(knows(&memory, HOME));
    limit_memory_init(&next_run, &file, &ports);
    assert_true(knows(&next_run, AWAY));
}

static void test_another_network_is_another_matter(void **state)
{
    struct limit_memory memory;
    (void)state;

    limit_memory_init(&memory, &file, &ports);
    learn(&memory);
    assert_false(knows(&memory, AWAY));
    assert_int_equal(in_file(), 0);
}

static void test_a_limit_that_is_lifted_is_removed(void **state)
{
    struct limit_memory memory;
    struct stream *stream;
    struct pair *pair;
    (void)state;

    limit_memory_init(&memory, &file, &ports);
    learn(&memory);
    pair = connected(&stream);
    /* This session has learned of no limit. It keeps what others know until there are
     * news. */
    limit_memory_keep(&memory, 0, "wlan0", pair->local);
    assert_true(in_file() > 0);
    limit_memory_note(&memory, 0, "wlan0", 0, pair->local);
    assert_int_equal(in_file(), 0);
    finish(pair, stream);
}

/* What a new session knows of the port before it has dialled. */
static struct port_status remembered(struct limit_memory *memory)
{
    const struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct port_status status;

    limit_memory_load(memory, 0, "wlan0", HOME, pair->local, pair->now);
    session_port_status(pair->local, 0, 0, &status);
    finish(pair, pair_open(pair, NULL));
    return status;
}

static void test_the_number_and_the_rate_are_remembered(void **state)
{
    struct limit_memory memory;
    struct stream *stream;
    struct pair *pair = connected(&stream);
    struct dial_limit *dials =
        &path_limits_of(&pair->local->paths.items[0].limits, 0)->dials;
    struct port_status status;
    (void)state;

    limit_memory_init(&memory, &file, &ports);
    dials->connections = 12;
    dials->syns = 9.5;
    limit_memory_keep(&memory, 0, "wlan0", pair->local);
    status = remembered(&memory);
    assert_int_equal(status.connections, 12);
    assert_true(status.dials_per_second == 9.5);
    assert_false(status.found);
    /* The dials of this session itself count for more. */
    dials->connections = DIAL_LIMIT_NONE;
    limit_memory_load(&memory, 0, "wlan0", HOME, pair->local, pair->now);
    assert_true(dials->connections == DIAL_LIMIT_NONE);
    dials->syns = 0;
    limit_memory_note(&memory, 0, "wlan0", 0, pair->local);
    status = remembered(&memory);
    assert_int_equal(status.connections, 0);
    assert_true(status.dials_per_second == 0);
    finish(pair, stream);
}

static void write_file(const char *text)
{
    FILE *stream = fopen(path, "w");

    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static void test_nonsense_is_ignored(void **state)
{
    static const char *const texts[] = {
        "{\"splitsocks_state\": 1, \"limits\": 3}",
        "{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": []}}",
        "{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"down\": 3}}}}",
        "{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"down\": "
        "{\"kind\": \"melt\", \"position\": 40000, \"rate\": 0}}}}}",
        "{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"down\": "
        "{\"kind\": \"freeze\", \"position\": -1, \"rate\": 0}}}}}",
        "{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"down\": "
        "{\"kind\": \"freeze\", \"position\": 9223372036854775807, \"rate\": 0}}}}}",
        "{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"connections\": "
        "-1, \"dials_per_second\": -1}}}}",
        "{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"connections\": "
        "4294967297, \"dials_per_second\": 1e300}}}}",
        "{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"connections\": "
        "\"4\", \"dials_per_second\": []}}}}",
    };
    (void)state;

    for (unsigned i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct limit_memory memory;
        struct port_status status;

        write_file(texts[i]);
        limit_memory_init(&memory, &file, &ports);
        status = remembered(&memory);
        assert_int_equal(status.connections, 0);
        assert_true(status.dials_per_second == 0);
        assert_false(knows(&memory, HOME));
        learn(&memory);
        assert_true(in_file() > 0);
    }
}

static unsigned warnings(const struct limit_memory *memory, struct config_budget_range up,
                         struct config_budget_range down)
{
    return limit_memory_warn(memory, &(struct config_local){.budget = {up, down}});
}

static void test_budgets_beyond_known_limits_are_warned_of(void **state)
{
    const struct config_budget_range none = {CONFIG_UNLIMITED, CONFIG_UNLIMITED};
    const struct config_budget_range below = {9000, 16000}, above = {9000, 16001};
    struct limit_memory memory;
    (void)state;

    limit_memory_init(&memory, &file, &ports);
    unlink(path);
    assert_int_equal(warnings(&memory, above, above), 0);
    write_file("{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"down\": "
               "{\"kind\": \"freeze\", \"position\": 16000, \"rate\": 0}}}, \"wlan1\": "
               "{\"8000\": {\"down\": {\"kind\": \"freeze\", \"position\": 5000, "
               "\"rate\": 0}}}}}");
    assert_int_equal(warnings(&memory, above, above), 1);
    assert_int_equal(warnings(&memory, above, below), 0);
    assert_int_equal(warnings(&memory, none, none), 0);
    write_file("{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": {\"sum\": "
               "{\"kind\": \"reset\", \"position\": 16000, \"rate\": 0}, \"down\": "
               "{\"kind\": \"slow\", \"position\": 5000, \"rate\": 1000}}}}}");
    assert_int_equal(warnings(&memory, above, above), 2);
    assert_int_equal(warnings(&memory, below, below), 0);
}

static unsigned pool_warnings(const struct limit_memory *memory, unsigned asked,
                              double dials_per_second)
{
    const struct config_budget_range none = {CONFIG_UNLIMITED, CONFIG_UNLIMITED};

    return limit_memory_warn(
        memory, &(struct config_local){.budget = {none, none},
                                       .pool = {.size = 8,
                                                .burst = 48,
                                                .asked = asked,
                                                .dials_per_second = dials_per_second}});
}

static void test_pools_beyond_known_limits_are_warned_of(void **state)
{
    struct limit_memory memory;
    (void)state;

    limit_memory_init(&memory, &file, &ports);
    write_file("{\"splitsocks_state\": 1, \"limits\": {\"wlan0\": {\"443\": "
               "{\"connections\": 4, \"dials_per_second\": 8}}}}");
    assert_int_equal(pool_warnings(&memory, 0, 0), 0);
    assert_int_equal(pool_warnings(&memory, 4, 10), 0);
    assert_int_equal(pool_warnings(&memory, 5, 10), 1);
    assert_int_equal(pool_warnings(&memory, 4, 10.1), 1);
    assert_int_equal(pool_warnings(&memory, 5, 10.1), 2);
}

UNIT_MAIN(cmocka_unit_test_setup_teardown(test_the_next_session_knows, begin, end),
          cmocka_unit_test_setup_teardown(test_another_network_is_another_matter, begin,
                                          end),
          cmocka_unit_test_setup_teardown(test_a_limit_that_is_lifted_is_removed, begin,
                                          end),
          cmocka_unit_test_setup_teardown(test_budgets_beyond_known_limits_are_warned_of,
                                          begin, end),
          cmocka_unit_test_setup_teardown(test_the_number_and_the_rate_are_remembered,
                                          begin, end),
          cmocka_unit_test_setup_teardown(test_pools_beyond_known_limits_are_warned_of,
                                          begin, end),
          cmocka_unit_test_setup_teardown(test_nonsense_is_ignored, begin, end))
