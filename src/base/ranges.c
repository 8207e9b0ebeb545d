/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/ranges.h>

#include <splitsocks/base/error.h>

#include <assert.h>
#include <stdlib.h>

/* A node of an AVL tree, by `start`. */
struct ranges_item {
    struct range range;
    struct ranges_item *below[2]; /* the items before and behind this one */
    int height;                   /* 1 for an item with none below */
};

/* With the allocator's own 8 bytes. */
static_assert(sizeof(struct ranges_item) + 8 <= RANGES_ITEM_SIZE, "items are charged");

/* ---- the tree ---- */

static int height_of(const struct ranges_item *item)
{
    return item != NULL ? item->height : 0;
}

static void update_height(struct ranges_item *item)
{
    item->height = 1 + MAX(height_of(item->below[0]), height_of(item->below[1]));
}

/* The item on `side` takes the place of `top`. */
static struct ranges_item *rotate(struct ranges_item *top, int side)
{
    struct ranges_item *rising = top->below[side];

    top->below[side] = rising->below[!side];
    rising->below[!side] = top;
    update_height(top);
    update_height(rising);
    return rising;
}

/* The heights below `top` may differ by two; returns what stands in its place. */
static struct ranges_item *balance(struct ranges_item *top)
{
    int difference = height_of(top->below[1]) - height_of(top->below[0]);
    int side = difference > 0;
    struct ranges_item *taller = top->below[side];

    if (difference >= -1 && difference <= 1) {
        update_height(top);
        return top;
    }
    if (height_of(taller->below[!side]) > height_of(taller->below[side]))
        top->below[side] = rotate(taller, !side);
    return rotate(top, side);
}

static struct ranges_item *insert_below(struct ranges_item *top, struct ranges_item *item)
{
    int side;

    if (top == NULL)
        return item;
    side = item->range.start > top->range.start;
    top->below[side] = insert_below(top->below[side], item);
    return balance(top);
}

static struct ranges_item *take_first(struct ranges_item *top, struct ranges_item **first)
{
    if (top->below[0] == NULL) {
        *first = top;
        return top->below[1];
    }
    top->below[0] = take_first(top->below[0], first);
    return balance(top);
}

/* The item stays valid; only its place in the tree is taken. */
static struct ranges_item *remove_below(struct ranges_item *top,
                                        const struct ranges_item *item)
{
    struct ranges_item *heir;

    if (top != item) {
        int side = item->range.start > top->range.start;

        top->below[side] = remove_below(top->below[side], item);
        return balance(top);
    }
    if (top->below[1] == NULL)
        return top->below[0];
    top->below[1] = take_first(top->below[1], &heir);
    heir->below[0] = top->below[0];
    heir->below[1] = top->below[1];
    return balance(heir);
}

static void free_below(struct ranges_item *top)
{
    if (top == NULL)
        return;
    free_below(top->below[0]);
    free_below(top->below[1]);
    free(top);
}

/* ---- items ---- */

static void give_back(const struct ranges *set, size_t count)
{
    if (set->share != NULL)
        share_give(set->share, count * RANGES_ITEM_SIZE);
}

static int insert(struct ranges *set, uint64_t start, uint64_t end)
{
    struct ranges_item *item;

    if (set->share != NULL && !share_take(set->share, RANGES_ITEM_SIZE))
        return ERROR_LIMIT;
    item = malloc(sizeof(*item));
    if (item == NULL) {
        give_back(set, 1);
        return ERROR_MEMORY;
    }
    *item = (struct ranges_item){.range = {start, end}, .height = 1};
    set->root = insert_below(set->root, item);
    set->count++;
    set->total += end - start;
    return OK;
}

static void erase(struct ranges *set, struct ranges_item *item)
{
    set->root = remove_below(set->root, item);
    set->count--;
    set->total -= item->range.end - item->range.start;
    free(item);
    give_back(set, 1);
}

/* The item keeps its place among the others. */
static void change(struct ranges *set, struct ranges_item *item, uint64_t start,
                   uint64_t end)
{
    set->total += (end - start) - (item->range.end - item->range.start);
    item->range = (struct range){start, end};
}

/* The first item whose end lies above `offset`, or NULL. */
static struct ranges_item *find(const struct ranges *set, uint64_t offset)
{
    struct ranges_item *item = set->root, *found = NULL;

    while (item != NULL) {
        bool above = item->range.end > offset;

        if (above)
            found = item;
        item = item->below[!above];
    }
    return found;
}

/* ---- the set ---- */

void ranges_init(struct ranges *set, struct share *share)
{
    *set = (struct ranges){.share = share};
}

void ranges_clear(struct ranges *set)
{
    free_below(set->root);
    give_back(set, set->count);
    ranges_init(set, set->share);
}

int ranges_add(struct ranges *set, uint64_t start, uint64_t end)
{
    struct ranges_item *first, *next;

    assert(start <= end);
    if (start == end)
        return OK;
    /* An item that ends at `start`, or starts at `end`, is merged too. */
    first = find(set, start == 0 ? 0 : start - 1);
    if (first == NULL || first->range.start > end)
        return insert(set, start, end);
    while ((next = find(set, first->range.end)) != NULL && next->range.start <= end) {
        uint64_t next_end = next->range.end;

        erase(set, next);
        change(set, first, first->range.start, next_end);
    }
    change(set, first, MIN(first->range.start, start), MAX(first->range.end, end));
    return OK;
}

int ranges_remove(struct ranges *set, uint64_t start, uint64_t end)
{
    struct ranges_item *item;

    assert(start <= end);
    while (start < end && (item = find(set, start)) != NULL && item->range.start < end) {
        struct range range = item->range;

        if (range.start < start && range.end > end) {
            int result = insert(set, end, range.end);

            if (result == OK)
                change(set, item, range.start, start);
            else
                return result;
        } else if (range.start < start) {
            change(set, item, range.start, start);
        } else if (range.end > end) {
            change(set, item, end, range.end);
        } else {
            erase(set, item);
        }
    }
    return OK;
}

void ranges_remove_before(struct ranges *set, uint64_t end)
{
    struct ranges_item *item;

    while ((item = find(set, 0)) != NULL && item->range.start < end) {
        if (item->range.end > end)
            change(set, item, end, item->range.end);
        else
            erase(set, item);
    }
}

uint64_t ranges_advance(struct ranges *set, uint64_t from)
{
    struct range range;

    if (ranges_next(set, from, UINT64_MAX, &range) && range.start == from)
        from = range.end;
    ranges_remove_before(set, from);
    return from;
}

bool ranges_contains(const struct ranges *set, uint64_t start, uint64_t end)
{
    const struct ranges_item *item;

    assert(start <= end);
    if (start == end)
        return true;
    item = find(set, start);
    return item != NULL && item->range.start <= start && item->range.end >= end;
}

bool ranges_next(const struct ranges *set, uint64_t from, uint64_t limit, struct range *hit)
{
    const struct ranges_item *item = find(set, from);

    if (item == NULL || item->range.start >= limit || from >= limit)
        return false;
    hit->start = MAX(item->range.start, from);
    hit->end = MIN(item->range.end, limit);
    return true;
}

bool ranges_next_gap(const struct ranges *set, uint64_t from, uint64_t limit,
                     struct range *gap)
{
    const struct ranges_item *item = find(set, from);

    if (item != NULL && item->range.start <= from) {
        from = item->range.end; /* items do not touch: a gap begins here */
        item = find(set, from);
    }
    if (from >= limit)
        return false;
    gap->start = from;
    gap->end = item != NULL ? MIN(item->range.start, limit) : limit;
    return true;
}
