/* SPDX-License-Identifier: MIT */
/*
 * Bytes that this process counts by name, added to the section "usage" of a state file
 * (usage.h).
 *
 * Several processes may share the file: each adds the bytes that it has counted itself.
 * Bytes that cannot be saved count in this process, and saving is tried again.
 */
#ifndef SPLITSOCKS_USAGE_STORE_H
#define SPLITSOCKS_USAGE_STORE_H

#include <splitsocks/config/usage.h>
#include <splitsocks/io/state_file.h>

/* What a crash may lose. */
#define USAGE_SAVE_NS (5 * NS_PER_S)

struct usage_store {
    struct state_file *file; /* borrowed */
    struct usage usage;      /* as in the file, or as it would be there */
    /* Bytes that are not in `usage` yet. */
    struct usage_fresh {
        const char *name; /* borrowed; as usage_add() takes it */
        uint64_t bytes;
    } *fresh; /* borrowed */
    size_t count;
    bool turned;          /* the month has changed, and the file does not say so yet */
    uint64_t saved_at_ns; /* when saving was last tried */
};

/* Reads the file, and turns to the present month. `fresh` may be replaced by a longer array
 * later. */
void usage_store_init(struct usage_store *store, struct state_file *file,
                      struct usage_fresh *fresh, size_t count);
/* Saves. Not needed for a zeroed one. */
void usage_store_deinit(struct usage_store *store);

/* Bytes used in this month. */
uint64_t usage_store_used(const struct usage_store *store, size_t index);
/* Follows the wall clock: bytes that are not saved belong to the month that has ended. */
void usage_store_turn(struct usage_store *store);
/* Whether the file lacks anything. */
bool usage_store_unsaved(const struct usage_store *store);
/* Saves what the file lacks, at most every USAGE_SAVE_NS, or when the month has turned. */
void usage_store_save(struct usage_store *store, uint64_t now);

#endif
