/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/gate/client_table.h>

#include <stdbool.h>

static void make_key(uint8_t key[KEY_SIZE], unsigned number)
{
    memset(key, 0, KEY_SIZE);
    /* The keys do not come in ascending order: the first byte varies most. */
    key[0] = (uint8_t)(number * 37);
    key[31] = (uint8_t)number;
    key[30] = (uint8_t)(number >> 8);
}

static void test_find(void **state)
{
    struct client_table *table = client_table_new();
    uint8_t key[KEY_SIZE];
    (void)state;

    assert_non_null(table);
    make_key(key, 0);
    assert_int_equal(client_table_find(table, key), ERROR_NOT_FOUND);
    for (unsigned i = 0; i < 1000; i++) {
        make_key(key, i);
        assert_int_equal(client_table_add(table, key), i);
    }
    assert_int_equal(client_table_count(table), 1000);
    for (unsigned i = 0; i < 1000; i++) {
        make_key(key, i);
        assert_int_equal(client_table_find(table, key), i);
        assert_int_equal(client_table_add(table, key), ERROR_INVALID);
    }
    make_key(key, 1000);
    assert_int_equal(client_table_find(table, key), ERROR_NOT_FOUND);
    assert_int_equal(client_table_count(table), 1000);
    client_table_free(table);
    client_table_free(NULL);
}

static struct client_table *table_with(unsigned first, unsigned last)
{
    struct client_table *table = client_table_new();
    uint8_t key[KEY_SIZE];

    assert_non_null(table);
    for (unsigned i = first; i <= last; i++) {
        make_key(key, i);
        assert_true(client_table_add(table, key) >= 0);
    }
    return table;
}

static void test_stamps_in_order(void **state)
{
    struct client_table *table = table_with(1, 2);
    (void)state;

    for (uint64_t stamp = 1000; stamp < 1300; stamp++) {
        assert_int_equal(client_table_check_stamp(table, 0, stamp), OK);
        assert_int_equal(client_table_accept_stamp(table, 0, stamp), OK);
        assert_int_equal(client_table_accept_stamp(table, 0, stamp), ERROR_REPLAY);
        assert_int_equal(client_table_check_stamp(table, 0, stamp), ERROR_REPLAY);
    }
    /* None of all that were used passes again, kept or not. */
    for (uint64_t stamp = 1000; stamp < 1300; stamp++)
        assert_int_equal(client_table_accept_stamp(table, 0, stamp), ERROR_REPLAY);
    /* The other client's are its own. */
    assert_int_equal(client_table_accept_stamp(table, 1, 1000), OK);
    client_table_free(table);
}

/* Late ones pass as long as they are newer than the oldest that is kept. */
static void test_stamps_out_of_order(void **state)
{
    struct client_table *table = table_with(1, 1);
    (void)state;

    for (uint64_t stamp = 2 * STAMPS_KEPT; stamp > 0; stamp -= 2)
        assert_int_equal(client_table_accept_stamp(table, 0, 10 * stamp), OK);
    /* Kept: 20, 40 .. 1280. */
    assert_int_equal(client_table_accept_stamp(table, 0, 19), ERROR_REPLAY);
    assert_int_equal(client_table_accept_stamp(table, 0, 0), ERROR_REPLAY);
    assert_int_equal(client_table_accept_stamp(table, 0, 21), OK); /* 20 leaves */
    assert_int_equal(client_table_accept_stamp(table, 0, 20), ERROR_REPLAY);
    assert_int_equal(client_table_accept_stamp(table, 0, 30), OK); /* 21 leaves */
    assert_int_equal(client_table_accept_stamp(table, 0, 21), ERROR_REPLAY);
    assert_int_equal(client_table_accept_stamp(table, 0, 25), ERROR_REPLAY);
    assert_int_equal(client_table_accept_stamp(table, 0, 1281), OK);
    for (uint64_t stamp = 40; stamp <= 1280; stamp += 20)
        assert_int_equal(client_table_accept_stamp(table, 0, stamp), ERROR_REPLAY);
    assert_int_equal(client_table_accept_stamp(table, 0, UINT64_MAX), OK);
    assert_int_equal(client_table_accept_stamp(table, 0, UINT64_MAX), ERROR_REPLAY);
    client_table_free(table);
}

/* Against a plain list of all that were accepted. */
static void test_stamps_against_a_model(void **state)
{
    static uint64_t accepted[3000];
    struct client_table *table = table_with(1, 1);
    size_t count = 0;
    uint64_t random = 7;
    (void)state;

    for (unsigned step = 0; step < 3000; step++) {
        size_t newer = 0;
        bool repeated = false;
        uint64_t stamp;

        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        stamp = step + (random >> 33) % 100;
        for (size_t i = 0; i < count; i++) {
            newer += accepted[i] > stamp;
            repeated = repeated || accepted[i] == stamp;
        }
        if (repeated || newer >= STAMPS_KEPT) {
            assert_int_equal(client_table_accept_stamp(table, 0, stamp), ERROR_REPLAY);
        } else {
            assert_int_equal(client_table_accept_stamp(table, 0, stamp), OK);
            accepted[count++] = stamp;
        }
    }
    assert_in_range(count, 1000, 2999);
    client_table_free(table);
}

static void test_inherit(void **state)
{
    struct client_table *old = table_with(1, 3);
    struct client_table *table = table_with(3, 5); /* client 3 is now at index 0 */
    (void)state;

    assert_int_equal(client_table_accept_stamp(old, 2, 77), OK);
    assert_int_equal(client_table_accept_stamp(old, 0, 88), OK);
    client_table_inherit(table, old);
    client_table_free(old);
    assert_int_equal(client_table_accept_stamp(table, 0, 77), ERROR_REPLAY);
    assert_int_equal(client_table_accept_stamp(table, 0, 88), OK);
    assert_int_equal(client_table_accept_stamp(table, 1, 77), OK);
    client_table_free(table);
}

UNIT_MAIN(cmocka_unit_test(test_find), cmocka_unit_test(test_stamps_in_order),
          cmocka_unit_test(test_stamps_out_of_order),
          cmocka_unit_test(test_stamps_against_a_model), cmocka_unit_test(test_inherit))
