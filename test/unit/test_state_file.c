/* SPDX-License-Identifier: MIT */
/* The state file, in a folder of its own. */
#include "unit.h"

#include <splitsocks/config/state.h>
#include <splitsocks/io/state_file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], file[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/splitsocks-state-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/deep/er/state", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* The number that the last change was given, and the one that it writes; 0: it refuses. */
static json_int_t seen, wanted;

static json_int_t number_of(const json_t *document)
{
    return json_integer_value(json_object_get(state_section(document, "sample"), "number"));
}

static bool set_number(json_t *document, void *context)
{
    (void)context;
    seen = number_of(document);
    return wanted != 0 && state_set_section(document, "sample",
                                            json_pack("{s:I}", "number", wanted)) == OK;
}

static int change(struct state_file *state_file, json_int_t number)
{
    wanted = number;
    return state_file_change(state_file, false, set_number, NULL);
}

static json_int_t read_number(const struct state_file *state_file)
{
    json_t *document = state_file_read(state_file);
    json_int_t number = number_of(document);

    assert_non_null(document);
    json_decref(document);
    return number;
}

static void write_text(const char *text)
{
    FILE *stream = fopen(file, "w");

    assert_non_null(stream);
    fputs(text, stream);
    assert_int_equal(fclose(stream), 0);
}

static unsigned count_files(void)
{
    char path[sizeof(folder) + 16];
    const struct dirent *entry;
    unsigned count = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/deep/er", folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void test_what_is_saved_is_loaded(void **state)
{
    struct state_file state_file;
    struct stat status;
    (void)state;

    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(read_number(&state_file), 0);
    for (json_int_t number = 5; number < 8; number++) {
        assert_int_equal(change(&state_file, number), OK);
        assert_int_equal(seen, number > 5 ? number - 1 : 0);
        assert_int_equal(read_number(&state_file), number);
    }
    assert_int_equal(change(&state_file, 0), OK);
    assert_int_equal(read_number(&state_file), 7);
    assert_int_equal(count_files(), 1); /* nothing is left beside it */
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_no_file(void **state)
{
    struct state_file state_file;
    (void)state;

    state_file_init(&state_file, NULL, LOG_WARNING);
    seen = -1;
    assert_int_equal(change(&state_file, 5), OK);
    assert_int_equal(seen, -1);
    assert_int_equal(read_number(&state_file), 0);
}

static void test_a_damaged_file(void **state)
{
    struct state_file state_file;
    (void)state;

    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(change(&state_file, 5), OK);
    assert_int_equal(truncate(file, 30), 0);
    assert_int_equal(read_number(&state_file), 0);
    assert_int_equal(truncate(file, 4 << 20), 0); /* larger than any */
    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(read_number(&state_file), 0);
    assert_int_equal(change(&state_file, 6), OK);
    assert_int_equal(seen, 0);
    assert_int_equal(read_number(&state_file), 6);
}

static void test_a_later_version_is_left_alone(void **state)
{
    struct state_file state_file;
    struct stat before, after;
    (void)state;

    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(change(&state_file, 5), OK);
    write_text("{\"splitsocks_state\": 2, \"sample\": {\"number\": 9}}");
    assert_int_equal(stat(file, &before), 0);
    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(read_number(&state_file), 0);
    assert_int_equal(change(&state_file, 6), ERROR_UNSUPPORTED);
    assert_int_equal(stat(file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void test_places_that_are_none(void **state)
{
    struct state_file state_file;
    char path[sizeof(file) + 8];
    (void)state;

    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(change(&state_file, 5), OK);
    snprintf(path, sizeof(path), "%s/below", file);
    state_file_init(&state_file, path, LOG_WARNING);
    assert_int_equal(change(&state_file, 5), ERROR_SYSTEM);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(read_number(&state_file), 0);
    state_file_init(&state_file, folder, LOG_WARNING);
    assert_int_equal(change(&state_file, 5), ERROR_SYSTEM);
    assert_int_equal(errno, EISDIR);
    /* A path that is no regular file is not replaced. */
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkfifo(file, 0600), 0);
    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(change(&state_file, 5), ERROR_SYSTEM);
    assert_int_equal(errno, EINVAL);
}

static void test_the_lock(void **state)
{
    struct state_file state_file;
    char path[sizeof(folder) + 16];
    int lock;
    (void)state;

    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(change(&state_file, 5), OK);
    snprintf(path, sizeof(path), "%s/deep/er", folder);
    lock = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(change(&state_file, 6), ERROR_DENIED);
    assert_int_equal(read_number(&state_file), 5);
    wanted = 7; /* it cannot wait for ever */
    assert_int_equal(state_file_change(&state_file, true, set_number, NULL), OK);
    assert_int_equal(read_number(&state_file), 7);
    assert_int_equal(close(lock), 0);
    assert_int_equal(change(&state_file, 8), OK);
    assert_int_equal(read_number(&state_file), 8);
}

/* Whether a change fails, since the new text has no place, and it is the first that the log
 * reports. */
static bool is_reported(struct state_file *state_file)
{
    bool before = state_file->troubled;

    assert_int_equal(change(state_file, 6), ERROR_SYSTEM);
    return state_file->troubled && !before;
}

static void test_only_a_change_shows_that_it_can_be_written(void **state)
{
    struct state_file state_file;
    char path[sizeof(file) + 32];
    (void)state;

    state_file_init(&state_file, file, LOG_DEBUG);
    assert_int_equal(change(&state_file, 5), OK);
    snprintf(path, sizeof(path), "%s.%ld", file, (long)getpid());
    assert_int_equal(mkdir(path, 0700), 0); /* where the new text would be written */
    assert_true(is_reported(&state_file));
    assert_int_equal(change(&state_file, 0), OK);
    assert_false(is_reported(&state_file));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(change(&state_file, 6), OK);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(is_reported(&state_file));
}

#define WRITERS 4
#define WRITES 50

static bool add_one(json_t *document, void *context)
{
    (void)context;
    wanted = number_of(document) + 1;
    return state_set_section(document, "sample", json_pack("{s:I}", "number", wanted)) == OK;
}

static int write_many(void)
{
    struct state_file state_file;

    state_file_init(&state_file, file, LOG_WARNING);
    for (int i = 0; i < WRITES; i++)
        while (state_file_change(&state_file, false, add_one, NULL) != OK)
            usleep(1000);
    return 0;
}

static void test_processes_that_share_it(void **state)
{
    struct state_file state_file;
    int status;
    (void)state;

    for (int i = 0; i < WRITERS; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            _exit(write_many());
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    state_file_init(&state_file, file, LOG_WARNING);
    assert_int_equal(read_number(&state_file), WRITERS * WRITES);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

UNIT_MAIN(IN_FOLDER(test_what_is_saved_is_loaded), IN_FOLDER(test_no_file),
          IN_FOLDER(test_a_damaged_file), IN_FOLDER(test_a_later_version_is_left_alone),
          IN_FOLDER(test_places_that_are_none), IN_FOLDER(test_the_lock),
          IN_FOLDER(test_only_a_change_shows_that_it_can_be_written),
          IN_FOLDER(test_processes_that_share_it))
