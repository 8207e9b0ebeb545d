/* SPDX-License-Identifier: MIT */
/*
 * Which datagram goes next, and on which subflow.
 *
 * A datagram is worth less the later it comes, and no other waits for it. So it goes only
 * where it leaves at once: on a subflow that is not late, and whose kernel has nothing
 * unsent. Of these it takes the one where it arrives earliest. While there is none, it
 * waits here, where it can still be dropped when it is too old.
 *
 * Flows that send little go before all else, and in copies: on one path a lost segment
 * delays all that is behind it on its subflow, so the copies go on two subflows of a path
 * as well as on two paths. Flows that send much take turns with the streams.
 */
#include <splitsocks/engine/schedule/schedule.h>

/* What may wait in the kernel behind a full window: what leaves in so much time, ... */
#define UNSENT_NS (10 * NS_PER_MS)
/* ... and no more than this; a single datagram always may. */
#define UNSENT_MAX 4096
/* How soon to look again at subflows that had too much unsent. */
#define AGAIN_NS (1 * NS_PER_MS)
/* Flows, and copies of a flow, that are looked at for one that can be sent now. */
#define FLOWS_TRIED 16

/* ---- a subflow ---- */

/* Bytes that the kernel would not have sent, as far as is known, with `length` more: what
 * is beyond the window of the last measure, and what was written since. */
static uint64_t unsent_bytes(const struct schedule *schedule, const struct subflow *subflow,
                             size_t length)
{
    const struct subflow_measure *measure = &subflow->measure;
    uint64_t flying =
        measure->queued_bytes - MIN(measure->queued_bytes, measure->unsent_bytes);
    uint64_t window = measure->rate / 1000 * (measure->srtt_ns / 1000) / 1000;
    uint64_t queued = length;

    /* A subflow without unacknowledged chunks is not measured. */
    if (subflow->chunks.count > 0)
        queued += measure->queued_bytes + subflow->bytes_sent - subflow->measured_bytes;
    if (schedule->composing == subflow)
        queued += schedule->composed_bytes;
    window = MAX(measure->rate == 0 ? INITIAL_WINDOW : window, flying);
    return queued - MIN(queued, window);
}

/* Whether so many more bytes would leave at once. */
static bool leaves(const struct schedule *schedule, const struct subflow *subflow,
                   size_t length)
{
    uint64_t rate = subflow->measure.rate;
    uint64_t most = MIN(rate / (NS_PER_S / UNSENT_NS), UNSENT_MAX);

    return unsent_bytes(schedule, subflow, length) <= MAX(most, length);
}

/* Whether the subflow may carry any datagram now. */
static bool is_fit(const struct schedule *schedule, const struct subflow *subflow)
{
    return subflow->state == SUBFLOW_STATE_OPEN && !subflow->end_sent &&
           !subflow->suspect && !subflow->late && subflow->writable && !subflow->retire &&
           (!subflow->end_received || schedule->context->config.role == SESSION_RELAY) &&
           subflow_may_begin(schedule->subflows, subflow) &&
           !scheduler_path_silent(schedule, subflow->path) &&
           path_room(schedule->paths, subflow->path) > 0 &&
           (subflow->eliciting_unacked < SMALL_CHUNKS_MAX ||
            !packets_hold(schedule->subflows, subflow));
}

/* What precedes the first chunk's data: JOIN, and the SUBFLOW frame. */
static uint64_t preamble(const struct schedule *schedule, const struct subflow *subflow)
{
    if (subflow->begun || schedule->context->config.role == SESSION_RELAY)
        return 0;
    return (subflow->hello ? 0 : JOIN_HEADER_MAX) + FRAME_SUBFLOW_MAX;
}

/* The largest chunk that the subflow may carry next, whatever its budget. */
static uint64_t chunk_most(const struct schedule *schedule, const struct subflow *subflow)
{
    uint64_t size =
        MIN(schedule->context->config.chunk_size, MAX(subflow->bytes_sent, CHUNK_FIRST));

    if (!subflow->begun && schedule->context->config.role == SESSION_LOCAL)
        size = MIN(size, FIRST_CHUNK_MAX);
    if (packets_begin_small(schedule->subflows, subflow) ||
        packets_hold(schedule->subflows, subflow))
        size = MIN(size, PACKET_SMALL);
    return size;
}

static uint64_t frame_length(const struct datagram *datagram)
{
    struct frame frame;

    datagram_frame(datagram, &frame);
    return frame_datagram_header_length(&frame, true) + datagram->length;
}

