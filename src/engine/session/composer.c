/* SPDX-License-Identifier: MIT */
#include "composer.h"

bool composer_begin(struct composer *c, struct wire_writer *w)
{
    size_t used = (size_t)(c->writer.at - c->scratch);
    size_t space = MIN(composer_room(c), sizeof(c->scratch) - used);

    wire_writer_init(w, c->writer.at, space);
    return space > 0;
}

bool composer_commit(struct composer *c, const struct wire_writer *w, bool eliciting)
{
    if (w->failed)
        return false;
    c->writer.at += wire_length(w);
    c->length += wire_length(w);
    c->eliciting |= eliciting;
    return true;
}

void composer_close_part(struct composer *c)
{
    size_t end = (size_t)(c->writer.at - c->scratch);

    if (end > c->part_start)
        c->parts[c->part_count++] = (struct iovec){.iov_base = c->scratch + c->part_start,
                                                   .iov_len = end - c->part_start};
    c->part_start = end;
}

bool composer_push(struct composer *c, const struct sent_item *item)
{
    struct sent_item *slot = ring_push(&c->subflow->items);

    if (slot == NULL)
        return false;
    *slot = *item;
    c->items++;
    if (item->kind < SENT_SESSION_WINDOW) {
        stream_reference(item->stream);
        c->subflow->used_at_ns = c->session->context.now;
    }
    return true;
}
