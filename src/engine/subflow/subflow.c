/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/subflow/subflow.h>

#include <splitsocks/base/backoff.h>
#include <splitsocks/base/keyed_hash.h>

#include <assert.h>
#include <stdlib.h>

/* Beside two round trips, until a connection is frozen. */
#define FREEZE_MARGIN_NS (250 * NS_PER_MS)

/* ---- the table by number ---- */

/* The peer chooses the numbers. */
static size_t bucket_of(const struct subflows *subflows, uint64_t tag, uint64_t number)
{
    const uint64_t key[] = {tag, number};

    return keyed_hash(&subflows->context->config.hash_secret, key, sizeof(key)) %
           BY_NUMBER_BUCKETS;
}

struct subflow *subflow_find(const struct subflows *subflows, uint64_t tag, uint64_t number)
{
    struct subflow *subflow = subflows->by_number[bucket_of(subflows, tag, number)];

    while (subflow != NULL &&
           (subflow->number != number || subflow->generation->tag != tag))
        subflow = subflow->hash_next;
    return subflow;
}

void subflow_set_number(struct subflows *subflows, struct subflow *subflow,
                        struct generation *generation, uint64_t number)
{
    struct subflow **bucket =
        &subflows->by_number[bucket_of(subflows, generation->tag, number)];

    assert(subflow->generation == NULL);
    subflow->generation = generation;
    subflow->number = number;
    subflow->hash_next = *bucket;
    *bucket = subflow;
    generation->subflows++;
}

static void unhash(struct subflows *subflows, struct subflow *subflow)
{
    size_t bucket = bucket_of(subflows, subflow->generation->tag, subflow->number);
    struct subflow **link = &subflows->by_number[bucket];

    while (*link != subflow)
        link = &(*link)->hash_next;
    *link = subflow->hash_next;
}

/* ---- life ---- */

void subflow_set_state(struct subflow *subflow, enum subflow_state state)
{
    static const unsigned allowed[] = {
        /* The relay's subflows are accepted, and so begin OPEN. */
        [SUBFLOW_STATE_DIALLING] =
            1 << SUBFLOW_STATE_HELLO | 1 << SUBFLOW_STATE_OPEN | 1 << SUBFLOW_STATE_LIMBO,
        [SUBFLOW_STATE_HELLO] = 1 << SUBFLOW_STATE_OPEN | 1 << SUBFLOW_STATE_LIMBO,
        [SUBFLOW_STATE_OPEN] = 1 << SUBFLOW_STATE_LIMBO,
        [SUBFLOW_STATE_LIMBO] = 0,
    };

    assert(allowed[subflow->state] >> state & 1);
    (void)allowed;
    subflow->state = (uint8_t)state;
}

struct session_event *subflow_tell(struct subflows *subflows, struct subflow *subflow,
                                   enum session_event_type type)
{
    struct session_event *event = outbox_push(subflows->context, type);

    event->subflow = subflow;
    event->unproven = (enum unproven)subflow->unproven;
    subflow->event_pending = true;
    return event;
}

struct subflow *subflow_new(struct subflows *subflows, unsigned path)
{
    struct subflow *subflow = calloc(1, sizeof(*subflow));

    if (subflow == NULL)
        return NULL;
    list_init(&subflow->ack_node);
    list_init(&subflow->told_node);
    list_init(&subflow->told);
    ring_init(&subflow->chunks, sizeof(struct sent_chunk));
    ring_init(&subflow->items, sizeof(struct sent_item));
    subflow->path = (uint8_t)path;
    subflow->budget_out = subflow->budget_in = SESSION_UNLIMITED;
    list_append(&subflows->all, &subflow->node);
    subflows->open_count++;
    share_add(&subflows->streams->account->subflows, 1);
    subflows->paths->items[path].subflows++;
    subflows->context->counters.subflows_open = subflows->open_count;
    subflows->context->counters.subflows_open_max =
        MAX(subflows->context->counters.subflows_open_max, subflows->open_count);
    return subflow;
}

void subflow_connected(struct subflows *subflows, struct subflow *subflow)
{
    uint64_t now = subflows->context->now;

    subflow->up_at_ns = subflow->progress_at_ns = subflow->answer_at_ns = now;
    subflow->received_at_ns = subflow->sent_at_ns = subflow->used_at_ns = now;
    subflow->writable = true;
}

void hello_free(struct hello_state *hello)
{
    if (hello == NULL)
        return;
    noise_deinit(&hello->noise);
    free(hello);
}

/* Takes the subflow out of all lists; the memory stays while an event refers to it. */
/* Nothing counts any more as told on the subflow, nor of it. */
static void forget_told(struct subflow *subflow)
{
    list_foreach(&subflow->told, node, after) {
        list_entry(node, struct subflow, told_node)->told_on = NULL;
        list_remove(node);
    }
    list_remove(&subflow->told_node);
    subflow->told_on = NULL;
}

void subflow_free(struct subflows *subflows, struct subflow *subflow)
{
    lessons_end(subflows, subflow, SUBFLOW_ABANDONED);
    list_remove(&subflow->node);
    list_remove(&subflow->ack_node);
    forget_told(subflow);
    if (subflows->lane == subflow)
        subflows->lane = NULL;
    if (subflow->generation != NULL) {
        struct generation *generation = subflow->generation;

        unhash(subflows, subflow);
        subflow->generation = NULL;
        generation->subflows--;
        generation_release(subflows, generation);
    }
    if (subflow->event_pending || subflow->held)
        return;
    hello_free(subflow->handshake);
    seal_deinit(&subflow->seal);
    seal_deinit(&subflow->opener);
    ring_deinit(&subflow->chunks);
    ring_deinit(&subflow->items);
    free(subflow);
}

