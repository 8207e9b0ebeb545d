/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/flow/flow.h>

#include <splitsocks/base/keyed_hash.h>

#include <assert.h>
#include <stdlib.h>

void flows_init(struct flows *flows, struct account *account)
{
    flows->account = account;
    named_ids_init(&flows->named, &account->records);
    list_init(&flows->all);
    list_init(&flows->small);
    list_init(&flows->large);
    list_init(&flows->control);
    list_init(&flows->unassigned);
    ring_init(&flows->closing, sizeof(struct flow_closing));
    flows->next_id = 1;
    flows->limit = FLOW_LIMIT_INITIAL;
    flows->parts_old_at_ns = TIME_NEVER;
}

/* ---- ids ---- */

/* Local chooses the ids, and can end all flows but those of one remainder. */
static size_t bucket_of(const struct flows *flows, uint64_t id)
{
    return keyed_hash(&flows->context->config.hash_secret, &id, sizeof(id)) % FLOW_BUCKETS;
}

struct flow *flow_find(const struct flows *flows, uint64_t id)
{
    struct flow *flow = flows->by_id[bucket_of(flows, id)];

    while (flow != NULL && flow->id != id)
        flow = flow->hash_next;
    return flow;
}

static void lose_id(struct flows *flows, struct flow *flow)
{
    struct flow **at;

    if (flow->id == 0)
        return;
    at = &flows->by_id[bucket_of(flows, flow->id)];
    while (*at != flow)
        at = &(*at)->hash_next;
    *at = flow->hash_next;
    flow->id = 0;
}

void flow_set_id(struct flows *flows, struct flow *flow, uint64_t id)
{
    struct flow **bucket = &flows->by_id[bucket_of(flows, id)];

    assert(flow->id == 0);
    flow->id = id;
    flow->hash_next = *bucket;
    *bucket = flow;
}

/* ---- life ---- */

bool flows_have_room(const struct flows *flows)
{
    return share_room(&flows->account->datagrams) >= ACCOUNT_FLOW_BYTES;
}

struct flow *flow_new(struct flows *flows, uint64_t id)
{
    struct flow *flow;

    if (!flows_have_room(flows))
        return NULL;
    flow = calloc(1, sizeof(*flow));
    if (flow == NULL)
        return NULL;
    share_add(&flows->account->datagrams, ACCOUNT_FLOW_BYTES);
    list_init(&flow->ready);
    list_init(&flow->control);
    list_init(&flow->waiting);
    list_init(&flow->copying);
    list_init(&flow->sent);
    list_init(&flow->readable);
    list_append(&flows->all, &flow->node);
    flow->used_at_ns = flows->context->now;
    flows->count++;
    if (id != 0)
        flow_set_id(flows, flow, id);
    return flow;
}

void flow_queue_open(struct flows *flows, uint64_t id)
{
    struct flow *flow = flow_find(flows, id);

    if (flow != NULL && !flow->opened && !list_linked(&flow->control))
        list_append(&flows->control, &flow->control);
}

void flow_opened(struct flows *flows, uint64_t id)
{
    struct flow *flow = flow_find(flows, id);

    if (flow == NULL)
        return;
    flow->opened = true;
    list_remove(&flow->control);
}

/* Ids reach further than flows may be open at once: then the next flow does not wait for
 * the end of an earlier one, whose FLOW_CLOSE is on its way with it. Since every FLOW_OPEN
 * looks whether a limit is due, a quarter of the first limit is always granted and unused.
 */
uint64_t flows_limit_next(const struct flows *flows)
{
    return flows->ended + MAX(flows->context->config.flow_limit, FLOW_LIMIT_INITIAL) +
           FLOW_LIMIT_INITIAL / 2;
}

void flows_grant(struct flows *flows)
{
    /* One frame grants a quarter of the first limit, or more. */
    if (flows_limit_next(flows) >= flows->limit + FLOW_LIMIT_INITIAL / 4)
        flows->send_limit = true;
}

void flows_queue_close(struct flows *flows, uint64_t id, uint32_t code)
{
    struct flow_closing *closing = ring_push(&flows->closing);

    if (closing == NULL)
        outbox_fail(flows->context, ERROR_MEMORY, "out of memory");
    else
        *closing = (struct flow_closing){.id = id, .code = code};
}

static void tell_closed(struct flows *flows, struct flow *flow, enum flow_close_code code)
{
    struct session_event *event = outbox_push(flows->context, SESSION_FLOW_CLOSED);

    event->flow = flow;
    event->flow_code = code;
    flow->events++;
}

/* Frees everything but the struct, which queued events may still name. */
static void clear(struct flows *flows, struct flow *flow)
{
    flow_clear_out(flows, flow);
    flow_clear_in(flows, flow);
    flow_peers_clear(flows, flow);
    lose_id(flows, flow);
    list_remove(&flow->control);
    list_remove(&flow->node);
    flow->ended = true;
    flows->count--;
    share_give(&flows->account->datagrams, ACCOUNT_FLOW_BYTES);
    flows->context->pool_dirty = true;
}

void flow_end(struct flows *flows, struct flow *flow, enum flow_close_code code, bool tell)
{
    clear(flows, flow);
    if (flows->context->config.role == SESSION_RELAY)
        flows->ended++;
    if (tell && !flow->incoming)
        tell_closed(flows, flow, code);
    if (flow->events == 0)
        free(flow);
}

void flow_event_done(struct flow *flow)
{
    if (--flow->events == 0 && flow->ended)
        free(flow);
}

void flows_end_all(struct flows *flows, enum flow_close_code code)
{
    struct flow *flow;

    while ((flow = list_first(&flows->all, struct flow, node)) != NULL)
        flow_end(flows, flow, code, true);
    while (flows->closing.count > 0)
        ring_pop(&flows->closing);
}

void flows_reopen(struct flows *flows)
{
    list_foreach(&flows->all, node, after) {
        struct flow *flow = list_entry(node, struct flow, node);

        lose_id(flows, flow);
        flow_clear_out(flows, flow);
        flow_clear_in(flows, flow);
        flow_peers_clear(flows, flow);
        list_remove(&flow->control);
        list_append(&flows->unassigned, &flow->control);
        flow->opened = false;
    }
    while (flows->closing.count > 0)
        ring_pop(&flows->closing);
    flows->next_id = 1;
    flows->limit = FLOW_LIMIT_INITIAL;
}

void flows_deinit(struct flows *flows)
{
    struct flow *flow;

    while ((flow = list_first(&flows->all, struct flow, node)) != NULL) {
        assert(flow->events == 0);
        clear(flows, flow);
        free(flow);
    }
    ring_deinit(&flows->closing);
    named_ids_deinit(&flows->named);
}
