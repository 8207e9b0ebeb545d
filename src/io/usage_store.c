/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/usage_store.h>

#include <splitsocks/config/state.h>
#include <splitsocks/io/clock.h>

#include <jansson.h>

#define SECTION "usage" /* of the state file */

/* ---- the file ---- */

/* Reads the usable part of the file. */
static void load(struct usage_store *store)
{
    json_t *document = state_file_read(store->file);

    if (usage_read(&store->usage, state_section(document, SECTION)) != OK)
        log_warning("the state file %s has no usable count of quotas: they count from zero",
                    store->file->path);
    json_decref(document);
}

struct merging {
    struct usage_store *store;
    struct usage usage; /* what the file has then */
    bool done;
};

/* Adds the fresh bytes to the file's, which other processes may have changed meanwhile. A
 * missing or damaged section is made again from what is known. */
static bool merge(json_t *document, void *context)
{
    struct merging *merging = context;
    const struct usage_store *store = merging->store;
    const json_t *section = state_section(document, SECTION);

    if ((section == NULL || usage_read(&merging->usage, section) != OK) &&
        usage_copy(&merging->usage, &store->usage) != OK)
        return false;
    (void)usage_turn(&merging->usage, clock_wall());
    for (size_t i = 0; i < store->count; i++)
        if (store->fresh[i].bytes > 0 &&
            usage_add(&merging->usage, store->fresh[i].name, store->fresh[i].bytes) != OK)
            return false;
    merging->done =
        state_set_section(document, SECTION, usage_write(&merging->usage)) == OK;
    return merging->done;
}

static void forget_fresh(struct usage_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        store->fresh[i].bytes = 0;
}

bool usage_store_unsaved(const struct usage_store *store)
{
    bool any = store->turned;

    for (size_t i = 0; !any && i < store->count; i++)
        any = store->fresh[i].bytes > 0;
    return any && store->file->path != NULL;
}

static void save(struct usage_store *store, bool last)
{
    struct merging merging = {.store = store};

    if (!usage_store_unsaved(store))
        return;
    if (state_file_change(store->file, last, merge, &merging) == OK && merging.done) {
        usage_deinit(&store->usage);
        store->usage = merging.usage;
        store->turned = false;
        forget_fresh(store);
    } else {
        usage_deinit(&merging.usage);
    }
}

void usage_store_save(struct usage_store *store, uint64_t now)
{
    if (!store->turned && now - store->saved_at_ns < USAGE_SAVE_NS)
        return;
    store->saved_at_ns = now;
    save(store, false);
}

/* ---- counting ---- */

uint64_t usage_store_used(const struct usage_store *store, size_t index)
{
    return usage_get(&store->usage, store->fresh[index].name) + store->fresh[index].bytes;
}

void usage_store_turn(struct usage_store *store)
{
    uint32_t month = store->usage.month;

    if (!usage_turn(&store->usage, clock_wall()))
        return;
    store->turned = true;
    if (store->usage.month > month)
        forget_fresh(store);
}

/* ---- life ---- */

void usage_store_init(struct usage_store *store, struct state_file *file,
                      struct usage_fresh *fresh, size_t count)
{
    *store = (struct usage_store){.file = file, .fresh = fresh, .count = count};
    load(store);
    /* Only the file tells which month came before. */
    store->turned = usage_turn(&store->usage, clock_wall());
    save(store, false);
    store->saved_at_ns = clock_now();
}

void usage_store_deinit(struct usage_store *store)
{
    if (store->file != NULL)
        save(store, true);
    usage_deinit(&store->usage);
}
