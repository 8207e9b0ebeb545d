/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/pages.h>

#include <stdbool.h>
#include <stdlib.h>

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Copies [offset, offset + length) out; returns how many bytes were there. */
static size_t read_out(const struct pages *pages, uint64_t offset, uint8_t *to,
                       size_t length)
{
    struct iovec vector[16];
    size_t count = pages_view(pages, offset, length, vector, ARRAY_LENGTH(vector));
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        memcpy(to + total, vector[i].iov_base, vector[i].iov_len);
        total += vector[i].iov_len;
    }
    return total;
}

static void test_empty_has_no_heap(void **state)
{
    struct page_pool pool;
    struct page_account account;
    struct pages pages;
    struct iovec vector[1];
    (void)state;

    page_pool_init(&pool, 4, 4);
    page_account_init(&account, &pool, NULL);
    pages_init(&pages, &account);
    assert_int_equal(pages_write(&pages, 1000, NULL, 0), OK);
    assert_int_equal(pages_view(&pages, 0, 10, vector, 1), 0);
    assert_null(pages.slots);
    assert_int_equal(pages_write(&pages, 5, "x", 1), OK);
    assert_int_equal(pages_used(&pages), 1);
    pages_release_before(&pages, PAGE_SIZE - 1);
    assert_int_equal(pages_used(&pages), 1); /* its last byte is still wanted */
    pages_release_before(&pages, PAGE_SIZE);
    assert_int_equal(pages_used(&pages), 0);
    assert_null(pages.slots);
    assert_int_equal(pool.used, 0);
    pages_deinit(&pages);
    page_pool_deinit(&pool);
}

static void test_bytes_survive_any_order(void **state)
{
    struct page_pool pool;
    struct page_account account;
    struct pages pages;
    uint8_t out[8];
    const uint64_t boundary = UINT64_C(7000000) * PAGE_SIZE;
    (void)state;

    page_pool_init(&pool, 8, 0);
    page_account_init(&account, &pool, NULL);
    pages_init(&pages, &account);
    assert_int_equal(pages_write(&pages, boundary + 5 * PAGE_SIZE, "late", 4), OK);
    assert_int_equal(pages_write(&pages, boundary - 2, "abcd", 4), OK); /* two pages */
    assert_int_equal(pages_used(&pages), 3);
    assert_int_equal(read_out(&pages, boundary - 2, out, 4), 4);
    assert_memory_equal(out, "abcd", 4);
    assert_int_equal(read_out(&pages, boundary + 5 * PAGE_SIZE, out, 4), 4);
    assert_memory_equal(out, "late", 4);
    assert_int_equal(read_out(&pages, boundary + PAGE_SIZE, out, 4), 0); /* a hole */
    pages_deinit(&pages);
    page_pool_deinit(&pool);
}

static void test_pool_bound(void **state)
{
    struct page_pool pool;
    struct page_account account;
    struct pages one, other;
    struct iovec vector[8];
    const uint8_t data[2 * PAGE_SIZE] = {0};
    (void)state;

    page_pool_init(&pool, 3, 1);
    page_account_init(&account, &pool, NULL);
    pages_init(&one, &account);
    pages_init(&other, &account);
    assert_int_equal(pages_write(&one, 0, data, sizeof(data)), OK);
    assert_int_equal(pages_write(&other, 1, data, PAGE_SIZE), ERROR_LIMIT);
    assert_int_equal(pages_used(&other), 0);
    assert_null(other.slots);
    assert_int_equal(pages_write(&one, 100, data, PAGE_SIZE), OK); /* needs none */
    /* A reservation takes what it can get, and may end inside the wanted length. */
    assert_int_equal(pages_reserve(&other, 10, 3 * PAGE_SIZE, vector, 8), 1);
    assert_int_equal(vector[0].iov_len, PAGE_SIZE - 10);
    assert_int_equal(pages_reserve(&other, PAGE_SIZE, 1, vector, 8), 0);
    assert_int_equal(pool.used, 3);
    pages_release_all(&one);
    assert_int_equal(pool.used, 1);
    assert_int_equal(pages_write(&other, PAGE_SIZE, data, sizeof(data)), OK);
    pages_deinit(&other);
    pages_deinit(&one);
    page_pool_deinit(&pool);
}

