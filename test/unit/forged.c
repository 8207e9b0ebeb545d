/* SPDX-License-Identifier: MIT */
#include "forged.h"

#include "../../src/engine/session/session_parts.h"

struct wire_writer *forge(struct forged *forged)
{
    wire_writer_init(&forged->w, forged->bytes, sizeof(forged->bytes));
    return &forged->w;
}

struct subflow *forged_subflow(struct session *session)
{
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state == SUBFLOW_STATE_OPEN && !subflow->end_sent && subflow->begun)
            return subflow;
    }
    fail_msg("no open subflow");
    return NULL;
}

static struct session *session_of(const struct pair *pair, struct subflow *subflow)
{
    const struct pair_connection *connection = subflow_user(subflow);

    return connection->relay == subflow ? pair->relay : pair->local;
}

uint8_t *forged_seal(struct pair *pair, struct subflow *subflow,
                     const struct forged *forged, size_t *size)
{
    size_t length = wire_length(&forged->w), sealed = length + SEAL_TAG_SIZE;
    uint8_t *chunk = malloc(2 + sealed);
    struct sent_chunk *sent = ring_push(&subflow->chunks);

    assert_false(forged->w.failed);
    assert_non_null(chunk);
    assert_non_null(sent);
    *sent = (struct sent_chunk){.sent_at_ns = pair->now, .eliciting = true};
    session_of(pair, subflow)->streams.records_held++;
    subflow->chunks_sent++;
    if (subflow->eliciting_unacked++ == 0)
        subflow->progress_at_ns = pair->now;
    chunk[0] = (uint8_t)(sealed >> 8);
    chunk[1] = (uint8_t)sealed;
    assert_int_equal(seal_begin(&subflow->seal, chunk, 2), OK);
    assert_int_equal(seal_update(&subflow->seal, chunk + 2, forged->bytes, length), OK);
    assert_int_equal(seal_finish(&subflow->seal, chunk + 2 + length), OK);
    *size = 2 + sealed;
    return chunk;
}
