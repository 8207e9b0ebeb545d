/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/engine/path/slots.h>

#define START (1000 * NS_PER_S)
#define TICK (100 * NS_PER_MS)
#define CEILING 64

/* A path of `rate` bytes a second on which each connection brings `each`; where they bring
 * more than the rate, a queue shows. */
struct path {
    double rate, each;
    unsigned ceiling;
    uint64_t now;
};

static void run(struct slots *slots, struct path *path, uint64_t duration)
{
    for (uint64_t end = path->now + duration; path->now < end;) {
        unsigned open = MIN(slots_wanted(slots), path->ceiling);
        double rate = MIN(open * path->each, path->rate);
        struct slots_view view = {
            .round_trip_ns = 50 * NS_PER_MS,
            .cycle_ns = 200 * NS_PER_MS,
            .cycle_bytes = (uint64_t)(path->each / 5),
            .ceiling = path->ceiling,
            .queue = open * path->each > path->rate,
            .waits = true,
        };

        path->now += TICK;
        slots_delivered(slots, (uint64_t)(rate * TICK / NS_PER_S));
        slots_tick(slots, &view, path->now);
    }
}

static void test_the_climb_fills_the_path(void **state)
{
    struct path path = {.rate = 2.5e6, .each = 125e3, .ceiling = CEILING, .now = START};
    struct slots slots;
    (void)state;

    slots_init(&slots, 2, START);
    run(&slots, &path, 5 * NS_PER_S);
    assert_in_range(slots_wanted(&slots), 20, 32);
    run(&slots, &path, 60 * NS_PER_S);
    assert_in_range(slots_wanted(&slots), 18, 32);
}

static void test_one_that_fills_the_path_is_enough(void **state)
{
    struct path path = {.rate = 2.5e6, .each = 2.5e6, .ceiling = CEILING, .now = START};
    struct slots slots;
    (void)state;

    slots_init(&slots, 2, START);
    run(&slots, &path, 60 * NS_PER_S);
    assert_true(slots_wanted(&slots) <= 4);
}

static void test_too_many_become_fewer(void **state)
{
    struct path path = {.rate = 2.5e6, .each = 625e3, .ceiling = CEILING, .now = START};
    struct slots slots;
    (void)state;

    slots_init(&slots, 32, START);
    run(&slots, &path, 60 * NS_PER_S);
    assert_in_range(slots_wanted(&slots), 4, 8);
}

static void test_the_ceiling_holds(void **state)
{
    struct path path = {.rate = 2.5e6, .each = 1e5, .ceiling = 12, .now = START};
    struct slots slots;
    (void)state;

    slots_init(&slots, 8, START);
    for (int i = 0; i < 600; i++) {
        run(&slots, &path, TICK);
        assert_true(slots_wanted(&slots) <= 12);
    }
    assert_int_equal(slots_wanted(&slots), 12);
    path.ceiling = 4;
    run(&slots, &path, TICK);
    assert_int_equal(slots_wanted(&slots), 4);
}

/* Without data that waits the rate is the application's. */
static void test_nothing_is_tried_while_no_data_waits(void **state)
{
    struct slots_view view = {.round_trip_ns = 50 * NS_PER_MS, .ceiling = CEILING};
    struct slots slots;
    (void)state;

    slots_init(&slots, 8, START);
    for (uint64_t now = START; now < START + 60 * NS_PER_S; now += TICK)
        slots_tick(&slots, &view, now);
    assert_int_equal(slots_wanted(&slots), 8);
}

static void test_a_tighter_budget_needs_more(void **state)
{
    struct path path = {.rate = 2.5e6, .each = 625e3, .ceiling = CEILING, .now = START};
    struct slots_view view = {
        .round_trip_ns = 50 * NS_PER_MS,
        .cycle_ns = 200 * NS_PER_MS,
        .cycle_bytes = 12000, /* 60 kB/s each */
        .ceiling = CEILING,
        .waits = true,
        .tightened = true,
    };
    struct slots slots;
    (void)state;

    slots_init(&slots, 4, START);
    run(&slots, &path, 10 * NS_PER_S);
    slots_tick(&slots, &view, path.now + TICK);
    assert_in_range(slots_wanted(&slots), 40, 50);
}

UNIT_MAIN(cmocka_unit_test(test_the_climb_fills_the_path),
          cmocka_unit_test(test_one_that_fills_the_path_is_enough),
          cmocka_unit_test(test_too_many_become_fewer),
          cmocka_unit_test(test_the_ceiling_holds),
          cmocka_unit_test(test_nothing_is_tried_while_no_data_waits),
          cmocka_unit_test(test_a_tighter_budget_needs_more))
