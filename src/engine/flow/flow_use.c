/* SPDX-License-Identifier: MIT */
/* What every file of this room may ask of a flow, or note about it. */
#include <splitsocks/engine/flow/flow.h>

const char *flow_drop_string(enum flow_drop reason)
{
    static const char *const names[FLOW_DROPS] = {
        "age",    "queue", "size",   "duplicate", "late",   "part",
        "reader", "peer",  "denied", "name",      "socket",
    };

    return names[reason];
}

void flow_set_user(struct flow *flow, void *user)
{
    flow->user = user;
}

void *flow_user(const struct flow *flow)
{
    return flow->user;
}

uint64_t flow_id(const struct flow *flow)
{
    return flow->id;
}

const struct flow_policy *flow_policy(const struct flow *flow)
{
    return &flow->policy;
}

const struct flow_counters *flow_counters(const struct flow *flow)
{
    return &flow->counters;
}

struct stream_policy flow_path_policy(const struct flow *flow)
{
    static const uint8_t modes[FLOW_MODES] = {
        [FLOW_MODE_AUTO] = STREAM_MODE_AUTO,
        [FLOW_MODE_SPLIT] = STREAM_MODE_SPLIT,
        [FLOW_MODE_REDUNDANT] = STREAM_MODE_REDUNDANT,
    };

    return (struct stream_policy){.mode = modes[flow->policy.mode],
                                  .copies = flow->policy.copies,
                                  .paths = flow->policy.paths};
}

void flow_note_used(struct flows *flows, struct flow *flow)
{
    flow->used_at_ns = flows->used_at_ns = flows->context->now;
    list_remove(&flow->node);
    list_append(&flows->all, &flow->node);
}

void flow_count_drop(struct flows *flows, struct flow *flow, enum flow_drop reason)
{
    flow->counters.drops[reason]++;
    flows->context->counters.flows.drops[reason]++;
}

bool flows_take_bytes(struct flows *flows, uint64_t *bytes, size_t size)
{
    if (*bytes + size > FLOWS_BYTES_MAX || !share_take(&flows->account->datagrams, size))
        return false;
    *bytes += size;
    return true;
}

void flows_give_bytes(struct flows *flows, uint64_t *bytes, size_t size)
{
    *bytes -= size;
    share_give(&flows->account->datagrams, size);
}

uint64_t flow_queued_bytes(const struct flow *flow)
{
    return flow->waiting_bytes;
}
