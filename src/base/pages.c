/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/pages.h>

#include <splitsocks/base/error.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define INITIAL_CAPACITY 4

static_assert(sizeof(struct pages) <= 48, "an idle stream has two of these");

void page_pool_init(struct page_pool *pool, size_t max_used, size_t max_unused)
{
    *pool = (struct page_pool){.max_unused = max_unused};
    places_init(&pool->bound, NULL, max_used);
}

void page_pool_trim(struct page_pool *pool, size_t keep)
{
    while (pool->unused_count > keep) {
        void *page = pool->unused;

        memcpy(&pool->unused, page, sizeof(pool->unused));
        pool->unused_count--;
        free(page);
    }
}

void page_pool_deinit(struct page_pool *pool)
{
    assert(pool->used == 0);
    page_pool_trim(pool, 0);
}

void page_account_init(struct page_account *account, struct page_pool *pool,
                       struct places *places)
{
    account->pool = pool;
    share_init(&account->share, places != NULL ? places : &pool->bound);
}

/* A page for which an account was charged. */
static uint8_t *take_page(struct page_pool *pool)
{
    uint8_t *page = pool->unused;

    if (page != NULL) {
        memcpy(&pool->unused, page, sizeof(pool->unused));
        pool->unused_count--;
    } else {
        page = malloc(PAGE_SIZE);
    }
    if (page != NULL)
        pool->used++;
    return page;
}

static void give_page(struct page_account *account, uint8_t *page)
{
    struct page_pool *pool = account->pool;

    pool->used--;
    share_give(&account->share, 1);
#ifndef PAGES_NO_RECYCLE
    if (pool->unused_count < pool->max_unused) {
        memcpy(page, &pool->unused, sizeof(pool->unused));
        pool->unused = page;
        pool->unused_count++;
        return;
    }
#endif
    free(page);
}

void pages_init(struct pages *pages, struct page_account *account)
{
    *pages = (struct pages){.account = account};
}

void pages_deinit(struct pages *pages)
{
    pages_release_all(pages);
}

void pages_move(struct pages *to, struct pages *from)
{
    struct page_account *account = to->account;

    assert(to->used == 0 && account->pool == from->account->pool);
    share_give(&from->account->share, from->used);
    share_add(&account->share, from->used);
    *to = *from;
    to->account = account;
    pages_init(from, from->account);
}

/* The slot `index` places after the head; index < capacity. */
static uint8_t **slot_at(const struct pages *pages, uint64_t index)
{
    return &pages->slots[(pages->head + index) & (pages->capacity - 1)];
}

/* The page with this number, or NULL. */
static uint8_t *find_page(const struct pages *pages, uint64_t number)
{
    if (number < pages->first || number - pages->first >= pages->span)
        return NULL;
    return *slot_at(pages, number - pages->first);
}

static int grow(struct pages *pages, uint64_t span)
{
    uint32_t capacity = MAX(pages->capacity, INITIAL_CAPACITY);
    uint8_t **slots;

    while (capacity < span)
        capacity *= 2;
    slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return ERROR_MEMORY;
    for (uint32_t i = 0; i < pages->span; i++)
        slots[i] = *slot_at(pages, i);
    free(pages->slots);
    pages->slots = slots;
    pages->capacity = capacity;
    pages->head = 0;
    return OK;
}

/* Makes the ring reach from page `low` to page `high`, both included, in addition to the
 * pages that it reaches already. */
static int extend(struct pages *pages, uint64_t low, uint64_t high)
{
    uint64_t first = pages->span == 0 ? low : MIN(low, pages->first);
    uint64_t last = pages->span == 0 ? high : MAX(high, pages->first + pages->span - 1);

    if (last - first >= PAGES_SPAN_MAX)
        return ERROR_LIMIT;
    if (last - first >= pages->capacity) {
        int result = grow(pages, last - first + 1);

        if (result != OK)
            return result;
    }
    if (pages->span > 0)
        pages->head =
            (pages->head - (uint32_t)(pages->first - first)) & (pages->capacity - 1);
    pages->first = first;
    pages->span = (uint32_t)(last - first + 1);
    return OK;
}

/* Gives the index back once no page is left. */
static void drop_index_if_empty(struct pages *pages)
{
    if (pages->used == 0) {
        free(pages->slots);
        pages_init(pages, pages->account);
    }
}

