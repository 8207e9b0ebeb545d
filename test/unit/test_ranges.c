/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/ranges.h>

#include <stdbool.h>

static void check_items(const struct ranges *set, const struct range *expected,
                        size_t count)
{
    struct range item = {0};

    assert_int_equal(set->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(ranges_next(set, item.end, UINT64_MAX, &item));
        assert_int_equal(item.start, expected[i].start);
        assert_int_equal(item.end, expected[i].end);
    }
}

#define CHECK_ITEMS(set, ...) \
    check_items(set, (const struct range[]){__VA_ARGS__}, \
                ARRAY_LENGTH(((const struct range[]){__VA_ARGS__})))

static void test_empty(void **state)
{
    struct ranges set;
    struct range part;
    (void)state;

    ranges_init(&set, NULL);
    assert_int_equal(ranges_add(&set, 7, 7), OK);
    assert_int_equal(ranges_remove(&set, 0, UINT64_MAX), OK);
    assert_null(set.root);
    assert_true(ranges_contains(&set, 5, 5));
    assert_false(ranges_contains(&set, 5, 6));
    assert_false(ranges_next(&set, 0, UINT64_MAX, &part));
    assert_true(ranges_next_gap(&set, 3, 9, &part));
    assert_int_equal(part.start, 3);
    assert_int_equal(part.end, 9);
    assert_false(ranges_next_gap(&set, 9, 9, &part));
    ranges_clear(&set);
}

static void test_touching_ranges_are_one(void **state)
{
    struct ranges set;
    (void)state;

    ranges_init(&set, NULL);
    assert_int_equal(ranges_add(&set, 10, 20), OK);
    assert_int_equal(ranges_add(&set, 30, 40), OK);
    CHECK_ITEMS(&set, {10, 20}, {30, 40});
    assert_int_equal(ranges_add(&set, 20, 30), OK);
    CHECK_ITEMS(&set, {10, 40});
    assert_int_equal(ranges_add(&set, 5, 10), OK);
    assert_int_equal(ranges_add(&set, 15, 50), OK);
    CHECK_ITEMS(&set, {5, 50});
    ranges_clear(&set);
}

static void test_remove_cuts_trims_and_empties(void **state)
{
    struct ranges set;
    (void)state;

    ranges_init(&set, NULL);
    assert_int_equal(ranges_add(&set, 0, 100), OK);
    assert_int_equal(ranges_remove(&set, 40, 60), OK);
    CHECK_ITEMS(&set, {0, 40}, {60, 100});
    assert_int_equal(ranges_remove(&set, 30, 70), OK);
    CHECK_ITEMS(&set, {0, 30}, {70, 100});
    ranges_remove_before(&set, 80);
    CHECK_ITEMS(&set, {80, 100});
    ranges_remove_before(&set, 100);
    assert_int_equal(set.count, 0);
    assert_null(set.root);
    ranges_clear(&set);
}

static void test_ends_of_the_number_line(void **state)
{
    struct ranges set;
    struct range part;
    (void)state;

    ranges_init(&set, NULL);
    assert_int_equal(ranges_add(&set, 0, 1), OK);
    assert_int_equal(ranges_add(&set, UINT64_MAX - 1, UINT64_MAX), OK);
    assert_true(ranges_next_gap(&set, 0, UINT64_MAX, &part));
    assert_int_equal(part.start, 1);
    assert_int_equal(part.end, UINT64_MAX - 1);
    assert_true(ranges_next(&set, 1, UINT64_MAX, &part));
    assert_int_equal(part.start, UINT64_MAX - 1);
    assert_int_equal(ranges_add(&set, 0, UINT64_MAX), OK);
    CHECK_ITEMS(&set, {0, UINT64_MAX});
    assert_int_equal(set.total, UINT64_MAX);
    ranges_clear(&set);
}

/* A bitmap is the model; every question is asked at every place. */
#define SPACE 96

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void check_shape(const struct ranges *set)
{
    struct range item = {0}, before = {0};
    size_t count = 0;

    for (; ranges_next(set, item.end, UINT64_MAX, &item); before = item) {
        assert_true(item.start < item.end);
        assert_true(count == 0 || before.end < item.start);
        count++;
    }
    assert_int_equal(set->count, count);
    assert_int_equal(set->root == NULL, set->count == 0);
}