static bool fits_budget(const struct schedule *schedule, const struct subflow *subflow,
                        uint64_t length)
{
    return length + CHUNK_OVERHEAD + BUDGET_RESERVE + preamble(schedule, subflow) <=
           subflow_budget_left(subflow);
}

static bool fits(const struct schedule *schedule, const struct subflow *subflow,
                 uint64_t length)
{
    uint64_t frames = subflow->begun ? 0 : FRAME_SUBFLOW_MAX;

    return length + CHUNK_OVERHEAD + frames <= chunk_most(schedule, subflow) &&
           fits_budget(schedule, subflow, length);
}

uint64_t flows_part_room(const struct schedule *schedule)
{
    const struct session_config *config = &schedule->context->config;
    uint64_t size = MIN(config->chunk_size, CHUNK_FIRST);
    uint64_t budget = SESSION_UNLIMITED;

    if (config->role == SESSION_LOCAL && config->budget_up != SESSION_UNLIMITED)
        budget = config->budget_up - config->budget_up_spread;
    list_foreach_const(&schedule->subflows->all, node) {
        const struct subflow *subflow = (const struct subflow *)node; /* its first member */

        if (subflow->state == SUBFLOW_STATE_OPEN)
            budget = MIN(budget, subflow->budget_out);
    }
    /* With a small budget it must fit the first chunk, beside the frame that opens the
     * flow. */
    if (budget < 2 * CHUNK_FIRST) {
        if (config->role == SESSION_LOCAL)
            size = MIN(size, FIRST_CHUNK_MAX);
        size = MIN(size, budget - MIN(budget, JOIN_HEADER_MAX + BUDGET_RESERVE));
    }
    return size - MIN(size, CHUNK_OVERHEAD + FRAME_SUBFLOW_MAX);
}

/* ---- paths and copies ---- */

struct plan {
    struct stream_policy policy;
    unsigned paths;    /* on which a datagram goes, ... */
    unsigned per_path; /* ... and on how many subflows of each */
};

/* How many paths the flow's copies may use. Those in doubt count: with losses a path often
 * is, and a copy that it cannot take is given up when it is too old. */
static unsigned count_paths(const struct schedule *schedule,
                            const struct stream_policy *policy)
{
    unsigned live = schedule->paths->live;
    unsigned count = 0;

    for (unsigned i = 0; live >> i != 0; i++)
        count += live >> i & 1 && path_allows(schedule->paths, i, policy) &&
                 path_takes_copies(schedule->paths, i, policy) &&
                 !schedule->paths->items[i].small_only;
    return MAX(count, 1);
}

static struct plan plan_of(const struct schedule *schedule, const struct flow *flow)
{
    struct plan plan = {.policy = flow_path_policy(flow), .paths = 1, .per_path = 1};
    uint64_t rate = flow_rate(flow, schedule->context->now);
    unsigned most =
        flow->policy.mode == FLOW_MODE_SPLIT ? 1 : count_paths(schedule, &plan.policy);

    if (flow->policy.mode == FLOW_MODE_REDUNDANT) {
        plan.paths = flow->policy.copies == 0 ? most : MIN(flow->policy.copies, most);
        plan.per_path = most == 1 && flow->policy.copies != 1 ? 2 : 1;
    } else if (flow->policy.mode == FLOW_MODE_AUTO && rate < FLOW_RATE_SMALL) {
        plan.paths = MIN(2, most);
        plan.per_path = rate < FLOW_RATE_TINY ? 2 : 1;
    }
    return plan;
}

unsigned flows_copies(const struct schedule *schedule, const struct flow *flow)
{
    struct plan plan = plan_of(schedule, flow);

    return plan.paths * plan.per_path;
}

static unsigned count_bits(uint16_t bits)
{
    unsigned count = 0;

    for (; bits != 0; bits &= (uint16_t)(bits - 1))
        count++;
    return count;
}

/* Whether the plan has a copy on this path that was not sent. */
static bool wants_copy(const struct plan *plan, const struct datagram *datagram,
                       unsigned path)
{
    if (datagram->copies == 0)
        return true;
    if (datagram->again)
        return true;
    if (datagram->paths >> path & 1)
        return plan->per_path > 1 && !(datagram->twice >> path & 1);
    return count_bits(datagram->paths) < plan->paths;
}