static void test_reserve_then_release_the_rest(void **state)
{
    struct page_pool pool;
    struct page_account account;
    struct pages pages;
    struct iovec vector[4];
    (void)state;

    page_pool_init(&pool, 100, 0);
    page_account_init(&account, &pool, NULL);
    pages_init(&pages, &account);
    assert_int_equal(pages_reserve(&pages, 7, 0, vector, 4), 0);
    assert_int_equal(pages_reserve(&pages, PAGE_SIZE, 1, vector, 0), 0);
    assert_int_equal(pages_used(&pages), 0);
    assert_int_equal(pages_reserve(&pages, 3 * PAGE_SIZE - 6, 9 * PAGE_SIZE, vector, 4), 4);
    assert_int_equal(pages_used(&pages), 4);
    assert_int_equal(vector[0].iov_len, 6);
    assert_int_equal(vector[3].iov_len, PAGE_SIZE);
    memcpy(vector[0].iov_base, "abcdef", 6);
    memcpy(vector[1].iov_base, "gh", 2);
    pages_release_from(&pages, 3 * PAGE_SIZE + 2);
    assert_int_equal(pages_used(&pages), 2);
    assert_int_equal(pages_view(&pages, 3 * PAGE_SIZE - 6, 8, vector, 4), 2);
    assert_memory_equal(vector[1].iov_base, "gh", 2);
    pages_release_from(&pages, 3 * PAGE_SIZE);
    assert_int_equal(pages_used(&pages), 1);
    pages_deinit(&pages);
    page_pool_deinit(&pool);
}

static void test_span_bound(void **state)
{
    struct page_pool pool;
    struct page_account account;
    struct pages pages;
    (void)state;

    page_pool_init(&pool, 8, 0);
    page_account_init(&account, &pool, NULL);
    pages_init(&pages, &account);
    assert_int_equal(pages_write(&pages, 0, "a", 1), OK);
    assert_int_equal(pages_write(&pages, (uint64_t)PAGES_SPAN_MAX * PAGE_SIZE, "b", 1),
                     ERROR_LIMIT);
    assert_int_equal(pages_write(&pages, UINT64_MAX - 1, "b", 1), ERROR_LIMIT);
    assert_int_equal(pages_write(&pages, (uint64_t)PAGES_SPAN_MAX * PAGE_SIZE - 1, "b", 1),
                     OK);
    pages_release_before(&pages, 1 + PAGE_SIZE);
    assert_int_equal(pages_write(&pages, (uint64_t)PAGES_SPAN_MAX * PAGE_SIZE, "b", 1), OK);
    pages_release_all(&pages);
    assert_int_equal(pages_write(&pages, UINT64_MAX - 1, "b", 1), OK);
    pages_deinit(&pages);
    page_pool_deinit(&pool);
}

/* A window that slides for long needs no more index than one that stands still. */
static void test_sliding_does_not_grow(void **state)
{
    struct page_pool pool;
    struct page_account account;
    struct pages pages;
    (void)state;

    page_pool_init(&pool, 8, 8);
    page_account_init(&account, &pool, NULL);
    pages_init(&pages, &account);
    for (uint64_t offset = 0; offset < UINT64_C(20000) * PAGE_SIZE; offset += 5000) {
        assert_int_equal(pages_write(&pages, offset + PAGE_SIZE, "data", 4), OK);
        pages_release_before(&pages, offset);
        assert_true(pages.capacity <= 8);
        assert_true(pages_used(&pages) <= 3);
    }
    pages_deinit(&pages);
    page_pool_deinit(&pool);
}

