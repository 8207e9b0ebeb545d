/* SPDX-License-Identifier: MIT */
/* The sessions of a relay's worker by their ids; a resumed session has several. */
#ifndef GATE_SESSION_IDS_H
#define GATE_SESSION_IDS_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

struct session;
struct session_id_entry;

#define SESSION_IDS_BUCKETS 256

/* All zero at first. */
struct session_ids {
    struct session_id_entry *buckets[SESSION_IDS_BUCKETS];
};

/* NULL when there is none. */
struct session *session_ids_find(const struct session_ids *ids, uint64_t id);
/* The order of the id's generation; 0, below all orders, for an unknown id. */
uint64_t session_ids_order(const struct session_ids *ids, uint64_t id);
/* `order` is that of the id's generation. False when memory is out. */
bool session_ids_add(struct session_ids *ids, uint64_t id, uint64_t order,
                     struct session *session) MUST_CHECK;
/* Forgets the ids of the session's generations older than `order`, but for `kept`. */
void session_ids_forget(struct session_ids *ids, const struct session *session,
                        uint64_t order, uint64_t kept);
/* Forgets all ids of the session. */
void session_ids_remove(struct session_ids *ids, const struct session *session);

#endif
