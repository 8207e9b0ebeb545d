/* SPDX-License-Identifier: MIT */
/* A stream whose reader does not read: nothing waits for it, and lost lines are counted. */
#include "unit.h"

#include "../../src/app/outlet.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_SIZE 1000
#define LINES (3 * OUTLET_MAX / LINE_SIZE)

static size_t say_loss(unsigned long count, char *text, size_t size)
{
    return (size_t)snprintf(text, size, "lost %lu\n", count);
}

static void put_number(struct outlet *outlet, unsigned number)
{
    char line[LINE_SIZE + 1];

    snprintf(line, sizeof(line), "%0*u\n", LINE_SIZE - 1, number);
    outlet_put(outlet, line, LINE_SIZE);
}

/* Reads one line; returns its number, or minus the number of lines that it says were lost.
 */
static long read_line(FILE *reader)
{
    char line[LINE_SIZE + 1];

    if (fgets(line, sizeof(line), reader) == NULL)
        fail_msg("the stream has ended");
    return strncmp(line, "lost ", 5) == 0 ? -strtol(line + 5, NULL, 10)
                                          : strtol(line, NULL, 10);
}

static void expect_flood(int writing, int reading)
{
    struct outlet *outlet = outlet_new(writing, say_loss);
    FILE *reader = fdopen(reading, "r");
    long line, last = -1, got = 0;

    assert_non_null(outlet);
    assert_non_null(reader);
    for (unsigned i = 0; i < LINES; i++)
        put_number(outlet, i);
    /* The lines that came out are in order, and the others are counted. Lines that were put
     * late may be among those that came out, if the thread made room only then. */
    while ((line = read_line(reader)) >= 0) {
        assert_true(line > last);
        last = line;
        got++;
    }
    assert_true(got * LINE_SIZE >= OUTLET_MAX - LINE_SIZE);
    assert_int_equal(got - line, LINES);
    put_number(outlet, 7);
    assert_int_equal(read_line(reader), 7);
    put_number(outlet, 8);
    outlet_finish(outlet);
    close(writing);
    assert_int_equal(read_line(reader), 8);
    assert_int_equal(fgetc(reader), EOF);
    fclose(reader);
}

static void test_pipe(void **state)
{
    int ends[2];
    (void)state;

    assert_int_equal(pipe(ends), 0);
    expect_flood(ends[1], ends[0]);
}

/* Another process has made it non-blocking. */
static void test_pipe_that_does_not_block(void **state)
{
    int ends[2];
    (void)state;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    expect_flood(ends[1], ends[0]);
}

static void test_socket(void **state)
{
    int ends[2];
    (void)state;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    expect_flood(ends[1], ends[0]);
}

static void test_a_text_of_any_length(void **state)
{
    static char text[2 * OUTLET_MAX];
    struct outlet *outlet;
    FILE *file = tmpfile();
    (void)state;

    assert_non_null(file);
    outlet = outlet_new(fileno(file), NULL);
    assert_non_null(outlet);
    memset(text, 'x', sizeof(text));
    outlet_put(outlet, text, sizeof(text));
    outlet_finish(outlet);
    assert_int_equal(lseek(fileno(file), 0, SEEK_END), sizeof(text));
    fclose(file);
}

/* The thread stays behind, as it does when the process ends. */
/* As on a disk that is full and has room again. */
static void test_writes_that_fail_are_counted(void **state)
{
    const struct rlimit full = {.rlim_cur = LINE_SIZE, .rlim_max = RLIM_INFINITY};
    const struct rlimit free_again = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    FILE *file = tmpfile();
    struct outlet *outlet;
    long line, lost = 3;
    (void)state;

    assert_non_null(file);
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &full) != 0)
        UNIT_SKIP("not allowed to bound the sizes of files");
    outlet = outlet_new(fileno(file), say_loss);
    assert_non_null(outlet);
    for (unsigned i = 0; i < 4; i++)
        put_number(outlet, i);
    outlet_finish(outlet);
    /* It is the end that finds what was written so far; another one goes on. */
    assert_int_equal(lseek(fileno(file), 0, SEEK_END), LINE_SIZE);
    outlet = outlet_new(fileno(file), say_loss);
    assert_non_null(outlet);
    for (unsigned i = 0; i < 3; i++)
        put_number(outlet, i);
    usleep(100000); /* most likely they are tried now, and fail */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &free_again), 0);
    put_number(outlet, 7);
    outlet_finish(outlet);
    rewind(file);
    assert_int_equal(read_line(file), 0);
    while ((line = read_line(file)) != 7)
        lost--;
    if (lost > 0)
        assert_int_equal(read_line(file), -lost);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
}

static void test_a_reader_that_takes_nothing_is_given_up(void **state)
{
    struct outlet *outlet;
    int ends[2];
    (void)state;

    assert_int_equal(pipe(ends), 0);
    outlet = outlet_new(ends[1], say_loss);
    assert_non_null(outlet);
    for (unsigned i = 0; i < LINES; i++)
        put_number(outlet, i);
    outlet_finish(outlet);
    outlet_finish(NULL);
}

UNIT_MAIN(cmocka_unit_test(test_pipe), cmocka_unit_test(test_pipe_that_does_not_block),
          cmocka_unit_test(test_socket), cmocka_unit_test(test_a_text_of_any_length),
          cmocka_unit_test(test_writes_that_fail_are_counted),
          cmocka_unit_test(test_a_reader_that_takes_nothing_is_given_up))
