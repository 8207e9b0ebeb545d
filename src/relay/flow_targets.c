/* SPDX-License-Identifier: MIT */
#include "flow_targets.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/socket.h>

#include <stdlib.h>
#include <string.h>

void flow_targets_init(struct flow_targets *targets, const struct flow_ways *ways,
                       const struct destination_rules *const *rules, struct share *names,
                       void (*resolved)(struct flow_targets *targets,
                                        struct flow_target *target))
{
    *targets = (struct flow_targets){
        .ways = ways, .rules = rules, .names = names, .resolved = resolved};
    targets->waiting.most = FLOW_WAITING_BYTES;
    list_init(&targets->items);
}

/* The name is resolved, or is not needed any more. */
static void end_query(struct flow_target *target)
{
    target->query = NULL;
    target->targets->queries--;
    share_give(target->targets->names, 1);
}

static void stop_resolving(struct flow_target *target)
{
    if (target->query != NULL) {
        resolver_cancel(target->query);
        end_query(target);
    }
    list_remove(&target->waiter.node);
}

static void free_target(struct flow_target *target)
{
    stop_resolving(target);
    datagram_queue_clear(&target->waiting);
    list_remove(&target->node);
    target->targets->count--;
    free(target);
}

void flow_targets_deinit(struct flow_targets *targets)
{
    while (!list_empty(&targets->items))
        free_target(list_first(&targets->items, struct flow_target, node));
}

/* ---- resolving ---- */

static void set_failed(struct flow_target *target, enum flow_target_state state)
{
    target->state = state;
    target->failed_at_ns = clock_now();
}

/* Adds the address if datagrams may go there now. */
static void take_address(struct flow_target *target, const struct address *address)
{
    const struct flow_targets *targets = target->targets;

    if (destination_cache_check(targets->ways->verdicts, *targets->rules, address,
                                clock_now()) != OK) {
        if (target->denied.family == ADDRESS_NONE)
            target->denied = *address;
    } else if (socket_source_to(address).family == ADDRESS_NONE) {
        if (address->family == ADDRESS_IPV4 && target->out_of_reach.family == ADDRESS_NONE)
            target->out_of_reach = *address;
    } else if (target->count < TARGET_DATAGRAM_ADDRESSES_MAX) {
        target->addresses[target->count++] = *address;
        target->state = FLOW_TARGET_READY;
    }
}

/* Reaches the IPv4 address through a NAT64, as far as its prefixes are known. */
static void go_by_nat64(struct flow_target *target)
{
    struct address embedded[NAT64_PREFIXES_MAX];
    size_t count = nat64_embed_all(&target->targets->ways->finder->prefixes,
                                   &target->out_of_reach, 1, embedded, NAT64_PREFIXES_MAX);

    for (size_t i = 0; i < count; i++)
        take_address(target, &embedded[i]);
    if (target->count > 0)
        target->targets->by_nat64 = true;
    else
        set_failed(target, FLOW_TARGET_UNREACHABLE);
}

static void on_prefixes(struct nat64_waiter *waiter)
{
    struct flow_target *target = container_of(waiter, struct flow_target, waiter);

    go_by_nat64(target);
    target->targets->resolved(target->targets, target);
}

/* Keeps the addresses that can be used, and chooses the first; the state says what came of
 * it. */
static void choose(struct flow_target *target, const struct address *addresses,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct address address = address_unmap(&addresses[i]);

        address.port = target->port;
        take_address(target, &address);
    }
    if (target->count > 0)
        return;
    if (target->out_of_reach.family == ADDRESS_NONE)
        set_failed(target, target->denied.family != ADDRESS_NONE ? FLOW_TARGET_DENIED
                                                                 : FLOW_TARGET_UNREACHABLE);
    else if (nat64_finder_ask(target->targets->ways->finder, &target->waiter))
        go_by_nat64(target);
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    struct flow_target *target = context;

    end_query(target);
    if (error == OK)
        choose(target, addresses, count);
    else
        set_failed(target, FLOW_TARGET_UNRESOLVED);
    if (target->state != FLOW_TARGET_RESOLVES)
        target->targets->resolved(target->targets, target);
}

