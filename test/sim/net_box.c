/* SPDX-License-Identifier: MIT */
#include "net_internal.h"

#include <stdlib.h>

/* A rate's queue holds so much, and four packets in any case: less than that stops TCP. */
#define QUEUE_NS (100 * NS_PER_MS)
#define QUEUE_PACKETS 4

/* A connection that a box counts as open. */
struct box_entry {
    struct list link; /* box->entries */
    struct sim_box *box;
    struct sim_tcp *tcp; /* whose `entry` this is; NULL when no end knows it any more */
    uint64_t expires_at_ns; /* TIME_NEVER until an end was dropped, or none can come */
};

static struct sim_box *box_of(const struct sim_tcp *tcp)
{
    struct sim_net *net = tcp->net;

    for (size_t i = 0; i < net->box_count; i++)
        if (net->boxes[i].path == tcp->path && net->boxes[i].ports >> tcp->port & 1)
            return &net->boxes[i];
    return NULL;
}

static const struct sim_limits *limits_of(const struct sim_net *net,
                                          const struct sim_box *box)
{
    size_t i = box->limit_count - 1;

    while (i > 0 && box->limits[i].begins_at_ns > net->clock->now_ns - net->began_at_ns)
        i--;
    return &box->limits[i];
}

void sim_net_set_boxes(struct sim_net *net, const struct sim_box *boxes, size_t count,
                       uint64_t seed)
{
    sim_random_init(&net->box_random, seed);
    net->box_count = count;
    for (size_t i = 0; i < count; i++) {
        struct sim_box *box = &net->boxes[i];

        *box = boxes[i];
        if (box->limit_count == 0)
            box->limit_count = 1;
        list_init(&box->entries);
        box->open = 0;
        box->tokens = box->limits[0].syns_per_second;
        box->filled_at_ns = net->clock->now_ns;
        box->counts = (struct sim_box_counts){0};
    }
}

/* ---- the table of connections ---- */

static void entry_free(struct box_entry *entry)
{
    if (entry->tcp != NULL)
        entry->tcp->boxed.entry = NULL;
    list_remove(&entry->link);
    entry->box->open--;
    free(entry);
}

void boxes_deinit(struct sim_net *net)
{
    for (size_t i = 0; i < net->box_count; i++)
        list_foreach(&net->boxes[i].entries, node, after)
            entry_free(list_entry(node, struct box_entry, link));
}

static void expire(struct sim_box *box, uint64_t now)
{
    list_foreach(&box->entries, node, after) {
        struct box_entry *entry = list_entry(node, struct box_entry, link);

        if (entry->expires_at_ns <= now)
            entry_free(entry);
    }
}

/* The connection is known to no end any more, or an end of it was dropped. */
static void abandon(struct box_entry *entry, const struct sim_net *net)
{
    uint64_t zombie_ns = limits_of(net, entry->box)->zombie_ns;

    entry->expires_at_ns = MIN(entry->expires_at_ns, net->clock->now_ns + zombie_ns);
}

void box_forget(struct sim_tcp *tcp)
{
    if (tcp->boxed.entry == NULL)
        return;
    abandon(tcp->boxed.entry, tcp->net);
    tcp->boxed.entry->tcp = NULL;
}

static void release(struct sim_tcp *tcp)
{
    if (tcp->boxed.entry != NULL)
        entry_free(tcp->boxed.entry);
}

static void begin(struct sim_box *box, struct sim_tcp *tcp)
{
    struct box_entry *entry = malloc(sizeof *entry);
    struct sim_random *random = &tcp->net->box_random;

    if (entry == NULL)
        abort();
    *entry = (struct box_entry){.box = box, .tcp = tcp, .expires_at_ns = TIME_NEVER};
    list_append(&box->entries, &entry->link);
    box->open++;
    box->counts.open_most = MAX(box->counts.open_most, box->open);
    tcp->boxed.entry = entry;
    tcp->boxed.began_at_ns = tcp->net->clock->now_ns;
    tcp->boxed.jitter = (double)sim_random_range(random, 0, 2000000) / 1e6 - 1;
}

static bool take_token(struct sim_box *box, const struct sim_limits *limits, uint64_t now)
{
    double rate = limits->syns_per_second;

    if (limits->syns_per_second == 0)
        return true;
    box->tokens += (double)(now - box->filled_at_ns) * rate / 1e9;
    if (box->tokens > rate)
        box->tokens = rate;
    box->filled_at_ns = now;
    /* A multiple of a third of a second may refill a little less than 1, by a rounding. */
    if (box->tokens < 1 - 1e-6)
        return false;
    box->tokens--;
    return true;
}

static bool syn_passes(struct sim_box *box, const struct sim_limits *limits,
                       struct sim_tcp *tcp)
{
    uint64_t now = tcp->net->clock->now_ns;

    expire(box, now);
    if (!limits->blocked && !take_token(box, limits, now)) {
        box->counts.syns_dropped++;
        if (limits->syns_refused)
            packet_cross(tcp, &(struct packet){.kind = PACKET_REFUSAL, .from = SIM_RELAY},
                         0);
        return false;
    }
    if (tcp->boxed.entry != NULL)
        return true; /* sent again */
    if (limits->blocked || (limits->open_most > 0 && box->open >= limits->open_most)) {
        box->counts.syns_dropped++;
        return false;
    }
    begin(box, tcp);
    return true;
}

/* ---- one connection ---- */

/* A limit of bytes or age, as it is for this connection. */
static uint64_t jittered(const struct sim_limits *limits, const struct sim_boxed *boxed,
                         uint64_t limit)
{
    return (uint64_t)((double)limit * (1 + boxed->jitter * limits->jitter_percent / 100));
}

