/* SPDX-License-Identifier: MIT */
/* A file of lines that are appended, and written anew now and then. */
#include "unit.h"

#include <splitsocks/io/journal.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/splitsocks-journal-XXXXXX";
static char path[64], text[4096];

static void take(void *context, const char *line)
{
    (void)context;
    strcat(text, line);
    strcat(text, "|");
}

static int open_again(struct journal *journal)
{
    text[0] = '\0';
    return journal_open(journal, path, take, NULL);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/a/b/file", folder);
    return 0;
}

static int tear_down(void **state)
{
    char parent[64];
    (void)state;

    unlink(path);
    snprintf(parent, sizeof(parent), "%s/a/b", folder);
    rmdir(parent);
    snprintf(parent, sizeof(parent), "%s/a", folder);
    rmdir(parent);
    return rmdir(folder);
}

static void append(struct journal *journal, const char *line)
{
    assert_int_equal(journal_append(journal, line, strlen(line)), OK);
}

static void test_lines_are_there_again(void **state)
{
    struct journal journal;
    struct stat status;
    (void)state;

    assert_int_equal(open_again(&journal), OK);
    assert_string_equal(text, "");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    append(&journal, "one\n");
    append(&journal, "two\nthree\n");
    /* As if the process had been killed in the middle of a line. */
    append(&journal, "fo");
    journal_close(&journal);
    journal_close(&journal);
    assert_int_equal(open_again(&journal), OK);
    assert_string_equal(text, "one|two|three|fo|");
    assert_int_equal(journal_rewrite(&journal, "two\n", 4), OK);
    append(&journal, "five\n");
    journal_close(&journal);
    assert_int_equal(open_again(&journal), OK);
    assert_string_equal(text, "two|five|");
    journal_close(&journal);
}

static void test_one_process_has_it(void **state)
{
    struct journal first, second;
    (void)state;

    assert_int_equal(open_again(&first), OK);
    assert_int_equal(open_again(&second), ERROR_DENIED);
    assert_null(second.path);
    /* The new file is locked, too. */
    assert_int_equal(journal_rewrite(&first, "x\n", 2), OK);
    assert_int_equal(open_again(&second), ERROR_DENIED);
    journal_close(&first);
    assert_int_equal(open_again(&second), OK);
    journal_close(&second);
}

/* The old file stays when the new one cannot be made. */
static void test_a_failed_rewrite_loses_nothing(void **state)
{
    struct journal journal;
    char other[80];
    (void)state;

    assert_int_equal(open_again(&journal), OK);
    assert_int_equal(journal_rewrite(&journal, "x\n", 2), OK);
    snprintf(other, sizeof(other), "%s.new", path);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(journal_rewrite(&journal, "y\n", 2), ERROR_SYSTEM);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(rmdir(other), 0);
    append(&journal, "z\n");
    journal_close(&journal);
    assert_int_equal(open_again(&journal), OK);
    assert_string_equal(text, "x|z|");
    journal_close(&journal);
}

static void test_what_is_no_file(void **state)
{
    struct journal journal, none = {.path = NULL};
    (void)state;

    assert_int_equal(journal_open(&journal, folder, take, NULL), ERROR_SYSTEM);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(journal_open(&journal, "/dev/null", take, NULL), ERROR_SYSTEM);
    assert_int_equal(errno, EINVAL);
    assert_null(journal.path);
    /* Without a file nothing happens. */
    append(&none, "x\n");
    assert_int_equal(journal_rewrite(&none, "x\n", 2), OK);
    journal_close(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_there_again),
        cmocka_unit_test(test_one_process_has_it),
        cmocka_unit_test(test_a_failed_rewrite_loses_nothing),
        cmocka_unit_test(test_what_is_no_file),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
