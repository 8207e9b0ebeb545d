/* SPDX-License-Identifier: MIT */
/* With a wall clock that the test sets. */
#include "unit.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/state_file.h>
#include <splitsocks/local/stamp_keeper.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW (UINT64_C(1800000000) * NS_PER_S)
#define MINUTE (60 * NS_PER_S)

static char folder[64], path[128];
static uint64_t wall_ns;

/* In place of clock_wall(), by the linker. */
uint64_t __wrap_clock_wall(void);
uint64_t __wrap_clock_wall(void)
{
    return wall_ns;
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/splitsocks-stamp-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/state", folder);
    wall_ns = NOW;
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* A process begins. */
static void begin(struct stamp_keeper *keeper, struct state_file *file, const char *name)
{
    static const uint8_t relay[KEY_SIZE] = {1, 2, 3};

    state_file_init(file, name, LOG_WARNING);
    stamp_keeper_init(keeper, file, relay);
}

static void test_it_is_the_wall_clock(void **state)
{
    struct stamp_keeper keeper;
    struct state_file file;
    (void)state;

    begin(&keeper, &file, path);
    assert_true(stamp_keeper_next(&keeper) == NOW);
    wall_ns += 5;
    assert_true(stamp_keeper_next(&keeper) == NOW + 5);
    assert_int_equal(access(path, F_OK), -1); /* nothing to remember yet */
    stamp_keeper_taken(&keeper, NOW + 5);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_a_clock_that_is_set_back(void **state)
{
    struct stamp_keeper keeper, next;
    struct state_file file, next_file;
    (void)state;

    begin(&keeper, &file, path);
    stamp_keeper_taken(&keeper, stamp_keeper_next(&keeper));
    wall_ns -= 10 * MINUTE;
    assert_true(stamp_keeper_next(&keeper) == NOW + 1);
    /* In the next process too, though the relay has answered none since. */
    begin(&next, &next_file, path);
    assert_true(stamp_keeper_next(&next) == NOW + 2);
    assert_true(stamp_keeper_next(&keeper) == NOW + 3);
    assert_true(stamp_keeper_next(&next) == NOW + 4);
    wall_ns += 20 * MINUTE;
    assert_true(stamp_keeper_next(&next) == NOW + 10 * MINUTE);
}

/* The session has found out how far ahead the relay is. */
static void test_what_the_relay_has_taken_counts(void **state)
{
    struct stamp_keeper keeper, other;
    struct state_file file, other_file;
    (void)state;

    begin(&keeper, &file, path);
    begin(&other, &other_file, path);
    stamp_keeper_taken(&keeper, NOW + MINUTE);
    assert_true(stamp_keeper_next(&other) == NOW + MINUTE + 1);
    stamp_keeper_taken(&other, NOW); /* an older one */
    assert_true(stamp_keeper_next(&keeper) == NOW + MINUTE + 2);
}

static void test_without_a_file(void **state)
{
    struct stamp_keeper keeper;
    struct state_file file;
    (void)state;

    begin(&keeper, &file, NULL);
    assert_true(stamp_keeper_next(&keeper) == NOW);
    wall_ns -= MINUTE;
    assert_true(stamp_keeper_next(&keeper) == NOW + 1);
    assert_true(stamp_keeper_next(&keeper) == NOW + 2);
    stamp_keeper_taken(&keeper, NOW + MINUTE);
    assert_true(stamp_keeper_next(&keeper) == NOW + MINUTE + 1);
}

/* Nothing can come after the last number. */
static void test_a_file_that_says_the_end_of_time(void **state)
{
    struct stamp_keeper keeper;
    struct state_file file;
    FILE *stream = fopen(path, "w");
    (void)state;

    assert_non_null(stream);
    fprintf(stream,
            "{\"splitsocks_state\": 1, "
            "\"stamp\": {\"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\": %lld}}",
            (long long)INT64_MAX);
    assert_int_equal(fclose(stream), 0);
    begin(&keeper, &file, path);
    assert_true(stamp_keeper_next(&keeper) == NOW);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

UNIT_MAIN(IN_FOLDER(test_it_is_the_wall_clock), IN_FOLDER(test_a_clock_that_is_set_back),
          IN_FOLDER(test_what_the_relay_has_taken_counts), IN_FOLDER(test_without_a_file),
          IN_FOLDER(test_a_file_that_says_the_end_of_time))
