/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/ranges.h>

#include <splitsocks/base/error.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define INITIAL_CAPACITY 4

void ranges_init(struct ranges *set)
{
    *set = (struct ranges){0};
}

void ranges_deinit(struct ranges *set)
{
    free(set->items);
    ranges_init(set);
}

size_t ranges_find(const struct ranges *set, uint64_t offset)
{
    size_t low = 0;
    size_t high = set->count;

    /* Most questions are about the newest data. */
    if (high > 0 && set->items[high - 1].end <= offset)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->items[middle].end > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Makes room for one item at `index`. */
static int insert(struct ranges *set, size_t index, struct range item)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? INITIAL_CAPACITY : set->capacity * 2;
        struct range *items = realloc(set->items, capacity * sizeof(*items));

        if (items == NULL)
            return ERROR_MEMORY;
        set->items = items;
        set->capacity = capacity;
    }
    memmove(set->items + index + 1, set->items + index,
            (set->count - index) * sizeof(*set->items));
    set->items[index] = item;
    set->count++;
    return OK;
}

/* Drops the items [first, last). */
static void erase(struct ranges *set, size_t first, size_t last)
{
    if (first == last)
        return;
    memmove(set->items + first, set->items + last,
            (set->count - last) * sizeof(*set->items));
    set->count -= last - first;
    if (set->count == 0)
        ranges_deinit(set);
}

int ranges_add(struct ranges *set, uint64_t start, uint64_t end)
{
    size_t first, last;

    assert(start <= end);
    if (start == end)
        return OK;
    /* An item that ends at `start`, or starts at `end`, is merged too. */
    first = start == 0 ? 0 : ranges_find(set, start - 1);
    for (last = first; last < set->count && set->items[last].start <= end; last++)
        ;
    if (first == last)
        return insert(set, first, (struct range){start, end});
    set->items[first].start = MIN(set->items[first].start, start);
    set->items[first].end = MAX(set->items[last - 1].end, end);
    erase(set, first + 1, last);
    return OK;
}

int ranges_remove(struct ranges *set, uint64_t start, uint64_t end)
{
    size_t first, last;

    assert(start <= end);
    if (start == end)
        return OK;
    first = ranges_find(set, start);
    for (last = first; last < set->count && set->items[last].start < end; last++)
        ;
    if (first == last)
        return OK;
    if (set->items[first].start < start && set->items[first].end > end) {
        int result = insert(set, first + 1, (struct range){end, set->items[first].end});

        if (result == OK)
            set->items[first].end = start;
        return result;
    }
    if (set->items[first].start < start)
        set->items[first++].end = start;
    if (last > first && set->items[last - 1].end > end)
        set->items[--last].start = end;
    erase(set, first, last);
    return OK;
}

void ranges_remove_before(struct ranges *set, uint64_t end)
{
    size_t keep = ranges_find(set, end);

    if (keep < set->count)
        set->items[keep].start = MAX(set->items[keep].start, end);
    erase(set, 0, keep);
}

bool ranges_contains(const struct ranges *set, uint64_t start, uint64_t end)
{
    size_t index;

    assert(start <= end);
    if (start == end)
        return true;
    index = ranges_find(set, start);
    return index < set->count && set->items[index].start <= start &&
           set->items[index].end >= end;
}

uint64_t ranges_total(const struct ranges *set)
{
    uint64_t total = 0;

    for (size_t i = 0; i < set->count; i++)
        total += set->items[i].end - set->items[i].start;
    return total;
}

bool ranges_next(const struct ranges *set, uint64_t from, uint64_t limit, struct range *hit)
{
    size_t index = ranges_find(set, from);

    if (index == set->count || set->items[index].start >= limit || from >= limit)
        return false;
    hit->start = MAX(set->items[index].start, from);
    hit->end = MIN(set->items[index].end, limit);
    return true;
}

bool ranges_next_gap(const struct ranges *set, uint64_t from, uint64_t limit,
                     struct range *gap)
{
    size_t index = ranges_find(set, from);

    if (index < set->count && set->items[index].start <= from)
        from = set->items[index++].end; /* items do not touch: a gap begins here */
    if (from >= limit)
        return false;
    gap->start = from;
    gap->end = index < set->count ? MIN(set->items[index].start, limit) : limit;
    return true;
}
