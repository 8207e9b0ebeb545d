/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/subflow/subflow.h>

#include <stdlib.h>

/* A generation that lost its last subflow while it was the newest is freed once it has a
 * successor. */
static void release_predecessors(struct subflows *subflows)
{
    list_foreach(&subflows->generations, node, after) {
        generation_release(subflows, list_entry(node, struct generation, node));
    }
}

struct generation *generation_new(struct subflows *subflows, uint64_t id,
                                  const struct session_keys *keys)
{
    struct generation *generation = calloc(1, sizeof(*generation));

    if (generation == NULL)
        return NULL;
    if (subflows->context->config.role == SESSION_RELAY &&
        number_window_init(&generation->used, SUBFLOW_WINDOW) != OK) {
        free(generation);
        return NULL;
    }
    generation->id = id;
    generation->tag = GENERATION_TAG(id);
    generation->order = subflows->next_generation++;
    subflows->tags_used[generation->order % TAGS_RESTED] = generation->tag;
    generation->keys = *keys;
    generation->next_number = 1; /* 0 is the HELLO's own subflow */
    list_append(&subflows->generations, &generation->node);
    release_predecessors(subflows);
    return generation;
}

struct generation *generation_current(const struct subflows *subflows)
{
    return list_empty(&subflows->generations)
               ? NULL
               : list_entry(subflows->generations.prev, struct generation, node);
}

struct generation *generation_by_tag(const struct subflows *subflows, uint64_t tag)
{
    for (struct list *node = subflows->generations.next; node != &subflows->generations;
         node = node->next) {
        struct generation *generation = list_entry(node, struct generation, node);

        if (generation->tag == tag)
            return generation;
    }
    return NULL;
}

bool generation_tag_used(const struct subflows *subflows, uint64_t tag)
{
    uint64_t count = MIN(subflows->next_generation, (uint64_t)TAGS_RESTED);

    for (uint64_t i = 0; i < count; i++)
        if (subflows->tags_used[i] == tag)
            return true;
    return generation_by_tag(subflows, tag) != NULL;
}

/* A final count that does not get through is sent again and again, and may outlive its
 * generation by many resumes. A later generation with the same tag would mistake it for
 * its own: chunks that the peer never received would be settled, or the session would end.
 * So the count is dropped when half as many generations have followed as there are resting
 * tags; the other half covers counts that are under way then. The peer misses nothing:
 * without a final count it requeues the subflow's chunks after a grace, see
 * subflow_end(). */
bool generation_final_tag(const struct subflows *subflows, uint64_t order, uint64_t *tag)
{
    *tag = subflows->tags_used[order % TAGS_RESTED];
    return subflows->next_generation - order <= TAGS_RESTED / 2;
}

void generation_free(struct subflows *subflows, struct generation *generation)
{
    (void)subflows;
    list_remove(&generation->node);
    session_keys_deinit(&generation->keys);
    number_window_deinit(&generation->used);
    free(generation);
}

void generation_release(struct subflows *subflows, struct generation *generation)
{
    if (generation->subflows == 0 && generation != generation_current(subflows))
        generation_free(subflows, generation);
}

int generation_key_subflow(struct subflows *subflows, struct generation *generation,
                           struct subflow *subflow)
{
    bool local = subflows->context->config.role == SESSION_LOCAL;
    int result = session_keys_seal(&generation->keys, local ? DIRECTION_UP : DIRECTION_DOWN,
                                   subflow->number, true, &subflow->seal);

    if (result == OK)
        result = session_keys_seal(&generation->keys, local ? DIRECTION_DOWN : DIRECTION_UP,
                                   subflow->number, false, &subflow->opener);
    return result;
}