void subflow_unhold(struct subflows *subflows, struct subflow *subflow)
{
    subflow->held = false;
    if (subflow->state == SUBFLOW_STATE_LIMBO && !list_linked(&subflow->node))
        subflow_free(subflows, subflow);
}

uint64_t subflow_budget_left(const struct subflow *subflow)
{
    return subflow->budget_out == SESSION_UNLIMITED
               ? SESSION_UNLIMITED
               : subflow->budget_out - subflow->bytes_sent;
}

bool subflow_usable(const struct subflow *subflow)
{
    return subflow->state == SUBFLOW_STATE_OPEN && !subflow->end_sent &&
           !subflow->end_received && !subflow->suspect;
}

/* A JOIN that overtakes the chunk which confirms the HELLO would get no response, and be
 * lost. That can happen on any path: the chunk's segment may be lost, or the relay may
 * read its connection later. */
bool subflow_may_begin(const struct subflows *subflows, const struct subflow *subflow)
{
    const struct generation *generation = subflow->generation;

    return subflows->context->config.role == SESSION_RELAY || subflow->begun ||
           subflow->hello || generation->confirmed ||
           generation != generation_current(subflows);
}

uint64_t subflow_rtt_ns(const struct subflows *subflows, const struct subflow *subflow)
{
    return subflow->measure.srtt_ns != 0
               ? subflow->measure.srtt_ns
               : path_rtt_ns(&subflows->paths->items[subflow->path]);
}

enum subflow_cause subflow_cause(const struct subflow *subflow)
{
    return subflow->items.count > 0 ? (enum subflow_cause)subflow->cause
                                    : SUBFLOW_CAUSE_OTHER;
}

const struct sent_chunk *subflow_oldest_asking(const struct subflow *subflow)
{
    for (size_t i = 0; i < subflow->chunks.count; i++) {
        const struct sent_chunk *chunk = ring_at(&subflow->chunks, i);

        if (chunk->eliciting)
            return chunk;
    }
    return NULL;
}

bool subflow_witnessed(const struct subflows *subflows, const struct subflow *subflow)
{
    const struct sent_chunk *oldest = subflow_oldest_asking(subflow);

    return oldest != NULL &&
           subflows->paths->items[subflow->path].proven_sent_at_ns > oldest->sent_at_ns;
}

/* The time doubles whenever it ran out before anything was acknowledged (as in RFC 6298);
 * else a path that has become slower than this could never be used again. It
 * does not double where a witness shows that the path is as fast as before. */
uint64_t subflow_stall_ns(const struct subflows *subflows, const struct subflow *subflow)
{
    const struct path *path = &subflows->paths->items[subflow->path];
    uint64_t usual_ns = MAX(3 * subflow_rtt_ns(subflows, subflow), STALL_MIN_NS);

    return subflow_witnessed(subflows, subflow)
               ? usual_ns
               : backoff_ns(usual_ns, path->stalls, usual_ns << STALL_DOUBLINGS);
}

/* Linux' TCP sends again after 200 ms and a round trip at the soonest (TCP_RTO_MIN), and
 * the answer takes another; where round trips are long, three of them. */
uint64_t subflow_freeze_ns(uint64_t round_trip_ns)
{
    return MAX(2 * round_trip_ns + FREEZE_MARGIN_NS, 3 * round_trip_ns + 50 * NS_PER_MS);
}

uint64_t subflow_death_ns(const struct subflows *subflows, const struct subflow *subflow)
{
    uint64_t usual_ns = 2 * subflow_stall_ns(subflows, subflow);

    if (!subflow_witnessed(subflows, subflow))
        return usual_ns;
    return MIN(usual_ns, subflow_freeze_ns(subflow_rtt_ns(subflows, subflow)));
}

void subflow_note_told(struct subflow *subflow, struct subflow *carrier, uint64_t now)
{
    subflow->told_at_ns = now;
    subflow->told_on = carrier;
    list_remove(&subflow->told_node);
    list_append(&carrier->told, &subflow->told_node);
}

bool subflow_awaits_ack(const struct subflow *subflow)
{
    return subflow->state == SUBFLOW_STATE_OPEN && subflow->eliciting_unacked > 0;
}

bool subflow_outstanding(const struct subflow *subflow)
{
    return subflow->eliciting_unacked > 0 || subflow->waits_for_end || subflow->ping;
}

void subflow_retire(struct subflows *subflows, struct subflow *subflow)
{
    subflow->retire = true;
    subflows->context->pool_dirty = true;
}

void subflow_ask(struct subflows *subflows, struct subflow *subflow)
{
    /* A JOIN that may not begin yet cannot send a PING, and its silence says nothing. */
    if (subflow->ping ||
        (subflows->context->config.role == SESSION_LOCAL && !subflow->begun))
        return;
    /* The wait begins now: if the socket takes nothing, that is no answer either. */
    subflow->ping = true;
    subflow->progress_at_ns = subflow->answer_at_ns = subflows->context->now;
}
