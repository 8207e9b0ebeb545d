/* SPDX-License-Identifier: MIT */
/* No mode may do this: send data on a path that seems dead, or that is to be spared, and
 * bulk on the interactive lane. */
#include <splitsocks/engine/schedule/schedule.h>

bool scheduler_is_lane(const struct schedule *schedule, const struct subflow *subflow)
{
    return schedule->subflows->lane == subflow;
}

/* Whether the path is one of `paths`, and another live path is not. */
static bool is_worse(const struct schedule *schedule, uint16_t paths, unsigned index)
{
    return paths >> index & 1 && (schedule->paths->live & ~paths) != 0;
}

bool scheduler_path_silent(const struct schedule *schedule, unsigned index)
{
    return is_worse(schedule, schedule->paths->silent, index);
}

bool scheduler_path_uncertain(const struct schedule *schedule, unsigned index)
{
    return is_worse(schedule, schedule->paths->doubtful, index);
}

bool scheduler_path_takes(const struct schedule *schedule, unsigned index,
                          const struct stream *stream, bool at_once)
{
    if (!path_allows(schedule->paths, index, &stream->policy) ||
        scheduler_path_silent(schedule, index))
        return false;
    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->path == index && subflow_usable(subflow) &&
            (subflow->writable || !at_once) &&
            (stream->class == STREAM_INTERACTIVE ||
             (!scheduler_is_lane(schedule, subflow) &&
              !packets_hold(schedule->subflows, subflow))))
            return true;
    }
    return false;
}

bool scheduler_spares(const struct schedule *schedule, unsigned index,
                      const struct stream *stream)
{
    const struct path_properties *own = &schedule->paths->items[index].properties;

    if (path_in_reserve(schedule->paths, index, &stream->policy) ||
        sparing_holds(schedule, index, stream))
        return true;
    /* The user who asks for copies pays for them. */
    if (stream->policy.mode == STREAM_MODE_REDUNDANT)
        return false;
    for (unsigned i = 0; own->cost > 0 && schedule->paths->live >> i != 0; i++)
        if (schedule->paths->live >> i & 1 &&
            schedule->paths->items[i].properties.cost < own->cost &&
            !path_in_reserve(schedule->paths, i, &stream->policy) &&
            scheduler_path_takes(schedule, i, stream, true))
            return true;
    return false;
}