static bool went_on(const struct datagram *datagram, const struct subflow *subflow)
{
    for (unsigned i = 0; i < MIN(datagram->copies, DATAGRAM_WAYS); i++)
        if (datagram->ways[i] == subflow)
            return true;
    return false;
}

/* Whether the flow's datagrams may use the path now. */
static bool path_serves(const struct schedule *schedule, const struct flow *flow,
                        const struct plan *plan, const struct datagram *datagram,
                        unsigned index)
{
    const struct path *path = &schedule->paths->items[index];

    if (!path_allows(schedule->paths, index, &plan->policy) ||
        !path_takes_copies(schedule->paths, index, &plan->policy))
        return false;
    if (flow->large)
        return !path->small_only;
    /* A spared path carries no copies. */
    return !path->small_only || datagram->copies == 0;
}

/* ---- the choice ---- */

/* How good the subflow is for the datagram; lower is better. A flow with much to send stays
 * on its subflow, so that its datagrams keep their order. */
static uint64_t rank(const struct schedule *schedule, const struct flow *flow,
                     const struct datagram *datagram, const struct subflow *subflow)
{
    const struct path *path = &schedule->paths->items[subflow->path];
    uint64_t arrival_ns = path_delivery_ns(path, path->queued_out);
    uint64_t used = datagram->paths >> subflow->path & 1;
    uint64_t choice = flow->large ? flow->last_way != subflow : subflow->carrier;

    /* Behind a full window it leaves only when something is acknowledged. */
    if (unsent_bytes(schedule, subflow, datagram->length) > 0)
        arrival_ns += path_rtt_ns(path);
    return used << 62 | MIN(arrival_ns / 1000, UINT64_C(1) << 40) << 8 | choice;
}

static struct subflow *choose(struct schedule *schedule, struct flow *flow,
                              const struct datagram *datagram)
{
    struct plan plan = plan_of(schedule, flow);
    uint64_t length = frame_length(datagram), best_rank = 0;
    struct subflow *best = NULL;

    list_foreach(&schedule->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);
        uint64_t own;

        if (!is_fit(schedule, subflow) ||
            (flow->large && scheduler_is_lane(schedule, subflow)) ||
            went_on(datagram, subflow) || !wants_copy(&plan, datagram, subflow->path) ||
            !path_serves(schedule, flow, &plan, datagram, subflow->path) ||
            !fits(schedule, subflow, length))
            continue;
        if (!leaves(schedule, subflow, (size_t)length) ||
            (flow->large && restraint_holds(schedule, subflow->path))) {
            schedule->flows_wait = true;
            continue;
        }
        own = rank(schedule, flow, datagram, subflow);
        if (best == NULL || own < best_rank) {
            best = subflow;
            best_rank = own;
        }
    }
    return best;
}

/* What the flow can send now: new datagrams before copies of earlier ones. */
static bool pick_of(struct schedule *schedule, struct flow *flow, struct flow_pick *pick)
{
    struct datagram *datagram;
    unsigned tried = 0;

    flow_drop_old(schedule->flows, flow);
    datagram = list_first(&flow->waiting, struct datagram, node);
    if (datagram != NULL) {
        *pick = (struct flow_pick){datagram, choose(schedule, flow, datagram)};
        if (pick->subflow != NULL)
            return true;
    }
    list_foreach(&flow->copying, node, after) {
        if (tried++ == FLOWS_TRIED)
            return false;
        datagram = list_entry(node, struct datagram, node);
        *pick = (struct flow_pick){datagram, choose(schedule, flow, datagram)};
        if (pick->subflow != NULL)
            return true;
    }
    return false;
}

static void pick_from(struct schedule *schedule, struct list *ready, struct flow_pick *pick)
{
    unsigned tried = 0;

    list_foreach(ready, node, after) {
        if (tried++ == FLOWS_TRIED ||
            pick_of(schedule, list_entry(node, struct flow, ready), pick))
            return;
        *pick = (struct flow_pick){0};
    }
}

static void look(struct schedule *schedule)
{
    if (schedule->picked)
        return;
    schedule->picked = true;
    schedule->small = schedule->large = (struct flow_pick){0};
    schedule->flows_wait = false;
    pick_from(schedule, &schedule->flows->small, &schedule->small);
    pick_from(schedule, &schedule->flows->large, &schedule->large);
}

