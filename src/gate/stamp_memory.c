/* SPDX-License-Identifier: MIT */
#include <splitsocks/gate/stamp_memory.h>

#include <stdbool.h>
#include <string.h>

/* The number of kept stamps below `stamp`. Stamps in order belong to the end. */
static unsigned count_below(const struct stamp_list *list, uint64_t stamp)
{
    unsigned below = list->count;

    while (below > 0 && list->stamps[below - 1] >= stamp)
        below--;
    return below;
}

static bool is_kept(const struct stamp_list *list, uint64_t stamp)
{
    unsigned below = count_below(list, stamp);

    return below < list->count && list->stamps[below] == stamp;
}

static bool is_below_all(const struct stamp_list *list, uint64_t stamp)
{
    return list->count == STAMPS_KEPT && stamp < list->stamps[0];
}

static bool is_forgotten(const struct stamp_memory *memory, uint64_t stamp)
{
    return memory->forgotten_from != 0 && stamp >= memory->forgotten_from &&
           stamp < memory->ahead.stamps[0];
}

static bool is_ahead(uint64_t stamp, uint64_t clock_ns)
{
    return clock_ns != 0 && stamp > clock_ns && stamp - clock_ns > STAMP_AHEAD_NS;
}

int stamp_memory_check(const struct stamp_memory *memory, uint64_t stamp, uint64_t clock_ns)
{
    bool known = is_kept(&memory->usual, stamp) || is_kept(&memory->ahead, stamp) ||
                 is_below_all(&memory->usual, stamp) || is_forgotten(memory, stamp) ||
                 (is_ahead(stamp, clock_ns) && is_below_all(&memory->ahead, stamp));

    return known ? ERROR_REPLAY : OK;
}

int stamp_memory_accept(struct stamp_memory *memory, uint64_t stamp, uint64_t clock_ns)
{
    bool ahead = is_ahead(stamp, clock_ns);
    struct stamp_list *list = ahead ? &memory->ahead : &memory->usual;
    int error = stamp_memory_check(memory, stamp, clock_ns);
    unsigned place;

    if (error != OK)
        return error;
    if (list->count == STAMPS_KEPT) {
        if (ahead && memory->forgotten_from == 0)
            memory->forgotten_from = list->stamps[0];
        list->count--;
        memmove(&list->stamps[0], &list->stamps[1], list->count * sizeof(list->stamps[0]));
    }
    place = count_below(list, stamp);
    memmove(&list->stamps[place + 1], &list->stamps[place],
            (list->count - place) * sizeof(list->stamps[0]));
    list->stamps[place] = stamp;
    list->count++;
    return OK;
}

static size_t append_list(uint64_t *stamps, size_t count, const struct stamp_list *list)
{
    memcpy(stamps + count, list->stamps, list->count * sizeof(list->stamps[0]));
    return count + list->count;
}

size_t stamp_memory_list(const struct stamp_memory *memory, uint64_t stamps[STAMPS_LISTED])
{
    /* The usual ones first: if the clock is not set yet, all count as ahead, and the
     * memory forgets from the first one on. */
    size_t count = append_list(stamps, 0, &memory->usual);

    if (memory->forgotten_from != 0)
        stamps[count++] = memory->forgotten_from;
    return append_list(stamps, count, &memory->ahead);
}