static bool is_finish(const struct sim_tcp *tcp, const struct packet *packet)
{
    const struct sim_pipe *pipe = &tcp->pipe[packet->from];

    if (packet->kind != PACKET_DATA || packet->segment < pipe->first_segment)
        return false;
    const struct segment *segment =
        ring_at(&pipe->segments, packet->segment - pipe->first_segment);

    return segment->finish;
}

static bool is_reset(const struct packet *packet)
{
    return packet->kind == PACKET_RESET || packet->kind == PACKET_REFUSAL;
}

static void reset_towards(struct sim_tcp *tcp, enum sim_side side)
{
    struct packet reset = {.kind = PACKET_RESET, .from = sim_peer(side)};

    if (side == SIM_LOCAL)
        packet_cross(tcp, &reset, 0);
    else
        packet_hold(tcp, &reset, 0, 0);
}

static void cut(struct sim_box *box, struct sim_tcp *tcp, bool resets)
{
    sim_trace(tcp->net->clock, resets ? "box-reset" : "box-freeze", tcp->number,
              tcp->boxed.bytes, 0);
    if (!resets) {
        tcp->boxed.frozen = true;
        box->counts.frozen++;
        return;
    }
    tcp->boxed.reset = true;
    box->counts.reset++;
    release(tcp);
    reset_towards(tcp, SIM_LOCAL);
    reset_towards(tcp, SIM_RELAY);
}

static bool is_counted(const struct sim_limits *limits, enum sim_side from)
{
    switch (limits->counted) {
    case SIM_COUNTED_UP: return from == SIM_LOCAL;
    case SIM_COUNTED_DOWN: return from == SIM_RELAY;
    default: return true;
    }
}

/* How long a packet waits for the connection's rate, or TIME_NEVER. */
static uint64_t police(const struct sim_limits *limits, struct sim_tcp *tcp,
                       enum sim_side from, uint64_t ip_bytes)
{
    struct sim_boxed *boxed = &tcp->boxed;
    uint64_t now = tcp->net->clock->now_ns;
    uint64_t rate = limits->police_rate;

    if (limits->slow_bytes > 0 &&
        boxed->bytes > jittered(limits, boxed, limits->slow_bytes))
        rate = rate > 0 ? MIN(rate, limits->slow_rate) : limits->slow_rate;
    if (rate == 0)
        return 0;
    uint64_t begins_at_ns = MAX(now, boxed->free_at_ns[from]);
    uint64_t packets_ns =
        QUEUE_PACKETS * (SIM_SEGMENT_BYTES + SIM_HEADER_BYTES) * NS_PER_S / rate;

    if (begins_at_ns - now > MAX(QUEUE_NS, packets_ns))
        return TIME_NEVER;
    boxed->free_at_ns[from] = begins_at_ns + ip_bytes * NS_PER_S / rate;
    return begins_at_ns - now;
}

/* As box_judge(), of a connection whose SYN has passed. */
static uint64_t carry(struct sim_box *box, const struct sim_limits *limits,
                      struct sim_tcp *tcp, const struct packet *packet, uint32_t payload)
{
    struct sim_boxed *boxed = &tcp->boxed;
    uint64_t bytes = limits->payload ? payload : payload + SIM_HEADER_BYTES;

    if (boxed->reset) {
        if (!is_reset(packet))
            reset_towards(tcp, packet->from);
        return TIME_NEVER;
    }
    if (boxed->frozen)
        return limits->frozen_ends_pass && (is_reset(packet) || is_finish(tcp, packet))
                   ? 0
                   : TIME_NEVER;
    if (limits->age_ns > 0 && tcp->net->clock->now_ns - boxed->began_at_ns >=
                                  jittered(limits, boxed, limits->age_ns)) {
        cut(box, tcp, limits->age_resets);
        return TIME_NEVER;
    }
    if (!is_counted(limits, packet->from))
        bytes = 0;
    if (limits->cut_bytes > 0 && bytes > 0 &&
        boxed->bytes + bytes > jittered(limits, boxed, limits->cut_bytes)) {
        cut(box, tcp, limits->cut_resets);
        return TIME_NEVER;
    }
    uint64_t waits_ns = police(limits, tcp, packet->from, payload + SIM_HEADER_BYTES);

    if (waits_ns == TIME_NEVER)
        box->counts.policed++;
    else
        boxed->bytes += bytes;
    return waits_ns;
}

/* An end of the connection has passed, or was dropped. */
static void note_end(struct sim_tcp *tcp, const struct packet *packet, bool passed)
{
    struct sim_boxed *boxed = &tcp->boxed;

    if (!is_reset(packet) && !is_finish(tcp, packet))
        return;
    if (!passed && boxed->frozen && boxed->entry != NULL)
        abandon(boxed->entry, tcp->net);
    if (!passed)
        return;
    boxed->finished[packet->from] = true;
    if (is_reset(packet) || (boxed->finished[0] && boxed->finished[1]))
        release(tcp);
}

uint64_t box_judge(struct sim_tcp *tcp, const struct packet *packet, uint32_t payload)
{
    struct sim_box *box = box_of(tcp);

    if (box == NULL)
        return 0;
    const struct sim_limits *limits = limits_of(tcp->net, box);

    if (packet->kind == PACKET_SYN && !syn_passes(box, limits, tcp)) {
        sim_trace(tcp->net->clock, "box-syn", tcp->number, box->open, 0);
        return TIME_NEVER;
    }
    uint64_t waits_ns = carry(box, limits, tcp, packet, payload);

    note_end(tcp, packet, waits_ns != TIME_NEVER);
    if (waits_ns == TIME_NEVER)
        sim_trace(tcp->net->clock, "box-drop", tcp->number << 1 | packet->from,
                  packet->kind, payload);
    return waits_ns;
}
