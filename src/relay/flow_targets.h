/* SPDX-License-Identifier: MIT */
/*
 * Where the datagrams of one flow go: for each binding the addresses of its name that this
 * machine has a route to, one of which is chosen. A name is resolved once for each binding,
 * and the first datagrams wait for that. An IPv4 address that is out of reach is reached
 * through the network's NAT64.
 */
#ifndef FLOW_TARGETS_H
#define FLOW_TARGETS_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/datagram_queue.h>
#include <splitsocks/base/share.h>
#include <splitsocks/io/nat64_finder.h>
#include <splitsocks/io/resolver.h>
#include <splitsocks/proxy/destination_cache.h>

#include <stddef.h>
#include <stdint.h>

/* As many as the engine keeps bindings; the least recently used goes first. */
#define FLOW_TARGETS_MAX 64
/* Bytes of all datagrams of a flow that wait for names; as many as the engine queues. */
#define FLOW_WAITING_BYTES (64 * 1024)
/* Names of one flow that are looked up at a time. */
#define FLOW_NAMES_MAX 8
/* A name that could not be resolved, or none of whose addresses can be sent to, is asked
 * for again after this time, when a datagram comes. */
#define FLOW_RETRY_NS (5 * NS_PER_S)

/* What all flows of a worker share. All borrowed. */
struct flow_ways {
    struct resolver *resolver;
    struct destination_cache *verdicts;
    struct nat64_finder *finder;
};

enum flow_target_state {
    FLOW_TARGET_RESOLVES,
    FLOW_TARGET_READY,
    FLOW_TARGET_DENIED,      /* the rules refuse each of its addresses */
    FLOW_TARGET_UNREACHABLE, /* none that is allowed can be sent to */
    FLOW_TARGET_UNRESOLVED,  /* the name has no address, or the servers do not answer */
};

struct flow_targets;

struct flow_target {
    struct list node; /* in targets.items */
    struct flow_targets *targets;
    uint64_t binding;
    enum flow_target_state state;
    uint16_t port;
    /* Those that had a route; the resolver gives the families in turn. */
    struct address addresses[TARGET_DATAGRAM_ADDRESSES_MAX];
    uint8_t count, chosen;                        /* of `addresses`; the one in use */
    bool works;                   /* the kernel has taken a datagram to the chosen one */
    struct address denied;        /* DENIED: the first that the rules refuse */
    struct resolver_query *query; /* NULL: none is under way */
    struct nat64_waiter waiter;
    struct address out_of_reach; /* the IPv4 address that waits for a NAT64 prefix */
    uint64_t failed_at_ns;
    struct datagram_queue waiting; /* until the target is resolved */
};

struct flow_targets {
    const struct flow_ways *ways;
    const struct destination_rules *const *rules; /* borrowed; a reload changes them */
    struct share *names; /* borrowed: the client's part of the resolver's places */
    /* A target that was being resolved has another state now. */
    void (*resolved)(struct flow_targets *targets, struct flow_target *target);
    struct list items; /* the last used is the first */
    unsigned count;
    unsigned queries;             /* names that are being looked up */
    struct datagram_room waiting; /* of all targets */
    bool by_nat64;                /* some target is reached through NAT64 */
};

void flow_targets_init(struct flow_targets *targets, const struct flow_ways *ways,
                       const struct destination_rules *const *rules, struct share *names,
                       void (*resolved)(struct flow_targets *targets,
                                        struct flow_target *target));
void flow_targets_deinit(struct flow_targets *targets);

/* The target of a binding, which is `to` if it is new. NULL when memory is out, or too
 * many names of the flow or its client are being looked up. `resolved` is not called from
 * here. */
struct flow_target *flow_targets_get(struct flow_targets *targets, uint64_t binding,
                                     const struct target *to, uint64_t now) MUST_CHECK;
/* READY, or UNREACHABLE with `count` above 0: where to send now. */
const struct address *flow_target_address(const struct flow_target *target);
/* The kernel has taken a datagram to the chosen address, which stays chosen. */
void flow_target_worked(struct flow_target *target);
/* The chosen address cannot be used now: chooses the next one, or the first again. */
void flow_target_skip(struct flow_target *target);
/* None of the addresses can be sent to. */
void flow_target_failed(struct flow_target *target, uint64_t now);
/* The kernel has not taken some datagrams of the flow: each address must prove itself. */
void flow_targets_doubt(struct flow_targets *targets);
/* The address by which the client knows the sender `from`. */
struct address flow_targets_source(const struct flow_targets *targets,
                                   const struct address *from);

#endif
