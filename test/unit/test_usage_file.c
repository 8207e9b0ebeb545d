/* The state file, in a folder of its own. */
#include "unit.h"

#include <splitsocks/usage_file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], file[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/splitsocks-usage-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/deep/er/usage", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static struct usage sample(uint64_t bytes)
{
    struct usage usage = {.month = 682};

    assert_int_equal(usage_add(&usage, "wwan0", bytes), OK);
    return usage;
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
    struct usage usage = sample(5), found;
    struct stat status;
    (void)state;

    assert_int_equal(usage_file_load(file, &found), ERROR_NOT_FOUND);
    for (uint64_t bytes = 5; bytes < 8; bytes++) {
        usage = sample(bytes);
        assert_int_equal(usage_file_save(file, &usage), OK);
        assert_int_equal(usage_file_load(file, &found), OK);
        assert_int_equal(found.month, 682);
        assert_int_equal(usage_get(&found, "wwan0"), bytes);
    }
    assert_int_equal(count_files(), 1); /* nothing is left beside it */
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_a_damaged_file(void **state)
{
    struct usage usage = sample(5), found;
    (void)state;

    assert_int_equal(usage_file_save(file, &usage), OK);
    assert_int_equal(truncate(file, 30), 0);
    assert_int_equal(usage_file_load(file, &found), ERROR_MALFORMED);
    assert_int_equal(found.count, 0);
    assert_int_equal(truncate(file, 1 << 20), 0); /* larger than any */
    assert_int_equal(usage_file_load(file, &found), ERROR_MALFORMED);
    assert_int_equal(usage_file_save(file, &usage), OK);
    assert_int_equal(usage_file_load(file, &found), OK);
}

static void test_places_that_are_none(void **state)
{
    struct usage usage = sample(5), found;
    char path[sizeof(file) + 8];
    (void)state;

    assert_int_equal(usage_file_save(file, &usage), OK);
    snprintf(path, sizeof(path), "%s/below", file);
    assert_int_equal(usage_file_save(path, &usage), ERROR_SYSTEM);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(usage_file_load(path, &found), ERROR_SYSTEM);
    assert_int_equal(usage_file_load(folder, &found), ERROR_SYSTEM);
    assert_int_equal(errno, EISDIR);
}

static void test_the_lock_is_had_once(void **state)
{
    struct usage usage = sample(5);
    int first, second;
    (void)state;

    assert_int_equal(usage_file_lock(file, &first), ERROR_SYSTEM);
    usage_file_unlock(first);
    assert_int_equal(usage_file_save(file, &usage), OK);
    assert_int_equal(usage_file_lock(file, &first), OK);
    assert_int_equal(usage_file_lock(file, &second), ERROR_DENIED);
    usage_file_unlock(second);
    assert_int_equal(usage_file_save(file, &usage), OK); /* it stays the same lock */
    assert_int_equal(usage_file_lock(file, &second), ERROR_DENIED);
    usage_file_unlock(second);
    usage_file_unlock(first);
    assert_int_equal(usage_file_lock(file, &second), OK);
    usage_file_unlock(second);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

UNIT_MAIN(IN_FOLDER(test_what_is_saved_is_loaded), IN_FOLDER(test_a_damaged_file),
          IN_FOLDER(test_places_that_are_none), IN_FOLDER(test_the_lock_is_had_once))