/* The first run of `value` in model[from, limit). */
static bool model_run(const bool *model, bool value, size_t from, size_t limit,
                      struct range *run)
{
    while (from < limit && model[from] != value)
        from++;
    if (from >= limit)
        return false;
    run->start = from;
    while (from < limit && model[from] == value)
        from++;
    run->end = from;
    return true;
}

static void check_questions(const struct ranges *set, const bool *model, uint64_t *seed)
{
    uint64_t total = 0;

    for (size_t from = 0; from < SPACE; from++) {
        size_t limit = random_next(seed) % (SPACE + 1);
        struct range expected = {0, 0}, actual = {0, 0};

        total += model[from];
        assert_int_equal(ranges_next(set, from, limit, &actual),
                         model_run(model, true, from, limit, &expected));
        assert_memory_equal(&actual, &expected, sizeof(actual));
        assert_int_equal(ranges_next_gap(set, from, limit, &actual),
                         model_run(model, false, from, limit, &expected));
        assert_memory_equal(&actual, &expected, sizeof(actual));
        if (from <= limit)
            assert_int_equal(ranges_contains(set, from, limit),
                             !model_run(model, false, from, limit, &expected));
    }
    assert_int_equal(set->total, total);
}

static void run_against_model(uint64_t seed)
{
    struct ranges set;
    bool model[SPACE] = {false};

    ranges_init(&set, NULL);
    for (int step = 0; step < 300; step++) {
        size_t a = random_next(&seed) % (SPACE + 1);
        size_t length = random_next(&seed) % 24;
        size_t b = MIN(a + length, SPACE);
        unsigned operation = random_next(&seed) % 16;

        if (operation == 0) {
            ranges_remove_before(&set, a);
            memset(model, false, a);
        } else if (operation < 9) {
            assert_int_equal(ranges_add(&set, a, b), OK);
            memset(model + a, true, b - a);
        } else {
            assert_int_equal(ranges_remove(&set, a, b), OK);
            memset(model + a, false, b - a);
        }
        check_shape(&set);
        check_questions(&set, model, &seed);
    }
    ranges_clear(&set);
}

/* Random order makes deep trees too, with every kind of rotation: holes are made in some
 * order, and filled in another one. */
#define MANY 5000

static void test_many_holes_in_any_order(void **state)
{
    static uint64_t order[MANY];
    uint64_t seed = 5;
    struct ranges set;
    (void)state;

    ranges_init(&set, NULL);
    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t other = random_next(&seed) % (i + 1);

        order[i] = order[other];
        order[other] = i;
    }
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(ranges_add(&set, 4 * order[i], 4 * order[i] + 2), OK);
    check_shape(&set);
    assert_int_equal(set.count, MANY);
    assert_int_equal(set.total, 2 * MANY);
    for (size_t i = MANY; i-- > MANY / 2;)
        assert_int_equal(ranges_remove(&set, 4 * order[i], 4 * order[i] + 1), OK);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(ranges_add(&set, 4 * order[i], 4 * order[i] + 4), OK);
    assert_int_equal(set.count, 1);
    assert_int_equal(set.total, 4 * MANY);
    assert_int_equal(ranges_advance(&set, 1), 4 * MANY);
    assert_int_equal(set.count, 0);
    ranges_clear(&set);
}

static void test_advance_ends_at_the_first_gap(void **state)
{
    struct ranges set;
    (void)state;

    ranges_init(&set, NULL);
    assert_int_equal(ranges_add(&set, 10, 20), OK);
    assert_int_equal(ranges_add(&set, 30, 40), OK);
    assert_int_equal(ranges_advance(&set, 5), 5);
    assert_int_equal(set.count, 2);
    assert_int_equal(ranges_advance(&set, 10), 20);
    CHECK_ITEMS(&set, {30, 40});
    assert_int_equal(ranges_advance(&set, 35), 40);
    assert_int_equal(set.count, 0);
    ranges_clear(&set);
}

static void test_agrees_with_a_bitmap(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_against_model(seed * UINT64_C(0x9e3779b97f4a7c15));
}

UNIT_MAIN(cmocka_unit_test(test_empty), cmocka_unit_test(test_touching_ranges_are_one),
          cmocka_unit_test(test_remove_cuts_trims_and_empties),
          cmocka_unit_test(test_ends_of_the_number_line),
          cmocka_unit_test(test_many_holes_in_any_order),
          cmocka_unit_test(test_advance_ends_at_the_first_gap),
          cmocka_unit_test(test_agrees_with_a_bitmap))
