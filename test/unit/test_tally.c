/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/io/tally.h>

#include <pthread.h>

#define THREADS 4
#define ADDS 20000

static atomic_uint calls;

static void on_reached(void *context)
{
    (void)context;
    atomic_fetch_add(&calls, 1);
}

static void tally_begin(struct tally *tally, uint64_t due)
{
    atomic_store(&calls, 0);
    atomic_init(&tally->bytes, 0);
    atomic_init(&tally->due, due);
    tally->reached = on_reached;
    tally->context = NULL;
}

static void test_it_calls_once(void **state)
{
    struct tally tally;
    (void)state;

    tally_begin(&tally, 10);
    tally_add(&tally, 9);
    assert_int_equal(calls, 0);
    tally_add(&tally, 5);
    tally_add(&tally, 5);
    assert_int_equal(calls, 1);
    assert_int_equal(tally_take(&tally), 19);
    assert_int_equal(tally_take(&tally), 0);
    tally_add(&tally, 12);
    assert_int_equal(calls, 2);
}

static void test_a_bound_that_is_reached_already(void **state)
{
    struct tally tally;
    (void)state;

    tally_begin(&tally, TALLY_NEVER);
    tally_add(&tally, 7);
    assert_false(tally_set_due(&tally, 8));
    assert_true(tally_set_due(&tally, 7));
    tally_add(&tally, 1);
    assert_int_equal(calls, 0);
}

static void *add(void *context)
{
    for (int i = 0; i < ADDS; i++)
        tally_add(context, 1);
    return NULL;
}

static void test_threads_together_reach_it_once(void **state)
{
    pthread_t threads[THREADS];
    struct tally tally;
    (void)state;

    tally_begin(&tally, THREADS * ADDS / 2);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add, &tally), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(calls, 1);
    assert_int_equal(tally_take(&tally), THREADS * ADDS);
}

UNIT_MAIN(cmocka_unit_test(test_it_calls_once),
          cmocka_unit_test(test_a_bound_that_is_reached_already),
          cmocka_unit_test(test_threads_together_reach_it_once))