/* Puts a page in an absent one's place, which the ring reaches and the account was charged
 * for. False when memory is out. */
static bool fill(struct pages *pages, uint64_t number)
{
    uint8_t **slot = slot_at(pages, number - pages->first);

    *slot = take_page(pages->account->pool);
    pages->used += *slot != NULL;
    return *slot != NULL;
}

/* Takes all pages from `low` to `high`, or none if the allowance does not suffice. */
static int need_all(struct pages *pages, uint64_t low, uint64_t high)
{
    struct share *share = &pages->account->share;
    size_t missing = 0;
    int result;

    for (uint64_t number = low; number <= high; number++)
        missing += find_page(pages, number) == NULL;
    if (missing == 0)
        return OK;
    if (!share_take(share, missing))
        return ERROR_LIMIT;
    result = extend(pages, low, high);
    for (uint64_t number = low; result == OK && number <= high; number++) {
        if (find_page(pages, number) != NULL)
            continue;
        if (fill(pages, number))
            missing--;
        else
            result = ERROR_MEMORY;
    }
    share_give(share, missing);
    drop_index_if_empty(pages);
    return result;
}

int pages_write(struct pages *pages, uint64_t offset, const void *data, size_t length)
{
    const uint8_t *from = data;

    assert(length <= UINT64_MAX - offset);
    if (length == 0)
        return OK;
    int result = need_all(pages, offset / PAGE_SIZE, (offset + length - 1) / PAGE_SIZE);

    if (result != OK)
        return result;
    while (length > 0) {
        size_t within = offset % PAGE_SIZE;
        size_t part = MIN(length, PAGE_SIZE - within);

        memcpy(find_page(pages, offset / PAGE_SIZE) + within, from, part);
        from += part;
        offset += part;
        length -= part;
    }
    return OK;
}

size_t pages_view(const struct pages *pages, uint64_t offset, size_t length,
                  struct iovec *vector, size_t max)
{
    size_t count = 0;

    for (; count < max && length > 0; count++) {
        uint8_t *page = find_page(pages, offset / PAGE_SIZE);
        size_t within = offset % PAGE_SIZE;
        size_t part = MIN(length, PAGE_SIZE - within);

        if (page == NULL)
            break;
        vector[count] = (struct iovec){.iov_base = page + within, .iov_len = part};
        offset += part;
        length -= part;
    }
    return count;
}

/* Takes one more page, unless memory or a bound forbids that. */
static bool take_one(struct pages *pages, uint64_t number)
{
    struct share *share = &pages->account->share;

    if (!share_take(share, 1))
        return false;
    if (fill(pages, number))
        return true;
    share_give(share, 1);
    return false;
}

size_t pages_reserve(struct pages *pages, uint64_t offset, size_t length,
                     struct iovec *vector, size_t max)
{
    uint64_t low = offset / PAGE_SIZE;
    uint64_t high;

    assert(length <= UINT64_MAX - offset);
    if (length == 0 || max == 0)
        return 0;
    high = (offset + length - 1) / PAGE_SIZE;
    high = MIN(high, low + max - 1);
    if (extend(pages, low, high) == OK) {
        for (uint64_t number = low; number <= high; number++)
            if (find_page(pages, number) == NULL && !take_one(pages, number))
                break;
        drop_index_if_empty(pages);
    }
    return pages_view(pages, offset, length, vector, max);
}

static void release_slot(struct pages *pages, uint64_t index)
{
    uint8_t **slot = slot_at(pages, index);

    if (*slot != NULL) {
        give_page(pages->account, *slot);
        *slot = NULL;
        pages->used--;
    }
}

void pages_release_before(struct pages *pages, uint64_t offset)
{
    while (pages->span > 0 && pages->first < offset / PAGE_SIZE) {
        release_slot(pages, 0);
        pages->head = (pages->head + 1) & (pages->capacity - 1);
        pages->first++;
        pages->span--;
    }
    drop_index_if_empty(pages);
}

void pages_release_from(struct pages *pages, uint64_t offset)
{
    uint64_t keep = offset / PAGE_SIZE + (offset % PAGE_SIZE > 0);

    while (pages->span > 0 && pages->first + pages->span > keep) {
        pages->span--;
        release_slot(pages, pages->span);
    }
    drop_index_if_empty(pages);
}

void pages_release_all(struct pages *pages)
{
    pages_release_from(pages, 0);
}