static void test_recycling(void **state)
{
    struct page_pool pool;
    struct page_account account;
    struct pages pages;
    const uint8_t data[3 * PAGE_SIZE] = {0};
    (void)state;

    page_pool_init(&pool, 8, 2);
    page_account_init(&account, &pool, NULL);
    pages_init(&pages, &account);
    assert_int_equal(pages_write(&pages, 0, data, sizeof(data)), OK);
    pages_release_all(&pages);
#ifdef PAGES_NO_RECYCLE
    assert_int_equal(pool.unused_count, 0);
#else
    assert_int_equal(pool.unused_count, 2); /* the third is over the bound */
    assert_int_equal(pages_write(&pages, 0, data, PAGE_SIZE), OK);
    assert_int_equal(pool.unused_count, 1);
    pages_release_all(&pages);
    page_pool_trim(&pool, 1);
    assert_int_equal(pool.unused_count, 1);
#endif
    pages_deinit(&pages);
    page_pool_deinit(&pool);
}

/* A flat array is the model: a window of it that slides upward is kept in pages. */
#define SPACE (40 * PAGE_SIZE)

struct model {
    uint8_t bytes[SPACE];
    bool held[SPACE];
};

static void check_window(const struct pages *pages, const struct model *model, size_t base)
{
    static uint8_t out[8 * PAGE_SIZE];
    size_t used = 0;

    for (size_t page = 0; page < SPACE / PAGE_SIZE; page++) {
        size_t start = page * PAGE_SIZE;
        bool present = read_out(pages, start, out, 1) == 1;

        used += present;
        if (present)
            read_out(pages, start, out, PAGE_SIZE);
        for (size_t i = MAX(start, base); i < start + PAGE_SIZE; i++) {
            if (!model->held[i])
                continue;
            if (!present || out[i - start] != model->bytes[i])
                fail_msg("byte %zu differs", i);
        }
    }
    assert_int_equal(used, pages_used(pages));
    assert_int_equal(pages->account->pool->used, used);
}

static void run_against_model(uint64_t seed, struct model *model)
{
    struct page_pool pool;
    struct page_account account;
    struct pages pages;
    size_t base = 0;

    memset(model, 0, sizeof(*model));
    page_pool_init(&pool, SPACE / PAGE_SIZE, 4);
    page_account_init(&account, &pool, NULL);
    pages_init(&pages, &account);
    while (base < SPACE - PAGE_SIZE) {
        size_t offset = base + random_next(&seed) % MIN(SPACE - base, 9 * PAGE_SIZE);
        size_t length = 1 + random_next(&seed) % (2 * PAGE_SIZE + 100);
        struct iovec vector[5];
        size_t at = offset;

        length = MIN(length, SPACE - offset);
        for (size_t i = offset; i < offset + length; i++) {
            model->bytes[i] = (uint8_t)random_next(&seed);
            model->held[i] = true;
        }
        if (random_next(&seed) % 2 == 0) {
            assert_int_equal(pages_write(&pages, offset, model->bytes + offset, length),
                             OK);
        } else {
            size_t count = pages_reserve(&pages, offset, length, vector, 5);

            for (size_t i = 0; i < count; at += vector[i].iov_len, i++)
                memcpy(vector[i].iov_base, model->bytes + at, vector[i].iov_len);
            assert_int_equal(at, offset + length);
        }
        if (random_next(&seed) % 8 == 0) {
            size_t end = base + random_next(&seed) % (SPACE - base + 1);

            pages_release_from(&pages, end);
            memset(model->held + end, 0, SPACE - end);
        }
        base += random_next(&seed) % PAGE_SIZE;
        pages_release_before(&pages, base);
        check_window(&pages, model, base);
    }
    pages_deinit(&pages);
    assert_int_equal(pool.used, 0);
    page_pool_deinit(&pool);
}

