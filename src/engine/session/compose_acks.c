/* SPDX-License-Identifier: MIT */
#include "composer.h"

/* An ACK under construction: the entries of one generation. */
struct ack_choice {
    uint64_t tag;
    uint64_t count;
    size_t room; /* room for the whole frame */
    struct wire_writer w;
    uint8_t entries[1024];
};

/* Appends an entry; false if the frame would become too long. */
static bool choose(struct ack_choice *choice, uint64_t number, uint64_t chunks, bool final)
{
    size_t header =
        1 + wire_varint_length(choice->tag) + wire_varint_length(choice->count + 1);
    size_t entry = wire_varint_length(number << 1) + wire_varint_length(chunks);

    if (header + wire_length(&choice->w) + entry > choice->room ||
        entry > wire_room(&choice->w))
        return false;
    frame_write_ack_entry(&choice->w, number, chunks, final);
    choice->count++;
    return true;
}

/* The longest GONE: type, tag, number and cause. */
#define GONE_MAX 11

/* Goes before the final count, after which local keeps nothing of the subflow. */
static void compose_gone(struct composer *c, struct ack_choice *choice,
                         const struct final_ack *final)
{
    struct wire_writer w;

    if (final->cause == SUBFLOW_CAUSE_OTHER ||
        c->session->context.config.role != SESSION_RELAY ||
        !(c->session->context.features & WIRE_FEATURE_GONE) || !composer_begin(c, &w))
        return;
    frame_write_gone(&w, choice->tag, final->number, final->cause);
    composer_commit(c, &w, true);
    choice->room -= GONE_MAX;
}

static void choose_finals(struct composer *c, struct ack_choice *choice)
{
    struct ring *finals = &c->session->subflows.finals;

    while (finals->count > 0) {
        struct final_ack final = *(struct final_ack *)ring_at(finals, 0);
        struct sent_item item = {.kind = SENT_FINAL,
                                 .number = final.number,
                                 .offset = final.chunks,
                                 .length = (uint32_t) final.order,
                                 .copied = (uint32_t) final.cause};
        uint64_t tag;

        if (!generation_final_tag(&c->session->subflows, final.order, &tag) ||
            tag != choice->tag || choice->room <= GONE_MAX ||
            composer_room(c) < choice->room)
            return;
        choice->room -= GONE_MAX;
        if (!choose(choice, final.number, final.chunks, true))
            return;
        choice->room += GONE_MAX;
        compose_gone(c, choice, &final);
        if (!composer_push(c, &item)) {
            session_fail(c->session, ERROR_MEMORY, "out of memory");
            return;
        }
        ring_pop(finals);
    }
}

static void choose_open(struct composer *c, struct ack_choice *choice)
{
    list_foreach(&c->session->subflows.ack_queue, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, ack_node);

        if (subflow->generation->tag != choice->tag)
            continue;
        if (!choose(choice, subflow->number, subflow->chunks_received, false))
            return;
        list_remove(&subflow->ack_node);
        subflow_note_told(subflow, c->subflow, c->session->context.now);
    }
}

/* The generation whose ACK has waited longest; false when none waits. */
static bool first_generation(struct session *session, uint64_t *tag)
{
    while (session->subflows.finals.count > 0) {
        const struct final_ack *final = ring_at(&session->subflows.finals, 0);

        if (generation_final_tag(&session->subflows, final->order, tag))
            return true;
        ring_pop(&session->subflows.finals);
    }
    if (list_empty(&session->subflows.ack_queue))
        return false;
    *tag =
        list_first(&session->subflows.ack_queue, struct subflow, ack_node)->generation->tag;
    return true;
}

static void choice_begin(struct ack_choice *choice, uint64_t tag, size_t room)
{
    choice->tag = tag;
    choice->count = 0;
    choice->room = room;
    wire_writer_init(&choice->w, choice->entries, sizeof(choice->entries));
}

static bool choice_commit(struct composer *c, const struct ack_choice *choice)
{
    struct wire_writer w;

    if (choice->count == 0)
        return false;
    composer_begin(c, &w);
    frame_write_ack_header(&w, choice->tag, choice->count);
    wire_write_bytes(&w, choice->entries, wire_length(&choice->w));
    composer_commit(c, &w, false);
    return true;
}

void compose_acks(struct composer *c, size_t keep)
{
    struct ack_choice choice;
    uint64_t tag;

    while (first_generation(c->session, &tag) && composer_room(c) > keep) {
        choice_begin(&choice, tag, composer_room(c) - keep);
        choose_finals(c, &choice);
        choose_open(c, &choice);
        if (!choice_commit(c, &choice))
            return; /* the deadline stays: the next chunk takes the rest */
    }
    if (!first_generation(c->session, &tag)) {
        c->session->subflows.ack_deadline_ns = TIME_NEVER;
        c->session->subflows.ack_bytes = 0;
        c->session->subflows.ack_wanted = false;
    }
}

void compose_acks_again(struct composer *c)
{
    uint64_t window_ns = path_rtt_ns(&c->session->paths.items[c->subflow->path]);
    struct ack_choice choice;

    choice_begin(&choice, c->subflow->generation->tag, composer_room(c));
    list_foreach(&c->session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state != SUBFLOW_STATE_OPEN || subflow->told_at_ns == 0 ||
            subflow->told_at_ns + window_ns < c->session->context.now ||
            subflow->told_on == c->subflow || subflow->generation->tag != choice.tag ||
            list_linked(&subflow->ack_node))
            continue;
        if (!choose(&choice, subflow->number, subflow->chunks_received, false))
            break;
    }
    choice_commit(c, &choice);
}
