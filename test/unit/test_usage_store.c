/* SPDX-License-Identifier: MIT */
/* Counts of two processes in one state file. */
#include "unit.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/usage_store.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/splitsocks-usage-XXXXXX", path[sizeof(folder) + 16];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/state", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* A process that counts for "a" and "b". */
struct process {
    struct state_file file;
    struct usage_fresh fresh[2];
    struct usage_store store;
};

static void begin(struct process *process, const char *name)
{
    *process = (struct process){.fresh = {{.name = "a"}, {.name = "b"}}};
    state_file_init(&process->file, name, LOG_WARNING);
    usage_store_init(&process->store, &process->file, process->fresh, 2);
}

/* As if the time for saving had come. */
static void save(struct process *process)
{
    usage_store_save(&process->store, process->store.saved_at_ns + USAGE_SAVE_NS);
}

static void test_processes_add_what_they_count(void **state)
{
    struct process one, two;
    (void)state;

    begin(&one, path);
    begin(&two, path);
    assert_false(usage_store_unsaved(&one.store));
    one.fresh[0].bytes += 5;
    two.fresh[0].bytes += 7;
    two.fresh[1].bytes += 1;
    assert_int_equal(usage_store_used(&one.store, 0), 5);
    usage_store_save(&one.store, clock_now()); /* too early */
    assert_true(usage_store_unsaved(&one.store));
    save(&one);
    assert_false(usage_store_unsaved(&one.store));
    assert_int_equal(one.fresh[0].bytes, 0);
    save(&two);
    assert_int_equal(usage_store_used(&two.store, 0), 12);
    assert_int_equal(usage_store_used(&two.store, 1), 1);
    one.fresh[1].bytes = 2;
    usage_store_deinit(&one.store); /* saves */
    usage_store_deinit(&two.store);
    begin(&one, path);
    assert_int_equal(usage_store_used(&one.store, 0), 12);
    assert_int_equal(usage_store_used(&one.store, 1), 3);
    usage_store_deinit(&one.store);
}

static void test_what_cannot_be_saved_counts_on(void **state)
{
    struct process one;
    (void)state;

    begin(&one, "/proc/no/such/folder/state");
    one.fresh[0].bytes = 5;
    save(&one);
    assert_int_equal(usage_store_used(&one.store, 0), 5);
    assert_true(usage_store_unsaved(&one.store));
    usage_store_deinit(&one.store);
    begin(&one, NULL);
    one.fresh[0].bytes = 5;
    save(&one);
    assert_int_equal(usage_store_used(&one.store, 0), 5);
    assert_false(usage_store_unsaved(&one.store));
    usage_store_deinit(&one.store);
}

static void test_a_damaged_file_is_made_again(void **state)
{
    struct process one, two;
    FILE *file;
    (void)state;

    begin(&one, path);
    one.fresh[1].bytes = 100;
    save(&one);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("{", file) >= 0);
    assert_int_equal(fclose(file), 0);
    one.fresh[1].bytes = 11;
    save(&one);
    begin(&two, path);
    assert_int_equal(usage_store_used(&two.store, 1), usage_store_used(&one.store, 1));
    assert_in_range(usage_store_used(&two.store, 1), 111, 200);
    usage_store_deinit(&one.store);
    usage_store_deinit(&two.store);
}

static void test_a_new_month_begins_at_zero(void **state)
{
    struct process one;
    (void)state;

    begin(&one, path);
    one.fresh[0].bytes = 5;
    one.store.usage.month--;
    usage_store_turn(&one.store);
    assert_int_equal(one.fresh[0].bytes, 0);
    assert_true(usage_store_unsaved(&one.store));
    usage_store_save(&one.store, clock_now()); /* at once */
    assert_false(usage_store_unsaved(&one.store));
    usage_store_deinit(&one.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processes_add_what_they_count),
        cmocka_unit_test(test_what_cannot_be_saved_counts_on),
        cmocka_unit_test(test_a_damaged_file_is_made_again),
        cmocka_unit_test(test_a_new_month_begins_at_zero),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