static void test_agrees_with_a_flat_array(void **state)
{
    struct model *model = malloc(sizeof(*model));
    (void)state;

    assert_non_null(model);
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_against_model(seed * UINT64_C(0x9e3779b97f4a7c15), model);
    free(model);
}

/* Accounts that hoard leave room to those that have little. */
static void test_a_shared_pool_keeps_room(void **state)
{
    enum { HOARDERS = 4, ALL = 1000 };
    static const uint8_t page[PAGE_SIZE];
    struct page_pool pool;
    struct places_pool all;
    struct places places[HOARDERS + 1];
    struct page_account accounts[HOARDERS + 1];
    struct pages pages[HOARDERS + 1];
    struct iovec vector[4];
    (void)state;

    page_pool_init(&pool, ALL, 0);
    places_pool_init(&all, ALL);
    for (unsigned i = 0; i <= HOARDERS; i++) {
        places_init(&places[i], &all, PLACES_UNLIMITED);
        page_account_init(&accounts[i], &pool, &places[i]);
        pages_init(&pages[i], &accounts[i]);
    }
    for (unsigned i = 0; i < HOARDERS; i++) {
        uint64_t number = 0;

        while (pages_write(&pages[i], number * PAGE_SIZE, page, PAGE_SIZE) == OK)
            number++;
        assert_int_equal(accounts[i].share.used, number);
        /* Half of what the ones before have left. */
        assert_in_range(number, (ALL >> (i + 1)) - 1, (ALL >> (i + 1)) + 1);
        assert_int_equal(pages_reserve(&pages[i], number * PAGE_SIZE, 1, vector, 4), 0);
    }
    /* An account that has nothing gets some even so. */
    assert_int_equal(pages_reserve(&pages[HOARDERS], 0, 4 * PAGE_SIZE, vector, 4), 4);
    assert_int_equal(accounts[HOARDERS].share.used, 4);
    for (unsigned i = 0; i <= HOARDERS; i++) {
        pages_deinit(&pages[i]);
        assert_int_equal(accounts[i].share.used, 0);
    }
    page_pool_deinit(&pool);
}

static void test_moving_between_accounts(void **state)
{
    struct page_pool pool;
    struct page_account from, to;
    struct pages source, target;
    uint8_t out[5];
    (void)state;

    page_pool_init(&pool, 8, 0);
    page_account_init(&from, &pool, NULL);
    page_account_init(&to, &pool, NULL);
    pages_init(&source, &from);
    pages_init(&target, &to);
    assert_int_equal(pages_write(&source, PAGE_SIZE - 2, "moved", 5), OK);
    pages_move(&target, &source);
    assert_int_equal(from.share.used, 0);
    assert_int_equal(to.share.used, 2);
    assert_int_equal(pool.used, 2);
    assert_int_equal(read_out(&target, PAGE_SIZE - 2, out, 5), 5);
    assert_memory_equal(out, "moved", 5);
    assert_int_equal(pages_used(&source), 0);
    assert_int_equal(pages_write(&source, 0, "x", 1), OK);
    assert_int_equal(from.share.used, 1);
    pages_deinit(&source);
    pages_deinit(&target);
    assert_int_equal(pool.used, 0);
    page_pool_deinit(&pool);
}

UNIT_MAIN(cmocka_unit_test(test_empty_has_no_heap),
          cmocka_unit_test(test_bytes_survive_any_order), cmocka_unit_test(test_pool_bound),
          cmocka_unit_test(test_reserve_then_release_the_rest),
          cmocka_unit_test(test_span_bound), cmocka_unit_test(test_sliding_does_not_grow),
          cmocka_unit_test(test_recycling), cmocka_unit_test(test_agrees_with_a_flat_array),
          cmocka_unit_test(test_a_shared_pool_keeps_room),
          cmocka_unit_test(test_moving_between_accounts))
