/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/named_ids.h>

#include <splitsocks/base/error.h>

int named_ids_add(struct named_ids *ids, uint64_t id, bool *first)
{
    int error = OK;

    *first = true;
    if (id > ids->highest) {
        error = ranges_add(&ids->passed, ids->highest + 1, id);
        ids->highest = id;
    } else if (ranges_contains(&ids->passed, id, id + 1)) {
        error = ranges_remove(&ids->passed, id, id + 1);
    } else {
        *first = false;
    }
    return error;
}

void named_ids_init(struct named_ids *ids, struct share *share)
{
    *ids = (struct named_ids){0};
    ranges_init(&ids->passed, share);
}

void named_ids_deinit(struct named_ids *ids)
{
    ranges_clear(&ids->passed);
}
