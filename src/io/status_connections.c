#include "status_internal.h"

#include <splitsocks/direct.h>
#include <splitsocks/inbound.h>

/* As a stream is described, with what such a connection has not got left empty. */
static json_t *describe(const char *destination, const char *state, const char *mode,
                        const struct direct *direct, json_t *waits)
{
    const struct direct_way *up = direct != NULL ? &direct->ways[0] : NULL;
    const struct direct_way *down = direct != NULL ? &direct->ways[1] : NULL;

    return json_pack("{s:n, s:s?, s:s, s:s?, s:n, s:n, s:I, s:I, s:I, s:i, s:I, s:o, s:n}",
                     "id", "destination", destination, "state", state, "mode", mode,
                     "copies", "paths", "up_bytes",
                     (json_int_t)(up != NULL ? up->bytes : 0), "down_bytes",
                     (json_int_t)(down != NULL ? down->bytes : 0), "waiting_up_bytes",
                     (json_int_t)(up != NULL ? up->length : 0), "unacknowledged_bytes", 0,
                     "unread_bytes", (json_int_t)(down != NULL ? down->length : 0),
                     "waits_for", waits, "reader_idle_ms");
}

static bool add(json_t *list, json_t *item)
{
    return json_array_append_new(list, item) == 0;
}

bool status_add_inbounds(json_t *list, const struct status_source *source, size_t *omitted)
{
    struct inbound_status status = {.node = NULL};
    char text[TARGET_TEXT_SIZE];

    while (source->inbound != NULL && inbound_next(source->inbound, &status)) {
        if (json_array_size(list) == STATUS_STREAMS_MAX)
            (*omitted)++;
        else if (!add(list,
                      describe(target_format(status.target, text), "opening",
                               status.resolving ? NULL : "direct", NULL,
                               json_pack("[s]", status.resolving ? "name" : "connect"))))
            return false;
    }
    return list != NULL;
}

/* What one side has sent and the other does not take. */
static json_t *describe_waits(const struct direct *direct)
{
    json_t *list = json_array();

    if (direct->ways[0].tail != NULL)
        json_array_append_new(list, json_string("peer_reader"));
    if (direct->ways[1].tail != NULL)
        json_array_append_new(list, json_string("reader"));
    return list;
}

bool status_add_directs(json_t *list, const struct status_source *source, size_t *omitted)
{
    const struct list *head = source->inbound != NULL ? &source->inbound->directs : NULL;

    for (const struct list *node = head != NULL ? head->next : NULL; node != head;
         node = node->next) {
        const struct direct *direct =
            (const struct direct *)(const void *)((const char *)node -
                                                  offsetof(struct direct, node));

        if (json_array_size(list) == STATUS_STREAMS_MAX)
            (*omitted)++;
        else if (!add(list, describe(direct->destination, "open", "direct", direct,
                                     describe_waits(direct))))
            return false;
    }
    return true;
}