struct datagram *flows_next(struct schedule *schedule, const struct subflow *subflow,
                            bool large)
{
    const struct flow_pick *pick = large ? &schedule->large : &schedule->small;

    look(schedule);
    return pick->subflow == subflow ? pick->datagram : NULL;
}

uint64_t flows_need(struct schedule *schedule, const struct subflow *subflow)
{
    const struct datagram *datagram = flows_next(schedule, subflow, false);

    if (datagram == NULL)
        datagram = flows_next(schedule, subflow, true);
    return datagram == NULL ? 0
                            : frame_length(datagram) + CHUNK_OVERHEAD + FRAME_SUBFLOW_MAX;
}

/* ---- turns ---- */

/* Streams that have bulk to send, as far as they matter. */
static unsigned count_bulk(const struct schedule *schedule)
{
    unsigned count = 0;

    list_foreach_const(&schedule->streams->ready[STREAM_BULK], node)
        if (++count == 64)
            break;
    return count;
}

void flows_note_stream(struct schedule *schedule, uint64_t bytes)
{
    if (!list_empty(&schedule->flows->large))
        schedule->stream_share += bytes / MAX(count_bulk(schedule), 1);
}

bool flows_turn(const struct schedule *schedule, const struct datagram *datagram)
{
    return datagram->flow->spent <= schedule->stream_share ||
           list_empty(&schedule->streams->ready[STREAM_BULK]);
}

bool flows_sent(struct schedule *schedule, struct datagram *datagram,
                struct subflow *subflow)
{
    struct flow *flow = datagram->flow;
    struct plan plan = plan_of(schedule, flow);
    unsigned wanted = datagram->again ? 0 : plan.paths * plan.per_path;

    /* A flow that sent nothing for a while has saved up no turns. */
    flow->spent = MAX(flow->spent, schedule->stream_share -
                                       MIN(schedule->stream_share, CHUNK_SIZE_MAX)) +
                  datagram->length;
    subflow->bulk |= flow->large;
    if (!flow->large) /* somebody waits for it: bulk leaves the link's queue short */
        schedule->interactive_at_ns = schedule->context->now;
    sparing_spend(schedule, subflow->path, datagram->length);
    schedule->picked = false;
    /* The next one of this list is another flow's. */
    list_remove(&flow->ready);
    return datagram_sent(schedule->flows, datagram, subflow, subflow->path,
                         datagram->copies + 1u >= wanted);
}

/* ---- before and after ---- */

/* Helps a datagram that no subflow can take. The rest of a budget may be too small for it:
 * the subflow makes room for a fresh one. Or a first chunk must be small: a PING is. */
static void make_room(struct schedule *schedule, const struct list *ready)
{
    const struct flow *flow =
        list_empty(ready) ? NULL : list_entry(ready->next, const struct flow, ready);
    const struct datagram *datagram =
        flow == NULL ? NULL : list_first(&flow->waiting, struct datagram, node);

    if (datagram == NULL)
        return;
    list_foreach(&schedule->subflows->all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (!is_fit(schedule, subflow) || !subflow->begun || !subflow_usable(subflow))
            continue;
        if (!fits_budget(schedule, subflow, frame_length(datagram)))
            subflow_retire(schedule->subflows, subflow);
        else if (packets_begin_small(schedule->subflows, subflow))
            subflow->ping = true;
        else
            continue;
        return;
    }
}

void flows_update(struct schedule *schedule)
{
    schedule->picked = false;
    if (list_empty(&schedule->flows->small) && list_empty(&schedule->flows->large))
        return;
    look(schedule);
    if (schedule->small.subflow == NULL)
        make_room(schedule, &schedule->flows->small);
    if (schedule->large.subflow == NULL)
        make_room(schedule, &schedule->flows->large);
}

bool flows_wait(const struct schedule *schedule)
{
    return schedule->flows_wait &&
           (!list_empty(&schedule->flows->small) || !list_empty(&schedule->flows->large));
}

uint64_t flows_timeout(const struct schedule *schedule)
{
    uint64_t when = flows_next_age(schedule->flows);

    return flows_wait(schedule) ? MIN(when, schedule->context->now + AGAIN_NS) : when;
}

void flows_note_late(struct schedule *schedule, const struct subflow *subflow)
{
    for (size_t i = 0; schedule->flows->bytes_out > 0 && i < subflow->items.count; i++) {
        const struct sent_item *item = ring_at(&subflow->items, i);

        if (item->kind == SENT_DATAGRAM)
            datagram_late(schedule->flows, item->datagram);
    }
}
