/* SPDX-License-Identifier: MIT */
#include "session_ids.h"

#include <stddef.h>
#include <stdlib.h>

struct session_id_entry {
    struct session_id_entry *next;
    uint64_t id;
    uint64_t order; /* of its generation */
    struct session *session;
};

static const struct session_id_entry *find(const struct session_ids *ids, uint64_t id)
{
    const struct session_id_entry *entry = ids->buckets[id % SESSION_IDS_BUCKETS];

    while (entry != NULL && entry->id != id)
        entry = entry->next;
    return entry;
}

struct session *session_ids_find(const struct session_ids *ids, uint64_t id)
{
    const struct session_id_entry *entry = find(ids, id);

    return entry == NULL ? NULL : entry->session;
}

uint64_t session_ids_order(const struct session_ids *ids, uint64_t id)
{
    const struct session_id_entry *entry = find(ids, id);

    return entry == NULL ? 0 : entry->order;
}

bool session_ids_add(struct session_ids *ids, uint64_t id, uint64_t order,
                     struct session *session)
{
    struct session_id_entry **bucket = &ids->buckets[id % SESSION_IDS_BUCKETS];
    struct session_id_entry *entry = malloc(sizeof(*entry));

    if (entry == NULL)
        return false;
    *entry = (struct session_id_entry){
        .next = *bucket, .id = id, .order = order, .session = session};
    *bucket = entry;
    return true;
}

/* `kept` may be NULL. */
static void drop(struct session_ids *ids, const struct session *session, uint64_t order,
                 const uint64_t *kept)
{
    for (unsigned i = 0; i < SESSION_IDS_BUCKETS; i++) {
        struct session_id_entry **link = &ids->buckets[i];

        while (*link != NULL) {
            struct session_id_entry *entry = *link;

            if (entry->session != session || entry->order >= order ||
                (kept != NULL && entry->id == *kept)) {
                link = &entry->next;
                continue;
            }
            *link = entry->next;
            free(entry);
        }
    }
}

void session_ids_forget(struct session_ids *ids, const struct session *session,
                        uint64_t order, uint64_t kept)
{
    drop(ids, session, order, &kept);
}

void session_ids_remove(struct session_ids *ids, const struct session *session)
{
    drop(ids, session, UINT64_MAX, NULL);
}