static int look_up(struct flow_target *target, const char *name)
{
    struct flow_targets *targets = target->targets;
    int error;

    if (targets->queries == FLOW_NAMES_MAX || !share_take(targets->names, 1))
        return ERROR_LIMIT;
    error =
        resolver_query(targets->ways->resolver, name, on_resolved, target, &target->query);
    if (error == OK)
        targets->queries++;
    else
        share_give(targets->names, 1);
    return error;
}

static int resolve(struct flow_target *target, const struct target *to)
{
    target->state = FLOW_TARGET_RESOLVES;
    target->count = target->chosen = 0;
    target->works = false;
    target->denied = target->out_of_reach = (struct address){.family = ADDRESS_NONE};
    if (to->address_count == 0)
        return look_up(target, to->name);
    choose(target, to->addresses, to->address_count);
    return OK;
}

/* ---- targets ---- */

static struct flow_target *find(const struct flow_targets *targets, uint64_t binding)
{
    list_foreach_const(&targets->items, node) {
        struct flow_target *target =
            list_entry((struct list *)(uintptr_t)node, struct flow_target, node);

        if (target->binding == binding)
            return target;
    }
    return NULL;
}

static struct flow_target *add(struct flow_targets *targets, uint64_t binding,
                               const struct target *to)
{
    struct flow_target *target = calloc(1, sizeof(*target));

    if (target == NULL)
        return NULL;
    if (targets->count == FLOW_TARGETS_MAX)
        free_target(list_entry(targets->items.prev, struct flow_target, node));
    target->targets = targets;
    target->binding = binding;
    target->port = to->port;
    target->waiter.done = on_prefixes;
    list_init(&target->waiter.node);
    datagram_queue_init(&target->waiting, &targets->waiting);
    list_init(&target->node);
    list_prepend(&targets->items, &target->node);
    targets->count++;
    return target;
}

struct flow_target *flow_targets_get(struct flow_targets *targets, uint64_t binding,
                                     const struct target *to, uint64_t now)
{
    struct flow_target *target = find(targets, binding);
    bool fresh = target == NULL;

    if (fresh && (target = add(targets, binding, to)) == NULL)
        return NULL;
    list_remove(&target->node);
    list_prepend(&targets->items, &target->node);
    if (target->state == FLOW_TARGET_READY || (!fresh && target->query != NULL))
        return target;
    /* Routes and rules may have changed, and servers may answer again. */
    if ((fresh || now - target->failed_at_ns >= FLOW_RETRY_NS) &&
        !list_linked(&target->waiter.node) && resolve(target, to) != OK) {
        free_target(target);
        return NULL;
    }
    return target;
}

/* ---- the choice ---- */

const struct address *flow_target_address(const struct flow_target *target)
{
    return &target->addresses[target->chosen];
}

void flow_target_worked(struct flow_target *target)
{
    target->works = true;
    target->state = FLOW_TARGET_READY;
}

void flow_target_skip(struct flow_target *target)
{
    target->works = false;
    target->chosen = (uint8_t)((target->chosen + 1u) % target->count);
}

void flow_target_failed(struct flow_target *target, uint64_t now)
{
    /* Datagrams that come meanwhile must not put off the next look. */
    if (target->state != FLOW_TARGET_UNREACHABLE)
        target->failed_at_ns = now;
    target->state = FLOW_TARGET_UNREACHABLE;
}

void flow_targets_doubt(struct flow_targets *targets)
{
    list_foreach(&targets->items, node, after) {
        list_entry(node, struct flow_target, node)->works = false;
    }
}

/* ---- sources ---- */

struct address flow_targets_source(const struct flow_targets *targets,
                                   const struct address *from)
{
    struct address ipv4;

    if (targets->by_nat64 && from->family == ADDRESS_IPV6 &&
        nat64_carried(&targets->ways->finder->prefixes, from, &ipv4))
        return ipv4;
    return *from;
}
